"""JSON in packets of Engine.IO, in which Socket.IO's clients send where they have no WebSocket (polling)."""

from __future__ import annotations

import re
from collections.abc import Iterator

# A message: its own type and that of Socket.IO, how many binary parts follow, a namespace, the number of an
# acknowledgement.  White space is skipped by what reads the JSON
_MESSAGE = re.compile(r"4[0-9\s]*(?:-[0-9\s]*)?(?:/[^,]*,[0-9\s]*)?[\[{]")
_LENGTH = re.compile(r"([0-9]{1,9}):")
_PAIR = re.compile("[\U00010000-\U0010ffff]")  # two characters to JavaScript


def has_packets(body: bytes) -> bool:
    """Whether some packet of it may be JSON."""
    text = body.decode("utf-8", "replace")
    return any(_MESSAGE.match(each) for each in (*text.split("\x1e"), *_measured(text)))


def _measured(text: str) -> Iterator[str]:
    """As version 3 of the protocol puts one behind the other: each has its length in front."""
    text = _PAIR.sub("??", text)
    here = 0
    while length := _LENGTH.match(text, here):
        here = length.end() + int(length[1])
        yield text[length.end() : here]

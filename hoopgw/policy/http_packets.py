"""JSON in packets of Engine.IO, in which Socket.IO's clients send where they have no WebSocket (polling)."""

from __future__ import annotations

import re
from typing import Any, Final

import re2

MOST: Final = 4096  # packets of one body that are followed: it has what a client said since it asked last
# White space counts as a digit to its parser, by JavaScript's Number(), and is skipped by what reads the JSON
_NUMBER = r"[0-9\s\x0b\x85\x{feff}\pZ]*"
# A message: its own type and that of Socket.IO, how many binary parts follow, a namespace, the number of an
# acknowledgement
_MESSAGE = rf"4{_NUMBER}(?:-{_NUMBER})?(?:/[^,]*,{_NUMBER})?[\[{{]"
_ALONE: Final[Any] = re2.compile(rf"\A{_MESSAGE}")
_SEPARATED: Final[Any] = re2.compile(rf"(?:\A|\x1e){_MESSAGE}")
_MEASURED: Final[Any] = re2.compile(rf"(?s)\A[0-9]{{1,9}}:(?:.*[0-9]:)?{_MESSAGE}")
_LENGTH: Final = re.compile(r"([0-9]{1,9}):")
_PAIR: Final = re.compile("[\U00010000-\U0010ffff]")  # two characters to JavaScript


def has_packets(body: bytes) -> bool:
    """Whether some packet of it may be JSON."""
    text = body.decode("utf-8", "replace")
    return _SEPARATED.search(text) is not None or (_MEASURED.search(text) is not None and _measured(text))


def _measured(text: str) -> bool:
    """The same as version 3 of the protocol puts one behind the other: each has its length in front."""
    text = _PAIR.sub("??", text)
    here = 0
    for _ in range(MOST):
        length = _LENGTH.match(text, here)
        if length is None:
            return False
        here = length.end() + int(length[1])
        if _ALONE.search(text[length.end() : here]) is not None:
            return True
    return True

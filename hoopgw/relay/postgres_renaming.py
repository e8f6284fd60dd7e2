"""The gateway's own `SET application_name`: by statement and portal of its own, since a simple Query would take the
client's unnamed ones away."""

from __future__ import annotations

from typing import Final

from hoopgw.relay import postgres_expect as expecting
from hoopgw.relay.postgres_expect import Expect
from hoopgw.wire import pgmessages

PREFIX: Final = b"hoopgw_name_"
_ANSWERS: Final = (
    expecting.PARSE,
    expecting.BIND,
    expecting.EXECUTE,
    expecting.CLOSE,
    expecting.CLOSE,
    expecting.SYNC,
)


def renaming(application_name: bytes, nonce: bytes) -> tuple[bytes, list[Expect]]:
    """What the target is sent, and what it answers; `nonce` makes the names such as no client has."""
    own = PREFIX + nonce
    text = b"SET application_name = '" + application_name.replace(b"'", b"''") + b"'"
    sent = (
        pgmessages.parse(own, text)
        + pgmessages.bind_nothing(own, own)
        + pgmessages.execute(own)
        + pgmessages.close(b"P", own)
        + pgmessages.close(b"S", own)
        + pgmessages.SYNC
    )
    return sent, [expecting.own(kind) for kind in _ANSWERS]

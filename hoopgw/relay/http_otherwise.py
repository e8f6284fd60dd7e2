"""How a request was sent that was recorded before it was decided: what of its head was left out, and what was added."""

from __future__ import annotations

from typing import Final

from hoopgw.relay.http_echoes import REDACTED
from hoopgw.wire import sigv4

Otherwise = dict[str, list[str]]

AS_ASKED: Final[Otherwise] = {}
LEFT_OUT: Final = "left_out"  # names of fields
ADDED: Final = "added"  # lines; in place of those of the same name
_SECRET: Final = frozenset((sigv4.SESSION_TOKEN,))
_RECORDED: Final = b"authorization"  # as what it is: redacted


def otherwise(before: bytes, after: bytes, own: bytes) -> Otherwise:
    """`before` and `after` are the client's lines as they were recorded and sent, `own` lines of the gateway's beside
    them; each has its CR LF."""
    left_out = sorted({_name(line) for line in _lines(before)} - {_name(line) for line in _lines(after)})
    added = [_shown(line) for line in _lines(own) if _name(line) != _RECORDED]
    said = {LEFT_OUT: [name.decode("latin-1") for name in left_out]} if left_out else {}
    return {**said, ADDED: [line.decode("latin-1") for line in added]} if added else said


def _lines(data: bytes) -> list[bytes]:
    return data.split(b"\r\n")[:-1]


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()


def _shown(line: bytes) -> bytes:
    name = _name(line)
    return name + b": " + REDACTED if name in _SECRET else line

"""Conditions of a request that compare with what is masked (RFC 9110, 13.1; RFC 4918, 10.4): an entity tag is often a
digest of the body, and whoever guesses a body right would be told so by a 304 or a 412."""

from __future__ import annotations

from typing import Final

from hoopgw.model.http import alike

UNLESS: Final = b"if-none-match"
_ENDS: Final = (b"if-match", UNLESS)  # S3 has x-amz-copy-source-if-match as well
_DAV: Final = b"if"
_ANY: Final = b"*"  # whether there is something, not what it is
READS: Final = frozenset((b"GET", b"HEAD"))

Field = tuple[bytes, bytes]


def compares(method: bytes, fields: tuple[Field, ...]) -> bool:
    """Whether the target would say if it has a body of that tag.  `untagged` is enough for a GET with If-None-Match:
    its answer is whole, as it is for who has nothing yet; of any other request it would change the meaning."""
    return any(_tagged(name, value) and not (alike(name) == UNLESS and method in READS) for name, value in fields)


def is_tagged(fields: tuple[Field, ...]) -> bool:
    """There are lines that `untagged` leaves out."""
    return any(alike(name) == UNLESS and _tagged(name, value) for name, value in fields)


def untagged(lines: bytes) -> bytes:
    """Lines, each with its CR LF, without If-None-Match."""
    kept = [line for line in lines.split(b"\r\n")[:-1] if alike(line.partition(b":")[0].lower()) != UNLESS]
    return b"".join([line + b"\r\n" for line in kept])


def _tagged(name: bytes, value: bytes) -> bool:
    plain = alike(name)
    if plain == _DAV:
        return b"[" in value
    return plain.endswith(_ENDS) and value.strip(b" \t") != _ANY

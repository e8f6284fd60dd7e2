"""A credential that stands in the address: no client brings its own, and no redirect of the target tells it."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from hoopgw.relay.http_echoes import REDACTED

_APART: Final = re.compile(rb"[&;]")


def brings(target: bytes, query: bytes) -> bool:
    """Whether a request target has a parameter of the name that the credential `query` (name=value) has: targets take
    the first of two, or the last."""
    name = _name(query)
    return any(_name(part) == name for part in _APART.split(target.partition(b"?")[2]))


def shown(line: bytes, query: bytes) -> bytes:
    """A method and its target as the record shows what goes to the target."""
    return with_query(line, query.partition(b"=")[0] + b"=" + REDACTED)


def with_query(line: bytes, query: bytes) -> bytes:
    return line + (b"&" if b"?" in line else b"?") + query


def without(value: bytes, query: bytes) -> bytes:
    """A field of an answer: an address in it has the parameter no more, and elsewhere its value is redacted."""
    secret = query.partition(b"=")[2]
    plain = unquote_to_bytes(secret)
    if not secret or (secret not in value and plain not in value):
        return value
    for old, new in ((b"&" + query, b""), (b"?" + query + b"&", b"?"), (b"?" + query, b"")):
        value = value.replace(old, new)
    return value.replace(secret, REDACTED).replace(plain, REDACTED)


def _name(pair: bytes) -> bytes:
    return unquote_to_bytes(pair.partition(b"=")[0].replace(b"+", b" ")).strip().lower()

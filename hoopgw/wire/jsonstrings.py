"""Strings of JSON text: where they end, what they mean, how a text is written as one.  Compiled loops."""

from __future__ import annotations

import json
from typing import Final

import orjson
from librt.strings import read_i64_le
from mypy_extensions import i64

from hoopgw.model.errors import Unmaskable

ABOUT: Final = "a body that is not JSON as RFC 8259 has it"

_QUOTES: Final = 0x2222222222222222
_ONES: Final = 0x0101010101010101
_NUMBERS: Final = 0x0001020304050607  # of bytes: times the lowest bit of one, its number is in the highest byte


def string_end(data: bytes, start: i64, end: i64) -> i64:
    """Twice where the quote stands that ends a string, plus one where a backslash stands before it; -1: not here.

    `start` is not behind a backslash.
    """
    here: i64 = start
    escaped: i64 = 0
    half: i64 = 0x2E2E2E2E2E2E2E2E  # of eight backslashes, which would be too large for a constant
    slash: i64 = half + half
    while here + 8 <= end:  # eight bytes at a time
        word: i64 = read_i64_le(data, here)
        quotes: i64 = word ^ _QUOTES
        slashes: i64 = word ^ slash
        found: i64 = (((quotes - _ONES) & ~quotes) | ((slashes - _ONES) & ~slashes)) >> 7 & _ONES
        if not found:
            here += 8
            continue
        # the lowest is exact: how many bytes are below it
        here += (found & -found) * _NUMBERS >> 56 & 7
        if data[here] == 34:
            return here + here + escaped
        escaped = 1
        here += 2
    while here < end:
        c: i64 = data[here]
        if c == 34:
            return here + here + escaped
        here += 1
        if c == 92:
            escaped = 1
            here += 1
    return -1


def ends_in_escape(data: bytes, cut: bool) -> bool:
    """Whether the last byte is a backslash that escapes the next; `cut`: the first byte is escaped itself."""
    count: i64 = 0
    here: i64 = len(data)
    first: i64 = 1 if cut else 0
    while here > first and data[here - 1] == 92:
        count += 1
        here -= 1
    if cut and len(data) == 0:
        return True
    return count % 2 == 1


def plain(quoted: bytes) -> bytes:
    """What a string with escapes means, in UTF-8; half a surrogate pair is a question mark."""
    try:
        text = json.loads(quoted, strict=False)
    except ValueError:
        raise Unmaskable(ABOUT) from None
    return str(text).encode("utf-8", "replace")


def quoted(text: bytes) -> bytes:
    return orjson.dumps(text.decode("utf-8", "replace"))

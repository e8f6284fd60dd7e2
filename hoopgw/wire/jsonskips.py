"""Values of JSON text in which nothing is looked for: where they end.  Compiled loops, eight bytes at once."""

from __future__ import annotations

from typing import Final

from librt.strings import read_i32_le, read_i64_le
from mypy_extensions import i64

# 1: white space (and RS, which begins a text of RFC 7464); 2: part of a number or a word
CLASS: Final = bytes(
    1 if c in b" \t\r\n\x1e" else 2 if chr(c).isascii() and (chr(c).isalnum() or c in b"+-.") else 0 for c in range(256)
)

_TRUE: Final = 0x65757274  # b"true", the lowest byte first
_NULL: Final = 0x6C6C756E  # b"null", the lowest byte first
_ALSE: Final = 0x65736C61  # b"alse", the lowest byte first
_RUE: Final = 0x657572  # b"rue", the lowest byte first
_ULL: Final = 0x6C6C75  # b"ull", the lowest byte first
_THREE: Final = 0xFFFFFF  # bytes
_WORDS: Final = (b"true", b"false", b"null", b"NaN", b"Infinity", b"-Infinity")

_QUOTES: Final = 0x2222222222222222
_ZEROS: Final = 0x3030303030303030
_NINES: Final = 0x0909090909090909
_ONES: Final = 0x0101010101010101
_NUMBERS: Final = 0x0001020304050607  # of bytes: times the lowest bit of one, its number is in the highest byte


def string_behind(data: bytes, start: i64, end: i64) -> i64:
    """Behind the quote that ends a string which begins before `start`; -1: not told here.

    Not told where that quote is not there, stands in the last bytes, or has a backslash before it.
    """
    here: i64 = start
    while here + 8 <= end:
        word: i64 = read_i64_le(data, here) ^ _QUOTES
        found: i64 = ((word - _ONES) & ~word) >> 7 & _ONES
        if found:
            # the lowest is exact: how many bytes are below it
            here += (found & -found) * _NUMBERS >> 56 & 7
            if here > start and data[here - 1] == 92:
                return -1
            return here + 1
        here += 8
    return -1


def is_word(data: bytes, start: i64, end: i64) -> bool:
    """true, false, null, or what some take for a number."""
    if end >= 4 and 4 <= end - start <= 5:
        last = i64(read_i32_le(data, end - 4))
        if end - start == 4:
            return last in (_TRUE, _NULL)
        if data[start] == 102:
            return last == _ALSE
    return data[start:end] in _WORDS


def bare_end(data: bytes, start: i64, end: i64) -> i64:
    """Where a number, true, false or null ends; -1 where there is none of them, or its end is not there."""
    table = CLASS
    c: i64 = data[start]
    here: i64 = start + 1
    if start + 9 > end:
        pass
    elif c > 57:
        last = i64(read_i32_le(data, start + 1))
        if c == 102 and last == _ALSE:
            here = start + 5
        elif (c == 116 and last & _THREE == _RUE) or (c == 110 and last & _THREE == _ULL):
            here = start + 4
        if here > start + 1 and table[data[here]] != 2:
            return here
    elif c >= 48:
        word: i64 = read_i64_le(data, here) ^ _ZEROS
        most: i64 = 0x3F3F3F3F3F3F3F3F
        low: i64 = most + most + _ONES  # seven bits of each byte, which would be too large for a constant
        found: i64 = (((word & low) + (low - _NINES)) | word) >> 7 & _ONES  # of what is above nine: no digit
        if found:
            here += (found & -found) * _NUMBERS >> 56 & 7
            c = data[here]
            if c == 44 or c == 125 or c == 93:  # what nearly all numbers end before
                return here
            c = data[start]
        else:
            here += 8
    while here < end and table[data[here]] == 2:
        here += 1
    if here >= end:
        return -1
    if 48 <= c <= 57 or (c == 45 and here - start > 1 and 48 <= data[start + 1] <= 57):
        return here
    if table[c] == 2 and is_word(data, start, here):
        return here
    return -1


def list_behind(data: bytes, start: i64, end: i64) -> i64:
    """Behind a list that has no object or list in it, and whose bracket is at `start`; -1: it is none, or not told."""
    table = CLASS
    here: i64 = start + 1
    while here < end:
        c: i64 = data[here]
        if c == 34:
            here = string_behind(data, here + 1, end)
        elif table[c] == 1:
            here += 1
            continue
        elif c == 93 and here == start + 1:
            return here + 1
        else:
            here = bare_end(data, here, end)
        if here < 0 or here >= end:
            return -1
        c = data[here]
        while c != 44 and c != 93:
            here += 1
            if table[c] != 1 or here >= end:
                return -1
            c = data[here]
        here += 1
        if c == 93:
            return here
    return -1

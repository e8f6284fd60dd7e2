"""A statement's shape: its text without its literals, so that statements that differ in nothing else share a verdict.

This is a second lexer in a security decision, so it knows almost nothing: whole numbers and decimals, and strings
without a backslash.  Whatever could begin another kind of token is a miss, and the text is judged by itself.  Two texts
of one shape have the same facts (tests/policy/test_sql_shape.py holds that to PostgreSQL's own grammar).  Compiled in
packages.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

STRING: Final = b"\x02"
# A number's type decides which function or operator is meant (documentation, 4.1.2.6): each has a placeholder.
INT4: Final = b"\x01"
INT8: Final = b"\x03"
NUMERIC: Final = b"\x04"

_QUOTE: Final = 39
_DOT: Final = 46


def _classes() -> bytes:
    """By byte: 0 anything that stands for itself, 1 digit, 2 letter, 3 quote, 4 miss, 5 hyphen, 6 slash, 7 dot, 8 &."""
    found = bytearray(256)
    # dollar quotes and parameters, backslashes, quoted identifiers, control characters, other alphabets
    for byte in (*b'$\\"', *range(9), 11, 12, *range(14, 32), *range(127, 256)):
        found[byte] = 4
    for byte in range(48, 58):
        found[byte] = 1
    for byte in (*range(65, 91), *range(97, 123), 95):
        found[byte] = 2
    found[_QUOTE], found[45], found[47], found[_DOT], found[38] = 3, 5, 6, 7, 8
    return bytes(found)


_CLASS: Final = _classes()


def shape(text: bytes) -> bytes | None:
    """The shape, or None where this text has none.  Linear in the text's length."""
    classes = _CLASS
    size: i64 = len(text)
    here: i64 = 0
    begin: i64 = 0  # of what was not copied yet
    pieces: list[bytes] = []
    while here < size:
        kind: i64 = classes[text[here]]
        if kind == 0 or kind == 2:
            here += 1
        elif kind == 1:
            end = _number_end(text, here, size)
            if _before(text, here) not in (1, 2, 7):
                placeholder = _number(text, here, end)
                if placeholder:
                    pieces.append(text[begin:here])
                    pieces.append(placeholder)
                    begin = end
            here = end
        elif kind == 3:
            if _before(text, here) in (1, 2, 8):  # E'', U&'', B'', X'', N''
                return None
            end = _string_end(text, here + 1, size)
            if end < 0:
                return None
            pieces.append(text[begin:here])
            pieces.append(STRING)
            here = begin = end
        elif kind == 4 or (here + 1 < size and _comment(text, here, kind)):
            return None
        else:
            here += 1
    pieces.append(text[begin:])
    return b"".join(pieces)


def _before(text: bytes, here: i64) -> i64:
    """The class of the byte before."""
    return _CLASS[text[here - 1]] if here > 0 else 0


def _comment(text: bytes, here: i64, kind: i64) -> bool:
    return (kind == 5 and text[here + 1] == 45) or (kind == 6 and text[here + 1] == 42)


def _string_end(text: bytes, here: i64, size: i64) -> i64:
    """Behind the closing quote; -1 where there is none, or a byte that could mean something else."""
    while here < size:
        byte: i64 = text[here]
        if byte == _QUOTE:
            if here + 1 == size or text[here + 1] != _QUOTE:
                return here + 1
            here += 1
        elif _CLASS[byte] == 4:
            return -1
        here += 1
    return -1


def _number_end(text: bytes, here: i64, size: i64) -> i64:
    """Behind the digits, and behind a point with digits."""
    while here < size and _CLASS[text[here]] == 1:
        here += 1
    if here + 1 < size and text[here] == _DOT and _CLASS[text[here + 1]] == 1:
        here += 1
        while here < size and _CLASS[text[here]] == 1:
            here += 1
    return here


def _number(text: bytes, here: i64, end: i64) -> bytes:
    """The placeholder; nothing where it is a part of something else, or where its value decides its type."""
    if end < len(text) and _CLASS[text[end]] in (1, 2, 7):
        return b""
    digits: i64 = end - here
    point: i64 = here
    while point < end:
        if text[point] == _DOT:
            return NUMERIC
        point += 1
    if digits == 10 or digits == 19:
        return b""
    return INT4 if digits < 10 else INT8 if digits < 19 else NUMERIC

"""JSON text -> its strings, numbers and booleans (RFC 8259), all of them or those under named keys.  Compiled loops."""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from hoopgw.wire.jsonkeys import KeyTable
from hoopgw.wire.jsonwalk import Walk
from hoopgw.wire.pieces import BARE, STRING, Piece, behind_quotes

TEXT: Final = 0  # parts
NUMBER: Final = 1
TRUTH: Final = 2
NAME: Final = 3  # the key of an object

_SHORT: Final = {98: 8, 102: 12, 110: 10, 114: 13, 116: 9}  # b f n r t


def json_pieces(data: bytes, start: i64, keys: KeyTable | None, names: bool) -> list[Piece] | None:
    """Of `data[start:]`, which begins or ends a document; with its keys, too, where `names`."""
    found: list[Piece] = []
    walk = Walk(keys)
    here: i64 = start
    size: i64 = len(data)
    while here < size:
        c: i64 = data[here]
        if c == 32 or c == 10 or c == 13 or c == 9:
            here += 1
        elif c == 34:
            end = behind_quotes(data, here)
            if end < 0:
                return None
            if not _names_something(data, end):
                if walk.selected:
                    found.append(Piece(here, end, text_of(data, here + 1, end - 1), STRING, TEXT))
            else:
                if not walk.name(data[here + 1 : end - 1]):
                    return None
                if names:
                    found.append(Piece(here, end, text_of(data, here + 1, end - 1), STRING, NAME))
            here = end
        elif c == 123 or c == 91:
            walk.opens(c)
            here += 1
        elif c == 125 or c == 93:
            if not walk.closes(c):
                return None
            here += 1
        elif c == 44 or c == 58:
            if walk.whole:
                return None
            if c == 44:
                walk.comma()
            here += 1
        else:
            end = _behind_word(data, here)
            part = _part(data, here, end)
            if part < 0:
                return None
            if part <= TRUTH and walk.selected:
                found.append(Piece(here, end, data[here:end], BARE, part))
            here = end
    return found if walk.whole else None


def _names_something(data: bytes, here: i64) -> bool:
    """Whether a colon follows."""
    size: i64 = len(data)
    while here < size:
        c: i64 = data[here]
        if c != 32 and c != 10 and c != 13 and c != 9:
            return c == 58
        here += 1
    return False


def _behind_word(data: bytes, here: i64) -> i64:
    """Behind a run of letters, digits and what else numbers have; one byte where there is none."""
    size: i64 = len(data)
    begin: i64 = here
    while here < size:
        c: i64 = data[here]
        if not (48 <= c <= 57 or 97 <= (c | 32) <= 122 or c == 43 or c == 45 or c == 46):
            break
        here += 1
    return here if here > begin else begin + 1


def _part(data: bytes, start: i64, end: i64) -> i64:
    """NUMBER or TRUTH; more than that: null; -1: neither."""
    c: i64 = data[start]
    if c == 45 or 48 <= c <= 57:
        while start < end:
            c = data[start]
            if 97 <= (c | 32) <= 122 and c | 32 != 101:
                return -1
            start += 1
        return NUMBER
    word = data[start:end]
    if word == b"true" or word == b"false":
        return TRUTH
    return NAME if word == b"null" else -1


def text_of(data: bytes, start: i64, end: i64) -> bytes:
    """A string without its escapes.  What they write beyond ASCII stays as written: in which encoding the client reads
    is not known here."""
    if data.find(b"\\", start, end) < 0:
        return data[start:end]
    out = bytearray()
    here: i64 = start
    while here < end:
        c: i64 = data[here]
        if c != 92 or here + 1 >= end:
            out.append(c)
            here += 1
            continue
        c = data[here + 1]
        if c == 117:
            code = _code(data, here + 2, end)
            if 0 <= code < 128:
                out.append(code)
            else:
                out += data[here : here + 6]
            here += 6
            continue
        out.append(_SHORT.get(c, c))
        here += 2
    return bytes(out)


def _code(data: bytes, start: i64, end: i64) -> i64:
    """The code point that four hexadecimal digits write; -1 for anything else."""
    if start + 4 > end:
        return -1
    code: i64 = 0
    here: i64 = start
    while here < start + 4:
        c: i64 = data[here]
        if 48 <= c <= 57:
            code = code * 16 + c - 48
        elif 97 <= (c | 32) <= 102:
            code = code * 16 + (c | 32) - 87
        else:
            return -1
        here += 1
    return code

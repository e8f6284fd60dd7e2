"""Arrays, composites and hstore as text -> their values (array_out, record_out, hstore_out).  Compiled loops."""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from hoopgw.wire.pieces import ELEMENT, FIELD, QUOTED, Piece, behind_quotes

_BOUNDS: Final = frozenset(b"[]:+-0123456789")
KEY: Final = 0  # parts of an hstore
VALUE: Final = 1
_ARROW: Final = b"=>"


def text_array(data: bytes, delimiter: i64) -> list[Piece] | None:
    """Elements, of any depth.  Bounds, braces and NULLs stay."""
    found: list[Piece] = []
    depth: i64 = 0
    here: i64 = _behind_bounds(data)
    size: i64 = len(data)
    if here < 0 or here >= size or data[here] != 123:
        return None
    while here < size:
        c: i64 = data[here]
        if c == 123:
            depth += 1
            here += 1
        elif c == 125:
            depth -= 1
            here += 1
            if depth == 0:
                break
        elif c == delimiter:
            here += 1
        else:
            end: i64 = behind_quotes(data, here) if c == 34 else _behind_word(data, here, delimiter)
            if end < 0:
                return None
            found.append(Piece(here, end, _element(data, here, end), ELEMENT))
            here = end
    return found if depth == 0 and here == size else None


def _behind_bounds(data: bytes) -> i64:
    """Where the first brace stands: `[2:4][0:1]={…}`; -1 where something else does."""
    if data[:1] != b"[":
        return 0
    end: i64 = data.find(b"=")
    for c in data[: end if end > 0 else 0]:
        if c not in _BOUNDS:
            return -1
    return end + 1 if end > 0 else -1


def _behind_word(data: bytes, here: i64, delimiter: i64) -> i64:
    """Behind an element without quotes; -1 for one that would have some."""
    size: i64 = len(data)
    while here < size:
        c: i64 = data[here]
        if c == 123 or c == 34 or c == 92:
            return -1
        if c == 125 or c == delimiter:
            break
        here += 1
    return here


def _element(data: bytes, start: i64, end: i64) -> bytes | None:
    if data[start] == 34:
        return unescaped(data[start + 1 : end - 1])
    value = data[start:end]
    return None if value.upper() == b"NULL" else value


def unescaped(value: bytes) -> bytes:
    """Without the backslashes before what they stand before."""
    if b"\\" not in value:
        return value
    out = bytearray()
    here: i64 = 0
    size: i64 = len(value)
    while here < size:
        if value[here] == 92 and here + 1 < size:
            here += 1
        out.append(value[here])
        here += 1
    return bytes(out)


def text_row(data: bytes) -> list[Piece] | None:
    """Fields of a composite, each by its position as `part`; one that is NULL is empty."""
    size: i64 = len(data)
    if size < 2 or data[0] != 40 or data[size - 1] != 41:
        return None
    found: list[Piece] = []
    here: i64 = 1
    last: i64 = size - 1
    while True:
        end: i64 = _behind_field(data, here, last)
        if end < 0:
            return None
        value = None if end == here else _field(data, here, end)
        found.append(Piece(here, end, value, FIELD, len(found)))
        if end == last:
            return found
        here = end + 1


def _behind_field(data: bytes, here: i64, last: i64) -> i64:
    """Up to the comma or the end; -1 where quotes do not end before `last`."""
    inside = False
    while here < last:
        c: i64 = data[here]
        if c == 92:
            here += 1
        elif c == 34:
            inside = not inside
        elif not inside:
            if c == 44:
                return here
            if c == 40 or c == 41:
                return -1
        here += 1
    return last if here == last and not inside else -1


def _field(data: bytes, start: i64, end: i64) -> bytes:
    out = bytearray()
    inside = False
    here: i64 = start
    while here < end:
        c: i64 = data[here]
        if c == 92:
            here += 1
            out.append(data[here])
        elif c != 34:
            out.append(c)
        elif inside and here + 1 < end and data[here + 1] == 34:
            here += 1
            out.append(c)
        else:
            inside = not inside
        here += 1
    return bytes(out)


def text_hstore(data: bytes) -> list[Piece] | None:
    """Keys and values in turn: `"key"=>"value", "other"=>NULL`."""
    found: list[Piece] = []
    here: i64 = 0
    size: i64 = len(data)
    while here < size:
        end: i64 = behind_quotes(data, here) if data[here] == 34 else -1
        if end < 0 or data[end : end + 2] != _ARROW:
            return None
        found.append(Piece(here, end, unescaped(data[here + 1 : end - 1]), QUOTED, KEY))
        here = end + 2
        if data[here : here + 4] == b"NULL":
            found.append(Piece(here, here + 4, None, QUOTED, VALUE))
            here += 4
        else:
            end = behind_quotes(data, here) if data[here : here + 1] == b'"' else -1
            if end < 0:
                return None
            found.append(Piece(here, end, unescaped(data[here + 1 : end - 1]), QUOTED, VALUE))
            here = end
        if here < size:
            if data[here : here + 2] != b", " or here + 2 == size:
                return None
            here += 2
    return found

"""Binary values that hold numbers -> whether a pattern finds something in one, as it would in the value's text.

A client chooses the format of its results: what is found in text must be found in binary too, or the choice is a way
around patterns.  Layouts: the send functions of PostgreSQL (int8.c, numeric.c, arrayfuncs.c, rowtypes.c, rangetypes.c,
multirangetypes.c in src/backend/utils/adt).  What is not laid out as its type says counts as a find: doubt denies.
"""

from __future__ import annotations

from typing import Final, final

from hoopgw.wire.scanners import Scanner

INT8: Final = 20
NUMERIC: Final = 1700
RECORD: Final = 2249
ARRAYS: Final = frozenset((1016, 1231))  # int8[], numeric[]
RANGES: Final = {3926: INT8, 3906: NUMERIC}  # int8range, numrange
RANGE_ARRAYS: Final = frozenset((3927, 3907, 6157, 6151))  # and arrays of multiranges
MULTIRANGES: Final = {4536: 3926, 4532: 3906}
RECORD_ARRAY: Final = 2287
FIRST_OWN: Final = 16384  # FirstNormalObjectId: a type of one's own may be a composite, or hold one

DEEPEST: Final = 16  # values within values: deeper ones count as a find
MAX_ZEROS: Final = 64  # written of a numeric's zeros in a row: 1e131071 is ten bytes, and no number anybody has

_EMPTY: Final = 0x01  # of a range's flags
_LOWER_INFINITE: Final = 0x08
_UPPER_INFINITE: Final = 0x10
_SIGNS: Final = {0: b"", 0x4000: b"-"}
_NO_NUMBERS: Final = (0xC000, 0xD000, 0xF000)  # NaN, Infinity, -Infinity


@final
class _Unlike(Exception):
    """A value that is not laid out as its type says."""


def finds(scanner: Scanner, oid: int, value: bytes) -> bool:
    """Whether something is found in this value, or in what it holds."""
    try:
        return _in(scanner, oid, value, DEEPEST)
    except _Unlike:
        return True


def holds_numbers(oid: int) -> bool:
    """Whether a binary value of this type may hold numbers that its bytes do not show."""
    known = oid in (INT8, NUMERIC, RECORD, RECORD_ARRAY) or oid >= FIRST_OWN
    return known or oid in ARRAYS or oid in RANGES or oid in MULTIRANGES or oid in RANGE_ARRAYS


def numeric_text(value: bytes) -> bytes:
    """The digits of a binary numeric, with sign and point; empty for NaN and the infinities.

    More than MAX_ZEROS zeros before the point that no digit follows are not all written.  Raises _Unlike.
    """
    if len(value) < 8:
        raise _Unlike
    count = _int(value, 0, 2)
    weight = int.from_bytes(value[2:4], "big", signed=True)
    sign, scale = _int(value, 4, 2), _int(value, 6, 2)
    if sign in _NO_NUMBERS:
        return b""
    if sign not in _SIGNS or len(value) != 8 + 2 * count:
        raise _Unlike
    groups = [b"%04d" % _int(value, 8 + 2 * index, 2) for index in range(count)]
    before = max(weight + 1, 0)
    whole = b"".join(groups[:before]) + b"0000" * min(max(before - count, 0), MAX_ZEROS // 4)
    after = b"0000" * min(max(-weight - 1, 0), MAX_ZEROS // 4) + b"".join(groups[before:])
    text = _SIGNS[sign] + (whole.lstrip(b"0") or b"0")
    return text + b"." + after[:scale].ljust(min(scale, MAX_ZEROS), b"0") if scale else text


def _in(scanner: Scanner, oid: int, value: bytes, depth: int) -> bool:
    if depth == 0:
        raise _Unlike
    if oid == INT8:
        if len(value) != 8:
            raise _Unlike
        return _found(scanner, b"%d" % int.from_bytes(value, "big", signed=True))
    if oid == NUMERIC:
        return _found(scanner, numeric_text(value))
    if _found(scanner, value):  # texts stand in arrays and records as they are
        return True
    if oid in RANGES:
        return _range(scanner, RANGES[oid], value, depth)
    if oid in MULTIRANGES:
        return _multirange(scanner, MULTIRANGES[oid], value, depth)
    if oid == RECORD:
        return _record(scanner, value, depth)
    if oid in ARRAYS or oid in RANGE_ARRAYS or oid == RECORD_ARRAY:
        return _array(scanner, value, depth)
    return _own(scanner, value, depth) if oid >= FIRST_OWN else False


def _found(scanner: Scanner, text: bytes) -> bool:
    return bool(scanner.spans(text, 0, len(text)))


def _int(value: bytes, start: int, size: int) -> int:
    if start + size > len(value):
        raise _Unlike
    return int.from_bytes(value[start : start + size], "big")


def _piece(value: bytes, here: int) -> tuple[bytes | None, int]:
    """The value whose length stands at `here` (None is NULL), and what is behind it."""
    size = _int(value, here, 4)
    here += 4
    if size == 0xFFFFFFFF:
        return None, here
    if size > len(value) - here:
        raise _Unlike
    return value[here : here + size], here + size


def _array(scanner: Scanner, value: bytes, depth: int) -> bool:
    """Dimensions, flags, the elements' type, two words for each dimension; then elements."""
    dimensions = _int(value, 0, 4)
    element = _int(value, 8, 4)
    here = 12 + 8 * dimensions
    if dimensions > 6 or here > len(value) or _int(value, 4, 4) > 1:
        raise _Unlike
    while here < len(value):
        piece, here = _piece(value, here)
        if piece is not None and holds_numbers(element) and _in(scanner, element, piece, depth - 1):
            return True
    return False


def _record(scanner: Scanner, value: bytes, depth: int) -> bool:
    """A count; then each field's type and value."""
    here = 4
    for _ in range(_int(value, 0, 4)):
        oid = _int(value, here, 4)
        piece, here = _piece(value, here + 4)
        if piece is not None and holds_numbers(oid) and _in(scanner, oid, piece, depth - 1):
            return True
    if here != len(value):
        raise _Unlike
    return False


def _range(scanner: Scanner, bound: int, value: bytes, depth: int) -> bool:
    """Flags; then the bounds that there are."""
    flags = _int(value, 0, 1)
    here = 1
    for infinite in (_LOWER_INFINITE, _UPPER_INFINITE):
        if flags & (_EMPTY | infinite):
            continue
        piece, here = _piece(value, here)
        if piece is not None and _in(scanner, bound, piece, depth - 1):
            return True
    if here != len(value):
        raise _Unlike
    return False


def _multirange(scanner: Scanner, inner: int, value: bytes, depth: int) -> bool:
    """A count; then ranges."""
    here = 4
    for _ in range(_int(value, 0, 4)):
        piece, here = _piece(value, here)
        if piece is not None and _in(scanner, inner, piece, depth - 1):
            return True
    if here != len(value):
        raise _Unlike
    return False


def _own(scanner: Scanner, value: bytes, depth: int) -> bool:
    """A type of one's own, of which only the OID is known: an enum, a composite, an array of them, a domain inside of
    something.  Whatever its bytes may be read as is looked into; that they may not is no find.  Eight letters are an
    enum's label, and no number of fewer than 19 digits."""
    if len(value) == 8 and not (value.isascii() and value.decode().isprintable()) and _in(scanner, INT8, value, depth):
        return True
    for look in (_as_numeric, _record, _array):
        try:
            if look(scanner, value, depth):
                return True
        except _Unlike:
            continue
    return False


def _as_numeric(scanner: Scanner, value: bytes, depth: int) -> bool:
    return _found(scanner, numeric_text(value))

"""Arrays, composites and hstore in binary -> their values (array_send, record_send, hstore_send).  Compiled loops."""

from __future__ import annotations

from typing import Final

from librt.strings import read_i32_be
from mypy_extensions import i64

from hoopgw.wire.pieces import SIZED, Piece
from hoopgw.wire.pieces_text import KEY, VALUE

DIMENSIONS: Final = 6  # MAXDIM
FIELDS: Final = 1664  # MaxTupleAttributeNumber: no row has more


def binary_array(data: bytes) -> list[Piece] | None:
    """Dimensions, flags, the elements' type, two words for each dimension; then elements."""
    if len(data) < 12:
        return None
    dimensions: i64 = i64(read_i32_be(data, 0))
    flags: i64 = i64(read_i32_be(data, 4))
    oid: i64 = i64(read_i32_be(data, 8)) & 0xFFFFFFFF
    here: i64 = 12 + 8 * dimensions
    if dimensions < 0 or dimensions > DIMENSIONS or here > len(data) or flags & ~1:
        return None
    count: i64 = 1 if dimensions else 0
    index: i64 = 0
    while index < dimensions:
        length: i64 = i64(read_i32_be(data, 12 + 8 * index))
        index += 1
        if length < 0 or count * length > len(data):
            return None
        count *= length
    return _sized(data, here, count, oid)


def _sized(data: bytes, here: i64, count: i64, oid: i64) -> list[Piece] | None:
    """Exactly `count` values with their lengths, up to the end."""
    found: list[Piece] = []
    while count > 0:
        piece = _piece(data, here, 0, oid)
        if piece is None:
            return None
        found.append(piece)
        here = piece.end
        count -= 1
    return found if here == len(data) else None


def _piece(data: bytes, here: i64, part: i64, oid: i64) -> Piece | None:
    """The value whose length stands at `here`."""
    if here + 4 > len(data):
        return None
    size: i64 = i64(read_i32_be(data, here))
    begin: i64 = here + 4
    if size == -1:
        return Piece(here, begin, None, SIZED, part, oid)
    if size < 0 or size > len(data) - begin:
        return None
    return Piece(here, begin + size, data[begin : begin + size], SIZED, part, oid)


def binary_row(data: bytes) -> list[Piece] | None:
    """A count; then each field's type and value.  `part` is its position."""
    if len(data) < 4:
        return None
    count: i64 = i64(read_i32_be(data, 0))
    if count < 0 or count > FIELDS:
        return None
    found: list[Piece] = []
    here: i64 = 4
    part: i64 = 0
    while part < count:
        if here + 4 > len(data):
            return None
        piece = _piece(data, here + 4, part, i64(read_i32_be(data, here)) & 0xFFFFFFFF)
        if piece is None:
            return None
        found.append(piece)
        here = piece.end
        part += 1
    return found if here == len(data) else None


def binary_hstore(data: bytes) -> list[Piece] | None:
    """A count; then a key and a value for each."""
    if len(data) < 4:
        return None
    count: i64 = i64(read_i32_be(data, 0))
    if count < 0 or count * 8 > len(data):
        return None
    found: list[Piece] = []
    here: i64 = 4
    index: i64 = 0
    while index < 2 * count:
        piece = _piece(data, here, VALUE if index & 1 else KEY, 0)
        if piece is None or (piece.value is None and not index & 1):
            return None
        found.append(piece)
        here = piece.end
        index += 1
    return found if here == len(data) else None

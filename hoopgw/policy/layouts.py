"""A type's OID -> how its values are laid out: what they hold, and of which types that is."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hoopgw.policy.catalogue import Catalogue, Column
from hoopgw.policy.catalogue_types import TypeSystem

PLAIN, ARRAY, ROW, RANGE, MULTIRANGE, HSTORE = "plain", "array", "row", "range", "multirange", "hstore"
BOX = 603  # the only type of PostgreSQL's own with another delimiter than a comma
VECTORS = frozenset((22, 30))  # int2vector, oidvector: arrays in the catalogue, another text
RECORD = 2249
RANGES = frozenset((3904, 3906, 3908, 3910, 3912, 3926))
MULTIRANGES = frozenset((4451, 4532, 4533, 4534, 4535, 4536))
# Arrays of PostgreSQL's own types: the array's OID -> its element's (pg_type.typelem), where no catalogue was read
ARRAYS = {
    1000: 16, 1001: 17, 1002: 18, 1003: 19, 1016: 20, 1005: 21, 1007: 23, 1008: 24, 1009: 25, 1028: 26, 1010: 27,
    1011: 28, 1012: 29, 199: 114, 143: 142, 1017: 600, 1018: 601, 1019: 602, 1020: 603, 1027: 604, 629: 628, 651: 650,
    1021: 700, 1022: 701, 719: 718, 775: 774, 791: 790, 1040: 829, 1041: 869, 1034: 1033, 1014: 1042, 1015: 1043,
    1182: 1082, 1183: 1083, 1115: 1114, 1185: 1184, 1187: 1186, 1270: 1266, 1561: 1560, 1563: 1562, 1231: 1700,
    2201: 1790, 2207: 2202, 2208: 2203, 2209: 2204, 2210: 2205, 2211: 2206, 1263: 2275, 2287: RECORD, 2951: 2950,
    2949: 2970, 3221: 3220, 3643: 3614, 3645: 3615, 3735: 3734, 3770: 3769, 3807: 3802, 3905: 3904, 3907: 3906,
    3909: 3908, 3911: 3910, 3913: 3912, 3927: 3926, 4073: 4072, 4090: 4089, 4097: 4096, 4192: 4191, 6150: 4451,
    6151: 4532, 6152: 4533, 6153: 4534, 6155: 4535, 6157: 4536, 5039: 5038, 271: 5069,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """`oid` is the type itself, without domains over it; `parts` an array's element or a composite's fields, as they
    are declared; `delimiter` stands between an array's elements."""

    kind: str
    oid: int
    parts: tuple[int, ...] = ()
    delimiter: int = 44


class Layouts:
    """By one reading of a catalogue, which it does not keep: verdicts live longer.  Once that is gone, types of
    somebody's own are not known any more.

    `made` is for who makes something of layouts, and wants to make it once.
    """

    def __init__(self, catalogue: Catalogue | None) -> None:
        self._catalogue = weakref.ref(catalogue) if catalogue is not None else None
        self._rows: Mapping[int, int] | None = None  # OID of a type -> of the relation whose rows are of it
        self._known: dict[int, Layout] = {}
        self.made: dict[Any, Any] = {}

    def of(self, oid: int) -> Layout:
        found = self._known.get(oid)
        if found is None:
            catalogue = self._catalogue() if self._catalogue is not None else None
            found = self._known[oid] = self._laid_out(oid, catalogue)
        return found

    def _laid_out(self, oid: int, catalogue: Catalogue | None) -> Layout:
        if catalogue is None or catalogue.types is None:
            return built_in(oid)
        types = catalogue.types
        base = types.base(oid)
        found = types.types.get(base)
        if base in catalogue.composites:
            return _row(base, catalogue.composites[base])
        if found is None:
            return self._relation(base, catalogue)
        if found.element and base not in VECTORS:
            return _array(base, found.element, types)
        if found.kind in ("r", "m"):
            return Layout(RANGE if found.kind == "r" else MULTIRANGE, base)
        if found.name == "hstore" and found.kind == "b":
            return Layout(HSTORE, base)
        return built_in(base)

    def _relation(self, oid: int, catalogue: Catalogue) -> Layout:
        if self._rows is None:
            self._rows = {each.row_type: each.oid for each in catalogue.by_oid.values()}
        relation = self._rows.get(oid, 0) if oid else 0
        return _row(oid, catalogue.by_oid[relation].columns) if relation else built_in(oid)

    def __repr__(self) -> str:
        return "Layouts()"


def built_in(oid: int) -> Layout:
    if oid in ARRAYS:
        return Layout(ARRAY, oid, (ARRAYS[oid],), 59 if ARRAYS[oid] == BOX else 44)
    if oid in RANGES:
        return Layout(RANGE, oid)
    return Layout(MULTIRANGE if oid in MULTIRANGES else PLAIN, oid)


def _row(oid: int, columns: tuple[Column, ...]) -> Layout:
    return Layout(ROW, oid, tuple(column.type_oid for column in columns))


def _array(oid: int, element: int, types: TypeSystem) -> Layout:
    found = types.types.get(element)
    return Layout(ARRAY, oid, (element,), ord((found.delimiter if found is not None else "") or ","))

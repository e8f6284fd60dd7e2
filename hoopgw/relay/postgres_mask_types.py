"""A type and a format -> what becomes of its values, and of the values within them.

====================  ======================================  ===========================
type                  shown by a column mask                  searched by patterns
====================  ======================================  ===========================
text and its like     none, last4 or hash                     yes, replaced at its length
bytea                 the same of its bytes                   yes; stars in its bytes
json, jsonb           the same of its strings; 0; false       yes, and it stays JSON
xml                   the same between tags                   yes, between tags
hstore                the same of its values                  yes, its values
arrays, composites    each element, each field                each element, each field
ranges                the empty one                           yes; a hit becomes the empty one
int8, numeric         0                                       yes; a hit becomes 0
fixed widths          a stated constant (`FIXED`)             no
other constants       a stated constant (`CONSTANTS`)         yes; a hit becomes the constant
everything else       NULL                                    yes; a hit becomes NULL
====================  ======================================  ===========================
"""

from __future__ import annotations

from typing import Final

from hoopgw.policy.http_json import pointer
from hoopgw.policy.layouts import ARRAY, ARRAYS, HSTORE, MULTIRANGE, MULTIRANGES, RANGE, RANGES, RECORD, ROW, Layouts
from hoopgw.policy.mask_table import WHOLE
from hoopgw.wire import masking
from hoopgw.wire.binary_values import INT8, NUMERIC, holds_numbers
from hoopgw.wire.jsonkeys import KeyRule, KeyTable
from hoopgw.wire.masking import DEEPEST, Action

# pg_type.oid (catalog/pg_type.dat): name, text, unknown, bpchar, varchar, refcursor, cstring
TEXTS: Final = frozenset((19, 25, 705, 1042, 1043, 1790, 2275))
BYTEA, JSON, XML, JSONB = 17, 114, 142, 3802
BITS: Final = frozenset((1560, 1562))
RECORDS: Final = 2287

# type OID -> (text format, binary format): a stated constant of the right width.  In these no pattern finds anything
FIXED: Final[dict[int, tuple[bytes, bytes]]] = {
    16: (b"f", b"\0"),  # bool
    20: (b"0", bytes(8)),  # int8
    21: (b"0", bytes(2)),  # int2
    23: (b"0", bytes(4)),  # int4
    26: (b"0", bytes(4)),  # oid
    28: (b"0", bytes(4)),  # xid
    29: (b"0", bytes(4)),  # cid
    700: (b"0", bytes(4)),  # float4
    701: (b"0", bytes(8)),  # float8
    1082: (b"2000-01-01", bytes(4)),  # date
    1083: (b"00:00:00", bytes(8)),  # time
    1114: (b"2000-01-01 00:00:00", bytes(8)),  # timestamp
    1184: (b"2000-01-01 00:00:00+00", bytes(8)),  # timestamptz
    1186: (b"00:00:00", bytes(16)),  # interval
    1266: (b"00:00:00+00", bytes(12)),  # timetz
    2950: (b"00000000-0000-0000-0000-000000000000", bytes(16)),  # uuid
}
_ONE: Final = b"\x3f\xf0" + bytes(6)  # 1.0
_EMPTY: Final = (b"empty", b"\x01")  # of ranges
_NONE: Final = (b"{}", bytes(4))  # of multiranges
CONSTANTS: Final[dict[int, tuple[bytes, bytes]]] = FIXED | {
    18: (b"*", b"*"),  # "char", one byte
    27: (b"(0,0)", bytes(6)),  # tid
    600: (b"(0,0)", bytes(16)),  # point
    601: (b"[(0,0),(0,0)]", bytes(32)),  # lseg
    602: (b"((0,0))", b"\x01\0\0\0\x01" + bytes(16)),  # path
    603: (b"(0,0),(0,0)", bytes(32)),  # box
    604: (b"((0,0))", b"\0\0\0\x01" + bytes(16)),  # polygon
    628: (b"{1,0,0}", _ONE + bytes(16)),  # line
    650: (b"0.0.0.0/32", b"\x02\x20\x01\x04" + bytes(4)),  # cidr
    718: (b"<(0,0),0>", bytes(24)),  # circle
    774: (b"00:00:00:00:00:00:00:00", bytes(8)),  # macaddr8
    790: (b"0", bytes(8)),  # money
    829: (b"00:00:00:00:00:00", bytes(6)),  # macaddr
    869: (b"0.0.0.0", b"\x02\x20\0\x04" + bytes(4)),  # inet
    1700: (b"0", bytes(8)),  # numeric
    3220: (b"0/0", bytes(8)),  # pg_lsn
    3614: (b"", bytes(4)),  # tsvector
    # not empty: PostgreSQL does not take what has no operand back (COPY binary; tsqueryrecv)
    3615: (b"'***'", b"\0\0\0\1\1\0\0***\0"),  # tsquery
    4072: (b"$", b"\x01$"),  # jsonpath
    5069: (b"0", bytes(8)),  # xid8
    **dict.fromkeys(RANGES, _EMPTY),
    **dict.fromkeys(MULTIRANGES, _NONE),
}
_KINDS: Final = {"none": masking.NONE, "last4": masking.LAST4, "hash": masking.HASH}
_NULL: Final = Action(masking.NULL)
_STARS: Final = Action(masking.SCAN)
_SPOILS: Final = Action(masking.SPOILS)
_ZERO: Final = Action(masking.CONSTANT, b"0")
_FALSE: Final = Action(masking.CONSTANT, b"false")
_JSON: Final = (_STARS, Action(masking.SCAN_NUMBER, b"0"), None, _STARS)


def masked_by_column(
    layouts: Layouts, kind: int, binary: int, show: str, keys: frozenset[str] = frozenset(), depth: int = DEEPEST
) -> Action:
    """`keys`: of JSON and hstore what stands under these names or pointers is masked; none: all of it."""
    if show == WHOLE or depth == 0:
        return _NULL
    known = (kind, binary, show, keys)
    found: Action | None = layouts.made.get(known)
    if found is None:
        found = layouts.made[known] = _masked(layouts, kind, binary, show, keys, depth)
    return found


def _masked(layouts: Layouts, kind: int, binary: int, show: str, keys: frozenset[str], depth: int) -> Action:
    layout = layouts.of(kind)
    text = Action(_KINDS[show])
    if layout.kind == ARRAY or layout.kind == ROW:
        parts = tuple(masked_by_column(layouts, each, binary, show, keys, depth - 1) for each in layout.parts)
        if layout.kind == ARRAY:
            return _array(layout.parts[0], parts, layout.delimiter, binary)
        return Action(masking.BINARY_ROW if binary else masking.TEXT_ROW, parts=parts, oids=layout.parts)
    if layout.kind == HSTORE:
        form = masking.BINARY_HSTORE if binary else masking.TEXT_HSTORE
        return Action(form, parts=(None, text), keys=_table(keys))
    if layout.kind == RANGE or layout.kind == MULTIRANGE:
        return Action(masking.CONSTANT, (_EMPTY if layout.kind == RANGE else _NONE)[binary])
    return _masked_plain(layout.oid, binary, text, keys)


def _masked_plain(oid: int, binary: int, text: Action, keys: frozenset[str]) -> Action:
    if oid in TEXTS or (oid == BYTEA and binary):
        return text
    if oid == BYTEA:
        return Action(masking.BYTEA, parts=(text,))
    if oid in (JSON, JSONB):
        form = masking.JSONB if binary and oid == JSONB else masking.JSON
        return Action(form, parts=(text, _ZERO, _FALSE), keys=_table(keys))
    if oid == XML:
        return Action(masking.XML, parts=(text, Action(masking.HASH), None))
    if oid in BITS:
        return Action(masking.ZERO_BITS if binary else masking.ZEROS)
    return Action(masking.CONSTANT, CONSTANTS[oid][binary]) if oid in CONSTANTS else _NULL


def _table(keys: frozenset[str]) -> KeyTable | None:
    if not keys:
        return None
    pointers = [pointer(each) for each in sorted(keys)]
    return KeyTable(tuple(KeyRule(each.parts, each.anywhere, 1) for each in pointers))


def _array(element: int, parts: tuple[Action | None, ...], delimiter: int, binary: int) -> Action:
    kind = masking.BINARY_ARRAY if binary else masking.TEXT_ARRAY
    return Action(kind, oid=element, parts=parts, delimiter=delimiter)


# ---- what patterns look into


def searched(layouts: Layouts, kind: int, binary: int, depth: int = DEEPEST) -> Action | None:
    """None: nothing is looked for."""
    if depth == 0:
        return _opaque(kind, binary, None)
    known = (kind, binary)
    if known not in layouts.made:
        layouts.made[known] = _searched(layouts, kind, binary, depth)
    found: Action | None = layouts.made[known]
    return found


def _searched(layouts: Layouts, kind: int, binary: int, depth: int) -> Action | None:
    layout = layouts.of(kind)
    if layout.kind == ARRAY or layout.kind == ROW:
        parts = tuple(searched(layouts, each, binary, depth - 1) for each in layout.parts)
        if not any(parts):
            return None
        if layout.kind == ARRAY:
            return _array(layout.parts[0], parts, layout.delimiter, binary)
        return Action(masking.BINARY_ROW if binary else masking.TEXT_ROW, parts=parts, oids=layout.parts)
    if layout.kind == HSTORE:
        return Action(masking.BINARY_HSTORE if binary else masking.TEXT_HSTORE, parts=(_SPOILS, _STARS))
    if layout.kind == RANGE or layout.kind == MULTIRANGE:
        return _opaque(layout.oid, binary, (_EMPTY if layout.kind == RANGE else _NONE)[binary])
    return _searched_plain(layouts, layout.oid, binary)


def _searched_plain(layouts: Layouts, oid: int, binary: int) -> Action | None:
    if oid in TEXTS or (oid == BYTEA and binary):
        return _STARS
    if oid == BYTEA:
        return Action(masking.SCAN_BYTEA)
    if oid in (JSON, JSONB):
        return Action(masking.SCAN_JSONB if binary and oid == JSONB else masking.SCAN_JSON, parts=_JSON)
    if oid == XML:
        return Action(masking.SCAN_XML, parts=(_STARS, _SPOILS, _SPOILS))
    if oid in (NUMERIC, INT8):  # binary zero of either is eight bytes of zeros
        return Action(masking.SCAN_BINARY, bytes(8), oid) if binary else Action(masking.SCAN_NUMBER, b"0")
    if oid in FIXED:
        return None
    if oid == RECORD:
        return _record(layouts) if binary else Action(masking.TEXT_ROW, parts=(_STARS,))
    return _opaque(oid, binary, CONSTANTS[oid][binary] if oid in CONSTANTS else None)


def _opaque(oid: int, binary: int, constant: bytes | None) -> Action:
    if binary and holds_numbers(oid):
        return Action(masking.SCAN_BINARY, constant, oid)
    return Action(masking.SCAN_OPAQUE, constant)


def _record(layouts: Layouts) -> Action:
    """A row of no declared type says of each field which type it has; types of somebody's own are looked into as far
    as can be without knowing them."""
    types: dict[int, Action | None] = {}
    found = Action(masking.BINARY_ROW, types=types)
    types[RECORD] = found
    types[RECORDS] = _array(RECORD, (found,), 44, 1)
    for each in (*TEXTS, BYTEA, JSON, JSONB, XML, NUMERIC, *CONSTANTS, *ARRAYS):
        if each not in types:
            types[each] = searched(layouts, each, 1)
    return found

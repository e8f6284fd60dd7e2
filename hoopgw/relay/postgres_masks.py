"""Masks of the policy -> walkers of the wire: what becomes of a column depends on its type and format.

====================  ==================================  ============================
type                  shown by a column mask              searched by patterns
====================  ==================================  ============================
text and its like     none, last4 or hash                 yes, replaced at its length
json, jsonb           NULL                                yes, and it stays JSON
int8                  a stated constant                   yes; a hit becomes 0
other fixed widths    a stated constant (`CONSTANTS`)     no
numeric               NULL                                yes; a hit becomes 0
bytea                 NULL                                its bytes; a hit becomes NULL
everything else       NULL                                yes; a hit becomes NULL
====================  ==================================  ============================

What is computed with a masked column is NULL, whatever its type.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import final

from hoopgw.policy.catalogue_types import FIRST_OWN
from hoopgw.policy.mask_table import WHOLE, stricter
from hoopgw.policy.mask_traces import Shown
from hoopgw.policy.masks import SqlMasks, custom_pattern
from hoopgw.wire import masking, scanners
from hoopgw.wire.binary_values import INT8, NUMERIC, holds_numbers
from hoopgw.wire.masking import Action, Hashes, ValueMask
from hoopgw.wire.pgcopy import CopyMask
from hoopgw.wire.rowmask import RowMask
from hoopgw.wire.scanners import Scanner
from hoopgw.wire.streammask import StreamMask

# pg_type.oid (catalog/pg_type.dat)
TEXTS = frozenset((18, 19, 25, 142, 705, 1042, 1043, 2275))  # char, name, text, xml, unknown, bpchar, varchar, cstring
BYTEA, JSON, JSONB = 17, 114, 3802
TEXT_ARRAYS = frozenset((1002, 1003, 1009, 1014, 1015, 1263))

# type OID -> (text format, binary format): a stated constant of the right width
CONSTANTS: dict[int, tuple[bytes, bytes]] = {
    16: (b"f", b"\0"),  # bool
    20: (b"0", bytes(8)),  # int8
    21: (b"0", bytes(2)),  # int2
    23: (b"0", bytes(4)),  # int4
    26: (b"0", bytes(4)),  # oid
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
_KINDS = {"none": masking.NONE, "last4": masking.LAST4, "hash": masking.HASH}
_PATTERNS = {
    "email": scanners.EMAIL,
    "payment-card": scanners.PAYMENT_CARD,
    "us-ssn": scanners.US_SSN,
    "iban": scanners.IBAN,
    "uk-nino": scanners.UK_NINO,
}
MAX_SCANNERS = 64  # distinct sets of patterns: one for each selection of rules


@final
class MaskBuilder:
    """One for the gateway: it has the key of `hash` and keeps compiled patterns."""

    def __init__(self, key: bytes) -> None:
        self._hashes = Hashes(key)
        self._scanners: dict[tuple[frozenset[str], frozenset[str]], Scanner | None] = {}

    def row_mask(
        self, masks: SqlMasks, fields: Sequence[tuple[bytes, int, int, int, int]], followed: tuple[Shown, ...] | None
    ) -> RowMask | None:
        """`followed`: what is shown by position; None: what the target says of each column tells all."""
        scanner = self._scanner(masks)
        shows = _shows(fields, followed)
        actions = tuple(
            _action(masks, show, *each, scanner is not None) for each, show in zip(fields, shows, strict=True)
        )
        if not any(actions):
            return None
        return RowMask(actions, ValueMask(scanner, self._hashes))

    def copy_mask(self, masks: SqlMasks, max_row: int) -> CopyMask | None:
        """Fields by the facts of the COPY, which know the types of plain columns; of others a masked field is NULL in
        binary."""
        scanner, copy = self._scanner(masks), masks.copy
        form = copy.format if copy is not None else "text"
        fields = copy.fields if copy is not None else ()
        shown = masks.copy_shown
        if not any(shown) and scanner is None:
            return None
        binary = int(form == "binary")
        actions = tuple(
            masked_by_column(each.type_oid, binary, show) if show else _copied(each.type_oid, binary, scanner)
            for each, show in zip(fields, shown, strict=True)
        )
        value = ValueMask(scanner, self._hashes)
        every = _copied(0, binary, scanner) if not fields else None
        if copy is None:
            return CopyMask(form, actions, every, value, max_row)
        return CopyMask(
            form,
            actions,
            every,
            value,
            max_row,
            delimiter=copy.delimiter,
            quote=copy.quote,
            escape=copy.escape,
            null=copy.null,
            header=copy.header,
        )

    def text(self, masks: SqlMasks, data: bytes) -> bytes:
        scanner = self._scanner(masks)
        return scanner.masked(data) if scanner is not None else data

    def stream(self, masks: SqlMasks) -> StreamMask:
        return StreamMask(self._scanner(masks) or Scanner(0))

    def _scanner(self, masks: SqlMasks) -> Scanner | None:
        key = masks.patterns, masks.custom
        if key not in self._scanners:
            if len(self._scanners) >= MAX_SCANNERS:
                self._scanners.clear()
            kinds = sum(_PATTERNS[pattern] for pattern in masks.patterns)
            custom = custom_pattern(masks.custom)
            self._scanners[key] = Scanner(kinds, custom) if kinds or custom is not None else None
        return self._scanners[key]

    def __repr__(self) -> str:
        return "MaskBuilder()"


def _shows(fields: Sequence[tuple[bytes, int, int, int, int]], followed: tuple[Shown, ...] | None) -> Sequence[str]:
    """What is shown by position.  A result that does not look as it was followed (a table was changed since its
    catalogue was read) shows nothing at all."""
    if followed is None:
        return ("",) * len(fields)
    same = len(followed) == len(fields) and all(
        not each.name or not each.name.isascii() or each.name.encode() == field[0]
        for each, field in zip(followed, fields, strict=True)
    )
    return [each.show for each in followed] if same else (WHOLE,) * len(fields)


def _action(
    masks: SqlMasks, show: str, name: bytes, table: int, attribute: int, kind: int, binary: int, patterns: bool
) -> Action | None:
    by_origin = masks.columns.get((table, attribute), "")
    if by_origin:
        show = stricter(show or None, by_origin)
    if not show and not table:
        column = name.decode("utf-8", "replace")
        show = next((show for glob, show in masks.names if fnmatchcase(column, glob)), "")
    if show:
        return masked_by_column(kind, binary, show)
    return searched(kind, binary) if patterns else None


def _copied(kind: int, binary: int, scanner: Scanner | None) -> Action | None:
    """Of a field that no rule names; `kind` is its type's OID, 0 where that is not known."""
    if scanner is None:
        return None
    if kind == 0 or kind >= FIRST_OWN:  # a domain, for example: text in the text formats
        return Action(masking.SCAN_BINARY, oid=max(kind, FIRST_OWN)) if binary else Action(masking.SCAN)
    return searched(kind, binary)


def masked_by_column(kind: int, binary: int, show: str) -> Action:
    if show == WHOLE:
        return Action(masking.NULL)
    if kind in TEXTS:
        return Action(_KINDS[show])
    if kind in CONSTANTS:
        return Action(masking.CONSTANT, CONSTANTS[kind][binary])
    return Action(masking.NULL)


def searched(kind: int, binary: int) -> Action | None:
    if kind in TEXTS:
        return Action(masking.SCAN)
    if kind == JSON:
        return Action(masking.SCAN_JSON)
    if kind == JSONB:
        return Action(masking.SCAN_JSONB if binary else masking.SCAN_JSON)
    if kind in (NUMERIC, INT8):  # binary zero of either is eight bytes of zeros
        return Action(masking.SCAN_BINARY, bytes(8), kind) if binary else Action(masking.SCAN_NUMBER, b"0")
    if kind == BYTEA and not binary:
        return Action(masking.SCAN_BYTEA)
    if kind in CONSTANTS:
        return None
    if kind in TEXT_ARRAYS:
        return Action(masking.SCAN_ARRAY if binary else masking.SCAN_ARRAY_TEXT)
    if binary and holds_numbers(kind):
        return Action(masking.SCAN_BINARY, oid=kind)
    return Action(masking.SCAN_OPAQUE)

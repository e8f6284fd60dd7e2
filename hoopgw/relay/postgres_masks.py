"""Masks of the policy -> walkers of the wire: what of a result is masked by column, and what is searched."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final, final

from hoopgw.policy.catalogue_types import FIRST_OWN
from hoopgw.policy.layouts import Layouts
from hoopgw.policy.mask_table import WHOLE, both_keys, stricter
from hoopgw.policy.mask_traces import KNOWN, Shown
from hoopgw.policy.masks import SqlMasks, custom_pattern
from hoopgw.relay.postgres_mask_types import masked_by_column, searched
from hoopgw.wire import masking, scanners
from hoopgw.wire.masking import Action, ValueMask
from hoopgw.wire.pgcopy import CopyMask
from hoopgw.wire.rowmask import RowMask
from hoopgw.wire.scanners import Scanner
from hoopgw.wire.showing import Hashes
from hoopgw.wire.streammask import StreamMask

_PATTERNS: Final = {
    "email": scanners.EMAIL,
    "payment-card": scanners.PAYMENT_CARD,
    "us-ssn": scanners.US_SSN,
    "iban": scanners.IBAN,
    "uk-nino": scanners.UK_NINO,
}
_ALL: Final = Shown("", "")
_NOTHING: Final = Shown(WHOLE, "")
MAX_SCANNERS: Final = 64  # distinct sets of patterns: one for each selection of rules


@final
class MaskBuilder:
    """One for the gateway: it has the key of `hash` and keeps compiled patterns."""

    def __init__(self, key: bytes) -> None:
        self._hashes = Hashes(key)
        self._layouts = Layouts(None)  # for who judges without a catalogue
        self._scanners: dict[tuple[frozenset[str], frozenset[str]], Scanner | None] = {}

    def row_mask(
        self, masks: SqlMasks, fields: Sequence[tuple[bytes, int, int, int, int]], followed: tuple[Shown, ...] | None
    ) -> RowMask | None:
        """`followed`: what is shown by position; None: what the target says of each column tells all."""
        scanner = self._scanner(masks)
        shows = _shows(fields, followed)
        layouts = masks.layouts or self._layouts
        actions = tuple(
            _action(masks, layouts, show, *each, scanner is not None) for each, show in zip(fields, shows, strict=True)
        )
        if not any(actions):
            return None
        return RowMask(actions, ValueMask(scanner, self._hashes))

    def copy_mask(self, masks: SqlMasks, max_row: int, count: int) -> CopyMask | None:
        """Fields by the facts of the COPY, which know the types of plain columns; of others a masked field is NULL in
        binary.  Where the target's rows have another `count` of fields, which is which is not known: all are NULL."""
        scanner, copy = self._scanner(masks), masks.copy
        form = copy.format if copy is not None else "text"
        fields = copy.fields if copy is not None else ()
        shown = masks.copy_shown
        if scanner is None and not any(each.show for each in shown):
            return None
        binary = int(form == "binary")
        layouts = masks.layouts or self._layouts
        actions = tuple(
            masked_by_column(layouts, each.type_oid, binary, show.show, show.keys)
            if show.show
            else _copied(layouts, each.type_oid, binary, scanner)
            for each, show in zip(fields, shown, strict=True)
        )
        value = ValueMask(scanner, self._hashes)
        every = _copied(layouts, 0, binary, scanner) if not fields else None
        if fields and len(fields) != count:
            every = Action(masking.NULL)
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
        return self.scanner(masks.patterns, masks.custom)

    def scanner(self, patterns: frozenset[str], custom: frozenset[str]) -> Scanner | None:
        """What looks for these; None: for nothing."""
        key = patterns, custom
        if key not in self._scanners:
            if len(self._scanners) >= MAX_SCANNERS:
                self._scanners.clear()
            kinds = sum(_PATTERNS[pattern] for pattern in patterns)
            expression = custom_pattern(custom)
            self._scanners[key] = Scanner(kinds, expression) if kinds or expression is not None else None
        return self._scanners[key]

    def value(self, scanner: Scanner | None) -> ValueMask:
        return ValueMask(scanner, self._hashes)

    def __repr__(self) -> str:
        return "MaskBuilder()"


def _shows(fields: Sequence[tuple[bytes, int, int, int, int]], followed: tuple[Shown, ...] | None) -> Sequence[Shown]:
    """What is shown by position.  A result that does not look as it was followed (a table was changed since its
    catalogue was read) shows nothing at all."""
    if followed is None:
        return (_ALL,) * len(fields)
    if followed == (KNOWN,):
        return followed * len(fields)
    same = len(followed) == len(fields) and all(
        not each.name or not each.name.isascii() or each.name.encode() == field[0]
        for each, field in zip(followed, fields, strict=True)
    )
    return followed if same else (_NOTHING,) * len(fields)


def _action(
    masks: SqlMasks,
    layouts: Layouts,
    shown: Shown,
    name: bytes,
    table: int,
    attribute: int,
    kind: int,
    binary: int,
    patterns: bool,
) -> Action | None:
    show, keys = shown.show, shown.keys
    by_origin = masks.columns.get((table, attribute), "")
    if by_origin:
        found = masks.keys.get((table, attribute), frozenset())
        keys = both_keys(keys, found) if show else found
        show = stricter(show or None, by_origin)
    if not show and not table and not shown.known:
        column = name.decode("utf-8", "replace").lower()
        show = next((show for glob, show in masks.names if fnmatchcase(column, glob)), "")
    if show:
        return masked_by_column(layouts, kind, binary, show, keys)
    return searched(layouts, kind, binary) if patterns else None


def _copied(layouts: Layouts, kind: int, binary: int, scanner: Scanner | None) -> Action | None:
    """Of a field that no rule names; `kind` is its type's OID, 0 where that is not known."""
    if scanner is None:
        return None
    if kind == 0:
        return Action(masking.SCAN_BINARY, oid=FIRST_OWN) if binary else Action(masking.SCAN)
    return searched(layouts, kind, binary)

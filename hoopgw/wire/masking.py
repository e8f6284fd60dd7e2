"""One value of a result -> what is shown of it.  Knows no user and no rule."""

from __future__ import annotations

from typing import Final, final

from hoopgw.wire.binary_values import FIRST_OWN, finds
from hoopgw.wire.byteas import bytea, hexadecimal
from hoopgw.wire.jsonkeys import KeyTable
from hoopgw.wire.jsonwalk import selects
from hoopgw.wire.pieces import Piece, rejoined
from hoopgw.wire.pieces_binary import binary_array, binary_hstore, binary_row
from hoopgw.wire.pieces_json import json_pieces
from hoopgw.wire.pieces_text import KEY, text_array, text_hstore, text_row
from hoopgw.wire.pieces_xml import xml_pieces
from hoopgw.wire.scanners import Scanner
from hoopgw.wire.showing import Hashes, last4

PASS: Final = 0
NONE: Final = 1  # every byte a star
LAST4: Final = 2  # stars, and the last four characters of eight or more
HASH: Final = 3  # 16 base32 characters of an HMAC
CONSTANT: Final = 4
NULL: Final = 5
SCAN: Final = 6  # what a pattern finds becomes stars, at the same length
SCAN_JSON: Final = 7  # the same, and it stays JSON
SCAN_JSONB: Final = 8  # binary jsonb: a version byte in front
SCAN_NUMBER: Final = 9  # a value in which a pattern finds something becomes the constant
SCAN_OPAQUE: Final = 10  # cannot be read: the constant, or NULL, where a pattern finds something anywhere in it
SCAN_BINARY: Final = 11  # numbers in binary, and what may hold them: the constant where a pattern finds something
SCAN_BYTEA: Final = 12  # bytea in text format: stars in its bytes
SCAN_XML: Final = 13  # stars between tags and in attributes
SPOILS: Final = 14  # a part of a value: where a pattern finds something, the whole value is NULL
ZEROS: Final = 15  # bit strings in text format
ZERO_BITS: Final = 16  # the same in binary: their length stays
BYTEA: Final = 17  # bytea in text format: its bytes become what parts[0] makes of them
# Values within values: `parts` says what becomes of each
TEXT_ARRAY: Final = 18
BINARY_ARRAY: Final = 19
TEXT_ROW: Final = 20
BINARY_ROW: Final = 21
TEXT_HSTORE: Final = 22
BINARY_HSTORE: Final = 23
JSON: Final = 24
JSONB: Final = 25  # in binary
XML: Final = 26
LAST_KIND: Final = XML

DEEPEST: Final = 16  # values within values: deeper ones are NULL


@final
class Action:
    """What becomes of one column, or of a part of its values, in one format.

    `parts`: of an array its element; of a composite each field, or one for all; of hstore, JSON and XML what
    `wire/pieces_*` names.  Types that binary formats name are held against `oid` (of elements) and `oids` (of
    fields), where they are given: another type is NULL.  `types` says what becomes of a field by its type.
    """

    __slots__ = ("constant", "delimiter", "keys", "kind", "oid", "oids", "parts", "types")

    def __init__(
        self,
        kind: int,
        constant: bytes | None = None,
        oid: int = 0,
        parts: "tuple[Action | None, ...]" = (),
        delimiter: int = 44,
        keys: KeyTable | None = None,
        oids: tuple[int, ...] = (),
        types: "dict[int, Action | None] | None" = None,
    ) -> None:
        self.kind = kind
        self.constant = constant  # None: NULL
        self.oid = oid  # of the type, for SCAN_BINARY
        self.parts = parts
        self.delimiter = delimiter
        self.keys = keys  # of JSON and hstore: what is selected; None: everything
        self.oids = oids
        self.types = types


@final
class ValueMask:
    """One action on one value.  Gives the value to show; None is NULL; the same object where nothing changed."""

    __slots__ = ("_hashes", "scanner")

    def __init__(self, scanner: Scanner | None, hashes: Hashes) -> None:
        self.scanner = scanner
        self._hashes = hashes

    def of(self, action: Action, value: bytes, depth: int = DEEPEST) -> bytes | None:
        kind = action.kind
        if kind == NONE:
            return b"*" * len(value) if value else value
        if kind == LAST4:
            return last4(value) if value else value
        if kind == HASH:
            return self._hashes.of(value)
        if kind == CONSTANT:
            return action.constant
        if kind == ZEROS:
            return b"0" * len(value)
        if kind == ZERO_BITS:
            return value[:4] + bytes(max(len(value) - 4, 0))
        if kind >= BYTEA:
            return self._bytea(action, value) if kind == BYTEA else self._within(action, value, depth)
        scanner = self.scanner
        if kind == NULL or scanner is None:
            return None
        if kind == SCAN:
            return scanner.masked(value)
        return self._scanned(scanner, action, value, depth)

    def _scanned(self, scanner: Scanner, action: Action, value: bytes, depth: int) -> bytes | None:
        kind = action.kind
        if kind == SCAN_NUMBER and len(value) < scanner.least_digits:
            return value  # as in RowMask: a number this short holds no card or id
        if kind == SCAN_NUMBER:
            return action.constant if scanner.spans(value, 0, len(value)) else value
        if kind in (SCAN_JSON, SCAN_JSONB):
            return self._scanned_json(scanner, action, value, depth)
        if kind == SCAN_XML:
            return self._scanned_xml(scanner, action, value, depth)
        if kind == SCAN_BINARY:
            return action.constant if finds(scanner, action.oid, value) else value
        if kind == SCAN_BYTEA:
            return self._scanned_bytea(scanner, value)
        return action.constant if scanner.spans(value, 0, len(value)) else value

    def _bytea(self, action: Action, value: bytes) -> bytes | None:
        part = action.parts[0]
        shown = self.of(part, bytea(value)) if part is not None else None
        return hexadecimal(shown) if shown is not None else None

    def _scanned_bytea(self, scanner: Scanner, value: bytes) -> bytes | None:
        """What is found in the bytes becomes stars; a number that only their hexadecimal digits make is NULL."""
        data = bytea(value)
        masked = scanner.masked(data)
        if masked is not data:
            return hexadecimal(masked)
        return None if scanner.spans(value, 0, len(value)) else value

    def _scanned_json(self, scanner: Scanner, action: Action, value: bytes, depth: int) -> bytes | None:
        """As it is written; and what escapes write, where there are some."""
        masked = scanner.masked_json(value if action.kind == SCAN_JSON else value[1:])
        if action.kind == SCAN_JSONB:
            masked = value if masked == value[1:] else value[:1] + masked
        pieces = self._pieces(action, masked) if b"\\" in masked else None
        return self._put(action, masked, pieces, depth) if pieces else masked

    def _scanned_xml(self, scanner: Scanner, action: Action, value: bytes, depth: int) -> bytes | None:
        """Between the tags; what reaches over them, or is no XML, is NULL."""
        pieces = xml_pieces(value)
        shown = self._put(action, value, pieces, depth) if pieces is not None else value
        return shown if shown is None or not scanner.spans(shown, 0, len(shown)) else None

    # ---- values within values

    def _within(self, action: Action, value: bytes, depth: int) -> bytes | None:
        pieces = self._pieces(action, value)
        if pieces is not None:
            return self._put(action, value, pieces, depth)
        if action.kind != XML:
            return None
        part = action.parts[0]  # no XML: a text like others
        return self.of(part, value, depth - 1) if part is not None else None

    def _pieces(self, action: Action, value: bytes) -> list[Piece] | None:
        kind = action.kind
        if kind == TEXT_ARRAY:
            return text_array(value, action.delimiter)
        if kind == BINARY_ARRAY:
            return binary_array(value)
        if kind == TEXT_ROW:
            return text_row(value)
        if kind == BINARY_ROW:
            return binary_row(value)
        if kind == TEXT_HSTORE:
            return text_hstore(value)
        if kind == BINARY_HSTORE:
            return binary_hstore(value)
        if kind in (JSON, SCAN_JSON):
            return json_pieces(value, 0, action.keys, kind == SCAN_JSON)
        if kind in (JSONB, SCAN_JSONB):
            return json_pieces(value, 1, action.keys, kind == SCAN_JSONB) if value[:1] == b"\x01" else None
        return xml_pieces(value)

    def _put(self, action: Action, value: bytes, pieces: list[Piece], depth: int) -> bytes | None:
        """What is shown of each piece in its place; NULL where one spoils the whole, or is of another type."""
        if depth == 0 or (action.oids and len(pieces) != len(action.oids)):
            return None
        hstore = action.kind in (TEXT_HSTORE, BINARY_HSTORE)
        selected = True
        changed = nulls = False
        shown: list[bytes | None] = []
        for piece in pieces:
            before = piece.value
            if piece.oid and not _expected(action, piece):
                return None
            after = before
            if before is not None:
                if hstore and piece.part == KEY and action.keys is not None:
                    selected = selects(action.keys, before)
                part = _part(action, piece)
                if part is not None and part.kind == SPOILS:
                    if self.scanner is None or self.scanner.spans(before, 0, len(before)):
                        return None
                elif part is not None and selected:
                    after = self.of(part, before, depth - 1)
                    changed = changed or after is not before
                    nulls = nulls or after is None
            shown.append(after)
        if not changed:
            return value
        masked = rejoined(value, pieces, shown, action.delimiter)
        if nulls and action.kind == BINARY_ARRAY:
            return masked[:4] + b"\0\0\0\1" + masked[8:]  # its flag says that there are some
        return masked


def _expected(action: Action, piece: Piece) -> bool:
    """Whether the type that a binary format names is the one that the action was chosen for."""
    if action.oids:
        return action.oids[piece.part] == piece.oid
    return action.oid == 0 or action.oid == piece.oid


def _part(action: Action, piece: Piece) -> Action | None:
    if action.types is not None:
        if piece.oid in action.types:
            return action.types[piece.oid]
        return Action(SCAN_BINARY, oid=max(piece.oid, FIRST_OWN))
    parts = action.parts
    return parts[piece.part] if piece.part < len(parts) else parts[0]

"""Blocks of header fields of HTTP/2 <-> fields (HPACK, RFC 7541).

A peer sends most heads again and again: a block that left the table as it was means the same as long as nothing else
changes it, and is read, and written, once.
"""

from __future__ import annotations

from typing import Any, Final, final

from mypy_extensions import i64

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.hpack_huffman import unpacked
from hoopgw.wire.hpack_table import ENTRY, STATIC, STATIC_NAMED, STATIC_WHOLE, Table
from hoopgw.wire.httpfields import Field
from hoopgw.wire.httphead import MAX_HEAD

MAX_NUMBER: Final = 1 << 28  # of lengths and entries: what is larger is no head's, and needs no sixth byte
MAX_KNOWN: Final = 64  # blocks that are remembered
MAX_KNOWN_BYTES: Final = 1024  # of one of them
MAX_RESIZES: Final = 2  # of the table at the begin of a block: the least that it was, and what it is (RFC 7541, 4.2)
MAX_ENTRY: Final = 1024  # bytes of a field that is worth a place in the table, which has four times as many

# Whoever has another's fields in the same table could find these out by the lengths of what is sent (RFC 7541, 7.1):
# as h2 and nghttp2 do it, of cookies the short ones
_NEVER: Final = frozenset((b"authorization", b"proxy-authorization"))
_SHORT_COOKIE: Final = 20
# Seldom the same twice: they would push out what is
_UNLIKE: Final = frozenset(
    (
        b":path", b"age", b"content-length", b"content-range", b"etag", b"if-modified-since", b"if-none-match",
        b"last-modified", b"location", b"set-cookie", b"traceparent", b"x-request-id",
    )
)  # fmt: skip


@final
class Head:
    """The fields of one block.  `read`: what their reader made of them, for when they come again."""

    __slots__ = ("fields", "read")

    def __init__(self, fields: list[Field]) -> None:
        self.fields = fields
        self.read: Any = None


@final
class Decoder:
    """What the other side's encoder says.  After a MalformedFrame its table is in doubt: the connection ends."""

    __slots__ = ("_here", "_known", "_known_at", "_most", "_table")

    def __init__(self, most: int) -> None:
        """`most`: bytes of the table that the other side may fill."""
        self._most = most
        self._table = Table(most)
        self._known: dict[bytes, Head] = {}
        self._known_at = 0  # changes of the table, when these were read
        self._here: i64 = 0

    def decode(self, block: bytes) -> Head:
        """Raises MalformedFrame; also for fields that are more than MAX_HEAD."""
        if self._known_at != self._table.changes:
            self._known.clear()
            self._known_at = self._table.changes
        found = self._known.get(block)
        if found is None:
            found = Head(self._fields(block))
            if self._known_at == self._table.changes and len(block) <= MAX_KNOWN_BYTES:
                if len(self._known) >= MAX_KNOWN:
                    self._known.clear()
                self._known[block] = found
        return found

    def _fields(self, block: bytes) -> list[Field]:
        fields: list[Field] = []
        self._here = 0
        size: i64 = len(block)
        total = resizes = 0
        while self._here < size:
            first: i64 = block[self._here]
            if first & 0xE0 == 0x20:
                resizes += 1
                if fields or resizes > MAX_RESIZES:
                    raise MalformedFrame("HPACK: another size of the table where none may be")
                self._resize(self._number(block, 31))
                continue
            field = self._table.field(self._number(block, 127)) if first & 0x80 else self._literal(block, first)
            total += len(field[0]) + len(field[1]) + ENTRY
            if total > MAX_HEAD:
                raise MalformedFrame("HPACK: more fields than a head may have")
            fields.append(field)
        return fields

    def _resize(self, limit: int) -> None:
        if limit > self._most:
            raise MalformedFrame("HPACK: a larger table than was agreed on")
        self._table.resize(limit)

    def _literal(self, block: bytes, first: i64) -> Field:
        kept = first & 0x40 != 0
        number = self._number(block, 63 if kept else 15)
        name = self._table.field(number)[0] if number else self._string(block)
        field = (name, self._string(block))
        if kept:
            self._table.add(field)
        return field

    def _number(self, block: bytes, most: i64) -> int:
        """An integer in the lower bits of the byte here, `most` at most, and in those behind it (5.1)."""
        here = self._here
        size: i64 = len(block)
        if here >= size:
            raise MalformedFrame("HPACK: a block that is cut off")
        number: i64 = block[here] & most
        here += 1
        if number == most:
            shift: i64 = 0
            more = True
            while more:
                if here >= size or shift > 28:
                    raise MalformedFrame("HPACK: a number that is cut off, or too large")
                byte: i64 = block[here]
                here += 1
                number += (byte & 127) << shift
                shift += 7
                more = byte >= 128
            if number > MAX_NUMBER:
                raise MalformedFrame("HPACK: a number that is too large")
        self._here = here
        return int(number)

    def _string(self, block: bytes) -> bytes:
        packed = self._here < len(block) and block[self._here] & 0x80 != 0
        length = self._number(block, 127)
        here = int(self._here)
        if length > len(block) - here:
            raise MalformedFrame("HPACK: a string that is cut off")
        self._here += length
        text = block[here : here + length]
        return unpacked(text) if packed else text


@final
class Encoder:
    """Writes what the other side's decoder reads.  Strings are sent as they are."""

    __slots__ = ("_added", "_block", "_head", "_least", "_named", "_table", "_told", "_whole", "_written_at")

    def __init__(self, limit: int) -> None:
        self._table = Table(limit)
        self._added = 0  # entries ever: the n-th one has the number len(STATIC) + 1 + added - n
        self._whole: dict[Field, int] = {}  # fields in the table, and which one they were
        self._named: dict[bytes, int] = {}
        self._told = limit  # the size that the other side knows of, and the least since then
        self._least = limit
        self._head: list[Field] = []
        self._block = b""
        self._written_at = -1

    def resize(self, limit: int) -> None:
        """The other side wants its table to have so many bytes at most."""
        self._drop(self._table.resize(limit))
        self._least = min(self._least, limit)

    def encode(self, fields: list[Field]) -> bytes:
        if fields is self._head and self._written_at == self._table.changes:
            return self._block
        changes = self._table.changes
        pieces: list[bytes] = []
        if self._least < self._told:
            pieces.append(number(self._least, 31, 0x20))
        if self._table.limit != min(self._least, self._told):
            pieces.append(number(self._table.limit, 31, 0x20))
        resized = bool(pieces)
        self._told = self._least = self._table.limit
        for field in fields:
            pieces.append(self._field(field))
        block = b"".join(pieces)
        if changes == self._table.changes and not resized:
            self._head, self._block, self._written_at = fields, block, changes
        return block

    def _field(self, field: Field) -> bytes:
        name, value = field
        known = STATIC_WHOLE.get(field, 0) or self._number_of(self._whole.get(field, 0))
        if known:
            return number(known, 127, 0x80)
        named = STATIC_NAMED.get(name, 0) or self._number_of(self._named.get(name, 0))
        most, kind = 15, 0
        if name in _NEVER or (name == b"cookie" and len(value) < _SHORT_COOKIE):
            kind = 0x10
        elif name not in _UNLIKE and len(name) + len(value) <= MAX_ENTRY:
            most, kind = 63, 0x40
        begin = number(named, most, kind) if named else bytes((kind,)) + string(name)
        if kind == 0x40:
            self._keep(field)
        return begin + string(value)

    def _number_of(self, added: int) -> int:
        return len(STATIC) + 1 + self._added - added if added else 0

    def _keep(self, field: Field) -> None:
        before = self._table.count
        gone = self._table.add(field)
        if self._table.count + len(gone) > before:  # it is in it
            self._added += 1
            self._drop(gone)
            self._whole[field] = self._named[field[0]] = self._added
        else:
            self._drop(gone)

    def _drop(self, gone: list[Field]) -> None:
        """What the table lost is not named any more."""
        first = self._added - self._table.count + 1  # the oldest that is left
        for field in gone:
            if self._whole.get(field, first) < first:
                del self._whole[field]
            if self._named.get(field[0], first) < first:
                del self._named[field[0]]


def number(value: int, most: int, kind: int) -> bytes:
    """An integer behind the bits of `kind` (RFC 7541, 5.1)."""
    if value < most:
        return bytes((kind | value,))
    found = [kind | most]
    value -= most
    while value >= 128:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def string(text: bytes) -> bytes:
    return number(len(text), 127, 0) + text

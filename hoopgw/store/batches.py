"""Batches of entries: what one round of the writer takes from the ring, by session.  Compiled in packages."""

from __future__ import annotations

from struct import Struct
from typing import Final, final

from librt.strings import read_i32_le, read_i64_le
from mypy_extensions import i64

from hoopgw.model.errors import OperatorError
from hoopgw.record.chunks import GATEWAY
from hoopgw.record.entries import Kind
from hoopgw.store.spool import RECORD_SIZE, SKIP, Spool

MOST: Final = 8 << 20  # bytes of the ring in one round
MOST_ENTRIES: Final = 4096  # in one round: the loop holds the interpreter for about a microsecond each
_ASKED: Final = Struct("<iq")  # of an ASKED entry: count, number of the first operation
_ASKED_SIZE: Final = 12  # _ASKED.size, as a constant of the compiled code
_CLOSE: Final = int(Kind.CLOSE)
_GATEWAY: Final = GATEWAY  # as a constant of the compiled code
_KIND_ASKED: Final = int(Kind.ASKED)
WINDOW: Final = 64 * 1024  # bytes of the ring that are copied at once
# Where in a record (RECORD in spool.py) its fields begin; the session is what a chunk does not repeat
_SESSION: Final = 16
_LENGTH: Final = 16
_KIND: Final = 20
_PIECE: Final = 22
_SEQUENCE: Final = 24
_TIME: Final = 32
_ENTRY: Final = RECORD_SIZE - _SESSION


@final
class SessionBatch:
    """What one of them has of one session: `pieces` are entries as chunks hold them, large ones slices of the ring."""

    def __init__(self, first_entry: i64, first_time: i64) -> None:
        self.pieces: list[bytes | memoryview] = []
        self.size: i64 = 0
        self.first_entry: i64 = first_entry
        self.last_entry: i64 = first_entry
        self.first_operation: i64 = 0
        self.last_operation: i64 = 0
        self.first_time: i64 = first_time
        self.last_time: i64 = first_time
        self.closed = False

    def add(self, entry: "bytes | memoryview", size: i64, sequence: i64, stamp: i64) -> None:
        """The next of its entries, of so many bytes."""
        self.pieces.append(entry)
        self.size += size
        self.last_entry = sequence
        self.last_time = stamp

    def asked(self, count: i64, first: i64) -> None:
        """It holds so many operations, numbered from `first` on."""
        if count < 0 or first < 0:  # no relay counts so far: of a ring that is damaged
            return
        if not self.first_operation:
            self.first_operation = first
        last = first if count < 1 else first + count - 1
        self.last_operation = max(self.last_operation, last)


class Batch:
    """`size` bytes from the ring's tail on; `gateway` are payloads for the gateway journal, `slices` pieces that are
    no copies."""

    __slots__ = ("parts", "gateway", "size", "slices")

    def __init__(self) -> None:
        self.parts: dict[bytes, SessionBatch] = {}
        self.gateway: list[bytes] = []
        self.slices: list[memoryview] = []
        self.size = 0

    def release(self) -> None:
        """The slices go, so that the ring can be closed."""
        for part in self.parts.values():
            part.pieces.clear()
        for each in self.slices:
            each.release()
        self.slices.clear()


@final
class _Window:
    """A copy of a stretch of the ring, out of which small entries are taken without a look at the ring for each."""

    __slots__ = ("_spool", "_begin", "data")

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._begin: i64 = 0
        self.data = b""

    def of(self, at: i64, left: i64) -> i64:
        """Where in `data` the record begins that lies at `at` of the map; its head at least is there."""
        here: i64 = at - self._begin
        if here < 0 or here + RECORD_SIZE > len(self.data):
            self._begin = at
            here = 0
            self.data = bytes(self._spool.slice(at, at + min(left, WINDOW)))
        return here


def taken(spool: Spool, stored: dict[bytes, tuple[int, int]] | None = None) -> Batch:
    """The oldest entries, up to MOST bytes of whole records; they stay in the ring.

    `stored` is what the start's recovery found on disk already, by session: the last entry and its last piece.
    Raises OperatorError for a ring that does not hold what an appender writes.
    """
    found, window = Batch(), _Window(spool)
    offset: i64 = spool.tail
    at: i64 = 0
    left: i64 = 0
    size: i64 = 0
    entries: i64 = 0
    while size < MOST and entries < MOST_ENTRIES:
        if left < RECORD_SIZE:  # nothing yet, or what no record fits in before the ring's end
            offset += left
            size += left
            begin, length = spool.region(offset)
            at = begin
            left = length
            if left == 0:
                break
            continue
        here: i64 = window.of(at, left)
        data = window.data
        total: i64 = RECORD_SIZE + i64(read_i32_le(data, here + _LENGTH))
        if not RECORD_SIZE <= total <= left:
            raise OperatorError(f"the spool {spool.path} is damaged: move it away to start without what it holds")
        if here + total <= len(data):
            _take(found, data, here, data[here + _SESSION : here + total], total - _SESSION, stored)
        else:
            view = spool.slice(at + _SESSION, at + total)
            found.slices.append(view)
            _take(found, data, here, view, total - _SESSION, stored)
        entries += 1
        offset += total
        size += total
        at += total
        left -= total
    found.size = size
    return found


def _take(
    found: Batch,
    data: bytes,
    here: i64,
    entry: "bytes | memoryview",
    size: i64,
    stored: dict[bytes, tuple[int, int]] | None,
) -> None:
    """The record whose head lies at `here` of `data`; `entry` is all of it but the session, `size` bytes."""
    session, kind = data[here : here + _SESSION], data[here + _KIND]
    if kind == SKIP:
        return
    if session == _GATEWAY:
        found.gateway.append(bytes(entry[_ENTRY:]))
        return
    sequence, stamp = read_i64_le(data, here + _SEQUENCE), read_i64_le(data, here + _TIME)
    piece: i64 = data[here + _PIECE] | data[here + _PIECE + 1] << 8
    if stored is not None and (sequence, piece) <= stored.get(session, (0, 0)):
        return
    part = found.parts.get(session)
    if part is None:
        part = found.parts[session] = SessionBatch(sequence, stamp)
    part.add(entry, size, sequence, stamp)
    if kind == _CLOSE:
        part.closed = True
    elif kind == _KIND_ASKED and piece == 0 and size >= _ENTRY + _ASKED_SIZE:
        begin = here + RECORD_SIZE
        if begin + _ASKED_SIZE <= len(data):
            part.asked(i64(read_i32_le(data, begin)), read_i64_le(data, begin + 4))
        else:
            count, first = _ASKED.unpack_from(entry, _ENTRY)
            part.asked(count, first)

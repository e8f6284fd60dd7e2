"""A run of bytes and the copy of it that comes to be where something in it changes.  Compiled loops.

Nothing is copied before the first change.  Changes come in any order within what keeps its length; `replace` and `put`
only in the order of the bytes.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter, read_i64_le, write_i32_be, write_i64_le
from mypy_extensions import i64, u8

from hoopgw.wire.httpchunks import chunk_of

_STARS: Final = 0x2A2A2A2A2A2A2A2A
_PLACES: Final = 0x3FFFFFFF  # in a copy; behind it the compiler knows that a place is not negative
SHORT: Final[i64] = 96  # bytes: pieces up to this are copied by words, longer ones by a slice

MOST_ROOM: Final = 1 << 20  # bytes: reads have 256 KiB


@final
class Rewriting:
    """`data[start:end]` with changes.  Offsets are those of `data`.

    `whole`: what changes will most likely keep its length, so that the first change copies the whole run at once; until
    one is made that does not.
    """

    __slots__ = ("_copied", "_data", "_end", "_front", "_out", "_shift", "_start", "_whole", "hits")

    def __init__(self, data: bytes, start: i64, end: i64, whole: bool) -> None:
        self.hits: i64 = 0  # changes so far
        self._data = data
        self._start: i64 = start
        self._end: i64 = end
        self._whole = whole
        self._front: i64 = 0  # bytes before the run: where the size of a chunk comes
        self._out = BytesWriter()
        self._copied: i64 = start  # up to where `data` is in `_out`, or replaced there
        self._shift: i64 = -start  # what `data[i]` is at in `_out`: i + _shift

    def begin(self, data: bytes, start: i64, end: i64, chunk: bool = False) -> None:
        """Another run.  The room that the copy of the last one took is used again, unless it was large.

        `chunk`: what it becomes is given as one of RFC 9112, 7.1.
        """
        out = self._out
        if len(out) > MOST_ROOM:
            self._out = out = BytesWriter()
        else:
            out.truncate(0)
        self._front = 0
        if chunk:  # its size comes there: most runs stay as long as they are
            out.write(b"%x\r\n" % (end - start))
            self._front = len(out)
        self.hits = 0
        self._data = data
        self._start = start
        self._end = end
        self._copied = start
        self._shift = self._front - start

    def stars(self, start: i64, end: i64) -> None:
        """A star for every byte."""
        self.hits += 1
        out = self._out
        if self._copied <= start < end and not self._whole:  # what is starred needs no copy
            self._copy(start)
            self._copied = end
            while start < end:
                write_i64_le(out, _STARS)
                start += 8
            out.truncate(end + self._shift)
            return
        if end > self._copied:
            self._copy(self._end if self._whole else end)
        here: i64 = start + self._shift
        stop: i64 = end + self._shift
        while here + 4 <= stop:
            place: i64 = here & _PLACES
            out[place] = 42
            out[place + 1] = 42
            out[place + 2] = 42
            out[place + 3] = 42
            here += 4
        while here < stop:
            out[here] = 42
            here += 1

    def replace(self, start: i64, end: i64, value: bytes | None) -> None:
        """A value with its length in front (`start` is where that begins) for another; None is NULL."""
        self.hits += 1
        self._copy_only(start)
        out = self._out
        if value is None:
            write_i32_be(out, -1)
        else:
            write_i32_be(out, len(value))
            out.write(value)
        self._copied = end
        self._shift = len(out) - end

    def put(self, start: i64, end: i64, value: bytes) -> None:
        """Bytes for others, of any length: none for what is left out."""
        self.hits += 1
        self._copy_only(start)
        if value:
            self._out.write(value)
        self._copied = end
        self._shift = len(self._out) - end

    @property
    def shift(self) -> i64:
        """How many bytes the copy is longer than the run up to here; only differences mean something."""
        return self._shift

    def patch(self, place: i64, value: i64) -> None:
        """Four bytes at `place` of the copy, big-endian: `place` is an offset of `data` plus the `shift` it had."""
        out = self._out
        out[place] = u8((value >> 24) & 255)
        out[place + 1] = u8((value >> 16) & 255)
        out[place + 2] = u8((value >> 8) & 255)
        out[place + 3] = u8(value & 255)

    def result(self) -> bytes | None:
        """The changed run; None where nothing changed."""
        return self.result_until(self._end)

    def result_until(self, end: i64) -> bytes | None:
        """`data[start:end]` as changed, where nothing before `end` changed its length behind it; None as above."""
        if not self.hits:
            return None
        if self._copied > end:
            self._out.truncate(end + self._shift)
        else:
            self._copy(end)
        return self._out.getvalue() if self._front == 0 else self._chunk()

    def _chunk(self) -> bytes:
        out = self._out
        size = b"%x\r\n" % (len(out) - self._front)
        if len(size) != self._front or len(out) == self._front:
            return chunk_of(out.getvalue()[self._front :])
        here: i64 = 0
        while here < self._front:
            out[here] = size[here]
            here += 1
        out.write(b"\r\n")
        return out.getvalue()

    def _copy_only(self, end: i64) -> None:
        """No more than that: what is behind is to change its length, or its place."""
        if self._copied > end:
            self._out.truncate(end + self._shift)
            self._copied = end
            self._whole = False
        else:
            self._copy(end)

    def _copy(self, end: i64) -> None:
        data, out = self._data, self._out
        here: i64 = self._copied
        if here >= end:
            return
        self._copied = end
        if end - here > SHORT or end + 8 > len(data):
            out.write(data if here == 0 and end == len(data) else data[here:end])
            return
        while here < end:
            write_i64_le(out, read_i64_le(data, here))
            here += 8
        if here > end:
            out.truncate(len(out) - (here - end))

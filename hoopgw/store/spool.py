"""A ring of shared memory that outlives the process: what a session recorded is here before anything moves.

Only the reactor's thread appends, only the writer's thread drains.  An entry is there once the head, one aligned 8-byte
word that is stored last, is past it.  Compiled in packages.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from pathlib import Path
from struct import Struct
from typing import Final

from librt.strings import BytesWriter, write_i32_le, write_i64_le
from mypy_extensions import i32, i64

from hoopgw.model.errors import OperatorError, SpoolFull

MAGIC: Final = b"hoopgw spool 2\0\0"
PAGE: Final = 4096
# what the first page holds, each on a cache line of its own
HEAD: Final = 64
TAIL: Final = 128
SIZE: Final = 192
BOOT: Final = 256
MAX_PIECE: Final = 256 * 1024  # bytes of one entry's payload: larger ones go in pieces
# session; then as chunks have it: length of the payload, kind, flags, number of the piece, sequence, time in ns
RECORD: Final = Struct("<16sIBBHQQ")
SESSION_SIZE: Final = 16
RECORD_SIZE: Final = 40  # RECORD.size, as a constant of the compiled code
SKIP: Final = 0  # as a kind: nothing up to the ring's end
UNSYNCED: Final = 1.0  # seconds after which what is not on disk yet makes sessions wait
LOOK_EVERY: Final = 20_000_000  # ns between looks at that
SMALL: Final = PAGE  # bytes of an entry that finds room where a large one has to wait: a statement, a few rows
RESERVE: Final = 8  # one part in so many of the ring is for small entries alone: a large result makes nobody else wait
FEW: Final = 4  # small entries that a session begins with, at most
# Bytes: where so much is drained at once, it is cleared when there is time, not before more comes
BULK: Final = 1 << 20
QUIET: Final = 0.1  # seconds without that: there is time
LAST_PIECE: Final = 1  # flag of an entry: the payload ends here
_ZEROS: Final = bytes(MAX_PIECE)
_MOST_PIECES: Final = 1 << 16  # numbers of pieces start over


class Spool:
    """Offsets only grow; where something lies is its offset modulo `capacity`.  No record goes over the ring's end.

    lost        what the file held was of another boot of the machine, and is gone
    failure     why what it holds cannot be written to disk now; "" where it can
    rounds_at   monotonic time of the writer's last round that ended well
    """

    def __init__(self, path: Path, capacity: int) -> None:
        """Opens, or makes and allocates, the file.  Raises OperatorError where there is no room, or another owner."""
        self.path = path
        self.lost = False
        self.failure = ""
        self.rounds_at = time.monotonic()
        self._looked: i64 = 0
        self._file = _opened(path)
        try:
            capacity = self._allocated(capacity)
            self._map = mmap.mmap(self._file, PAGE + capacity)
        except OSError as error:
            os.close(self._file)
            raise OperatorError(f"the spool {path} cannot be used: {error.strerror}") from error
        except OperatorError:
            os.close(self._file)
            raise
        self.capacity: i64 = capacity
        self.max_piece: i64 = min(MAX_PIECE, capacity // 4)
        self._view = memoryview(self._map)
        self._words = self._view[:PAGE].cast("Q")  # one store each: the kernel sees the old or the new
        self.head: i64 = self._words[HEAD // 8]
        self.tail: i64 = self._words[TAIL // 8]
        self._entry = BytesWriter()  # one entry at a time
        self._dirty: i64 = 0  # what is drained from there on, up to `_dirty_end`, is not cleared yet
        self._dirty_end: i64 = 0
        self._bulk_at = 0.0  # when so much was drained last
        self._clean()

    def _allocated(self, capacity: int) -> int:
        """The capacity: of a file that holds something as it was made, else as it is wanted."""
        size = os.fstat(self._file).st_size
        first = os.pread(self._file, PAGE, 0)
        if size > PAGE and first.startswith(MAGIC):
            words = memoryview(first).cast("Q")
            old, head, tail = words[SIZE // 8], words[HEAD // 8], words[TAIL // 8]
            # offsets only grow, but not to where a word ends in any machine's life
            if old + PAGE != size or not tail <= head <= tail + old or head >> 62:
                raise OperatorError(f"the spool {self.path} is damaged: move it away to start without what it holds")
            if first[BOOT : BOOT + len(_boot())] == _boot():
                if head != tail or old == capacity:
                    return int(old)  # what it holds must be drained in the size it was written in
            else:
                self.lost = head != tail  # the machine went down: which of its pages were kept is not known
        elif first.strip(b"\0"):
            raise OperatorError(f"{self.path} is not a spool of this version: move it away to start without it")
        os.ftruncate(self._file, 0)
        os.posix_fallocate(self._file, 0, PAGE + capacity)
        os.pwrite(self._file, capacity.to_bytes(8, "little"), SIZE)
        os.pwrite(self._file, _boot(), BOOT)
        os.pwrite(self._file, MAGIC, 0)
        return capacity

    def _clean(self) -> None:
        """A process that was killed while it drained may have left drained bytes; none of them stays."""
        begin, end = self.head % self.capacity, self.tail % self.capacity
        if begin < end:
            self._zero(begin, end - begin)
        elif begin > end or self.head == self.tail:
            self._zero(begin, self.capacity - begin)
            self._zero(0, end)

    @property
    def used(self) -> float:
        """Share in use, 0 to 1."""
        return int(self.head - self.tail) / int(self.capacity)

    # ---- the reactor's side

    def must_be_fresh(self, now: i64) -> None:
        """Raises SpoolFull where what was recorded is not on disk after UNSYNCED seconds: sessions wait.

        `now` in ns: it says when to look again, whichever way that clock is set.
        """
        if not 0 <= now - self._looked < LOOK_EVERY:
            self._look(now)

    def _look(self, now: i64) -> None:
        if self.head != self.tail and time.monotonic() - self.rounds_at > UNSYNCED:
            raise SpoolFull("the disk is slow: what was recorded is not synced yet")
        self._looked = now

    def has_room(self, now: int) -> bool:
        """Whether a few small entries, as a session begins with, would be taken now and until LOOK_EVERY from now."""
        try:
            self._look(now)
        except SpoolFull:
            return False
        return self.head - self.tail + FEW * (RECORD_SIZE + SMALL) <= self.capacity

    def must_hold(self, now: int, sizes: tuple[int, ...]) -> None:
        """Raises SpoolFull where entries of these sizes would not be taken now, all of them."""
        self.must_be_fresh(now)
        needed = max(sizes)  # what the ring's end may cost
        for size in sizes:
            needed += RECORD_SIZE + size
        reserved = self.capacity // RESERVE if max(sizes) > SMALL else 0
        if self.head - self.tail + needed + reserved > self.capacity:
            raise SpoolFull("the spool has no room now")

    def append(self, session: bytes, sequence: i64, kind: i64, stamp: i64, first: bytes, second: bytes = b"") -> None:
        """One entry of at most `max_piece` bytes, `first` and `second` of it.  Raises SpoolFull with nothing there."""
        size: i64 = len(first) + len(second)
        whole = RECORD_SIZE + size
        begin = self._room(whole)
        end = begin + whole
        entry = self._entry
        _begin_record(entry, session, size, kind, sequence, stamp)
        if size <= PAGE:
            entry.write(first)
            entry.write(second)
            self._map[begin:end] = entry.getvalue()
        else:
            here = begin + RECORD_SIZE
            border = here + len(first)
            self._map[begin:here] = entry.getvalue()
            self._map[here:border] = first
            self._map[border:end] = second
        self._publish(whole)

    def append_pieces(
        self, session: bytes, sequence: int, kind: int, stamp: int, payload: memoryview, here: int
    ) -> int:
        """A large entry from its byte `here` on, in pieces; gives how far it came.

        It takes at most half of the ring, so that other sessions have room; it is there when its last piece is.
        """
        step = self.max_piece
        while here < len(payload) and self.head - self.tail < self.capacity // 2:
            piece = payload[here : here + step]
            last = LAST_PIECE if here + len(piece) == len(payload) else 0
            begin = self._room(RECORD_SIZE + len(piece))
            number = here // step % _MOST_PIECES
            self._map[begin : begin + RECORD_SIZE] = RECORD.pack(
                session, len(piece), kind, last, number, sequence, stamp
            )
            self._map[begin + RECORD_SIZE : begin + RECORD_SIZE + len(piece)] = piece
            self._publish(RECORD_SIZE + len(piece))
            here += len(piece)
        return here

    def _room(self, size: i64) -> i64:
        """Where in the map `size` bytes may go.  Raises SpoolFull, for a large entry while the reserve is free."""
        head = self.head
        end = self.tail + self.capacity
        if size > RECORD_SIZE + SMALL:
            end -= self.capacity // RESERVE
        begin = head % self.capacity
        left = self.capacity - begin
        if size > left:  # a record does not go over the end
            if head + left + size > end:
                raise SpoolFull("the spool has no room now")
            if left >= RECORD_SIZE:
                self._map[PAGE + begin : PAGE + begin + RECORD_SIZE] = RECORD.pack(
                    bytes(16), left - RECORD_SIZE, SKIP, 0, 0, 0, 0
                )
            self._publish(left)
            return PAGE
        if head + size > end:
            raise SpoolFull("the spool has no room now")
        return PAGE + begin

    def clears(self, now: float) -> bool:
        """Drained bytes are still to be cleared, and there is time to; `now` is monotonic."""
        return self._dirty < self._dirty_end and now - self._bulk_at > QUIET

    def clear(self) -> None:
        """At most BULK drained bytes become zeros; those that new entries have overwritten meanwhile are done.  The
        reactor's: nobody else writes where there is room."""
        start = max(self._dirty, self.head - self.capacity)
        size = min(BULK, self._dirty_end - start)
        if size > 0:
            self._zero_from(start, size)
        self._dirty = start + max(0, size)

    def _publish(self, size: i64) -> None:
        """So many more bytes are whole."""
        head = self.head + size
        self._words[HEAD // 8] = head
        self.head = head

    # ---- the writer's side

    def region(self, start: int) -> tuple[int, int]:
        """From the offset `start`: where in the map it lies, and how many bytes follow before head or ring's end."""
        begin = start % self.capacity
        return PAGE + begin, min(self.head - start, self.capacity - begin)

    def record(self, at: int) -> tuple[bytes, int, int, int, int, int, int]:
        """The fields of the record there (see RECORD)."""
        return RECORD.unpack_from(self._map, at)

    def slice(self, begin: int, end: int) -> memoryview:
        """Of the map, not copied: to be released before `drop` and `close`."""
        return self._view[begin:end]

    def drop(self, size: i64) -> None:
        """The oldest `size` bytes are stored elsewhere: they become zeros, then room; as bulk, the other way round."""
        start = self.tail
        tail = start + size
        self._words[TAIL // 8] = tail  # first: a process that is killed now has stored them, zeroed or not
        if size < BULK:
            self._zero_from(start, size)
        else:
            if self._dirty >= self._dirty_end:  # else `clear` may be about to move it
                self._dirty = start
            self._dirty_end = tail
            self._bulk_at = time.monotonic()
        self.tail = tail

    def _zero_from(self, start: i64, size: i64) -> None:
        begin = start % self.capacity
        first = min(size, self.capacity - begin)
        self._zero(begin, first)
        self._zero(0, size - first)

    def _zero(self, begin: i64, size: i64) -> None:
        here, end = PAGE + begin, PAGE + begin + size
        while here < end:
            step = min(i64(MAX_PIECE), end - here)
            self._map[here : here + step] = _ZEROS if step == MAX_PIECE else bytes(int(step))
            here += step

    def close(self) -> None:
        if self._dirty < self._dirty_end:
            self._clean()
            self._dirty = self._dirty_end
        self._words.release()
        self._view.release()
        self._map.close()
        os.close(self._file)


def _begin_record(entry: BytesWriter, session: bytes, size: i64, kind: i64, sequence: i64, stamp: i64) -> None:
    """RECORD, of an entry in one piece."""
    if len(session) != SESSION_SIZE:
        raise ValueError("a session's id has 16 bytes")
    entry.truncate(0)
    entry.write(session)
    write_i32_le(entry, i32(size))
    write_i32_le(entry, i32(kind | LAST_PIECE << 8))
    write_i64_le(entry, sequence)
    write_i64_le(entry, stamp)


def _opened(path: Path) -> int:
    """The file, locked.  Raises OperatorError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise OperatorError(f"the spool {path} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        raise OperatorError(f"the spool {path} is in use: does another gateway of that name run?") from error
    return file


def _boot() -> bytes:
    """This boot of the machine (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()

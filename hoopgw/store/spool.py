"""A ring of shared memory that outlives the process: what a session recorded is here before anything moves.

Only the reactor's thread appends, only the writer's thread drains.  An entry is there once the head, one aligned 8-byte
word that is stored last, is past it.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from pathlib import Path
from struct import Struct

from hoopgw.model.errors import OperatorError, SpoolFull

MAGIC = b"hoopgw spool 1\0\0"
PAGE = 4096
HEAD, TAIL, SIZE = 64, 128, 192  # offsets of the three words in the first page, each on a cache line of its own
MAX_PIECE = 256 * 1024  # bytes of one entry's payload: larger ones go in pieces
# length of the payload, kind, flags, reserved, sequence in the session, time in ns, session
RECORD = Struct("<IBBHQQ16s")
_WORD = Struct("<Q")


class Spool:
    """Offsets only grow; where something lies is its offset modulo `capacity`."""

    def __init__(self, path: Path, capacity: int) -> None:
        """Opens, or makes and allocates, the file.  Raises OperatorError where there is no room, or another owner."""
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            capacity = self._allocated(capacity)
        except OSError as error:
            os.close(self._file)
            raise OperatorError(f"the spool {path} cannot be used: {error.strerror}") from error
        self.capacity = capacity
        self._map = mmap.mmap(self._file, PAGE + capacity)
        self.head = _WORD.unpack_from(self._map, HEAD)[0]
        self.tail = _WORD.unpack_from(self._map, TAIL)[0]
        if not self.tail <= self.head <= self.tail + capacity:
            raise OperatorError(f"the spool {path} is damaged: move it away to start without what it holds")

    def _allocated(self, capacity: int) -> int:
        """The capacity: of a file that is there as it was made, else as it is wanted."""
        size = os.fstat(self._file).st_size
        if size > PAGE and os.pread(self._file, len(MAGIC), 0) == MAGIC:
            old = int(_WORD.unpack(os.pread(self._file, 8, SIZE))[0])
            head, tail = (int(_WORD.unpack(os.pread(self._file, 8, at))[0]) for at in (HEAD, TAIL))
            if old + PAGE == size and (old == capacity or head != tail):
                return old  # what it holds must be drained in the size it was written in
        os.ftruncate(self._file, 0)
        os.posix_fallocate(self._file, 0, PAGE + capacity)
        os.pwrite(self._file, _WORD.pack(capacity), SIZE)
        os.pwrite(self._file, MAGIC, 0)
        return capacity

    @property
    def used(self) -> float:
        """Share in use, 0 to 1."""
        return float((self.head - self.tail) / self.capacity)

    def append(self, session: bytes, sequence: int, kind: int, time: int, parts: tuple[bytes, ...]) -> None:
        """One entry, in pieces where it is large.  Raises SpoolFull with nothing of it there."""
        size = 0
        for part in parts:
            size += len(part)
        if size <= MAX_PIECE:
            total = RECORD.size + size
            head: int = self.head
            if head + total > self.tail + self.capacity:
                raise SpoolFull("the spool has no room now")
            self._put(head, RECORD.pack(size, kind, 1, 0, sequence, time, session) + b"".join(parts))
            self._publish(head + total)
            return
        self._append_pieces(session, sequence, kind, time, b"".join(parts))

    def _append_pieces(self, session: bytes, sequence: int, kind: int, time: int, payload: bytes) -> None:
        count = -(-len(payload) // MAX_PIECE)
        if len(payload) + count * RECORD.size > self.capacity // 2:
            raise OperatorError(
                f"an entry of {len(payload)} bytes does not fit the spool: make [recordings] spool larger"
            )
        if self.head + len(payload) + count * RECORD.size > self.tail + self.capacity:
            raise SpoolFull("the spool has no room now")
        head = self.head
        for start in range(0, len(payload), MAX_PIECE):
            piece = payload[start : start + MAX_PIECE]
            last = start + MAX_PIECE >= len(payload)
            self._put(head, RECORD.pack(len(piece), kind, 1 if last else 0, 0, sequence, time, session) + piece)
            head += RECORD.size + len(piece)
        self._publish(head)  # once: all of it is there or nothing

    def _put(self, offset: int, data: bytes) -> None:
        begin = PAGE + offset % self.capacity
        end = begin + len(data)
        limit = PAGE + self.capacity
        if end <= limit:
            self._map[begin:end] = data
        else:
            first = limit - begin
            self._map[begin:limit] = data[:first]
            self._map[PAGE : PAGE + len(data) - first] = data[first:]

    def _publish(self, head: int) -> None:
        _WORD.pack_into(self._map, HEAD, head)
        self.head = head

    # ---- the writer's side

    def peek(self, most: int) -> bytes:
        """The oldest entries, whole ones, at most `most` bytes together (one entry at least)."""
        tail, head = self.tail, self.head
        if head - tail <= most:
            return self._get(tail, head - tail)
        here = tail
        while here < head:
            length = int.from_bytes(self._get(here, 4), "little")
            if here + RECORD.size + length - tail > most and here > tail:
                break
            here += RECORD.size + length
        return self._get(tail, here - tail)

    def _get(self, offset: int, size: int) -> bytes:
        begin = PAGE + offset % self.capacity
        limit = PAGE + self.capacity
        if begin + size <= limit:
            return self._map[begin : begin + size]
        return self._map[begin:limit] + self._map[PAGE : PAGE + size - (limit - begin)]

    def drop(self, size: int) -> None:
        """The oldest `size` bytes are stored elsewhere: they become zeros, then room."""
        self._put(self.tail, bytes(size))
        tail = self.tail + size
        _WORD.pack_into(self._map, TAIL, tail)
        self.tail = tail

    def close(self) -> None:
        self._map.close()
        os.close(self._file)

"""The segment that is being written: chunks of many sessions, one write and one sync for all of them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from hoopgw.store.recordings import Recordings, synced

SEGMENT = 64 << 20  # bytes; then the next one begins


class Segments:
    """One writer's.  A segment that is not current any more belongs to the one who cuts it into journals."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings
        self._file = -1
        self._size = 0  # of what is synced
        self._path = Path()
        self._number = 0  # of the last one
        self._closed: list[Path] = []

    def write(self, stored: list[bytes]) -> None:
        """On disk when this returns.  Raises OSError; then `abandon` it."""
        if self._file < 0:
            self._open()
        os.stat(self._path)  # moved, deleted, or another file system lies over it: nobody would find what is written
        data = b"".join(stored)
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        os.fdatasync(self._file)
        self._size += len(data)

    @property
    def full(self) -> bool:
        return self._size > SEGMENT

    def abandon(self) -> None:
        """After a failed write or sync: what it tried goes to a new file, and must not stand in this one as well.

        Where even that cannot be cut off, the later file's chunk of the same number counts (`Recordings.chunks`).
        """
        if self._file >= 0:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
        self.close()

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._closed.append(self._path)
        self._file, self._size = -1, 0

    def finished(self) -> list[Path]:
        """Those that were closed since the last call: nothing is written to them any more.

        One that was abandoned comes with those that were written after it.
        """
        closed, self._closed = self._closed, []
        return closed

    def _open(self) -> None:
        directory = self._recordings.directory / "segments"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        existing = self._recordings.segments()
        number = max(int(existing[-1].stem) if existing else 0, self._number) + 1
        path = self._path = directory / f"{number:08d}.hgs"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        synced(directory)
        self._number = number

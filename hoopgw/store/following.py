"""A recording that is being written, as it grows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

from hoopgw.record.chunks import Header
from hoopgw.store.recordings import Recordings, chunk_at, located, session_bytes, whole

LAST_LOOKS = 10  # after the session's end: the writer may still be at its last chunk


class Following:
    """Reads of each file only what it has not read."""

    def __init__(self, recordings: Recordings, id: str) -> None:
        self._recordings = recordings
        self._session = session_bytes(id)
        self._next = 0  # number of the chunk to come
        self._read: dict[Path, int] = {}

    def pieces(self) -> Iterator[bytes]:
        """Chunks that were stored since, in order."""
        journal = self._recordings.journal(self._session)
        with ExitStack() as opened:
            files: dict[Path, BinaryIO] = {}
            for path in (*self._recordings.segments(), journal):  # the journal last: what is cut meanwhile is in it
                with suppress(FileNotFoundError):
                    files[path] = opened.enter_context(path.open("rb"))
            self._read = {path: self._read.get(path, 0) for path in files}
            if journal in files:
                yield from self._journal(journal, files.pop(journal))
            yield from self._segments(files)

    def _journal(self, path: Path, file: BinaryIO) -> Iterator[bytes]:
        for header, offset, size in located(file, self._read[path]):
            self._read[path] = offset + size
            if header.number >= self._next:
                self._next = header.number + 1
                yield chunk_at(file, header, offset).stored()

    def _segments(self, files: dict[Path, BinaryIO]) -> Iterator[bytes]:
        places: dict[int, tuple[BinaryIO, Header, int]] = {}
        for path, file in files.items():
            for header, offset, size in located(file, self._read[path]):
                self._read[path] = offset + size
                if header.session == self._session and header.number >= self._next and whole(file, header, offset):
                    places[header.number] = file, header, offset
        for number in sorted(places):
            self._next = number + 1
            yield chunk_at(*places[number]).stored()


def followed(following: Following, live: Callable[[], bool]) -> Iterator[bytes]:
    """All chunks until the session has ended; b"" where there is nothing now, and to be asked again later."""
    left = LAST_LOOKS
    while left:
        left -= not live()
        yield from following.pieces()
        yield b""

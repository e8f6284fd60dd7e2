"""Moves the chunks of finished segments to the journals of their sessions, off the writer's thread.

A segment goes when everything of it is synced in journals; a kill in between leaves it, and it is cut again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from hoopgw.store.ages import Ages
from hoopgw.store.recordings import Recordings, located, synced, whole

RETRY = 5.0  # seconds between tries where the journals cannot be written
STOPPING = 30.0  # seconds for the last cut
PIECE = 1 << 20  # bytes of one write
MAX_KNOWN = 10_000  # journals whose ends are remembered
Place = tuple[BinaryIO, int, int]  # a file, an offset, a size


class Cutter:
    """`failure` says why the last try failed, "" where it did not; nothing is lost by that: the segments stay.

    `told(failure)` is called in the thread that cuts, where it has changed.
    """

    def __init__(self, recordings: Recordings, ages: Ages, told: Callable[[str], None] = lambda failure: None) -> None:
        self._recordings, self._ages = recordings, ages
        self._told = told
        self._known: dict[bytes, tuple[int, int]] = {}  # by session: the journal's last chunk, and its size
        self._todo: list[Path] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="cutter", daemon=True)
        self.failure = ""

    def start(self) -> None:
        self._thread.start()

    def add(self, segments: Iterable[Path]) -> None:
        """Nothing is written to these any more."""
        with self._lock:
            self._todo += segments
        self._wake.set()

    def stop(self) -> None:
        """Cuts what there is, once, and ends; where the disk does not come back, the next start does it."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(STOPPING)
        else:
            self.cut()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(RETRY if self.failure else None)
            self._wake.clear()
            if not self._stopping:
                self.cut()
        self.cut()

    def cut(self) -> None:
        """In the caller's thread.  Sets `failure`."""
        with self._lock:
            segments = sorted(self._todo)
        done: list[Path] = []
        try:
            why = self._cut(segments, done) if segments else ""
        except OSError as error:
            why = self._words(error)
        self._ended(why)
        with self._lock:
            self._todo = [path for path in self._todo if path not in done]

    def _words(self, error: OSError) -> str:
        return f"{error.filename or self._recordings.directory}: {error.strerror or error}"

    def _ended(self, failure: str) -> None:
        before, self.failure = self.failure, failure
        if failure != before:
            self._told(failure)

    def _cut(self, segments: list[Path], done: list[Path]) -> str:
        """Adds those that are in journals now to `done`; says why others are not.

        A journal that cannot be written keeps the segments that have something for it, and no others.
        """
        by_session: dict[bytes, dict[int, Place]] = {}
        damaged: list[Path] = []
        kept: set[str] = set()
        why = ""
        with ExitStack() as opened:
            for path in segments:
                file = opened.enter_context(path.open("rb"))
                if not _sorted(file, by_session):
                    damaged.append(path)
            for session, places in by_session.items():
                try:
                    self._append(session, places)
                except OSError as error:
                    why = why or self._words(error)
                    kept |= {file.name for file, _, _ in places.values()}
        for path in segments:
            if str(path) in kept:
                continue
            if path in damaged:  # what is not as it was written stays here, for those who want to look
                path.rename(path.with_suffix(".damaged"))
            else:
                path.unlink()
            done.append(path)
        return why

    def _append(self, session: bytes, places: dict[int, Place]) -> None:
        """To the session's journal, what it does not have yet."""
        path = self._recordings.journal(session)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = not path.exists()
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            last, end = self._known.get(session) or _end(path)
            numbers = [number for number in sorted(places) if number > last]
            if numbers:
                end = _after(file, end, places[numbers[0]])
                for number in numbers:
                    end = _copied(places[number], file, end)
                os.ftruncate(file, end)
                self._ages.date(file)
                os.fdatasync(file)
                self._know(session, numbers[-1], end)
        finally:
            os.close(file)
        if made:
            synced(path.parent)

    def _know(self, session: bytes, last: int, end: int) -> None:
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[session] = last, end


def _sorted(file: BinaryIO, by_session: dict[bytes, dict[int, Place]]) -> bool:
    """Adds a segment's chunks; False where something of it is damaged.  A torn end is only what a kill leaves."""
    here, sound = 0, True
    for header, offset, size in located(file):
        if not whole(file, header, offset):
            sound = False
            continue
        sound = sound and offset == here
        here = offset + size
        # a later try of the same number counts (Segments.abandon)
        by_session.setdefault(header.session, {})[header.number] = file, offset, size
    return sound


def _end(path: Path) -> tuple[int, int]:
    """Number of a journal's last whole chunk; and where its last one ends."""
    with path.open("rb") as file:
        places = list(located(file))
        end = places[-1][1] + places[-1][2] if places else 0
        for header, offset, _ in reversed(places):
            if whole(file, header, offset):
                return header.number, end
    return -1, end


def _after(file: int, end: int, place: Place) -> int:
    """Where to write: over what an earlier try left there of the same chunk, but behind anything else."""
    size = os.fstat(file).st_size
    if size == end:
        return end
    source, offset, length = place
    left = os.pread(file, min(size - end, length), end)
    return end if os.pread(source.fileno(), len(left), offset) == left else size


def _copied(place: Place, file: int, end: int) -> int:
    source, offset, size = place
    while size:
        data = os.pread(source.fileno(), min(size, PIECE), offset)
        if not data:
            raise OSError(f"{source.name} is shorter than it was")
        written = os.pwrite(file, data, end)
        offset, size, end = offset + written, size - written, end + written
    return end

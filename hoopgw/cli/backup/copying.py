"""Files of a gateway that runs, each as it was at one moment: recordings that fit together, an index that is whole."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hoopgw.cli.backup.contents import journals
from hoopgw.model.errors import OperatorError
from hoopgw.store.recordings import Recordings

TRIES = 40  # looks for a moment at which nothing is cut from a segment to journals; each takes milliseconds
PIECE = 1 << 20
MAX_OPEN = 256  # segments that are held open: 64 MiB each, cut within seconds


@dataclass(frozen=True, slots=True)
class Recorded:
    """Of a file that only grows: how much of it belongs to the moment.  `file` is there for what may be deleted."""

    path: Path
    size: int
    file: BinaryIO | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """`settled` is False where a journal grew in every try: its last chunks may lack earlier ones, and the verifier
    names that."""

    files: tuple[Recorded, ...]
    settled: bool

    def close(self) -> None:
        for each in self.files:
            if each.file is not None:
                each.file.close()


def moment(directory: Path) -> Moment:
    """Of a recordings directory; the caller closes it.

    Chunks go from segments to journals, never back, and a segment goes when its chunks are synced there.  So with the
    same segments and the same journals before and after, what segments held in between is all that journals lack.
    """
    found = _look(directory)
    for _ in range(TRIES):
        if found.settled:
            break
        found.close()
        found = _look(directory)
    return found


def _look(directory: Path) -> Moment:
    place = Recordings(directory)
    segments = place.segments()
    sizes = _sizes(journals(place))
    opened: list[Recorded] = []
    gone = len(segments) > MAX_OPEN
    for path in segments[:MAX_OPEN]:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            gone = True
            continue
        opened.append(Recorded(path, os.fstat(file.fileno()).st_size, file))
    # Segments last: a journal that grows after its look changes nothing of what is kept.
    settled = not gone and _sizes(journals(place)) == sizes and place.segments() == segments
    return Moment((*(Recorded(path, size) for path, size in sizes.items()), *opened), settled)


def _sizes(paths: list[Path]) -> dict[Path, int]:
    found = {}
    for path in paths:
        try:
            found[path] = path.stat().st_size
        except FileNotFoundError:  # retired meanwhile
            continue
    return found


def pieces(recorded: Recorded) -> Iterator[bytes]:
    """As many bytes as there were.  Raises OperatorError for a file that has become shorter."""
    file = recorded.file or recorded.path.open("rb")
    try:
        here = 0
        while here < recorded.size:
            piece = os.pread(file.fileno(), min(PIECE, recorded.size - here), here)
            if not piece:
                raise OperatorError(f"{recorded.path} became shorter while it was read: recordings never do")
            here += len(piece)
            yield piece
    finally:
        if recorded.file is None:
            file.close()


def digest(recorded: Recorded) -> str:
    found = hashlib.sha256()
    for piece in pieces(recorded):
        found.update(piece)
    return found.hexdigest()


def index(path: Path, copy: Path) -> None:
    """A whole copy of a SQLite index, while the gateway writes to it.  Raises OperatorError."""
    try:
        with (
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            # in one step: it reads one state while the gateway writes (WAL); in several, each write begins it anew
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
            (said,) = target.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.Error as error:
        raise OperatorError(f"the index {path} cannot be copied: {error}") from error
    if said != "ok":
        raise OperatorError(f"the copy of the index {path} is not sound: {said}")

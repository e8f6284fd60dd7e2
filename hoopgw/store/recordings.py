"""Where recordings lie: journals by session, and segments that have not been cut into journals yet.

```
DIRECTORY/sessions/ab/s_….hgj      one session's chunks
DIRECTORY/segments/00000001.hgs    chunks of many sessions, in the order in which they were synced
DIRECTORY/gateway.hgj              the gateway journal: opened, sealed, closed, retired sessions
DIRECTORY/recording.pub            the public key of the seals
```
"""

from __future__ import annotations

import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hoopgw.model.errors import MalformedFrame
from hoopgw.record.chunks import CHECK, HEADER_SIZE, NO_DIGEST, Chunk, read_header

SESSION_ID = re.compile(r"s_[A-Za-z0-9_-]{22}")
GATEWAY = bytes(16)  # the gateway journal's session
PIECE = 256 * 1024


def session_bytes(id: str) -> bytes:
    """The 16 bytes of a session's id.  Raises ValueError for what is no id: nothing else ever becomes a path."""
    if not SESSION_ID.fullmatch(id):
        raise ValueError("not a session's id")
    return urlsafe_b64decode(id[2:] + "==")


def session_id(raw: bytes) -> str:
    return "s_" + urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class End:
    """Where a session's chain stands."""

    number: int = -1  # of the last chunk
    digest: bytes = NO_DIGEST
    entry: int = 0
    operation: int = 0
    final: bool = False


class Recordings:
    """One directory.  Reading takes no lock: chunks are only ever appended, and a torn last one is left out."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    # ---- paths

    @property
    def gateway_journal(self) -> Path:
        return self.directory / "gateway.hgj"

    @property
    def public_key(self) -> Path:
        return self.directory / "recording.pub"

    def journal(self, session: bytes) -> Path:
        if session == GATEWAY:
            return self.gateway_journal
        id = session_id(session)
        return self.directory / "sessions" / id[2:4] / f"{id}.hgj"

    def segments(self) -> list[Path]:
        return sorted((self.directory / "segments").glob("*.hgs"))

    def sessions(self) -> Iterator[str]:
        """Ids of every session of which there is a chunk."""
        seen: set[bytes] = set()
        for path in sorted((self.directory / "sessions").glob("*/s_*.hgj")):
            if SESSION_ID.fullmatch(path.stem):
                seen.add(session_bytes(path.stem))
                yield path.stem
        for path in self.segments():
            for chunk in chunks(path):
                if chunk.header.session not in seen and chunk.header.session != GATEWAY:
                    seen.add(chunk.header.session)
                    yield session_id(chunk.header.session)

    # ---- chunks

    def chunks(self, session: bytes) -> Iterator[Chunk]:
        """Of its journal, then of the segments what the journal does not have yet."""
        segments = self.segments()  # before the journal: a segment goes only when its chunks are in journals
        last = -1
        for chunk in chunks(self.journal(session)):
            last = chunk.header.number
            yield chunk
        for path in segments:
            for chunk in chunks(path):
                if chunk.header.session == session and chunk.header.number > last:
                    last = chunk.header.number
                    yield chunk

    def pieces(self, id: str) -> Iterator[bytes]:
        """A session's chunks as one stream, which is a journal file."""
        for chunk in self.chunks(session_bytes(id)):
            yield chunk.stored()


def chunks(path: Path) -> Iterator[Chunk]:
    """The whole chunks of one file; a last one that is not whole is left out.  Raises MalformedFrame for junk."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        yield from read_chunks(file.read)


def read_chunks(read: Callable[[int], bytes]) -> Iterator[Chunk]:
    """From anything that is read like a file."""
    while True:
        head = read(HEADER_SIZE)
        if len(head) < HEADER_SIZE:
            return
        header = read_header(head)
        body = read(header.stored + CHECK)
        if len(body) < header.stored + CHECK:
            return
        yield Chunk(header, body[: header.stored], body[header.stored :])


def whole_size(path: Path) -> int:
    """Bytes of a file's whole chunks: behind them it was torn."""
    size = 0
    try:
        for chunk in chunks(path):
            size += HEADER_SIZE + chunk.header.stored + CHECK
    except MalformedFrame:
        return size
    return size


def synced(path: Path) -> None:
    """What was made in this directory stays after a power loss."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

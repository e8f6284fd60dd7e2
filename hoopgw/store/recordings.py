"""Where recordings lie: journals by session, and segments that have not been cut into journals yet.

```
DIRECTORY/sessions/ab/s_….hgj      one session's chunks
DIRECTORY/segments/00000001.hgs    chunks of many sessions, in the order in which they were synced
DIRECTORY/gateway.hgj              the gateway journal: opened, sealed, closed, retired sessions
DIRECTORY/recording.pub            the public keys of the seals, the one in use first
```
"""

from __future__ import annotations

import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hoopgw.model.errors import MalformedFrame
from hoopgw.record.chunks import CHECK, DATA, GATEWAY, HEADER_SIZE, MAGIC, Chunk, Damage, Header, read_header

SESSION_ID = re.compile(r"s_[A-Za-z0-9_-]{22}")
SEARCHED = 1 << 20  # bytes at a time, for the chunk behind a damaged one
MAX_HASHED = 256 << 20  # bytes, in one such search: junk may be full of what looks like a header


def session_bytes(id: str) -> bytes:
    """The 16 bytes of a session's id.  Raises ValueError for what is no id: nothing else ever becomes a path."""
    if not SESSION_ID.fullmatch(id):
        raise ValueError("not a session's id")
    return urlsafe_b64decode(id[2:] + "==")


def session_id(raw: bytes) -> str:
    return "s_" + urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(slots=True)
class Last:
    """Of one session; None where there is none."""

    chunk: Chunk | None = None
    data: Chunk | None = None  # the last one that holds entries


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

    def journals(self) -> Iterator[Path]:
        """Of sessions, the gateway's not among them."""
        for path in sorted((self.directory / "sessions").glob("*/s_*.hgj")):
            if SESSION_ID.fullmatch(path.stem):
                yield path

    def segments(self) -> list[Path]:
        return sorted((self.directory / "segments").glob("*.hgs"))

    def sessions(self) -> Iterator[str]:
        """Ids of every session of which there is a chunk."""
        segments = self.segments()  # before the journals: a segment goes only when its chunks are in journals
        seen: set[bytes] = {GATEWAY}
        for journal in self.journals():
            seen.add(session_bytes(journal.stem))
            yield journal.stem
        for path in segments:
            for header in headers(path):
                if header.session not in seen:
                    seen.add(header.session)
                    yield session_id(header.session)

    # ---- chunks

    def chunks(self, session: bytes) -> Iterator[Chunk]:
        """Of its journal, then of the segments what the journal does not have yet."""
        with ExitStack() as opened:
            segments = self._opened(opened)  # before the journal: what is cut meanwhile stays readable
            last = -1
            for chunk in chunks(self.journal(session)):
                if chunk.whole:  # what a damaged one says of itself counts for nothing
                    last = chunk.header.number
                yield chunk
            places: dict[int, tuple[BinaryIO, Header, int]] = {}
            for file in segments:
                for header, offset, _ in located(file):
                    if header.session != session or header.number <= last:
                        continue
                    # a later try counts (Segments.abandon), unless it is damage that only looks like one
                    if header.number not in places or whole(file, header, offset):
                        places[header.number] = file, header, offset
            for number in sorted(places):
                yield chunk_at(*places[number])

    def lasts(self, sessions: frozenset[bytes]) -> dict[bytes, Last]:
        """Of each session the last chunk, and the last chunk of entries."""
        found = {session: Last() for session in sessions}
        with ExitStack() as opened:
            segments = self._opened(opened)
            for session in sessions:
                with suppress(FileNotFoundError), self.journal(session).open("rb") as journal:
                    _look(journal, found)
            for file in segments:
                _look(file, found)
        return found

    def _opened(self, opened: ExitStack) -> list[BinaryIO]:
        found: list[BinaryIO] = []
        for path in self.segments():
            try:
                found.append(opened.enter_context(path.open("rb")))
            except FileNotFoundError:  # cut meanwhile: the journal, which is read after this, has it
                continue
        return found

    def pieces(self, id: str) -> Iterator[bytes]:
        """A session's chunks as one stream, which is a journal file."""
        for chunk in self.chunks(session_bytes(id)):
            yield chunk.stored()


def _look(file: BinaryIO, found: dict[bytes, Last]) -> None:
    """What this file has of the sessions in `found`; later files are looked at later."""
    chunk: dict[bytes, tuple[Header, int]] = {}
    data: dict[bytes, tuple[Header, int]] = {}
    for header, offset, _ in located(file):
        if header.session in found:
            chunk[header.session] = header, offset
            if header.kind == DATA:
                data[header.session] = header, offset
    for session, place in chunk.items():
        last = found[session]
        if last.chunk is None or place[0].number >= last.chunk.header.number:
            last.chunk = chunk_at(file, *place)
            last.data = chunk_at(file, *data[session]) if session in data else last.data


def located(file: BinaryIO, start: int = 0) -> Iterator[tuple[Header, int, int]]:
    """The whole chunks of a file: header, offset, bytes.  What is torn or damaged is passed over."""
    size = os.fstat(file.fileno()).st_size
    here = start
    header = _header(file, here)
    while here + HEADER_SIZE <= size:
        end = here + HEADER_SIZE + header.stored + CHECK if header is not None else size + 1
        after = _header(file, end) if end < size else None
        # Where nothing sound follows, the length itself may be what was damaged.
        if header is not None and (end == size or after is not None or (end < size and whole(file, header, here))):
            yield header, here, end - here
            here, header = end, after
        else:
            here = _next(file, here + 1, size)
            header = _header(file, here)


def _header(file: BinaryIO, offset: int) -> Header | None:
    try:
        return read_header(os.pread(file.fileno(), HEADER_SIZE, offset))
    except MalformedFrame:
        return None


def whole(file: BinaryIO, header: Header, offset: int) -> bool:
    """The chunk there is as it was written."""
    chunk = chunk_at(file, header, offset)
    return len(chunk.body) == header.stored and chunk.whole


def _next(file: BinaryIO, start: int, size: int) -> int:
    """Where the next chunk begins whose own check is right; `size` where there is none, or the search got too long."""
    hashed = 0
    while start + HEADER_SIZE <= size and hashed < MAX_HASHED:
        data = os.pread(file.fileno(), SEARCHED, start)
        found = data.find(MAGIC)
        if found < 0:
            start += max(len(data) - len(MAGIC) + 1, 1)
            continue
        header = _header(file, start + found)
        if header is not None and start + found + HEADER_SIZE + header.stored + CHECK <= size:
            if whole(file, header, start + found):
                return start + found
            hashed += header.stored
        start += found + 1
    return size


def headers(path: Path) -> Iterator[Header]:
    """Of a file's whole chunks; of none where it is gone."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        for header, _, _ in located(file):
            yield header


def chunk_at(file: BinaryIO, header: Header, offset: int) -> Chunk:
    """The chunk that `located` found there."""
    data = os.pread(file.fileno(), header.stored + CHECK, offset + HEADER_SIZE)
    return Chunk(header, data[: header.stored], data[header.stored :])


def chunks(path: Path) -> Iterator[Chunk]:
    """The whole chunks of one file; a last one that is not whole is left out, and so is a damaged stretch."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        for header, offset, _ in located(file):
            yield chunk_at(file, header, offset)


def read_chunks(file: BinaryIO) -> Iterator[Chunk | Damage]:
    """All of a file: its chunks, and between, before and behind them what is none."""
    size, here = os.fstat(file.fileno()).st_size, 0
    for header, offset, length in located(file):
        if offset != here:
            yield Damage(here, offset - here)
        yield chunk_at(file, header, offset)
        here = offset + length
    if here < size:
        yield Damage(here, size - here, torn=_torn(file, here, size))


def damages(path: Path) -> Iterator[Damage]:
    """What is no chunk, without reading those that are; of a file that is gone, nothing."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        size, here = os.fstat(file.fileno()).st_size, 0
        for _, offset, length in located(file):
            if offset != here:
                yield Damage(here, offset - here)
            here = offset + length
        if here < size:
            yield Damage(here, size - here, torn=_torn(file, here, size))


def _torn(file: BinaryIO, here: int, size: int) -> bool:
    """Whether what lies from `here` to the file's end begins as a chunk does that is longer."""
    if size - here < HEADER_SIZE:
        begins = os.pread(file.fileno(), len(MAGIC), here)
        return MAGIC.startswith(begins) or begins.startswith(MAGIC)
    header = _header(file, here)
    return header is not None and here + HEADER_SIZE + header.stored + CHECK > size


def synced(path: Path) -> None:
    """What was made in this directory stays after a power loss."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Drains the spool: every few milliseconds one chunk for each session that wrote, one write, one sync.

One thread.  The ring's tail moves only after the sync.  Journals are cut from segments when a segment is full; it goes
when all of its chunks are synced there.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from struct import Struct

import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hoopgw.model.errors import MalformedFrame
from hoopgw.record.chunks import DATA, ENTRY, NO_DIGEST, SEAL, Chunk, Header
from hoopgw.record.entries import Kind
from hoopgw.record.seals import Seal, key_id, signed
from hoopgw.store.recordings import GATEWAY, Recordings, chunks, session_id, synced, whole_size
from hoopgw.store.spool import RECORD, Spool

ROUND = 0.015  # seconds between rounds
MOST = 16 << 20  # bytes of the spool in one round
SEGMENT = 64 << 20  # bytes of a segment; then it is cut
RETRY = 0.5  # seconds between tries after a failed write or sync
_ASKED = Struct("<IQ")  # of an ASKED entry: count, number of the first operation


@dataclass(slots=True)
class Chain:
    """Where one session's chain stands."""

    number: int = 0  # of the next chunk
    digest: bytes = NO_DIGEST
    entry: int = 0
    operation: int = 0
    sealed: int = -1  # the chunk that was sealed last
    sealed_at: float = 0.0
    closed: bool = False


@dataclass(slots=True)
class Part:
    """What one round has for one session."""

    pieces: list[bytes] = field(default_factory=list)
    size: int = 0
    first_entry: int = 0
    last_entry: int = 0
    first_operation: int = 0
    last_operation: int = 0
    first_time: int = 0
    last_time: int = 0
    closed: bool = False


class Writer:
    """`told(offset, failure)` is called in the writer's thread after each round.

    Everything of the spool before `offset` is on disk; `failure` says why no more is, "" where all is well.
    """

    def __init__(
        self,
        spool: Spool,
        recordings: Recordings,
        key: Ed25519PrivateKey,
        seal_every: float,
        told: Callable[[int, str], None],
    ) -> None:
        self._spool = spool
        self._recordings = recordings
        self._key = key
        self._key_id = key_id(key.public_key())
        self._seal_every = seal_every
        self._told = told
        self._chains: dict[bytes, Chain] = {}
        self._gateway: list[dict[str, object]] = []  # for the gateway journal, with the next round
        self._gateway_next: list[dict[str, object]] = []
        self._pending: dict[bytes, Chain] = {}  # as the chains stand once this round is synced
        self._compress = zstandard.ZstdCompressor(level=1).compress
        self._segment = -1
        self._segment_size = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self.rounds_at = time.monotonic()  # of the last round that ended well
        self.failure = ""

    # ---- life

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Drains what there is, cuts what is not cut, ends."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(30.0)
        self.drain()
        self._close_segment()
        if not self.failure:
            self.cut()

    def drain(self) -> None:
        """Rounds until the spool is empty, in the caller's thread."""
        while self._spool.head != self._spool.tail or self._gateway:
            self._round()
            if self.failure:
                return

    def _run(self) -> None:
        while not self._stop.wait(RETRY if self.failure else ROUND):
            self._round()

    # ---- one round

    def _round(self) -> None:
        try:
            data = self._spool.peek(MOST)
            stored = self._stored(data)
            if stored:
                self._write(stored)
        except (OSError, MalformedFrame) as error:
            self.failure = str(error)
            self._abandon_segment()
            self._told(self._spool.tail, self.failure)
            return
        self.failure = ""
        self._chains.update(self._pending)
        self._gateway, self._gateway_next = self._gateway_next, []
        if data:
            self._spool.drop(len(data))
        self.rounds_at = time.monotonic()
        self._told(self._spool.tail, "")
        if self._segment_size > SEGMENT:
            self._segment_size = 0
            self._close_segment()
            self._cut_later()

    def _stored(self, data: bytes) -> list[bytes]:
        """The chunks of a round.  Nothing is changed but what `_round` takes over after the sync."""
        self._pending = {}
        self._gateway_next = []
        out: list[bytes] = []
        now = time.monotonic()
        for session, part in _parts(data).items():
            chain = self._pending[session] = replace(self._chain(session), closed=part.closed)
            out.append(self._data(session, chain, part))
            if part.closed or now - chain.sealed_at > self._seal_every:
                out.append(self._seal(session, chain, now, final=part.closed))
        if self._gateway:
            chain = self._pending.setdefault(GATEWAY, replace(self._chain(GATEWAY)))
            out.append(self._data(GATEWAY, chain, _notes(self._gateway, chain.entry)))
            out.append(self._seal(GATEWAY, chain, now, final=False))
        return out

    def _chain(self, session: bytes) -> Chain:
        """As it stands; of a session that this process has not written yet, as the files have it."""
        chain = self._chains.get(session)
        if chain is None:
            chain = self._chains[session] = self.read_chain(session)
        return chain

    def read_chain(self, session: bytes) -> Chain:
        chain = Chain()
        for chunk in self._recordings.chunks(session):
            header = chunk.header
            chain.number, chain.digest = header.number + 1, chunk.digest()
            if header.kind == SEAL:
                chain.sealed = header.number
                chain.closed = b'"final":true' in chunk.body
            else:
                chain.entry, chain.operation = header.last_entry, header.last_operation
        return chain

    def _data(self, session: bytes, chain: Chain, part: Part) -> bytes:
        raw = b"".join(part.pieces)
        body = self._compress(raw)
        operation = part.last_operation or chain.operation
        header = Header(
            DATA,
            session,
            chain.number,
            chain.digest,
            part.first_entry,
            part.last_entry,
            part.first_operation or operation,
            operation,
            part.first_time,
            part.last_time,
            len(raw),
            len(body),
        )
        chain.entry, chain.operation = part.last_entry, operation
        return self._linked(chain, Chunk(header, body))

    def _seal(self, session: bytes, chain: Chain, now: float, *, final: bool) -> bytes:
        stamp = time.time_ns()
        name = "gateway" if session == GATEWAY else session_id(session)
        seal = Seal(name, chain.number, chain.digest.hex(), stamp, self._key_id, final)
        body = signed(seal, self._key)
        operation = chain.operation
        header = Header(
            SEAL,
            session,
            chain.number,
            chain.digest,
            chain.entry,
            chain.entry,
            operation,
            operation,
            stamp,
            stamp,
            0,
            len(body),
        )
        chain.sealed, chain.sealed_at = chain.number, now
        stored = self._linked(chain, Chunk(header, body))
        if session != GATEWAY:
            note = "closed" if final else "sealed"
            self._gateway_next.append(
                {"event": note, "session": name, "chunk": seal.number, "digest": chain.digest.hex(), "time": stamp}
            )
        return stored

    def _linked(self, chain: Chain, chunk: Chunk) -> bytes:
        chain.number += 1
        chain.digest = chunk.digest()
        return chunk.stored()

    # ---- files

    def _write(self, stored: list[bytes]) -> None:
        if self._segment < 0:
            self._open_segment()
        data = b"".join(stored)
        view = memoryview(data)
        while view:
            view = view[os.write(self._segment, view) :]
        os.fdatasync(self._segment)
        self._segment_size += len(data)

    def _abandon_segment(self) -> None:
        """After a failed write or sync nothing of it is sure: what the ring still holds goes to a new file."""
        self._close_segment()
        self._chains = {session: chain for session, chain in self._chains.items() if not chain.closed}

    def _close_segment(self) -> None:
        if self._segment >= 0:
            os.close(self._segment)
            self._segment = -1

    def _open_segment(self) -> None:
        directory = self._recordings.directory / "segments"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        existing = self._recordings.segments()
        number = int(existing[-1].stem) + 1 if existing else 1
        path = directory / f"{number:08d}.hgs"
        self._segment = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._segment_size = 0
        synced(directory)

    def _cut_later(self) -> None:
        """A failure here loses nothing: the segments stay, and are cut with the next one."""
        try:
            self.cut()
        except OSError as error:
            self.failure = str(error)

    def cut(self) -> None:
        """Move the chunks of every segment to their journals; a segment goes when they are read back from there."""
        for path in self._recordings.segments():
            by_session: dict[bytes, list[Chunk]] = {}
            for chunk in chunks(path):
                by_session.setdefault(chunk.header.session, []).append(chunk)
            for session, found in by_session.items():
                self._append_to_journal(session, found)
            path.unlink()
        for session in [each for each, chain in self._chains.items() if chain.closed]:
            del self._chains[session]

    def _append_to_journal(self, session: bytes, found: list[Chunk]) -> None:
        path = self._recordings.journal(session)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = not path.exists()
        last = -1
        for chunk in chunks(path):
            last = chunk.header.number
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            size = whole_size(path)
            os.ftruncate(descriptor, size)  # a torn chunk of an earlier try
            data = b"".join(chunk.stored() for chunk in found if chunk.header.number > last)
            os.pwrite(descriptor, data, size)
            os.fdatasync(descriptor)
            if os.pread(descriptor, len(data), size) != data:
                raise OSError(f"{path} does not hold what was written to it")
        finally:
            os.close(descriptor)
        if made:
            synced(path.parent)


def _parts(data: bytes) -> dict[bytes, Part]:
    """The ring's bytes by session, in the form that chunks hold."""
    parts: dict[bytes, Part] = {}
    here = 0
    while here < len(data):
        length, kind, flags, _, sequence, stamp, session = RECORD.unpack_from(data, here)
        here += RECORD.size
        part = parts.get(session)
        if part is None:
            part = parts[session] = Part(first_entry=sequence, first_time=stamp)
        part.pieces.append(ENTRY.pack(length, kind, flags, 0, sequence, stamp))
        part.pieces.append(data[here : here + length])
        part.last_entry, part.last_time = sequence, stamp
        if kind == Kind.ASKED and length >= _ASKED.size:
            count, first = _ASKED.unpack_from(data, here)
            part.first_operation = part.first_operation or first
            part.last_operation = max(part.last_operation, first + max(count, 1) - 1)
        elif kind == Kind.CLOSE:
            part.closed = True
        here += length
    return parts


def _notes(notes: list[dict[str, object]], entry: int) -> Part:
    stamp = time.time_ns()
    part = Part(first_entry=entry + 1, first_time=stamp, last_time=stamp)
    for number, fields in enumerate(notes, entry + 1):
        payload = json.dumps(fields, sort_keys=True).encode()
        part.pieces += [ENTRY.pack(len(payload), Kind.NOTE, 1, 0, number, stamp), payload]
        part.last_entry = number
    return part

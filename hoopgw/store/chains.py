"""The chunk chains of the sessions that are being written: what a batch becomes, and where each chain stands then.

Compiled in packages.
"""

from __future__ import annotations

import json
import time
from typing import NamedTuple

import zstandard

from hoopgw.record.chunks import DATA, ENTRY, GATEWAY, NO_DIGEST, SEAL, Header, written
from hoopgw.record.entries import Kind
from hoopgw.record.seals import Seal, SealKey, key_id, signed
from hoopgw.store.batches import Batch, SessionBatch
from hoopgw.store.recordings import session_id
from hoopgw.store.spool import LAST_PIECE

JOIN = 64 * 1024  # bytes that are joined before they are compressed; more is compressed slice by slice
# level 1 that looks back 128 KiB: what it works on stays in a processor's second cache, a fifth faster than 512 KiB
_STREAM = zstandard.ZstdCompressionParameters.from_level(1, window_log=17, hash_log=13)


class Chain(NamedTuple):
    """Where one session's chain stands."""

    number: int = 0  # of the next chunk
    digest: bytes = NO_DIGEST
    entry: int = 0
    operation: int = 0
    time: int = 0  # of the last entry, ns
    sealed: bool = True  # nothing came after the last seal
    closed: bool = False


class Sealed(NamedTuple):
    """What the gateway journal notes, and the index of closed sessions shows."""

    session: str
    number: int
    digest: str  # of the seal's own chunk, hex
    final: bool
    time: int

    def note(self) -> bytes:
        event = "closed" if self.final else "sealed"
        fields = {"event": event, "session": self.session, "chunk": self.number, "digest": self.digest}
        return json.dumps({**fields, "time": self.time}, sort_keys=True).encode()


class Chains:
    """`chunks` builds a batch's chunks; they count once `commit` says that they are on disk."""

    def __init__(self, key: SealKey, seal_every: float) -> None:
        self._key = key
        self._key_id = key_id(key.public_key())
        self._seal_every = seal_every
        self._chains: dict[bytes, Chain] = {}
        self._pending: dict[bytes, Chain] = {}  # as they stand once this batch is synced
        self._unsealed: dict[bytes, float] = {}  # since when, oldest first
        self._compressor = zstandard.ZstdCompressor(level=1)
        self._streaming = zstandard.ZstdCompressor(compression_params=_STREAM)

    def begin(self, session: bytes, chain: Chain) -> None:
        """A chain that an earlier process wrote goes on."""
        self._chains[session] = chain

    def of(self, session: bytes) -> Chain:
        """As the last batch left it: of a session that is not written, or closed, an empty one."""
        return self._chains.get(session) or Chain()

    def due(self, now: float) -> bool:
        """Something was not sealed for too long."""
        return bool(self._overdue(now))

    def chunks(self, batch: Batch, now: float) -> tuple[list[bytes], list[Sealed]]:
        """The batch's chunks and seals, the gateway journal's last; and what was sealed.

        Nothing counts before `commit`: a batch that could not be written is built anew.
        """
        self._pending = {}
        out: list[bytes] = []
        sealed: list[Sealed] = []
        bodies = self._compressed(list(batch.parts.values()))
        for (session, part), body in zip(batch.parts.items(), bodies, strict=True):
            out.append(self._data(session, part, body))
            if part.closed:
                sealed.append(self._seal(session, out, final=True))
        for session in self._overdue(now):
            if not self._chain(session).sealed:
                sealed.append(self._seal(session, out, final=False))
        notes = batch.gateway + [each.note() for each in sealed]
        if notes:
            out.append(self._noted(notes))
            self._seal(GATEWAY, out, final=False)
        return out, sealed

    def commit(self, now: float) -> None:
        """The last batch is on disk."""
        for session, chain in self._pending.items():
            if chain.sealed or chain.closed:
                self._unsealed.pop(session, None)
            else:
                self._unsealed.setdefault(session, now)
            if chain.closed:
                self._chains.pop(session, None)
            else:
                self._chains[session] = chain
        self._pending = {}

    def _overdue(self, now: float) -> list[bytes]:
        overdue: list[bytes] = []
        for session, since in self._unsealed.items():
            if now - since < self._seal_every:
                break
            overdue.append(session)
        return overdue

    def _chain(self, session: bytes) -> Chain:
        return self._pending.get(session) or self.of(session)

    # ---- chunks

    def _data(self, session: bytes, part: SessionBatch, body: bytes) -> bytes:
        chain = self._chain(session)
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
            part.size,
            len(body),
        )
        stored, digest = written(header, body)
        number = chain.number + 1
        self._pending[session] = Chain(number, digest, part.last_entry, operation, part.last_time, sealed=False)
        return stored

    def _compressed(self, parts: list[SessionBatch]) -> list[bytes]:
        """Of each, zstd with the size in its frame (RFC 8878).

        Small ones all at once: beside a busy reactor, letting the interpreter go and having it back takes longer than
        compressing one of them, for both threads.
        """
        small = [b"".join(part.pieces) for part in parts if part.size <= JOIN]
        together = iter(self._together(small))
        return [next(together) if part.size <= JOIN else self._streamed(part) for part in parts]

    def _together(self, raw: list[bytes]) -> list[bytes]:
        if len(raw) < 2:
            return [self._compressor.compress(each) for each in raw]
        made = self._compressor.multi_compress_to_buffer([*raw])
        return [made[number].tobytes() for number in range(len(made))]

    def _streamed(self, part: SessionBatch) -> bytes:
        stream = self._streaming.compressobj(size=part.size)
        pieces = [stream.compress(piece) for piece in part.pieces]
        pieces.append(stream.flush())  # a statement of its own: compiled, a list's stars come after its other items
        return b"".join(pieces)

    def _noted(self, notes: list[bytes]) -> bytes:
        """Notes of the gateway journal; their entries are numbered here."""
        stamp = time.time_ns()
        first = self._chain(GATEWAY).entry + 1
        part = SessionBatch(first, stamp)
        for number, payload in enumerate(notes, first):
            entry = ENTRY.pack(len(payload), Kind.NOTE, LAST_PIECE, 0, number, stamp) + payload
            part.pieces.append(entry)
            part.size += len(entry)
            part.last_entry = number
        return self._data(GATEWAY, part, *self._compressed([part]))

    def _seal(self, session: bytes, out: list[bytes], *, final: bool) -> Sealed:
        chain, stamp = self._chain(session), time.time_ns()
        name = "gateway" if session == GATEWAY else session_id(session)
        body = signed(Seal(name, chain.number, chain.digest.hex(), stamp, self._key_id, final), self._key)
        here = chain.entry, chain.entry, chain.operation, chain.operation, stamp, stamp
        header = Header(SEAL, session, chain.number, chain.digest, *here, 0, len(body))
        stored, digest = written(header, body)
        out.append(stored)
        number = chain.number + 1
        self._pending[session] = Chain(number, digest, chain.entry, chain.operation, chain.time, closed=final)
        return Sealed(name, chain.number, digest.hex(), final, stamp)

"""What a gateway that died left: the spool is drained, and the sessions that were open are sealed as interrupted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from hoopgw.model.errors import MalformedFrame
from hoopgw.record.chunks import DATA, ENTRY, GATEWAY, SEAL, Chunk, Joined
from hoopgw.record.entries import Kind
from hoopgw.store.chains import Chain, Chains, Sealed
from hoopgw.store.leftovers import Left, left_in, must_be_opened, must_follow
from hoopgw.store.recordings import Last, Recordings, session_bytes, session_id
from hoopgw.store.spool import Spool
from hoopgw.store.writer import Writer

REASON = "interrupted: the gateway ended while the session was open"
LOST = "the machine went down: what came after the last sync, at most one round and one sync long, is not here"
_ALL_PIECES = 1 << 16


@dataclass(frozen=True, slots=True)
class End:
    """Where a session's chain ends on disk."""

    chain: Chain
    stored: tuple[int, int]  # the last entry, and the last of its pieces


def recover(recordings: Recordings, spool: Spool, chains: Chains, writer: Writer) -> list[str]:
    """Gives the ids of the sessions that were open.  Before the writer's thread begins; look at `writer.failure` then.

    Raises OSError where what is there cannot be read, OperatorError where the spool is damaged: then
    none of it is written.
    """
    left = left_in(spool)
    begun = ends(recordings, {GATEWAY, *left.runs})
    _must_fit(recordings, spool, left, begun)
    for session, end in begun.items():
        chains.begin(session, end.chain)
    writer.drain({session: end.stored for session, end in begun.items()})
    if writer.failure:  # what is appended to entries that cannot be drained could be taken for a part of them
        return []
    interrupted: list[str] = []
    for session, end in ends(recordings, map(session_bytes, _open(recordings))).items():
        chains.begin(session, end.chain)
        if end.chain.closed:  # only the gateway journal was not told
            spool.append(GATEWAY, 0, Kind.NOTE, time.time_ns(), _sealed(session, end.chain).note())
        else:
            closing = json.dumps(_closing(spool, end.chain)).encode()
            spool.append(session, end.chain.entry + 1, Kind.CLOSE, time.time_ns(), closing)
            interrupted.append(_sealed(session, end.chain).session)
        writer.drain()
        if writer.failure:
            break
    return interrupted


def _must_fit(recordings: Recordings, spool: Spool, left: Left, begun: dict[bytes, End]) -> None:
    """Raises OperatorError where what the spool holds is not what follows in the recordings."""
    opened = left.opened
    for session, run in left.runs.items():
        must_follow(spool, session, run, begun[session].stored)
        if not begun[session].chain.number and session_id(session) not in opened:
            if opened is left.opened:  # its note was stored before: the whole gateway journal is read, once
                opened = opened | {note["session"] for note in gateway_notes(recordings) if note["event"] == "opened"}
            must_be_opened(spool, session, opened)


def _closing(spool: Spool, chain: Chain) -> dict[str, object]:
    """What the last entry says; `missing` where something of the session may not be there."""
    missing = {"from": chain.time, "reason": LOST} if spool.lost else None
    return {"reason": REASON, "interrupted": True, "missing": missing}


def _open(recordings: Recordings) -> list[str]:
    """Ids of the sessions that the gateway journal does not say to be closed."""
    open_: dict[str, None] = {}
    for note in gateway_notes(recordings):
        if note["event"] in ("opened", "sealed"):
            open_[note["session"]] = None
        elif note["event"] in ("closed", "retired"):
            open_.pop(note["session"], None)
    return list(open_)


def gateway_notes(recordings: Recordings) -> Iterator[dict[str, str]]:
    """What the gateway journal says of sessions, in order; a damaged chunk says nothing."""
    joined = Joined()
    for chunk in recordings.chunks(GATEWAY):
        if chunk.header.kind == DATA and chunk.whole:
            for entry in joined.of(chunk.raw()):
                yield json.loads(entry.payload)


def recently_opened(recordings: Recordings, seconds: float) -> list[str]:
    """Sessions that an earlier gateway opened in its last `seconds`."""
    opened = [(int(note["time"]), note["session"]) for note in gateway_notes(recordings) if note["event"] == "opened"]
    last = max((time for time, _ in opened), default=0)
    return [id for time, id in opened if time >= last - int(seconds * 1e9)]


# ---- ends


def ends(recordings: Recordings, sessions: Iterable[bytes]) -> dict[bytes, End]:
    """Of these sessions; of one that has no chunk, a beginning."""
    return {session: _end(last) for session, last in recordings.lasts(frozenset(sessions)).items()}


def _end(last: Last) -> End:
    if last.chunk is None:
        return End(Chain(), (0, 0))
    header, data = last.chunk.header, last.data
    sealed = header.kind == SEAL
    chain = Chain(
        number=header.number + 1,
        digest=last.chunk.digest(),
        entry=header.last_entry,
        operation=header.last_operation,
        time=data.header.last_time if data is not None else 0,
        sealed=sealed,
        closed=sealed and b'"final":true' in last.chunk.body,
    )
    return End(chain, _stored(data) if data is not None else (chain.entry, _ALL_PIECES))


def _stored(chunk: Chunk) -> tuple[int, int]:
    """The last entry, and the last of its pieces; of a damaged chunk, as its header has it."""
    last = chunk.header.last_entry, _ALL_PIECES
    with suppress(MalformedFrame):
        raw = chunk.raw()
        here = 0
        while here + ENTRY.size <= len(raw):
            length, _, _, piece, sequence, _ = ENTRY.unpack_from(raw, here)
            last = sequence, piece
            here += ENTRY.size + length
    return last


def _sealed(session: bytes, chain: Chain) -> Sealed:
    return Sealed(session_id(session), chain.number - 1, chain.digest.hex(), True, time.time_ns())

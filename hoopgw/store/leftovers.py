"""What a gateway that died left in its spool, looked through before any of it is written: does it go on as it must."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hoopgw.model.errors import OperatorError
from hoopgw.record.chunks import GATEWAY, PIECES
from hoopgw.store.recordings import session_id
from hoopgw.store.spool import RECORD_SIZE, SKIP, Spool

Place = tuple[int, int]  # an entry, and one of its pieces


@dataclass(slots=True)
class Run:
    """One session's entries in the spool."""

    first: Place
    last: Place


@dataclass(slots=True)
class Left:
    """Entries by session, and the ids of sessions that notes of the gateway's own say to be opened."""

    runs: dict[bytes, Run]
    opened: set[str]


def left_in(spool: Spool) -> Left:
    """Raises OperatorError for a ring that does not hold what an appender writes."""
    found = Left({}, set())
    offset = spool.tail
    while offset < spool.head:
        at, left = spool.region(offset)
        if left < RECORD_SIZE:  # only before the ring's end
            offset += left
            continue
        session, length, kind, _, piece, sequence, _ = spool.record(at)
        if RECORD_SIZE + length > left:
            raise _damaged(spool)
        if session == GATEWAY:
            if kind != SKIP:
                _noted(spool, found, at + RECORD_SIZE, length)
        elif kind == SKIP:  # has no session
            raise _damaged(spool)
        else:
            _lengthen(spool, found.runs, session, (sequence, piece))
        offset += RECORD_SIZE + length
    return found


def must_follow(spool: Spool, session: bytes, run: Run, stored: Place) -> None:
    """Raises OperatorError where entries are missing between the last one of the recording and the first one here."""
    if run.first > stored and not _next(stored, run.first):
        words = "does not go on where its recording ends: one of them is damaged, or they are not of one gateway"
        raise OperatorError(
            f"the spool {spool.path} {words} (session {session_id(session)}, entry {run.first[0]} after {stored[0]}): "
            "put the recordings back, or move the spool away to start without what it holds"
        )


def must_be_opened(spool: Spool, session: bytes, opened: set[str]) -> None:
    """Raises OperatorError for a session that begins in the spool, and of which no note says that it was opened."""
    if session_id(session) not in opened:
        raise _damaged(spool)


def _lengthen(spool: Spool, found: dict[bytes, Run], session: bytes, place: Place) -> None:
    run = found.get(session)
    if run is None:
        found[session] = Run(place, place)
    elif _next(run.last, place):
        run.last = place
    else:
        raise _damaged(spool)


def _next(before: Place, here: Place) -> bool:
    """As a verifier wants it: the next entry's first piece, or the next piece of the same."""
    return here in ((before[0] + 1, 0), (before[0], (before[1] + 1) % PIECES))


def _noted(spool: Spool, found: Left, begin: int, length: int) -> None:
    payload = spool.slice(begin, begin + length)
    try:
        note = json.loads(bytes(payload))
    except ValueError:
        note = None
    finally:
        payload.release()
    if not isinstance(note, dict) or not {"event", "session"} <= note.keys():
        raise _damaged(spool)
    if note["event"] == "opened":
        found.opened.add(str(note["session"]))


def _damaged(spool: Spool) -> OperatorError:
    return OperatorError(f"the spool {spool.path} is damaged: move it away to start without what it holds")

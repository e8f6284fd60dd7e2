"""One session's recording, as the session writes it.  Compiled in packages."""

from __future__ import annotations

import json
from time import time_ns
from typing import Any, Final, Protocol

from mypy_extensions import i64, mypyc_attr
from twisted.internet.defer import Deferred

from hoopgw.model.errors import RecordingFailed, SpoolFull
from hoopgw.model.target import Mode
from hoopgw.record.entries import Kind
from hoopgw.store.spool import Spool

_NOTHING: Final = memoryview(b"")
_NO_ENTRY: Final = (0, b"", b"")


class IRecorder(Protocol):
    """What journals need of the recorder (store/recorder.py)."""

    def when_synced(self) -> Deferred[None]: ...

    def gap(self, session: bytes, gap: dict[str, Any]) -> None: ...


@mypyc_attr(allow_interpreted_subclasses=True)
class Journal:
    """What a session writes.  `mode`: what is promised of it (design: durable, strict, best-effort)."""

    def __init__(self, recorder: IRecorder, spool: Spool, session: bytes, mode: Mode) -> None:
        self.mode = mode
        self._recorder = recorder
        self._spool = spool
        self._session = session
        self._sequence: i64 = 0
        self._begun: i64 = 0  # bytes of a large entry that are in the ring already
        self._begun_of: tuple[int, bytes, bytes] = _NO_ENTRY  # which one: its kind and parts
        self._payload = _NOTHING  # all of it
        self._lost_since: i64 = 0  # best-effort: when the gap began, ns; 0 while there is none
        self._gap_begun = False  # and is in the ring
        self._lost_entries = 0
        self._lost_bytes = 0
        self._closed = False

    def append(self, kind: int, first: bytes, second: bytes = b"") -> int:
        """The entry's sequence number.  Raises SpoolFull (again when there is room, with the same bytes) or
        RecordingFailed; in best-effort mode what cannot be kept is counted as a gap instead."""
        spool = self._spool
        now: i64 = time_ns()
        if spool.failure or self._lost_since:
            return self._troubled(kind, first, second, now)
        spool.must_be_fresh(now)
        return self._put(kind, first, second, now)

    def _put(self, kind: i64, first: bytes, second: bytes, now: i64) -> i64:
        if self._closed:
            raise RecordingFailed("the recording is closed")
        if len(first) + len(second) > self._spool.max_piece or self._begun:
            return self._put_pieces(kind, first, second, now)
        self._spool.append(self._session, self._sequence + 1, kind, now, first, second)
        self._sequence += 1
        return self._sequence

    def _put_pieces(self, kind: i64, first: bytes, second: bytes, now: i64) -> i64:
        """What does not fit now goes on when the same entry is appended again; another one says that it never will:
        readers leave out an entry without its end."""
        which = kind, first, second
        if self._begun and which != self._begun_of:
            self._sequence += 1
            self._begun, self._begun_of, self._payload = 0, _NO_ENTRY, _NOTHING
            return self._put(kind, first, second, now)
        if not self._begun:
            self._begun_of, self._payload = which, memoryview(first + second if second else first)
        session, sequence = self._session, self._sequence + 1
        self._begun = self._spool.append_pieces(session, sequence, kind, now, self._payload, self._begun)
        if self._begun < len(self._payload):
            raise SpoolFull("the rest of a large entry has no room now")
        self._begun, self._begun_of, self._payload = 0, _NO_ENTRY, _NOTHING
        self._sequence += 1
        return self._sequence

    def _troubled(self, kind: int, first: bytes, second: bytes, now: int) -> int:
        failure = self._spool.failure
        if self.mode is not Mode.BEST_EFFORT:
            raise RecordingFailed(failure or "the recorder failed")
        if failure:
            self._begin_gap(now)
            self._lost_entries += 1
            self._lost_bytes += len(first) + len(second)
            return self._sequence
        self._end_gap(now)
        return self.append(kind, first, second)

    def _begin_gap(self, now: int) -> None:
        """The ring is told at once, for a gateway that is killed before the gap's end could not say it any more."""
        self._lost_since = self._lost_since or now
        if self._gap_begun or self._closed:
            return
        try:
            self._put(Kind.GAP, json.dumps({"from": self._lost_since}).encode(), b"", now)
            self._gap_begun = True
        except SpoolFull:
            self._gap_begun = False  # with the next entry, then: nothing has to wait for it

    def _end_gap(self, now: int) -> None:
        gap = {"from": self._lost_since, "to": now, "entries": self._lost_entries, "bytes": self._lost_bytes}
        self._put(Kind.GAP, json.dumps(gap).encode(), b"", now)
        self._lost_since = self._lost_entries = self._lost_bytes = 0
        self._gap_begun = False
        self._recorder.gap(self._session, gap)

    def synced(self, sequence: int) -> Deferred[None]:
        """Fires when that entry, and all before it, are on disk; fails with RecordingFailed."""
        return self._recorder.when_synced()

    def close(self, closing: dict[str, Any]) -> None:
        """The last entry; also while nothing can be written: the ring keeps it.  Raises SpoolFull.  Once."""
        if self._closed:
            return
        now = time_ns()
        if self._lost_since:
            self._end_gap(now)
        self._put(Kind.CLOSE, json.dumps(closing, default=str).encode(), b"", now)
        self._closed = True

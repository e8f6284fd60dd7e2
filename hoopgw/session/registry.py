"""The live sessions of this process: found, counted, written to the index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from heapq import nlargest
from itertools import chain, islice

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from hoopgw.auth.access import Access
from hoopgw.model.errors import LoginRefused, NotAllowed, StoreUnavailable
from hoopgw.model.settings import LimitSettings
from hoopgw.session.aftermath import MAX_BATCH, Aftermath
from hoopgw.session.cancels import CancelKeys
from hoopgw.session.interfaces import IEvents
from hoopgw.session.left_out import LeftOut, Rebuild
from hoopgw.session.session import Session
from hoopgw.store.interface import IStore, SessionFilter, SessionRow

WRITE_EVERY = 1.0  # seconds between writes of what changed to the index
MAX_CLOSED = 20_000  # rows of ended sessions kept while the store is away; of older ones the ids alone: see LeftOut


class Registry:
    """Sessions by id and by identity, one interface for all who look for them."""

    log = Logger()

    def __init__(
        self, store: IStore, clock: IReactorTime, limits: LimitSettings, events: IEvents, rebuild: Rebuild
    ) -> None:
        """`rebuild` as LeftOut takes it."""
        self._store = store
        self._keys = CancelKeys(clock, events)
        self._limits = limits
        self._sessions: dict[str, Session] = {}
        self._by_identity: Counter[str] = Counter()
        self._written: dict[str, tuple[int, ...]] = {}  # counters of live sessions as the index has them
        self._closed: dict[str, SessionRow] = {}  # the last rows of ended sessions, not written yet
        self._left_out = LeftOut(store, rebuild)
        self.aftermath = Aftermath(store)
        self.behind = ""  # why the index could not be written; "" where it could
        self._turn = DeferredLock()
        self._loop = LoopingCall(self.write)
        self._loop.clock = clock

    def start(self) -> None:
        self._loop.start(WRITE_EVERY, now=False)

    def stop(self) -> Deferred[None]:
        """Fires when what changed last is written; call it when the sessions have ended."""
        if self._loop.running:
            self._loop.stop()
        return self.write()

    # ---- who is here

    def may_open(self, access: Access) -> None:
        """Raises LoginRefused where one more session would pass a limit."""
        if len(self._sessions) >= self._limits.max_sessions:
            raise LoginRefused("the gateway has as many sessions as it may have; try again later")
        if self._by_identity[access.identity.key] >= self._limits.max_sessions_per_identity:
            raise LoginRefused("this identity has as many sessions as it may have")

    def add(self, session: Session) -> None:
        """Ids are 128 random bits: the same one twice is an error of the caller."""
        if session.id in self._sessions:
            raise ValueError(f"{session.id} is there already")
        self._sessions[session.id] = session
        self._by_identity[session.access.identity.key] += 1

    def remove(self, session: Session) -> None:
        """After its `close`: the last row goes to the index."""
        if self._sessions.pop(session.id, None) is None:
            return
        key = session.access.identity.key
        self._by_identity[key] -= 1
        if not self._by_identity[key]:
            del self._by_identity[key]
        self._written.pop(session.id, None)
        self._closed[session.id] = session.row()
        while len(self._closed) > MAX_CLOSED:
            oldest = next(iter(self._closed))
            self._left_out.add(oldest)
            del self._closed[oldest]

    def __len__(self) -> int:
        return len(self._sessions)

    def all(self) -> tuple[Session, ...]:
        return tuple(self._sessions.values())

    def find(self, id: str) -> Session | None:
        return self._sessions.get(id)

    def kill(self, id: str, by: str, reason: str) -> None:
        """Ends it at once.  Raises NotAllowed where no such session lives here."""
        session = self._sessions.get(id)
        if session is None:
            raise NotAllowed(f"no live session {id!r} is here")
        session.kill(by, reason)

    # ---- cancel keys

    def register_key(self, number: int, key: bytes, cancelled: Callable[[], bool]) -> bool:
        """See CancelKeys.register."""
        return self._keys.register(number, key, cancelled)

    def forget_key(self, number: int, key: bytes) -> None:
        """See CancelKeys.forget."""
        self._keys.forget(number, key)

    def cancel(self, number: int, key: bytes, address: str) -> bool:
        """See CancelKeys.cancel."""
        return self._keys.cancel(number, key, address)

    # ---- the index

    def listed(self, wanted: SessionFilter) -> tuple[list[SessionRow], Callable[[str], bool]]:
        """Of what the index may not have, or not as it is, the newest that fit; and whether an id is one of all these.

        Live sessions where those are asked for; all that was not written while the index is behind.
        """
        live = filter(wanted.fits, (each.row() for each in reversed(self._sessions.values())))
        if wanted.live:
            return list(islice(live, wanted.limit)), self._is_busy
        if not self.behind:
            return [], lambda id: False
        ended = filter(wanted.fits, self._closed.values())
        return nlargest(wanted.limit, chain(live, ended), key=SessionRow.place), self._is_busy

    def write(self) -> Deferred[None]:
        """What changed since the last time, to the store.  One at a time; never fails: what was not written stays."""
        return self._turn.run(lambda: Deferred.fromCoroutine(self._write()))

    async def _write(self) -> None:
        live = [session for session in self._sessions.values() if _counters(session) != self._written.get(session.id)]
        closed = list(self._closed.values())
        seen = [(session.id, _counters(session)) for session in live]
        rows = closed + [session.row() for session in live]
        try:
            for start in range(0, len(rows), MAX_BATCH):
                await self._store.put_sessions(tuple(rows[start : start + MAX_BATCH]))
            self._put(closed, seen)
            await self._left_out.write()
            await self.aftermath.write(self._is_busy)
            self._told("")
        except StoreUnavailable as error:
            self._told(str(error))

    def _told(self, why: str) -> None:
        """Once for each reason, not each second for as long as the store is away."""
        if why and why != self.behind:
            self.log.warn("The index could not be written and is written later: {why}", why=why)
        elif self.behind and not why:
            self.log.info("The index is written again")
        self.behind = why

    def _is_busy(self, id: str) -> bool:
        """Its own last row is not in the index."""
        return id in self._sessions or id in self._closed or id in self._left_out

    def _put(self, closed: list[SessionRow], seen: list[tuple[str, tuple[int, ...]]]) -> None:
        """These are in the index."""
        for row in closed:
            self._closed.pop(row.id, None)
        self._written.update((id, counters) for id, counters in seen if id in self._sessions)


def _counters(session: Session) -> tuple[int, ...]:
    totals = session.totals
    return (totals.operations, totals.refused, totals.held, totals.masked, totals.bytes_out, len(totals.tables))

"""Ended sessions whose rows found no room while the store was away: once it is back, their recordings tell the rows."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from hoopgw.store.interface import IStore, SessionRow

MAX_LEFT_OUT = 100_000  # ids, some 13 MB; the oldest go then, and the log says so: only recordings have those
IN_ONE_TURN = 20  # recordings that are read in one turn: each some milliseconds, in a thread

Rebuild = Callable[[str], "Deferred[SessionRow | None]"]


class LeftOut:
    """`rebuild` gives a session's row by its recording, None where that does not begin as one."""

    log = Logger()

    def __init__(self, store: IStore, rebuild: Rebuild) -> None:
        self._store = store
        self._rebuild = rebuild
        self._ids: dict[str, None] = {}
        self._lost = 0

    def __contains__(self, id: object) -> bool:
        return id in self._ids

    def add(self, id: str) -> None:
        if not self._ids:
            self.log.warn(
                "The store is away for so long that rows of ended sessions have no room: recordings keep them."
            )
        self._ids[id] = None
        if len(self._ids) > MAX_LEFT_OUT:
            self._ids.pop(next(iter(self._ids)))
            self._lost += 1

    async def write(self) -> None:
        """Some of them; call it again.  Raises StoreUnavailable, with those that are not written still here."""
        for id in list(self._ids)[:IN_ONE_TURN]:
            row = await self._told(id)
            if row is not None:
                await self._store.put_sessions((row,))
            self._ids.pop(id, None)
        if self._lost and not self._ids:
            self.log.error("{lost} sessions are not in the index: only their recordings tell of them.", lost=self._lost)
            self._lost = 0

    async def _told(self, id: str) -> SessionRow | None:
        try:
            row = await self._rebuild(id)
            why = "it does not begin as a recording does"
        except OSError as error:
            row, why = None, str(error)
        if row is None:
            self.log.error("Session {id} is not in the index, for its recording cannot be read: {why}", id=id, why=why)
        return row

"""The index of sessions that an earlier gateway did not live to complete: rebuilt from their recordings."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from hoopgw.model.events import Code
from hoopgw.session.interfaces import IEvents
from hoopgw.session.rebuilding import rebuilt
from hoopgw.store.interface import IStore, SessionRow
from hoopgw.store.recordings import Recordings
from hoopgw.store.recovery import REASON

_log = Logger()


class IndexRepair:
    """One for the gateway."""

    def __init__(self, store: IStore, recordings: Recordings, events: IEvents) -> None:
        self._store = store
        self._recordings = recordings
        self._events = events

    def row(self, id: str) -> Deferred[SessionRow | None]:
        """See session.rebuilding.rebuilt."""
        return deferToThread(rebuilt, self._recordings, id)

    def begin(self, interrupted: Iterable[str], recent: Iterable[str]) -> None:
        """In the background: of sessions that were open, each of which is an event, and of those that may have been."""
        Deferred.fromCoroutine(self._complete(list(interrupted), list(recent))).addErrback(
            # recordings have it all; the next start tries again
            lambda failure: _log.failure(
                "the index of an earlier gateway's last sessions could not be completed", failure=failure
            )
        )

    async def _complete(self, interrupted: list[str], recent: list[str]) -> None:
        for id in dict.fromkeys(interrupted + recent):
            row = await self._store.session(id)
            if row is None or row.closed is None:
                row = await self.row(id)
                if row is not None:
                    await self._store.put_sessions((row,))
            if id in interrupted:
                subject = row.subject if row is not None else ""
                self._events.emit(Code.RECORDING_RECOVERED, session=id, subject=subject, reason=REASON)

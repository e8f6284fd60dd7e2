"""Keeps one path of one source: read before it is needed, read or renewed again before it ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hoopgw.auth.secret_source import IEvents, ISource, Leased
from hoopgw.model.errors import SecretUnavailable
from hoopgw.model.secret import Secret

LOOK_AGAIN = 60.0  # seconds after which what has no lease is read again: a rotation is noticed so soon
RETRY = 5.0  # seconds between tries of a source that does not answer
SHARE = 2 / 3  # of a lease, after which it is renewed
SHORTEST = 1.0  # seconds between looks, however short a lease is

_log = Logger("hoopgw.auth.kept_secret")


class KeptSecret:
    """One look at a time.  `first` fires when it was read, or could not be; `since` is when it was read last."""

    def __init__(self, source: ISource, path: str, clock: IReactorTime, events: IEvents) -> None:
        self._source = source
        self._path = path
        self._name = f"{source.name}/{path}"
        self._clock = clock
        self._events = events
        self._leased: Leased | None = None
        self._ends = math.inf  # when it must not be used any more
        self._why = "was not read yet"
        self._over = False
        self._anew = False  # the next look reads, whatever could be renewed
        self._sleeping: Deferred[None] | None = None
        self._waiting: list[Deferred[None]] = []
        self.since = -math.inf
        self.first: Deferred[None] = Deferred()
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(self._stopped)

    def fields(self) -> Mapping[str, Secret]:
        """As they are now.  Raises SecretUnavailable."""
        if self._leased is None or self._clock.seconds() >= self._ends:
            raise SecretUnavailable(f"{self._name} {self._why}")
        return self._leased.fields

    def look(self) -> Deferred[None]:
        """Reads it now; fires when that was tried."""
        looked: Deferred[None] = Deferred()
        self._waiting.append(looked)
        self._anew = True
        self._wake()
        return looked

    def stop(self) -> None:
        self._over = True
        self._running.cancel()
        self._tell()

    def _stopped(self, failure: Any) -> None:
        if not failure.check(CancelledError):
            _log.failure("a secret is not kept any more", failure=failure)
        self._over = True
        self._tell()

    def _tell(self) -> None:
        waiting, self._waiting = [self.first, *self._waiting], []
        for each in waiting:
            if not each.called:
                each.callback(None)

    async def _run(self) -> None:
        while not self._over:
            try:
                pause = await self._look()
            except SecretUnavailable as error:
                if self._over:  # a request that was cancelled is one that failed
                    return
                if str(error) != self._why:
                    self._events.emit(self._source.unavailable, secret=self._name, reason=str(error))
                self._why = str(error)
                pause = RETRY
            self._tell()
            await self._sleep(max(pause, SHORTEST))

    async def _sleep(self, seconds: float) -> None:
        self._sleeping = sleeping = Deferred[None]()
        timer = self._clock.callLater(seconds, self._wake)
        try:
            await sleeping
        finally:
            self._sleeping = None
            if timer.active():
                timer.cancel()

    def _wake(self) -> None:
        sleeping, self._sleeping = self._sleeping, None
        if sleeping is not None:
            sleeping.callback(None)

    async def _look(self) -> float:
        """Reads, or renews; gives the seconds until the next look."""
        now, leased = self._clock.seconds(), self._leased
        anew, self._anew = self._anew, False
        if leased is not None and leased.renewable and now < self._ends and not anew:
            lasts = await self._lasts(leased)
            if lasts >= leased.seconds * SHARE:
                self._ends = now + lasts
                return lasts * SHARE
        found = await self._source.read(self._path)
        if leased is not None and self._source.changed is not None and _revealed(found) != _revealed(leased):
            self._events.emit(self._source.changed, secret=self._name)
        self._leased, self._why, self.since = found, "has ended", now
        self._ends = now + found.seconds if found.lease else math.inf
        return found.seconds * SHARE if found.lease else LOOK_AGAIN

    async def _lasts(self, leased: Leased) -> float:
        try:
            return await self._source.renewed(leased)
        except SecretUnavailable:
            return 0.0  # a new one is read, and what is wrong with the source is said by that


def _revealed(leased: Leased) -> dict[str, bytes]:
    return {name: value.reveal() for name, value in leased.fields.items()}

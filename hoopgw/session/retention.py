"""Deletes recordings that are past their age; events say which, and where the clock for that is doubted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThread

from hoopgw.model.events import Code
from hoopgw.session.interfaces import IEvents
from hoopgw.session.registry import Registry

# (older than these POSIX seconds, live sessions) -> (deleted, what could not be); called in a thread
Retire = Callable[[float, frozenset[str]], tuple[list[str], list[str]]]
NAMED = 5  # of many that cannot be deleted, the event names so many: they mostly have one cause


class IAges(Protocol):
    """What time it is for the ages of recordings (store/ages.py)."""

    @property
    def doubt(self) -> str: ...

    def now(self) -> float: ...

    def before(self, age: float) -> float: ...


class Retention:
    """One look at a time: a second one meanwhile adds nothing."""

    def __init__(
        self,
        retire: Retire,
        ages: IAges,
        registry: Registry,
        events: IEvents,
        clock: IReactorTime,
        in_thread: Callable[..., Deferred[Any]] = deferToThread,
    ) -> None:
        self._retire, self._ages = retire, ages
        self._doubted = False
        self._registry, self._events, self._clock = registry, events, clock
        self._in_thread = in_thread
        self._looking = False

    def tick(self) -> None:
        """Each minute: time passes for the ages of recordings."""
        self._ages.now()
        doubt = self._ages.doubt
        if doubt and not self._doubted:
            self._events.emit(Code.RETENTION_DOUBTED, reason=doubt)
        self._doubted = bool(doubt)

    def look(self, age: float | None) -> Deferred[None] | None:
        """Delete what is older than `age` seconds; nothing for None.  The Deferred fires when that is done, and never
        fails: what went wrong is an event."""
        if age is None or self._looking:
            return None
        self._looking = True
        live = frozenset(session.id for session in self._registry.all())
        done = self._in_thread(self._retire, self._ages.before(age), live)
        done.addCallback(self._looked).addErrback(self._failed)
        return done

    def _looked(self, found: tuple[list[str], list[str]]) -> None:
        retired, failed = found
        self._looking = False
        self._registry.aftermath.retired(retired, self._clock.seconds())
        for id in retired:
            self._events.emit(Code.RECORDING_RETIRED, session=id)
        if failed:
            more = f", and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
            self._events.emit(Code.RETENTION_FAILED, reason="; ".join(failed[:NAMED]) + more)

    def _failed(self, failure: Any) -> None:
        self._looking = False
        self._events.emit(Code.RETENTION_FAILED, reason=failure.getErrorMessage())

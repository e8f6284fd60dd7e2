"""What is due later on the lanes of one session, while its target is read.  Compiled in packages."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime

GRACE: Final = 0.001  # seconds by which something is late: a turn of the reactor, in which what came in is read


class Timers:
    """`due` is called with the lane.  While `pauses` is not empty the target is not read, and has not been silent."""

    def __init__(self, clock: IReactorTime, pauses: Collection[str], due: Callable[[int], None]) -> None:
        self._clock = clock
        self._pauses = pauses
        self._tell = due
        self._timers: dict[int, Any] = {}  # by lane

    def begin(self, lane: int, seconds: float) -> None:
        """The first counts, until it is over."""
        if lane not in self._timers:
            self._timers[lane] = self._clock.callLater(seconds, self._due, lane, seconds)

    def end(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._tell = _nobody  # a cycle would wait for the garbage collector

    def _due(self, lane: int, seconds: float) -> None:
        """What has come in is read first: a reactor that was busy sees its timers before its sockets."""
        if self._pauses:
            self._timers[lane] = self._clock.callLater(seconds, self._due, lane, seconds)
        else:
            self._timers[lane] = self._clock.callLater(GRACE, self._is_due, lane)

    def _is_due(self, lane: int) -> None:
        del self._timers[lane]
        self._tell(lane)


def _nobody(lane: int) -> None:
    """Is told where the session is over."""

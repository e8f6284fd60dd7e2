"""Sessions that end: a few in each turn of the reactor, so that thousands at once leave room for everybody else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

ONE_TURN = 16  # each costs the closing entry, an event, a TLS alert and two sockets: 0.1 to 0.3 ms


class Endings:
    """One for each reactor.  What is added runs at once, or waits for its turn behind what came before it."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: deque[Callable[[], Any]] = deque()  # one for each session at most
        self._left = ONE_TURN
        self._counts = False  # another turn is on its way

    def add(self, end: Callable[[], Any]) -> None:
        """`end` must have forwarded its last byte: it may run after what other sessions do meanwhile."""
        if not self._counts:
            self._counts = True
            self._clock.callLater(0, self._turn)
        if self._left:
            self._run(end)
        else:
            self._waiting.append(end)

    def _turn(self) -> None:
        self._left = ONE_TURN
        while self._waiting and self._left:
            self._run(self._waiting.popleft())
        self._counts = bool(self._waiting)
        if self._counts:
            self._clock.callLater(0, self._turn)

    def _run(self, end: Callable[[], Any]) -> None:
        self._left -= 1
        try:
            end()
        except Exception:
            self._log.failure("a session could not be ended")

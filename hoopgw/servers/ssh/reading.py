"""Who stops the reading of one SSH connection, and when it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, final

PUMP: Final = "pump"  # the other side does not take what comes
TURN: Final = "turn"  # there is more than one turn of the reactor takes
LOGIN: Final = "login"  # there is nobody to hand it to yet
KEYS: Final = "keys"  # the other leg exchanges keys, and may send nothing meanwhile


@final
class Reading:
    """A connection is read while nobody stops it.

    One that exchanges keys itself is not stopped by KEYS: two legs that exchange at once would wait for each other,
    each for what the other one does not let it read.
    """

    __slots__ = ("_transport", "_stops", "_exchanging", "_paused")

    def __init__(self, transport: Callable[[], Any]) -> None:
        """`transport` gives the connection's, once there is one."""
        self._transport = transport
        self._stops: set[str] = set()
        self._exchanging = False
        self._paused = False

    def stop(self, why: str) -> None:
        self._stops.add(why)
        self._look()

    def go_on(self, why: str) -> None:
        self._stops.discard(why)
        self._look()

    def exchanging(self, now: bool) -> None:
        """Whether keys are exchanged here."""
        self._exchanging = now
        self._look()

    def _look(self) -> None:
        stops = self._stops - {KEYS} if self._exchanging else self._stops
        if bool(stops) == self._paused:
            return
        self._paused = bool(stops)
        if self._paused:
            self._transport().pauseProducing()
        else:
            self._transport().resumeProducing()

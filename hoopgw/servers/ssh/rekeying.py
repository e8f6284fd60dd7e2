"""New keys for one SSH connection: when they are due, how often a peer may ask for them, what waits meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hoopgw.model.errors import ProtocolViolation

MAX_BLOCKED = 4 << 20  # bytes that wait for the end of a rekey: the other side is paused, this is what was on its way
REKEY_BYTES = 1 << 30  # in one direction under one key: far from AES-GCM's limit, as RFC 4253, 9 has it
REKEY_SECONDS = 3600.0  # the same
REKEY_DEADLINE = 30.0  # seconds that a rekey may take
REKEY_CREDIT = 64  # rekeys that a peer may ask for at once; one more for each 256 KiB that moved
REKEY_EARNS = 1 << 18


class Credit:
    """How many key exchanges a peer may still ask for: each costs the gateway some milliseconds."""

    def __init__(self) -> None:
        self._left = REKEY_CREDIT
        self._moved = 0

    def earn(self, moved: int) -> None:
        """These bytes moved under keys that are out of use now."""
        self._moved += moved

    def spend(self, moving: int) -> None:
        """The peer asks; `moving` bytes moved under the keys in use.  Raises ProtocolViolation."""
        earned = (moving + self._moved) // REKEY_EARNS
        if earned:
            self._left, self._moved = min(REKEY_CREDIT, self._left + earned), 0
        self._left -= 1
        if self._left < 0:
            raise ProtocolViolation("too many key exchanges")


class Blocked:
    """Runs of messages that wait for the end of a key exchange (RFC 4253, 7.1)."""

    def __init__(self) -> None:
        self._runs: list[bytes] = []
        self._size = 0

    def add(self, run: bytes) -> bool:
        """False where more waits than may."""
        self._runs.append(run)
        self._size += len(run)
        return self._size <= MAX_BLOCKED

    def taken(self) -> list[bytes]:
        """All of them, in order; none waits any more."""
        runs, self._runs, self._size = self._runs, [], 0
        return runs


class Timers:
    """The next key exchange, and the end of what one may take.  `clock` is an IReactorTime."""

    def __init__(self) -> None:
        self._due: Any = None
        self._deadline: Any = None

    def begun(self, clock: Any, too_long: Callable[[], None]) -> None:
        self._deadline = clock.callLater(REKEY_DEADLINE, too_long)

    def done(self, clock: Any, seconds: float, due: Callable[[], None]) -> None:
        """The next one after so many seconds."""
        self.stop()
        self._due = clock.callLater(seconds, due)

    def stop(self) -> None:
        for timer in (self._due, self._deadline):
            if timer is not None and timer.active():
                timer.cancel()
        self._due = self._deadline = None

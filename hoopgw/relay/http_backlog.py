"""What a client sends behind a request that is under way: it waits, in order, up to a bound."""

from __future__ import annotations

from typing import Final, final

from hoopgw.relay.effects import Effect, PauseClient, ResumeClient

MAX_KEPT: Final = 64 * 1024  # bytes; beyond it the client is not read


@final
class Backlog:
    """At most MAX_KEPT and a read."""

    __slots__ = ("_kept", "_size", "_paused")

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._size = 0
        self._paused = False

    @property
    def empty(self) -> bool:
        return not self._kept

    def begin(self, rest: bytes) -> None:
        """The begin of a head: more of it is waited for."""
        self._kept = [rest]

    def joined(self, data: bytes) -> bytes:
        """With what was there before it."""
        if not self._kept:
            return data
        kept, self._kept = self._kept, []
        return b"".join([*kept, data])

    def keep(self, data: bytes, effects: list[Effect]) -> None:
        self._kept.append(data)
        self._size += len(data)
        if self._size > MAX_KEPT and not self._paused:
            self._paused = True
            effects.append(PauseClient())

    def take(self, effects: list[Effect]) -> bytes:
        """All of it: nothing stands before it now."""
        if self._paused:
            self._paused = False
            effects.append(ResumeClient())
        if not self._kept:
            return b""
        kept, self._kept, self._size = self._kept, [], 0
        return b"".join(kept)

"""Who answers one side's requests, in the order of asking: SSH matches replies by nothing else (RFC 4254, 4)."""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.errors import ProtocolViolation

MAX_WAITING: Final = 1024  # requests that wait for a reply: OpenSSH has a handful; each costs the gateway 8 bytes


@final
class Replies:
    """None stands for a reply that the peer owes, bytes (a run of messages) for one of the gateway's own."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[bytes | None] = []

    def expect(self) -> None:
        """A request goes on: the peer will answer it.  Raises ProtocolViolation where too many wait."""
        if len(self._waiting) >= MAX_WAITING:
            raise ProtocolViolation(f"{MAX_WAITING} requests wait for a reply")
        self._waiting.append(None)

    def own(self, run: bytes) -> bytes:
        """The gateway answers: what of it may be sent now.  The rest comes with the peer's replies before it."""
        if not self._waiting:
            return run
        if len(self._waiting) >= MAX_WAITING:
            raise ProtocolViolation(f"{MAX_WAITING} requests wait for a reply")
        self._waiting.append(run)
        return b""

    def answered(self) -> bytes:
        """The peer has sent a reply: what of the gateway's own follows it.  Raises ProtocolViolation where none is
        owed."""
        if not self._waiting or self._waiting.pop(0) is not None:
            raise ProtocolViolation("a reply that nothing was asked for")
        return self._ripe()

    def ended(self) -> bytes:
        """The peer will answer nothing more: all of the gateway's own."""
        own = [run for run in self._waiting if run is not None]
        self._waiting.clear()
        return b"".join(own)

    def _ripe(self) -> bytes:
        own: list[bytes] = []
        while self._waiting:
            first = self._waiting[0]
            if first is None:
                break
            own.append(first)
            self._waiting.pop(0)
        return b"".join(own)

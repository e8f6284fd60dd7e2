"""What a pump sees of one SSH connection: somewhere to write runs of messages to, that can be paused and ended."""

from __future__ import annotations

from typing import Any

from hoopgw.servers.ssh.transport import Hardened


class Leg:
    """`farewell` is what the peer reads as the reason of the end."""

    def __init__(self, protocol: Hardened) -> None:
        self._protocol = protocol
        self.farewell = "the session is over"

    @property
    def disconnected(self) -> bool:
        return bool(self._protocol.transport.disconnected)

    def write(self, run: bytes) -> None:
        self._protocol.write(run)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._protocol.pauses(producer)
        self._protocol.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self._protocol.pauses(None)
        self._protocol.transport.unregisterProducer()

    def pauseProducing(self) -> None:
        self._protocol.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self._protocol.transport.resumeProducing()

    def loseConnection(self) -> None:
        self._protocol.disconnect(self.farewell)

    def abortConnection(self) -> None:
        self._protocol.transport.abortConnection()

"""What a pump sees of one SSH connection: somewhere to write runs of messages to, that can be paused and ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hoopgw.servers.ssh.reading import PUMP
from hoopgw.servers.ssh.transport import Hardened


class Leg:
    """The peer reads `farewell` as the reason of the end; where nobody set it, what `words` gives then."""

    def __init__(self, protocol: Hardened) -> None:
        self._protocol = protocol
        self.write = protocol.write  # runs of messages; a call less for each
        self.farewell = ""
        self.words: Callable[[], str] = lambda: ""

    @property
    def disconnected(self) -> bool:
        return bool(self._protocol.transport.disconnected)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._protocol.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self._protocol.transport.unregisterProducer()

    def pauseProducing(self) -> None:
        self._protocol.reading.stop(PUMP)

    def resumeProducing(self) -> None:
        self._protocol.reading.go_on(PUMP)

    def loseConnection(self) -> None:
        self._protocol.disconnect(self.farewell or self.words() or "the session is over")

    def abortConnection(self) -> None:
        self._protocol.transport.abortConnection()

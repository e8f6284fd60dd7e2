"""What a pump sees of one SSH connection: somewhere to write runs of messages to, that can be paused and ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hoopgw.servers.ssh.transport import Hardened


class Brake:
    """One of two who may stop the same producer, which goes on when neither does: a socket that is full, and keys that
    are exchanged."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._on = False
        self._other: Brake | None = None

    @classmethod
    def two(cls, producer: Any) -> tuple[Brake, Brake]:
        one, other = cls(producer), cls(producer)
        one._other, other._other = other, one
        return one, other

    def pauseProducing(self) -> None:
        self._on = True
        self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        self._on = False
        if self._other is not None and not self._other._on:
            self._producer.resumeProducing()

    def stopProducing(self) -> None:
        self._producer.stopProducing()


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
        by_keys, by_socket = Brake.two(producer)
        self._protocol.pauses(by_keys)
        self._protocol.transport.registerProducer(by_socket, streaming)

    def unregisterProducer(self) -> None:
        self._protocol.pauses(None)
        self._protocol.transport.unregisterProducer()

    def pauseProducing(self) -> None:
        self._protocol.stop_reading("pump")

    def resumeProducing(self) -> None:
        self._protocol.go_on_reading("pump")

    def loseConnection(self) -> None:
        self._protocol.disconnect(self.farewell or self.words() or "the session is over")

    def abortConnection(self) -> None:
        self._protocol.transport.abortConnection()

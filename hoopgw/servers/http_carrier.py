"""One stream of HTTP/2 as a transport: what a connection of HTTP/1.1 is to those who read and write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from hoopgw.wire.http2_values import MessagePart

MAX_BACKLOG: Final = 256 * 1024  # bytes of one stream that wait for the other side; beyond it who writes them is paused


class IStreams(Protocol):
    """The connection whose stream it is."""

    congested: bool

    def taken(self, piece: MessagePart) -> None: ...

    def later(self, call: Callable[[], None]) -> None: ...

    def backlog(self, stream: int) -> int: ...


class Carrier:
    """Carries one stream after the other.  Subclasses say what becomes of bytes, and of the end."""

    disconnecting = False

    def __init__(self, streams: IStreams) -> None:
        self.stream = 0  # that it carries; 0: none now
        self.disconnected = False
        self._streams: Any = streams
        self._paused = False
        self._inbox: list[MessagePart] = []  # while paused; the stream's window bounds it
        self._producer: Any = None
        self._producer_paused = False

    # ---- what comes

    def came(self, piece: MessagePart) -> None:
        if self._paused or self._inbox:
            self._inbox.append(piece)
        else:
            self._give(piece)

    def _give(self, piece: MessagePart) -> None:
        raise NotImplementedError

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        """What waits comes in a turn of its own, as it would from a socket: whoever resumes is not ready for it yet."""
        self._paused = False
        if self._inbox:
            self._streams.later(self._resumed)

    def _resumed(self) -> None:
        while self._inbox and not self._paused:
            self._give(self._inbox.pop(0))

    # ---- what goes

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._producer, self._producer_paused = producer, False
        self.look(self._streams.congested)

    def unregisterProducer(self) -> None:
        self._producer = None

    def look(self, congested: bool) -> None:
        """Whether the other side of the gateway may be read, now that something has gone out or come in."""
        full = congested or self._streams.backlog(self.stream) > MAX_BACKLOG
        if self._producer is not None and full is not self._producer_paused:
            self._producer_paused = full
            (self._producer.pauseProducing if full else self._producer.resumeProducing)()

    def setTcpNoDelay(self, enabled: bool) -> None:
        """The connection has it."""

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """The connection has it."""

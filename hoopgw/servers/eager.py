"""TCP transports that send without asking, read big, and carry TLS without another protocol layer.

Stock Twisted queues every write and asks epoll four times for each query; here `send` is called at the end of the
reactor's turn, or at once on a reactor without such an end, and only a remainder goes to the stock queue
(docs/performance.md).  TLS is an `ssl.SSLObject` on the same transport.
"""

# mypy: allow-untyped-calls
# (the base classes' own methods are untyped in Twisted)

from __future__ import annotations

import fcntl
import socket
import ssl
import struct
import termios
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, cast

from twisted.internet import main, tcp
from twisted.internet.interfaces import IListeningPort, IReactorTCP
from twisted.python.failure import Failure

from hoopgw.servers.conduit import Receiver, Sink
from hoopgw.servers.departures import Departures
from hoopgw.servers.flow import READ_SIZE, Flow
from hoopgw.servers.tls_layer import TlsLayer

# A peer whose machine is gone, or the network to it, is asked after a minute, and given up after two (tcp(7)).
KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))


class EagerConnection(tcp.Connection):
    """What server and client transports share.  `departures` tells of a peer that leaves while it is not read."""

    bufferSize = READ_SIZE
    departures: Departures | None = None
    _tls: TlsLayer | None = None
    _reading_paused = False
    _is_read = False

    # ---- clear text

    @cached_property
    def flow(self) -> Flow:
        """Takes the place of the methods below: what is read and written then comes to it without a step between."""
        flow = Flow(self, *(getattr(self.reactor, name, None) for name in ("unsent", "bulk", "flows")))
        self.doRead = flow.read  # type: ignore[method-assign]
        self.write_raw = flow.write  # type: ignore[method-assign]
        if self._tls is None:
            self.write = flow.write  # type: ignore[method-assign]
        if self._is_read:
            flow.begin()
        return flow

    def startReading(self) -> None:
        super().startReading()
        self._is_read = True
        flow = self.__dict__.get("flow")
        if flow is not None:
            flow.begin()

    def stopReading(self) -> None:
        super().stopReading()
        self._is_read = False
        flow = self.__dict__.get("flow")
        if flow is not None:
            flow.pause()

    def write_raw(self, data: bytes) -> None:
        """Send what the socket takes, at the end of this turn; queue the rest."""
        if self.connected:
            self.flow.write(data)

    write = write_raw  # until TLS is spoken

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        self.write(b"".join(iovec))

    def doRead(self) -> Any:
        return self.flow.read()

    @property
    def sink(self) -> Sink | None:
        """Who takes what is written: the shortest way to it; None where the connection is no more."""
        if not self.connected:
            return None
        return self.flow if self._tls is None else self._tls

    def deliver_to(self, receiver: Receiver | None) -> None:
        """What is read from now on goes there, past the protocol; None: to the protocol."""
        if self.connected:
            self.flow.receiver = receiver

    def is_clear(self) -> bool:
        """A send may go past the queue."""
        queued = self._tempDataLen or self.dataBuffer
        self.flow.clear = not queued and not self.disconnecting and bool(self.connected)
        return self.flow.clear

    def unsent(self) -> int:
        """Bytes that the peer has not taken."""
        return int(self._tempDataLen) + len(self.dataBuffer) - int(self.offset)

    def untaken(self) -> int:
        """The same with what the kernel has of them, who is not asked for more before a third of its own is free: of a
        slow peer only this tells whether it takes anything (SIOCOUTQ, tcp(7))."""
        kernel = 0
        if self.connected:
            (kernel,) = struct.unpack("i", fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4)))
        return self.unsent() + kernel

    def queue(self, data: bytes) -> None:
        """Twisted's own way: sent when the socket takes it."""
        self.flow.clear = False
        super().write(data)

    # ---- a peer that is gone without a word

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """On, with times of ours: the system's own begin to ask after two hours."""
        super().setTcpKeepAlive(enabled)
        if enabled:
            for option, value in KEEP_ALIVE:
                self.socket.setsockopt(socket.IPPROTO_TCP, option, value)

    # ---- a peer that leaves while nobody reads

    def pauseProducing(self) -> None:
        super().pauseProducing()
        if self.departures is not None and self.connected and not self._reading_paused:
            self._reading_paused = True
            self.departures.watch(self)

    def resumeProducing(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            if self.departures is not None:
                self.departures.forget(self)
        super().resumeProducing()

    def peer_left(self) -> None:
        """Called by `Departures`: the peer closed its side while reading was paused."""
        self._reading_paused = False
        cast(Any, self.reactor).callLater(0, self._left)

    def _left(self) -> None:
        if not self.disconnected:
            self.connectionLost(Failure(main.CONNECTION_DONE))

    # ---- TLS

    @property
    def encrypted(self) -> bool:
        return self._tls is not None

    def start_tls(
        self,
        context: ssl.SSLContext,
        established: Callable[[ssl.SSLObject], None],
        failed: Callable[[Exception], None],
        *,
        server_side: bool,
        hostname: str | None = None,
        pending: bytes = b"",
    ) -> None:
        """Speak TLS from now on.  `pending` was read already and belongs to the handshake (direct TLS)."""
        flow = self.flow
        layer = TlsLayer(self, flow, context, established, failed, server_side=server_side, hostname=hostname)
        self._tls = flow.tls = layer
        self.write = layer.write  # type: ignore[method-assign]
        layer.received(pending)

    # ---- ends

    def loseConnection(self) -> None:
        if self._tls is not None and self.connected and not self.disconnecting:
            self._tls.close()
        self._send_last()
        super().loseConnection()

    def abortConnection(self) -> None:
        self._send_last()
        super().abortConnection()

    def _send_last(self) -> None:
        if self.connected:
            self.flow.send_now()
            self.flow.clear = False

    def connectionLost(self, reason: Any) -> None:
        if self._reading_paused and self.departures is not None:
            self._reading_paused = False
            self.departures.forget(self)
        flow = self.__dict__.get("flow")
        if flow is not None:
            flow.end()
        for name in ("write", "write_raw", "doRead", "flow"):  # cycles, which would wait for the garbage collector
            self.__dict__.pop(name, None)
        super().connectionLost(reason)


class EagerServer(EagerConnection, tcp.Server):
    """An accepted connection."""


class EagerClient(EagerConnection, tcp.Client):
    """A connection that the gateway opened.

    `owed`: what the target has sent is owed to a client that may read slowly.  Its end is then seen behind what still
    lies in the socket, not before.
    """

    owed = False

    def peer_left(self) -> None:
        """Called by `Departures`."""
        if not (self.owed and self._unread()):
            super().peer_left()

    def _unread(self) -> bool:
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK))
        except OSError:
            return False


class EagerConnector(tcp.Connector):
    """Connects to one numeric address."""

    departures: Departures | None = None

    def _makeTransport(self) -> EagerClient:
        transport = EagerClient(self.host, self.port, self.bindAddress, self, self.reactor)
        transport.departures = self.departures
        return transport


def make_eager(port: IListeningPort, departures: Departures) -> None:
    """Let `port`, listening by any Twisted endpoint over stream sockets, accept eager transports."""

    accepted = type("Accepted", (EagerServer,), {"departures": departures})
    cast(Any, port).transport = accepted


def connect(
    reactor: IReactorTCP, host: str, port: int, factory: Any, timeout: float, departures: Departures | None = None
) -> None:
    """Open an eager connection to a numeric address."""
    connector = EagerConnector(host, port, factory, timeout, None, reactor)
    connector.departures = departures
    connector.connect()

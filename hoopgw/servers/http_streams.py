"""HTTP/2 towards clients: each stream is carried by a connection of HTTP/1.1 that exists only here.

One such connection carries a stream after the other, as a client's own would: so that a session is a login on a target,
not a request, and all that judges, records and times HTTP/1.1 does so here.  Compiled in packages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgw.model.errors import MalformedFrame, WireError
from hoopgw.relay.http_scope import Route, route_of
from hoopgw.servers.http_carrier import Carrier
from hoopgw.servers.outbox import Outbox
from hoopgw.servers.parting import part, untaken
from hoopgw.wire.http2_ends import ClientSide
from hoopgw.wire.http2_values import CANCEL, INTERNAL_ERROR, MessagePart, StreamAborted
from hoopgw.wire.httphead import Blocks, read_request

BEGIN: Final = b"PRI * HTTP/2.0\r\n"  # of a connection that begins so without a word before (RFC 9113, 3.3)
FIRST_SECONDS: Final = 30.0  # from the handshake to the first stream
# A little longer than sessions are waited for (`http.patience`), which say why they end: what nobody else ends
IDLE_SECONDS: Final = 85.0  # without a stream
STALLED_SECONDS: Final = 75.0  # in which a client takes nothing of what waits for it (CVE-2019-9517)
MAX_ROUTES: Final = 16  # heads of a connection of which it is remembered whom they are for
MAX_ROUTE_BYTES: Final = 2048  # of one of them
_log: Final = Logger("hoopgw.servers.http_streams")


class StreamTransport(Carrier):
    """What an HttpServer sees of its client, for one stream after the other."""

    def __init__(self, streams: "Streams", route: Route | None) -> None:
        super().__init__(streams)
        self.protocol: Any = None
        self.route = route
        self.whole = False  # all of the stream's request was given on

    @property
    def encrypted(self) -> bool:
        return bool(self._streams.encrypted)

    def _give(self, piece: MessagePart) -> None:
        if piece.size:
            self._streams.taken(piece)
        self.whole = piece.ended
        if piece.data and not self.disconnected:
            self.protocol.dataReceived(piece.data)
        if piece.ended and not self.disconnected and self.protocol.until_close:
            self.loseConnection()

    def untaken(self) -> int:
        """Bytes that the client has not taken: of the stream, and of all that goes before on the connection."""
        return int(self._streams.backlog(self.stream)) + untaken(self._streams.transport)

    def left(self) -> None:
        """The stream, or the whole connection, is gone without its answer."""
        self.stream = 0
        self._inbox.clear()
        self._end()

    def write(self, data: bytes) -> None:
        if self.stream:
            self._streams.write(self, data)

    def loseConnection(self) -> None:
        """After what was written: the client of a stream that is not answered then is told so."""
        stream, self.stream = self.stream, 0
        if stream:
            self._streams.finish(stream)
        self._end()

    def abortConnection(self) -> None:
        stream, self.stream = self.stream, 0
        if stream:
            self._streams.reset(stream, INTERNAL_ERROR)
        self._end()

    def _end(self) -> None:
        if not self.disconnected:
            self.disconnected = True
            self._streams.forget(self)


class Streams:
    """One client's connection once it speaks HTTP/2.

    serve     makes what answers the requests of a `StreamTransport`
    violated  is told once why the connection had to end
    """

    def __init__(
        self,
        transport: Any,
        clock: IReactorTime,
        serve: Callable[[], Any],
        violated: Callable[[WireError], None],
    ) -> None:
        self.congested = False  # the client takes nothing: its socket is full
        self.transport = transport
        self._clock = clock
        self._serve = serve
        self._violated = violated
        self._h2 = ClientSide(clock.seconds())
        self._outbox = Outbox(clock, transport, self._outgoing)
        self._by_stream: dict[int, StreamTransport] = {}
        self._idle: list[StreamTransport] = []
        self._routes: dict[bytes, Route | None] = {}
        self._backlogs: dict[int, tuple[int, float]] = {}  # of each stream, and since when it is that
        self._since = clock.seconds()  # when it last had a stream
        self._limit = FIRST_SECONDS
        self._asked = False  # something, since the last look
        self._over = False
        self._deep = 0  # calls of ours into which others are nested: bytes go out at the end of the first

    @property
    def encrypted(self) -> bool:
        return bool(self.transport.encrypted)

    def begin(self) -> None:
        self.transport.registerProducer(self, True)
        self._send()

    # ---- the connection

    def received(self, data: bytes) -> None:
        if self._over:
            return
        self._deep += 1
        try:
            for each in self._h2.receive(data, self._clock.seconds()):
                if self._over:  # ended by an answer to what came just before
                    break
                if isinstance(each, StreamAborted):
                    self._gone(each.stream)
                else:
                    self._came(each)
        except WireError as error:
            self._fail(error)
        finally:
            self._deep -= 1
        for stream in tuple(self._h2.moved):
            carrier = self._by_stream.get(stream)
            if carrier is not None:
                self._settle(stream)
                carrier.look(self.congested)
        self._end_if_done()
        self._send()

    def lost(self) -> None:
        """The client is gone."""
        self._over = True
        for carrier in [*self._by_stream.values(), *self._idle]:
            carrier.left()
        self._by_stream.clear()
        self._idle.clear()

    def check(self, now: float) -> None:
        """Nothing is waited for without end."""
        if self._over:
            return
        if self._asked or self._by_stream or self._h2.streams:
            self._since, self._limit, self._asked = now, IDLE_SECONDS, False
        elif now - self._since > self._limit:
            self.goodbye()
        before, self._backlogs = self._backlogs, {}
        for stream, backlog in self._h2.backlogs().items():
            size, since = before.get(stream, (0, now))
            self._backlogs[stream] = backlog, since if size == backlog else now
            if now - self._backlogs[stream][1] > STALLED_SECONDS:
                self._h2.reset(stream, CANCEL)
                self._gone(stream)
        self._h2.tidy(now)
        self._end_if_done()
        self._send()

    def goodbye(self) -> None:
        """What runs is answered, then the connection ends."""
        self._h2.drain()
        self._send()
        self._end_if_done()

    # ---- IPushProducer: of the socket

    def pauseProducing(self) -> None:
        """The client does not take what is there: nothing more is read from targets, nor from it, which may only send
        to have more to be answered."""
        self.congested = True
        self.transport.pauseProducing()
        for carrier in tuple(self._by_stream.values()):
            carrier.look(True)

    def resumeProducing(self) -> None:
        self.congested = False
        self.transport.resumeProducing()
        for carrier in (*self._by_stream.values(), *self._idle):  # one may have been answered meanwhile
            carrier.look(False)

    def stopProducing(self) -> None:
        """`lost` is called as well."""

    def _fail(self, error: WireError) -> None:
        """What the connection still has to say is why it ends."""
        self._violated(error)
        self.lost()
        self.transport.write(self._h2.outgoing())
        self._part()

    def _end_if_done(self) -> None:
        if self._h2.draining and not self._h2.streams and not self._over and not self._deep:
            self._outbox.send_now()
            self.lost()
            self._part()

    def _part(self) -> None:
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        part(self._clock, self.transport)

    # ---- streams

    def _came(self, piece: MessagePart) -> None:
        carrier = self._by_stream.get(piece.stream)
        if carrier is None:
            if not piece.data or not self._h2.alive(piece.stream):
                return
            carrier = self._carrier(piece)
        carrier.came(piece)

    def _carrier(self, piece: MessagePart) -> StreamTransport:
        """One that is free, and best of the same login and target."""
        route = self._route(piece.data)
        found: StreamTransport | None = None
        for place in range(len(self._idle) - 1, -1, -1):
            if self._idle[place].route == route:
                found = self._idle.pop(place)
                break
        new = found is None
        if found is None:
            found = StreamTransport(self, route)
            found.protocol = self._serve()
        self._asked = True
        found.stream, found.whole = piece.stream, False
        self._by_stream[piece.stream] = found
        if new:
            found.protocol.makeConnection(found)
        return found

    def _route(self, head: bytes) -> Route | None:
        """Whom the request is for; None where its head cannot be read: what serves it will say so."""
        if head in self._routes:
            return self._routes[head]
        try:
            read = read_request(head, 0, Blocks())
            route = None if read is None else route_of(read.block)
        except WireError:
            route = None
        if len(head) <= MAX_ROUTE_BYTES:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            self._routes[head] = route
        return route

    def _gone(self, stream: int) -> None:
        carrier = self._by_stream.pop(stream, None)
        if carrier is not None:
            carrier.left()

    def _settle(self, stream: int) -> None:
        """The answer is whole and sent: who carried it is free, where the question was whole too."""
        if self._h2.alive(stream):
            return
        carrier = self._by_stream.pop(stream, None)
        if carrier is None or carrier.stream != stream:
            return
        carrier.stream = 0
        if carrier.whole and not carrier.disconnected:
            self._idle.append(carrier)
        else:
            carrier.left()

    # ---- what a StreamTransport does

    def write(self, carrier: StreamTransport, data: bytes) -> None:
        stream = carrier.stream
        self._deep += 1
        try:
            self._h2.write(stream, data)
        except MalformedFrame:
            _log.failure("an answer that is no HTTP/1.1")
            self._h2.reset(stream, INTERNAL_ERROR)
        except WireError as error:
            self._fail(error)
            return
        finally:
            self._deep -= 1
        self._settle(stream)
        carrier.look(self.congested)
        self._send()
        self._end_if_done()

    def finish(self, stream: int) -> None:
        self._h2.finish(stream)
        self._by_stream.pop(stream, None)
        self._send()
        self._end_if_done()

    def reset(self, stream: int, code: int) -> None:
        self._h2.reset(stream, code)
        self._by_stream.pop(stream, None)
        self._send()
        self._end_if_done()

    def taken(self, piece: MessagePart) -> None:
        self._h2.taken(piece.stream, piece.size)
        self._send()

    def later(self, call: Callable[[], None]) -> None:
        """In the next turn of the reactor."""
        self._clock.callLater(0, call)

    def backlog(self, stream: int) -> int:
        return self._h2.backlog(stream)

    def forget(self, carrier: StreamTransport) -> None:
        """It is over; its protocol hears so in a turn of its own, as it would from a socket."""
        if carrier in self._idle:
            self._idle.remove(carrier)
        self._clock.callLater(0, carrier.protocol.connectionLost, Failure(ConnectionDone()))

    def _send(self) -> None:
        if not self._deep and not self._over:
            self._outbox.send()

    def _outgoing(self) -> bytes:
        return b"" if self._over else self._h2.outgoing()

"""The HTTP edge: one client connection from its first byte to its end.  Decides nothing.

A connection carries sessions one after the other: the first request's head says whose and to which target, and one that
says something else begins the next.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Generator
from enum import Enum
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgw.auth.access import IAccess, Wanted
from hoopgw.model.errors import HoopgwError, LoginRefused, NotGranted, OperatorError, ProtocolViolation, WireError
from hoopgw.model.events import Code
from hoopgw.relay import http_words as words
from hoopgw.relay.http_scope import Route, route_of
from hoopgw.servers import tls
from hoopgw.servers.conduit import deliver
from hoopgw.servers.entrance import Entrance, code_of
from hoopgw.servers.flow import READ_SIZE
from hoopgw.servers.gateway import Gateway
from hoopgw.servers.http import refusals
from hoopgw.servers.http.address import Named, credentials_of, named, proxy_route, tunnel_to
from hoopgw.servers.http.edge import HttpEdge, HttpShared
from hoopgw.servers.http.links import H2_ALPN, HTTP_ALPN
from hoopgw.servers.http.own import OwnRequest
from hoopgw.servers.http.tunnel import TunnelEdge
from hoopgw.servers.http_streams import BEGIN, Streams
from hoopgw.servers.parting import part
from hoopgw.wire.httpfields import NO_BODY
from hoopgw.wire.httphead import MAX_HEAD, Blocks, Request, read_request

PROTOCOL = "http"
HTTPS_ALPN = (H2_ALPN, HTTP_ALPN)  # what clients are offered
# All that TLS can be told without a handshake, which is what an address must not cost that is barred: a fatal alert
ACCESS_DENIED = b"\x15\x03\x03\x00\x02\x02\x31"  # (RFC 8446, 5.1 and 6)
PAGE = "a page"  # detail of a refusal
LINGER = 1.0  # seconds in which a client that still sends a body can read why it is refused


class _State(Enum):
    HEAD = 0
    DECIDING = 1  # token, grant: the client must wait
    OPEN = 2
    ENDED = 3


class HttpServer(Protocol):
    """One client."""

    transport: Any
    _log = Logger()

    def __init__(
        self,
        gateway: Gateway,
        shared: HttpShared,
        address: str,
        tls: dict[str, str] | None = None,
        chain: tuple[bytes, ...] = (),
        let_in: Callable[[], None] = lambda: None,
    ) -> None:
        """`tls`: its transport carries streams of a connection with these facts, and has no handshake of its own;
        `chain` is what the client showed in that one (`tls.client_chain`); `let_in` is called at each login."""
        self._gateway = gateway
        self._shared = shared
        self._address = address
        self._state = _State.HEAD
        self._begun = tls is not None  # the first byte has said whether this is TLS
        self._carried = tls is not None
        self._version = ""  # that the client speaks
        self._barred = False  # it waits for the client's first word: before that TLS has no answer
        self._streams: Streams | None = None  # of HTTP/2: each is served by another of this class
        self._buffer = b""
        self._own: OwnRequest | None = None
        self._entrance = Entrance(gateway, PROTOCOL, address)
        self._tls = tls or {}
        self._chain = chain
        self._let_in = let_in
        self._edge: HttpEdge | TunnelEdge | None = None
        self._tunnels = False  # the request that is being looked at is a CONNECT
        self._deciding: Deferred[Any] | None = None
        self._bare = False  # the answer to it has no body
        self._owes = NO_BODY  # framing of the body of the request that is being looked at

    # ---- the connection

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        self._enter()

    def _enter(self) -> None:
        barred = self._entrance.enter(self._too_late)
        if barred is None:
            return
        if self._told:
            self._refuse(barred, 429)
        else:
            self._entrance.told(barred)
            self._barred = True
            self._gateway.reactor.callLater(LINGER, self._bar, b"")

    def _bar(self, said: bytes) -> None:
        if self._state is not _State.ENDED:
            self._state = _State.ENDED
            if said:
                self.transport.write(said)
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """Until a session is open; while it is, bytes go straight to its pump."""
        if self._state is _State.ENDED:
            return
        if self._streams is not None:
            self._streams.received(data)
            return
        if self._barred:
            self._bar(ACCESS_DENIED if data[0] == tls.HANDSHAKE else b"")
            return
        if not self._begun:
            self._begun = True
            if data[0] == tls.HANDSHAKE and self._shared.context is not None:
                self.transport.start_tls(
                    self._shared.context, self._secured, self._tls_failed, server_side=True, pending=data
                )
                return
            if self._gateway.settings.tls.required:
                self._refuse(ProtocolViolation("this port speaks HTTPS"), 400)
                return
            if data.startswith(BEGIN):
                self._multiply()
                self.dataReceived(data)
                return
        if self._own is not None:
            self._own_body(data)
            return
        self._buffer += data
        if len(self._buffer) > MAX_HEAD + READ_SIZE:  # a session that is not open reads no more
            self._refuse(ProtocolViolation("too much before an answer"), 400)
        elif self._state is _State.HEAD:
            self._look()

    def _secured(self, connection: ssl.SSLObject) -> None:
        self._tls = tls.described(connection)
        self._chain = tls.client_chain(connection)
        if connection.selected_alpn_protocol() == H2_ALPN:
            self._multiply()

    def _multiply(self) -> None:
        """HTTP/2: logins are those of its streams.  Until one of them is in, the connection itself counts as one."""
        gateway, shared, address, facts, chain = self._gateway, self._shared, self._address, self._tls, self._chain
        self._streams = Streams(
            self.transport,
            gateway.reactor,
            lambda: HttpServer(gateway, shared, address, facts, chain, self._leave),
            lambda error: gateway.events.emit(code_of(error), protocol=PROTOCOL, client=address, reason=str(error)),
        )
        shared.connections.add(self)
        self._streams.begin()

    def _tls_failed(self, error: Exception) -> None:
        why = tls.verify_failure(error)
        if why:
            words = "the certificate is not accepted"  # TLS itself tells the client, by its alert
            self._refuse(LoginRefused(words, detail=f"certificate: {why}"), 0)
        else:
            self._refuse(ProtocolViolation(f"the TLS handshake failed: {error}"), 0)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        self._state = _State.ENDED  # first: what is cancelled below did not fail
        self._leave()
        self._shared.connections.discard(self)
        if self._streams is not None:
            self._streams.lost()
        if self._deciding is not None:
            self._deciding.cancel()
        edge = self._edge
        if edge is not None and edge.pump is not None:
            edge.pump.client_gone()
        elif edge is not None and edge.session is not None:
            self._close(Code.SESSION_CLOSED, "the client left before its session was open")

    def _leave(self) -> None:
        self._entrance.leave()

    def _too_late(self, error: HoopgwError) -> None:
        limit = self._gateway.settings.limits.login_seconds
        late = LoginRefused(f"no request within {limit:g} s", detail="deadline")
        if self._streams is not None:  # no attempt of anybody: browsers open connections that they may need
            self._entrance.told(late)
            self._leave()
            self._streams.goodbye()
        elif self._state is _State.DECIDING:  # the client has said all that it has to say
            self._refuse(OperatorError(f"the login took longer than {limit:g} s"), 503)
        else:
            self._refuse(late, 408 if self._told else 0)

    @property
    def _told(self) -> bool:
        """It may be told something in clear text: it does not wait for TLS."""
        return self._begun or not self._gateway.settings.tls.required

    @property
    def until_close(self) -> bool:
        """What the client sends has no end but the connection's."""
        return self._tunnels or (self._edge is not None and self._edge.until_close)

    def goodbye(self) -> None:
        """Nothing new, where HTTP/2 has a word for it: its client sends elsewhere what would be lost here."""
        if self._streams is not None:
            self._streams.goodbye()

    def check(self, now: float) -> None:
        if self._streams is not None:
            self._streams.check(now)
        elif self._edge is not None and self._state is _State.OPEN:
            self._edge.check(now)

    # ---- the first head

    def _look(self) -> None:
        try:
            read = read_request(self._buffer, 0, Blocks())
            if read is not None:
                self._begin(read)
        except WireError as error:
            self._refuse(error, words.status_of(error))

    def _begin(self, read: Request) -> None:
        self._owes, self._bare = read.block.framing, read.method == b"HEAD"
        self._version = "HTTP/2.0" if self._carried else f"HTTP/1.{read.minor}"
        self._tunnels = read.method == b"CONNECT"
        found: Named | None
        if self._tunnels:
            route, found = proxy_route(read.block), tunnel_to(read)
        else:
            route = route_of(read.block)
            found = named(read.host, read.target, self._gateway.settings.tls.domain)
        if found is None:
            self._refuse(NotGranted("name a target: https://TARGET.DOMAIN/ or /TARGET/", detail="no target"), 404)
        elif found.path:
            self._own = OwnRequest(read, found.path)
            rest, self._buffer = self._buffer[read.end :], b""
            self._own_body(rest)
        else:
            self._state = _State.DECIDING
            self.transport.pauseProducing()  # until there is somebody to hand its bytes to
            deciding = self._deciding = self._log_in(route, found)
            deciding.addErrback(self._login_failed)

    @inlineCallbacks
    def _log_in(self, route: Route, found: Named) -> Generator[Deferred[Any], Any, None]:
        shown = credentials_of(route, self._chain, self._address)
        if shown is None:
            raise LoginRefused("a token is needed: Authorization: Bearer", detail=refusals.UNSHOWN)
        proven = self._gateway.certificates.shown(self._chain) if self._chain else None
        role = route[1].decode("utf-8", "backslashreplace")
        wanted = Wanted(PROTOCOL, found.target, role, destination=found.destination)
        _, access, _ = yield self._gateway.portal.login(shown, wanted, IAccess)
        self._gateway.penalties.succeeded(self._address)
        opening = {
            "tls": self._tls,
            "http": self._version,
            "host": route[0].decode("ascii", "replace"),
            "prefix": found.prefix.decode("ascii", "replace"),
            "login": [f"{route[2].decode('ascii', 'replace')} ({len(route[3])} bytes)"] if route[2] else [],
            **({"certificate": {"subject": proven.subject, "proof": list(proven.proof)}} if proven is not None else {}),
        }
        yield self._gateway.room()
        edge = self._edge = self._new_edge()
        session = edge.session = self._gateway.open_session(access, edge, self._address, opening)
        session.accepted(PROTOCOL)
        yield session.ready()
        yield session.judge.ready()
        yield self._gateway.room()
        pump = edge.open(access, route, found.prefix, self._address)
        self._state, self._deciding = _State.OPEN, None
        self._leave()
        self._let_in()
        self._shared.connections.add(self)
        self.dataReceived = pump.client_bytes  # type: ignore[method-assign]
        deliver(self.transport, pump.reading_client)
        buffer, self._buffer = self._buffer, b""
        self.transport.resumeProducing()
        pump.client_bytes(buffer)

    def _new_edge(self) -> HttpEdge | TunnelEdge:
        if self._tunnels:
            return TunnelEdge(self._gateway, self.transport, self._ended_early)
        return HttpEdge(self._gateway, self._shared, self.transport, self._ended_early, self._again)

    def _again(self, rest: bytes) -> None:
        """The session ended where another login or target begins."""
        if self._state is not _State.OPEN:
            return
        self.__dict__.pop("dataReceived", None)
        deliver(self.transport, None)
        self._shared.connections.discard(self)
        self._edge, self._state = None, _State.HEAD
        self._enter()
        if self._state is _State.HEAD:
            self.dataReceived(rest)

    # ---- the gateway's own pages

    def _own_body(self, data: bytes) -> None:
        """Until the request is whole: its answer ends the connection."""
        own = self._own
        if own is None or self._state is not _State.HEAD:
            return
        try:
            if not own.take(data):
                return
        except WireError as error:
            self._refuse(error, 400)
            return
        self._state = _State.DECIDING
        if own.of_page:
            self._refuse(NotGranted("a page needs the token itself for this: Bearer", detail=PAGE), 403)
            return
        shown = credentials_of(own.route, self._chain, self._address)
        asking = self._shared.pages.answer(own.method, own.path, shown, own.body, self._address)
        answering = self._deciding = Deferred.fromCoroutine(asking)
        answering.addCallback(self._answered).addErrback(self._login_failed)

    def _answered(self, answer: bytes) -> None:
        self._deciding = None
        if self._state is not _State.ENDED:
            self._state = _State.ENDED
            self._leave()
            self.transport.write(answer)
            self.transport.loseConnection()
            part(self._gateway.reactor, self.transport)

    # ---- refusals

    def _login_failed(self, failure: Failure) -> None:
        self._deciding = None
        if self._state is _State.ENDED:
            return
        error = failure.value
        if isinstance(error, HoopgwError):
            self._refuse(error, refusals.status_of(error))
        else:
            self._log.failure("a login failed", failure=failure)
            self._refuse(OperatorError("the gateway failed"), 500)

    def _ended_early(self, code: Code, reason: str) -> None:
        self._refuse(LoginRefused(reason, detail=code.value), 503)

    def _refuse(self, error: HoopgwError, status: int) -> None:
        """Tell the client, write the event, close.  `status` 0: it can be told nothing."""
        if self._state is _State.ENDED:
            return
        self._state = _State.ENDED
        deciding, self._deciding = self._deciding, None
        if deciding is not None:  # what it would come to is for nobody
            deciding.cancel()
        if refusals.counts(error):
            self._entrance.failed(error)
        self._leave()
        code = self._entrance.told(error)
        if self._edge is not None and self._edge.session is not None:
            self._close(code, str(error))
        if status:
            wait = self._gateway.penalties.wait(self._address)
            self.transport.write(refusals.answer(error, status, wait, tunnel=self._tunnels, head=self._bare))
        self.transport.resumeProducing()  # what is still sent is read and dropped: unread bytes would reset the answer
        linger = LINGER if self._owes != NO_BODY else 0.0
        self._gateway.reactor.callLater(linger, self.transport.loseConnection)
        self._gateway.reactor.callLater(linger + 2.0, self._abort)

    def _abort(self) -> None:
        if not self.transport.disconnected:
            self.transport.abortConnection()

    def _close(self, code: Code, reason: str) -> None:
        """Of a session that was never open for its client."""
        session = self._edge.session if self._edge is not None else None
        if session is not None:
            session.close(code, reason).addBoth(lambda _: self._gateway.registry.remove(session))


class HttpFactory(Factory):
    """Accepts HTTP clients."""

    noisy = False

    def __init__(self, gateway: Gateway, shared: HttpShared) -> None:
        self.gateway = gateway
        self.shared = shared

    def buildProtocol(self, address: IAddress | None) -> HttpServer:
        return HttpServer(self.gateway, self.shared, getattr(address, "host", "local"))

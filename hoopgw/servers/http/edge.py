"""One session of an HTTP client: its relay, its pump, and the connections between which they stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from zope.interface import implementer

from hoopgw.auth.access import Access
from hoopgw.model.answer import Denial
from hoopgw.model.events import Code
from hoopgw.model.http import HttpRequest
from hoopgw.model.settings import LimitSettings
from hoopgw.model.target import Target, TlsMode
from hoopgw.relay.http import HttpRelay
from hoopgw.relay.http_scope import Route, no_identity
from hoopgw.relay.http_words import TIMED_OUT
from hoopgw.servers.conduit import sink_of
from hoopgw.servers.gateway import Gateway
from hoopgw.servers.http.bearer import kept_bearer
from hoopgw.servers.http.identity import IdentityLines, Introduced, SharedLine
from hoopgw.servers.http.links import Links
from hoopgw.servers.http.own import OwnPages
from hoopgw.servers.http.patience import Late, Patience, Terms
from hoopgw.servers.http.scoping import Calls, HttpLogin, scope_of
from hoopgw.servers.http.upstream import Upstream
from hoopgw.servers.http_streams import StreamTransport
from hoopgw.servers.pump import Pump
from hoopgw.session.interfaces import IEdge

LINGER = 1.0  # seconds in which a client that still sends can read why its WebSocket ends
REST = 5.0  # seconds in which a connection that nothing is asked on, as most are, is not looked at again
_log = Logger("hoopgw.servers.http.edge")


class HttpShared:
    """What of HTTP all connections share.  `connections` are looked at from time to time (`check`)."""

    def __init__(
        self,
        links: Links,
        identities: IdentityLines,
        pages: OwnPages,
        context: Any,
    ) -> None:
        self.links = links
        self.identities = identities
        self.pages = pages
        self.context = context  # of TLS towards clients; a reload replaces it
        self.connections: set[Any] = set()

    def check(self, now: float) -> None:
        """One that fails ends alone: the others are looked at as ever."""
        for connection in tuple(self.connections):
            try:
                connection.check(now)
            except Exception:
                _log.failure("a look at an HTTP connection failed")
                connection.transport.abortConnection()

    def goodbye(self) -> None:
        """The gateway stops: who can be told so asks nothing new."""
        for connection in tuple(self.connections):
            connection.goodbye()


class ClientLeg:
    """The client's connection, as long as the session has it: it may go on with another one."""

    def __init__(self, transport: Any, over: Callable[[], bool], lose: Callable[[], None] | None = None) -> None:
        """`over` is asked when the session ends: True where the connection is not its any more; else `lose` ends it."""
        self._transport = transport
        self._over = over
        self._lose = lose or transport.loseConnection
        self._left = False
        self.write = transport.write
        self.sink = sink_of(transport)
        self.registerProducer = transport.registerProducer
        self.unregisterProducer = transport.unregisterProducer
        self.pauseProducing = transport.pauseProducing
        self.resumeProducing = transport.resumeProducing
        self.untaken = transport.untaken

    @property
    def disconnected(self) -> bool:
        return self._left or bool(self._transport.disconnected)

    def loseConnection(self) -> None:
        self._left = self._left or self._over()
        if not self._left:
            self._lose()

    def abortConnection(self) -> None:
        if not self._left:
            self._transport.abortConnection()


@implementer(IEdge)
class HttpEdge:
    """`refuse` is called where the session is ended before it is open, `go_on` with what a client sends for another."""

    def __init__(
        self,
        gateway: Gateway,
        shared: HttpShared,
        transport: Any,
        refuse: Callable[[Code, str], None],
        go_on: Callable[[bytes], None],
    ) -> None:
        self._gateway = gateway
        self._shared = shared
        self._transport = transport
        self._refuse = refuse
        self._go_on = go_on
        self._relay: HttpRelay | None = None
        self._upstream: Upstream | None = None
        self._access: Access | None = None
        self.pump: Pump | None = None
        self.session: Any = None
        self._patience: Patience | None = None
        self._moved = -1  # bytes at the last look
        self._next = 0.0  # and when there has to be another, though there are no others

    def open(self, access: Access, route: Route, prefix: bytes, client: str) -> Pump:
        """The session may begin.  Raises SecretUnavailable, SpoolFull or RecordingFailed."""
        gateway, session = self._gateway, self.session
        identity = self._identity(access)
        bearer = kept_bearer(gateway.secrets, access.role)
        calls = Calls(
            gateway.secrets.get,
            identity,
            self._needs,
            self._messages,
            gateway.token_bytes,
            gateway.reactor.seconds,
        )
        public, encrypted = gateway.settings.listen.https_url, bool(self._transport.encrypted)
        login = HttpLogin(access, route, prefix, client, session.id, session.policy, encrypted, public)
        relay = self._relay = HttpRelay(scope_of(login, calls, bearer, session.judge.masks))
        renew = _nothing if bearer is None else bearer.renew
        upstream = self._upstream = Upstream(self._shared.links, access, relay, renew)
        leg = ClientLeg(self._transport, self._over, self._lose)
        scheme = "http" if access.target.tls is TlsMode.DISABLE else "https"
        session.opened({"target": str(access.target.addresses[0]), "scheme": scheme})
        self._access = access
        self._patience = Patience(_terms(gateway.settings.limits, access.target), gateway.reactor.seconds())
        pump = self.pump = upstream.pump = Pump(
            Introduced(session, identity) if isinstance(identity, SharedLine) else session,
            relay,
            leg,
            upstream,
            lambda: succeed(None),
            lambda _: gateway.registry.remove(session),
            gateway.reactor,
            gateway.endings,
        )
        return pump

    def _identity(self, access: Access) -> Callable[[], bytes]:
        return self._shared.identities.of(access, self.session.id) if access.target.tells_identity else no_identity

    def _needs(self, request: HttpRequest) -> int:
        """How many bytes of a body the rules that are in force now want."""
        return int(self.session.judge.needs(request))

    def _messages(self, request: HttpRequest) -> int:
        """The same of each message of a WebSocket."""
        return int(self.session.judge.messages(request))

    def _over(self) -> bool:
        """The relay's session ended; is there more on the connection, for another login or target?"""
        rest = self._relay.rest if self._relay is not None else None
        if rest is None or self._transport.disconnected:
            return False
        self._gateway.reactor.callLater(0, self._go_on, rest)  # when this session has been taken down
        return True

    def _lose(self) -> None:
        """A WebSocket that its client did not end: what that still sends is read and dropped for a while.  Left unread,
        it would reset the connection, and take the Close from a client that reads behind what it writes.  Of an answer
        that is cut, and whose end is the connection's, only a reset says so."""
        relay, transport = self._relay, self._transport
        if relay is not None and relay.unfinished:
            transport.abortConnection()
        elif relay is None or not relay.owed or isinstance(transport, StreamTransport):
            transport.loseConnection()
        else:
            self._gateway.reactor.callLater(LINGER, transport.loseConnection)

    @property
    def until_close(self) -> bool:
        """What the client sends has no end but the connection's."""
        return self._relay is not None and self._relay.switched

    def check(self, now: float) -> None:
        """Nothing is waited for without end; a hold has a clock of its own."""
        relay, pump, patience = self._relay, self.pump, self._patience
        if relay is None or pump is None or patience is None or pump.ended:
            return
        if relay.asking:
            patience.waiting(now)
            return
        moved = relay.moved
        if moved == self._moved and now < self._next and relay.idle:
            return
        self._moved, self._next = moved, now + REST
        untaken = self._transport.untaken()
        late = patience.look(relay, now, pump.holds_client_back, untaken, pump.holds_target_back)
        if late is Late.SILENT:
            self._silent(pump)
        elif late in (Late.HEAD, Late.BODY, Late.SLOW):
            pump.go_on(relay.too_slow(late.value))
        elif late is not None:
            pump.end(Code.SESSION_CLOSED, late.value, None)

    def _silent(self, pump: Pump) -> None:
        access, upstream = self._access, self._upstream
        assert access is not None and upstream is not None
        upstream.silent()
        pump.target_gone(f"{TIMED_OUT}: silent for {access.target.answer_seconds:g} s")

    # ---- IEdge

    def holding(self, lane: int, notice: Denial) -> None:
        if self.pump is not None:
            self.pump.holding(lane, notice)

    def end(self, code: Code, reason: str, denial: Denial | None) -> None:
        if self.pump is not None:
            self.pump.end(code, reason, denial)
        else:
            self._refuse(code, reason)

    def transaction_ran(self) -> bool:
        """The target works on a request: whoever ends the session now takes the answer from its client."""
        return self._relay is not None and self._relay.busy

    def rows_passed(self) -> int:
        return 0


def _terms(limits: LimitSettings, target: Target) -> Terms:
    return Terms(
        limits.request_head, limits.request_body, limits.request_rate, target.answer_seconds, target.answer_longest
    )


def _nothing() -> Deferred[None]:
    """The credential is what it is."""
    return succeed(None)

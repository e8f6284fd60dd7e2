"""A whole HTTP edge without sockets: server, session, relay and pump; client and targets are strings; one clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import TimeoutError
from twisted.internet.task import Clock, LoopingCall
from twisted.internet.testing import StringTransport

from hoopgw.auth.access import Access
from hoopgw.auth.identity_tokens import IdentityTokens
from hoopgw.auth.penalties import Penalties
from hoopgw.model.events import Code
from hoopgw.model.secret import Secret
from hoopgw.model.settings import LimitSettings, Settings, TlsSettings
from hoopgw.policy.policyset import Selection
from hoopgw.relay.http_masks import HttpMaskBuilder
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.servers.conduit import Through
from hoopgw.servers.endings import Endings
from hoopgw.servers.http import links
from hoopgw.servers.http.edge import HttpShared
from hoopgw.servers.http.identity import IdentityLines
from hoopgw.servers.http.links import Link, Links
from hoopgw.servers.http.server import HttpServer
from hoopgw.servers.reach import Place
from hoopgw.servers.tls_layer import TlsLayer
from hoopgw.service import HTTP_CHECK
from hoopgw.session.holds import Holds
from hoopgw.session.httpjudge import HttpJudge
from hoopgw.session.session import Session
from tests.servers.http.test_identity import KEY
from tests.session.fakes import POLICY, Emitted, ListJournal, row
from tests.session.memory_store import MemoryStore
from tests.session.test_httpjudge import ACCESS

HEAD = b"GET /shop/ HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer abc\r\n"
GET = HEAD + b"\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LIMITS = LimitSettings(login_seconds=20.0, request_head=30.0, request_body=60.0, request_rate=500)


class Wire(StringTransport):
    """A socket that takes what it is given, unless it is `full`.  TLS is real, and its other side says nothing."""

    connected = True
    full = False
    _tls: TlsLayer | None = None

    def setTcpNoDelay(self, enabled: bool) -> None:
        """As a socket has it."""

    setTcpKeepAlive = setTcpNoDelay

    @property
    def encrypted(self) -> bool:
        return self._tls is not None

    def start_tls(
        self, context: Any, *told: Any, pending: bytes = b"", hostname: str | None = None, **side: bool
    ) -> None:
        wire: Any = self
        self._tls = TlsLayer(
            wire, Through(self.write_raw), context, *told, server_side=side["server_side"], hostname=hostname
        )
        self._tls.received(pending)

    def write(self, data: bytes) -> None:
        if self._tls is not None:
            self._tls.write(data)
        else:
            self.write_raw(data)

    def write_raw(self, data: bytes) -> None:
        super().write(data)
        if self.full and self.producer is not None:
            self.producer.pauseProducing()

    def unregisterProducer(self) -> None:
        self.producer = None

    def took(self, size: int) -> None:
        """The peer has read so many bytes."""
        left = self.value()[size:]
        self.clear()
        self.write_raw(left)

    def untaken(self) -> int:
        return len(self.value()) if self.full else 0

    @property
    def over(self) -> bool:
        return self.disconnecting or self.disconnected


class Targets(Links):
    """Targets as strings; those of TLS are silent in the handshake, for which their connection is made as ever."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, lambda reference: Secret(b"hush"))
        self.wires: list[Any] = []

    def connect(self, reactor: Any, departures: Any, link: Link, place: Place, seconds: float) -> Deferred[None]:
        """In place of `servers.reach.connected`."""
        wire: Any = Wire()
        wire.protocol = link
        self.wires.append(wire)
        link.makeConnection(wire)
        return succeed(None)

    def lost(self, *words: Any) -> Deferred[None]:
        """The same of a host that does not answer, as Twisted tells it."""
        return fail(TimeoutError("it took too long"))


class Edge:
    """One client's connection.  `send` is what it says, `said` what it was told since the last look."""

    def __init__(self, patch: Callable[[Any, str, Any], Any], required: bool = False, **target: Any) -> None:
        """`patch` is a test case's; `required`: the client speaks TLS."""
        self.clock, self.events, self.journal = Clock(), Emitted(), ListJournal()
        self.access = replace(ACCESS, target=replace(ACCESS.target, **{"tells_identity": False, **target}))
        self.store = MemoryStore(self.clock)
        self.holds = Holds(self.store, self.events, self.clock, Secret(b"k"), bytes)
        self.holds.start(POLICY)
        self.targets = Targets(self.clock)
        patch(links, "connected", self.targets.connect)
        self.login: Deferred[Any] | None = None  # where a login takes its time
        self.removed: list[Any] = []
        tokens: Any = IdentityTokens("gw", KEY)
        nobody: Any = None
        lines = IdentityLines(tokens, self.clock, self.events, nobody)
        self.shared = HttpShared(self.targets, lines, nobody, SSLContext(PROTOCOL_TLS_SERVER) if required else None)
        self.gateway: Any = SimpleNamespace(
            reactor=self.clock,
            settings=Settings(limits=LIMITS, tls=TlsSettings(required=required)),
            portal=SimpleNamespace(login=self._login),
            penalties=Penalties(self.clock),
            events=self.events,
            registry=SimpleNamespace(remove=self.removed.append),
            endings=Endings(self.clock),
            open_session=self._session,
            room=lambda: succeed(None),
            secrets=SimpleNamespace(keeps=lambda reference: False, get=lambda reference: Secret(b"hush")),
            token_bytes=bytes,
        )
        self.wire = Wire()
        self.server = HttpServer(self.gateway, self.shared, "192.0.2.1")
        self.server.makeConnection(self.wire)
        looking = LoopingCall(lambda: self.shared.check(self.clock.seconds()))
        looking.clock = self.clock
        looking.start(HTTP_CHECK, now=False)

    def _login(self, *words: Any) -> Deferred[Any]:
        return self.login or succeed((None, self.access, None))

    def _session(self, access: Access, edge: Any, client: str, opening: dict[str, Any]) -> Session:
        builder = HttpMaskBuilder(MaskBuilder(b"k"))
        return Session(
            row=row(),
            access=access,
            judge=HttpJudge(Selection((), (), ""), access, builder),
            journal=self.journal,
            holds=self.holds,
            spending=None,
            events=self.events,
            edge=edge,
            clock=self.clock,
            policy=POLICY,
        )

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.server.dataReceived(piece)

    def said(self) -> bytes:
        found = self.wire.value()
        self.wire.clear()
        return found

    def problem(self) -> tuple[int, dict[str, Any]]:
        """Status and object of the one answer."""
        head, _, body = self.said().partition(b"\r\n\r\n")
        assert b"application/problem+json" in head, head
        return int(head.split(b" ")[1]), json.loads(body)

    def target(self) -> Any:
        """The protocol's side of the connection that was opened last: what a target says goes there."""
        return self.targets.wires[-1].protocol

    def turns(self, seconds: float) -> None:
        """So much time passes."""
        for _ in range(int(seconds)):
            self.clock.advance(1)

    def drops(self, piece: bytes, every: float, seconds: float) -> None:
        """`piece` again and again, until it is over."""
        for _ in range(int(seconds / every)):
            self.clock.advance(every)
            if self.wire.over:
                return
            self.send(piece)

    def told(self) -> list[tuple[str, str]]:
        """Events of what went wrong or ended, with their reasons; that a session was opened is none of them."""
        usual = (Code.LOGIN_ACCEPTED, Code.SESSION_OPENED)
        return [(code.value, str(fields.get("reason", ""))) for code, fields in self.events.events if code not in usual]

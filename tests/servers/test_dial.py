"""The gateway's own way to targets of several servers, with real ones."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import psycopg
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from hoopgw.cli.demo.place import free_port
from hoopgw.model.errors import TargetUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.target import Address, Role, SecretReference, Target, TlsMode
from hoopgw.relay.postgres_target_effects import Ready
from hoopgw.servers import dial
from hoopgw.servers.departures import Departures
from hoopgw.wire import pglogin, pgmessages
from tests.pgcluster import running

PASSWORD = Secret("h\u00e9slo a".encode())
SETTINGS = {"client_encoding": "UTF8"}


class Saying(Protocol):
    """A server that answers StartupMessage with one thing, and closes unless it is to stay silent."""

    says = b""

    def dataReceived(self, data: bytes) -> None:
        self.factory.asked += 1  # type: ignore[union-attr]
        if self.says:
            self.transport.write(self.says)  # type: ignore[union-attr]
            self.says = b""
        if self.factory.closes:  # type: ignore[union-attr]
            self.transport.loseConnection()  # type: ignore[union-attr]


class Dialling(TestCase):
    timeout = 180

    def setUp(self) -> None:
        self.primary, self.standby = running(), running(standby=True)
        self.departures = Departures(reactor)
        self.departures.start()
        self.addCleanup(self.departures.stop)
        self.dialer = dial.Dialer(reactor, self.departures)

    def target(self, *ports: int, **how: Any) -> Target:
        given = {"tls": TlsMode.DISABLE} | how
        return Target("pay", "postgresql", tuple(Address("127.0.0.1", port) for port in ports), roles={}, **given)

    @inlineCallbacks
    def dial(
        self, target: Target, user: str = "bound", **how: Any
    ) -> Generator[Deferred[Any], Any, tuple[dial.TargetConnection, Ready]]:
        password = how.pop("password", PASSWORD)
        wanted = dial.Wanted(target, user, password, "postgres", SETTINGS, "", **how)
        connection, ready = yield self.dialer.dial(wanted)
        gone: Deferred[None] = Deferred()
        connection.lost = lambda reason: gone.callback(None)

        def close() -> Deferred[None]:
            connection.leave()
            return gone

        self.addCleanup(close)
        return connection, ready

    def saying(self, words: bytes) -> Any:
        factory: Any = Factory.forProtocol(type("Said", (Saying,), {"says": words}))
        factory.asked, factory.closes = 0, True
        listening = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(listening.stopListening)
        factory.port = listening.getHost().port
        return factory

    def nobody(self) -> int:
        return free_port()

    @inlineCallbacks
    def test_attributes(self) -> Generator[Deferred[Any], Any, None]:
        """The first server of the wanted kind is taken, in whatever order they stand; where there is none, that is
        said."""
        primary, standby = self.primary.port, self.standby.port
        for attrs, ports, taken in (
            ("any", (standby, primary), standby),
            ("read-write", (standby, primary), primary),
            ("primary", (standby, primary), primary),
            ("standby", (primary, standby), standby),
            ("read-only", (primary, standby), standby),
            ("prefer-standby", (primary, standby), standby),
            ("prefer-standby", (primary, self.nobody()), primary),
        ):
            connection, _ = yield self.dial(self.target(*ports, session_attrs=attrs))
            self.assertEqual(connection.place.address.port, taken, (attrs, ports))
        for attrs, port in (("standby", primary), ("read-write", standby), ("primary", standby)):
            error = yield self.assertFailure(self.dial(self.target(port, session_attrs=attrs)), TargetUnavailable)
            self.assertIn(attrs, str(error))

    @inlineCallbacks
    def test_who_is_passed_over(self) -> Generator[Deferred[Any], Any, None]:
        """One that cannot be reached, closes, or does not take connections now (57P03) is passed over."""
        starting = self.saying(pglogin.message(b"E", b"SFATAL\0C57P03\0Mstarting up\0\0"))
        closing = self.saying(b"")
        ports = self.nobody(), starting.port, closing.port, self.primary.port
        connection, _ = yield self.dial(self.target(*ports))
        self.assertEqual(connection.place.address.port, self.primary.port)
        self.assertEqual((starting.asked, closing.asked), (1, 1))

    @inlineCallbacks
    def test_silent_in_its_login(self) -> Generator[Deferred[Any], Any, None]:
        """must-survive 33: one that takes the connection and says nothing, or goes silent halfway, is passed over
        after the time that a login may take."""
        sasl = pglogin.message(b"R", (10).to_bytes(4, "big") + b"SCRAM-SHA-256\0\0")
        for said in (b"", sasl, sasl[:3]):
            silent = self.saying(said)
            silent.closes = False
            self.patch(dial, "LOGIN_SECONDS", 0.3)
            dialling = self.dial(self.target(silent.port, self.primary.port))
            while not silent.asked:
                yield _soon(0.01)
            self.patch(dial, "LOGIN_SECONDS", 60.0)  # its time runs: the next one has as much as it needs
            connection, _ = yield dialling
            self.assertEqual(connection.place.address.port, self.primary.port)
            self.patch(dial, "LOGIN_SECONDS", 0.3)
            error = yield self.assertFailure(self.dial(self.target(silent.port)), dial.TargetRefused)
            self.assertIn("in time", str(error))

    def test_patience(self) -> None:
        """must-survive 33: several silent servers leave time for the one behind them: within the 30 s of a login."""
        self.assertEqual(list(dial.patience(self.target(1))), [15.0])
        self.assertEqual(list(dial.patience(self.target(1, 2))), [7.5, 15.0])
        self.assertEqual(list(dial.patience(self.target(1, 2, 3))), [5.0, 5.0, 15.0])
        self.assertEqual(list(dial.patience(self.target(1, 2, session_attrs="prefer-standby"))), [5.0, 5.0, 5.0, 15.0])
        self.assertEqual(list(dial.patience(self.target(1, 2, 3, connect_seconds=1.0))), [5.0, 5.0, 15.0])

    @inlineCallbacks
    def test_who_refuses_is_not_passed_over(self) -> Generator[Deferred[Any], Any, None]:
        """A wrong password is not tried on the next server."""
        second = self.saying(b"")
        target = self.target(self.primary.port, second.port)
        failing = self.dial(target, password=Secret(b"wrong"))
        error = yield self.assertFailure(failing, dial.TargetRefused)
        self.assertEqual((error.sqlstate, second.asked), ("28P01", 0))

    @inlineCallbacks
    def test_unverified_is_not_passed_over(self) -> Generator[Deferred[Any], Any, None]:
        """must-survive 73: who cannot show the right certificate ends the attempt, on each connection anew."""
        path = self.mktemp()
        with open(path, "w") as file:
            file.write(self.standby.authority.certificate)
        target = self.target(self.primary.port, self.standby.port, tls=TlsMode.VERIFY_FULL, ca=path)
        for _ in range(2):
            error = yield self.assertFailure(self.dial(target), dial.TargetRefused)
            self.assertIn("certificate", str(error))

    @inlineCallbacks
    def test_certificate(self) -> Generator[Deferred[Any], Any, None]:
        """A role's certificate and key are shown over TLS; the key comes from where secrets are."""
        ca, shown = self.mktemp(), self.mktemp()
        certificate, key = self.primary.authority.issue(("certified",), client=True)
        for path, text in ((ca, self.primary.authority.certificate), (shown, certificate)):
            with open(path, "w") as file:
                file.write(text)
        target = self.target(self.primary.port, tls=TlsMode.VERIFY_FULL, ca=ca)
        role = Role("r", "certified", key=SecretReference("file", "k"), certificate=shown)
        wanted = dial.wanted_as(target, role, "postgres", SETTINGS, "", lambda reference: Secret(key.encode()))
        connection, _ = yield self.dial(
            target, "certified", password=None, certificate=wanted.certificate, key=wanted.key
        )
        self.assertEqual(connection.tls["version"], "TLSv1.3")
        error = yield self.assertFailure(self.dial(target, "certified", password=None), dial.TargetRefused)
        self.assertEqual(error.sqlstate, "28000")

    @inlineCallbacks
    def test_load_balance(self) -> Generator[Deferred[Any], Any, None]:
        """Connections spread over the servers (both are seen in 20: not so in one of 500 000 runs)."""
        seen = set()
        for _ in range(20):
            connection, _ = yield self.dial(self.target(self.primary.port, self.standby.port, load_balance=True))
            seen.add(connection.place.address.port)
        self.assertEqual(seen, {self.primary.port, self.standby.port})

    @inlineCallbacks
    def test_cancel_goes_to_the_same_server(self) -> Generator[Deferred[Any], Any, None]:
        """must-survive 12: a cancel reaches the server that runs the statement, not the first of the target."""
        target = self.target(self.standby.port, self.primary.port, session_attrs="primary")
        connection, ready = yield self.dial(target)
        got: list[bytes] = []
        answered: Deferred[None] = Deferred()

        def receive(data: bytes) -> None:
            got.append(data)
            if b"57014" in data and not answered.called:
                answered.callback(None)

        connection.hand_over(receive)
        connection.transport.write(pgmessages.query(b"select pg_sleep(50)"))
        yield self.running()
        yield self.dialer.cancel(target, connection.place, ready.process, ready.key)
        yield answered
        self.assertIn(b"57014", b"".join(got))

    @inlineCallbacks
    def test_said_before_it_is_taken(self) -> Generator[Deferred[Any], Any, None]:
        """What the target says between its login and the hand-over is not lost: it is read afterwards, and first."""
        for how in (TlsMode.DISABLE, TlsMode.REQUIRE):
            connection, _ = yield self.dial(self.target(self.primary.port, tls=how))
            connection.transport.write(pgmessages.query(b"select 'early'"))
            yield _soon(0.3)
            got: list[bytes] = []
            connection.hand_over(got.append)
            while b"Z\0\0\0\5I" not in b"".join(got):
                yield _soon(0.01)
            self.assertEqual(b"".join(got)[:1], b"T")
            self.assertIn(b"early", b"".join(got))

    @inlineCallbacks
    def test_killed_before_it_is_taken(self) -> Generator[Deferred[Any], Any, None]:
        """A target that goes between its login and the hand-over says so to who asks: a session on it would hang."""
        connection, ready = yield self.dial(self.target(self.primary.port))
        self.assertEqual(connection.gone, "")
        self.primary.execute(f"select pg_terminate_backend({ready.process})")
        while not connection.gone:
            yield _soon(0.01)

    @inlineCallbacks
    def running(self) -> Generator[Deferred[Any], Any, None]:
        """Fires when the statement runs."""
        where = f"host=127.0.0.1 port={self.primary.port} user=postgres dbname=postgres sslmode=require"
        asked = "select count(*) from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'"
        with psycopg.connect(where, autocommit=True) as link:
            while link.execute(asked).fetchone() != (1,):
                yield _soon(0.05)


def _soon(seconds: float) -> Deferred[None]:
    done: Deferred[None] = Deferred()
    call: Callable[..., Any] = reactor.callLater  # type: ignore[attr-defined]
    call(seconds, done.callback, None)
    return done

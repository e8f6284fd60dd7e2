"""Both logins against real PostgreSQL and real drivers, over sockets and TLS."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.secret import Secret
from hoopgw.relay import postgres_client_effects as client_side
from hoopgw.relay import postgres_target_login as target_side
from hoopgw.relay.postgres_client_login import ClientLogin
from hoopgw.relay.postgres_client_words import welcome
from hoopgw.wire.channel_binding import tls_server_end_point
from hoopgw.wire.scram import NONCE_BYTES, salted_password
from tests.pgcluster import TIMEOUT, Cluster, running

READY = target_side.Ready
PASSWORD = Secret("h\u00e9slo a".encode())  # SASLprep makes it the same as the role's


class Target:
    """Carries out a TargetLogin's effects on a blocking socket."""

    def __init__(self, cluster: Cluster, login: target_side.TargetLogin, certificate: str = "") -> None:
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", cluster.port), TIMEOUT)
        self.login = login
        self.context = ssl.create_default_context(cadata=cluster.authority.certificate)
        if certificate:
            self.context.load_cert_chain(certificate)

    def run(self) -> target_side.Ready | target_side.Failed:
        effects = self.login.start()
        while True:
            for effect in effects:
                if isinstance(effect, target_side.Ready | target_side.Failed):
                    return effect
                effects = self._do(effect)
            if not effects:
                data = self.socket.recv(65536)
                effects = self.login.from_target(data) if data else self.login.target_closed()

    def _do(self, effect: target_side.TargetEffect) -> list[target_side.TargetEffect]:
        if isinstance(effect, target_side.Send):
            self.socket.sendall(effect.data)
        elif isinstance(effect, target_side.StartTls):
            secured = self.context.wrap_socket(self.socket, server_hostname="127.0.0.1")
            self.socket = secured
            return self.login.tls_started(tls_server_end_point(secured.getpeercert(True) or b""))
        elif isinstance(effect, target_side.DeriveKey):
            return self.login.derived(salted_password(effect.password, effect.salt, effect.iterations))
        return []


class Live(SynchronousTestCase):
    def setUp(self) -> None:
        self.cluster = running()
        for name in [name for name in os.environ if name.startswith("PG")]:  # a driver would take them
            self.addCleanup(os.environ.__setitem__, name, os.environ.pop(name))

    def login(
        self,
        user: str,
        password: Secret | None,
        *,
        tls: bool = True,
        database: str = "postgres",
        certificate: str = "",
        **how: Any,
    ) -> tuple[Target, target_side.Ready | target_side.Failed]:
        settings = {"client_encoding": "UTF8", "timezone": "Asia/Tokyo"}
        random = os.urandom(NONCE_BYTES)
        name = target_side.application_name("s_1", "alice", "psql")
        login = target_side.TargetLogin(user, database, password, settings, name, tls=tls, random=random, **how)
        target = Target(self.cluster, login, certificate)
        try:
            return target, target.run()
        finally:
            self.addCleanup(target.socket.close)

    # ---- the target's login

    def test_scram_plus(self) -> None:
        """PostgreSQL accepts our channel binding and a password that needs SASLprep, and reports what we set."""
        _, ready = self.login("bound", PASSWORD)
        assert isinstance(ready, target_side.Ready)
        self.assertEqual(len(ready.key), 4)
        self.assertEqual(ready.parameters["TimeZone"], "Asia/Tokyo")
        self.assertEqual(ready.parameters["application_name"], "hoopgw:s_1 alice psql")

    def test_scram_without_tls(self) -> None:
        """SCRAM-SHA-256 in the clear (loopback), where the configuration says so."""
        _, ready = self.login("bound", PASSWORD, tls=False)
        self.assertIsInstance(ready, target_side.Ready)

    def test_wrong_password(self) -> None:
        """must-survive 71: a wrong credential is told by SQLSTATE; neither role nor password reaches the client."""
        _, failed = self.login("bound", Secret(b"wrong-one"))
        assert isinstance(failed, target_side.Failed)
        self.assertEqual(failed.sqlstate, "28P01")
        self.assertNotIn("bound", failed.message)
        self.assertNotIn("wrong-one", failed.message + failed.detail)

    def test_trust(self) -> None:
        """A role without password is let in by trust; a configured password that is not asked for is refused."""
        self.assertIsInstance(self.login("trusted", None)[1], target_side.Ready)
        self.assertIsInstance(self.login("trusted", PASSWORD)[1], target_side.Failed)

    def test_old_methods(self) -> None:
        """md5 and password in pg_hba.conf are refused by name, unless the operator allows them; clear text goes to a
        verified target only."""
        for user, named, method in (("old", "MD5", "md5"), ("clear", "clear text", "password")):
            password = Secret(b"old" if user == "old" else b"plain")
            failed = self.login(user, password)[1]
            assert isinstance(failed, target_side.Failed)
            self.assertIn(named, failed.message)
            allowed = frozenset((method,))
            self.assertIsInstance(self.login(user, password, methods=allowed, verified=True)[1], target_side.Ready)
            wrong = self.login(user, Secret(b"wrong"), methods=allowed, verified=True)[1]
            assert isinstance(wrong, target_side.Failed)
            self.assertEqual(wrong.sqlstate, "28P01")
        self.assertIsInstance(self.login("old", Secret(b"old"), tls=False, methods=frozenset(("md5",)))[1], READY)
        for tls, verified in ((True, False), (False, True), (False, False)):
            clear = self.login("clear", Secret(b"plain"), tls=tls, verified=verified, methods=frozenset(("password",)))
            self.assertIsInstance(clear[1], target_side.Failed)

    def test_certificate(self) -> None:
        """A role without password proves itself by a client certificate; without one it is refused."""
        certificate, key = self.cluster.authority.issue(("certified",), client=True)
        path = Path(self.mktemp())
        path.write_text(certificate + key)
        self.assertIsInstance(self.login("certified", None, certificate=str(path))[1], target_side.Ready)
        self.assertIsInstance(self.login("certified", None)[1], target_side.Failed)

    def test_standing(self) -> None:
        """A server says whether it is a standby, and whether its sessions only read."""
        for user, password, read_only in (("bound", PASSWORD, False), ("reading", Secret(b"plain"), True)):
            _, ready = self.login(user, password, asks=True)
            assert isinstance(ready, target_side.Ready) and ready.standing is not None
            self.assertEqual((ready.standing.standby, ready.standing.read_only), (False, read_only))

    def test_no_such_database(self) -> None:
        """A missing database keeps its SQLSTATE."""
        failed = self.login("bound", PASSWORD, database="nope")[1]
        assert isinstance(failed, target_side.Failed)
        self.assertEqual(failed.sqlstate, "3D000")

    # ---- a driver through both

    def through(self, connect: Callable[[str], object], *, tls: bool = True) -> list[client_side.LoginEffect]:
        """Let a driver log in at ClientLogin, then join it with the target.  Gives the Login or Refuse."""
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(TIMEOUT)
        self.addCleanup(listener.close)
        self.seen = seen = list[client_side.LoginEffect]()
        serving = threading.Thread(target=self._serve, args=(listener, seen, tls), daemon=True)
        serving.start()
        try:
            connect(f"host=127.0.0.1 port={listener.getsockname()[1]} connect_timeout=60")
        finally:
            serving.join(TIMEOUT)
        return seen

    def _serve(self, listener: socket.socket, seen: list[client_side.LoginEffect], tls: bool) -> None:
        sock: socket.socket = listener.accept()[0]
        sock.settimeout(TIMEOUT)
        login = ClientLogin(tls_offered=tls, tls_required=tls)
        while data := sock.recv(65536):
            for effect in login.from_client(data):
                if isinstance(effect, client_side.Reply):
                    sock.sendall(effect.data)
                elif isinstance(effect, client_side.StartTls):
                    sock = self._context().wrap_socket(sock, server_side=True)
                    login.tls_started()
                else:
                    seen.append(effect)
            if seen:
                break
        if seen:
            self._after(sock, seen[0])
        sock.close()

    def _after(self, sock: socket.socket, outcome: client_side.LoginEffect) -> None:
        if isinstance(outcome, client_side.Refuse):
            sock.sendall(outcome.data)
            return
        target, ready = self.login("bound", PASSWORD)
        assert isinstance(ready, target_side.Ready)
        sock.sendall(welcome(ready.parameters, 4242, b"keys"))
        while (query := sock.recv(65536)) and not query.startswith(b"X"):  # a driver that waits for each answer
            target.socket.sendall(query)
            answer = b""
            while not answer.endswith(b"Z\0\0\0\x05I"):
                answer += target.socket.recv(65536)
            sock.sendall(answer)

    def _context(self) -> ssl.SSLContext:
        certificate, key = self.cluster.authority.issue()
        pem = self.mktemp()
        Path(pem).write_text(certificate + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

    def _trusting(self) -> str:
        path = Path(self.mktemp()).absolute()
        path.write_text(self.cluster.authority.certificate)
        return f" sslmode=verify-full sslrootcert={path} password=tok.en.x"

    def test_driver(self) -> None:
        """A libpq driver with sslmode=verify-full logs in and asks; the cancel key it gets is the gateway's."""
        found: list[object] = []

        def connect(where: str) -> None:
            said = " user=reader dbname=pay application_name=test options='-c statement_timeout=7s'"
            with psycopg.connect(where + said + self._trusting(), autocommit=True) as link:
                found.append(link.info.backend_pid)
                found.extend(link.execute("select current_user::text, 1 + 1").fetchone() or ())

        (login,) = self.through(connect)
        assert isinstance(login, client_side.Login)
        self.assertEqual((login.role, login.target, login.application_name), ("reader", "pay", "test"))
        self.assertEqual(login.settings["statement_timeout"], "7s")
        self.assertEqual(login.token, Secret(b"tok.en.x"))
        self.assertEqual(found, [4242, "bound", 2])

    def refused(self, said: str, *, tls: bool = True) -> str:
        with self.assertRaises(psycopg.OperationalError) as caught:
            self.through(lambda where: psycopg.connect(where + said), tls=tls)
        return str(caught.exception)

    def test_driver_without_tls(self) -> None:
        """must-survive 10: a driver that does not want TLS is told what to do, and never sends its token."""
        words = self.refused(" user=reader dbname=pay sslmode=disable password=tok.en.x")
        self.assertIn("sslmode=verify-full", words)

    def test_driver_that_requires_channel_binding(self) -> None:
        """must-survive 10: a driver that requires channel binding gives up; it does not send its token instead."""
        said = " user=reader dbname=pay channel_binding=require" + self._trusting()
        with self.assertRaises(psycopg.OperationalError) as caught:
            self.through(lambda where: psycopg.connect(where + said))
        self.assertEqual(self.seen, [])
        self.assertIn("channel binding", str(caught.exception))

    def test_driver_that_sets_what_it_must_not(self) -> None:
        """must-survive 9: a driver that loads a library at login sees which parameter it was."""
        words = self.refused(" user=reader dbname=pay options='-c local_preload_libraries=evil'" + self._trusting())
        self.assertIn("local_preload_libraries", words)

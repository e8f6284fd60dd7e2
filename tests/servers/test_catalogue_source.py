"""Readings of a catalogue by a real server: over one connection while it serves, never longer than that."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import psycopg
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.task import Clock, deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from hoopgw.model.errors import TargetUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.target import Address, Role, SecretReference, Target, TlsMode
from hoopgw.policy.catalogue_queries import QUERIES, catalogue
from hoopgw.servers.catalogue_source import FULL, IDLE, LIFETIME, POOLED, SHARED, WAITS, CatalogueSource
from hoopgw.servers.departures import Departures
from hoopgw.servers.dial import Dialer
from tests.pgcluster import running

BACKEND = ("SELECT pg_catalog.pg_backend_pid()",)
PASSWORD = Secret("h\u00e9slo a".encode())
READER = Role("reader", "bound", SecretReference("env", "PASSWORD"))


class Kept(TestCase):
    timeout = 180

    def setUp(self) -> None:
        self.primary = running()
        departures = Departures(reactor)
        self.addCleanup(departures.stop)
        self.clock = Clock()
        self.password = PASSWORD
        self.source = CatalogueSource(Dialer(reactor, departures), lambda _: self.password, self.clock)
        self.addCleanup(self.source.forget)

    def at(self, **labels: str) -> Target:
        address = Address("127.0.0.1", self.primary.port)
        return Target("pay", "postgresql", (address,), roles={}, tls=TlsMode.DISABLE, labels=labels)

    @inlineCallbacks
    def backend(self, target: Target | None = None) -> Generator[Deferred[Any], Any, int]:
        results = yield self.source.run(target or self.at(), READER, "postgres", BACKEND)
        return int(results[0][0][0])

    @inlineCallbacks
    def test_pooler(self) -> Generator[Deferred[Any], Any, None]:
        """A server whose process is not the one that the login named stands behind a pooler: it is said once."""
        told: list[str] = []
        self.source._pooled = lambda target, why: told.append(target)
        yield self.backend()
        self.assertEqual(told, [])
        dial = self.source._dialer.dial
        pooler = self.source._dialer = Dialer(reactor, Departures(reactor))

        @inlineCallbacks
        def dialled(wanted: Any) -> Generator[Deferred[Any], Any, Any]:
            connection, ready = yield dial(wanted)
            ready.process += 1
            return connection, ready

        self.patch(pooler, "dial", dialled)
        for expected in (["pay"], ["pay"], ["pay", "pay"]):
            if len(expected) == 2:
                self.source.forget()
            self.source._close(("pay", "postgres", "reader")) if self.source._kept else None
            yield self.backend()
            self.assertEqual(told, expected)

    def behind_a_pooler(self) -> list[str]:
        """Each reading has a connection of its own, to a server that the login did not name; what is told of it."""
        told: list[str] = []
        self.source._pooled = lambda target, why: told.append(why)
        dial = self.source._dialer.dial
        pooler = self.source._dialer = Dialer(reactor, Departures(reactor))

        @inlineCallbacks
        def dialled(wanted: Any) -> Generator[Deferred[Any], Any, Any]:
            connection, ready = yield dial(wanted)
            ready.process += 1
            return connection, ready

        self.patch(pooler, "dial", dialled)
        return told

    @inlineCallbacks
    def full(self) -> Generator[Deferred[Any], Any, Any]:
        """One reading, whose second connection gets no server."""
        for key in list(self.source._kept):
            self.source._close(key)
        beside: Deferred[Any] = Deferred()
        patched = self.patch(self.source._dialer, "beside", lambda connection: beside)
        before = len(self.clock.getDelayedCalls())
        reading = self.backend()
        while not reading.called and len(self.clock.getDelayedCalls()) == before:
            yield deferLater(reactor, 0.01)
        self.clock.advance(WAITS)
        patched.restore()
        found = yield reading
        return found

    @inlineCallbacks
    def test_security_pooler_without_a_free_server(self) -> Generator[Deferred[Any], Any, None]:
        """One that makes the second connection wait, as anybody can make a small one do, proves nothing: the reading
        is refused, unless it was seen before that each session has a server of its own."""
        told = self.behind_a_pooler()
        yield self.assertFailure(self.full(), TargetUnavailable)
        self.assertEqual(told, [FULL])
        found = yield self.backend()
        self.assertGreater(found, 0)
        found = yield self.full()
        self.assertGreater(found, 0)
        self.assertEqual(told, [FULL, POOLED])
        self.source.forget()
        yield self.assertFailure(self.full(), TargetUnavailable)

    @inlineCallbacks
    def test_security_pooler_of_several_processes(self) -> Generator[Deferred[Any], Any, None]:
        """That servers are lent was seen once: that the next two connections have one each disproves nothing."""
        told = self.behind_a_pooler()
        self.patch(self.source, "_shared", lambda connection, link: succeed(True))
        yield self.assertFailure(self.backend(), TargetUnavailable)
        self.patch(self.source, "_shared", lambda connection, link: succeed(False))
        yield self.assertFailure(self.backend(), TargetUnavailable)
        self.assertEqual(told, [SHARED])
        self.source.forget()
        found = yield self.backend()
        self.assertGreater(found, 0)

    @inlineCallbacks
    def test_second_connection_goes_where_the_first_is(self) -> Generator[Deferred[Any], Any, None]:
        """Of several addresses each may be a pooler of its own."""
        self.behind_a_pooler()
        places = []
        beside = self.source._dialer.beside
        self.patch(self.source._dialer, "beside", lambda one: places.append(one.place) or beside(one))
        yield self.backend()
        self.assertEqual([(each.address.port, each.numeric) for each in places], [(self.primary.port, "127.0.0.1")])

    def direct(self) -> psycopg.Connection[tuple[Any, ...]]:
        where = f"host=127.0.0.1 port={self.primary.port} user=postgres dbname=postgres"
        return psycopg.connect(where, autocommit=True)

    @inlineCallbacks
    def test_one_after_another(self) -> Generator[Deferred[Any], Any, None]:
        """Readings that follow each other share a connection, and each sees what there is then."""
        first = yield self.backend()
        with self.direct() as direct:
            direct.execute("create table made_meanwhile (id int)")
            self.addCleanup(self.primary.execute, "drop table made_meanwhile")
        results = yield self.source.run(self.at(), READER, "postgres", QUERIES)
        self.assertIn(("public", "made_meanwhile"), catalogue(results, 1).relations)
        again = yield self.backend()
        self.assertEqual(first, again)

    @inlineCallbacks
    def test_keeps_no_locks(self) -> Generator[Deferred[Any], Any, None]:
        """What had to be locked to show a body is free when it has been shown: no LOCK … NOWAIT fails for long."""
        made = (
            "create table locked (id int)",
            "create view locking as select id from locked",
            "create rule locking_too as on insert to locked do also select id from locked",
            "create function locking_body() returns int begin atomic select id from locked; end",
        )
        for statement in made:
            self.primary.execute(statement)
        self.addCleanup(self.primary.execute, "drop table locked cascade")
        mine = "SELECT l.relation::regclass FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.relation >= 16384"
        results = yield self.source.run(self.at(), READER, "postgres", (*QUERIES, mine))
        shown = {value for rows in results[:-1] for row in rows for value in row if value and b"public.locked" in value}
        self.assertEqual(len(shown), 3)  # the bodies of view, rule and function
        self.assertEqual(results[-1], ())

    @inlineCallbacks
    def test_no_deadlock_with_a_client(self) -> Generator[Deferred[Any], Any, None]:
        """Who locks what a reading shows, in another order, goes on, and the reading when that is done.  PostgreSQL
        ended the client: one of its regression scripts, once in many runs of them."""
        for name in ("one", "two"):
            self.primary.execute(f"create table {name} (id int)")
            self.addCleanup(self.primary.execute, f"drop table {name} cascade")
            self.primary.execute(f"create view of_{name} as select id from {name}")
        shown = [f"SELECT pg_catalog.pg_get_viewdef('of_{name}'::pg_catalog.regclass)" for name in ("one", "two")]
        with self.direct() as direct:
            direct.execute("begin; lock table two in access exclusive mode")
            reading = self.source.run(self.at(), READER, "postgres", (shown[0], "SELECT pg_sleep(0.5)", shown[1]))
            while not direct.execute("select 1 from pg_locks where relation = 'one'::regclass").fetchall():
                yield deferLater(reactor, 0.02, lambda: None)  # type: ignore[arg-type]
            yield deferToThread(direct.execute, "lock table one in access exclusive mode")
            direct.execute("commit")
            results = yield reading
        self.assertEqual(len(results), 3)

    @inlineCallbacks
    def test_not_for_long(self) -> Generator[Deferred[Any], Any, None]:
        """Idle it is closed after IDLE; used all the time, after LIFETIME; a reload closes it."""
        seen = []
        for seconds in (0, IDLE + 0.1, *([IDLE / 2] * int(LIFETIME / IDLE * 2 + 1))):
            self.clock.advance(seconds)
            seen.append((yield self.backend()))
        self.source.forget()
        seen.append((yield self.backend()))
        self.assertEqual(len(set(seen)), 4, seen)
        self.assertNotEqual(seen[0], seen[1])
        self.clock.advance(IDLE + 0.1)
        yield self.gone(seen[-1])

    @inlineCallbacks
    def gone(self, backend: int) -> Generator[Deferred[Any], Any, None]:
        """The target has ended it within seconds: nothing stays open."""
        for _ in range(600):
            with self.direct() as direct:
                left = direct.execute("select 1 from pg_stat_activity where pid = %s", (backend,)).fetchall()
            if not left:
                return
            yield deferLater(reactor, 0.05, lambda: None)  # type: ignore[arg-type]
        self.fail("the connection stays open")

    @inlineCallbacks
    def test_ended_by_the_target(self) -> Generator[Deferred[Any], Any, None]:
        """A connection that the target ended while it was idle is replaced: the reading succeeds."""
        first = yield self.backend()
        self.primary.execute(f"select pg_terminate_backend({first})")
        again = yield self.backend()
        self.assertNotEqual(first, again)

    @inlineCallbacks
    def test_settings_of_the_role(self) -> Generator[Deferred[Any], Any, None]:
        """ALTER ROLE and ALTER DATABASE give later sessions another path: it is not read by a connection that began
        before."""
        path = ("SELECT pg_catalog.current_setting('search_path')",)
        for change, undo in (
            ("alter role bound set search_path = hr", "alter role bound reset search_path"),
            ("alter database postgres set search_path = sales", "alter database postgres reset search_path"),
        ):
            before = yield self.source.run(self.at(), READER, "postgres", path)
            self.primary.execute(change)
            try:
                after = yield self.source.run(self.at(), READER, "postgres", path)
            finally:
                self.primary.execute(undo)
            self.assertNotEqual(before, after)
            self.assertEqual(after, (((change.split()[-1].encode(),),),))

    @inlineCallbacks
    def test_a_query_that_fails(self) -> Generator[Deferred[Any], Any, None]:
        """Fails the reading, on a new connection as on a kept one; the next has one of its own."""
        first = yield self.backend()
        wrong = self.source.run(self.at(), READER, "postgres", ("SELECT 1/0",))
        error = yield self.assertFailure(wrong, TargetUnavailable)
        self.assertIn("22012", str(error))
        again = yield self.backend()
        self.assertNotEqual(first, again)

    @inlineCallbacks
    def test_another_target_of_that_name(self) -> Generator[Deferred[Any], Any, None]:
        """After a reload that says something else of the target."""
        first = yield self.backend()
        again = yield self.backend(self.at(env="prod"))
        self.assertNotEqual(first, again)

    @inlineCallbacks
    def test_credentials_that_changed(self) -> Generator[Deferred[Any], Any, None]:
        """After `forget` a reading needs the credential that is configured then."""
        yield self.backend()
        self.password = Secret(b"another")
        self.source.forget()
        yield self.assertFailure(self.backend(), TargetUnavailable)

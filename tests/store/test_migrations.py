"""Databases of older versions, on both providers: brought up to date whole or not at all; newer ones are left alone."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from typing import Any

import psycopg2
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest, TestCase

from hoopgw.model.errors import StoreUnavailable
from hoopgw.store import migrations, postgresql, sqlite, statements
from hoopgw.store.interface import SessionFilter
from hoopgw.store.postgresql import PostgresqlStore
from hoopgw.store.rows import session_values
from hoopgw.store.sqlite import SqliteStore
from tests.programs import SERVER, found
from tests.store.cluster import Cluster
from tests.store.test_contract import ROW

# version 1 as it was first made: other indexes came later under the same number, some under the same names
FIRST = (
    statements.SCHEMA[0],
    "CREATE INDEX sessions_opened ON {at}sessions (opened, id)",
    "CREATE INDEX sessions_subject ON {at}sessions (subject, opened, id)",
    "CREATE INDEX sessions_target ON {at}sessions (target, opened, id)",
    "CREATE INDEX sessions_both ON {at}sessions (subject, target, opened, id)",
    "CREATE INDEX sessions_protocol ON {at}sessions (protocol, opened, id)",
    "CREATE INDEX sessions_live ON {at}sessions (opened, id) WHERE closed IS NULL",
    "CREATE TABLE {at}session_tables (name text NOT NULL, opened double precision NOT NULL, id text NOT NULL,"
    " PRIMARY KEY (name, opened, id))",
    "CREATE INDEX session_tables_id ON {at}session_tables (id)",
    *(one for one in statements.SCHEMA if "}holds" in one or "}counters" in one),
)
OLD = replace(ROW, masked=3)
TOUCHED = "INSERT INTO {at}session_tables (name, opened, id) VALUES ('pay.a', ?, ?), ('pay.a', ?, 's_gone')"
TOUCHED_BY = (ROW.opened, ROW.id, ROW.opened)
COUNTED = "INSERT INTO {at}counters (name, period, value, touched) VALUES ('rows', 'w', 41, 0)"


def steps_to(version: int) -> tuple[str, ...]:
    """What made a database of version 1 one of that version."""
    return tuple(step for number in range(1, version) for step in migrations.STEPS.get(number, ()))


class Migrations:
    """Each provider's class opens stores on one database (`opened`) and says what is in it by itself."""

    def opened(self, name: str) -> Any:
        raise NotImplementedError

    def make_old(self, name: str, version: int = 1) -> None:
        raise NotImplementedError

    def version(self, name: str) -> int:
        raise NotImplementedError

    def indexes(self, name: str) -> dict[str, str]:
        raise NotImplementedError

    async def test_old(self) -> None:
        """What was there is there, every index is as in a new database, and pages by table and target find it."""
        self.make_old("old")
        old, new = self.opened("old"), self.opened("new")
        for store in (old, new):
            await store.start()
        wanted = SessionFilter(table="pay.a", target=ROW.target)
        self.assertEqual([row.id for row in await old.sessions(wanted)], [ROW.id])
        self.assertEqual(await old.sessions(SessionFilter(table="pay.a", target="other")), ())
        self.assertEqual(await old.reserve("rows", "w", 1), 42)
        self.assertEqual(self.indexes("old"), self.indexes("new"))
        self.assertEqual((self.version("old"), self.version("new")), (statements.VERSION, statements.VERSION))
        for store in (old, new):
            await store.stop()
        again = self.opened("old")
        await again.start()
        await again.stop()

    async def test_second(self) -> None:
        """From version 2: what a session's tables are found by now stands there for those of before as well."""
        self.make_old("old", version=2)
        old, new = self.opened("old"), self.opened("new")
        for store in (old, new):
            await store.start()
        for more in ({}, {"subject": ROW.subject}, {"subject": ROW.subject, "target": ROW.target}):
            wanted = SessionFilter(table="pay.a", verdict="masked", **more)
            self.assertEqual([row.id for row in await old.sessions(wanted)], [ROW.id], more)
        self.assertEqual(await old.sessions(SessionFilter(table="pay.a", subject="other")), ())
        self.assertEqual(self.indexes("old"), self.indexes("new"))
        for store in (old, new):
            await store.stop()

    async def test_two_at_once(self) -> None:
        """Of two gateways that start at once one does it, and the other waits for that."""
        self.make_old("old")
        stores = [self.opened("old"), self.opened("old")]
        await gatherResults([store.start() for store in stores])
        for store in stores:
            self.assertEqual(len(await store.sessions(SessionFilter(table="pay.a", target=ROW.target))), 1)
            await store.stop()

    async def test_newer(self) -> None:
        """A database of a newer hoopgw is refused in words, and is as it was."""
        self.make_old("old", version=statements.VERSION + 1)
        before = self.indexes("old")
        with self.assertRaises(StoreUnavailable) as raised:
            await self.start_and_stop("old")
        self.assertIn("newer hoopgw", str(raised.exception))
        self.assertEqual((self.version("old"), self.indexes("old")), (statements.VERSION + 1, before))

    async def test_broken_off(self) -> None:
        """Where a step fails nothing has happened, and the next start does all of it."""
        self.make_old("old")
        before = self.indexes("old")
        last = statements.VERSION - 1
        steps = {**migrations.STEPS, last: (*migrations.STEPS[last], "UPDATE {at}nothing SET x = 1")}
        self.patch(migrations, "STEPS", steps)
        with self.assertRaises(StoreUnavailable):
            await self.start_and_stop("old")
        self.assertEqual((self.version("old"), self.indexes("old")), (1, before))
        steps[last] = steps[last][:-1]
        await self.start_and_stop("old")
        self.assertEqual(self.version("old"), statements.VERSION)

    async def start_and_stop(self, name: str) -> None:
        store = self.opened(name)
        try:
            await store.start()
        finally:
            await store.stop()


class Sqlite(Migrations, TestCase):
    def setUp(self) -> None:
        self.directory = self.mktemp()
        os.mkdir(self.directory)

    def opened(self, name: str) -> SqliteStore:
        return SqliteStore(reactor, self.path(name))

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def make_old(self, name: str, version: int = 1) -> None:
        connection = sqlite3.connect(self.path(name))
        with connection:
            for statement in FIRST:
                connection.execute(sqlite._sql(statement))
            connection.execute(sqlite._sql(statements.PUT_SESSION), session_values(OLD))
            connection.execute(sqlite._sql(TOUCHED), TOUCHED_BY)
            connection.execute(sqlite._sql(COUNTED))
            for statement in steps_to(version):
                connection.execute(sqlite._sql(statement))
            connection.execute(f"PRAGMA user_version = {version}")
        connection.close()

    async def test_locked(self) -> None:
        """Where another process holds the file for longer than a call may take, a start waits for it."""
        self.make_old("old")
        self.patch(sqlite, "DEADLINE", 0.1)
        other = sqlite3.connect(self.path("old"), isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN EXCLUSIVE")
        store = self.opened("old")
        starting = store.start()
        await deferLater(reactor, 0.5, lambda: None)
        self.assertFalse(starting.called)
        other.execute("COMMIT")
        await starting
        await store.stop()
        self.assertEqual(self.version("old"), statements.VERSION)

    def asked(self, name: str, query: str) -> list[Any]:
        connection = sqlite3.connect(self.path(name))
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def version(self, name: str) -> int:
        return int(self.asked(name, "PRAGMA user_version")[0][0])

    def indexes(self, name: str) -> dict[str, str]:
        return dict(self.asked(name, "SELECT name, sql FROM sqlite_master WHERE type = 'index'"))


class Postgresql(Migrations, TestCase):
    def setUp(self) -> None:
        if found(*SERVER) is None:
            raise SkipTest("no PostgreSQL server is installed here")
        self.parameters = {name: Cluster.running().database(name) for name in ("old", "new")}

    def opened(self, name: str) -> PostgresqlStore:
        return PostgresqlStore(reactor, self.parameters[name])

    def asked(self, name: str, *queries: tuple[str, tuple[Any, ...]]) -> list[Any]:
        """The rows of the last."""
        connection = psycopg2.connect(**self.parameters[name])
        try:
            with connection, connection.cursor() as cursor:
                for query, values in queries:
                    cursor.execute(query, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def make_old(self, name: str, version: int = 1) -> None:
        self.asked(
            name,
            ("CREATE SCHEMA hoopgw", ()),
            *((postgresql._sql(statement), ()) for statement in FIRST),
            (postgresql._sql(statements.PUT_SESSION), tuple(session_values(OLD))),
            (postgresql._sql(TOUCHED), TOUCHED_BY),
            (postgresql._sql(COUNTED), ()),
            *((postgresql._sql(statement), ()) for statement in steps_to(version)),
            ("CREATE TABLE hoopgw.version (number integer NOT NULL)", ()),
            ("INSERT INTO hoopgw.version VALUES (%s)", (version,)),
        )

    def version(self, name: str) -> int:
        return int(self.asked(name, ("SELECT number FROM hoopgw.version", ()))[0][0])

    def indexes(self, name: str) -> dict[str, str]:
        return dict(self.asked(name, ("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'hoopgw'", ())))

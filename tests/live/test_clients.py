"""Drivers of several languages do the same course through the gateway, and find what a direct connection would show."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import psycopg2
import sqlalchemy
from twisted.trial.unittest import SkipTest

from hoopgw.cli.demo.stage import Options
from tests.live.clients.by_asyncpg import by_asyncpg
from tests.live.clients.by_psycopg import by_psycopg2, by_psycopg3
from tests.live.clients.by_sqlalchemy import by_sqlalchemy
from tests.live.clients.course import MASKS, REFUSED, SLEEP, Checked, held
from tests.live.harness import LiveCase, built

MISTAKES = (
    "selec 1",
    "select 1 where",
    "select 'ÿ€' as a b c",
    "select 'open",
    "select 123abc",
    "select 1; selec 2",
    "create table t (a int, , b int)",
    "select 1 fetch first 2 rows with ties",  # in no one place
    "select U&'\\+110000'",
    "select '" + 20_000 * "ÿ" + "' as a b c",  # read by the child process
)


class Clients(LiveCase, Checked):
    options = Options(more={"guardrails.d/90-test.toml": MASKS})

    @contextmanager
    def approving(self) -> Iterator[None]:
        """Whatever is held meanwhile is approved."""
        done = threading.Event()

        def approve() -> None:
            while not done.wait(0.1):
                for hold in json.loads(self.hoopgw("approvals", "list", "--json").stdout or "[]"):
                    self.hoopgw("approvals", "approve", hold["id"], "--reason", "a test")

        thread = threading.Thread(target=approve)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def while_asleep(self, step: Callable[[], object]) -> AbstractContextManager[None]:
        return self.meanwhile(lambda: self.runs("pg_sleep(30)"), step)

    def where(self) -> dict[str, Any]:
        """Keywords that every libpq-like driver knows."""
        gateway = {"host": "127.0.0.1", "port": self.stage.gateway.port, "password": self.stage.agent}
        return gateway | {"user": "writer", "database": "shop"}

    def by_program(self, name: str, number: int) -> dict[str, Any]:
        """What the driver's own program found.  Skips the test where it could not be built."""
        command = built(name)
        if not command:
            raise SkipTest(f"the program of {name} is not built: `make test` tries to, and says why it cannot")
        settings = {"PORT": self.stage.gateway.port, "CA": self.stage.ca, "TOKEN": self.stage.agent, "NUMBER": number}
        texts = {"SLEEP": SLEEP, "REFUSED": REFUSED, "HELD": held(number)}
        env = dict(os.environ) | texts | {key: str(value) for key, value in settings.items()}
        with self.approving():
            ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        found: dict[str, Any] = json.loads(ran.stdout)
        return found

    def test_pipelines_of_psycopg3(self) -> None:
        """A pipeline with a statement that waits for its approval and one that is refused, in text and in binary."""
        for binary in (False, True):
            connection = self.connect("writer")
            with self.approving(), connection.pipeline() as pipeline:
                cursors = [connection.cursor(binary=binary) for _ in range(4)]
                cursors[0].execute("select %s::int8 * 2", (21,))
                cursors[1].execute(held(1_900_000 + binary).encode())
                cursors[2].execute("select email from customers where id = %s", (1,))
                pipeline.sync()
                self.assertEqual(cursors[0].fetchone(), (42,))
                self.assertGreaterEqual(cursors[1].rowcount, 8)
                self.assertEqual(cursors[2].fetchone(), ("*****************.com",))
                cursors[3].execute(REFUSED)
                error = self.assertRaises(psycopg.Error, pipeline.sync)
                assert isinstance(error, psycopg.Error)
                self.assertEqual(error.sqlstate, "ZG001")
            self.assertEqual(connection.execute("select 1").fetchone(), (1,))

    def test_commit_behind_a_hold(self) -> None:
        """A COMMIT that was sent behind a statement that waits: all or nothing of its transaction stays, every answer
        comes in its place, and the session goes on."""
        direct = psycopg.connect(self.stage.direct_url(), autocommit=True)
        self.addCleanup(direct.close)
        for number, how, wanted in ((2_100_000, "approve", ""), (2_200_000, "deny", "ZG003")):
            connection = self.connect("writer")
            id, text = number + 1, held(number)
            with self.meanwhile(lambda text=text, how=how: self.decide(text, how)), connection.pipeline() as pipeline:
                connection.execute("begin")
                connection.execute("insert into products values (%s, 'behind', 1)", (id,))
                waits = connection.execute(text.encode())
                behind = connection.execute("select 'behind'")
                connection.execute("commit")
                try:
                    pipeline.sync()
                    self.assertGreaterEqual(waits.rowcount, 8)
                    self.assertEqual(behind.fetchone(), ("behind",))
                    found = ""
                except psycopg.Error as error:
                    found = error.sqlstate or ""
            self.assertEqual(found, wanted)
            connection.rollback()
            self.assertEqual(connection.execute("select 1").fetchone(), (1,))
            kept = direct.execute("delete from products where id = %s returning name", (id,)).fetchall()
            self.assertEqual(kept, [("behind",)] if how == "approve" else [])

    def decide(self, text: str, how: str) -> None:
        self.hoopgw("approvals", how, str(self.held(text)["id"]), "--reason", "a test")

    def test_cursors_on_the_server(self) -> None:
        """Named cursors of psycopg 3 and 2: forward, back and to a place, masked, in text and binary."""
        connection = self.connect("writer", autocommit=False)
        for binary in (False, True):
            with connection.cursor(name="walk", binary=binary, scrollable=True) as cursor:
                cursor.execute("select id, email from customers where id <= %s order by id", (50,))
                self.assertEqual([row[0] for row in cursor.fetchmany(7)], list(range(1, 8)))
                cursor.scroll(-3)
                self.assertEqual(cursor.fetchone(), (5, "*****************.com"))
                cursor.scroll(49, mode="absolute")
                self.assertEqual([row[0] for row in cursor.fetchall()], [50])
        older = psycopg2.connect(**self.where(), sslmode="verify-full", sslrootcert=str(self.stage.ca))
        self.addCleanup(older.close)
        with older.cursor(name="walk", scrollable=True) as cursor:
            cursor.itersize = 7
            cursor.execute("select id, email from customers where id <= %s order by id", (50,))
            self.assertEqual([row[0] for row in cursor], list(range(1, 51)))
            cursor.scroll(0, mode="absolute")
            self.assertEqual(cursor.fetchone(), (1, "*****************.com"))

    def test_mistakes(self) -> None:
        """A mistake in the text has PostgreSQL's own SQLSTATE, words and position, beside the gateway's DETAIL."""
        direct = psycopg.connect(self.stage.direct_url(), autocommit=True)
        self.addCleanup(direct.close)
        connection = self.connect("writer")
        for text in MISTAKES:
            told = []
            for asked in (connection, direct):
                error = self.assertRaises(psycopg.errors.SyntaxError, asked.execute, text)
                assert isinstance(error, psycopg.Error)
                told.append((error.diag.message_primary, error.diag.statement_position))
                if asked is connection:
                    self.assertEqual(json.loads(error.diag.message_detail or "")["decision"], "refused")
            self.assertEqual(told[0], told[1])
        self.assertEqual(connection.execute("select 1").fetchone(), (1,))

    def test_node_pg(self) -> None:
        """The course by node-pg, its cursor, its pool, and its cancel in the clear."""
        self.check(self.by_program("node", 1_600_000), 1_600_000)

    def test_jdbc(self) -> None:
        """The course by JDBC, a portal with a limit of rows, and a batch of 500."""
        self.check(self.by_program("jdbc", 1_700_000), 1_700_000)

    def test_pgx(self) -> None:
        """The course by pgx, and a batch in one pipeline."""
        self.check(self.by_program("pgx", 1_800_000), 1_800_000)

    def test_psycopg3(self) -> None:
        """The course by psycopg 3, in text and in binary."""
        with self.approving():
            for number, binary in ((1_000_000, False), (1_100_000, True)):
                self.check(by_psycopg3(self.connect("writer"), number, self.while_asleep, binary=binary), number)

    def test_psycopg2(self) -> None:
        """The course by psycopg 2."""
        connection = psycopg2.connect(**self.where(), sslmode="verify-full", sslrootcert=str(self.stage.ca))
        self.addCleanup(connection.close)
        connection.autocommit = True
        with self.approving():
            self.check(by_psycopg2(connection, 1_200_000, self.while_asleep), 1_200_000)

    def test_asyncpg(self) -> None:
        """The course by asyncpg."""
        with self.approving():
            found = asyncio.run(by_asyncpg(1_300_000, ca=self.stage.ca, **self.where()))
        self.check(found, 1_300_000)

    def test_sqlalchemy(self) -> None:
        """SQLAlchemy's start-up, reflection, ORM, savepoints and streams, over psycopg 3 and psycopg 2."""
        for number, driver in ((1_400_000, "psycopg"), (1_500_000, "psycopg2")):
            url = sqlalchemy.URL.create(
                f"postgresql+{driver}",
                username="writer",
                password=self.stage.agent,
                host="127.0.0.1",
                port=self.stage.gateway.port,
                database="shop",
                query={"sslmode": "verify-full", "sslrootcert": str(self.stage.ca)},
            )
            engine = sqlalchemy.create_engine(url)
            self.addCleanup(engine.dispose)
            found = by_sqlalchemy(engine, number)
            self.assertEqual(found["columns"], ["id", "name", "price"])
            self.assertEqual(found["keys"], ["customers", "products"])
            self.assertEqual(found["names"], ["p0", "p1", "p2"], driver)
            self.assertEqual((found["refused"], found["after_refused"]), ("ZG001", True))

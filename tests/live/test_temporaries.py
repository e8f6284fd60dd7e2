"""Temporary tables as drivers use them, beside a mask and a rule about tables: shown as their source, and as direct."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import psycopg
import sqlalchemy

from hoopgw.cli.demo.stage import Options
from tests.live.harness import LiveCase

RULES = """[mask.people]
columns = ["customers.email"]

[guardrail.products]
tables = ["public.products"]
then = "refuse"
"""
COPY = "create temp table copied as select id, email, name from customers"
AT = "@example.com"


class Drivers(LiveCase):
    options = Options(more={"guardrails.d/90-test.toml": RULES})

    def setUp(self) -> None:
        super().setUp()
        with psycopg.connect(self.stage.direct_url(), autocommit=True) as direct:
            (self.email,) = direct.execute("select email from customers where id = 1").fetchone() or ("",)
        self.masked = "*" * len(self.email)

    def test_prepared(self) -> None:
        """Parsed once and executed often, in text and binary; parsed again when the name stands for another table."""
        through = self.connect("writer", prepare_threshold=0)
        through.execute(COPY.encode())
        for binary in (False, True, False):
            cursor = through.cursor(binary=binary)
            self.assertEqual(
                cursor.execute("select email, id from copied where id = %s", (1,)).fetchall(), [(self.masked, 1)]
            )
        through.execute("drop table copied")
        through.execute("create temp table copied (id int, email text)")
        through.execute("insert into copied values (%s, %s)", (1, "x"))
        found = through.execute("select email, id from copied where id = %s", (1,)).fetchall()
        self.assertEqual(found, [(None, 1)])  # it may be either

    def test_pipeline(self) -> None:
        """What makes the table, reads it and drops it is sent before anything is answered."""
        through = self.connect("writer")
        with through.pipeline():
            through.execute(COPY.encode())
            read = through.execute("select email from copied where id = %s", (1,))
            added = through.execute("insert into copied (id) values (%s) returning *", (99,))
            through.execute("drop table copied")
            other = through.execute("select count(*) from customers")
            self.assertEqual((read.fetchall(), added.fetchall()), ([(self.masked,)], [(99, None, None)]))
            self.assertNotEqual(other.fetchall(), [(0,)])

    def test_cursors_and_copy(self) -> None:
        """A cursor goes on with its table when that is dropped; COPY out is masked field by field."""
        through = self.connect("writer")
        through.execute(COPY.encode())
        cursor = through.cursor(name="held", withhold=True)
        cursor.execute("select email, id from copied order by id")
        with through.cursor().copy("copy copied to stdout (format csv)") as copy:
            told = b"".join(map(bytes, copy)).decode()
        self.assertIn(self.masked, told)
        self.assertNotIn(AT, told)
        through.execute("drop table copied")
        through.execute("create temp table copied (a int)")
        self.assertEqual(cursor.fetchone(), (self.masked, 1))
        cursor.close()

    def test_asyncpg(self) -> None:
        """Its statement cache, its COPY and its transactions."""

        async def course() -> tuple[Any, ...]:
            through = await asyncpg.connect(self.stage.gateway_url("writer"), password=self.stage.agent)
            await through.execute(COPY)
            one = await through.fetchrow("select email, id from copied where id = $1", 1)
            await through.copy_records_to_table("copied", records=[(7777, "zz")], columns=["id", "name"])
            two = await through.fetchval("select name from copied where id = $1", 7777)
            async with through.transaction():
                await through.execute("create temp table scratch on commit drop as select id from orders")
                joined = await through.fetchval("select count(*) from scratch join orders using (id)")
            orders = await through.fetchval("select count(*) from orders")
            await through.close()
            return tuple(one), two, joined == orders

        self.assertEqual(asyncio.run(course()), ((self.masked, 1), "zz", True))

    def test_sqlalchemy(self) -> None:
        """A table that is declared temporary is made, filled, read and dropped in one transaction."""
        url = self.stage.gateway_url("writer").replace("postgresql://", "postgresql+psycopg2://")
        engine = sqlalchemy.create_engine(url, connect_args={"password": self.stage.agent})
        known = sqlalchemy.MetaData()
        scratch = sqlalchemy.Table(
            "scratch",
            known,
            sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True),
            sqlalchemy.Column("word", sqlalchemy.String(9)),
            prefixes=["TEMPORARY"],
        )
        try:
            with engine.begin() as through:
                known.create_all(through)
                through.execute(scratch.insert(), [{"word": "a"}, {"word": "b"}])
                found = through.execute(sqlalchemy.select(scratch)).fetchall()
                known.drop_all(through)
        finally:
            engine.dispose()
        self.assertEqual([tuple(row) for row in found], [(1, "a"), (2, "b")])

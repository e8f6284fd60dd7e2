"""What a session can do to names, through a running gateway: none of it opens a table that a rule is about."""

from __future__ import annotations

from typing import ClassVar

import psycopg

from hoopgw.cli.demo.shop import WRITER
from hoopgw.cli.demo.stage import Options
from tests.live.harness import LiveCase

RULES = """
[guardrail.salaries]
tables = ["hr.salaries"]
then = "refuse"
"""
SCHEMA = """
CREATE SCHEMA hr; CREATE TABLE hr.salaries (id int PRIMARY KEY, amount int); INSERT INTO hr.salaries VALUES (1, 4242);
CREATE TABLE free (id int); INSERT INTO free VALUES (7);
CREATE VIEW payroll AS SELECT amount FROM hr.salaries;
CREATE FUNCTION paid() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT amount FROM hr.salaries';
CREATE FUNCTION lower(free) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT amount FROM hr.salaries';
CREATE FUNCTION json_scalar(text) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT amount FROM hr.salaries';
CREATE FUNCTION quiet(a int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN a + 1; END $$;
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN UPDATE hr.salaries SET amount = amount + 1; RETURN NULL; END $$;
CREATE TABLE notes (id int); CREATE TRIGGER noting AFTER INSERT ON notes EXECUTE FUNCTION noted();
CREATE SCHEMA open; CREATE TABLE open.salaries (amount int); INSERT INTO open.salaries VALUES (1);
CREATE SCHEMA "a, b"; CREATE VIEW "a, b".salaries AS TABLE hr.salaries;
GRANT USAGE ON SCHEMA "a, b" TO PUBLIC; GRANT SELECT ON "a, b".salaries TO PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE shop_rw IN SCHEMA open GRANT SELECT ON TABLES TO PUBLIC;
GRANT USAGE, CREATE ON SCHEMA hr, open, public TO PUBLIC; GRANT ALL ON ALL TABLES IN SCHEMA hr, open, public TO PUBLIC;
"""
MORE = {"guardrails.d/90-salaries.toml": RULES}


def refused(case: LiveCase, connection: psycopg.Connection[tuple[object, ...]], text: str) -> str:
    """By the gateway; its words."""
    with case.assertRaises(psycopg.DatabaseError, msg=text) as caught:
        connection.execute(text.encode())
    case.assertIn('"decision": "refused"', caught.exception.diag.message_detail or "", text)
    return str(caught.exception)


class Judged(LiveCase):
    options: ClassVar[Options] = Options(more=MORE)
    _made: ClassVar[bool] = False

    def setUp(self) -> None:
        super().setUp()
        if not Judged._made:
            with psycopg.connect(self.stage.direct_url(), autocommit=True) as connection:
                connection.execute(SCHEMA.encode())
            Judged._made = True

    def refused(self, connection: psycopg.Connection[tuple[object, ...]], text: str) -> str:
        """The refusal's words."""
        return refused(self, connection, text)

    def test_what_another_session_has_just_changed(self) -> None:
        """must-survive 17: a statement that comes the moment after another session's change was answered is judged by
        what there is now, for the same role and for another."""
        makes, uses = self.connect("writer"), (self.connect("writer"), self.connect("reader"))
        for number in range(8):
            makes.execute(f"CREATE VIEW open.way{number} AS SELECT id FROM free")
            for connection in uses:
                self.assertEqual(connection.execute(f"select * from open.way{number}").fetchone(), (7,))

    def test_in_place_of_temporary_tables(self) -> None:
        """Of the ways round that docs/judging.md names each is let through, in a session that has a temporary view too
        where the permanent relations are written with their schema."""
        connection = self.connect("writer")
        connection.execute("CREATE UNLOGGED TABLE open.scratch AS SELECT id FROM public.free")
        for text in (
            "with x as materialized (select id from free) select a.id from x a join x b using (id)",
            "select * from open.scratch",
            "create temp view x as select id from public.free",
            "select * from public.free",
            "select * from open.scratch",
        ):
            connection.execute(text.encode())
        for text in ("select * from x", "select * from free", "select * from pg_temp.x", "select * from hr.salaries"):
            self.refused(connection, text)

    def test_by_whatever_name(self) -> None:
        """Through a view, a body, a trigger; and what leads nowhere near it is let through."""
        connection = self.connect("writer")
        for text in (
            "select * from hr.salaries",
            "select * from payroll",
            "select paid()",
            "insert into notes values (1)",
            "with a as (select paid()) select * from a",
            "explain analyze select * from payroll",
            "copy payroll to stdout",
            "select f.lower from free f",
            "select x.lower from (select * from free) x",
            "select json_scalar('x')",
        ):
            self.assertIn("salaries", self.refused(connection, text), text)
        self.assertEqual(connection.execute("select quiet(id) from free").fetchall(), [(8,)])

    def test_path(self) -> None:
        """must-survive 9, 17: by a path that was set, set back by ROLLBACK, computed, or given at login."""
        connection = self.connect("writer")
        connection.execute("set search_path = hr, public")
        self.refused(connection, "select * from salaries")
        connection = self.connect("writer", autocommit=False)
        connection.execute("set search_path = hr")
        connection.rollback()
        self.refused(connection, "select * from salaries")
        connection.rollback()
        connection = self.connect("writer")
        connection.execute("select set_config('search_path', 'h' || 'r', false)")
        self.refused(connection, "select * from salaries")

    def test_path_as_postgresql_reads_it(self) -> None:
        """must-survive 17: names of a path are in small letters where they have no quotes, and hold commas where they
        have."""
        for path in (
            "select set_config('search_path', 'HR, open', false)",
            "select set_config('search_path', 'open, \"hr\"', false)",
            "set search_path = 'a, b', open",
            "select set_config('search_path', '\"a, b\", open', false)",
            "set schema 'a, b'",
            "set search_path = open; select set_config('search_path', 'hr!'::varchar(2), false)",
        ):
            connection = self.connect("writer")
            connection.execute(path.encode())
            self.refused(connection, "select amount from salaries")
        connection = self.connect("writer")
        connection.execute("set search_path = 'HR', open")  # there is none of that name
        self.assertEqual(connection.execute("select amount from salaries").fetchall(), [(1,)])

    def test_prepared_under_another_path(self) -> None:
        """PostgreSQL looks up the names of what was prepared anew: EXECUTE is judged by the path of now."""
        connection = self.connect("writer")
        connection.execute("set search_path = open")
        connection.execute("prepare p as select amount from salaries")
        self.assertEqual(connection.execute("execute p").fetchall(), [(1,)])
        connection.execute("set search_path = hr")
        self.refused(connection, "execute p")

    def test_temporary_objects(self) -> None:
        """A temporary view of a harmless name is not taken for the table of that name."""
        connection = self.connect("writer")
        connection.execute("create temporary view free as select 1 as id")
        self.refused(connection, "select * from free")
        self.assertEqual(connection.execute("select id from public.free").fetchall(), [(7,)])

    def test_temporary_tables_in_place_of_others(self) -> None:
        """must-survive 17: a rule about a table holds for its name whatever temporary table has it, or had it."""
        connection = self.connect("writer", autocommit=False)
        connection.execute("set search_path = hr, public")
        connection.commit()
        connection.execute("create temp table salaries (id int, amount int)")
        self.assertEqual(connection.execute("select * from pg_temp.salaries").fetchall(), [])
        connection.rollback()
        for text in ("select * from salaries", "select * from hr.salaries", "insert into salaries values (1, 2)"):
            self.assertIn("salaries", self.refused(connection, text), text)
            connection.rollback()
        connection.execute("create temp table free on commit drop as select 8 as id")
        self.assertEqual(connection.execute("select id from free").fetchall(), [(8,)])
        connection.commit()
        self.assertEqual(connection.execute("select id from free").fetchall(), [(7,)])
        self.refused(connection, "create temp table mine as select * from salaries")

    def test_nobody_else(self) -> None:
        """SET ROLE, SET SESSION AUTHORIZATION and set_config are refused; the session goes on."""
        connection = self.connect("writer")
        for text in (
            "set role postgres",
            "set session authorization postgres",
            "select set_config('role', 'postgres', false)",
            "set session_replication_role = replica",
        ):
            self.refused(connection, text)
        self.assertEqual(connection.execute("select 1").fetchall(), [(1,)])


class Settings(LiveCase):
    """With the shipped rules alone: none of them names a table."""

    def test_update_of_pg_settings(self) -> None:
        """must-survive 16: by it a client would have a text read in one way here and in another there, in the same
        pipeline: a DELETE of all rows that stands in a string until backslashes escape."""
        connection = self.connect("writer")
        hidden = rb"with x as (select '\''), y as (delete from orders returning 1) select 1 --') select * from x"
        for name, value in (("standard_conforming_strings", "off"), ("session_replication_role", "replica")):
            change = f"update pg_catalog.pg_settings set setting = '{value}' where name = '{name}'"
            with self.assertRaises(psycopg.Error), connection.pipeline():
                connection.execute(change.encode())
                connection.execute(hidden)
            for text in (
                change,
                f"prepare p as {change}; execute p",
                f"create temp view s as select * from pg_settings; {change.replace('pg_catalog.pg_settings', 's')}",
                f"with x as ({change}) select 1",
            ):
                self.assertIn("setting", refused(self, connection, text), text)
        seen = r"\'), y as (delete from orders returning 1) select 1 --"
        self.assertEqual(connection.execute(hidden).fetchall(), [(seen,)])
        self.assertEqual(connection.execute("select count(*) > 1 from orders").fetchall(), [(True,)])


class Changed(LiveCase):
    """Without the shipped rules against changes of the schema: the table's rule holds by itself."""

    options: ClassVar[Options] = Options(more=MORE, shipped_guardrails=False)

    def test_in_the_open_transaction(self) -> None:
        """must-survive 17: a rename in the open transaction makes nothing else of a name."""
        with psycopg.connect(self.stage.direct_url(), autocommit=True) as direct:
            direct.execute(SCHEMA.encode())
            direct.execute(f"alter table free owner to {WRITER}; alter function quiet(int) owner to {WRITER}".encode())
        for change, text in (
            ("alter table public.free rename to was", "select * from public.free"),
            ("alter table public.free rename to was", "select * from public.was"),
            ("alter function public.quiet(int) rename to was", "select public.quiet(1)"),
        ):
            connection = self.connect("writer", autocommit=False)
            connection.execute(change.encode())
            refused(self, connection, text)
            connection.rollback()
            connection.close()
        connection = self.connect("writer")
        self.assertEqual(connection.execute("select quiet(id) from public.free").fetchall(), [(8,)])
        connection.execute("alter table public.free rename to was")
        self.assertEqual(connection.execute("select id from public.was").fetchall(), [(7,)])

    def test_temporary_tables(self) -> None:
        """must-survive 17: they are made, filled, changed, read and dropped beside a rule about a table, in a
        transaction and without one, and what a rollback or ON COMMIT DROP takes away is no other table's cover."""
        connection = self.connect("writer")
        for text in (
            "create temp table x as select id, 'a' as name from orders",
            "insert into x select generate_series(1, 3), 'b'",
            "create index on x (id)",
            "alter table x add column more int default 1",
            "analyze x",
            "with y as (update x set more = 2 returning *) select * from y",
            "drop table x",
            "create temp table if not exists x (id serial primary key, tags text[], made timestamptz default now())",
            "insert into x (tags) values ('{a}')",
            "select x.*, orders.id from x join orders on true",
            "prepare p as select * from x",
            "execute p",
            "select * from pg_temp.x",
        ):
            connection.execute(text.encode())
        with connection.cursor() as cursor, cursor.copy("copy x (tags) from stdin") as copy:
            copy.write_row((["b"],))
        self.assertEqual(connection.execute("select tags from x order by id").fetchall(), [(["a"],), (["b"],)])
        connection.execute("begin")
        for text in ("create temp table y on commit drop as select 1 as a", "select * from y, orders, x"):
            connection.execute(text.encode())
        connection.execute("commit")
        self.assertEqual(connection.execute("select count(*) > 1 from orders").fetchall(), [(True,)])
        with connection.cursor() as cursor:
            cursor.execute(b"create temp table z (a int); insert into z values (5); select a from z")
            while cursor.nextset():
                pass
            self.assertEqual(connection.execute("select a from z").fetchall(), [(5,)])

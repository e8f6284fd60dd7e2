"""What a statement leads to, against a real PostgreSQL: whatever it changes or reads there is among the facts."""

from __future__ import annotations

from hoopgw.policy.facts import Statement, Where
from hoopgw.policy.guardrails import Action, Conditions, Match, SqlRule
from hoopgw.policy.sql import analyse
from hoopgw.policy.sql_names import NameContext
from tests.policy.database import DatabaseCase, read

SCHEMA = """
CREATE SCHEMA app; CREATE SCHEMA hr; SET search_path = app;
CREATE TABLE hr.salaries (id int PRIMARY KEY, amount int); INSERT INTO hr.salaries VALUES (1, 10);
CREATE TABLE orders (id int PRIMARY KEY, total int); INSERT INTO orders VALUES (1, 1), (2, 2);
CREATE TABLE lines (id int PRIMARY KEY, parent int REFERENCES orders ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO lines VALUES (1, 1);
CREATE TABLE sublines (line int REFERENCES lines ON DELETE SET NULL);
INSERT INTO sublines VALUES (1);
CREATE TABLE log (word text);
CREATE TABLE quiet (id int PRIMARY KEY, word text NOT NULL); INSERT INTO quiet VALUES (1, 'x');
CREATE FUNCTION removing() RETURNS void LANGUAGE sql AS 'DELETE FROM app.log';
CREATE FUNCTION atomic(a int) RETURNS int BEGIN ATOMIC
  INSERT INTO log VALUES ('atomic'); SELECT amount FROM hr.salaries WHERE id = a; END;
CREATE FUNCTION calling(a int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE r record; n int := 0;
BEGIN
  FOR r IN SELECT amount FROM hr.salaries LOOP n := n + r.amount; END LOOP;
  IF a > 0 THEN PERFORM removing(); END IF;
  RETURN n;
END $$;
CREATE FUNCTION dynamic(a text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE a; END $$;
CREATE FUNCTION around(a int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM dynamic('select 1'); RETURN a; END $$;
CREATE FUNCTION itself(a int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN IF a > 0 THEN RETURN itself(a - 1); END IF; INSERT INTO log VALUES ('itself'); RETURN 0; END $$;
CREATE FUNCTION plain(a int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN a + 1; END $$;
CREATE FUNCTION pathed() RETURNS bigint LANGUAGE sql SET search_path = hr AS 'SELECT count(*) FROM salaries';
CREATE FUNCTION setting() RETURNS text LANGUAGE sql AS $$ SELECT set_config('search_path', 'hr', false) $$;
CREATE FUNCTION making() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE orders (id int); END $$;
CREATE FUNCTION sleeping() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(0)';
CREATE PROCEDURE settle(a int) LANGUAGE plpgsql AS $$ BEGIN UPDATE app.orders SET total = 0; END $$;
CREATE VIEW v AS SELECT amount FROM hr.salaries;
CREATE VIEW over_v AS SELECT amount + 1 AS a FROM v;
CREATE MATERIALIZED VIEW kept AS SELECT a FROM over_v;
CREATE VIEW active AS SELECT calling(id) AS c FROM quiet;
CREATE VIEW asleep AS SELECT 1 AS one FROM pg_sleep(0);
CREATE VIEW simple AS SELECT id, total FROM orders;
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO app.log SELECT amount::text FROM hr.salaries; RETURN NULL; END $$;
CREATE FUNCTION hidden() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'select 1'; RETURN NULL; END $$;
CREATE TABLE watched (id int, word text); INSERT INTO watched VALUES (1, 'x');
CREATE TRIGGER noting AFTER UPDATE ON watched FOR EACH ROW EXECUTE FUNCTION noted();
CREATE TRIGGER hiding AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION hidden();
CREATE TABLE ruled (id int); INSERT INTO ruled VALUES (1);
CREATE RULE also AS ON DELETE TO ruled DO ALSO INSERT INTO log VALUES ('gone');
CREATE TABLE parts (id int, word text) PARTITION BY RANGE (id);
CREATE TABLE part_one PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TRIGGER part_noting AFTER INSERT ON part_one FOR EACH ROW EXECUTE FUNCTION noted();
CREATE TABLE defaulted (id int DEFAULT atomic(1), word text);
CREATE DOMAIN small AS int CHECK (plain(VALUE) < 100);
CREATE TABLE domained (s small);
CREATE FUNCTION defaulting(a int DEFAULT atomic(1)) RETURNS int LANGUAGE sql AS 'SELECT a';
CREATE FUNCTION through() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN defaulting(); END $$;
CREATE DOMAIN checked AS int CHECK (atomic(VALUE) > 0);
CREATE FUNCTION taking(a checked) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION giving() RETURNS checked LANGUAGE sql AS 'SELECT 1';
CREATE TYPE pair AS (a checked);
CREATE FUNCTION fixed(a int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN RETURN (SELECT amount FROM hr.salaries WHERE id = a); END $$;
CREATE TABLE keyed (id int) PARTITION BY RANGE (fixed(id));
CREATE TABLE keyed_rest PARTITION OF keyed DEFAULT;
"""

# text; what it reads, what it writes, what it does: each of these is on the server as well
LEADS = (
    ("select removing()", "", "app.log", "delete"),
    ("select atomic(1)", "hr.salaries", "app.log", "insert"),
    ("select calling(1)", "hr.salaries", "app.log", "delete"),
    ("select itself(2)", "", "app.log", "insert"),
    ("select pathed()", "hr.salaries", "", ""),
    ("select defaulting()", "hr.salaries", "app.log", "insert"),
    ("select through()", "hr.salaries", "app.log", "insert"),
    ("select taking(1)", "hr.salaries", "app.log", "insert"),
    ("select giving()", "hr.salaries", "app.log", "insert"),
    ("select '(1)'::pair", "hr.salaries", "app.log", "insert"),
    ("select * from json_to_record('{\"a\":1}') as x(a checked)", "hr.salaries", "app.log", "insert"),
    ("select * from xmltable('/r' passing (xml '<r>1</r>') columns a checked path '.')", "hr.salaries", "app.log", ""),
    ("insert into keyed values (1)", "hr.salaries", "app.keyed", "insert"),
    ("call settle(1)", "", "app.orders", "update"),
    ("select * from v", "hr.salaries", "", ""),
    ("select * from over_v", "app.v hr.salaries", "", ""),
    ("select * from kept", "app.v hr.salaries", "", ""),
    ("refresh materialized view kept", "hr.salaries", "app.kept", "refresh"),
    ("select * from active", "hr.salaries", "app.log", "delete"),
    ("delete from orders where id = 1", "", "app.orders app.lines app.sublines", "delete update"),
    ("update orders set id = 9 where id = 1", "", "app.lines", "update"),
    ("delete from simple where id = 1", "", "app.orders app.lines", "delete"),
    ("update watched set word = 'y' where id = 1", "hr.salaries", "app.log", "insert"),
    (
        "merge into watched w using quiet q on w.id = q.id when matched then update set word = 'z'",
        "hr.salaries",
        "app.log",
        "insert",
    ),
    ("do $$ begin perform calling(1); end $$", "hr.salaries", "app.log", "do delete"),
    ("delete from ruled where id = 1", "", "app.log", "insert"),
    ("insert into parts values (1, 'x')", "hr.salaries", "app.part_one app.log", "insert"),
    ("insert into defaulted (word) values ('x')", "hr.salaries", "app.log", "insert"),
    ("with d as (select removing()) select * from d", "", "app.log", "delete"),
    ("explain analyze select removing()", "", "app.log", "delete"),
    ("prepare p as select removing()", "", "", ""),
    ("truncate orders cascade", "", "app.lines app.sublines", "truncate"),
)  # fmt: skip


class Case(DatabaseCase):
    schema = SCHEMA

    def one(self, text: str, context: NameContext | None = None) -> Statement:
        return analyse(text.encode(), self.known, context or NameContext(("app",))).statements[-1]

    def used(self, text: str) -> tuple[set[str], set[str]]:
        """Relations that the server itself locks for reading, and for writing, while it runs."""
        connection = self.connection
        assert connection is not None
        reads, writes = set(), set()
        with connection.transaction(force_rollback=True):
            connection.execute(text.encode())
            for name, mode in connection.execute(
                b"SELECT n.nspname || '.' || c.relname, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
                b" JOIN pg_namespace n ON n.oid = c.relnamespace WHERE l.pid = pg_backend_pid()"
                b" AND n.nspname IN ('app', 'hr') AND c.relkind IN ('r', 'p', 'v', 'm')"
            ).fetchall():
                (reads if mode in ("AccessShareLock", "RowShareLock") else writes).add(str(name))
        return reads, writes


class Events(Case):
    """A database with an event trigger."""

    def setUp(self) -> None:
        super().setUp()
        connection, own = self.connection, type(self)
        if connection is not None and not own.known.event_triggers:
            connection.execute(
                b"CREATE FUNCTION telling() RETURNS event_trigger LANGUAGE plpgsql AS"
                b" $$ BEGIN INSERT INTO app.log SELECT amount::text FROM hr.salaries; END $$;"
                b"CREATE EVENT TRIGGER telling ON ddl_command_end EXECUTE FUNCTION telling()"
            )
            own.known = read(connection)

    def test_told(self) -> None:
        """must-survive 17: what an event trigger does counts for each statement that the server runs it for."""
        for text in (
            "create table fresh (id int)",
            "create temp table fresh (id int)",
            "create table fresh as select 1 as id",
            "select 1 as id into fresh",
            "create index on quiet (word)",
            "create schema other",
            "alter table quiet add n int",
            "drop table domained",
            "comment on table quiet is 'x'",
            "grant select on quiet to public",
            "revoke select on quiet from public",
            "refresh materialized view kept",
        ):
            statement = self.one(text)
            self.assertIn("app.log", {str(name) for name in statement.written_below}, text)
            self.assertIn("hr.salaries", {str(name) for name in statement.read_below}, text)
            self.assertIn("app.log", self.used(text)[1], text)

    def test_not_told(self) -> None:
        """What is no such statement runs none."""
        for text in (
            "select 1",
            "update quiet set word = 'y'",
            "truncate quiet",
            "analyze quiet",
            "set work_mem = '4MB'",
        ):
            self.assertNotIn("app.log", {str(name) for name in self.one(text).written_below}, text)
            self.assertNotIn("app.log", self.used(text)[1], text)


class Live(Case):
    def test_leads(self) -> None:
        """must-survive 17: everything that the server reads and writes for it is named, and nothing is in doubt."""
        for text, reads, writes, does in LEADS:
            statement = self.one(text)
            statement = statement.body[0] if text.startswith("prepare") else statement
            read_names = {str(name) for name in (*statement.reads, *statement.read_below)}
            written = {str(name) for name in (*statement.writes, *statement.written_below)}
            self.assertLessEqual(set(reads.split()), read_names | written, text)
            self.assertLessEqual(set(writes.split()), written, text)
            self.assertLessEqual(set(does.split()), statement.effects, text)
            doubts = statement.opaque, statement.inside, statement.beside, statement.unknown
            if not text.startswith("do "):  # which stays opaque, whatever it says
                self.assertEqual(doubts, ("", "", "", ()), text)
            if not text.startswith("prepare"):
                server_reads, server_writes = self.used(text)
                self.assertLessEqual(server_writes, written, text)
                self.assertLessEqual(server_reads, read_names | written, text)

    def test_plain(self) -> None:
        """Where nothing stands behind, nothing is added."""
        for text in ("select * from quiet", "update quiet set word = 'x' where id = 1", "insert into log values ('x')"):
            statement = self.one(text)
            self.assertFalse(statement.read_below or statement.written_below or statement.ways)
        self.assertEqual(self.one("select plain(1)").opaque, "")
        self.assertEqual(self.one("select plain(1)").effects, {"select"})

    def test_indexes(self) -> None:
        """The name of an index stands for its table, in whatever schema of the path it is."""
        path = NameContext(schemas=("hr", "app"))
        for text, context, table in (
            ("drop index hr.salaries_pkey", None, "hr.salaries"),
            ("drop index concurrently if exists salaries_pkey", path, "hr.salaries"),
            ("alter index app.orders_pkey rename to o", None, "app.orders"),
            ("alter index orders_pkey set (fillfactor = 80)", path, "app.orders"),
            ("reindex index concurrently hr.salaries_pkey", None, "hr.salaries"),
        ):
            found = self.one(text, context)
            self.assertEqual(found.unknown, ())
            self.assertIn(table, {str(each) for each in found.reads | found.writes})
        self.assertTrue(self.one("drop index hr.orders_pkey").unknown)

    def test_where_of_bodies(self) -> None:
        """A body that deletes every row is held as the DELETE would be."""
        self.assertIs(self.one("select removing()").where, Where.MISSING)
        self.assertIs(self.one("call settle(1)").where, Where.MISSING)
        self.assertIs(self.one("select * from v").where, Where.NONE)

    def test_dynamic(self) -> None:
        """EXECUTE of a text is not known, however deep it stands: opaque where it is called, doubt where it is not."""
        self.assertIn("app.dynamic", self.one("select dynamic('drop table x')").opaque)
        self.assertIn("function app.around -> function app.dynamic", self.one("select around(1)").opaque)
        inserted = self.one("insert into watched values (1, 'x')")
        self.assertEqual(inserted.opaque, "")
        self.assertIn("trigger hiding -> function app.hidden", inserted.beside)
        rule = SqlRule("salaries", Conditions(tables=("hr.salaries",)), Action(refuse=True))
        self.assertIs(rule.conditions.match(inserted, b""), Match.DOUBT)
        self.assertIs(rule.conditions.match(self.one("insert into log values ('x')"), b""), Match.NO)
        self.assertIs(rule.conditions.match(self.one("select calling(1)"), b""), Match.YES)
        self.assertIs(rule.conditions.match(self.one("update watched set id = 1"), b""), Match.YES)

    def test_functions_of_bodies(self) -> None:
        """A rule on a function meets it inside a body and inside a view."""
        rule = Conditions(functions=("pg_catalog.pg_sleep",))
        for text in ("select sleeping()", "select * from asleep"):
            self.assertIs(rule.match(self.one(text), b""), Match.YES, text)
        self.assertIs(rule.match(self.one("select plain(1)"), b""), Match.NO)

    def test_what_bodies_change_for_the_session(self) -> None:
        """A body that sets the path, or makes temporary objects, does it to the session."""
        self.assertEqual(self.one("select setting()").settings, (("search_path", "hr"),))
        self.assertEqual(self.one("select setting(); select * from salaries").unknown, ())
        self.assertIn("hr.salaries", set(map(str, self.one("select setting(); select * from salaries").reads)))
        self.assertTrue(self.one("select making()").temporary)
        self.assertTrue(self.one("select making(); select * from orders").unknown)

    def test_path_of_the_session(self) -> None:
        """A body that is a text means what the session's path says; one that was bound does not."""
        self.assertTrue(self.one("select app.calling(1)", NameContext(("app",), temporary=True)).opaque)
        self.assertEqual(self.one("select app.atomic(1)", NameContext(("app",), temporary=True)).opaque, "")

    def test_changed_in_this_transaction(self) -> None:
        """must-survive 17: after a RENAME or CREATE OR REPLACE nothing is known."""
        for before in (
            "alter table app.orders rename to o2",
            "alter table hr.salaries set schema app",
            "create or replace function app.plain(a int) returns int language sql as 'select 1'",
            "create trigger t after insert on app.log execute function app.noted()",
            "drop table app.quiet",
        ):
            self.assertTrue(self.one(f"{before}; select * from app.orders").unknown, before)
            self.assertTrue(self.one(f"{before}; select app.plain(1)").unknown, before)
        self.assertEqual(self.one("create table app.x (a int); select * from app.orders").unknown, ())

    def test_temporary_by_schema(self) -> None:
        """CREATE TABLE pg_temp.x makes a temporary table as CREATE TEMP TABLE does; a view is not followed."""
        for text in ("create table pg_temp.orders (id int)", "create temp table orders (id int)"):
            found = self.one(f"{text}; select * from orders")
            self.assertEqual({str(each) for each in found.reads}, {"pg_temp.orders", "app.orders"}, text)
        self.assertTrue(self.one("create temp view orders as select 1; select * from orders").unknown)

    def test_once(self) -> None:
        """The closure is kept with its catalogue."""
        self.one("select calling(1)")
        before = self.known.memo.get((("function", 0), NameContext(("app",))))
        self.assertIsNone(before)
        step = next(iter(self.one("select calling(1)").calls))
        kept = self.known.memo.get(((step, ""), NameContext(("app",))))
        self.one("select calling(2)")
        self.assertIs(self.known.memo.get(((step, ""), NameContext(("app",)))), kept)
        self.assertIsNotNone(kept)

    def test_ways(self) -> None:
        """For people: what leads where."""
        self.assertIn("view app.over_v -> view app.v -> table hr.salaries", self.one("select * from over_v").ways)
        self.assertIn(
            "table app.orders -> foreign key -> table app.lines -> foreign key -> table app.sublines",
            self.one("delete from orders where id = 1").ways,
        )

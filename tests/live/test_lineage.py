"""Masked columns through a real PostgreSQL: what each statement shows is what was followed, and no value gets out."""

from __future__ import annotations

import json
import re
import tempfile
from difflib import unified_diff
from typing import Any, ClassVar

import psycopg
from psycopg import pq

from hoopgw.cli.demo.stage import Options
from tests.live.harness import LiveCase, until
from tests.policy.test_lineage import CHOSEN, EQUAL, FORMS, FREE, KEPT, STORED

SECRET = "sekret"  # in every masked value, and in nothing else
SHOP = """
DROP TABLE customers, orders, products CASCADE;
CREATE SCHEMA crm;
CREATE EXTENSION intarray;
CREATE TABLE customers (id integer PRIMARY KEY, email text UNIQUE, name text);
CREATE TABLE orders (id integer PRIMARY KEY, customer text, note text);
CREATE TABLE crm.people (id integer PRIMARY KEY, email text, city text);
CREATE UNIQUE INDEX ON customers (lower(email));
INSERT INTO orders SELECT n, 'c' || n, 'note ' || n FROM generate_series(1, 9) n;
INSERT INTO crm.people SELECT n, n || '@example.org', 'city ' || n FROM generate_series(1, 9) n;
CREATE VIEW contacts AS SELECT id, email AS mail, name FROM customers c;
CREATE MATERIALIZED VIEW loud AS SELECT upper(mail) AS u, id FROM contacts;
CREATE VIEW names AS SELECT id, name FROM customers WHERE email LIKE '%@example.org';
CREATE VIEW many AS SELECT name, count(*) AS n FROM names GROUP BY name;
CREATE VIEW tally AS SELECT name, count(email) AS n FROM customers GROUP BY name;
CREATE VIEW either AS SELECT note AS x FROM orders UNION ALL SELECT email FROM customers;
CREATE TABLE crm.customers (id integer, email text, shout text GENERATED ALWAYS AS (upper(email)) STORED);
INSERT INTO crm.customers VALUES (1, 'sekret001@example.org');
CREATE VIEW risky AS SELECT email AS mail, 1 / id AS n FROM customers;
CREATE VIEW noted AS SELECT id, note FROM orders;
GRANT USAGE ON SCHEMA crm TO shop_rw;
GRANT ALL ON ALL TABLES IN SCHEMA public, crm TO shop_rw;
GRANT CREATE ON SCHEMA public TO shop_rw;
"""
# What fails, or speaks, behind other names than the table's
TELLING = """
CREATE VIEW failing AS SELECT id, name FROM customers WHERE email::int > 0;
CREATE MATERIALIZED VIEW unfilled AS SELECT id FROM customers WHERE email::int > 0 WITH NO DATA;
ALTER MATERIALIZED VIEW unfilled OWNER TO shop_rw;
CREATE TABLE audit (id integer, note text);
CREATE FUNCTION nosy() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE NOTICE 'it is %', (SELECT email FROM customers WHERE id = 1); RETURN NEW; END $$;
CREATE TRIGGER nosy BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION nosy();
CREATE TABLE parents (id integer PRIMARY KEY);
INSERT INTO parents VALUES (1);
ALTER TABLE customers ADD CONSTRAINT of_parents FOREIGN KEY (id) REFERENCES parents ON DELETE CASCADE NOT VALID;
CREATE TABLE pets (owner text REFERENCES customers(email));
INSERT INTO pets SELECT email FROM customers WHERE id = 1;
ALTER TABLE crm.customers OWNER TO shop_rw;
ALTER TABLE crm.customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE crm.customers FORCE ROW LEVEL SECURITY;
CREATE POLICY numbered ON crm.customers USING (email::int > 0);
CREATE STATISTICS crm.guessed ON (email::int) FROM crm.customers;
GRANT ALL ON failing, audit, parents TO shop_rw;
"""
TOLD = """
DROP VIEW failing; DROP MATERIALIZED VIEW unfilled; DROP TABLE pets, audit; DROP FUNCTION nosy();
ALTER TABLE customers DROP CONSTRAINT of_parents; DROP TABLE parents;
DROP STATISTICS crm.guessed; DROP POLICY numbered ON crm.customers;
ALTER TABLE crm.customers NO FORCE ROW LEVEL SECURITY; ALTER TABLE crm.customers DISABLE ROW LEVEL SECURITY;
ALTER TABLE crm.customers OWNER TO postgres; GRANT ALL ON crm.customers TO shop_rw;
"""
# Customers without a value, and with one name in common
FILL = """
TRUNCATE customers;
INSERT INTO customers SELECT n,
    CASE WHEN n <> 7 THEN '{secret}' || lpad((n * {factor} % 101)::text, 3, '0') || '@{at}' END, 'name ' || n % 4
    FROM generate_series(1, 9) n;
REFRESH MATERIALIZED VIEW loud;
"""
ONE = FILL.format(secret=SECRET, factor=37, at="example.org")
OTHER = FILL.format(secret=SECRET, factor=89, at="example.org")  # as long, in another order

# What more a real server can be asked, in the words of FORMS
MORE = {
    "select * from contacts": ".n.",
    "select * from loud": "w.",
    "select id, shout, email from crm.customers": ".wn",
    "select c.mail, l.u, t.* from contacts c, loud l, tally t": "nw.w",
    "select * from names": "-",
    "select * from many": "-",
    "select x from either": "n",
    "with recursive w as (select * from contacts union all select id + 9, mail, '' from w where id < 3) table w": ".n.",
    "select (select mail from contacts where id = 1), (select row_to_json(l) from loud l where id = 1)": "ww",
    "select to_json(array(select email from customers)), json_build_object('a', 1)": "w.",
    "select c, (c).id, (c).email from customers c": "w.w",
    "select x.* from customers c cross join lateral (values (c.email, c.id), (c.name, 0)) x": "w.",
    "select coalesce(c.email, p.email), p.email from customers c full join crm.people p on c.id = p.id + 3": "w.",
    "select first_value(email) over (order by id), ntile(2) over (order by id) from customers": "w.",
    "select percentile_disc(0.5) within group (order by id), mode() within group (order by name) from customers": "-",
    "select name, array_agg(id order by id), array_agg(email) from customers group by name": "..w",
    "select name, count(email), count(*) from customers group by grouping sets ((name), ())": ".w.",
    "select id, email from customers for update": ".n",
    "update customers c set name = o.note from orders o where o.id = c.id returning c.*, o.*": ".n....",
    "insert into customers select id + 50, note, note from orders returning *": ".n.",
    "with gone as (delete from customers returning *), kept as (select * from gone) select * from kept": ".n.",
    "with w as (update customers set name = 'x' where id = 1 returning id, upper(email) u) select * from w": ".w",
    "select '' || customers from customers": "w",
    "select customers::text, (select c2 from customers c2 where c2.id = customers.id) from customers": "ww",
    "select xmlelement(name a, name) from customers": "-",
    "select count(*), count(*) filter (where id > 3) from customers": "-",
}
# pg_class has columns here
LIVE = {**FORMS, **MORE, "select *, (select email from customers limit 1) from pg_class": "." * 33 + "w"}


class Connected(LiveCase):
    """As the agent, with the role that writes."""

    def setUp(self) -> None:
        super().setUp()
        with self.direct() as connection:
            if connection.execute("select to_regclass('crm.people')").fetchone() == (None,):
                connection.execute(SHOP.encode())
            connection.execute("alter role shop_rw set statement_timeout = '5s'")
            connection.execute(ONE.encode())

    def direct(self) -> psycopg.Connection[tuple[Any, ...]]:
        url = self.stage.cluster.url("postgres", self.stage.cluster.password, "shop")
        connection = psycopg.connect(url, autocommit=True)
        self.addCleanup(connection.close)
        return connection

    def rows(self, connection: psycopg.Connection[Any], text: str, binary: bool = False) -> list[tuple[Any, ...]]:
        """What the statement shows; nothing of what it does is left."""
        with connection.transaction(force_rollback=True), connection.cursor(binary=binary) as cursor:
            if text.startswith("copy"):
                with cursor.copy(text.encode()) as copy:
                    return list(copy.rows())
            cursor.execute(text.replace("%", "%%").encode() if binary else text.encode(), () if binary else None)
            if text.startswith("declare"):
                cursor.execute("fetch all from x")
            return cursor.fetchall() if cursor.description is not None else []


def refusal(error: psycopg.Error) -> str:
    """The gateway's reason; "" for an error of the target's own."""
    try:
        return str(json.loads(error.diag.message_detail or "")["reason"])
    except (ValueError, KeyError):
        return ""


class Shown(Connected):
    options: ClassVar[Options] = Options(
        shipped_guardrails=False, more={"guardrails.d/90-test.toml": '[mask.people]\ncolumns = ["customers.email"]\n'}
    )

    def test_forms(self) -> None:
        """must-survive 19: of each form, simple and extended, each column is as it was followed, and the others are as
        the target gives them."""
        through, direct = self.connect("writer"), self.direct()
        wrong = []
        for text, wanted in LIVE.items():
            if text.startswith("explain"):  # it tells times
                continue
            for binary in (False, True) if not text.startswith(("copy", "declare")) else (False,):
                try:
                    expected = self.rows(direct, text, binary)
                except psycopg.Error as error:  # of a newer PostgreSQL
                    self.assertRaises(type(error), self.rows, through, text, binary)
                    continue
                try:
                    found = self.rows(through, text, binary)
                except psycopg.Error as error:
                    if wanted != "refused" or "masked" not in refusal(error):
                        wrong.append((text, str(error)))
                    continue
                if wanted == "refused" or not _as_followed(found, expected, wanted):
                    wrong.append((text, f"{wanted}: {found[:3]}"))
        self.assertEqual(wrong, [], "\n".join(map(str, wrong)))

    def test_temporary_tables(self) -> None:
        """must-survive 19, 20: what was made into a temporary table of any form is shown as the form shows it."""
        through, direct = self.connect("writer"), self.direct()
        wrong = []
        for text, wanted in LIVE.items():
            if not text.startswith(("select", "table", "values", "with")) or "ctid" in text or "pg_class" in text:
                continue
            both = f"create temp table copied as {text}; select * from copied"
            try:
                expected = self.last(direct, both)
            except psycopg.Error:  # two columns of one name, or of a type that no table has
                continue
            try:
                found = self.last(through, both)
            except psycopg.Error as error:
                if wanted != "refused" and not refusal(error):
                    wrong.append((text, str(error)))
                continue
            if not _as_followed(found, expected, wanted):
                wrong.append((text, f"{wanted}: {found[:3]}"))
        self.assertEqual(wrong, [], "\n".join(map(str, wrong)))

    def test_forms_of_a_copy(self) -> None:
        """must-survive 19: what a temporary copy of the table shows is masked in every form, whatever else it shows."""
        through = self.connect("writer")
        shown = 0
        for text in LIVE:
            if not re.search(r"\bcustomers\b", text) or "public." in text or "crm" in text or "pg_class" in text:
                continue
            both = "create temp table copied as table customers; " + re.sub(r"\bcustomers\b", "copied", text)
            try:
                if "copy" not in text and "declare" not in text:
                    self.assertNotIn(SECRET, repr(self.last(through, both)).lower(), text)
                    shown += 1
            except psycopg.Error as error:
                self.assertNotIn(SECRET, str(error).lower(), text)
        self.assertGreater(shown, 50)

    def last(self, connection: psycopg.Connection[Any], text: str) -> list[tuple[Any, ...]]:
        """What the last statement of a text shows."""
        with connection.transaction(force_rollback=True), connection.cursor() as cursor:
            cursor.execute(text.encode())
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description is not None else []

    def test_called_like_a_masked_column(self) -> None:
        """What an output is called says nothing where it is known what it is made of; beside an operator that
        is not PostgreSQL's own it does."""
        through = self.connect("writer")
        for text, wanted in {
            "select 1 as email": 1,
            "select count(*) as email from orders": 9,
            "select count(*) as email from customers": 9,
            "select x as email from (values ('a')) as v (x)": "a",
            "with a as (select id as email from orders) select max(email) as email from a": 9,
            "select 2 as email union all select 2": 2,
            "select email from generate_series(5, 5) as email": 5,
            "insert into orders values (77) returning id + 1 as email": 78,
            "select upper(email) as email from customers where id = 1": None,
            "select * from (select email as x from customers union all select '' limit 1) as y (email)": "*" * 21,
            "prepare p as select 3 as email; execute p": 3,
            "select email from customers where id = 7; select 4 as email": 4,
            "select ('{1}'::int[] + 2)::text as email": "*****",
        }.items():
            for binary in (False, True) if ";" not in text else (False,):
                with self.subTest(text):
                    found = self.last(through, text) if not binary else self.rows(through, text, True)
                    self.assertEqual(found[0][0], wanted, text)
            through.execute("deallocate all")

    def test_refused(self) -> None:
        """must-survive 20: what would decide by a masked column, or copy it, never reaches the target."""
        through = self.connect("writer")
        for text in (*EQUAL, *CHOSEN, *STORED):
            with self.assertRaises(psycopg.Error, msg=text) as caught:
                self.rows(through, text.replace("$1", "'a'"))
            self.assertTrue(refusal(caught.exception), text)
        for text in FREE:
            try:
                self.rows(through, text.replace("$1", "'a'"))
            except psycopg.Error as error:
                self.assertEqual(refusal(error), "", text)  # a constraint of the table, or a right of the role

    def test_words_of_what_stands_behind(self) -> None:
        """must-survive 19: what views, policies, triggers, cascades and statistics say of a masked column is withheld,
        though the statement names none; SQLSTATE stays."""
        with self.direct() as direct:
            direct.execute(TELLING.encode())
        self.addCleanup(self.settled)
        asking = self.connect("writer")  # a name that is not known may cause one reading in two seconds
        self.assertTrue(until(lambda: self.said(asking, "select id from failing")[0] != "ZG001"))
        for text, state in (
            ("select id from failing", "22P02"),
            ("select count(*) from failing", "22P02"),
            ("explain analyze select name from failing", "22P02"),
            ("declare x cursor for select id from failing", "22P02"),
            ("prepare p as select id from failing; execute p", "22P02"),
            ("copy (select id from failing) to stdout", "22P02"),
            ("create temp table t as select name from failing", "22P02"),
            ("refresh materialized view unfilled", "22P02"),
            ("insert into audit values (1, 'x')", ""),
            ("delete from parents", "23503"),
            ("select id from crm.customers", "22P02"),
            ("analyze crm.customers", "22P02"),
        ):
            found, words = self.said(self.connect("writer"), text)
            self.assertEqual(found, state, text)
            self.assertNotIn(SECRET, words, text)
            self.assertIn("withheld", words, text)
        self.assertIn('"note 1"', self.said(self.connect("writer"), "select note::int from orders where id = 1")[1])

    def settled(self) -> None:
        with self.direct() as direct:
            direct.execute(TOLD.encode())

    def said(self, connection: psycopg.Connection[Any], text: str) -> tuple[str, str]:
        """SQLSTATE, and all words of the target about a statement that is rolled back."""
        words: list[str] = []
        connection.add_notice_handler(lambda each: words.append(f"{each.message_primary} {each.message_detail}"))
        try:
            self.rows(connection, text)
        except psycopg.Error as error:
            return error.sqlstate or "", f"{words} {error} {error.diag.message_detail}"
        return "", str(words)

    def test_several_statements(self) -> None:
        """Each statement of a text is masked by its own columns, whatever stands between."""
        text = (
            "select id, name from customers order by id limit 1; notify x; ;"
            "select count(email), name from customers group by name limit 1;"
            "update orders set note = note where id = 1; select upper(email), id from customers where id = 2;"
            "select email from customers where id = 1"
        )
        connection = self.connect("writer")
        with connection.transaction(force_rollback=True), connection.cursor() as cursor:
            cursor.execute(text.encode())
            found = []
            more: bool | None = True
            while more:
                found.append(cursor.fetchall() if cursor.description is not None else None)
                more = cursor.nextset()
        self.assertEqual(found[0], [(1, "name 1")])
        counted, changed, computed, plain = found[-4:]
        assert counted is not None
        self.assertEqual((counted[0][0], changed, computed), (None, None, [(None, 2)]))
        self.assertEqual(plain, [("*" * len("sekret037@example.org"),)])

    def test_prepared_in_the_same_text(self) -> None:
        """must-survive 19: what EXECUTE and FETCH show of a name that their own text has defined is masked by place."""
        for text in (
            "prepare p1 as select id, email from customers where id = 1; execute p1; select 1 as id, 'x' as email",
            "begin; declare c cursor for select id, email from customers where id = 1; fetch all from c; commit",
            "prepare p2 as select 'y'; prepare p3 as select 1 as id, max(email) from customers; execute p2; execute p3",
        ):
            with self.connect().cursor() as cursor:
                cursor.execute(text.encode())
                found = []
                while True:
                    found += cursor.fetchall() if cursor.description else []
                    if not cursor.nextset():
                        break
            self.assertNotIn(SECRET, str(found), text)
            self.assertTrue({(1, "*" * 21), (1, None)} & set(found), found)


class Unseen(Connected):
    """The client learns nothing: what it is sent is the same, whatever the masked values are."""

    options: ClassVar[Options] = Options(
        shipped_guardrails=False,
        more={"guardrails.d/90-test.toml": '[mask.people]\ncolumns = ["customers.email"]\n'},
    )

    def test_same_bytes(self) -> None:
        """must-survive 19, 20: every byte that the client is sent, and all that is recorded, is the same with other
        values of the same length."""
        sent = []
        for values in (ONE, OTHER):
            with self.direct() as connection:
                connection.execute(values.encode())
            through = self.connect("writer")
            sent.append(self.traced(through))
            for told in (sent[-1], self.recorded(through)):
                self.assertNotIn(SECRET.encode(), told.lower())
                self.assertIn(b"note 3", told)
        one, other = (each.decode(errors="replace").splitlines() for each in sent)
        changed = list(unified_diff(one, other, lineterm="", n=2))[:40]
        self.assertEqual(changed, [], "\n".join(changed))
        self.assertGreater(len(one), 1000)

    def traced(self, connection: psycopg.Connection[Any]) -> bytes:
        """What libpq saw, as it writes it down: every message in both directions with what stands in it."""
        with tempfile.TemporaryFile() as file:
            connection.pgconn.trace(file.fileno())
            connection.pgconn.set_trace_flags(pq.Trace.SUPPRESS_TIMESTAMPS)
            for text in (*LIVE, *EQUAL, *CHOSEN, *STORED):
                if text.startswith("explain") or "pg_class" in text:  # times, and the order of what was made anew
                    continue
                try:
                    self.rows(connection, text.replace("$1", "'a'"))
                except psycopg.Error as error:
                    self.assertNotIn(SECRET, str(error).lower())
            connection.pgconn.untrace()
            file.seek(0)
            return b"\n".join(line for line in file.read().splitlines() if b"session" not in line)

    def recorded(self, connection: psycopg.Connection[Any]) -> bytes:
        told = self.hoopgw("sessions", "replay", self.newest(), "--json").stdout
        connection.close()
        return told.encode()


class Allowed(Connected):
    options: ClassVar[Options] = Options(
        shipped_guardrails=False,
        more={
            "guardrails.d/90-test.toml": '[mask.people]\ncolumns = ["customers.email"]\npredicates = "allow"\n'
            'aggregates = ["count"]\n'
        },
    )

    def test_values_stay_masked(self) -> None:
        """What a masked column may decide shows no more of its values: of no form does a column that is followed come
        through."""
        through = self.connect("writer")
        for text in (*LIVE, *(each for each in (*EQUAL, *CHOSEN) if "pg_sleep" not in each)):
            try:
                found = self.rows(through, text.replace("$1", "'a'"))
            except psycopg.Error as error:
                self.assertNotIn(SECRET, str(error).lower())
                continue
            self.assertNotIn(SECRET, repr(found).lower(), text)

    def test_nothing_keeps_them(self) -> None:
        """Not in a setting, a sequence, a lock or a notification, from where another statement would read them."""
        through = self.connect("writer")
        through.execute("listen ears")
        for text in (
            *KEPT,
            "select pg_notify('ears', email) from customers",
            "select pg_advisory_lock(hashtext(email)) from customers",
            "select (hashtext(email)::bigint).pg_advisory_lock from customers",
        ):
            error = self.assertRaises(psycopg.Error, through.execute, text.encode())
            assert isinstance(error, psycopg.Error)
            self.assertIn("copied", refusal(error), text)
        self.assertEqual(self.rows(through, "select current_setting('my.x', true)"), [(None,)])
        self.assertEqual(list(through.notifies(timeout=0)), [])

    def test_decides(self) -> None:
        """Rows are chosen and counted by what is not shown."""
        through = self.connect("writer")
        where = "where email = 'sekret037@example.org'"
        self.assertEqual(self.rows(through, f"select id, email from customers {where}"), [(1, "*" * 21)])
        self.assertEqual(self.rows(through, "select count(email), max(email) from customers"), [(8, None)])


def _as_followed(found: list[tuple[Any, ...]], expected: list[tuple[Any, ...]], wanted: str) -> bool:
    """Column by column: n stars as long as the value, w NULL, else as it is."""
    if len(found) != len(expected):
        return False
    return all(
        len(shown) == len(row) and all(map(_cell, shown, row, wanted if wanted != "-" else "-" * len(row)))
        for shown, row in zip(found, expected, strict=True)
    )


def _cell(shown: Any, value: Any, how: str) -> bool:
    if how == "w":
        return shown is None
    # "-": nothing was followed, and the target says which column it is
    if value is not None and (how == "n" or (how == "-" and SECRET in str(value))):
        value = "*" * len(value)
    return bool(shown == value)

"""Facts of SQL texts: what a statement does, touches and reads, however it is written."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.catalogue import Catalogue, Column, Function, Relation
from hoopgw.policy.facts import SOME_FUNCTION, Facts, Where
from hoopgw.policy.sql import Unreadable, analyse
from hoopgw.policy.sql_names import NameContext


def relation(oid: int, name: str, *columns: str, schema: str = "public", **more: object) -> Relation:
    made = tuple(Column(number, column, 25) for number, column in enumerate(columns, 1))
    return Relation(oid, schema, name, str(more.pop("kind", "r")), made, **more)  # type: ignore[arg-type]


RELATIONS = (
    relation(1, "customers", "id", "name", "email"),
    relation(2, "orders", "id", "customer", "total"),
    relation(3, "audit", "id", "email", schema="hidden"),
)
OWN = "now count lower set_config pg_read_file lo_unlink substring row_to_json pg_sleep length sum".split()
FUNCTIONS = (
    *(Function(oid, "pg_catalog", name, "f", "internal", "v") for oid, name in enumerate(OWN, 100)),
    Function(900, "public", "helper", "f", "plpgsql", "v"),
)
CATALOGUE = Catalogue(
    generation=1,
    relations={(each.schema, each.name): each for each in RELATIONS},
    by_oid={each.oid: each for each in RELATIONS},
    functions={(each.schema, each.name): (each,) for each in FUNCTIONS},
    function_by_oid={each.oid: each for each in FUNCTIONS},
    search_path=("public",),
)
CONTEXT = NameContext(schemas=("public",))
EMAIL = (1, 3)


def facts(text: str, context: NameContext = CONTEXT) -> Facts:
    return analyse(text.encode(), CATALOGUE, context)


class Effects(SynchronousTestCase):
    def test_effects_are_a_set(self) -> None:
        """must-survive 17, 18: what a statement does is found inside whatever it is wrapped in."""
        for text, wanted in (
            ("select 1", "select"),
            ("DELETE FROM orders WHERE id = 1", "delete"),
            ("explain analyze delete from orders where id = 1", "explain delete"),
            ("explain select 1", "explain select"),
            ("with d as (delete from orders returning *) select count(*) from d", "select delete"),
            ("copy (delete from orders returning id) to stdout", "copy-to delete"),
            ("copy orders from program 'id'", "copy-from copy-program"),
            ("copy orders to '/tmp/x'", "copy-to copy-file"),
            ("copy orders from stdin", "copy-from"),
            ("truncate orders", "truncate"),
            ("create table x as select * from orders", "create table select"),
            ("select * into x from orders", "create table select"),
            ("select 1 into x union select 2", "create table select"),
            ("insert into orders select * from orders", "insert select"),
            ("merge into orders o using customers c on o.customer = c.id when matched then delete", "delete merge"),
            ("do $$ begin execute 'drop table orders'; end $$", "do"),
            ("alter table orders rename to o2", "rename alter table"),
            ("drop table if exists orders cascade", "drop table"),
            ("set search_path = hidden", "set"),
            ("begin", "transaction"),
            ("/* a /* nested */ comment */ dRoP -- to the end\n taBLE orders", "drop table"),
            ('drop table U&"\\006frders"', "drop table"),
            ("select $tag$ drop table orders $tag$", "select"),
            ("select E'\\' ; drop table orders --'", "select"),
            ("prepare p as delete from orders", "prepare"),
            ("declare c cursor for select email from customers", "declare select"),
            ("select lo_unlink(1)", "select large-object"),
            ("grant all on orders to public", "grant"),
            ("create role x password 'y'", "create alter-role"),
            ("lock table orders", "lock"),
            ("", ""),
            ("-- nothing", ""),
        ):
            self.assertEqual(facts(text).effects, frozenset(wanted.split()), text)

    def test_several_statements(self) -> None:
        """must-survive 16: every statement of a text counts, whatever stands between them."""
        found = facts("select 1;;/*;*/ delete from orders; select ';'")
        self.assertEqual([sorted(each.effects) for each in found.statements], [["select"], ["delete"], ["select"]])

    def test_not_the_grammar(self) -> None:
        """must-survive 16: what PostgreSQL's grammar does not accept is not read: NUL, junk, other encodings."""
        for text in (b"selct 1", b"select 1\0; drop table x", b"\xff\xfe", b"select '", b"drop table"):
            self.assertRaises(Unreadable, analyse, text, CATALOGUE, CONTEXT)

    def test_white_space(self) -> None:
        """must-survive 16: any amount of it changes nothing."""
        self.assertEqual(facts("drop" + " \n\t" * 5000 + "table orders").effects, {"drop", "table"})


class Conditions(SynchronousTestCase):
    def test_where(self) -> None:
        """A WHERE that no row decides is as good as none, also inside a CTE."""
        for text, wanted in (
            ("delete from orders", Where.MISSING),
            ("delete from orders where true", Where.CONSTANT),
            ("delete from orders where 1 = 1", Where.CONSTANT),
            ("delete from orders where id = id", Where.CONSTANT),
            ("delete from orders where id = 1 or true", Where.CONSTANT),
            ("delete from orders where id = 1 or 'a' = 'a'", Where.CONSTANT),
            ("delete from orders where not false", Where.CONSTANT),
            ("delete from orders where id = 1", Where.PRESENT),
            ("delete from orders where id = 1 and true", Where.PRESENT),
            ("delete from orders where id in (select 1)", Where.PRESENT),
            ("update orders set total = 0", Where.MISSING),
            ("with x as (update orders set total = 0) select 1", Where.MISSING),
            ("select 1", Where.NONE),
            ("merge into orders using customers on true when matched then delete", Where.CONSTANT),
            (
                "merge into orders o using customers c on o.id = o.id when matched then update set total = 0",
                Where.CONSTANT,
            ),
            ("merge into orders o using customers c on true when matched and o.id = 1 then delete", Where.PRESENT),
            ("merge into orders o using customers c on o.id = c.id when matched then delete", Where.PRESENT),
            ("merge into orders o using customers c on true when not matched then insert default values", Where.NONE),
        ):
            self.assertEqual(facts(text).statements[0].where, wanted, text)

    def test_merge(self) -> None:
        """MERGE does what its WHEN clauses do, and ON CONFLICT DO UPDATE updates."""
        begins = "merge into orders o using customers c on o.id = c.id when matched "
        for text, wanted in (
            (begins + "then delete", {"merge", "delete"}),
            (begins + "and o.id = 1 then update set total = 0", {"merge", "update"}),
            (begins + "then do nothing when not matched then insert default values", {"merge", "insert"}),
            ("insert into orders values (1) on conflict (id) do update set total = 0", {"insert", "select", "update"}),
            ("insert into orders values (1) on conflict do nothing", {"insert", "select"}),
        ):
            self.assertEqual(facts(text).statements[0].effects, wanted, text)


class Names(SynchronousTestCase):
    def one(self, text: str, context: NameContext = CONTEXT) -> object:
        return facts(text, context).statements[0]

    def test_tables(self) -> None:
        """Tables read and written, by their full names; names of CTEs are none."""
        statement = facts("with o as (select 1) insert into orders select c.id from customers c, o").statements[0]
        self.assertEqual({str(name) for name in statement.writes}, {"public.orders"})
        self.assertEqual({str(name) for name in statement.reads}, {"public.customers"})
        self.assertEqual(statement.unknown, ())

    def test_unknown(self) -> None:
        """What is not in the catalogue, hidden by temporary objects, or behind an unknown path is unknown."""
        self.assertIn("not in the gateway's catalogue", facts("select * from nowhere").statements[0].unknown[0])
        for context in (
            NameContext(("public",), temporary=True),
            NameContext(("public",), path_unknown=True),
            NameContext(("public",), changing=True),
        ):
            self.assertTrue(facts("select * from orders", context).statements[0].unknown)
            self.assertFalse(facts("select * from public.orders", context).statements[0].unknown)

    def test_search_path_only_grows(self) -> None:
        """After SET search_path an unqualified name may mean either."""
        found = facts("set search_path = hidden; select email from audit")
        self.assertEqual({str(name) for name in found.statements[1].reads}, {"hidden.audit"})
        after = CONTEXT.after(facts("select set_config('search_path', current_user, false)").statements[0])
        self.assertTrue(after.path_unknown)

    def test_functions(self) -> None:
        """PostgreSQL's own are named; anybody else's are opaque; what is not there is unknown."""
        statement = facts("select pg_read_file('/etc/passwd')").statements[0]
        self.assertEqual({str(name) for name in statement.functions}, {"pg_catalog.pg_read_file"})
        self.assertEqual(facts("select helper()").statements[0].opaque, "function public.helper")
        missing = facts("select missing()").statements[0]
        self.assertTrue(missing.unknown)
        self.assertTrue(missing.opaque)  # somebody may just have made it: its body was read by nobody
        self.assertEqual(facts("select lower('x'), coalesce(null, 1)").statements[0].opaque, "")

    def test_functions_of_an_unknown_path(self) -> None:
        """A schema may stand before pg_catalog then: another lower() may be meant."""
        other = Function(901, "evil", "lower", "f", "plpgsql", "v")
        functions = {**CATALOGUE.functions, ("evil", "lower"): (other,)}
        known = replace(CATALOGUE, functions=functions, function_by_oid={**CATALOGUE.function_by_oid, 901: other})
        for context, wanted in ((CONTEXT, ""), (NameContext(("public",), path_unknown=True), "function evil.lower")):
            (statement,) = analyse(b"select lower('x')", known, context).statements
            self.assertEqual(statement.opaque, wanted)

    def test_secret(self) -> None:
        """The text of a statement with a password is not kept."""
        found = facts("alter role x password 's3cret'")
        self.assertTrue(found.statements[0].secret)
        self.assertNotIn(b"s3cret", found.redacted)
        self.assertTrue(found.redacted)

    def test_without_a_catalogue(self) -> None:
        """Where there is no catalogue every name is unknown."""
        found = analyse(b"select * from orders", None, NameContext())
        self.assertTrue(found.statements[0].unknown)
        for text in (b"select 1 + 1", b"select 'x'::mood"):
            (statement,) = analyse(text, None, NameContext()).statements
            self.assertIn(SOME_FUNCTION, statement.functions)
            self.assertTrue(statement.opaque)
        self.assertTrue(analyse(b"select settle()", None, NameContext()).statements[0].opaque)


class Columns(SynchronousTestCase):
    def test_plain_outputs(self) -> None:
        """A column by itself in the SELECT list or RETURNING is plain: its origin is in the result's description."""
        for text in (
            "select email from customers",
            "select c.email as e, o.id from customers c join orders o on o.customer = c.id",
            "select * from customers",
            "select c.* from customers c",
            "update customers set name = 'x' where id = 1 returning email",
            "explain select email from customers",
            "copy customers (id, email) to stdout",
            "declare c cursor for select email from customers",
        ):
            statement = facts(text).statements[0]
            self.assertIn(EMAIL, statement.read, text)
            self.assertNotIn(EMAIL, statement.lost, text)

    def test_any_other_use(self) -> None:
        """must-survive 19, 20: in an expression, a predicate, an order, a whole row, a set, a subquery: lost."""
        for text in (
            "select lower(email) from customers",
            "select email || '' from customers",
            "select email::varchar from customers",
            "select case when true then email end from customers",
            "select id from customers where email like 'a%'",
            "select id from customers order by email",
            "select email from customers order by 1",
            "select email as e from customers order by e",
            "select distinct email from customers",
            "select count(*) from customers group by email",
            "select customers from customers",
            "select c from customers c",
            "select row_to_json(c) from customers c",
            "select (c).email from customers c",
            "select c.*::text from customers c",
            "select email from customers union select 'x'",
            "select x from (select email as x from customers) s",
            "with s as (select email from customers) select * from s",
            "select (select email from customers limit 1)",
            "insert into orders (customer) select email from customers",
            "create table x as select email from customers",
            "select email into x from customers",
            "update orders set total = (select email from customers)",
            "insert into customers values (1) on conflict (email) do nothing",
            "select 1 from customers natural join hidden.audit",
            "select 1 from customers join hidden.audit using (email)",
            "copy (select lower(email) from customers) to stdout",
            "delete from customers where email = 'x'",
            "select 1 / (case when email = 'x' then 0 else 1 end) from customers",
            "select id from customers limit (select length(email) from customers)",
            "select sum(1) over (partition by email) from customers",
            "merge into customers c using orders o on c.email = 'x' when matched then delete",
        ):
            statement = facts(text).statements[0]
            self.assertIn(EMAIL, statement.lost, text)

    def test_written_is_not_read(self) -> None:
        """A masked column may be written."""
        for text in (
            "insert into customers (id, email) values (1, 'x')",
            "update customers set email = 'x' where id = 1",
        ):
            self.assertNotIn(EMAIL, facts(text).statements[0].read, text)


class Junk(SynchronousTestCase):
    @settings(deadline=None, max_examples=300)
    @given(st.binary(max_size=200))
    def test_bytes(self, data: bytes) -> None:
        """Any bytes are read or are Unreadable: nothing else is raised."""
        with contextlib.suppress(Unreadable):
            analyse(data, CATALOGUE, CONTEXT)

    @settings(deadline=None, max_examples=300)
    @given(st.lists(st.sampled_from("select delete from customers email where ( ) ; , * = 1 'a' with as x".split())))
    def test_words(self, words: list[str]) -> None:
        """The same for words that often make a statement."""
        with contextlib.suppress(Unreadable):
            facts(" ".join(words))

"""Which statements a masked column refuses, and what is masked of the others; by PostgreSQL's own grammar."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from hoopgw.model.grant import Who
from hoopgw.model.operation import QUERY, Operation
from hoopgw.model.secret import Secret
from hoopgw.model.target import Selector
from hoopgw.model.verdict import Source, Verdict
from hoopgw.policy.catalogue import Catalogue, Column, Function, Relation
from hoopgw.policy.facts import Copy, Facts, FunctionName, Output, RelationName, Statement
from hoopgw.policy.guardrail import IGuardrail
from hoopgw.policy.layouts import Layouts
from hoopgw.policy.lineage import Lineage
from hoopgw.policy.mask_traces import KNOWN, Shown
from hoopgw.policy.masks import MaskGuardrail, MaskRule, SqlMasks, custom_pattern, mask_key, resolve
from hoopgw.policy.sql import analyse
from hoopgw.policy.sql_names import context_of

TEXT, INT = 25, 23


def relation(oid: int, name: str, columns: str, schema: str = "public", **more: Any) -> Relation:
    made = tuple(
        Column(number, column, INT if column == "id" else TEXT) for number, column in enumerate(columns.split(), 1)
    )
    return Relation(oid, schema, name, more.pop("kind", "r"), made, **more)


def catalogue(*relations: Relation, path: tuple[str, ...] = ("public",)) -> Catalogue:
    names = "upper max count row_to_json query_to_xml pg_stat_get_activity lo_get ts_rewrite now concat pg_ls_dir "
    names += "pg_ls_tmpdir"
    functions = {
        ("pg_catalog", name): (Function(oid, "pg_catalog", name, "f", "internal", "s"),)
        for oid, name in enumerate(names.split(), 5000)
    }
    return Catalogue(
        1,
        {(each.schema, each.name): each for each in relations},
        {each.oid: each for each in relations},
        functions,
        {},
        path,
    )


CUSTOMERS = relation(200, "customers", "id email name")
ORDERS = relation(100, "orders", "id customer note")
ACTIVITY = relation(12000, "pg_stat_activity", "pid query", "pg_catalog", kind="v")
STATS = relation(12001, "pg_stats", "tablename most_common_vals", "pg_catalog", kind="v", depends=frozenset((2619,)))
STATISTIC = relation(2619, "pg_statistic", "starelid stavalues1", "pg_catalog")
SHOWN = relation(300, "shown", "id email", kind="v", depends=frozenset((200,)))
ABOVE = relation(301, "above", "id", kind="m", depends=frozenset((300,)))
NOTES = relation(302, "notes", "id", kind="v", depends=frozenset((100,)))
RULED = relation(303, "ruled", "id", kind="r", depends=frozenset((200,)))
GUESSES = relation(304, "guesses", "v", kind="v", depends=frozenset((12001,)))
SHOP = catalogue(CUSTOMERS, ORDERS, ACTIVITY, STATS, STATISTIC, SHOWN, ABOVE, NOTES, RULED, GUESSES)


def rule(*columns: str, show: str = "none", patterns: tuple[str, ...] = (), name: str = "personal") -> MaskRule:
    source = Source("60-masks.toml", 7)
    return MaskRule(name, "postgresql", Selector(), None, columns, patterns, (), show, source)


def judged(text: str, *rules: MaskRule, names: Catalogue | None = SHOP) -> Verdict:
    guardrail = MaskGuardrail(resolve(rules or (rule("customers.email"),), names), names, None)
    return guardrail.judge(
        Operation("postgresql", QUERY, text.encode()), analyse(text.encode(), names, context_of(names))
    )


def masks(text: str, *rules: MaskRule) -> SqlMasks:
    verdict = judged(text, *rules)
    assert not verdict.refusals, verdict.refusals
    assert isinstance(verdict.masks, SqlMasks)
    return verdict.masks


class Refused(SynchronousTestCase):
    def test_function_inside_a_view(self) -> None:
        """A view whose body calls a function of somebody's own may show what that function reads."""
        calling = relation(302, "calling", "id", kind="v", calls=frozenset((20000,)))
        names = catalogue(CUSTOMERS, ORDERS, calling)
        self.assertIn(
            "view public.calling -> function", judged("select id from calling", names=names).refusals[0].reason
        )
        self.assertEqual(judged("select id from orders", names=names).refusals, ())

    def test_what_decides_or_copies(self) -> None:
        """must-survive 19, 20: what decides by a masked column's value, or takes it elsewhere, is refused."""
        for text in (
            "select id from customers where email like 'a%'",
            "select id from customers where email = 'a'",
            "select id from customers order by email",
            "select email as x from customers order by x",
            "select email from customers order by 1",
            "select distinct email from customers",
            "select id from customers group by id, email",
            "select email from customers union select note from orders",
            "select 1 / (select count(*) from customers where email = 'a')",
            "select 1 / length(email) from customers",
            "select case when email = 'a' then (select id from orders) end from customers",
            "select * from customers natural join (select 'a' as email) s",
            "select o.id from orders o join customers c on c.email = o.note",
            "select id from orders where note in (select email from customers)",
            "insert into orders(note) select email from customers",
            "create table copied as select * from customers",
            "select * into copied from customers",
            "create view v as select email from customers",
            "create materialized view v as select upper(email) from customers",
            "update orders set note = email from customers",
            "update customers set name = email",
            "update customers set (name, id) = (select email, 1 from customers limit 1)",
            "delete from customers where email = 'a'",
            "merge into orders o using customers c on o.id = c.id when matched then update set note = c.email",
            "merge into orders o using customers c on o.id = c.id when not matched then insert values (1, c.email)",
            "insert into customers(email) values ('a') on conflict (email) do nothing",
            "insert into orders(id) values (1) on conflict (id) do update set note = (select email from customers)",
            "with x as (insert into orders(note) select email from customers) select 1",
            "copy (select email from customers) to '/tmp/x'",
            "copy customers to program 'cat'",
            "prepare p as select email from customers; execute p; select id from customers where email = 'a'",
            "explain analyze select id from customers where email = 'a'",
        ):
            with self.subTest(text):
                self.assertTrue(judged(text).refusals, text)

    def test_words(self) -> None:
        """The refusal names rule, column, file and line, and says what would pass."""
        (refusal,) = judged("select id from customers where upper(email) = 'A'").refusals
        self.assertEqual(refusal.guardrail, "mask:personal")
        self.assertIn("public.customers.email", refusal.reason)
        self.assertEqual(refusal.source, Source("60-masks.toml", 7))
        self.assertTrue(refusal.would_pass)

    def test_views_and_rules(self) -> None:
        """What shows a masked table, directly or through another view, or by a rule of its own, is refused by name."""
        for text, why in (
            ("select id from shown", "public.shown shows public.customers"),
            ("select id from above", "public.above shows"),
            ("insert into ruled values (1)", "public.ruled shows public.customers"),
            ("select v from guesses", "pg_catalog.pg_stat"),
        ):
            with self.subTest(text):
                self.assertIn(why, judged(text).refusals[0].reason)
        self.assertEqual(judged("select id from notes").refusals, ())

    def test_statistics_and_functions_that_read_text(self) -> None:
        """What tells values without naming the column: statistics, and functions that run text or show statements."""
        for text in (
            "select most_common_vals from pg_stats",
            "select * from pg_catalog.pg_statistic",
            "select query_to_xml('select email from customers', true, true, '')",
            "select ts_rewrite('a', 'select email, email from customers')",
            "select * from pg_stat_get_activity(null)",
            "select lo_get(1)",
            "select pg_ls_dir('.')",
        ):
            with self.subTest(text):
                self.assertTrue(judged(text).refusals, text)

    def test_doubt(self) -> None:
        """What cannot be known is refused: unknown names, bodies, no catalogue at all."""
        for text in ("select * from elsewhere", "do $$ begin end $$", "call p()", "select unheard_of(1)"):
            with self.subTest(text):
                self.assertTrue(judged(text).refusals, text)
        self.assertTrue(judged("select id from orders", names=None).refusals)
        self.assertEqual(judged("select 1", names=None).refusals, ())

    def test_ambiguous_names(self) -> None:
        """A name that means a table of either of two schemas means both."""
        other = relation(900, "customers", "email zip", "elsewhere")
        names = catalogue(CUSTOMERS, other, path=("elsewhere", "public"))
        asked = rule("public.customers.email")
        self.assertTrue(judged("copy customers to stdout", asked, names=names).refusals)
        self.assertTrue(judged("copy (select * from customers) to stdout", asked, names=names).refusals)
        self.assertIsNotNone(judged("select email from customers", asked, names=names).masks)

    def test_masks_are_not_taken_away(self) -> None:
        """Who renames a masked column, or its table or schema, or changes the table, would take its mask away."""
        for text in (
            "alter table customers rename column email to x",
            "alter table customers rename to x",
            "alter table customers set schema elsewhere",
            "alter schema public rename to x",
            "alter table customers alter column name type text using email",
            "update pg_class set relname = 'x' where relname = 'customers'",
            "insert into pg_catalog.pg_class values (1)",
        ):
            with self.subTest(text):
                self.assertTrue(judged(text).refusals, text)
        for text in ("alter table orders rename column note to x", "alter table orders add column x text"):
            with self.subTest(text):
                self.assertEqual(judged(text).refusals, (), text)

    def test_order_of_rows(self) -> None:
        """Rows come in the order of an index that has all of their columns, or that the table was clustered by."""
        for text in (
            "create index on customers (email)",
            "create unique index on customers (name, email)",
            "create index on customers (name) include (email)",
            "cluster customers using customers_email_idx",
            "cluster",
        ):
            with self.subTest(text):
                self.assertTrue(judged(text).refusals, text)
        for text in ("create index on customers (name)", "create index on orders (note)", "cluster orders"):
            with self.subTest(text):
                self.assertEqual(judged(text).refusals, (), text)

    def test_copy(self) -> None:
        """A COPY passes where each of its fields is known, and a NULL mark tells nothing of a value."""
        for text in (
            "copy (select f.*, c.email from json_each('{}') f, customers c) to stdout",
            "copy customers to stdout with (null 'ann@example.org')",
            "copy customers to stdout; copy orders to stdout",
        ):
            with self.subTest(text):
                self.assertTrue(judged(text).refusals, text)
        for text, fields in (
            ("copy customers to stdout", ["", "none", ""]),
            ("copy customers (email, id) to stdout with csv", ["none", ""]),
            ("copy (select name, email as x from customers) to stdout", ["", "none"]),
            ("copy (select * from customers) to stdout with binary", ["", "none", ""]),
            ("copy customers to stdout with (format csv, null 'ann@example.org')", ["", "none", ""]),
            ("copy (select * from orders, customers) to stdout", ["", "", "", "", "none", ""]),
            ("copy (select s.*, c.email, c.id from (select 1) s, customers c) to stdout", ["", "none", ""]),
            ("copy (select j.* from (customers c join orders o on true) as j) to stdout", ["", "none", *[""] * 4]),
            ("copy (select upper(email), name from customers) to stdout", ["whole", ""]),
            ("copy (select note from orders union all select email from customers) to stdout", ["none"]),
            ("copy (delete from customers returning email) to stdout", ["none"]),
        ):
            with self.subTest(text):
                found = masks(text)
                assert found.copy is not None
                self.assertEqual([each.show for each in found.copy_shown], fields)
                self.assertEqual(len(found.copy.fields), len(fields))

    def test_copies_that_look_alike(self) -> None:
        """Two COPYs in one text pass where their fields are shown alike, and only then."""
        alike = "copy (select {} from customers) to stdout; copy (select {} from customers) to stdout"
        self.assertEqual(judged(alike.format("email", "email")).refusals, ())
        self.assertTrue(judged(alike.format("upper(email)", "upper(name)")).refusals)

    def test_several_copies_of_patterns(self) -> None:
        """Patterns refuse nothing else, but rows that may be of either of two COPYs cannot be masked."""
        asked = rule(patterns=("email",))
        self.assertTrue(judged("copy orders to stdout; copy orders to stdout with csv", asked).refusals)
        self.assertEqual(judged("copy orders to stdout; copy orders to stdout", asked).refusals, ())
        for text in ("select upper(note) from orders", "select * from elsewhere", "do $$ begin end $$"):
            self.assertEqual(judged(text, asked).refusals, ())
            self.assertEqual(masks(text, asked).patterns, frozenset(("email",)))


class Plain(SynchronousTestCase):
    """By facts alone, whichever text they may be of."""

    SELECTS = frozenset(("select",))
    OWN = (
        Function(20000, "ext", "compiled", "f", "c", "i"),
        Function(20001, "ext", "written", "f", "plpgsql", "i"),
    )

    def told(self, statement: Statement, *rules: MaskRule, known: bool = True) -> Verdict:
        names = None
        if known:
            names = replace(
                SHOP, functions={**SHOP.functions, **{(each.schema, each.name): (each,) for each in self.OWN}}
            )
        guardrail = MaskGuardrail(resolve(rules or (rule("customers.email"),), names), names, None)
        return guardrail.judge(Operation("postgresql", QUERY, b""), Facts((statement,)))

    def reason(self, statement: Statement, *rules: MaskRule, known: bool = True) -> str:
        refusals = self.told(statement, *rules, known=known).refusals
        return refusals[0].reason if refusals else ""

    def test_without_a_catalogue(self) -> None:
        """Whatever may touch a table is refused; what touches nothing is not."""
        orders = frozenset((RelationName("public", "orders", 100),))
        upper = frozenset((FunctionName("pg_catalog", "upper"),))
        for statement in (
            Statement(self.SELECTS, reads=orders),
            Statement(frozenset(("insert",)), writes=orders),
            Statement(self.SELECTS, functions=upper),
            Statement(frozenset(("do",)), opaque="DO"),
            Statement(self.SELECTS, unknown=("x",)),
        ):
            self.assertIn("what names mean is not known now", self.reason(statement, known=False))
        self.assertEqual(self.reason(Statement(self.SELECTS), known=False), "")

    def test_functions_of_ones_own(self) -> None:
        """Compiled ones depend on what they are given; a body that is not read may read anything."""
        for name, why in (("compiled", ""), ("written", "function ext.written may read"), ("gone", "")):
            called = Statement(self.SELECTS, functions=frozenset((FunctionName("ext", name),)))
            self.assertEqual(self.reason(called)[: len(why) or None], why, name)
            found = self.told(called, rule(patterns=("email",))).masks
            assert isinstance(found, SqlMasks)
            self.assertEqual(found.places, {}, name)  # so its name counts, and what is found in it
        ours = self.told(Statement(self.SELECTS), rule(patterns=("email",))).masks
        assert isinstance(ours, SqlMasks)
        self.assertEqual(ours.places, {0: (KNOWN,)})
        for touching in (
            Statement(self.SELECTS, opaque="DO"),
            Statement(self.SELECTS, uses="p"),
            Statement(self.SELECTS, body=(Statement(self.SELECTS),)),
            Statement(self.SELECTS, writes=frozenset((RelationName("public", "orders", 100),))),
        ):
            found = self.told(touching, rule(patterns=("email",))).masks
            assert isinstance(found, SqlMasks)
            self.assertEqual(found.places, {}, touching)

    def test_not_followed(self) -> None:
        """A statement whose lineage is lost, or was never looked for, may show any column of a masked table."""
        customers = frozenset((RelationName("public", "customers", 200),))
        read = {"reads": customers, "read": frozenset(((200, 2),))}
        self.assertIn(
            "PREPARE or DECLARE it again", self.told(Statement(self.SELECTS, reads=customers)).refusals[0].would_pass
        )
        lost = Lineage(lost="a new clause")
        self.assertIn(
            "where it goes cannot be known: a new", self.reason(Statement(self.SELECTS, lineage=lost, **read))
        )
        self.assertIn(
            "it shows cannot be known: a new", self.reason(Statement(self.SELECTS, lineage=lost, reads=customers))
        )
        self.assertEqual(self.reason(Statement(self.SELECTS, lineage=lost)), "")
        elsewhere = Statement(frozenset(("alter",)), read=frozenset(((200, 2),)), lost=frozenset(((200, 2),)))
        self.assertIn("may leave only as an output column", self.reason(elsewhere))
        self.assertEqual(self.reason(replace(elsewhere, lost=frozenset())), "")

    def test_words_of_bodies(self) -> None:
        """What runs beside a statement may tell of masked columns where there are any, and only then."""
        beside = Statement(self.SELECTS, beside="trigger t -> function f()")
        for rules, errors in (
            ((rule("customers.email"),), True),
            ((rule(patterns=("email",)),), False),
        ):
            found = self.told(beside, *rules).masks
            assert isinstance(found, SqlMasks)
            self.assertEqual(found.errors, errors)

    def test_copy_that_is_not_followed(self) -> None:
        """All of its fields are looked through; what is no COPY has none."""
        fields = (Output("a"), Output("b"))
        for lineage in (None, Lineage(lost="a new clause")):
            copying = Statement(frozenset(("copy-to",)), copy=Copy(fields=fields), lineage=lineage)
            found = self.told(copying, rule(patterns=("email",))).masks
            assert isinstance(found, SqlMasks)
            self.assertEqual((found.copy, found.copy_shown), (copying.copy, (Shown("", ""),) * 2))
        found = self.told(Statement(self.SELECTS), replace(rule(), custom=("x",))).masks
        assert isinstance(found, SqlMasks)
        self.assertEqual((found.copy, found.copy_shown, found.custom), (None, (), {"x"}))

    def test_what_is_said(self) -> None:
        """Which rule it was, where there is one; which of the server's things it was."""
        of_rule = judged("select id from customers where email = 'a'").refusals[0]
        self.assertEqual((of_rule.guardrail, of_rule.source.line), ("mask:personal", 7))
        of_none = judged("select * from elsewhere").refusals[0]
        self.assertEqual((of_none.guardrail, of_none.source), ("mask", Source()))
        self.assertIn("a file of the server", judged("copy orders from '/tmp/x'").refusals[0].reason)
        self.assertIn("a program of the server", judged("copy orders from program 'x'").refusals[0].reason)
        self.assertEqual(judged("copy (select id from customers) to stdout with (null 'x')").refusals, ())


class Outside(SynchronousTestCase):
    """What is read past the database's own names may be its tables."""

    READ = (
        "copy orders from '/tmp/x'",
        "copy orders from program 'cat /tmp/x'",
        "create foreign table f (e text options (column_name 'email')) server s options (table_name 'customers')",
        "import foreign schema public limit to (customers) from server s into public",
    )

    def test_refused(self) -> None:
        """must-survive 20: server files, programs and foreign tables could show masked columns by other names."""
        for text in self.READ:
            with self.subTest(text):
                self.assertTrue(judged(text).refusals)
                self.assertEqual(judged(text, rule(patterns=("email",))).refusals, ())
        for text in ("copy orders from stdin", "drop foreign table orders", "create server s foreign data wrapper w"):
            with self.subTest(text):
                self.assertEqual(judged(text).refusals, ())

    def test_granted(self) -> None:
        """A grant with `copy-masked` lets them be read."""
        guardrail = MaskGuardrail(resolve((rule("customers.email"),), SHOP), SHOP, None, copies=True)
        for text in self.READ:
            facts = analyse(text.encode(), SHOP, context_of(SHOP))
            self.assertEqual(guardrail.judge(Operation("postgresql", QUERY, text.encode()), facts).refusals, (), text)

    def test_moved_by_an_extension(self) -> None:
        """must-survive 19: ALTER EXTENSION … SET SCHEMA moves its tables: nobody makes a masked one one of them, and no
        extension moves that may have one."""
        for text in ("add table customers", "drop table public.customers", "set schema crm"):
            self.assertIn("masks away", judged(f"alter extension hstore {text}").refusals[0].reason)
        self.assertEqual(judged("alter extension hstore add table orders").refusals, ())

    def test_large_objects(self) -> None:
        """must-survive 20: the table in which they are says as much as the functions that read them."""
        names = catalogue(CUSTOMERS, relation(2613, "pg_largeobject", "loid pageno data", "pg_catalog"))
        text = "select data from pg_catalog.pg_largeobject"
        self.assertTrue(judged(text, names=names).refusals)
        self.assertEqual(judged(text, rule(patterns=("email",)), names=names).refusals, ())


class Passed(SynchronousTestCase):
    def test_lists_of_the_server_s_own_files(self) -> None:
        """Names that the server gave them, and sizes: pg_activity asks for those of its temporary files."""
        self.assertEqual(judged("select max(size) from pg_ls_tmpdir()").refusals, ())

    def test_plain_output(self) -> None:
        """A plain output column passes, and errors about it are withheld."""
        for text in (
            "select email from customers",
            "select c.email as x, id from customers c where id = 1 order by id",
            "select * from customers",
            "table customers",
            "select c.* from customers c join orders o on o.customer = c.name",
            "update customers set email = 'x' where id = 1 returning *",
            "insert into customers(email) values ('x') returning email",
            "declare c cursor for select email from customers",
        ):
            with self.subTest(text):
                found = masks(text)
                self.assertEqual((found.columns[200, 2], found.errors), ("none", True))

    def test_untouched(self) -> None:
        """Statements about other tables are let alone."""
        for text in ("select note from orders", "select 1", "begin", "select now()", "copy orders to stdout"):
            with self.subTest(text):
                verdict = judged(text)
                self.assertEqual((verdict.refusals, verdict.masks), ((), None))

    def test_errors(self) -> None:
        """must-survive 19: an error about a write tells of whole rows; one about a read of other columns does not."""
        self.assertTrue(masks("update customers set name = null where id = 1").errors)
        self.assertTrue(masks("insert into customers(name) values ('a')").errors)
        self.assertFalse(masks("select id from customers").errors)

    def test_errors_of_maintenance(self) -> None:
        """must-survive 19: expressions of statistics and indexes are computed by who says ANALYZE or REINDEX."""
        for text in ("analyze customers", "analyze", "vacuum analyze customers", "reindex table customers"):
            with self.subTest(text):
                self.assertTrue(masks(text).errors)
        for text in ("analyze orders", "reindex table orders", "lock table customers"):
            with self.subTest(text):
                self.assertFalse(getattr(judged(text).masks, "errors", False))

    def test_other_sessions_statements(self) -> None:
        """must-survive 19: pg_stat_activity.query is masked with every column mask, and only there."""
        found = masks("select pid, query from pg_stat_activity")
        self.assertEqual((found.columns[12000, 2], found.errors), ("none", True))
        self.assertEqual(
            [each.show for each in masks("select upper(query) from pg_stat_activity").places[0]], ["whole"]
        )
        self.assertTrue(judged("select pid from pg_stat_activity where query like '%email%'").refusals)
        self.assertIsNone(judged("select query from pg_stat_activity", rule()).masks)

    def test_output_names(self) -> None:
        """What is known to be made of no masked column is shown, whatever it is called; a rule on all columns
        of a table says nothing of names."""
        for text in (
            "select count(*) as email from orders",
            "select max(note) as email from orders group by id",
        ):
            found = masks(text)
            self.assertEqual(found.names, (("email", "none"),))
            self.assertEqual([(each.show, each.known) for each in found.places[0]], [("", True)], text)
        for text in ("select 'a' as Email", "select email from (values (1)) as v (email)"):
            found = masks(f"select email from customers; {text}")
            self.assertEqual(found.places[1], (KNOWN,))
        self.assertIsNone(judged("select count(*) from orders", rule("customers.*")).masks)


class Tables(SynchronousTestCase):
    def test_globs(self) -> None:
        """`*.column`, `table.column` and `schema.table.column`, in either case of letters."""
        loud = relation(201, "Clients", "id EMail", "crm")
        own = relation(12002, "pg_thing", "email", "pg_catalog")
        names = catalogue(CUSTOMERS, loud, own)
        for columns, found in (
            ("*.email", {(200, 2), (201, 2)}),
            ("customers.email", {(200, 2)}),
            ("crm.*.email", {(201, 2)}),
            ("crm.clients.*", {(201, 1), (201, 2)}),
            ("other.customers.email", set()),
            ("*.e?ai[l]", {(200, 2), (201, 2)}),
        ):
            with self.subTest(columns):
                self.assertEqual(set(resolve((rule(columns),), names).columns), found)

    def test_strictest_wins(self) -> None:
        """Of several rules the strictest counts: none, then hash, then last4."""
        rules = rule("*.email", show="last4", name="a"), rule("customers.email", show="hash", name="b")
        self.assertEqual(resolve(rules, SHOP).columns[200, 2], "hash")
        both = masks("select email from customers", rules[0]) & masks("select email from customers", rule("*.email"))
        self.assertEqual(both.columns[200, 2], "none")

    def test_of_two_verdicts(self) -> None:
        """What either masks is masked, by the stricter way; of columns that may be two things, as both ask together."""
        one = SqlMasks(
            {(1, 1): "last4", (1, 2): "none"},
            (("a*", "hash"),),
            frozenset(("email",)),
            frozenset(("x",)),
            places={0: (Shown("last4", "a", frozenset("k")), Shown("", "b", known=True), Shown("hash", "c"))},
            keys={(1, 1): frozenset("k"), (1, 2): frozenset("m")},
        )
        other = SqlMasks(
            {(1, 1): "none", (1, 3): "whole"},
            (("a*", "hash"), ("b", "none")),
            frozenset(("payment-card",)),
            frozenset(("y",)),
            True,
            Copy(),
            places={0: (Shown("none", "a", frozenset("l")), Shown("none", "z"), Shown("", "c")), 1: (Shown("", "q"),)},
            keys={(1, 1): frozenset("l"), (1, 3): frozenset("n")},
            copy_shown=(Shown("none", ""),),
        )
        for found in (one & other, other & one):
            self.assertEqual(found.columns, {(1, 1): "none", (1, 2): "none", (1, 3): "whole"})
            self.assertEqual(found.keys, {(1, 1): frozenset("kl"), (1, 2): frozenset("m"), (1, 3): frozenset("n")})
            self.assertEqual(set(found.names), {("a*", "hash"), ("b", "none")})
            self.assertEqual(len(found.names), 2)
            self.assertEqual((found.patterns, found.custom), ({"email", "payment-card"}, {"x", "y"}))
            self.assertEqual((found.errors, found.copy, found.copy_shown), (True, Copy(), (Shown("none", ""),)))
            self.assertEqual(
                found.places[0], (Shown("none", "a", frozenset("kl")), Shown("none", ""), Shown("hash", "c"))
            )
            self.assertEqual(found.places[1], (Shown("", "q"),))
        whole = replace(one, keys={(1, 1): frozenset()})  # nothing named: all of it
        self.assertEqual((whole & other).keys[(1, 1)], frozenset())
        longer = replace(one, places={0: (Shown("none", "a"),)})
        self.assertEqual((longer & other).places[0], ())  # which agrees with no result
        partly = replace(one, places={0: (Shown("none", "a", frozenset("k")),)})
        for show, wanted in (("none", frozenset()), ("", frozenset("k"))):  # all of it in one of them; in none
            single = replace(one, places={0: (Shown(show, "a"),)})
            for found in (partly & single, single & partly):
                self.assertEqual(found.places[0], (Shown("none", "a", wanted),))
        made = replace(one, build="walkers", layouts=Layouts(SHOP))
        for found in (made & other, other & made):
            self.assertEqual((found.build, found.layouts), (made.build, made.layouts))
        known = replace(one, places={0: (KNOWN,)})
        self.assertTrue((known & known).places[0][0].known)
        self.assertFalse((known & replace(one, places={0: (Shown("", ""),)})).places[0][0].known)

    def test_families(self) -> None:
        """A parent shows its children's rows, and a child or a sister can be read itself: all are masked."""
        child = relation(401, "customers_eu", "email id", parents=frozenset((200,)))
        grandchild = relation(402, "customers_de", "x email", parents=frozenset((401,)))
        names = catalogue(
            CUSTOMERS, child, grandchild, relation(403, "customers_us", "email", parents=frozenset((200,)))
        )
        for asked in ("customers.email", "customers_de.email"):
            table = resolve((rule(asked),), names)
            self.assertEqual(set(table.columns), {(200, 2), (401, 1), (402, 2), (403, 1)})
            self.assertEqual(table.relations, {200, 401, 402, 403})

    def test_generated(self) -> None:
        """What the table itself computes with a masked column is not shown, in children neither."""
        made = relation(410, "made", "id email shout", generated=((3, 2),))
        child = relation(411, "made_more", "shout email", parents=frozenset((410,)))
        table = resolve((rule("made.email", show="last4"),), catalogue(made, child))
        shown = {(410, 2): "last4", (410, 3): "whole", (411, 2): "last4", (411, 1): "whole"}
        self.assertEqual(table.columns, shown)
        self.assertEqual(resolve((rule("made.id"),), catalogue(made, child)).relations, {410})


class Pieces(SynchronousTestCase):
    def test_guardrail(self) -> None:
        """It is a guardrail."""
        verifyObject(IGuardrail, MaskGuardrail(resolve((), None), None, None))
        self.assertEqual(judged("select 1", rule()), Verdict())

    def test_custom(self) -> None:
        """Expressions are searched as one; without any there is nothing to search."""
        self.assertIsNone(custom_pattern(frozenset()))
        found = custom_pattern(frozenset(("EMP-[0-9]+", "x|y")))
        self.assertEqual([each.group() for each in found.finditer(b"EMP-12 y EMP-")], [b"EMP-12", b"y"])

    def test_key(self) -> None:
        """The masks' key is not the secret that it comes from, and is the same each time."""
        secret = Secret(b"s" * 32)
        self.assertEqual(mask_key(secret), mask_key(secret))
        self.assertNotEqual(mask_key(secret), secret.reveal())
        self.assertNotEqual(mask_key(secret), mask_key(Secret(b"t" * 32)))

    def test_exempt(self) -> None:
        """A rule keeps whom it exempts for whoever selects rules."""
        self.assertEqual(MaskRule("n", "p", Selector(), Who(), (), (), (), "none").exempt, Who())

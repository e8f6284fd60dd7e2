"""What a `[guardrail.NAME]` says of SQL: matches, doubts, and what it asks for."""

from __future__ import annotations

import re2
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from hoopgw.model.operation import QUERY, Operation
from hoopgw.model.target import Mode
from hoopgw.model.verdict import ALLOW, HoldTerms, Source, Verdict
from hoopgw.policy.catalogue import Catalogue, Column, Function, Relation
from hoopgw.policy.facts import SOME_FUNCTION, Facts, FunctionName, RelationName, Statement, Where
from hoopgw.policy.guardrail import IGuardrail, judge
from hoopgw.policy.guardrails import Action, Conditions, SqlRule
from hoopgw.policy.sql import analyse
from hoopgw.policy.sql_names import NameContext

PLACE = Source("guardrails.d/50-sql.toml", 7)
COLUMNS = (Column(1, "id", 23), Column(2, "owner", 25), Column(3, "note", 25))
RELATIONS = (
    Relation(1, "pay", "accounts", "p", COLUMNS),
    Relation(2, "pay", "accounts_2026", "r", COLUMNS, parents=frozenset((1,))),
    Relation(3, "public", "balances", "v", COLUMNS, depends=frozenset((1,))),
    Relation(4, "public", "summary", "v", COLUMNS, depends=frozenset((3,))),
    Relation(5, "public", "notes", "r", COLUMNS),
)
FUNCTIONS = tuple(
    Function(100 + number, schema, name, "f", language, "v")
    for number, (schema, name, language) in enumerate(
        (
            ("pg_catalog", "pg_read_file", "internal"),
            ("pg_catalog", "lower", "internal"),
            ("pg_catalog", "query_to_xml", "internal"),
            ("public", "leak", "plpgsql"),
            ("ext", "dblink", "c"),
        )
    )
)
CATALOGUE = Catalogue(
    generation=1,
    relations={(each.schema, each.name): each for each in RELATIONS},
    by_oid={each.oid: each for each in RELATIONS},
    functions={(each.schema, each.name): (each,) for each in FUNCTIONS},
    function_by_oid={each.oid: each for each in FUNCTIONS},
    search_path=("pay", "public"),
)
CONTEXT = NameContext(schemas=("pay", "public"))
REFUSE = Action(refuse=True)
HOLD = Action(hold=HoldTerms("", "", frozenset(("dba",)), 2, 20.0, 5.0, 600.0))


def said(
    conditions: Conditions, text: str, action: Action = REFUSE, context: NameContext = CONTEXT, **words: str
) -> Verdict:
    facts = analyse(text.encode(), CATALOGUE, context)
    rule = SqlRule("rule", conditions, action, source=PLACE, **words)
    return rule.judge(Operation("postgresql", QUERY, text.encode()), facts)


def of(conditions: Conditions, statement: Statement) -> Verdict:
    rule = SqlRule("rule", conditions, REFUSE, source=PLACE)
    return rule.judge(Operation("postgresql", QUERY, b""), Facts((statement,)))


def reason(verdict: Verdict) -> str:
    return verdict.refusals[0].reason if verdict.refusals else ""


class Rules(SynchronousTestCase):
    def test_provides(self) -> None:
        """A rule is a guardrail; one that reads the text itself says so, for its verdict depends on literals."""
        rule = SqlRule("rule", Conditions(effects=frozenset(("drop",))), REFUSE)
        verifyObject(IGuardrail, rule)
        self.assertFalse(rule.reads_text)
        self.assertTrue(SqlRule("rule", Conditions(pattern=re2.compile(b"x")), REFUSE).reads_text)

    def test_effects_however_written(self) -> None:
        """must-survive 17: a DELETE is a DELETE in a WITH, an EXPLAIN ANALYZE, a COPY, among others."""
        rule = Conditions(effects=frozenset(("delete",)))
        for text in (
            "delete from notes where id = 1",
            "with gone as (delete from notes where id = 1 returning *) select * from gone",
            "explain analyze delete from notes where id = 1",
            "copy (delete from notes where id = 1 returning id) to stdout",
            "select 1; delete from notes where id = 1; select 2",
        ):
            self.assertEqual(len(said(rule, text).refusals), 1, text)
        for text in ("select 'delete from notes'", "select 1 -- delete from notes", "prepare x as delete from notes"):
            self.assertIs(said(rule, text), ALLOW, text)

    def test_where(self) -> None:
        """Missing and constant conditions are found; the reason names statement and table, and what would pass."""
        rule = Conditions(where=frozenset((Where.MISSING, Where.CONSTANT)))
        verdict = said(rule, "update pay.accounts set note = ''", HOLD)
        self.assertEqual(verdict.holds[0].reason, "UPDATE without WHERE on pay.accounts")
        self.assertEqual(verdict.holds[0].would_pass, "add a WHERE clause")
        for text in ("delete from notes", "delete from notes where true", "delete from notes where 1 = 1 or id = 2"):
            self.assertEqual(len(said(rule, text, HOLD).holds), 1, text)
        for text in ("delete from notes where id = 1", "select * from notes", "insert into notes values (1)"):
            self.assertIs(said(rule, text, HOLD), ALLOW, text)
        only_missing = Conditions(where=frozenset((Where.MISSING,)))
        self.assertIs(said(only_missing, "delete from notes where true"), ALLOW)

    def test_tables_by_any_name(self) -> None:
        """A rule that names a table is about its rows: bare, by a view of a view, by a partition or its parent."""
        rule = Conditions(tables=("pay.accounts",))
        for text in (
            "select * from accounts",
            "select * from pay.accounts",
            "select * from balances",
            "select * from summary",
            "select * from accounts_2026",
            "update balances set note = ''",
            "drop table accounts_2026",
            "truncate accounts_2026",
            "copy accounts_2026 from stdin",
            "table pay.accounts",
            "with a as (select * from accounts) select 1",
        ):
            self.assertEqual(len(said(rule, text).refusals), 1, text)
        self.assertIs(said(rule, "select * from notes"), ALLOW)
        partition = Conditions(tables=("pay.accounts_2026",))
        self.assertEqual(len(said(partition, "select * from pay.accounts").refusals), 1)

    def test_access(self) -> None:
        """access says whether reading or writing is meant; INSERT … SELECT reads one table and writes the other."""
        text = "insert into notes select * from pay.accounts"
        for access, tables, wanted in (
            ("read", "pay.*", 1),
            ("write", "pay.*", 0),
            ("write", "public.notes", 1),
            ("read", "public.notes", 0),
            ("any", "public.notes", 1),
        ):
            self.assertEqual(len(said(Conditions(tables=(tables,), access=access), text).refusals), wanted, access)
        self.assertEqual(len(said(Conditions(schemas=("p?y",), access="read"), text).refusals), 1)
        self.assertIs(said(Conditions(schemas=("p?y",)), "select * from notes"), ALLOW)

    def test_all_conditions_must_hold(self) -> None:
        """Conditions of one rule narrow it."""
        rule = Conditions(effects=frozenset(("update",)), tables=("public.notes",), pattern=re2.compile(b"(?i)urgent"))
        self.assertEqual(len(said(rule, "update notes set note = 'URGENT' where id = 1").refusals), 1)
        for text in (
            "update notes set note = '' where id = 1",
            "delete from notes where note = 'urgent'",
            "update pay.accounts set note = 'urgent' where id = 1",
        ):
            self.assertIs(said(rule, text), ALLOW, text)

    def test_functions_however_called(self) -> None:
        """A function is found as a call, as FROM item, and in the notation of a field: (x).f is f(x)."""
        rule = Conditions(functions=("pg_catalog.pg_read_file*", "*.dblink*"))
        for text in (
            "select pg_read_file('/etc/passwd')",
            "select pg_catalog.pg_read_file('/etc/passwd')",
            "select * from pg_read_file('/etc/passwd')",
            "select ('/etc/passwd'::text).pg_read_file",
            "select (note).pg_read_file from notes",
            "select * from notes where (notes.note).pg_read_file is null",
            "select ext.dblink('x', 'y')",
        ):
            verdict = said(rule, text)
            self.assertEqual(len(verdict.refusals), 1, text)
            self.assertIn("calling", reason(verdict))
        for text in ("select lower('A')", "select id from notes", "select notes.id from notes"):
            self.assertIs(said(rule, text), ALLOW, text)

    def test_bodies(self) -> None:
        """Code that cannot be read: DO, functions whose body is not there, bodies that CREATE brings."""
        rule = Conditions(opaque=True)
        for text in (
            "do $$ begin delete from pay.accounts; end $$",
            "select leak(1)",
            "select notes.leak from notes",
            "select (1).leak",
            "create function f() returns int language sql as 'delete from pay.accounts returning 1'",
            "create trigger t after insert on notes for each row execute function leak()",
            "create extension dblink",
        ):
            self.assertEqual(len(said(rule, text).refusals), 1, text)
        self.assertIs(said(rule, "select lower('x'), notes.note from notes"), ALLOW)

    def test_secret(self) -> None:
        """A password in a statement keeps its text out of the record."""
        text = "alter role x password 'hush'"
        verdict = said(Conditions(secret=True), text, Action(redact=True))
        self.assertEqual((verdict.redact, verdict.recorded), ("rule", b"ALTER, ALTER-ROLE (text redacted)"))
        refused = said(Conditions(secret=True), text)
        self.assertEqual((refused.redact, refused.recorded), ("", b""))
        plain = SqlRule("rule", Conditions(effects=frozenset(("select",))), Action(redact=True))
        verdict = plain.judge(Operation("postgresql", QUERY, b"select 1"), Facts((Statement(frozenset(("select",))),)))
        self.assertEqual(verdict.recorded, b"(redacted)")  # nobody said what it is otherwise
        self.assertIs(said(Conditions(secret=True), "select 1", Action(redact=True)), ALLOW)


class Doubt(SynchronousTestCase):
    tables = Conditions(tables=("pay.accounts",))

    def test_unknown_names(self) -> None:
        """What names a table refuses what it cannot know, and says why: whatever it would have asked for."""
        temporary = NameContext(schemas=("pay", "public"), temporary=True)
        for action in (REFUSE, HOLD, Action(rows=10), Action(redact=True)):
            for text, context in (
                ("select * from nowhere", CONTEXT),
                ("select * from notes", temporary),
                ("select query_to_xml('select * from pay.accounts', true, true, '')", CONTEXT),
                ("do $$ begin end $$", CONTEXT),
            ):
                verdict = said(self.tables, text, action, context)
                self.assertIn("cannot be known", reason(verdict), (text, action))
                self.assertEqual((verdict.holds, verdict.limits, verdict.redact), ((), (), ""))

    def test_doubt_about_one_thing_is_not_about_another(self) -> None:
        """What a statement does is read from its text: a temporary table makes no SELECT a DROP or a call."""
        temporary = NameContext(schemas=("public",), temporary=True)
        for rule in (
            Conditions(effects=frozenset(("drop",))),
            Conditions(functions=("pg_catalog.pg_read_file",)),
            Conditions(opaque=True),
            Conditions(secret=True),
            Conditions(where=frozenset((Where.MISSING,))),
        ):
            self.assertIs(said(rule, "select * from notes, nowhere", context=temporary), ALLOW)

    def test_function_of_unknown_schema(self) -> None:
        """A name that a rule is about, in a schema that cannot be known, is refused; any other name is not it."""
        rule = Conditions(functions=("elsewhere.export_*",))
        self.assertIn("cannot be known", reason(said(rule, "select export_all()")))
        self.assertIs(said(rule, "select import_all()"), ALLOW)
        self.assertIs(said(Conditions(functions=("elsewhere.lower",)), "select lower('x')"), ALLOW)  # it is known
        some = Statement(frozenset(("select",)), functions=frozenset((SOME_FUNCTION,)))
        self.assertIn("cannot be known", reason(of(rule, some)))

    def test_what_is_not_seen(self) -> None:
        """What may touch any table without naming one: a rule about tables refuses it, and says what it is."""
        selects = frozenset(("select",))
        statistics = frozenset((RelationName("pg_catalog", "pg_stats"),))
        readers = frozenset((FunctionName("pg_catalog", "table_to_xml"), FunctionName("pg_catalog", "lower")))
        for statement, why in (
            (Statement(selects, opaque="function public.f()"), "function public.f() cannot be read"),
            (Statement(selects, inside="view v -> function f()"), "view v -> function f() cannot be read"),
            (Statement(selects, beside="trigger t -> function f()"), "trigger t -> function f() cannot be read"),
            (Statement(selects, functions=readers), ": pg_catalog.table_to_xml reads what no statement names"),
            (Statement(selects, reads=statistics), ": pg_catalog.pg_stats reads what no statement names"),
            (Statement(selects, read_below=statistics), ": pg_catalog.pg_stats reads what no statement names"),
            (Statement(selects, opaque="DO", unknown=("a", "b")), ": a; b"),
        ):
            refused = reason(of(self.tables, statement))
            self.assertIn("cannot be known", refused)
            self.assertTrue(refused.endswith(why), refused)
        writes = Conditions(tables=("pay.accounts",), access="write")
        self.assertIs(of(writes, Statement(selects, reads=statistics)), ALLOW)

    def test_not_understood(self) -> None:
        """must-survive 17, 18: EXECUTE of a name that was not seen, a call of an unknown OID, or a statement that is
        not known here could be anything: every kind of rule refuses."""
        unseen = Statement(frozenset(("execute",)), uses="p", unknown=("'p' names nothing that was seen",))
        called = Statement(frozenset(("function",)), unknown=("function 16999 is not in the gateway's catalogue",))
        strange = Statement(frozenset(), unknown=("NewStmt is not a statement that is known here",))
        for statement in (unseen, called, strange):
            for conditions in (
                Conditions(effects=frozenset(("drop",))),
                Conditions(where=frozenset((Where.MISSING,))),
                Conditions(opaque=True),
                Conditions(secret=True),
                Conditions(functions=("x.y",)),
                self.tables,
            ):
                rule = SqlRule("rule", conditions, HOLD)
                verdict = rule.judge(Operation("postgresql", QUERY, b""), Facts((statement,)))
                self.assertIn("cannot be known", reason(verdict), conditions)

    def test_create_table_as_execute(self) -> None:
        """A prepared SELECT that CREATE TABLE AS runs is not followed, and so refused where tables are named."""
        self.assertIn("cannot be known", reason(said(self.tables, "create table public.x as execute p")))

    def test_recording_by_doubt(self) -> None:
        """A rule that only asks for a stricter recording gets it by doubt: nobody is refused for it."""
        verdict = said(self.tables, "select * from nowhere", Action(mode=Mode.DURABLE))
        self.assertEqual((verdict.refusals, verdict.mode), ((), Mode.DURABLE))


class Actions(SynchronousTestCase):
    drop = Conditions(effects=frozenset(("drop",)))

    def test_refuse(self) -> None:
        """The operator's words go to the client, with the place of the rule for who explains it."""
        verdict = said(
            self.drop, "drop table notes", Action(refuse=True, mode=Mode.DURABLE), reason="No.", would_pass="x"
        )
        refusal = verdict.refusals[0]
        self.assertEqual((refusal.reason, refusal.would_pass, refusal.source), ("No.", "x", PLACE))
        self.assertEqual(verdict.mode, Mode.DURABLE)
        self.assertEqual(reason(said(self.drop, "drop table notes")), "DROP TABLE on public.notes")

    def test_hold(self) -> None:
        """Every term of the configuration reaches the hold."""
        hold = said(self.drop, "drop table notes", HOLD, reason="Ask.").holds[0]
        self.assertEqual((hold.guardrail, hold.reason, hold.source), ("rule", "Ask.", PLACE))
        self.assertEqual((hold.approvers, hold.count), (frozenset(("dba",)), 2))
        self.assertEqual((hold.wait, hold.in_transaction, hold.expires), (20.0, 5.0, 600.0))

    def test_limit(self) -> None:
        """Rows, bytes, or both."""
        for rows, size in ((5, 100), (5, None), (None, 100)):
            action = Action(rows=rows, bytes=size)
            self.assertEqual(action.controls, frozenset(("limit",)))
            verdict = said(Conditions(tables=("pay.*",)), "select * from pay.accounts", action)
            self.assertEqual(
                [(each.rows, each.bytes, each.guardrail) for each in verdict.limits], [(rows, size, "rule")]
            )
        self.assertEqual(said(Conditions(tables=("pay.*",)), "select * from pay.accounts").limits, ())

    def test_reasons(self) -> None:
        """Of a rule without words of its own they are what was found; what would pass is said where it is known."""
        for conditions, text, wanted in (
            (Conditions(), "select 1", "SELECT"),
            (Conditions(), "select * from notes, pay.accounts", "SELECT on pay.accounts, public.notes"),
            (Conditions(), "insert into notes select * from pay.accounts", "INSERT on public.notes"),
            (Conditions(), "do $$ begin end $$", "DO (DO)"),
            (Conditions(pattern=re2.compile(b"1")), "select 1", "SELECT, and its text matches"),
            (Conditions(functions=("*.lower",)), "select lower('x')", "SELECT calling pg_catalog.lower"),
        ):
            refusal = said(conditions, text).refusals[0]
            self.assertEqual((refusal.reason, refusal.would_pass), (wanted, ""))

    def test_any_order(self) -> None:
        """Adding a guardrail can only tighten, and the order of rules does not matter."""
        text = "delete from pay.accounts"
        facts = analyse(text.encode(), CATALOGUE, CONTEXT)
        operation = Operation("postgresql", QUERY, text.encode())
        rules = [
            SqlRule("one", Conditions(effects=frozenset(("delete",))), REFUSE),
            SqlRule("two", Conditions(where=frozenset((Where.MISSING,))), HOLD),
            SqlRule("three", Conditions(tables=("pay.*",)), Action(rows=1)),
        ]
        for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
            verdict = judge([rules[number] for number in order], operation, facts)
            self.assertEqual(
                [len(part) for part in (verdict.refusals, verdict.holds, verdict.limits)], [1, 1, 1], order
            )

    def test_a_broken_rule_refuses(self) -> None:
        """An error inside a guardrail refuses; it never waves a statement by."""
        broken = SqlRule("broken", Conditions(tables=(None,)), REFUSE)  # type: ignore[arg-type]
        text = "select * from notes"
        facts = analyse(text.encode(), CATALOGUE, CONTEXT)
        verdict = judge([broken], Operation("postgresql", QUERY, text.encode()), facts)
        self.assertIn("the guardrail failed", reason(verdict))

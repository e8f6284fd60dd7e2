"""Verdicts are shared by who has the same rules and the same catalogue; and what a transaction does to names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.grant import Who
from hoopgw.model.operation import EXECUTE, FUNCTION, PARSE, QUERY, Operation
from hoopgw.model.target import Role, Selector
from hoopgw.model.verdict import Verdict
from hoopgw.policy.catalogue_code_queries import CODE_QUERIES
from hoopgw.policy.catalogue_queries import QUERIES
from hoopgw.policy.facts import Statement
from hoopgw.policy.guardrails import Action, Conditions, SqlRule
from hoopgw.policy.policyset import PolicySet, Scoped
from hoopgw.policy.sql import MAX_IN_PROCESS
from hoopgw.policy.sql_names import Meaning, NameContext
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.session.catalogues import CatalogueCache
from hoopgw.session.parser_process import ParserProcess
from hoopgw.session.sqljudge import MAX_ROUNDS, SqlJudge
from hoopgw.session.sqlscopes import Scopes
from tests.session.fakes import ROLE, TARGET, Emitted, access, identity

Rows = list[list[bytes]]
TEXT = "select * from app.pay"


def no_reading(*tables: str, groups: tuple[str, ...] = ("contractors",), digest: str = "one") -> PolicySet:
    rule = SqlRule("no-reading", Conditions(tables=tables or ("app.pay",)), Action(refuse=True))
    scoped = Scoped(rule, "postgresql", Who(groups=frozenset(groups)), None, Selector())
    return PolicySet((scoped,), (), digest)


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.tables: Rows = [[b"20001", b"app", b"pay", b"r", b"0"], [b"20002", b"app", b"orders", b"r", b"0"]]
        self.bodies: dict[bytes, bytes] = {}  # of functions of one's own: one at most
        self.catalogues = CatalogueCache(self._read_all, self.clock, Emitted())
        self.scopes = Scopes(MaskBuilder(b"k" * 32))
        self.waiting: Deferred[Any] | None = None

    def _read_all(self, *_: Any) -> Deferred[Any]:
        rows: list[Rows] = [[] for _ in QUERIES]
        rows[0] = list(self.tables)
        rows[4] = [[b"20100", b"app", name, b"f", b"sql", b"v", b"f", b"23", b"", b"0", b"0"] for name in self.bodies]
        rows[len(QUERIES) - len(CODE_QUERIES) + 3] = [[b"20100", b"own", body] for body in self.bodies.values()]
        return self.waiting or succeed(rows)

    def judge(self, policy: PolicySet, *groups: str) -> SqlJudge:
        who = identity("agent", *groups)
        selection = policy.select(who, TARGET, ROLE.name)
        made = SqlJudge(selection, access(who), self.catalogues, self.scopes, ParserProcess(self.clock))
        made.ready()
        return made

    def refused(self, judge: SqlJudge, text: str = TEXT, kind: str = QUERY) -> bool:
        verdict = judge.judge(Operation("postgresql", kind, text.encode()))
        if isinstance(verdict, Deferred):
            verdict = self.successResultOf(verdict)
        assert isinstance(verdict, Verdict)
        return bool(verdict.refusals)


class Prepared(Case):
    """PostgreSQL looks up the names of a prepared statement anew when the path or what they mean has changed."""

    def defined(self, judge: SqlJudge, text: str, kind: str) -> None:
        operation = Operation("postgresql", kind, (f"prepare p as {text}" if kind == QUERY else text).encode(), b"p")
        assert isinstance(judge.judge(operation), Verdict)

    def test_another_path(self) -> None:
        """EXECUTE reads the table of the path of now, however and under whichever path the name was prepared."""
        self.tables.append([b"20003", b"other", b"pay", b"r", b"0"])
        for kind in (QUERY, PARSE):
            session = self.judge(no_reading(), "contractors")
            self.assertFalse(self.refused(session, "set search_path = other"))
            self.defined(session, "select * from pay", kind)
            self.assertFalse(self.refused(session, "execute p"))
            self.assertFalse(self.refused(session, "set search_path = app"))
            self.assertTrue(self.refused(session, "execute p"))
            self.assertTrue(self.refused(session, "explain analyze execute p"))

    def test_another_path_in_one_text(self) -> None:
        """What a text does to the path counts for what it executes behind that, wherever the name was prepared."""
        self.tables.append([b"20003", b"other", b"pay", b"r", b"0"])
        for before, text in (
            ("set search_path = other; prepare p as select * from pay", "set search_path = app; execute p"),
            ("set search_path = other", "prepare p as select * from pay; set search_path = app; execute p"),
        ):
            session = self.judge(no_reading(), "contractors")
            for each in before.split("; "):
                self.assertFalse(self.refused(session, each))
            self.assertTrue(self.refused(session, text), text)
            self.assertFalse(self.refused(session, "prepare q as select * from pay; execute q"))
        session = self.judge(no_reading(), "contractors")
        self.assertFalse(self.refused(session, "set search_path = other; prepare p as select * from pay; execute p"))

    def test_what_it_does_counts(self) -> None:
        """EXECUTE of what makes a temporary object hides names from then on, as that itself does."""
        self.bodies[b"f"] = b"CREATE FUNCTION app.f() RETURNS void LANGUAGE sql AS 'CREATE TEMP TABLE orders (a int)'"
        session = self.judge(no_reading(), "contractors")
        for text in ("set search_path = app", "prepare p as select app.f()", "select * from orders", "execute p"):
            self.assertFalse(self.refused(session, text), text)
        self.assertTrue(self.refused(session, "select * from orders"))

    def test_temporary_objects(self) -> None:
        """A temporary view takes the place of the table that the statement was prepared for."""
        session = self.judge(no_reading(), "contractors")
        self.assertFalse(self.refused(session, "set search_path = app"))
        self.defined(session, "select * from orders", QUERY)
        self.assertFalse(self.refused(session, "create temp table orders (id int)"))
        self.assertTrue(self.refused(session, "execute p"))
        verdict = session.judge(Operation("postgresql", QUERY, b"select * from orders"))
        assert isinstance(verdict, Verdict)
        self.assertIn("write its schema", verdict.refusals[0].reason)
        self.assertFalse(self.refused(session, "select * from app.orders"))

    def test_another_table_of_that_name(self) -> None:
        """Renamed in this transaction, or by somebody else since: in either direction, what there is now counts."""
        session = self.judge(no_reading("app.pay"), "contractors")
        self.defined(session, "select * from app.orders", QUERY)
        self.assertFalse(self.refused(session, "alter table app.orders rename to was"))
        self.assertTrue(self.refused(session, "execute p"))
        session.catalogue_changed()
        self.assertFalse(self.refused(session, "execute p"))
        self.defined(session, "select * from app.new", QUERY)
        self.assertTrue(self.refused(session, "execute p"))
        self.tables.append([b"20003", b"app", b"new", b"r", b"0"])
        session.catalogue_changed()
        self.assertFalse(self.refused(session, "execute p"))

    def test_cursors(self) -> None:
        """A cursor is planned when it is declared: it goes on reading what it read."""
        session = self.judge(no_reading(), "contractors")
        self.assertFalse(self.refused(session, "set search_path = app"))
        self.assertFalse(self.refused(session, "declare c cursor for select * from orders"))
        self.assertFalse(self.refused(session, "create temp table orders (id int)"))
        self.assertFalse(self.refused(session, "fetch all from c"))

    def test_too_long_to_read_again(self) -> None:
        """What was prepared by a very long text is refused once names mean something else."""
        session = self.judge(no_reading(), "contractors")
        self.assertFalse(self.refused(session, "set search_path = app"))
        for name, length, wanted in (("short", 1, False), ("long", MAX_IN_PROCESS, True)):
            text = f"prepare {name} as select 1{' ' * length}".encode()
            earlier = Meaning((Statement(frozenset(("select",))),), (0, NameContext()))
            session.names.define(name, text, earlier)
            self.assertEqual(self.refused(session, f"execute {name}"), wanted)


class Shared(Case):
    def test_one_identitys_verdict_never_serves_anothers_rules(self) -> None:
        """must-survive 80: different groups, the same text, in either order, again and again; the same after a reload
        and after a change of the schema."""
        for first, second in ((("contractors",), ("staff",)), (("staff",), ("contractors",))):
            self.setUp()
            for policy in (no_reading(), no_reading(groups=("staff",), digest="two")):
                strict = "contractors" if policy.digest == "one" else "staff"
                one, two = self.judge(policy, *first), self.judge(policy, *second)
                for _ in range(3):
                    self.assertEqual(self.refused(one), strict in first)
                    self.assertEqual(self.refused(two), strict in second)
                self.tables.append([b"20003", b"app", b"more", b"r", b"0"])
                one.catalogue_changed()
                self.assertEqual((self.refused(one), self.refused(two)), (strict in first, strict in second))

    def test_reload_of_a_session(self) -> None:
        """A rule that a reload brings holds for texts that were let through before; and the other way round."""
        before = self.judge(no_reading(), "staff")
        self.assertFalse(self.refused(before))
        who = identity("agent", "staff")
        strict = no_reading(groups=("staff",), digest="two").select(who, TARGET, ROLE.name)
        after = before.successor(strict, access(who))
        self.assertTrue(self.refused(after))
        self.assertFalse(self.refused(before))

    def test_a_table_that_becomes_another(self) -> None:
        """What was let through by one reading of the catalogue is judged anew by the next."""
        judge = self.judge(no_reading("hr.*"), "contractors")
        self.assertFalse(self.refused(judge))
        self.tables[:] = [[b"20001", b"app", b"pay", b"v", b"0"], [b"20009", b"hr", b"salaries", b"r", b"0"]]
        judge.catalogue_changed()
        self.assertTrue(self.refused(judge, "select * from hr.salaries"))


class Transactions(Case):
    def test_rename_in_the_open_transaction(self) -> None:
        """must-survive 17: app.orders may be what app.pay was, until the transaction has ended and was read again."""
        judge = self.judge(no_reading(), "contractors")
        self.assertFalse(self.refused(judge, "select * from app.orders"))
        for text in ("begin", "alter table app.orders rename to was", "alter table app.was rename to orders"):
            self.refused(judge, text)
        self.assertTrue(self.refused(judge, "select * from app.orders"))
        judge.catalogue_changed()
        self.assertFalse(self.refused(judge, "select * from app.orders"))

    def test_a_reading_in_the_middle_changes_nothing(self) -> None:
        """An unknown name makes the gateway read again: its own connection does not see what this session has not
        committed, so nothing is known better."""
        judge = self.judge(no_reading(), "contractors")
        self.refused(judge, "begin; alter table app.orders rename to was")
        self.clock.advance(10)
        self.assertTrue(self.refused(judge, "select * from app.unheard_of"))
        self.assertTrue(self.refused(judge, "select * from app.orders"))

    def test_a_refusal_of_an_unknown_name_is_not_kept(self) -> None:
        """What is refused too soon after a reading for another one is read for when it is asked again."""
        judge = self.judge(no_reading(), "contractors")
        self.assertTrue(self.refused(judge, "select * from app.later"))
        self.tables += [[b"20005", b"app", b"later", b"r", b"0"]]
        self.assertTrue(self.refused(judge, "select * from app.later"))
        self.clock.advance(10)
        self.assertFalse(self.refused(judge, "select * from app.later"))

    def test_set_undone_by_rollback(self) -> None:
        """Both paths count from then on, whatever became of the SET."""
        self.tables += [[b"20005", b"other", b"pay", b"r", b"0"]]
        judge = self.judge(no_reading("other.pay"), "contractors")
        self.refused(judge, "set search_path = app")
        self.assertFalse(self.refused(judge, "select * from pay"))
        for text in ("begin", "set search_path = other", "rollback"):
            self.refused(judge, text)
        self.assertTrue(self.refused(judge, "select * from pay"))

    def test_role_and_settings(self) -> None:
        """must-survive 9: nobody becomes another role, nor switches triggers off, by any way of saying it."""
        judge = self.judge(PolicySet(), "staff")
        for text in (
            "set role postgres",
            "set local role postgres",
            "set session authorization postgres",
            "select set_config('role', 'postgres', false)",
            "select set_config('ro' || 'le', 'postgres', false)",
            "select set_config('rolex'::varchar(4), 'postgres', false)",
            "select set_config(cast('standard_conforming_strings!' as varchar(27)), 'off', false)",
            "select set_config('session_authorization', 'postgres', true)",
            "set session_replication_role = replica",
            "select pg_catalog.set_config('session_replication_role', 'replica', false)",
            "with s as (select set_config('role', 'postgres', false)) select * from s",
            "update app.pay set a = set_config('role', 'x', false)",
        ):
            self.assertTrue(self.refused(judge, text), text)
        npgsql = "SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;SELECT pg_advisory_unlock_all()"
        for text in (
            "reset role",
            "set client_encoding to default",
            npgsql,
            "set statement_timeout = 1",
            "select set_config('application_name', 'x', false)",
        ):
            self.assertFalse(self.refused(judge, text), text)

    def test_temporary_objects_shadow(self) -> None:
        """A temporary table hides one that a rule is about, or is not: nobody knows which a bare name means."""
        judge = self.judge(no_reading(), "contractors")
        self.refused(judge, "set search_path = app")
        self.assertFalse(self.refused(judge, "select * from orders"))
        self.refused(judge, "create table pg_temp.orders (id int)")
        self.assertTrue(self.refused(judge, "select * from orders"))
        self.refused(judge, "rollback")
        self.assertTrue(self.refused(judge, "select * from orders"))


class FunctionCalls(Case):
    """The protocol's own FunctionCall, by OID."""

    def test_set_config(self) -> None:
        """must-survive 9, 17: it would change role, path and string syntax where no text says so; without any rule."""
        self.assertTrue(self.refused(self.judge(PolicySet(), "staff"), "2078", FUNCTION))

    def test_bodies(self) -> None:
        """Judged by what its body does, as a SELECT of it is; what it sets counts for what follows."""
        body = b"CREATE FUNCTION app.f() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM app.pay'"
        self.bodies[b"f"] = body
        self.assertTrue(self.refused(self.judge(no_reading(), "contractors"), "20100", FUNCTION))
        self.assertFalse(
            self.refused(self.judge(no_reading("app.orders", digest="two"), "contractors"), "20100", FUNCTION)
        )

    def test_temporary_objects_of_a_body(self) -> None:
        """A body that makes a temporary table puts bare names in doubt."""
        self.bodies[b"f"] = b"CREATE FUNCTION app.f() RETURNS void LANGUAGE sql AS 'CREATE TEMP TABLE orders (a int)'"
        judge = self.judge(no_reading(), "contractors")
        self.refused(judge, "set search_path = app")
        self.assertFalse(self.refused(judge, "select * from orders"))
        self.assertFalse(self.refused(judge, "20100", FUNCTION))
        self.assertTrue(self.refused(judge, "select * from orders"))


class Reading(Case):
    """Between the end of a transaction that changed the schema and the catalogue that shows it."""

    def setUp(self) -> None:
        super().setUp()
        self.session = self.judge(no_reading(), "contractors")
        self.refused(self.session, "alter table app.orders rename to was")
        self.waiting = self.reading = Deferred()

    def said(self, text: str, kind: str = QUERY, name: bytes = b"") -> Verdict | Deferred[Verdict]:
        return self.session.judge(Operation("postgresql", kind, text.encode(), name))

    def read(self) -> None:
        self.tables[1] = [b"20002", b"app", b"was", b"r", b"0"]
        reading, self.waiting = self.reading, None
        rows: list[Rows] = [[] for _ in QUERIES]
        rows[0] = list(self.tables)
        reading.callback(rows)


class WhileItIsRead(Reading):
    def test_what_needs_no_names(self) -> None:
        """Goes on at once where every rule lets it through though nothing is known; what a rule is in doubt about
        waits, and is judged by what there is then."""
        self.session.catalogue_changed()
        for text, kind in (("select 1", QUERY), ("begin", QUERY), ("select 2", PARSE), ("select 2", EXECUTE)):
            self.assertIsInstance(self.said(text, kind), Verdict, text)
        for text in ("select * from app.was", "select * from app.pay", "select app.f()"):
            self.assertIsInstance(self.said(text), Deferred, text)
        later = {text: self.said(text) for text in ("select * from app.was", "select * from app.pay")}
        self.read()
        refused = []
        for text, verdict in later.items():
            assert isinstance(verdict, Deferred)
            if self.successResultOf(verdict).refusals:
                refused.append(text)
        self.assertEqual(refused, ["select * from app.pay"])

    def test_names_are_not_defined_in_doubt(self) -> None:
        """What a prepared statement stands for is settled by the catalogue that is read."""
        self.session.catalogue_changed()
        for text, kind, name in (("select 1", PARSE, b"s"), ("prepare p as select 1", QUERY, b"")):
            self.assertIsInstance(self.said(text, kind, name), Deferred, text)

    def test_another_change_meanwhile(self) -> None:
        """What is let through while the catalogue is read may change it: that reading does not show it, so names stay
        in doubt until one that began later has ended."""
        loose = self.judge(no_reading("hr.*"), "staff")
        loose.catalogue_changed()
        change = loose.judge(Operation("postgresql", QUERY, b"alter schema app rename to hr"))
        self.assertIsInstance(change, Verdict)
        self.read()
        self.assertFalse(self.refused(loose, "select 1"))
        self.assertTrue(loose._context.moved)
        loose.catalogue_changed()
        self.assertFalse(loose._context.moved)

    def test_not_settled(self) -> None:
        """The end of one transaction says nothing of what is still to run in the next."""
        self.waiting = None
        self.session.catalogue_changed(True, False)
        self.assertTrue(self.refused(self.session, "select * from app.orders"))
        self.session.catalogue_changed(False, True)
        self.assertFalse(self.refused(self.session, "select * from app.orders"))

    def test_a_change_that_failed(self) -> None:
        """The names of this session are not in doubt for ever; a failure of anything else reads nothing again."""
        self.waiting = None
        self.assertTrue(self.refused(self.session, "select * from app.orders"))
        self.session.catalogue_changed(False, True)
        self.assertFalse(self.refused(self.session, "select * from app.orders"))
        generation = self.session._entry.current
        self.session.catalogue_changed(False, True)
        self.assertIs(self.session._entry.current, generation)

    def test_reload_meanwhile(self) -> None:
        """The judge by the new rules waits for the same reading."""
        self.session.catalogue_changed()
        who = identity("agent", "contractors")
        self.session = self.session.successor(no_reading().select(who, TARGET, ROLE.name), access(who))
        verdict = self.said("select * from app.was")
        assert isinstance(verdict, Deferred)
        self.read()
        self.assertFalse(self.successResultOf(verdict).refusals)


class OfOthers(Reading):
    """The same in a session while what another one has changed is read."""

    def setUp(self) -> None:
        super().setUp()
        self.other = self.session
        self.waiting = None
        self.session = self.judge(no_reading(), "contractors")
        self.waiting = self.reading

    def test_what_needs_no_names(self) -> None:
        """must-survive 17: no statement is judged by the catalogue from before a change that was seen: what a rule is
        in doubt about waits, the rest goes on."""
        self.other.catalogue_changed()
        self.assertIsInstance(self.said("select 1"), Verdict)
        later = {text: self.said(text) for text in ("select * from app.was", "select * from app.pay")}
        self.read()
        refused = [text for text, verdict in later.items() if self.successResultOf(verdict).refusals]  # type: ignore[arg-type]
        self.assertEqual(refused, ["select * from app.pay"])
        self.assertIsInstance(self.said("select * from app.was"), Verdict)

    def test_another_role(self) -> None:
        """Of the same database, whose reading is another one."""
        self.waiting = None
        target = replace(TARGET, catalogue_role="", roles={**TARGET.roles, "other": Role("other", "other")})
        mine, theirs = (
            self.catalogues.entry(target, role, database)
            for role, database in ((target.roles["other"], "pay"), (ROLE, "elsewhere"))
        )
        for entry in (mine, theirs):
            self.successResultOf(self.catalogues.fresh(entry))
        self.other.catalogue_changed()
        self.assertEqual((mine.behind, theirs.behind), (True, False))
        self.successResultOf(self.catalogues.caught_up(mine))
        self.assertFalse(mine.behind)

    def test_what_is_for_others(self) -> None:
        """Who makes temporary objects, or a table empty, changes no name for others; who makes something else does, or
        runs what cannot be read."""
        for texts, behind in (
            (("create temp table a (id int)", "create temp view b as select 1"), False),
            (("create temp table a (id int)", "create table app.b (id int)"), True),
            (("create table app.b (id int)", "create temp table a (id int)"), True),
            (("drop table a",), True),
            (("do $$ begin execute 'drop table a'; end $$",), True),
            (("refresh materialized view app.b", "discard plans"), False),
        ):
            self.session._entry.behind = False
            loose = self.judge(no_reading("hr.*"), "staff")
            for text in texts:
                self.assertIsInstance(loose.judge(Operation("postgresql", QUERY, text.encode())), Verdict)
            loose.catalogue_changed()
            self.assertEqual(self.session._entry.behind, behind, texts)
            self.read()
            self.waiting = self.reading = Deferred()

    def test_own_change_is_still_open(self) -> None:
        """What this session itself is changing stays in doubt when another's change has been read."""
        self.waiting = None
        loose = self.judge(no_reading("hr.*"), "staff")
        self.assertFalse(self.refused(loose, "alter schema app rename to hr"))
        self.other.catalogue_changed()
        self.assertFalse(self.refused(loose, "select 1"))
        self.assertTrue(loose._context.moved)

    def test_changes_without_end(self) -> None:
        """Somebody who changes the schema again and again delays others, and not for ever: then they are refused."""
        self.other.catalogue_changed()
        verdict = self.said("select * from app.orders")
        assert isinstance(verdict, Deferred)
        for _ in range(MAX_ROUNDS):
            self.assertNoResult(verdict)
            reading, self.waiting = self.waiting, Deferred()
            self.reading = self.waiting
            self.catalogues.changed(self.session._entry)
            rows: list[Rows] = [[] for _ in QUERIES]
            assert reading is not None
            reading.callback(rows)
        self.assertIn("faster", self.successResultOf(verdict).refusals[0].reason)

    def test_names_are_not_defined_in_doubt(self) -> None:
        """What a prepared statement stands for is settled by the catalogue that is read."""
        self.other.catalogue_changed()
        for text, kind, name in (("select 1", PARSE, b"s"), ("prepare p as select 1", QUERY, b"")):
            self.assertIsInstance(self.said(text, kind, name), Deferred, text)

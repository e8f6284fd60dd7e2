"""EXECUTE and FETCH are judged by what their name stands for; a name that was not seen is refused."""

from __future__ import annotations

from twisted.internet.defer import fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import TargetUnavailable
from hoopgw.model.operation import BIND, EXECUTE, PARSE, QUERY, Operation
from hoopgw.model.verdict import Verdict
from hoopgw.policy.facts import Where
from hoopgw.policy.guardrails import Action, Conditions, SqlRule
from hoopgw.policy.policyset import Selection
from hoopgw.policy.sql import analyse
from hoopgw.policy.sql_names import MAX_NAMED, MAX_TEXTS, NameContext
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.session.catalogues import CatalogueCache
from hoopgw.session.parser_process import ParserProcess
from hoopgw.session.sqljudge import SqlJudge
from hoopgw.session.sqlscopes import MAX_FACTS, MAX_FACTS_TEXT, Scope, Scopes
from tests.session.fakes import Emitted, access

NO_DELETE = SqlRule("no-delete", Conditions(effects=frozenset(("delete",))), Action(refuse=True))
NO_FILES = SqlRule("no-files", Conditions(effects=frozenset(("copy-file",))), Action(refuse=True))
NO_PREPARE = SqlRule("no-prepare", Conditions(effects=frozenset(("prepare",))), Action(refuse=True))
ALL_ROWS = SqlRule("all-rows", Conditions(where=frozenset((Where.MISSING,))), Action(refuse=True))


def judge(*rules: SqlRule, started: dict[str, str] | None = None) -> SqlJudge:
    """Of a session whose catalogue cannot be read: names of tables are no matter here."""
    clock = Clock()
    catalogues = CatalogueCache(lambda *_: fail(TargetUnavailable("down")), clock, Emitted())
    made = SqlJudge(
        Selection(tuple(rules), (), ",".join(rule.name for rule in rules)),
        access(),
        catalogues,
        Scopes(MaskBuilder(b"k" * 32)),
        ParserProcess(clock),
        started=started,
    )
    made.ready()
    return made


def said(judge: SqlJudge, text: str, kind: str = QUERY, name: bytes = b"") -> Verdict:
    verdict = judge.judge(Operation("postgresql", kind, text.encode(), name))
    assert isinstance(verdict, Verdict)
    return verdict


def refused(verdict: Verdict) -> set[str]:
    return {refusal.guardrail for refusal in verdict.refusals}


class Encodings(SynchronousTestCase):
    """must-survive 16: names are read as UTF-8; to a target that reads them otherwise they would be others."""

    def said(self, judge: SqlJudge, text: str, encoding: str = "", kind: str = QUERY) -> set[str]:
        operation = Operation("postgresql", kind, text.encode())
        operation.encoding = encoding
        verdict = judge.judge(operation)
        assert isinstance(verdict, Verdict)
        return refused(verdict)

    def test_known(self) -> None:
        """What is not ASCII is judged where it is UTF-8, and refused where it is not."""
        for kind in (QUERY, PARSE):
            self.assertEqual(self.said(judge(), "select '\u00e9'", "UTF8", kind), set())
            self.assertEqual(self.said(judge(), "select '\u00e9'", "", kind), set())
            self.assertEqual(self.said(judge(), "select '\u00e9'", "LATIN1", kind), {"built-in:grammar"})

    def test_in_doubt(self) -> None:
        """A session that has had another encoding must be known to be back; ASCII is ASCII in all of them."""
        set_there = judge()
        self.assertEqual(self.said(set_there, "set client_encoding = 'latin1'"), set())
        by_call = judge()
        self.assertEqual(self.said(by_call, "select set_config('client_encoding', 'latin1', true)"), set())
        by_names = judge()
        self.assertEqual(self.said(by_names, "set names 'latin1'"), set())
        for asked in (set_there, by_call, by_names, judge(started={"client_encoding": "LATIN1"})):
            self.assertEqual(self.said(asked, "set client_encoding = 'utf-8'"), set())
            self.assertEqual(self.said(asked, "select '\u00e9'"), {"built-in:grammar"})
            self.assertEqual(self.said(asked, "select '\u00e9'", "UTF8"), set())
            self.assertEqual(self.said(asked, "select '\u00e9'"), {"built-in:grammar"})
            self.assertEqual(self.said(asked, "select 'e'"), set())
            self.assertEqual(self.said(asked, "select '\u00e9'", kind=EXECUTE), set())  # its Parse was judged

    def test_folded(self) -> None:
        """A name is refused that this database would write in small letters, and others would not."""
        for folds, text, wanted in (
            (True, "select * from \u00c9", {"built-in:grammar"}),
            (True, 'select * from "\u00c9"', set()),
            (False, "select * from \u00c9", set()),
        ):
            operation = Operation("postgresql", QUERY, text.encode())
            operation.folds = folds
            verdict = judge().judge(operation)
            assert isinstance(verdict, Verdict)
            self.assertEqual(refused(verdict), wanted, text)

    def test_never_in_doubt(self) -> None:
        """UTF-8 by any of its names, and resets to it, bring no doubt."""
        asked = judge(started={"client_encoding": "UTF8"})
        for text in ("set client_encoding = 'unicode'", "reset client_encoding", "discard all", "reset all"):
            self.assertEqual(self.said(asked, text), set(), text)
        self.assertEqual(self.said(asked, "select '\u00e9'"), set())


class Names(SynchronousTestCase):
    def test_unseen_without_any_rule(self) -> None:
        """Refused where no rule and no mask exists: nothing would know what runs, the record neither."""
        for text in ("execute p", "explain analyze execute p", "fetch all from c", "move 1 in c", "select 1; fetch c"):
            verdict = said(judge(), text)
            self.assertEqual(refused(verdict), {"built-in:names"}, text)
            self.assertFalse(verdict.keep)
        self.assertEqual(refused(said(judge(), "create table t as execute p")), {"built-in:names"})
        for text in ("execute p", "fetch all from c"):  # nothing is done yet
            session = judge()
            self.assertEqual(refused(said(session, text, PARSE, b"s")), set())
            self.assertEqual(refused(said(session, text, EXECUTE)), {"built-in:names"})

    def test_file_of_copy(self) -> None:
        """Each COPY is judged by its own file: what was decided of one without says nothing of another."""
        for text in ("copy t from %s", "copy t to %s"):
            session = judge(NO_FILES)
            self.assertEqual(refused(said(session, text % "''")), set())
            self.assertEqual(refused(said(session, text % "'/etc/passwd'")), {"no-files"})

    def test_unseen_with_a_rule(self) -> None:
        """A rule that cannot know whether it is meant has nothing to add: PostgreSQL's own words and SQLSTATE tell the
        client to prepare it anew.  Beside another statement it has."""
        for text, words, sqlstate in (
            ("execute p", 'prepared statement "p" does not exist', "26000"),
            ("explain execute p", 'prepared statement "p" does not exist', "26000"),
            ("fetch c", 'cursor "c" does not exist', "34000"),
            ("move all in c", 'cursor "c" does not exist', "34000"),
        ):
            (refusal,) = said(judge(NO_DELETE), text).refusals
            self.assertEqual((refusal.reason, refusal.sqlstate), (words, sqlstate))
        self.assertEqual(refused(said(judge(NO_DELETE), "execute p; select 1")), {"built-in:names", "no-delete"})

    def test_seen(self) -> None:
        """PREPARE, DECLARE and a Parse of that name define it, in this session and no other."""
        session = judge()
        for text in ("prepare p as select 1", "declare c cursor for select 1"):
            self.assertTrue(said(session, text).plain, text)
        self.assertTrue(said(session, "select 1", PARSE, b"s").plain)
        for text in ("execute p", "execute s", "fetch all from c", "move 1 in c", "close c"):
            self.assertTrue(said(session, text).plain, text)
        self.assertEqual(refused(said(judge(), "execute p")), {"built-in:names"})

    def test_told_in_the_same_text(self) -> None:
        """A name that the text itself has defined before is known by what it stands for there."""
        for text in (
            "prepare p as select 1; execute p",
            "begin; declare c cursor for select 1; fetch all from c; commit",
            "prepare p as select 1; explain analyze execute p; deallocate p",
            "prepare p as select 1; create table t as execute p",
        ):
            self.assertTrue(said(judge(NO_DELETE), text).plain, text)
        for text in (
            "prepare p as delete from orders where id = 1; execute p",
            "prepare p as select 1; prepare q as delete from orders where id = 1; execute q",
            "prepare p as select 1; deallocate p; prepare p as delete from orders where id = 1; execute p",
        ):
            self.assertIn("no-delete", refused(said(judge(NO_DELETE), text)), text)
        for text in ("execute p; prepare p as select 1", "prepare p as select 1; execute q"):
            self.assertEqual(refused(said(judge(), text)), {"built-in:names"}, text)

    def test_judged_by_what_it_stands_for(self) -> None:
        """must-survive 17: also where the rules came after the PREPARE, and inside CREATE TABLE AS."""
        session = judge()
        said(session, "prepare p as with d as (delete from orders returning *) select * from d")
        later = session.successor(Selection((NO_DELETE, ALL_ROWS), (), "later"), access())
        for text in ("execute p", "explain analyze execute p", "create table t as execute p"):
            self.assertEqual(refused(said(later, text)), {"no-delete", "all-rows"}, text)
        self.assertEqual(refused(said(later, "execute p", EXECUTE)), {"no-delete", "all-rows"})

    def test_refused_names_define_nothing(self) -> None:
        """A PREPARE that was refused did not happen."""
        session = judge(NO_PREPARE)
        self.assertEqual(refused(said(session, "prepare p as select 1")), {"no-prepare"})
        self.assertEqual(refused(said(session, "execute p")), {"built-in:names"})


class Kept(SynchronousTestCase):
    """What a name stands for at the target is never forgotten for what was sent later and may have failed."""

    def asked(self, session: SqlJudge, number: int, text: str, kind: str = QUERY, **more: bytes) -> set[str]:
        operation = Operation("postgresql", kind, text.encode(), more.get("name", b""), number=number)
        operation.portal, operation.bound = more.get("portal", b""), int(more.get("bound", b"0"))
        verdict = session.judge(operation)
        assert isinstance(verdict, Verdict)
        return refused(verdict)

    def test_too_many(self) -> None:
        """Beyond a bound nothing is known of the name, until the target has carried one out."""
        for define, use in (("prepare n as select {}", "execute n"), ("declare n cursor for select {}", "fetch n")):
            session = judge()
            for number in range(1, MAX_TEXTS + 1):
                self.asked(session, number, define.format(number))
            self.assertEqual(self.asked(session, 100, use), set())
            self.asked(session, 101, define.format("one more"))
            self.assertEqual(self.asked(session, 102, use), {"built-in:names"})
            session.defined(1)  # of a time that is not known any more
            self.assertEqual(self.asked(session, 103, use), {"built-in:names"})
            self.asked(session, 104, define.format("the last"))
            self.assertEqual(self.asked(session, 105, use), {"built-in:names"})
            session.defined(104)
            self.assertEqual(self.asked(session, 106, use), set())

    def test_carried_out(self) -> None:
        """Then nothing before it counts; what was sent behind it does.  A text of several says nothing of one."""
        session = judge(ALL_ROWS)
        self.asked(session, 1, "prepare p as delete from t")
        self.asked(session, 2, "prepare p as select 1")
        self.assertEqual(self.asked(session, 3, "execute p"), {"all-rows"})
        session.defined(2)
        self.assertEqual(self.asked(session, 4, "execute p"), set())
        for number, text in ((5, "prepare p as delete from t"), (6, "select 1; prepare p as select 2")):
            self.asked(session, number, text)
        session.defined(6)
        self.assertEqual(self.asked(session, 7, "execute p"), {"all-rows"})

    def test_too_many_names(self) -> None:
        """The same where all of them are forgotten: a name of that time may still stand for what it did."""
        session = judge()
        self.asked(session, 1, "prepare p as delete from t")
        for number in range(2, MAX_NAMED + 2):
            self.asked(session, number, f"prepare p{number} as select 1")
        self.asked(session, 9001, "prepare p as select 1")
        self.assertEqual(self.asked(session, 9002, "execute p"), {"built-in:names"})
        session.defined(9001)
        self.assertEqual(self.asked(session, 9003, "execute p"), set())

    def test_prepared_that_executes(self) -> None:
        """What Parse has prepared may be an EXECUTE itself: judged by what that runs then; a circle is refused."""
        session = judge(ALL_ROWS)
        self.asked(session, 1, "execute p", PARSE, name=b"runs")
        self.asked(session, 2, "execute round", PARSE, name=b"round")
        self.asked(session, 3, "prepare p as select 1")
        self.assertEqual(self.asked(session, 4, 'EXECUTE "runs"', BIND, name=b"runs", portal=b"c"), set())
        self.assertEqual(self.asked(session, 5, 'FETCH ALL FROM "c"', EXECUTE, name=b"c"), set())
        self.asked(session, 6, "prepare p as delete from t")
        self.assertEqual(self.asked(session, 7, "execute runs"), {"all-rows"})
        self.assertEqual(self.asked(session, 8, 'FETCH ALL FROM "c"', EXECUTE, name=b"c"), {"all-rows"})
        self.assertIn("built-in:names", self.asked(session, 9, "execute round"))

    def test_portals(self) -> None:
        """must-survive 17: what Bind gives a name to can be fetched from; a prepared statement is no cursor."""
        session = judge(NO_DELETE)
        self.asked(session, 1, "select 1", BIND, portal=b"c")
        self.assertEqual(self.asked(session, 2, "fetch c"), set())
        self.assertEqual(self.asked(session, 3, "execute c"), {"built-in:names"})
        loose = judge()
        self.asked(loose, 1, "delete from t", BIND, portal=b"c")
        self.asked(loose, 10, "prepare p as delete from t")
        self.asked(loose, 11, 'EXECUTE "p"', BIND, name=b"p", portal=b"d")
        self.asked(loose, 20, 'EXECUTE "p"', BIND, name=b"p")
        self.asked(loose, 12, "prepare p as select 1")
        loose.defined(12)
        later = loose.successor(Selection((NO_DELETE,), (), "later"), access())
        self.assertEqual(self.asked(later, 13, 'FETCH ALL FROM "d"', EXECUTE, name=b"d"), {"no-delete"})
        self.assertEqual(self.asked(later, 14, "execute p"), set())
        self.assertEqual(self.asked(later, 15, 'FETCH ALL FROM "x"', EXECUTE, bound=b"20"), {"no-delete"})
        self.assertIn("built-in:names", self.asked(later, 16, 'FETCH ALL FROM "x"', EXECUTE, bound=b"21"))
        self.asked(later, 2, "declare c cursor for select 1")
        self.assertEqual(self.asked(later, 3, "fetch c"), {"no-delete"})


class Remembered(SynchronousTestCase):
    """What a text says is read once, and judged each time by what its names stand for then."""

    def remembered(self, *texts: bytes) -> set[bytes]:
        scope = Scope((), None)
        for text in texts:
            scope.remember(text, analyse(text, None, NameContext()))
        return set(scope.facts)

    def test_another_meaning(self) -> None:
        session = judge(ALL_ROWS)
        for text, by in (("select 1", set()), ("select 2", set()), ("delete from t", {"all-rows"})):
            said(session, f"prepare p as {text}")
            self.assertEqual(refused(said(session, "execute p")), by, text)

    def test_what_is_not_remembered(self) -> None:
        """Secrets, long texts, and more than some."""
        long = b"fetch 1 from c" + b" " * MAX_FACTS_TEXT
        self.assertEqual(self.remembered(b"fetch c", b"alter role ann password 'hush'", long), {b"fetch c"})
        many = [b"fetch %d from c" % number for number in range(MAX_FACTS + 3)]
        self.assertEqual(self.remembered(*many), set(many[MAX_FACTS:]))


class Bindings(SynchronousTestCase):
    """An approval is of what would run, not of the name it runs by."""

    def bound(self, text: str, *before: str, parsed: str = "") -> bytes:
        asked = judge()
        for each in before:
            said(asked, each)
        if parsed:
            said(asked, parsed, PARSE, b"p")
        return asked.binding(Operation("postgresql", QUERY, text.encode()))

    def test_prepared(self) -> None:
        """EXECUTE of another statement of the same name is another operation."""
        one, other = "prepare p as select 1", "prepare p as select 2"
        self.assertEqual(self.bound("execute p", one), self.bound("execute p", one))
        self.assertNotEqual(self.bound("execute p", one), self.bound("execute p", other))
        self.assertNotEqual(self.bound("Execute p", parsed="select 1"), self.bound("Execute p", parsed="select 2"))
        self.assertEqual(self.bound("delete from t", one), self.bound("delete from t", parsed="select 2"))

    def test_settings(self) -> None:
        """So is a statement under other settings; but not because of a driver's own name."""
        plain = self.bound("delete from t")
        for setting in ("set datestyle = 'dmy'", "set my.x = 1", "select set_config('timezone', 'utc', false)"):
            self.assertNotEqual(self.bound("delete from t", setting), plain, setting)
        self.assertNotEqual(self.bound("delete from t", "set my.x = 1"), self.bound("delete from t", "set my.x = 2"))
        once, again = ("set my.x = 1",), ("set my.x = 1", "set my.x = 1")
        self.assertEqual(self.bound("delete from t", *once), self.bound("delete from t", *again))
        self.assertEqual(self.bound("delete from t", "set application_name = 'x'"), plain)

    def test_settings_of_the_login(self) -> None:
        """Nor do settings that a client logged in with pass for others."""
        asked = Operation("postgresql", QUERY, b"delete from t")
        bound = {judge(started={"datestyle": style}).binding(asked) for style in ("iso, mdy", "iso, dmy")}
        self.assertEqual(len(bound), 2)

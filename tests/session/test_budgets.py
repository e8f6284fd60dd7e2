"""Budgets: hard bounds hold, soft ones speak, shared ones are never under-counted."""

from __future__ import annotations

from typing import Any

from hoopgw.model.answer import GO, Answer, Decision, Meter
from hoopgw.model.errors import SpoolFull
from hoopgw.model.events import Code
from hoopgw.model.grant import Budget
from hoopgw.model.operation import BIND, EXECUTE, FUNCTION, PARSE, QUERY
from hoopgw.relay.effects import Completed, ToClient
from hoopgw.session.budgets import Budgets, Over, Soft, Warned
from hoopgw.session.leases import DAY, LOW_ROWS
from hoopgw.session.session import Session
from tests.session.fakes import access, ask, identity, row
from tests.session.test_session import Case

KEY = "rows|agents|https://idp.example#agent"


class BudgetCase(Case):
    def setUp(self) -> None:
        super().setUp()
        self.clock.advance(1000 * DAY)
        self.budgets = Budgets(self.store, self.clock)

    def session(self, budget: Budget = Budget(), **more: Any) -> Session:
        granted = more.pop("access", None) or access(budget=budget)
        session = Session(
            row=row(opened=self.clock.seconds()),
            access=granted,
            judge=self.judge,
            journal=self.journal,
            holds=self.holds,
            spending=(more.pop("budgets", None) or self.budgets).open(granted.identity, granted.grant),
            events=self.events,
            edge=self.edge,
            clock=self.clock,
            policy="sha256:one",
        )
        return session

    def run_one(self, session: Session, kind: str = QUERY) -> Answer:
        (answer,) = self.now(session.decide(ask(b"a", kind=kind)))
        return answer

    def meter(self, session: Session) -> Meter:
        answer = self.run_one(session)
        self.assertIsNone(answer.denial)
        assert answer.meter is not None
        return answer.meter

    def over(self, session: Session) -> str:
        denial = self.run_one(session).denial
        assert denial is not None
        self.assertEqual(denial.decision, Decision.OVER_BUDGET)
        return denial.reason

    def reserved(self, window: int = 1000) -> int:
        return int(self.successResultOf(self.store.reserve(KEY, str(window), 0)))


class OfASession(BudgetCase):
    def test_no_bound(self) -> None:
        """A grant without bounds, or with only a time, costs nothing."""
        calls = self.store.calls
        for budget in (Budget(), Budget(session_seconds=60)):
            self.assertIsNone(self.budgets.open(identity(), access(budget=budget).grant))
        self.assertEqual(self.store.calls, calls)

    def test_statements_a_minute(self) -> None:
        """What runs is counted, what only prepares is not; the next minute starts anew."""
        session = self.session(Budget(statements_per_minute=3))
        for kind in (QUERY, PARSE, BIND, EXECUTE, FUNCTION):
            self.assertIsNone(self.run_one(session, kind).denial)
        denial = self.run_one(session).denial
        self.assertEqual((denial.decision, denial.retry_after), (Decision.OVER_BUDGET, 60))
        self.assertIn("resets at 1972-09-27T00:01:00Z", denial.reason)
        self.assertIn(Code.BUDGET_EXCEEDED, self.events.codes())
        self.clock.advance(60)
        self.assertIsNone(self.run_one(session).denial)

    def test_rows(self) -> None:
        """Rows are cut exactly at the bound, over several results; then nothing runs in this session."""
        session = self.session(Budget(rows_per_session=10))
        self.assertEqual(self.meter(session).take(6, 60), 6)
        meter = self.meter(session)
        self.assertEqual((meter.take(6, 60), meter.exceeded.name), (4, "10 rows a session"))
        self.assertEqual((meter.exceeded.guardrail[:7], meter.exceeded.renews), ("budget:", "the next session"))
        self.assertIn("next session", self.over(session))
        self.assertEqual(self.meter(self.session(Budget(rows_per_session=10))).take(6, 60), 6)

    def test_cut_is_said(self) -> None:
        """A result that was cut is one event; an operation denied before it ran is not said twice."""
        session = self.session(Budget(statements_per_minute=1))
        self.run_one(session)
        session.record(Completed(7, 3, 0, "over-budget, completed"))
        self.over(session)
        session.record(Completed(1, 0, 0, "over-budget"))
        said = [fields for code, fields in self.events.events if code is Code.BUDGET_EXCEEDED]
        self.assertEqual([(fields["operation"], fields.get("completed")) for fields in said], [(7, True), (1, None)])

    def test_bytes(self) -> None:
        """The same for bytes."""
        session = self.session(Budget(bytes_per_session=100))
        self.assertEqual(self.meter(session).take(20, 200), 10)
        self.over(session)

    def test_refused_is_not_counted(self) -> None:
        """What a guardrail refuses uses up nothing."""
        from tests.session.test_session import NO

        self.judge.verdicts[b"drop"] = NO
        session = self.session(Budget(statements_per_minute=1))
        for _ in range(5):
            self.now(session.decide(ask(b"drop")))
        self.assertIsNone(self.run_one(session).denial)

    def test_soft_warns_once(self) -> None:
        """A soft bound warns when it is passed, once in its window."""
        session = self.session(Budget(statements_per_minute=10, soft=0.5))
        for _ in range(10):
            self.assertIs(self.run_one(session), GO)
        warned = [fields for code, fields in self.events.events if code is Code.BUDGET_WARNED]
        self.assertEqual([fields["reason"] for fields in warned],
                         ["50% of the budget is used: 10 statements a minute"])  # fmt: skip
        self.assertEqual([note["code"] for note in self.notes()], ["budget.warned"])
        self.clock.advance(60)
        for _ in range(5):
            self.run_one(session)
        self.assertEqual(self.events.codes().count(Code.BUDGET_WARNED), 2)

    def test_soft_of_a_session(self) -> None:
        """Rows and bytes, from the share on and not before it; each is said once."""
        spending = self.spending(Budget(rows_per_session=10, bytes_per_session=100, soft=0.5))
        rows, octets = spending.allowances()
        self.assertIsNone(spending.statement())
        rows.rows_used, octets.bytes_used = 4, 49
        self.assertIsNone(spending.statement())
        rows.rows_used = 5
        self.assertEqual(spending.statement(), Warned("50% of the budget is used: 10 rows a session"))
        self.assertIsNone(spending.statement())
        octets.bytes_used = 50
        both = Warned("50% of the budget is used: 10 rows a session, 100 bytes a session")
        self.assertEqual((spending.statement(), spending.statement()), (both, None))

    def test_soft_holds(self) -> None:
        """Each statement behind the share, and none before it."""
        spending = self.spending(
            Budget(statements_per_minute=4, soft=0.5, soft_action="hold", soft_approvers=frozenset(("dba",)))
        )
        self.assertIsNone(spending.statement())
        for _ in range(3):
            found = spending.statement()
            assert isinstance(found, Soft)
            self.assertEqual(found.terms.approvers, frozenset(("dba",)))
            self.assertEqual(found.terms.reason, "50% of the budget is used: 4 statements a minute")
        self.assertIsInstance(spending.statement(), Over)

    def spending(self, budget: Budget) -> Any:
        granted = access(budget=budget)
        return self.budgets.open(granted.identity, granted.grant)


class OfAnIdentity(BudgetCase):
    BUDGET = Budget(rows_per_day=1_000_000)

    def test_shared_by_sessions(self) -> None:
        """Two sessions of an identity use one budget; another identity has its own."""
        budget = Budget(rows_per_day=10)
        one, two = self.session(budget), self.session(budget)
        self.assertEqual(self.meter(one).take(6, 60), 6)
        self.assertEqual(self.meter(two).take(6, 60), 4)
        self.assertIn("10 rows a day (UTC) is used up; it resets at 1972-09-28T00:00:00Z", self.over(one))
        other = self.session(access=access(identity("other"), budget))
        self.assertEqual(self.meter(other).take(6, 60), 6)

    def test_shared_by_processes(self) -> None:
        """Two gateways on one store together never pass the bound."""
        budget = Budget(rows_per_day=3 * LOW_ROWS)
        elsewhere = Budgets(self.store, self.clock)
        one, two = self.session(budget), self.session(budget, budgets=elsewhere)
        passed = 0
        for _ in range(50):
            for session in (one, two):
                answer = self.run_one(session)
                if answer.denial is None:
                    passed += answer.meter.take(5000, 50_000)
        self.assertEqual((passed, self.reserved()), (3 * LOW_ROWS, 3 * LOW_ROWS))

    def test_leased_before_it_is_used(self) -> None:
        """The store's counter is never less than what was used, at any moment: a crash over-estimates."""
        session = self.session(self.BUDGET)
        used = 0
        while True:
            answer = self.run_one(session)
            if answer.denial is not None:
                break
            used += answer.meter.take(20_000, 200_000)
            self.assertGreaterEqual(self.reserved(), used)
            self.assertLessEqual(self.reserved() - used, 3 * LOW_ROWS)
        self.assertEqual(used, 1_000_000)

    def test_crash(self) -> None:
        """A process that died without a word leaves its lease as used."""
        self.meter(self.session(self.BUDGET)).take(100, 1000)
        session = self.session(self.BUDGET, budgets=Budgets(self.store, self.clock))
        left = 0
        while (answer := self.run_one(session)).denial is None:
            left += answer.meter.take(20_000, 200_000)
        self.assertLess(left, 1_000_000 - 100)

    def test_given_back(self) -> None:
        """A clean end leaves exactly what was used; while one session lives nothing is given back."""
        one, two = self.session(self.BUDGET), self.session(self.BUDGET)
        self.meter(one).take(100, 1000)
        self.meter(two).take(11, 110)
        self.successResultOf(one.close(Code.SESSION_CLOSED, "left"))
        self.assertGreater(self.reserved(), 111)
        self.successResultOf(two.close(Code.SESSION_CLOSED, "left"))
        self.successResultOf(self.budgets.drained())
        self.assertEqual(self.reserved(), 111)

    def test_streaming(self) -> None:
        """A result larger than a lease is not cut before the bound: reading waits while the next part is fetched."""
        session = self.session(self.BUDGET)
        meter = self.meter(session)
        self.store.slow = []
        passed = paused = 0
        while True:
            took = meter.take(20_000, 200_000)
            passed += took
            while True:
                try:
                    session.record(ToClient(b"rows"))
                    break
                except SpoolFull:
                    paused += 1
                    self.store.go()
            if took < 20_000:
                break
        self.assertEqual(passed, 1_000_000)
        self.assertGreater(paused, 5)

    def test_streaming_without_store(self) -> None:
        """The store goes while rows stream: what was leased passes, no more, and nothing waits for ever."""
        session = self.session(self.BUDGET)
        meter = self.meter(session)
        self.store.down = True
        passed = 0
        while (took := meter.take(1000, 10_000)) == 1000:
            passed += took
            session.record(ToClient(b"rows"))
        self.assertEqual(passed + took, 2 * LOW_ROWS)
        denial = self.run_one(session).denial
        self.assertEqual(denial.decision, Decision.UNAVAILABLE)
        self.store.down = False
        self.clock.advance(2)
        self.assertIsNone(self.run_one(session).denial)

    def test_no_store(self) -> None:
        """Without the store a shared budget cannot be checked: unavailable, never unbounded."""
        self.store.down = True
        session = self.session(Budget(identity_statements_per_minute=100))
        calls = self.store.calls
        for _ in range(50):
            self.assertEqual(self.run_one(session).denial.decision, Decision.UNAVAILABLE)
        self.assertEqual(self.store.calls, calls + 1)  # asked again only after a second

    def test_slow_store(self) -> None:
        """The first statement waits for its lease; `ready` fetches it before."""
        self.store.slow = []
        session = self.session(self.BUDGET)
        ready = session.ready()
        self.assertNoResult(ready)
        self.store.go()
        self.successResultOf(ready)
        self.assertIsNone(self.run_one(session).denial)
        other = self.session(access=access(identity("other"), self.BUDGET))
        answers = other.decide(ask(b"a"))
        self.assertNoResult(answers)
        self.store.go()
        self.assertIsNone(self.successResultOf(answers)[0].denial)

    def test_next_day(self) -> None:
        """Days are UTC: at midnight the count starts anew, and the old day keeps only what was used."""
        session = self.session(Budget(rows_per_day=10))
        self.meter(session).take(4, 40)
        self.clock.advance(DAY)
        self.assertEqual(self.meter(session).take(10, 100), 10)
        self.assertEqual((self.reserved(1000), self.reserved(1001)), (4, 10))

    def test_statements(self) -> None:
        """Statements a minute, of the identity over its sessions."""
        budget = Budget(identity_statements_per_minute=16)
        one, two = self.session(budget), self.session(budget)
        for _ in range(8):
            self.assertIsNone(self.run_one(one).denial)
            self.assertIsNone(self.run_one(two).denial)
        self.over(one)
        self.over(two)
        self.clock.advance(60)
        self.assertIsNone(self.run_one(two).denial)

    def test_soft_of_a_day(self) -> None:
        """A soft share of a shared budget warns as well."""
        session = self.session(Budget(rows_per_day=100, soft=0.8))
        self.meter(session).take(79, 790)
        self.run_one(session)
        self.assertNotIn(Code.BUDGET_WARNED, self.events.codes())
        self.meter(session).take(1, 10)
        self.run_one(session)
        self.assertIn(Code.BUDGET_WARNED, self.events.codes())

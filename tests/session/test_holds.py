"""Holds: what waits, who may decide, and that an approval runs exactly what was shown, once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from hoopgw.auth.access import AdminAccess
from hoopgw.model.answer import GO, ONCE, Decision
from hoopgw.model.errors import NotAllowed
from hoopgw.model.events import Code
from hoopgw.model.grant import Budget
from hoopgw.model.http import HttpRequest
from hoopgw.model.operation import BIND, EXECUTE, FILE, REQUEST, TERMINAL, Operation
from hoopgw.model.secret import Secret
from hoopgw.model.target import Mode
from hoopgw.model.verdict import Verdict
from hoopgw.record.entries import Kind
from hoopgw.session.holds import Holds
from hoopgw.session.session import Session
from hoopgw.session.shown import shown
from hoopgw.store.interface import Hold, HoldState
from tests.session.fakes import POLICY, access, approver, ask, ask_of, identity, terms
from tests.session.test_session import Case

HELD = Verdict(holds=(terms(wait=30.0, in_transaction=10.0, expires=900.0, would_pass="add a WHERE"),))


class HoldCase(Case):
    def setUp(self) -> None:
        super().setUp()
        self.judge.verdicts[b"held"] = HELD

    def waiting(self, session: Session | None = None, **more: Any) -> tuple[Session, Any]:
        session = session or self.session()
        answers = session.decide(ask(b"held", **more))
        self.assertNoResult(answers)
        return session, answers

    def one_hold(self) -> Hold:
        (hold,) = self.successResultOf(self.store.holds(frozenset(HoldState), 10))
        return hold

    def approve(self, access: AdminAccess | None = None, hold: str = "") -> Deferred[Hold]:
        return self.holds.approve(hold or self.one_hold().id, access or approver(), "go on")

    def denial(self, answers: Any) -> Any:
        (answer,) = self.now(answers)
        return answer.denial

    def refused(self, decided: Deferred[Hold]) -> str:
        return str(self.failureResultOf(decided, NotAllowed).value)


class Waiting(HoldCase):
    def test_notice(self) -> None:
        """The client is told at once, with the hold's id and until when it can be decided."""
        session, _ = self.waiting()
        ((lane, notice),) = self.edge.notices
        self.assertEqual(
            (lane, notice.fields()),
            (0, {
                "decision": "held", "guardrails": ["needs-approval"], "reason": "needs-approval says so",
                "would_pass": "add a WHERE", "hold": self.one_hold().id, "expires": "1970-01-01T00:15:00Z",
                "retry_after": 5, "session": session.id, "policy": POLICY,
            }),
        )  # fmt: skip
        self.assertEqual(self.asked(), [])
        self.assertEqual(self.notes()[0]["code"], "hold.created")

    def test_approved(self) -> None:
        """An approval lets it run: claimed in the store, noted with the approver, on disk before the answer."""
        self.journal.syncing = []
        session, answers = self.waiting()
        self.successResultOf(self.approve())
        self.assertNoResult(answers)
        self.assertEqual(self.one_hold().state, HoldState.CLAIMED)
        self.assertEqual(self.journal.kinds()[-2:], [Kind.NOTE, Kind.ASKED])
        self.assertEqual(self.notes()[-1]["approved_by"], [{"issuer": "https://idp.example", "subject": "ann"}])
        self.journal.syncing.pop()[1].callback(None)
        self.assertEqual(self.successResultOf(answers), (ONCE,))
        self.assertEqual(session.row().held, 1)
        for code in (Code.HOLD_CREATED, Code.HOLD_APPROVED, Code.HOLD_CLAIMED):
            self.assertEqual(self.events.codes().count(code), 1)

    def test_answered_at_once(self) -> None:
        """A rule may have nobody wait on the line: it is held, and the client is told so at once."""
        self.judge.verdicts[b"held"] = Verdict(holds=(terms(wait=0.0, at_once=True),))
        answers = self.session().decide(ask(b"held"))
        self.clock.advance(0)
        denial = self.denial(answers)
        self.assertEqual((denial.decision, denial.accepted), (Decision.HELD, True))
        self.assertEqual(self.one_hold().state, HoldState.WAITING)
        self.successResultOf(self.holds.deny(self.one_hold().id, approver(), "no"))
        again = self.session().decide(ask(b"held"))
        self.clock.advance(0)
        self.assertTrue(self.denial(again).accepted)

    def test_runs_once(self) -> None:
        """must-survive 62: the same bytes sent again after the approval was used wait anew."""
        session, answers = self.waiting()
        self.successResultOf(self.approve())
        self.successResultOf(answers)
        again = session.decide(ask(b"held"))
        self.assertNoResult(again)
        self.assertEqual(len(self.edge.notices), 2)
        self.assertNotEqual(self.edge.notices[0][1].hold, self.edge.notices[1][1].hold)

    def test_denied(self) -> None:
        """A denial fails it with the approver's words."""
        _, answers = self.waiting()
        self.successResultOf(self.holds.deny(self.one_hold().id, approver(), "not on a Friday"))
        denial = self.denial(answers)
        self.assertEqual((denial.decision, denial.reason), (Decision.DENIED, "not on a Friday"))
        self.assertEqual(self.asked()[0][0][0][2], 3)

    def test_wait_is_over(self) -> None:
        """After `wait` the client gets `held` and may go; approved later, the same bytes run at once and once."""
        session, answers = self.waiting()
        self.clock.advance(29.9)
        self.assertNoResult(answers)
        self.clock.advance(0.2)
        denial = self.denial(answers)
        self.assertEqual((denial.decision, denial.retry_after, denial.expires), (Decision.HELD, 5, 900.0))
        self.successResultOf(self.approve())
        later = self.session()
        self.assertEqual(self.now(later.decide(ask(b"held"))), (ONCE,))
        self.assertNoResult(later.decide(ask(b"held")))
        self.assertEqual((session.row().held, session.row().refused), (1, 0))

    def test_in_transaction(self) -> None:
        """In a transaction that has run something the wait is shorter, and the approver is told that locks wait."""
        self.edge.ran = True
        _, answers = self.waiting()
        self.assertTrue(self.one_hold().in_transaction)
        self.clock.advance(10.1)
        self.assertEqual(self.denial(answers).decision, Decision.HELD)

    def test_copy_streams(self) -> None:
        """The approver is told that COPY's data is not part of what is approved."""
        self.judge.verdicts[b"COPY t FROM StdIn"] = HELD
        self.session().decide(ask(b"COPY t FROM StdIn"))
        self.assertTrue(self.one_hold().streams)

    def test_several_rules(self) -> None:
        """Every rule's approvers are needed, and each as often as it says."""
        self.judge.verdicts[b"held"] = HELD & Verdict(holds=(terms("two-more", "security", count=2),))
        _, answers = self.waiting()
        for subject, group in (("ann", "dba"), ("sue", "security"), ("sue", "security")):
            self.assertEqual(self.successResultOf(self.approve(approver(subject, group))).state, HoldState.WAITING)
            self.assertNoResult(answers)
        self.successResultOf(self.approve(approver("sam", "security")))
        self.assertEqual(self.now(answers), (ONCE,))
        self.assertEqual(self.events.codes().count(Code.HOLD_APPROVED), 3)

    def test_joined(self) -> None:
        """The same operation sent by another session of the identity joins the hold; one of the two runs."""
        _, first = self.waiting()
        _, second = self.waiting()
        self.assertEqual(self.events.codes().count(Code.HOLD_JOINED), 1)
        self.successResultOf(self.approve())
        denials = [self.denial(first), self.denial(second)]
        self.assertEqual(denials.count(None), 1)
        self.assertIn("another session", next(denial for denial in denials if denial).reason)

    def test_the_rest_goes_on(self) -> None:
        """Operations before and after the held one keep their answers and their order."""
        session = self.session()
        answers = session.decide(ask(b"a", b"held", b"b"))
        self.successResultOf(self.approve())
        self.assertEqual(self.successResultOf(answers), (GO, ONCE, GO))
        self.assertEqual(self.asked()[0][1], b"a|held|b")
        self.assertEqual(self.judge.judged, [b"a", b"held", b"b"])

    def test_redacted(self) -> None:
        """A redacted operation is shown redacted, and its digest is keyed: it cannot be guessed from the hold."""
        self.judge.verdicts[b"held"] = HELD & Verdict(redact="secrets", recorded=b"***")
        self.waiting()
        hold = self.one_hold()
        self.assertEqual(hold.shown, "***")
        self.assertTrue(hold.digest.startswith("hmac-sha256:"))
        other = Holds(self.store, self.events, self.clock, Secret(b"other"), self.token_bytes)
        request = self.request()
        self.assertNotEqual(other.digest(request), self.holds.digest(request))
        self.assertEqual(self.holds.digest(request), hold.digest)

    def test_what_a_request_of_http_hides(self) -> None:
        """Its approver sees stars; its digest is keyed, for the secret is part of what is bound."""
        body, stars = b'{"token": "hush"}', b'{"token": "****"}'
        asked = HttpRequest(
            b"POST",
            b"/a?sig=hush",
            b"gw",
            (),
            body,
            len(body),
            b"X: y\r\n",
            hides=True,
            line=b"POST /a?sig=****",
            content=stars,
        )
        operation = Operation("http", REQUEST, b"held", parameters=body, request=asked)
        self.assertNoResult(self.session().decide(ask_of(operation)))
        hold = self.one_hold()
        self.assertNotIn("hush", hold.shown)
        self.assertTrue("POST /a?sig=****" in hold.shown and stars.decode() in hold.shown, hold.shown)
        self.assertTrue(hold.digest.startswith("hmac-sha256:"))

    def request(self) -> Any:
        from hoopgw.session.waiting import Request

        operation = Operation("postgresql", "query", b"held")
        return Request("s", access(), POLICY, operation, b"settings", HELD.holds, redacted=b"***")


class GivenUp(HoldCase):
    def test_cancel(self) -> None:
        """must-survive 12: a CancelRequest for a held statement withdraws the hold; an approval comes too late."""
        session, answers = self.waiting()
        self.assertTrue(session.cancel())
        self.assertEqual(self.denial(answers).decision, Decision.EXPIRED)
        self.assertEqual(self.one_hold().state, HoldState.WITHDRAWN)
        self.assertEqual(self.successResultOf(self.approve()).state, HoldState.WITHDRAWN)
        self.assertNoResult(session.decide(ask(b"held")))
        self.assertIn(Code.HOLD_WITHDRAWN, self.events.codes())

    def test_cancel_of_nothing(self) -> None:
        """A cancel where nothing waits is the target's business."""
        session, answers = self.waiting()
        self.successResultOf(self.approve())
        self.successResultOf(answers)
        self.assertFalse(session.cancel())

    def test_client_left(self) -> None:
        """must-survive 62: approved after the client left: nothing runs, and the attempt is in the record."""
        session, _ = self.waiting()
        session.client_left()
        self.successResultOf(session.close(Code.SESSION_CLOSED, "left", {}))
        self.assertEqual(self.successResultOf(self.approve()).state, HoldState.WITHDRAWN)
        self.assertEqual(self.asked(), [([(1, 1, 4, 1)], b"held")])
        self.assertIsNotNone(self.journal.closing)

    def test_client_left_while_claiming(self) -> None:
        """must-survive 62: the client leaves while the claim is under way: it is used up and does not run."""
        session, answers = self.waiting()
        hold = self.one_hold()
        self.store.slow = []
        self.holds.approve(hold.id, approver(), "")
        self.store.go()  # read
        self.store.go()  # decided: the session claims now
        self.assertNoResult(answers)
        session.client_left()
        for _ in range(3):
            self.store.go()
        self.assertEqual(self.denial(answers).decision, Decision.EXPIRED)
        self.store.slow = None
        self.assertEqual(self.one_hold().state, HoldState.CLAIMED)

    def test_left_before_it_is_stored(self) -> None:
        """The client leaves before the hold is stored: no notice, and nobody is asked to approve it."""
        self.store.slow = []
        session, answers = self.waiting()
        session.client_left()
        for _ in range(5):
            self.store.go()
        self.assertEqual(self.denial(answers).decision, Decision.EXPIRED)
        self.store.slow = None
        self.assertEqual((self.edge.notices, self.one_hold().state), ([], HoldState.WITHDRAWN))

    def test_another_waits_on(self) -> None:
        """One of two sessions that wait for the same gives up: the other still waits, and gets it."""
        first, one = self.waiting()
        _, other = self.waiting()
        first.cancel()
        self.assertEqual(self.denial(one).decision, Decision.EXPIRED)
        self.successResultOf(self.approve())
        self.assertEqual(self.now(other), (ONCE,))

    def test_killed(self) -> None:
        """A killed session's hold is withdrawn."""
        session, answers = self.waiting()
        session.kill("ann", "no")
        self.assertEqual(self.denial(answers).decision, Decision.EXPIRED)
        self.assertEqual(self.one_hold().state, HoldState.WITHDRAWN)

    def test_policy_changed(self) -> None:
        """must-survive 62: the policy changes while it waits: void, and no approval can revive it."""
        session, answers = self.waiting()
        self.holds.reloaded("sha256:two")
        session.reloaded("sha256:two", self.judge, session.access)
        denial = self.denial(answers)
        self.assertEqual(denial.decision, Decision.EXPIRED)
        self.assertIn("policy changed", denial.reason)
        self.assertIn("policy", self.refused(self.approve()))

    def test_policy_changed_after_approval(self) -> None:
        """must-survive 62: approved under the old policy, sent again under the new one: it waits anew."""
        session, answers = self.waiting()
        self.clock.advance(31)
        self.successResultOf(answers)
        self.successResultOf(self.approve())
        self.holds.reloaded("sha256:two")
        session.reloaded("sha256:two", self.judge, session.access)
        self.assertNoResult(session.decide(ask(b"held")))

    def test_policy_changes_while_claiming(self) -> None:
        """The policy changes while an approval is being claimed: it does not run."""
        session, answers = self.waiting()
        self.clock.advance(31)
        self.successResultOf(answers)
        self.successResultOf(self.approve())
        self.store.slow = []
        answers = session.decide(ask(b"held"))
        self.holds.reloaded("sha256:two")
        self.store.go()
        self.assertEqual(self.denial(answers).decision, Decision.EXPIRED)

    def test_policy_of_yesterday(self) -> None:
        """A session that has not heard of the reload yet gets nothing approved under the old policy."""
        session = self.session()
        self.holds.reloaded("sha256:two")
        self.assertEqual(self.denial(session.decide(ask(b"held"))).decision, Decision.EXPIRED)
        self.assertEqual(self.edge.notices, [])

    def test_decided_before_it_is_heard(self) -> None:
        """Approved after the hold was stored, before the session knew of that: the approval is not missed."""
        self.store.slow = []
        _, answers = self.waiting()
        self.store.go()  # nothing to claim; the hold is stored now, its result under way
        kept, self.store.slow = self.store.slow, None
        self.successResultOf(self.approve())
        self.store.slow = kept
        for _ in range(4):
            self.store.go()
        self.assertEqual(self.now(answers), (ONCE,))

    def test_expires(self) -> None:
        """Nobody decides in time: expired, said once, and a late approval changes nothing."""
        self.judge.verdicts[b"held"] = Verdict(holds=(terms(wait=100.0, expires=40.0),))
        _, answers = self.waiting()
        for _ in range(9):
            self.clock.advance(5)
        self.assertEqual(self.denial(answers).decision, Decision.EXPIRED)
        self.assertEqual(self.successResultOf(self.approve()).state, HoldState.EXPIRED)
        self.assertEqual(self.events.codes().count(Code.HOLD_EXPIRED), 1)
        self.assertEqual(self.events.codes()[-1], Code.DECISION_REFUSED)

    def test_clock_skew(self) -> None:
        """must-survive 62: an approval at or after the hold's end does not count, swept or not."""
        self.waiting()
        self.holds.stop()
        self.clock.advance(900)
        self.assertEqual(self.successResultOf(self.approve()).state, HoldState.EXPIRED)

    def test_store_down(self) -> None:
        """Without a store nothing held runs: unavailable, in words."""
        self.store.down = True
        (answer,) = self.now(self.session().decide(ask(b"held")))
        self.assertEqual(answer.denial.decision, Decision.UNAVAILABLE)
        self.assertIn(Code.OPERATION_UNAVAILABLE, self.events.codes())

    def test_store_down_while_waiting(self) -> None:
        """The store goes while it waits: nothing runs."""
        session, answers = self.waiting()
        self.store.down = True
        session.cancel()
        self.assertEqual(self.denial(answers).decision, Decision.UNAVAILABLE)
        self.clock.advance(60)  # the sweep finds the store down and says so without failing

    def test_edge_stops_waiting(self) -> None:
        """The edge cancels the decision (the target is gone): the hold is withdrawn, the attempt is in the record."""
        self.store.slow = []
        session = self.session()
        answers = session.decide(ask(b"held", b"held"))
        for _ in range(3):
            self.store.go()
        self.assertEqual(len(self.edge.notices), 1)
        answers.cancel()
        self.failureResultOf(answers, CancelledError)
        closed = session.close(Code.SESSION_CLOSED, "target gone", {})
        self.assertNoResult(closed)
        self.store.go()
        self.successResultOf(closed)
        self.store.slow = None
        self.assertEqual(self.one_hold().state, HoldState.WITHDRAWN)
        self.assertEqual([decision for _, _, decision, _ in self.asked()[0][0]], [4, 6])


class Exactly(HoldCase):
    """must-survive 62: an approval is for exactly what was shown."""

    def approved(self) -> Session:
        session, answers = self.waiting()
        self.clock.advance(31)
        self.successResultOf(answers)
        self.successResultOf(self.approve())
        return session

    def test_the_same(self) -> None:
        """The same identity, bytes, target and settings: it runs."""
        self.approved()
        self.assertEqual(self.now(self.session().decide(ask(b"held"))), (ONCE,))

    def test_edited(self) -> None:
        """Another text waits anew."""
        session = self.approved()
        self.judge.verdicts[b"held "] = HELD
        self.assertNoResult(session.decide(ask(b"held ")))

    def test_other_parameters(self) -> None:
        """Other parameters wait anew."""
        session = self.approved()
        self.assertNoResult(session.decide(ask(b"held", parameters=b"1")))

    def test_other_settings(self) -> None:
        """Settings that change the meaning of the bytes make it another operation."""
        session = self.approved()
        self.judge.settings = b"search_path=evil"
        self.assertNoResult(session.decide(ask(b"held")))

    def test_other_identity(self) -> None:
        """Somebody else's approval is of no use."""
        self.approved()
        for who in (identity("other"), identity(actors=("bot",)), replace(identity(), issuer="https://evil")):
            self.assertNoResult(self.session(access=access(who)).decide(ask(b"held")))

    def test_other_place(self) -> None:
        """Another database, role or target waits anew."""
        self.approved()
        other = replace(access(), database="pay2")
        self.assertNoResult(self.session(access=other).decide(ask(b"held")))

    def test_more_rules(self) -> None:
        """A rule that comes to ask as well is asked."""
        session = self.approved()
        self.judge.verdicts[b"held"] = HELD & Verdict(holds=(terms("new-rule"),))
        self.assertNoResult(session.decide(ask(b"held")))

    def test_no_two_lists_of_parts_are_one(self) -> None:
        """Bytes that move from one field to the next make another digest."""
        requests = []
        for text, parameters in ((b"ab", b""), (b"a", b"b"), (b"", b"ab")):
            request = Waiting.request(self)  # type: ignore[arg-type]
            operation = Operation("postgresql", "query", text, parameters=parameters)
            requests.append(self.holds.digest(replace(request, operation=operation)))
        self.assertEqual(len(set(requests)), 3)


class Approvers(HoldCase):
    def test_requester(self) -> None:
        """must-survive 62: the requester never approves and never denies, whatever its groups and rights."""
        _, answers = self.waiting()
        for who in (
            approver("agent", "dba", rights=("list", "view", "kill")),
            approver("ann", "dba", actors=("agent",)),
        ):
            self.assertIn("never", self.refused(self.approve(who)))
            self.refused(self.holds.deny(self.one_hold().id, who, ""))
        self.assertNoResult(answers)
        self.assertEqual(self.events.codes().count(Code.DECISION_REFUSED), 4)

    def test_actor_of_the_requester(self) -> None:
        """Who acts for the requester, or for whom it acts, does not approve either."""
        self.waiting(self.session(access=access(identity("agent", actors=("bot", "ann")))))
        for subject in ("bot", "ann"):
            self.assertIn("never", self.refused(self.approve(approver(subject))))
        self.assertEqual(self.successResultOf(self.approve(approver("bob"))).state, HoldState.APPROVED)

    def test_no_approver(self) -> None:
        """must-survive 82: no group of approvers, no decision: rights to list, view and kill are none to approve."""
        _, answers = self.waiting()
        why = self.refused(self.approve(approver("eve", "agents", rights=("list", "view", "kill"))))
        self.assertEqual(why, self.refused(self.approve(approver("eve"), "h_none")))
        self.assertNoResult(answers)

    def test_local_token(self) -> None:
        """must-survive 82: the gateway's own tokens never approve, whatever they say of groups."""
        self.waiting()
        self.refused(self.approve(AdminAccess(identity("ann", "dba"), frozenset(), False)))

    def test_revoked(self) -> None:
        """must-survive 62: an approver whose token has run out, or who left the group, does not approve."""
        self.waiting()
        self.assertIn("expired", self.refused(self.approve(approver("ann", expires=self.clock.seconds()))))
        self.refused(self.approve(approver("ann", "former-dba")))

    def test_twice(self) -> None:
        """must-survive 62: an approver counts once."""
        self.judge.verdicts[b"held"] = Verdict(holds=(terms(count=2),))
        self.waiting()
        for _ in range(2):
            self.assertEqual(self.successResultOf(self.approve()).state, HoldState.WAITING)
        self.assertEqual(self.events.codes().count(Code.HOLD_APPROVED), 1)

    def test_reason_is_inert(self) -> None:
        """must-survive 63: what an approver writes obeys no terminal when it is shown."""
        _, answers = self.waiting()
        self.successResultOf(self.holds.deny(self.one_hold().id, approver(), "no\x1b]0;x\x07\x00\ud800" + "y" * 9999))
        self.assertTrue(self.denial(answers).reason.startswith("no\\x1b]0;x\\x07\\x00\\ud800y"))
        self.assertEqual(len(self.one_hold().decided[0].reason), 2000)

    def test_lists(self) -> None:
        """One sees what one asked for or may decide; all of it with the right to view."""
        self.waiting()
        id = self.one_hold().id
        for who, sees in (
            (approver("agent", "agents"), True),
            (approver("ann"), True),
            (approver("eve", "agents"), False),
            (approver("eve", "agents", rights=("view",)), True),
        ):
            self.assertEqual(bool(self.successResultOf(self.holds.listed(who, False))), sees)
            if sees:
                self.assertEqual(self.successResultOf(self.holds.one(id, who)).id, id)
            else:
                self.failureResultOf(self.holds.one(id, who), NotAllowed)

    def test_approved_while_the_gateway_was_down(self) -> None:
        """must-survive 62: the waiting client is gone with the old process; the approval stays till it expires."""
        self.waiting()
        self.holds.stop()  # the process dies: its client gets no answer
        self.holds = Holds(self.store, self.events, self.clock, Secret(b"k"), self.token_bytes)
        self.holds.start(POLICY)
        self.successResultOf(self.approve())
        self.journal.entries.clear()
        self.assertEqual(self.now(self.session().decide(ask(b"held"))), (ONCE,))
        self.assertNoResult(self.session().decide(ask(b"held")))


class Extended(HoldCase):
    """The extended protocol: the Bind is held, its Execute runs on that approval."""

    def pipeline(self, portal: bytes = b"", parameters: bytes = b"p") -> Any:
        return ask_of(
            Operation("postgresql", BIND, b"held", b"", parameters, 1),
            Operation("postgresql", EXECUTE, b"held", portal, parameters, 2),
        )

    def test_one_approval(self) -> None:
        """Bind and Execute together need one approval."""
        session = self.session()
        answers = session.decide(self.pipeline())
        self.successResultOf(self.approve())
        self.assertEqual(self.successResultOf(answers), (ONCE, GO))
        self.assertEqual(len(self.edge.notices), 1)

    def test_execute_in_parts(self) -> None:
        """Further Executes of that portal go on with the same run; another portal does not."""
        session = self.session()
        answers = session.decide(self.pipeline(b"c"))
        self.successResultOf(self.approve())
        self.successResultOf(answers)
        more = ask(b"held", kind=EXECUTE, parameters=b"p", name=b"c")
        self.assertEqual(self.now(session.decide(more)), (GO,))
        self.assertNoResult(session.decide(ask(b"held", kind=EXECUTE, parameters=b"p", name=b"other")))

    def test_denied_bind(self) -> None:
        """The Execute after a denied Bind fails by the same words and asks nobody again."""
        session = self.session()
        answers = session.decide(self.pipeline())
        self.successResultOf(self.holds.deny(self.one_hold().id, approver(), "no"))
        self.assertEqual([answer.denial.reason for answer in self.successResultOf(answers)], ["no", "no"])
        self.assertEqual(len(self.edge.notices), 1)

    def test_other_parameters(self) -> None:
        """An Execute of other parameters has no share in the approval."""
        session = self.session()
        answers = session.decide(self.pipeline())
        self.successResultOf(self.approve())
        self.successResultOf(answers)
        self.assertNoResult(session.decide(ask(b"held", kind=EXECUTE, parameters=b"q")))

    def test_bound_before_the_rule(self) -> None:
        """must-survive 62: bound before a reload made the rule: the Execute is held."""
        self.judge.verdicts[b"held"] = Verdict()
        session = self.session()
        self.now(session.decide(ask(b"held", kind=BIND, parameters=b"p")))
        self.judge.verdicts[b"held"] = HELD
        self.assertNoResult(session.decide(ask(b"held", kind=EXECUTE, parameters=b"p")))

    def test_shown_parameters(self) -> None:
        """The approver sees each value in its place: text, binary, NULL."""
        parameters = bytes.fromhex(
            "0000" "0003" "0000" "0001" "0000" "0003" "00000005" "68656c6c6f" "00000002" "0102" "ffffffff"
        )  # fmt: skip
        self.session().decide(ask(b"held", kind=BIND, parameters=parameters))
        self.assertEqual(self.one_hold().shown, "held\n\n$1 = 'hello'\n$2 = binary 0102\n$3 = NULL")

    def test_shown_files(self) -> None:
        """What is set on a file is part of what is approved; what is opened says all in its words."""
        mode, path = (0o4755).to_bytes(4, "big"), b"\0\0\0\x02/x"
        named = b"\0\0\0\x14lsetstat@openssh.com"
        for action, parameters, wanted in (
            (b"write", path + b"\0\0\0\x1a\0\0\0\0", ""),
            (b"rename", path + path, ""),
            (b"setstat", path + b"\0\0\0\x04" + mode, "\n\nmode 4755"),
            (b"setstat", named + path + b"\0\0\0\x02" + bytes(8), "\n\nowner 0, group 0"),
            (b"setstat", path + b"\0\0\0\x05" + bytes(8) + mode, "\n\nsize 0\nmode 4755"),
            (b"setstat", path + b"\0\0\0\x01", f"\n\nattributes (hex): {path.hex()}00000001"),
            (b"setstat", path + b"\x80\0\0\0x", f"\n\nattributes (hex): {path.hex()}8000000078"),
        ):
            operation = Operation("ssh", FILE, b"held /x", action, parameters, 1)
            self.assertEqual(shown(operation, None), f"held /x{wanted}", parameters)

    def test_held_file(self) -> None:
        """A file is held as it is opened (until then it failed: its request was read as an environment)."""
        packet = b"\0\0\0\x02/x\0\0\0\x1a\0\0\0\0"
        self.judge.verdicts[b"write /x"] = HELD
        self.session().decide(ask_of(Operation("ssh", FILE, b"write /x", b"write", packet, 1)))
        self.assertEqual((self.one_hold().shown, self.one_hold().details["kind"]), ("write /x", "file"))

    def test_on_a_terminal(self) -> None:
        """Whoever approves reads whether somebody can type into it."""
        for number, (protocol, name, wanted) in enumerate(
            (("ssh", TERMINAL, True), ("ssh", b"", False), ("postgresql", TERMINAL, False))
        ):
            text = b"held %d" % number
            self.judge.verdicts[text] = HELD
            kind = "exec" if protocol == "ssh" else EXECUTE
            self.session().decide(ask_of(Operation(protocol, kind, text, name, b"", 1)))
            held = self.successResultOf(self.store.holds(frozenset(HoldState), 9))
            (details,) = [hold.details for hold in held if hold.shown == text.decode()]
            self.assertEqual((details["terminal"], details["kind"]), (wanted, kind))

    def test_shown_junk(self) -> None:
        """Parameters that are not PostgreSQL's are shown as bytes."""
        self.session().decide(ask(b"held", kind=BIND, parameters=b"\x00\x00\xff"))
        self.assertEqual(self.one_hold().shown, "held\n\nparameters (hex): 0000ff")

    def test_shown_large(self) -> None:
        """What is too long for a person is cut, and the whole is named by length and digest."""
        text = b"held" + "é".encode() * 100_000
        self.judge.verdicts[text] = HELD
        self.session().decide(ask(text))
        shown = self.one_hold().shown
        self.assertLess(len(shown), 70_000)
        self.assertIn("200004 bytes in all, SHA-256", shown)


class Soft(HoldCase):
    def test_soft_budget_holds(self) -> None:
        """Beyond the soft share each statement needs the word of the budget's approvers."""
        budget = Budget(statements_per_minute=4, soft=0.5, soft_action="hold", soft_approvers=frozenset(("owners",)))
        session = self.session(budget)
        self.assertEqual(self.now(session.decide(ask(b"a"))), (GO,))
        answers = session.decide(ask(b"b"))
        self.assertNoResult(answers)
        self.successResultOf(self.approve(approver("olga", "owners")))
        (answer,) = self.successResultOf(answers)
        self.assertIsNone(answer.denial)


class Durable(HoldCase):
    def test_held_in_best_effort(self) -> None:
        """An approved hold is on disk before it runs, also in a best-effort session."""
        self.journal.mode, self.journal.syncing = Mode.BEST_EFFORT, []
        _, answers = self.waiting()
        self.successResultOf(self.approve())
        self.assertNoResult(answers)
        self.assertEqual(len(self.journal.syncing), 1)


class Named(HoldCase):
    """A client that names the hold which it resumes (X-Hoopgw-Hold)."""

    def waited(self) -> str:
        """The id of a hold whose client went away without waiting for it."""
        _, answers = self.waiting()
        self.clock.advance(30.1)
        self.assertEqual(self.denial(answers).decision, Decision.HELD)
        return self.one_hold().id

    def resume(self, id: str, text: bytes = b"held", verdict: Verdict = HELD, **more: Any) -> Any:
        self.judge.verdicts[text] = replace(verdict, resumes=id, keep=False)
        return self.session(**more).decide(ask(text))

    def refused_as(self, answers: Any) -> tuple[Decision, str, str]:
        denial = self.denial(answers)
        return denial.decision, denial.code, denial.hold

    def test_runs_once(self) -> None:
        """Approved, it runs; named again it is used, and nothing new begins to wait."""
        id = self.waited()
        self.successResultOf(self.approve())
        self.assertEqual(self.now(self.resume(id)), (ONCE,))
        self.assertEqual(self.refused_as(self.resume(id)), (Decision.EXPIRED, "hold-used", id))
        self.assertEqual(self.one_hold().state, HoldState.CLAIMED)

    def test_approved_meanwhile(self) -> None:
        """Named by several at once one runs, and the others are told that it was used, whether they came before the
        approval or behind it."""
        id = self.waited()
        waiting = [self.resume(id), self.resume(id)]
        self.store.slow = []
        coming = [self.resume(id), self.resume(id)]
        self.store.slow, kept = None, self.store.slow
        self.successResultOf(self.approve())
        for later, value in kept:
            later.callback(value)
        found = [self.successResultOf(each) for each in (*waiting, *coming)]
        self.assertEqual(found.count((ONCE,)), 1)
        used = [self.refused_as(each) for each in found if each != (ONCE,)]
        self.assertEqual(used, [(Decision.EXPIRED, "hold-used", id)] * 3)

    def test_approved_before(self) -> None:
        """Approved, and named by several at once: none of the others begins to wait."""
        id = self.waited()
        self.successResultOf(self.approve())
        self.store.slow = []
        asked = [self.resume(id) for _ in range(3)]
        while self.store.slow:
            self.store.go()
        self.store.slow = None
        self.assertEqual(self.successResultOf(asked[0]), (ONCE,))
        self.assertEqual([self.refused_as(each) for each in asked[1:]], [(Decision.EXPIRED, "hold-used", id)] * 2)

    def test_waits(self) -> None:
        """Undecided, it is waited for, and the approval lets it run."""
        id = self.waited()
        answers = self.resume(id)
        self.assertNoResult(answers)
        self.successResultOf(self.approve())
        self.assertEqual(self.successResultOf(answers), (ONCE,))

    def test_denied(self) -> None:
        """Denied, the approver's words come at once."""
        id = self.waited()
        self.successResultOf(self.holds.deny(id, approver(), "not on a Friday"))
        denial = self.denial(self.resume(id))
        self.assertEqual((denial.decision, denial.reason, denial.code), (Decision.DENIED, "not on a Friday", ""))

    def test_another_request(self) -> None:
        """An approval of one request lets no other run, and stays there for its own."""
        id = self.waited()
        self.successResultOf(self.approve())
        self.assertEqual(self.refused_as(self.resume(id, b"other")), (Decision.REFUSED, "hold-mismatch", id))
        self.assertEqual(self.now(self.resume(id)), (ONCE,))

    def test_of_somebody_else(self) -> None:
        """Somebody else's hold and one that never was are told in the same words."""
        id = self.waited()
        self.successResultOf(self.approve())
        mallory = access(identity("mallory"))
        foreign, missing = self.resume(id, access=mallory), self.resume("h_nothing", access=mallory)
        told, other = self.denial(foreign), self.denial(missing)
        self.assertEqual((told.decision, told.code, told.hold), (Decision.REFUSED, "hold-unknown", ""))
        self.assertEqual((told.reason, told.would_pass, other.hold), (other.reason, other.would_pass, ""))
        self.assertEqual(self.one_hold().state, HoldState.APPROVED)

    def test_by_another_hand(self) -> None:
        """Who acts for the same identity by another chain has asked for something else."""
        id = self.waited()
        self.successResultOf(self.approve())
        acted = access(identity(actors=("helper",)))
        self.assertEqual(self.refused_as(self.resume(id, access=acted))[1], "hold-mismatch")

    def test_over(self) -> None:
        """Expired or withdrawn: said as that, before and after the store was swept."""
        id = self.waited()
        self.clock.pump([890.0])
        self.assertEqual(self.refused_as(self.resume(id)), (Decision.EXPIRED, "hold-over", id))
        self.judge.verdicts[b"held"] = HELD
        session, answers = self.waiting()
        withdrawn = self.successResultOf(self.store.holds(frozenset((HoldState.WAITING,)), 1))[0].id
        session.cancel()
        self.denial(answers)
        self.assertEqual(self.refused_as(self.resume(withdrawn)), (Decision.EXPIRED, "hold-over", withdrawn))

    def test_nothing_to_approve(self) -> None:
        """Where rules ask for no approval any more, a named hold lets nothing run: it may have run before."""
        denial = self.denial(self.resume("h_1", b"free", Verdict()))
        self.assertEqual((denial.decision, denial.code), (Decision.REFUSED, "hold-mismatch"))
        self.assertEqual(self.now(self.session().decide(ask(b"a"))), (GO,))

    def test_that_one_alone(self) -> None:
        """Used by another session: an approval of a later hold is not taken for it."""
        id = self.waited()
        self.successResultOf(self.approve())
        self.assertEqual(self.now(self.waited_again()), (ONCE,))
        self.waiting()
        (second,) = self.successResultOf(self.store.holds(frozenset((HoldState.WAITING,)), 2))
        self.successResultOf(self.approve(hold=second.id))
        self.assertEqual(self.refused_as(self.resume(id)), (Decision.EXPIRED, "hold-used", id))

    def waited_again(self) -> Any:
        self.judge.verdicts[b"held"] = HELD
        return self.session().decide(ask(b"held"))

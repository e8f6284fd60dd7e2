"""Decide and record: what one session answers, keeps and says."""

from __future__ import annotations

import struct
from time import monotonic
from typing import Any

import orjson
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from hoopgw.model.answer import GO, Answer, Decision
from hoopgw.model.errors import RecordingFailed, SpoolFull
from hoopgw.model.events import Code
from hoopgw.model.grant import Budget
from hoopgw.model.operation import BIND, EXECUTE, FUNCTION, PARSE, QUERY, Operation
from hoopgw.model.secret import Secret
from hoopgw.model.target import Mode
from hoopgw.model.verdict import LimitTerms, Refusal, Sighting, Source, Verdict
from hoopgw.record.entries import Kind
from hoopgw.relay.effects import (
    RECORDED,
    CatalogueChanged,
    Completed,
    End,
    Hangup,
    Observed,
    PauseClient,
    ToClient,
    ToTarget,
    Typed,
)
from hoopgw.session import rulings
from hoopgw.session import session as session_module
from hoopgw.session.budgets import Budgets
from hoopgw.session.deciding import PATIENCE
from hoopgw.session.holds import Holds
from hoopgw.session.interfaces import IEdge, IEvents, IJudge
from hoopgw.session.session import Session
from tests.session.fakes import POLICY, Edge, Emitted, Judge, ListJournal, access, ask, ask_of, identity, row, terms
from tests.session.memory_store import MemoryStore

NO = Verdict(refusals=(Refusal("no-drop", "DROP is not done here", "ask for a migration", Source("a.toml", 3)),))


class Masks:
    def __and__(self, other: Any) -> Any:
        return self


def asked_entry(payload: bytes) -> tuple[list[tuple[int, int, int, int]], bytes]:
    """(number, kind, decision, verdict) of each operation, and the client's bytes."""
    (count,) = struct.unpack_from("<I", payload)
    head = 4 + 14 * count
    return [struct.unpack_from("<QBBI", payload, 4 + 14 * index) for index in range(count)], payload[head:]


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.edge, self.events, self.judge = Edge(), Emitted(), Judge()
        self.journal = ListJournal()
        self.store = MemoryStore(self.clock)
        self.holds = Holds(self.store, self.events, self.clock, Secret(b"k"), self.token_bytes)
        self.holds.start(POLICY)
        self.drawn = 0

    def token_bytes(self, size: int) -> bytes:
        self.drawn += 1
        return self.drawn.to_bytes(size, "big")

    def session(self, budget: Budget = Budget(), **more: Any) -> Session:
        granted = more.pop("access", None) or access(budget=budget)
        session = Session(
            row=row(),
            access=granted,
            judge=self.judge,
            journal=self.journal,
            holds=self.holds,
            spending=Budgets(self.store, self.clock).open(granted.identity, granted.grant),
            events=self.events,
            edge=self.edge,
            clock=self.clock,
            policy=POLICY,
        )
        session.opened({"target": "127.0.0.1:5432"})
        del self.journal.entries[-1:]  # the note of that
        return session

    def now(self, answers: Any) -> tuple[Answer, ...]:
        """The answers of a decision that waits for nothing."""
        return answers if isinstance(answers, tuple) else self.successResultOf(answers)

    def asked(self) -> list[tuple[list[tuple[int, int, int, int]], bytes]]:
        return [asked_entry(payload) for kind, payload in self.journal.entries if kind is Kind.ASKED]

    def notes(self) -> list[dict[str, Any]]:
        return [orjson.loads(payload) for kind, payload in self.journal.entries if kind is Kind.NOTE]


class Deciding(Case):
    def test_fakes(self) -> None:
        """The fakes give what the interfaces ask."""
        verifyObject(IEdge, self.edge)
        verifyObject(IEvents, self.events)
        verifyObject(IJudge, self.judge)

    def test_allowed(self) -> None:
        """What is allowed gets GO at once, as a plain tuple, and is in the journal with the client's bytes."""
        session = self.session()
        self.assertEqual(session.decide(ask(b"a", b"b")), (GO, GO))
        self.assertIsInstance(session.decide(ask(b"c")), tuple)
        self.assertEqual(self.asked(), [([(1, 1, 0, 0), (2, 1, 0, 0)], b"a|b"), ([(1, 1, 0, 0)], b"c")])
        self.assertEqual(session.row().operations, 3)

    def test_every_kind_has_its_number(self) -> None:
        """The ASKED entry names each kind of operation by its own number."""
        session = self.session()
        kinds = (QUERY, PARSE, BIND, EXECUTE, FUNCTION)
        session.decide(ask_of(*(Operation("postgresql", kind, b"a", number=9) for kind in kinds)))
        self.assertEqual([kind for _, kind, _, _ in self.asked()[0][0]], [1, 2, 3, 4, 5])

    def test_a_new_verdict_waits_for_room(self) -> None:
        """Where the spool is full it is written when there is room, once, before the operation that it is of."""
        self.judge.verdicts[b"a"] = Verdict(tables=frozenset(("pay.a",)))
        session = self.session()
        self.journal.full = 2
        answers = session.decide(ask(b"a"))
        self.assertEqual(self.journal.entries, [])
        self.clock.advance(1)
        self.assertEqual(self.now(answers), (GO,))
        self.assertEqual([kind for kind, _ in self.journal.entries], [Kind.VERDICT, Kind.ASKED])
        self.assertEqual(session.row().tables, ("pay.a",))

    def test_refused(self) -> None:
        """A refusal names guardrail, reason, way out, session and policy; one event; the verdict is written once."""
        self.judge.verdicts[b"drop"] = NO
        session = self.session()
        for _ in range(2):
            go, no = self.now(session.decide(ask(b"a", b"drop")))
            self.assertIs(go, GO)
            self.assertEqual(
                no.denial.fields(),
                {
                    "decision": "refused",
                    "guardrails": ["no-drop"],
                    "reason": "DROP is not done here",
                    "would_pass": "ask for a migration",
                    "session": session.id,
                    "policy": POLICY,
                },
            )
        self.assertEqual(self.journal.kinds(), [Kind.VERDICT, Kind.ASKED, Kind.ASKED])
        self.assertEqual(self.asked()[1], ([(1, 1, 0, 0), (2, 1, 1, 1)], b"a|drop"))
        verdict = orjson.loads(self.journal.entries[0][1])
        self.assertEqual(verdict["verdict"], 1)
        self.assertEqual(verdict["refusals"][0], {"guardrail": "no-drop", "file": "a.toml", "line": 3,
                                                  "reason": "DROP is not done here"})  # fmt: skip
        self.assertEqual(self.events.codes().count(Code.OPERATION_REFUSED), 2)
        self.assertEqual(session.row().refused, 2)

    def test_equal_verdicts_are_written_once(self) -> None:
        """Two verdicts of the same words are one VERDICT entry; other words are another."""
        one, same = Verdict(tables=frozenset(("pay.a",))), Verdict(tables=frozenset(("pay.a",)))
        self.judge.verdicts.update({b"1": one, b"2": same, b"3": Verdict(tables=frozenset(("pay.b",)))})
        session = self.session()
        for text in (b"1", b"2", b"3", b"1"):
            self.assertEqual(self.now(session.decide(ask(text))), (GO,))
        self.assertEqual(self.journal.kinds().count(Kind.VERDICT), 2)
        self.assertEqual([entry[0][0][3] for entry in self.asked()], [1, 1, 2, 1])
        self.assertEqual(session.row().tables, ("pay.a", "pay.b"))

    def test_parse_is_only_refused(self) -> None:
        """A Parse runs nothing: it is refused, but neither masked, held nor counted."""
        held = Verdict(holds=(), limits=(LimitTerms("l", rows=1),), masks=Masks())
        self.judge.verdicts.update({b"drop": NO, b"t": held})
        session = self.session(Budget(statements_per_minute=1))
        (no,) = self.now(session.decide(ask(b"drop", kind=PARSE)))
        self.assertEqual(no.denial.decision, Decision.REFUSED)
        for _ in range(3):
            self.assertEqual(self.now(session.decide(ask(b"t", kind=PARSE))), (GO,))

    def test_masks_and_limits(self) -> None:
        """Masks and limits are in the answer of what runs."""
        masks = Masks()
        self.judge.verdicts[b"t"] = Verdict(masks=masks, limits=(LimitTerms("few", rows=2, reason="two rows"),))
        session = self.session()
        for kind in (QUERY, EXECUTE, FUNCTION):
            (answer,) = self.now(session.decide(ask(b"t", kind=kind)))
            self.assertIs(answer.masks, masks)
            self.assertEqual((answer.meter.take(5, 50), answer.meter.exceeded.name), (2, "two rows"))
        (answer,) = self.now(session.decide(ask(b"t", kind=BIND)))
        self.assertIsNone(answer.meter)

    def test_redacted(self) -> None:
        """What carries a secret is in the journal only as the verdict says, in the event not at all."""
        self.judge.verdicts[b"PASSWORD 'x'"] = Verdict(redact="secrets", recorded=b"PASSWORD ***")
        session = self.session()
        _, secret = self.now(session.decide(ask(b"a", b"PASSWORD 'x'")))
        self.assertTrue(secret.redact)
        self.assertEqual(self.asked()[0][1], b"a|PASSWORD ***")
        self.assertNotIn(b"'x'", b"".join(payload for _, payload in self.journal.entries))
        self.assertNotIn("'x'", repr(self.events.events))

    def test_redacted_and_refused(self) -> None:
        """A refused secret is redacted all the same."""
        self.judge.verdicts[b"PASSWORD 'x'"] = NO & Verdict(redact="secrets", recorded=b"***")
        (answer,) = self.now(self.session().decide(ask(b"PASSWORD 'x'")))
        self.assertTrue(answer.redact)
        self.assertEqual(self.asked()[0][1], b"***")

    def test_later_verdict(self) -> None:
        """A judge that needs time is waited for, in order: the next operation is judged after it."""
        later: Deferred[Verdict] = Deferred()
        self.judge.verdicts[b"big"] = later
        session = self.session()
        answers = session.decide(ask(b"a", b"big", b"c"))
        self.assertNoResult(answers)
        self.assertEqual((self.judge.judged, self.journal.entries), ([b"a", b"big"], []))
        later.callback(NO)
        self.assertEqual([answer.denial is None for answer in self.successResultOf(answers)], [True, False, True])
        self.assertEqual(self.judge.judged, [b"a", b"big", b"c"])
        self.assertEqual(self.asked()[0][1], b"a|big|c")

    def test_one_ask_at_a_time(self) -> None:
        """A lane that asks again before its answer is a mistake of the edge; another lane is not."""
        self.judge.verdicts[b"big"] = Deferred()
        session = self.session()
        session.decide(ask(b"a"))
        session.decide(ask(b"big"))
        self.assertRaises(RuntimeError, session.decide, ask(b"a"))
        self.assertEqual(self.now(session.decide(ask(b"a", lane=1))), (GO,))

    def test_nobody_waits(self) -> None:
        """The edge gives up before the judge has spoken: nobody is asked to approve, and the attempt is recorded."""
        later: Deferred[Verdict] = Deferred()
        self.judge.verdicts[b"big"] = later
        answers = self.session().decide(ask(b"big"))
        answers.cancel()
        self.failureResultOf(answers, CancelledError)
        later.callback(Verdict(holds=(terms(),)))  # too late to be heard
        self.assertEqual((self.edge.notices, self.asked()), ([], [([(1, 1, 6, 1)], b"big")]))

    def test_nobody_waits_and_no_recorder(self) -> None:
        """The same while the recorder fails: an event says it, since nobody else can."""
        later: Deferred[Verdict] = Deferred()
        self.judge.verdicts[b"big"] = later
        answers = self.session().decide(ask(b"big"))
        self.journal.failed = True
        answers.cancel()
        self.failureResultOf(answers, CancelledError)
        self.assertIn(Code.RECORDING_FAILED, self.events.codes())

    def test_verdicts_are_bounded(self) -> None:
        """must-survive 76: verdicts that are never the same twice cost bounded memory, and each is written."""
        session = self.session()
        for number in range(rulings.MAX_RULINGS + 20):
            self.judge.verdicts[b"t"] = Verdict(tables=frozenset((f"pay.t{number}",)))
            self.now(session.decide(ask(b"t")))
        found = session._decider._rulings
        self.assertLessEqual(max(len(found.by_id), len(found._by_words)), rulings.MAX_RULINGS)
        self.assertEqual(self.journal.kinds().count(Kind.VERDICT), rulings.MAX_RULINGS + 20)

    def test_judged_once(self) -> None:
        """However an Ask is answered, each operation is judged once: the judge follows what names mean."""
        self.judge.verdicts.update({b"drop": NO, b"later": succeed(Verdict())})
        session = self.session()
        self.journal.full = 3
        answers = session.decide(ask(b"a", b"drop", b"later", b"b"))
        for _ in range(5):
            self.clock.advance(0.01)
        self.assertEqual(len(self.successResultOf(answers)), 4)
        self.assertEqual(self.judge.judged, [b"a", b"drop", b"later", b"b"])


class Recording(Case):
    def test_recorded_before_the_answer(self) -> None:
        """The entry is there when the answer is given, in every mode."""
        session = self.session()
        seen: list[Kind] = []
        self.journal.told = seen.append
        self.now(session.decide(ask(b"a")))
        self.assertEqual(seen, [Kind.ASKED])

    def test_no_room(self) -> None:
        """must-survive 74: a full spool makes the operation wait, not vanish; it goes on when there is room."""
        session = self.session()
        self.journal.full = 2
        answers = session.decide(ask(b"a"))
        self.assertNoResult(answers)
        self.clock.advance(0.01)
        self.clock.advance(0.01)
        self.assertEqual(self.successResultOf(answers), (GO,))
        self.assertEqual(self.asked(), [([(1, 1, 0, 0)], b"a")])

    def test_no_room_for_a_verdict(self) -> None:
        """The verdict's own entry waits as well, and is written once."""
        self.judge.verdicts[b"drop"] = NO
        session = self.session()
        self.journal.full = 1
        answers = session.decide(ask(b"drop"))
        self.clock.advance(0.01)
        self.assertEqual(self.successResultOf(answers)[0].denial.decision, Decision.REFUSED)
        self.assertEqual(self.journal.kinds(), [Kind.VERDICT, Kind.ASKED])
        self.assertEqual(self.events.codes().count(Code.OPERATION_REFUSED), 1)

    def test_never_room(self) -> None:
        """A spool that stays full ends in RecordingFailed, not in waiting for ever."""
        session = self.session()
        self.journal.full = 1 << 30
        answers = session.decide(ask(b"a"))
        for _ in range(4):
            self.clock.advance(PATIENCE / 2)
        self.failureResultOf(answers, RecordingFailed)

    def test_recorder_fails(self) -> None:
        """must-survive 59: where the recorder fails there is no answer to go on with."""
        session = self.session()
        self.journal.failed = True
        self.assertRaises(RecordingFailed, session.decide, ask(b"a"))
        self.judge.verdicts[b"big"] = succeed(NO)
        self.failureResultOf(session.decide(ask(b"a", b"big")), RecordingFailed)
        self.assertRaises(RecordingFailed, session.record, ToClient(b"x"))

    def test_durable(self) -> None:
        """In durable mode the answer comes after the entry is on disk, and not if that fails."""
        self.journal.mode, self.journal.syncing = Mode.DURABLE, []
        session = self.session()
        for result in (None, RecordingFailed("disk")):
            answers = session.decide(ask(b"a"))
            self.assertNoResult(answers)
            sequence, synced = self.journal.syncing.pop()
            self.assertEqual(sequence, len(self.journal.entries))
            if result is None:
                synced.callback(None)
                self.assertEqual(self.successResultOf(answers), (GO,))
            else:
                synced.errback(result)
                self.failureResultOf(answers, RecordingFailed)

    def test_durable_rule(self) -> None:
        """A rule that wants durable gets it for its operations; a best-effort session is strict from then on."""
        self.journal.mode, self.journal.syncing = Mode.BEST_EFFORT, []
        self.judge.verdicts[b"t"] = Verdict(mode=Mode.DURABLE)
        session = self.session()
        answers = session.decide(ask(b"t"))
        self.assertNoResult(answers)
        self.assertIs(self.journal.mode, Mode.STRICT)
        self.journal.syncing.pop()[1].callback(None)
        self.assertEqual(self.successResultOf(answers), (GO,))
        self.assertEqual(self.now(session.decide(ask(b"a"))), (GO,))

    def test_effects(self) -> None:
        """Each effect is recorded as it says: shown bytes, other bytes, nothing."""
        session = self.session()
        session.record(ToClient(b"shown"))
        session.record(ToClient(b"secret error", recorded=b"error"))
        session.record(ToTarget(b"sync"))
        session.record(ToTarget(b"already", recorded=RECORDED))
        session.record(Completed(3, 10, 4, "masked"))
        session.record(PauseClient())
        self.assertEqual(
            self.journal.entries,
            [
                (Kind.TO_CLIENT, b"shown"),
                (Kind.TO_CLIENT, b"error"),
                (Kind.TO_TARGET, b"sync"),
                (Kind.COMPLETED, struct.pack("<QQQ", 3, 10, 4) + b"masked"),
            ],
        )
        found = session.row()
        self.assertEqual((found.bytes_out, found.bytes_in, found.masked), (17, 4, 4))

    def test_full_spool_keeps_nothing(self) -> None:
        """An effect without room raises, and counts only once when it is recorded at last."""
        session = self.session()
        self.journal.full = 1
        self.assertRaises(SpoolFull, session.record, ToClient(b"x"))
        session.record(ToClient(b"x"))
        self.assertEqual((session.row().bytes_out, self.journal.kinds()), (1, [Kind.TO_CLIENT]))

    def test_observed(self) -> None:
        """What a relay observed is a note and an event; control characters are inert in both."""
        session = self.session()
        session.record(Observed(Code.SETTING_CHANGED, {"setting": "x", "value": "\x1b]52;c;\x07\x9b"}))
        self.assertIn(b"\\u001b]52;c;\\u0007\\u009b", self.journal.entries[-1][1])
        self.assertEqual(self.events.events[-1][0], Code.SETTING_CHANGED)

    def test_catalogue(self) -> None:
        """The judge hears that names may mean something else."""
        self.session().record(CatalogueChanged(True, True))
        self.assertEqual(self.judge.changes, 1)


class Ending(Case):
    def test_opened(self) -> None:
        """What the session is connected to is in the journal; the event says who, where and by which grant."""
        session = self.session()
        session.opened({"target": "10.0.0.1:5432"})
        self.assertEqual(self.notes(), [{"code": "session.opened", "target": "10.0.0.1:5432"}])
        code, fields = self.events.events[0]
        self.assertEqual((code, fields["subject"], fields["grant"]), (Code.SESSION_OPENED, "agent", "agents"))

    def test_expires(self) -> None:
        """The login's time is up: the edge ends the session, once, and what is still asked is not run."""
        session = self.session(access=access(expires=100.0))
        self.clock.advance(99.9)
        self.assertEqual(self.edge.ends, [])
        self.clock.advance(0.2)
        self.assertEqual([end[0] for end in self.edge.ends], [Code.SESSION_EXPIRED])
        (answer,) = self.now(session.decide(ask(b"a")))
        self.assertEqual(answer.denial.decision, Decision.UNAVAILABLE)
        session.kill("ann", "late")
        self.assertEqual(len(self.edge.ends), 1)

    def test_expires_while_clocks_are_set(self) -> None:
        """must-survive 59: a timer that came before its time, as it does once a clock that was set back is right again,
        ends nobody."""
        self.session(access=access(expires=7200.0))
        self.move_timers(-3600)
        self.clock.advance(3700)
        self.assertEqual(self.edge.ends, [])
        self.clock.advance(3501)
        self.assertEqual([end[0] for end in self.edge.ends], [Code.SESSION_EXPIRED])

    def test_time_that_has_passed(self) -> None:
        """must-survive 59: a clock that was set back lets no session last longer than its login."""
        self.session(access=access(expires=7200.0))
        self.clock.rightNow -= 86400
        self.move_timers(-86400)
        passed = monotonic() + 7201
        self.patch(session_module, "monotonic", lambda: passed)
        self.clock.advance(7201)
        self.assertEqual([end[0] for end in self.edge.ends], [Code.SESSION_EXPIRED])

    def move_timers(self, seconds: float) -> None:
        """As the reactor does where its clock is set."""
        for call in self.clock.getDelayedCalls():
            call.reset(call.getTime() - self.clock.seconds() + seconds)

    def test_session_seconds(self) -> None:
        """A session lasts no longer than its budget."""
        self.session(Budget(session_seconds=60))
        self.clock.advance(61)
        self.assertEqual(self.edge.ends[0][0], Code.BUDGET_EXCEEDED)
        self.assertEqual(self.edge.ends[0][2].decision, Decision.OVER_BUDGET)

    def test_kill(self) -> None:
        """A kill is an event that names who, a note, and the end."""
        session = self.session()
        session.kill("ann", "wrong target")
        self.assertEqual(self.edge.ends, [(Code.SESSION_KILLED, "wrong target", None)])
        self.assertEqual(self.notes(), [{"code": "session.killed", "reason": "wrong target", "by": "ann"}])
        self.assertIn((Code.SESSION_KILLED, {"session": session.id, "subject": "agent", "reason": "wrong target",
                                             "by": "ann"}), self.events.events)  # fmt: skip

    def test_typed(self) -> None:
        """A line that was typed is a note; one that a rule watches for is an event, or the end as well.  Its text is in
        no event, and what was not shown nowhere."""
        session = self.session()
        watched, ended = Sighting("watch", "become root"), Sighting("never", "not here", ends=True)
        self.judge.seen = {b"su": (watched,), b"su -": (watched, ended)}
        (quiet,) = session.typed(Typed(3, b"$ ", b"ls", 80, 2, b"ls"))
        (secret,) = session.typed(Typed(3, b"Password: ", b"", 80, 6, b"s3cret"))
        (warned,) = session.typed(Typed(3, b"$ ", b"su", 80, 2, b"su"))
        _, end = session.typed(Typed(3, b"$ ", b"su -", 80, 0, b""))
        for each in (quiet, secret, warned):
            session.record(each)
        note = {"code": "terminal.typed", "operation": 3, "exact": False}
        wanted = [
            note | {"keys": 2, "confidence": "echoed", "text": "ls"},
            note | {"keys": 6, "confidence": "not shown"},
            note | {"keys": 2, "confidence": "echoed", "text": "su", "guardrails": ["watch"], "reason": "become root"},
        ]
        self.assertEqual(self.notes(), wanted)
        (fields,) = [fields for code, fields in self.events.events if code is Code.TERMINAL_TYPED]
        self.assertEqual((fields["guardrails"], "text" in fields), (["watch"], False))
        assert isinstance(end, End)
        self.assertEqual((end.code, end.reason, end.denial.guardrails), (Code.SESSION_STOPPED, "not here", ("never",)))

    def test_revoked(self) -> None:
        """An identity that lost its grant on reload is out."""
        session = self.session()
        session.reloaded("sha256:two", self.judge, None)
        self.assertEqual(self.edge.ends[0][0], Code.SESSION_REVOKED)

    def test_reloaded(self) -> None:
        """must-survive 80: after a reload the new judge speaks, under the new policy's name, till the new time."""
        session = self.session()
        self.assertEqual(self.now(session.decide(ask(b"t"))), (GO,))
        session.reloaded("sha256:two", Judge(t=NO), access(expires=50.0))
        (answer,) = self.now(session.decide(ask(b"t")))
        self.assertEqual(answer.denial.policy, "sha256:two")
        self.clock.advance(51)
        self.assertEqual(self.edge.ends[0][0], Code.SESSION_EXPIRED)

    def test_close(self) -> None:
        """The closing entry has reason, totals and coverage; the row is complete; no timer is left; once."""
        session = self.session()
        self.edge.rows = 7
        session.decide(ask(b"a"))
        for _ in range(2):
            self.successResultOf(session.close(Code.SESSION_CLOSED, "the client left", {"exact": True}))
        self.assertEqual(
            self.journal.closing,
            {
                "reason": "session.closed: the client left", "closed": 0.0, "operations": 1, "refused": 0, "held": 0,
                "rows": 7, "masked": 0, "bytes_in": 1, "bytes_out": 0, "tables": [], "coverage": {"exact": True},
            },
        )  # fmt: skip
        self.assertEqual((session.row().closed, session.row().rows), (0.0, 7))
        self.assertEqual(self.events.codes().count(Code.SESSION_CLOSED), 1)
        self.assertEqual([call for call in self.clock.getDelayedCalls() if call.getTime() > 100], [])

    def test_what_hung_up_has_its_event(self) -> None:
        """A peer that broke the protocol, or a target that went: by its own code, once, before the session's end."""
        session = self.session()
        session.record(Hangup(Code.PROTOCOL_VIOLATED, "junk"))
        self.assertEqual(self.events.codes()[-1], Code.PROTOCOL_VIOLATED)
        ended = self.session()
        ended.end(Code.SESSION_EXPIRED, "time is up")
        ended.record(Hangup(Code.SESSION_EXPIRED, "time is up"))
        left = self.session()
        left.record(Hangup(Code.SESSION_CLOSED, "the client ended the session"))
        said = [code for code in self.events.codes() if code is not Code.SESSION_OPENED]
        self.assertEqual(said, [Code.PROTOCOL_VIOLATED, Code.SESSION_EXPIRED])

    def test_close_keeps_the_first_reason(self) -> None:
        """What ended the session is its reason, not that the connection went down afterwards."""
        session = self.session()
        session.record(Hangup(Code.PROTOCOL_VIOLATED, "junk"))
        self.successResultOf(session.close(Code.SESSION_CLOSED, "the client left", {}))
        self.assertEqual(session.row().reason, "protocol.violated: junk")

    def test_close_waits_for_what_is_decided(self) -> None:
        """The last entry comes after the operation that was still being judged."""
        later: Deferred[Verdict] = Deferred()
        self.judge.verdicts[b"big"] = later
        session = self.session()
        answers = session.decide(ask(b"big"))
        closed = session.close(Code.SESSION_CLOSED, "left", {})
        self.assertNoResult(closed)
        later.callback(Verdict())
        self.assertEqual(self.successResultOf(answers)[0].denial.decision, Decision.UNAVAILABLE)
        self.successResultOf(closed)
        self.assertEqual(self.asked()[0][0], [(1, 1, 6, 0)])

    def test_close_without_recorder(self) -> None:
        """A recorder that failed does not keep the session from ending; an event says so."""
        session = self.session()
        self.journal.failed = True
        self.successResultOf(session.close(Code.SESSION_CLOSED, "left", {}))
        self.assertIn(Code.RECORDING_FAILED, self.events.codes())

    def test_unused(self) -> None:
        """A judge whose Deferred fails after all lets nothing pass."""
        self.judge.verdicts[b"big"] = fail(ZeroDivisionError())
        self.failureResultOf(self.session(access=access(identity())).decide(ask(b"big")), ZeroDivisionError)

"""What a session's Asks are answered: judged, counted, approved, written down, in the order of the operations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from hoopgw.auth.access import Access
from hoopgw.model.answer import GO, ONCE, Answer, Decision, Denial, Meter
from hoopgw.model.errors import RecordingFailed, SpoolFull
from hoopgw.model.events import Code
from hoopgw.model.operation import (
    EXEC,
    EXECUTE,
    FORWARD,
    FUNCTION,
    PARSE,
    QUERY,
    REQUEST,
    SHELL,
    SUBSYSTEM,
    TUNNEL,
    Operation,
)
from hoopgw.model.target import Mode
from hoopgw.model.verdict import Refusal, Verdict
from hoopgw.record.entries import Kind, asked
from hoopgw.relay.effects import Ask
from hoopgw.session.approving import Approvals
from hoopgw.session.budgets import Over, Soft, Spending, Warned
from hoopgw.session.course import Course
from hoopgw.session.holds import Holds
from hoopgw.session.interfaces import IEdge, IJudge
from hoopgw.session.metering import meter_of
from hoopgw.session.resuming import nothing_held
from hoopgw.session.rulings import Ruling, Rulings, note
from hoopgw.session.supervision import Judge
from hoopgw.session.telling import Telling
from hoopgw.session.totals import Totals
from hoopgw.session.waiting import Ending
from hoopgw.session.words import over_budget, refusal
from hoopgw.store.interface import Hold
from hoopgw.store.journal import Journal

ROOM: Final = 0.01  # seconds between tries when the spool is full: the writer empties it every 10 to 20 ms
PATIENCE: Final = 30.0  # seconds that an entry may wait for room: a writer that slow has failed
# What runs: a Parse, a Bind, a variable or a terminal alone does not
COUNTED: Final = frozenset((QUERY, EXECUTE, FUNCTION, EXEC, SHELL, SUBSYSTEM, FORWARD, REQUEST, TUNNEL))
MAX_OVER: Final = 1024  # denied operations that the relay has not reported yet
USUAL: Final = 64  # operations of one read; more take the careful way

_ASKED: Final = Kind.ASKED  # a lookup in an Enum is a call
_GOES: Final = [(GO,) * number for number in range(USUAL + 1)]  # the usual answers, made once
_ZEROS: Final = [[0] * number for number in range(USUAL + 1)]


class Decider:
    """One session's.  The session owns it and tells it what changes; see Session for the arguments."""

    def __init__(
        self,
        *,
        id: str,
        access: Access,
        judge: IJudge,
        journal: Journal,
        holds: Holds,
        spending: Spending | None,
        edge: IEdge,
        clock: IReactorTime,
        policy: str,
        totals: Totals,
        emit: Callable[..., None],
    ) -> None:
        self._id = id
        self._access = access
        self._judge = cast(Judge, judge)
        self._journal = journal
        self._spending = spending
        self._clock = clock
        self._policy = policy
        self._totals = totals
        self._emit = emit
        self._telling = Telling(emit, totals)
        self._open = True
        self.over_budget: set[int] = set()  # operations whose denial was said; the relay reports them again
        self._rulings = Rulings(partial(journal.append, Kind.VERDICT))
        self._ruling: Ruling | None = None  # the last one that let an operation pass
        self._approvals = Approvals(
            id=id,
            access=access,
            judge=judge,
            journal=journal,
            holds=holds,
            edge=edge,
            policy=policy,
            totals=totals,
        )
        self._deciding: dict[int, Course] = {}  # by lane; empty while nothing waits
        self._idle: list[Deferred[None]] = []  # fired when nothing is being decided any more
        # Nothing but the judge has a word, and nothing waits for the disk: the hot path.
        self._easy = spending is None and journal.mode is not Mode.DURABLE

    def reloaded(self, policy: str, judge: IJudge, access: Access) -> None:
        """For later operations."""
        self._policy, self._judge, self._access = policy, cast(Judge, judge), access
        self._approvals.reloaded(policy, judge, access)

    def stop(self, why: Ending) -> None:
        """The session ends: what waits is withdrawn, what is still asked is refused."""
        self._open = self._easy = False
        self._approvals.give_up(why)

    def give_up(self, why: Ending) -> bool:
        """Withdraw what waits for approval; False where nothing does."""
        return self._approvals.give_up(why)

    async def idle(self) -> None:
        """Until nothing is being decided any more."""
        if self._deciding:
            idle: Deferred[None] = Deferred()
            self._idle.append(idle)
            await idle

    def decide(self, ask: Ask) -> tuple[Answer, ...] | Deferred[tuple[Answer, ...]]:
        """One answer for each operation, recorded before it is given.

        A plain tuple where nothing has to be waited for.  RecordingFailed, raised or as the Deferred's failure: forward
        nothing more.  One Ask at a time on each lane; the next only after these answers.  Cancelling the Deferred says
        that the client is gone: what waits is withdrawn, and recorded as that.
        """
        if not self._easy or self._deciding:
            return self._carefully(Course(ask))
        operations = ask.operations
        judge, rulings = self._judge, self._rulings.by_id
        references: list[int] = []
        ruling = self._ruling
        for operation in operations:
            verdict = judge.judge(operation)
            if ruling is None or ruling.verdict is not verdict:  # of what is asked again and again it is the same
                ruling = rulings.get(id(verdict))
            if ruling is None:
                ruling = self._new_ruling(verdict)
            if ruling is None or not ruling.plain:
                return self._carefully(Course(ask), references, verdict)
            references.append(ruling.reference)
        self._ruling = ruling
        count = len(operations)
        if count > USUAL:
            return self._carefully(Course(ask), references)
        try:
            head, data = asked(operations, _ZEROS[count], references, ask.data)
            self._journal.append(_ASKED, head, data)
        except SpoolFull:
            return self._carefully(Course(ask), references)
        self._totals.operations += count
        self._totals.bytes_in += len(ask.data)
        return _GOES[count]

    def _new_ruling(self, verdict: Any) -> Ruling | None:
        """Of a verdict that lets everything pass, and is new; None for any other, or where the spool has no room."""
        if not isinstance(verdict, Verdict) or not verdict.plain:
            return None
        try:
            ruling = self._rulings.of(verdict)
        except SpoolFull:
            return None
        self._totals.read(verdict.tables)
        return ruling

    def _carefully(
        self, course: Course, references: list[int] | None = None, verdict: Any = None
    ) -> tuple[Answer, ...] | Deferred[tuple[Answer, ...]]:
        lane = course.ask.lane
        if lane in self._deciding:
            raise RuntimeError("a lane asks one thing at a time")
        course.passed(references or [])
        if isinstance(verdict, Verdict):
            course.verdict = verdict
        self._deciding[lane] = course
        try:
            pending = self._judged_later(course, verdict) if isinstance(verdict, Deferred) else self._step(course)
        except BaseException:
            self._decided(lane)
            raise
        if pending is None:
            self._decided(lane)
            return tuple(course.answers)
        # The caller may stop waiting (the connection is gone); what was begun is still withdrawn and recorded.
        answered: Deferred[tuple[Answer, ...]] = Deferred(lambda _: self._abandon(course))
        Deferred.fromCoroutine(self._later(course, pending)).addBoth(self._give, course, answered)
        return answered

    def _give(self, result: Any, course: Course, answered: Deferred[tuple[Answer, ...]]) -> None:
        if not course.abandoned:
            answered.callback(result)
        elif isinstance(result, Failure):  # nobody else hears of it
            self._emit(Code.RECORDING_FAILED, reason=result.getErrorMessage())

    def _abandon(self, course: Course) -> None:
        course.abandoned = True
        if course.judging is not None:  # of a large text, or body, that waits for its turn
            course.judging.cancel()
        self._approvals.abandon(course.ask.lane)

    async def _later(self, course: Course, pending: "Deferred[Any] | None") -> tuple[Answer, ...]:
        try:
            while pending is not None:
                await pending
                pending = self._step(course)
        finally:
            self._decided(course.ask.lane)
        return tuple(course.answers)

    def _decided(self, lane: int) -> None:
        del self._deciding[lane]
        if not self._deciding:
            idle, self._idle = self._idle, []
            for waiting in idle:
                waiting.callback(None)

    def _step(self, course: Course) -> "Deferred[Any] | None":
        """Everything that can be done now; what has to be waited for then, or None: the answers may be given."""
        operations = course.ask.operations
        try:
            while len(course.answers) < len(operations):
                pending = self._answer(course, operations[len(course.answers)])
                if pending is not None:
                    return pending
            self._write(course)
        except SpoolFull:
            return self._room(course)
        if course.synced or not (course.durable or self._journal.mode is Mode.DURABLE):
            return None
        assert course.sequence is not None
        course.synced = True
        return self._journal.synced(course.sequence)

    def _room(self, course: Course) -> Deferred[None]:
        now = self._clock.seconds()
        if course.full_since is None:
            course.full_since = now
        elif now - course.full_since > PATIENCE:
            raise RecordingFailed(f"the spool had no room for {PATIENCE:.0f} seconds")
        return deferLater(self._clock, ROOM, lambda: None)

    def _write(self, course: Course) -> None:
        """What was decided, then the operations.  May raise SpoolFull at any point and is called again then."""
        while course.notes:
            note(self._journal, course.notes[0])
            del course.notes[0]
        if course.sequence is None:
            ask = course.ask
            data = ask.redacted(course.redactions) if course.redactions else ask.data
            head, data = asked(ask.operations, course.codes, course.references, data)
            course.sequence = self._journal.append(_ASKED, head, data)
            self._totals.operations += len(ask.operations)
            self._totals.bytes_in += len(ask.data)

    def _answer(self, course: Course, operation: Operation) -> "Deferred[Any] | None":
        """Answer the operation in turn, or give what has to be waited for first."""
        if course.verdict is None:
            judged = self._judge.judge(operation)
            if isinstance(judged, Deferred):
                return self._judged_later(course, judged)
            course.verdict = judged
        ruling = self._rulings.of(course.verdict)
        verdict = ruling.verdict
        if not self._open or course.abandoned:
            withdrawn = course.outcome if isinstance(course.outcome, Denial) else None
            ending = withdrawn or self._denial(Decision.UNAVAILABLE, "the session is ending")
            self._refuse(course, operation, ruling, ending)
        elif verdict.refusals:
            self._refuse(course, operation, ruling, refusal(verdict, self._id, self._policy))
        elif operation.kind == PARSE:
            course.answered(self._allowed(course, verdict, None, None), ruling.reference)
        else:
            return self._run(course, operation, ruling)
        return None

    def _judged_later(self, course: Course, judged: Deferred[Verdict]) -> Deferred[None]:
        course.judging = judged
        return judged.addErrback(_given_up).addCallback(course.judged)

    def _run(self, course: Course, operation: Operation, ruling: Ruling) -> "Deferred[Any] | None":
        """What would run: budgets first (nobody is asked to approve what is over budget), then approvals."""
        verdict = ruling.verdict
        if operation.kind in COUNTED and self._spending is not None and not course.counted:
            spent = self._spending.statement()
            if isinstance(spent, Deferred):
                return spent
            course.counted = True
            self._spent(course, operation, spent)
            if isinstance(spent, Over):
                now, grant = self._clock.seconds(), self._access.grant.name
                self._refuse(course, operation, ruling, over_budget(spent, grant, now, self._id, self._policy))
                return None
        terms = verdict.holds + course.soft
        if terms:
            pending = self._approvals.asked(course, operation, verdict, terms)
            if pending is not None:
                return pending
            if isinstance(course.outcome, Denial):
                self._refuse(course, operation, ruling, course.outcome)
                return None
        elif verdict.resumes:
            self._refuse(course, operation, ruling, nothing_held(verdict, self._id, self._policy))
            return None
        meter = meter_of(verdict, self._spending) if operation.kind in COUNTED else None
        course.answered(self._allowed(course, verdict, verdict.masks, meter), ruling.reference)
        return None

    # ---- words for the relay

    def _refuse(self, course: Course, operation: Operation, ruling: Ruling, denial: Denial) -> None:
        verdict = ruling.verdict
        self._telling.refused(course, operation, verdict, denial)
        if verdict.redact:
            course.redactions[len(course.answers)] = verdict.recorded
        course.answered(Answer(denial=denial, redact=bool(verdict.redact)), ruling.reference)

    def _allowed(self, course: Course, verdict: Verdict, masks: Any, meter: Meter | None) -> Answer:
        self._totals.read(verdict.tables)
        self._tighten(course, verdict.mode)
        if verdict.redact:
            course.redactions[len(course.answers)] = verdict.recorded
        once = isinstance(course.outcome, Hold)
        if masks is None and meter is None and not verdict.redact and verdict.bodies is None:
            return ONCE if once else GO
        return Answer(masks=masks, meter=meter, redact=bool(verdict.redact), bodies=verdict.bodies, once=once)

    def _tighten(self, course: Course, mode: Mode | None) -> None:
        """A rule's recording mode: durable holds for this operation, strict for the rest of the session."""
        if mode is None:
            return
        if mode is Mode.DURABLE:
            course.durable = True
        if self._journal.mode is Mode.BEST_EFFORT and mode is not Mode.BEST_EFFORT:
            self._journal.mode = Mode.STRICT

    def _denial(self, decision: Decision, reason: str) -> Denial:
        return Denial(decision=decision, reason=reason, session=self._id, policy=self._policy)

    def _spent(self, course: Course, operation: Operation, spent: "Over | Warned | Soft | None") -> None:
        if self._telling.spent(course, operation, spent):
            if len(self.over_budget) >= MAX_OVER:
                self.over_budget.clear()
            self.over_budget.add(operation.number)


def _given_up(failure: Failure) -> Verdict:
    """The client left while its operation was judged."""
    failure.trap(CancelledError)
    return Verdict(refusals=(Refusal("built-in:left", "its client has left"),))

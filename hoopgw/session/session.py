"""A client on a target: what it asks is decided and recorded here, before anything moves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater

from hoopgw.auth.access import Access
from hoopgw.model.answer import GO, Allowance, Answer, Decision, Denial, Meter
from hoopgw.model.errors import RecordingFailed, SpoolFull
from hoopgw.model.events import Code
from hoopgw.model.operation import BIND, EXECUTE, FUNCTION, PARSE, QUERY, Operation
from hoopgw.model.target import Mode
from hoopgw.model.verdict import HoldTerms, IMasks, Verdict
from hoopgw.record.entries import Kind, asked, completed
from hoopgw.relay.effects import Ask, CatalogueChanged, Completed, Effect, Hangup, Observed, ToClient, ToTarget
from hoopgw.session.budgets import Over, Soft, Spending, Warned
from hoopgw.session.course import Course
from hoopgw.session.events import line
from hoopgw.session.holds import Ending, Holds, Request, Waiting
from hoopgw.session.interfaces import IEdge, IEvents, IJudge, Journal
from hoopgw.session.passes import Passes
from hoopgw.session.rulings import Ruling, Rulings
from hoopgw.session.totals import Totals
from hoopgw.store.interface import Hold, SessionRow

ROOM = 0.01  # seconds between tries when the spool is full: the writer empties it every 10 to 20 ms
PATIENCE = 30.0  # seconds that an entry may wait for room: a writer that slow has failed
COUNTED = frozenset((QUERY, EXECUTE, FUNCTION))  # what runs: a Parse or Bind alone does not

_GOES = [(GO,) * number for number in range(65)]  # the usual answers, made once
_ZEROS = [(0,) * number for number in range(65)]


class State(Enum):
    OPEN = "open"
    ENDING = "ending"  # the edge was told to end; what is still asked is refused
    CLOSED = "closed"


class Session:
    """One client's session.  The edge calls `decide` for each Ask and `record` for every other effect, in order.

    judge     of this session's operations; another one after `reloaded`
    spending  what the grant's budget leaves, or None where it has no bound
    row       the index row as it stands at the start (store/interface.py)
    policy    digest of the policy in force
    ambient_masks   what masks the target's words that belong to no operation, for the relay
    """

    def __init__(
        self,
        *,
        row: SessionRow,
        access: Access,
        judge: IJudge,
        journal: Journal,
        holds: Holds,
        spending: Spending | None,
        events: IEvents,
        edge: IEdge,
        clock: IReactorTime,
        policy: str,
        ambient_masks: IMasks | None = None,
    ) -> None:
        self.id = row.id
        self.ambient_masks = ambient_masks
        self.access = access
        self.policy = policy
        self.state = State.OPEN
        self.totals = Totals(row)
        self._judge = judge
        self._journal = journal
        self._holds = holds
        self._spending = spending
        self._events = events
        self._edge = edge
        self._clock = clock
        self._rulings = Rulings(partial(journal.append, Kind.VERDICT))
        self._passes = Passes()
        self._waits: dict[int, Waiting] = {}  # by lane
        self._deciding: dict[int, Course] = {}  # by lane; empty while nothing waits
        self._idle: list[Deferred[None]] = []  # fired when nothing is being decided any more
        self._timers: dict[Code, IDelayedCall] = {}
        self._easy = self._is_easy()

    # ---- life

    def ready(self) -> Deferred[None]:
        """Fires when the first statement will not have to wait for a budget; it never fails."""
        return self._spending.ready() if self._spending is not None else succeed(None)

    def opened(self, facts: dict[str, Any]) -> None:
        """The target is connected too (`facts` say to what): say so, and set the times at which the session must end.

        Raises SpoolFull or RecordingFailed.
        """
        self._note({"code": Code.SESSION_OPENED.value, **facts})
        identity = self.access.identity
        self.emit(
            Code.SESSION_OPENED,
            issuer=identity.issuer,
            actors=[actor.subject for actor in identity.actors],
            target=self.access.target.name,
            database=self.access.database,
            role=self.access.role.name,
            grant=self.access.grant.name,
            client=self.totals.row.client,
            policy=self.policy,
        )
        self._set_timer(Code.SESSION_EXPIRED, self.access.expires, self._expired)
        seconds = self.access.grant.budget.session_seconds
        if seconds is not None:
            self._set_timer(Code.BUDGET_EXCEEDED, self.totals.row.opened + seconds, self._time_is_up)

    def _set_timer(self, code: Code, at: float, call: Callable[[], None]) -> None:
        timer = self._timers.pop(code, None)
        if timer is not None and timer.active():
            timer.cancel()
        self._timers[code] = self._clock.callLater(max(0.0, at - self._clock.seconds()), call)

    def _expired(self) -> None:
        self.end(Code.SESSION_EXPIRED, "the login's time is up; log in again")

    def _time_is_up(self) -> None:
        seconds = self.access.grant.budget.session_seconds
        reason = f"the session has lasted its {seconds} seconds"
        self.end(Code.BUDGET_EXCEEDED, reason, self._denial(Decision.OVER_BUDGET, reason))

    def kill(self, by: str, reason: str) -> None:
        """Somebody with the right ended it; the event says who."""
        self.end(Code.SESSION_KILLED, reason or "the session was ended", by=by)

    def end(self, code: Code, reason: str, denial: Denial | None = None, **fields: object) -> None:
        """Once: an event, a note, and the edge ends both sides.  The edge then calls `close`."""
        if self.state is not State.OPEN:
            return
        self.state = State.ENDING
        self._easy = False
        self._give_up(Ending.OVER)
        self.totals.reason = f"{code.value}: {reason}"
        self.emit(code, reason=reason, **fields)
        # Ending does not wait for room in the spool: the closing entry says the same.
        with suppress(SpoolFull, RecordingFailed):
            self._note({"code": code.value, "reason": reason, **fields})
        self._edge.end(code, reason, denial)

    def reloaded(self, policy: str, judge: IJudge, access: Access | None) -> None:
        """For later operations.  `access` is None where the identity's grant is gone: the session ends.

        A hold that waits under the old policy is void (Holds.reloaded).
        """
        if self.state is not State.OPEN:
            return
        self.policy = policy
        if access is None:
            self.end(Code.SESSION_REVOKED, "no grant allows this session any more")
            return
        self.access = access
        self._judge = judge
        self._set_timer(Code.SESSION_EXPIRED, access.expires, self._expired)

    def close(self, code: Code, reason: str, coverage: dict[str, Any] | None = None) -> Deferred[None]:
        """Both sides are gone: the last entry, the index row, the budgets.  Once; fires when the entry is written.

        `coverage` is what the relay and the edge say was seen exactly, inferred, or passed opaque.
        """
        return Deferred.fromCoroutine(self._close(code, reason, coverage or {}))

    async def _close(self, code: Code, reason: str, coverage: dict[str, Any]) -> None:
        if self.state is State.CLOSED:
            return
        self.state = State.CLOSED
        self._easy = False
        for timer in self._timers.values():
            if timer.active():
                timer.cancel()
        self._give_up(Ending.LEFT)
        if self._deciding:
            idle: Deferred[None] = Deferred()
            self._idle.append(idle)
            await idle
        totals = self.totals
        totals.close(self._clock.seconds(), totals.reason or f"{code.value}: {reason}", self._edge.rows_passed())
        try:
            await self._when_room(lambda: self._journal.close({**totals.closing(), "coverage": coverage}))
        except RecordingFailed as error:
            self.emit(Code.RECORDING_FAILED, reason=str(error))
        if self._spending is not None:
            self._spending.close()
        self.emit(Code.SESSION_CLOSED, reason=totals.reason, **totals.counters())

    def row(self) -> SessionRow:
        """The index row as it is now."""
        return self.totals.as_row(self._edge.rows_passed())

    # ---- the client takes something back

    def cancel(self) -> bool:
        """A CancelRequest: what waits for approval is withdrawn (True); False where nothing waits."""
        return self._give_up(Ending.CANCELLED)

    def client_left(self) -> bool:
        """The client is gone: nothing of it may run any more."""
        return self._give_up(Ending.LEFT)

    def _give_up(self, why: Ending) -> bool:
        waiting = tuple(self._waits.values())
        for wait in waiting:
            wait.end(why)
        return bool(waiting)

    # ---- deciding

    def decide(self, ask: Ask) -> tuple[Answer, ...] | Deferred[tuple[Answer, ...]]:
        """One answer for each operation, recorded before it is given.

        A plain tuple where nothing has to be waited for.  RecordingFailed, raised or as the Deferred's failure: forward
        nothing more.  One Ask at a time on each lane; the next only after these answers.
        """
        if not self._easy or self._deciding:
            return self._carefully(Course(ask))
        operations = ask.operations
        judge, rulings = self._judge.judge, self._rulings.by_id
        references: list[int] = []
        for operation in operations:
            verdict = judge(operation)
            ruling = rulings.get(id(verdict))
            if ruling is None or not ruling.plain:
                return self._carefully(Course(ask), references, verdict)
            references.append(ruling.reference)
        count = len(operations)
        if count > 64:
            return self._carefully(Course(ask), references)
        try:
            self._journal.append(Kind.ASKED, *asked(operations, _ZEROS[count], references, ask.data))
        except SpoolFull:
            return self._carefully(Course(ask), references)
        self.totals.operations += count
        self.totals.bytes_in += len(ask.data)
        return _GOES[count]

    def _is_easy(self) -> bool:
        """Nothing but the judge has a word here, and nothing waits for the disk."""
        return self.state is State.OPEN and self._spending is None and self._journal.mode is not Mode.DURABLE

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
        return Deferred.fromCoroutine(self._later(course, pending))

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
            self._note(course.notes[0])
            del course.notes[0]
        if course.sequence is None:
            ask = course.ask
            data = ask.redacted(course.redactions) if course.redactions else ask.data
            course.sequence = self._journal.append(
                Kind.ASKED, *asked(ask.operations, course.codes, course.references, data)
            )
            self.totals.operations += len(ask.operations)
            self.totals.bytes_in += len(ask.data)

    def _answer(self, course: Course, operation: Operation) -> "Deferred[Any] | None":
        """Answer the operation in turn, or give what has to be waited for first."""
        if course.verdict is None:
            judged = self._judge.judge(operation)
            if isinstance(judged, Deferred):
                return self._judged_later(course, judged)
            course.verdict = judged
        ruling = self._rulings.of(course.verdict)
        verdict = ruling.verdict
        if self.state is not State.OPEN:
            withdrawn = course.outcome if isinstance(course.outcome, Denial) else None
            ending = withdrawn or self._denial(Decision.UNAVAILABLE, "the session is ending")
            self._refuse(course, operation, ruling, ending)
        elif verdict.refusals:
            self._refuse(course, operation, ruling, self._refusal(verdict))
        elif operation.kind == PARSE:
            course.answered(self._allowed(course, verdict, None, None), ruling.reference)
        else:
            return self._run(course, operation, ruling)
        return None

    def _judged_later(self, course: Course, judged: Deferred[Verdict]) -> Deferred[None]:
        return judged.addCallback(course.judged)

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
                self._refuse(course, operation, ruling, self._over(spent))
                return None
        terms = verdict.holds + course.soft
        if terms:
            pending = self._approved(course, operation, verdict, terms)
            if pending is not None:
                return pending
            if isinstance(course.outcome, Denial):
                self._refuse(course, operation, ruling, course.outcome)
                return None
        meter = self._meter(verdict) if operation.kind in COUNTED else None
        course.answered(self._allowed(course, verdict, verdict.masks, meter), ruling.reference)
        return None

    # ---- approvals

    def _approved(
        self, course: Course, operation: Operation, verdict: Verdict, terms: tuple[HoldTerms, ...]
    ) -> "Deferred[Any] | None":
        """Sets `course.outcome` to a Denial where there is one, at once or later."""
        if course.outcome is None:
            request = self._request(operation, verdict, terms)
            course.digest = self._holds.digest(request)
            if operation.kind == EXECUTE:
                if self._passes.use(course.digest, operation.name):
                    course.durable = True
                    return None
                course.outcome = self._passes.denial(course.digest)
            return self._wait(course, request) if course.outcome is None else None
        if isinstance(course.outcome, Hold):
            course.durable = True  # an approved operation is on disk before it runs
            course.notes.append(_claimed(operation, course.outcome))
        if operation.kind == BIND and isinstance(course.outcome, Denial):
            self._passes.denied(course.digest, course.outcome)
        elif operation.kind == BIND:
            self._passes.approved(course.digest)
        return None

    def _request(self, operation: Operation, verdict: Verdict, terms: tuple[HoldTerms, ...]) -> Request:
        return Request(
            session=self.id,
            access=self.access,
            policy=self.policy,
            operation=operation,
            binding=self._judge.binding(),
            terms=terms,
            redacted=verdict.recorded if verdict.redact else None,
            in_transaction=self._edge.transaction_ran(),
            streams=_streams(operation.text),
        )

    def _wait(self, course: Course, request: Request) -> Deferred[None]:
        lane = course.ask.lane
        waiting = self._holds.ask(request, course.digest, partial(self._held, course, request))
        self._waits[lane] = waiting

        def over(outcome: Any) -> Any:
            self._waits.pop(lane, None)
            return outcome

        return waiting.outcome.addBoth(over).addCallback(course.decided)

    def _held(self, course: Course, request: Request, notice: Denial) -> None:
        """It waits now: the index, the journal and the client are told."""
        self.totals.held += 1
        note = {"code": Code.HOLD_CREATED.value, "operation": request.operation.number, **notice.fields()}
        try:
            self._note(note)
        except SpoolFull:
            course.notes.append(note)
        self._edge.holding(course.ask.lane, notice)

    # ---- words for the relay

    def _refuse(self, course: Course, operation: Operation, ruling: Ruling, denial: Denial) -> None:
        verdict = ruling.verdict
        if denial.decision is not Decision.HELD:  # counted when it began to wait
            self.totals.refused += 1
        plain = bool(verdict.refusals) and denial.decision is Decision.REFUSED
        if not plain:  # the VERDICT entry does not say it
            course.notes.append(
                {"code": Code.OPERATION_REFUSED.value, "operation": operation.number, **denial.fields()}
            )
        unavailable = denial.decision is Decision.UNAVAILABLE
        self.emit(
            Code.OPERATION_UNAVAILABLE if unavailable else Code.OPERATION_REFUSED,
            operation=operation.number,
            kind=operation.kind,
            decision=denial.decision.value,
            guardrails=list(denial.guardrails),
            reason=denial.reason,
            hold=denial.hold,
        )
        if verdict.redact:
            course.redactions[len(course.answers)] = verdict.recorded
        course.answered(Answer(denial=denial, redact=bool(verdict.redact)), ruling.reference)

    def _allowed(self, course: Course, verdict: Verdict, masks: Any, meter: Meter | None) -> Answer:
        self.totals.read(verdict.tables)
        self._tighten(course, verdict.mode)
        if verdict.redact:
            course.redactions[len(course.answers)] = verdict.recorded
        if masks is None and meter is None and not verdict.redact:
            return GO
        return Answer(masks=masks, meter=meter, redact=bool(verdict.redact))

    def _tighten(self, course: Course, mode: Mode | None) -> None:
        """A rule's recording mode: durable holds for this operation, strict for the rest of the session."""
        if mode is None:
            return
        if mode is Mode.DURABLE:
            course.durable = True
        if self._journal.mode is Mode.BEST_EFFORT and mode is not Mode.BEST_EFFORT:
            self._journal.mode = Mode.STRICT

    def _meter(self, verdict: Verdict) -> Meter | None:
        allowances = tuple(
            Allowance(limit.reason or f"the limit of {limit.guardrail}", limit.rows, limit.bytes)
            for limit in verdict.limits
        )
        if self._spending is not None:
            allowances += self._spending.allowances()
        return Meter(allowances) if allowances else None

    def _refusal(self, verdict: Verdict) -> Denial:
        refusals = verdict.refusals
        return Denial(
            decision=Decision.REFUSED,
            reason="; ".join(dict.fromkeys(refusal.reason for refusal in refusals)),
            guardrails=tuple(dict.fromkeys(refusal.guardrail for refusal in refusals)),
            would_pass="; ".join(dict.fromkeys(refusal.would_pass for refusal in refusals if refusal.would_pass)),
            session=self.id,
            policy=self.policy,
        )

    def _over(self, spent: Over) -> Denial:
        return Denial(
            decision=Decision.OVER_BUDGET if spent.known else Decision.UNAVAILABLE,
            reason=spent.reason,
            guardrails=(f"budget:{self.access.grant.name}",),
            expires=None,
            retry_after=spent.retry_after(self._clock.seconds()),
            session=self.id,
            policy=self.policy,
        )

    def _denial(self, decision: Decision, reason: str) -> Denial:
        return Denial(decision=decision, reason=reason, session=self.id, policy=self.policy)

    def _spent(self, course: Course, operation: Operation, spent: "Over | Warned | Soft | None") -> None:
        if isinstance(spent, Over) and spent.known:
            self.emit(Code.BUDGET_EXCEEDED, operation=operation.number, reason=spent.reason)
        elif isinstance(spent, Warned):
            self.emit(Code.BUDGET_WARNED, operation=operation.number, reason=spent.reason)
            note = {"code": Code.BUDGET_WARNED.value, "operation": operation.number, "reason": spent.reason}
            course.notes.append(note)
        elif isinstance(spent, Soft):
            course.soft = (spent.terms,)

    # ---- recording what is not asked

    def record(self, effect: Effect) -> None:
        """Before the effect is carried out.  Raises SpoolFull (nothing was kept: stop reading, call again when there is
        room) or RecordingFailed (the effect must not happen)."""
        if isinstance(effect, ToClient):
            if self._spending is not None and self._spending.starved():
                raise SpoolFull("the next part of the budget is being fetched")
            data = effect.data if effect.recorded is None else effect.recorded
            if data:
                self._journal.append(Kind.TO_CLIENT, data)
            self.totals.bytes_out += len(effect.data)
        elif isinstance(effect, ToTarget):
            data = effect.data if effect.recorded is None else effect.recorded
            if data:
                self._journal.append(Kind.TO_TARGET, data)
                self.totals.bytes_in += len(data)
        elif isinstance(effect, Completed):
            self._journal.append(Kind.COMPLETED, completed(effect.number, effect.rows, effect.masked, effect.note))
            self.totals.masked += effect.masked
        elif isinstance(effect, Observed):
            self._note({"code": effect.code.value, **effect.fields})
            self.emit(effect.code, **effect.fields)
        elif isinstance(effect, Hangup):
            self._note({"code": effect.code.value, "reason": effect.reason})
            self.totals.reason = self.totals.reason or f"{effect.code.value}: {effect.reason}"
        elif isinstance(effect, CatalogueChanged):
            self._judge.catalogue_changed()

    def _note(self, fields: dict[str, Any]) -> None:
        self._journal.append(Kind.NOTE, line(fields)[:-1])

    async def _when_room(self, call: Callable[[], None]) -> None:
        begun = self._clock.seconds()
        while True:
            try:
                call()
                return
            except SpoolFull as error:
                if self._clock.seconds() - begun > PATIENCE:
                    raise RecordingFailed(str(error)) from error
                await deferLater(self._clock, ROOM, lambda: None)

    def emit(self, code: Code, **fields: object) -> None:
        """An event of this session: who it is stands in each."""
        self._events.emit(code, **{"session": self.id, "subject": self.access.identity.subject, **fields})


def _claimed(operation: Operation, hold: Hold) -> dict[str, Any]:
    """The note that this operation ran by approval, and by whose."""
    approved = [{"issuer": word.issuer, "subject": word.subject} for word in hold.decided if word.approved]
    return {"code": Code.HOLD_CLAIMED.value, "operation": operation.number, "hold": hold.id, "approved_by": approved}


def _streams(text: bytes) -> bool:
    """Data follows that no digest holds (COPY … FROM STDIN).  For the approver's eyes; doubt says yes."""
    folded = text.lower()
    return b"copy" in folded and b"stdin" in folded

"""The approvals that a session's operations wait for: asked for, used once, withdrawn."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from hoopgw.auth.access import Access
from hoopgw.model.answer import Denial
from hoopgw.model.errors import SpoolFull
from hoopgw.model.events import Code
from hoopgw.model.operation import BIND, EXECUTE, Operation
from hoopgw.model.verdict import HoldTerms, Verdict
from hoopgw.session.bind_approvals import BindApprovals
from hoopgw.session.course import Course
from hoopgw.session.holds import Holds
from hoopgw.session.interfaces import IEdge, IJudge
from hoopgw.session.rulings import note
from hoopgw.session.totals import Totals
from hoopgw.session.waiting import Ending, Request, Waiting
from hoopgw.session.words import claimed, streams
from hoopgw.store.interface import Hold
from hoopgw.store.journal import Journal


class Approvals:
    """One session's.  Its Decider owns it and tells it what changes; see Session for the arguments."""

    def __init__(
        self,
        *,
        id: str,
        access: Access,
        judge: IJudge,
        journal: Journal,
        holds: Holds,
        edge: IEdge,
        policy: str,
        totals: Totals,
    ) -> None:
        self._id = id
        self._access = access
        self._judge = judge
        self._journal = journal
        self._holds = holds
        self._edge = edge
        self._policy = policy
        self._totals = totals
        self._binds = BindApprovals()
        self._waits: dict[int, Waiting] = {}  # by lane

    def reloaded(self, policy: str, judge: IJudge, access: Access) -> None:
        """For later operations."""
        self._policy, self._judge, self._access = policy, judge, access

    def give_up(self, why: Ending) -> bool:
        """Withdraw what waits; False where nothing does."""
        waiting = tuple(self._waits.values())
        for wait in waiting:
            wait.end(why)
        return bool(waiting)

    def abandon(self, lane: int) -> None:
        """The client is gone: withdraw what waits on this lane."""
        waiting = self._waits.get(lane)
        if waiting is not None:
            waiting.end(Ending.LEFT)

    def asked(
        self, course: Course, operation: Operation, verdict: Verdict, terms: tuple[HoldTerms, ...]
    ) -> "Deferred[Any] | None":
        """What has to be waited for; None where it is known: `course.outcome` is a Denial where it must not run."""
        if course.outcome is None:
            request = self._request(operation, verdict, terms)
            course.digest = self._holds.digest(request)
            if operation.kind == EXECUTE:
                if self._binds.use(course.digest, operation.name):
                    course.durable = True
                    return None
                course.outcome = self._binds.denial(course.digest)
            return self._wait(course, request) if course.outcome is None else None
        if isinstance(course.outcome, Hold):
            course.durable = True  # an approved operation is on disk before it runs
            course.notes.append(claimed(operation, course.outcome))
        if operation.kind == BIND and isinstance(course.outcome, Denial):
            self._binds.denied(course.digest, course.outcome)
        elif operation.kind == BIND:
            self._binds.approved(course.digest)
        return None

    def _request(self, operation: Operation, verdict: Verdict, terms: tuple[HoldTerms, ...]) -> Request:
        return Request(
            session=self._id,
            access=self._access,
            policy=self._policy,
            operation=operation,
            binding=self._judge.binding(operation),
            terms=terms,
            redacted=verdict.recorded if verdict.redact else None,
            in_transaction=self._edge.transaction_ran(),
            streams=streams(operation),
            resumes=verdict.resumes,
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
        self._totals.held += 1
        said = {"code": Code.HOLD_CREATED.value, "operation": request.operation.number, **notice.fields()}
        try:
            note(self._journal, said)
        except SpoolFull:
            course.notes.append(said)
        self._edge.holding(course.ask.lane, notice)

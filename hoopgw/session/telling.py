"""What decisions say beside their answers: events, notes in the journal, counts in the index."""

from __future__ import annotations

from collections.abc import Callable

from hoopgw.model.answer import Decision, Denial
from hoopgw.model.events import Code
from hoopgw.model.operation import Operation
from hoopgw.model.verdict import Verdict
from hoopgw.session.budgets import Over, Soft, Warned
from hoopgw.session.course import Course
from hoopgw.session.totals import Totals


class Telling:
    """Of one session."""

    def __init__(self, emit: Callable[..., None], totals: Totals) -> None:
        self._emit = emit
        self._totals = totals

    def refused(self, course: Course, operation: Operation, verdict: Verdict, denial: Denial) -> None:
        if denial.decision is not Decision.HELD:  # counted when it began to wait
            self._totals.refused += 1
        plain = bool(verdict.refusals) and denial.decision is Decision.REFUSED
        if not plain:  # the VERDICT entry does not say it
            course.notes.append(
                {"code": Code.OPERATION_REFUSED.value, "operation": operation.number, **denial.fields()}
            )
        unavailable = denial.decision is Decision.UNAVAILABLE
        self._emit(
            Code.OPERATION_UNAVAILABLE if unavailable else Code.OPERATION_REFUSED,
            operation=operation.number,
            kind=operation.kind,
            decision=denial.decision.value,
            guardrails=list(denial.guardrails),
            reason=denial.reason,
            hold=denial.hold,
        )

    def spent(self, course: Course, operation: Operation, spent: Over | Warned | Soft | None) -> bool:
        """Of a budget; True where a hard bound was reached."""
        if isinstance(spent, Over) and spent.known:
            self._emit(Code.BUDGET_EXCEEDED, operation=operation.number, reason=spent.reason)
            return True
        if isinstance(spent, Warned):
            self._emit(Code.BUDGET_WARNED, operation=operation.number, reason=spent.reason)
            note = {"code": Code.BUDGET_WARNED.value, "operation": operation.number, "reason": spent.reason}
            course.notes.append(note)
        elif isinstance(spent, Soft):
            course.soft = (spent.terms,)
        return False

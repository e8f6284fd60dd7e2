"""What a decision is called: denials from verdicts and budgets, notes, and what an approver is told."""

from __future__ import annotations

from typing import Any

from hoopgw.model.answer import Decision, Denial
from hoopgw.model.events import Code
from hoopgw.model.operation import Operation
from hoopgw.model.verdict import Verdict, together
from hoopgw.session.budgets import Over
from hoopgw.store.interface import Hold


def refusal(verdict: Verdict, session: str, policy: str) -> Denial:
    """The words of every guardrail that refuses, each once."""
    refusals = verdict.refusals
    return Denial(
        decision=Decision.REFUSED,
        reason=together(refusal.reason for refusal in refusals),
        guardrails=tuple(dict.fromkeys(refusal.guardrail for refusal in refusals)),
        would_pass=together(refusal.would_pass for refusal in refusals),
        session=session,
        policy=policy,
        position=refusals[0].position if len(refusals) == 1 else 0,
        sqlstate=refusals[0].sqlstate if len(refusals) == 1 else "",
    )


def over_budget(spent: Over, grant: str, now: float, session: str, policy: str) -> Denial:
    """A hard bound is reached, or could not be checked."""
    return Denial(
        decision=Decision.OVER_BUDGET if spent.known else Decision.UNAVAILABLE,
        reason=spent.reason,
        guardrails=(f"budget:{grant}",),
        retry_after=spent.retry_after(now),
        session=session,
        policy=policy,
    )


def claimed(operation: Operation, hold: Hold) -> dict[str, Any]:
    """The note that this operation ran by approval, and by whose."""
    approved = [{"issuer": word.issuer, "subject": word.subject} for word in hold.decided if word.approved]
    return {"code": Code.HOLD_CLAIMED.value, "operation": operation.number, "hold": hold.id, "approved_by": approved}


def streams(operation: Operation) -> bool:
    """Data follows that no digest holds (COPY … FROM STDIN, a command's input).  For the approver's eyes; doubt says
    yes."""
    if operation.protocol == "ssh":
        return True
    if operation.request is not None:
        return operation.request.body is None
    folded = operation.text.lower()
    return b"copy" in folded and b"stdin" in folded

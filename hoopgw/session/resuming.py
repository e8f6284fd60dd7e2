"""A hold that a client names: whether it is the one that lets this request run, and what is said where it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hoopgw.model.answer import Decision, Denial
from hoopgw.model.verdict import Verdict
from hoopgw.session.waiting import Ending, Request
from hoopgw.store.interface import Hold, HoldState

UNKNOWN: Final = "hold-unknown"
MISMATCH: Final = "hold-mismatch"
USED: Final = "hold-used"
OVER: Final = "hold-over"
PLAIN: Final = "send it without the hold's id"
ANEW: Final = "send it without the hold's id to ask anew"


@dataclass(frozen=True, slots=True)
class Misnamed:
    """Why the named hold lets nothing run; `own`: it is one of this identity, and may be named to it."""

    code: str
    reason: str
    would_pass: str = ANEW
    decision: Decision = Decision.REFUSED
    own: bool = True


def misnamed(hold: Hold | None, request: Request, digest: str, now: float) -> Misnamed | None:
    """None where it waits, was approved this moment, or was denied: then it goes on as any other.

    Whether somebody else's exists is not told.
    """
    identity = request.access.identity
    if hold is None or (hold.issuer, hold.subject) != (identity.issuer, identity.subject):
        return Misnamed(UNKNOWN, "you have no hold of this id", own=False)
    if hold.state is HoldState.CLAIMED:
        return Misnamed(USED, "this hold was used: what was approved ran, once", decision=Decision.EXPIRED)
    if hold.policy != request.policy:
        return Misnamed(OVER, Ending.POLICY.value, decision=Decision.EXPIRED)
    if hold.digest != digest:
        would = "send exactly what was held: method, target, fields and body"
        return Misnamed(MISMATCH, "this hold is for another request", would)
    if hold.state is HoldState.WITHDRAWN:
        return Misnamed(OVER, "this hold was withdrawn", decision=Decision.EXPIRED)
    if hold.state is HoldState.EXPIRED or now >= hold.expires:
        return Misnamed(OVER, "this hold has expired", decision=Decision.EXPIRED)
    return None


def nothing_held(verdict: Verdict, session: str, policy: str) -> Denial:
    """A hold is named, and the rules in force ask for no approval: whoever names one means to run it once."""
    reason = f"no approval is needed for this, and so it does not resume {verdict.resumes}"
    return Denial(
        Decision.REFUSED,
        reason,
        would_pass=PLAIN,
        session=session,
        policy=policy,
        code=MISMATCH,
    )

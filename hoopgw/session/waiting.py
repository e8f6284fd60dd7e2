"""One operation that needs approvals, and its wait for them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from twisted.internet.defer import Deferred

from hoopgw.auth.access import Access
from hoopgw.model.answer import Denial
from hoopgw.model.operation import Operation
from hoopgw.model.verdict import HoldTerms
from hoopgw.store.interface import Hold


@dataclass(frozen=True, slots=True)
class Request:
    """One operation that needs approvals, as the session sees it now."""

    session: str
    access: Access
    policy: str  # digest of the policy in force
    operation: Operation
    binding: bytes  # what else changes the meaning of the bytes: the judge says
    terms: tuple[HoldTerms, ...]
    redacted: bytes | None = None  # in place of text and parameters, for everybody but the digest
    in_transaction: bool = False  # the open transaction has already run something: its locks wait
    streams: bool = False  # data that follows is not bound
    resumes: str = ""  # the hold that its sender names: that one, or none

    @property
    def wait(self) -> float:
        """Seconds that the client waits at most."""
        waits = [term.wait for term in self.terms]
        if self.in_transaction:
            waits += [term.in_transaction for term in self.terms]
        return max(0.0, min(waits))


class Ending(Enum):
    """Why a wait ended without a decision; the value is what the client reads."""

    TIME = "no approver has decided yet; send the same again after approval and it runs once"
    CANCELLED = "withdrawn: the client cancelled it while it waited for approval"
    LEFT = "withdrawn: the client left while it waited for approval"
    OVER = "withdrawn: the session ended while it waited for approval"
    POLICY = "the policy changed while it waited; what was asked is void, ask again"


class Waiting:
    """One operation's wait.  `outcome` fires once, with the claimed `Hold` (run it, once) or a `Denial`."""

    def __init__(self, request: Request, digest: str) -> None:
        self.request = request
        self.digest = digest
        self.hold: Hold | None = None
        self.outcome: Deferred[Hold | Denial] = Deferred()
        self.ended: Deferred[Hold | Ending] = Deferred()
        self.given_up: Ending | None = None  # it must not run any more, even where a claim under way succeeds

    def end(self, why: Hold | Ending) -> None:
        """The first reason counts; but what was given up stays given up."""
        if isinstance(why, Ending) and why is not Ending.TIME and self.given_up is None:
            self.given_up = why
        if not self.ended.called:
            self.ended.callback(why)

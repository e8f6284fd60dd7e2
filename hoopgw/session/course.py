"""One Ask on its way to its answers."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from hoopgw.model.answer import GO, Answer, Denial
from hoopgw.model.verdict import HoldTerms, Verdict
from hoopgw.record.entries import DECISIONS
from hoopgw.relay.effects import Ask
from hoopgw.store.interface import Hold


class Course:
    """The answers so far, and how far the operation in turn has come."""

    __slots__ = (
        "ask", "answers", "codes", "references", "redactions", "notes", "durable", "sequence", "synced",
        "full_since", "abandoned", "judging", "verdict", "counted", "soft", "outcome", "digest",
    )  # fmt: skip

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.answers: list[Answer] = []
        self.codes: list[int] = []
        self.references: list[int] = []
        self.redactions: dict[int, bytes] = {}
        self.notes: list[dict[str, Any]] = []  # go to the journal before the operations
        self.durable = False  # the operations must be on disk before the answers are given
        self.sequence: int | None = None  # of the ASKED entry, once it is written
        self.synced = False
        self.abandoned = False  # nobody waits for the answers any more
        self.judging: Deferred[Any] | None = None  # of the operation in turn, where that takes a while
        self.full_since: float | None = None  # the spool had no room since then
        self._next()

    def _next(self) -> None:
        self.verdict: Verdict | None = None
        self.counted = False  # the budget has seen it
        self.soft: tuple[HoldTerms, ...] = ()  # approvals that a soft budget asks for
        self.outcome: Hold | Denial | None = None  # of its hold
        self.digest = ""  # of what waits

    def passed(self, references: list[int]) -> None:
        """Operations that were allowed before the careful way began."""
        self.answers += [GO] * len(references)
        self.codes += [0] * len(references)
        self.references += references

    def answered(self, answer: Answer, reference: int) -> None:
        """The operation in turn has its answer."""
        self.answers.append(answer)
        self.codes.append(DECISIONS[answer.denial.decision] if answer.denial is not None else 0)
        self.references.append(reference)
        self._next()

    def judged(self, verdict: Verdict) -> None:
        self.judging, self.verdict = None, verdict

    def decided(self, outcome: Hold | Denial) -> None:
        self.outcome = outcome

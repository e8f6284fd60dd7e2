"""The queue of what the target must answer: what is settled or undone when an answer is there."""

from __future__ import annotations

from collections import deque
from typing import final

from hoopgw.model.errors import ProtocolViolation
from hoopgw.relay.effects import Completed, Effect
from hoopgw.relay.postgres_expect import FUNCTION, QUERY, SYNC, Expect
from hoopgw.relay.postgres_hints import COMMITS, DEFINES


@final
class Answers:
    """`expected`: what was sent and is not answered, oldest first."""

    def __init__(self) -> None:
        self.expected: deque[Expect] = deque()
        self.defining = 0  # answers to come to texts that may PREPARE or DECLARE
        self.skipping = False  # the target skips what it gets, and the Sync that ends it was not sent yet
        self.tainted = False  # this transaction has read a masked column: what is deferred may tell of it

    def sent(self, expect: Expect) -> None:
        """It went to the target, which answers it unless it skips everything up to a Sync."""
        self.expected.append(expect)
        if self.skipping:
            if expect.kind == SYNC:
                self.skipping = False
            else:
                self.answered(done=False)

    def head(self) -> Expect | None:
        return self.expected[0] if self.expected else None

    def settled(self, kind: int) -> None:
        head = self.head()
        if head is None or head.kind != kind:
            raise ProtocolViolation("the target answered what was not asked")
        self.answered(done=True)

    def answered(self, done: bool) -> Expect:
        """The first of what is expected has its answer; `done`: the target did it."""
        head = self.expected.popleft()
        head.done = True
        if head.nonce and done:
            raise ProtocolViolation("the target carried out what was denied")
        if head.hints & DEFINES:
            self.defining -= 1
        if head.meaning is not None:
            if done:
                head.meaning.settle()
            else:
                head.meaning.undo()
        if head.answer.masks is not None and head.answer.masks.errors:
            self.tainted = True
        return head

    def skipped(self, head: Expect) -> None:
        """After an error in the extended protocol the target skips up to Sync; a Query and a function call end with
        ReadyForQuery of their own.  What was skipped is undone last first, as it was done."""
        if head.kind in (QUERY, FUNCTION, SYNC):
            return
        while self.expected and self.expected[0].kind != SYNC:
            self.answered(done=False)
        self.skipping = not self.expected  # what comes before the Sync is skipped as well

    def withholds(self) -> bool:
        """Whether the target's words may tell of a masked column: of a statement that reads one, or deferred by one."""
        head = self.head()
        if head is not None and head.answer.masks is not None and head.answer.masks.errors:
            return True
        return self.tainted and (head is None or head.kind == SYNC or head.hints & COMMITS != 0)


def report(expect: Expect, effects: list[Effect], note: str) -> None:
    """A Completed where the bytes do not say it themselves."""
    if expect.number and (expect.masked or note):
        effects.append(Completed(expect.number, expect.rows, expect.masked, note))
        expect.masked = 0

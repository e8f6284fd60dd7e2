"""The queue of what the target must answer: what is settled or undone when an answer is there."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from hoopgw.model.errors import ProtocolViolation
from hoopgw.relay.effects import Completed, Effect
from hoopgw.relay.postgres_expect import FUNCTION, QUERY, SYNC, Expect
from hoopgw.relay.postgres_hints import COMMITS, DEFINES
from hoopgw.relay.postgres_names import Skipped

ANSWERED: Final = 64  # that many at the list's begin are let go at once


@final
class Answers:
    """What was sent and is not answered, oldest first."""

    def __init__(self) -> None:
        self._sent: list[Expect] = []
        self._first: i64 = 0  # before it they are answered
        self.defining = 0  # answers to come to texts that may PREPARE or DECLARE
        self.skipping = False  # the target skips what it gets, and the Sync that ends it was not sent yet
        self._skipped = Skipped()
        self.tainted = False  # this transaction has read a masked column: what is deferred may tell of it

    @property
    def waiting(self) -> int:
        """How many there are."""
        return len(self._sent) - self._first

    def sent(self, expect: Expect) -> None:
        """It went to the target, which answers it unless it skips everything up to a Sync."""
        self._sent.append(expect)
        if self.skipping:
            if expect.kind == SYNC:
                self._skips_no_more()
            else:
                self.answered(done=False)

    def head(self) -> Expect | None:
        return self._sent[self._first] if self._first < len(self._sent) else None

    def last(self) -> Expect | None:
        """What was sent last, where it is not answered."""
        return self._sent[-1] if self._first < len(self._sent) else None

    def settled(self, kind: int) -> None:
        head = self.head()
        if head is None or head.kind != kind:
            raise ProtocolViolation("the target answered what was not asked")
        self.answered(done=True)

    def answered(self, done: bool) -> Expect:
        """The first of what is expected has its answer; `done`: the target did it."""
        head = self._sent[self._first]
        self._first += 1
        if self._first == len(self._sent):
            self._sent.clear()
            self._first = 0
        elif self._first == ANSWERED:
            del self._sent[:ANSWERED]
            self._first = 0
        head.done = True
        if head.nonce and done:
            raise ProtocolViolation("the target carried out what was denied")
        if head.hints & DEFINES:
            self.defining -= 1
        if head.meaning is not None:
            if done:
                head.meaning.settle()
            else:
                head.meaning.skip(self._skipped)
        if head.answer.masks is not None and head.answer.masks.errors:
            self.tainted = True
        return head

    def skipped(self, head: Expect) -> None:
        """After an error in the extended protocol the target skips up to Sync; a Query and a function call end with
        ReadyForQuery of their own."""
        if head.kind in (QUERY, FUNCTION, SYNC):
            return
        following = self.head()
        while following is not None and following.kind != SYNC:
            self.answered(done=False)
            following = self.head()
        if following is None:
            self.skipping = True  # what comes before the Sync is skipped as well
        else:
            self._skips_no_more()

    def _skips_no_more(self) -> None:
        """The Sync is on its way: names go back to what they meant before all that was skipped."""
        self.skipping = False
        self._skipped.over = True
        self._skipped = Skipped()

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

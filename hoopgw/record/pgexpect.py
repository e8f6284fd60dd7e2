"""Which operation an answer of the target belongs to: what was sent, in order, until it is answered."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

MAX_WAITING = 65_536  # messages; the relay lets far fewer wait, so more means that their answers are not in the record

# What a message of the client's may be answered with, besides an error (PostgreSQL documentation, 55.2).
ANSWERS: dict[int, bytes] = {
    ord("Q"): b"TDCIGHWdcZ",
    ord("P"): b"1",
    ord("B"): b"2",
    ord("D"): b"tTn",
    ord("E"): b"DCIsGHWdc",
    ord("C"): b"3",
    ord("F"): b"VZ",
    ord("S"): b"Z",
}
LAST: dict[int, bytes] = {ord("Q"): b"Z", ord("D"): b"Tn", ord("E"): b"CIs", ord("F"): b"Z"}  # others: any answer


@dataclass(slots=True)
class Columns:
    """Of a result: names, types and formats; empty where the record does not say."""

    names: list[str] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    formats: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Statement:
    text: str
    types: list[int]  # of its parameters, as far as the client said; then as the target said
    columns: Columns | None = None
    cut: int = 0  # bytes of its message that are not in here


@dataclass(slots=True)
class Portal:
    statement: Statement
    values: list[str | None]
    formats: list[int]  # of its results
    columns: Columns | None = None
    cut: int = 0  # bytes of its message, or its statement's, that are not in here


@dataclass(slots=True)
class Sent:
    """A message of the client's that waits for its answer; `number` 0 where it is no operation."""

    tag: int
    number: int
    time: int
    about: Statement | Portal | None = None
    rows: int = 0
    columns: Columns | None = None


class Waiting:
    """The gateway's own messages are not in here and their answers not in the record."""

    def __init__(self) -> None:
        self._sent: deque[Sent] = deque()

    def add(self, sent: Sent) -> None:
        if len(self._sent) >= MAX_WAITING:
            self._sent.clear()
        self._sent.append(sent)

    def clear(self) -> None:
        self._sent.clear()

    @property
    def first(self) -> Sent | None:
        return self._sent[0] if self._sent else None

    def answered(self, tag: int) -> Sent | None:
        """What this answer belongs to, or None where nothing that waits can have it."""
        sent = next((each for each in self._sent if tag in ANSWERS[each.tag]), None)
        if sent is None:
            return None
        while self._sent[0] is not sent:  # answered, but not to the client
            self._sent.popleft()
        if tag in LAST.get(sent.tag, ANSWERS[sent.tag]):
            self._sent.popleft()
        return sent

    def failed(self) -> Sent | None:
        """An error: what was sent is skipped up to Sync; a simple Query still gets its ReadyForQuery."""
        sent = self.first
        if sent is None or sent.tag in b"QF":
            return sent
        while self._sent and self._sent[0].tag not in b"SQF":
            self._sent.popleft()
        return sent if sent.tag != ord("S") else None

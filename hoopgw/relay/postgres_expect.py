"""What the target must answer next: one `Expect` for each message that was sent to it and is answered."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, final

from hoopgw.model.answer import GO, Answer, Denial
from hoopgw.relay.postgres_names import Meaning

QUERY = 1
PARSE = 2
BIND = 3
DESCRIBE = 4
EXECUTE = 5
CLOSE = 6
SYNC = 7
FUNCTION = 8

# What a statement's words may mean.  Keywords have one spelling but for case; a word in a comment costs only time.
COPIES = 1  # it may start COPY FROM STDIN (for PostgreSQL's grammar FROM STDOUT is the same)
DEFINES = 2  # it may define a statement or a portal by SQL
CREATES = 4  # a SELECT with these words may make a table
COMMITS = 8  # it may run what was deferred


@final
class Expect:
    """One answer to come, and what must be done with it.

    kind      one of the numbers above
    number    of the operation; 0 where the message is none
    hints     what its text's words may mean
    meaning   what the message defined or removed, to be settled or undone
    denial    the target was sent a substitute that fails, quoting `nonce`
    own       the gateway asked: the client sees nothing of the answer
    cut       the client gets no more of this result: `cut_by` says why, else the meter
    """

    __slots__ = (
        "answer", "copy_mask", "copying", "cut", "cut_by", "denial", "described", "done", "failed", "hints", "kind",
        "masked", "meaning", "nonce", "number", "own", "row_mask", "rows", "sends",
    )  # fmt: skip

    def __init__(self, kind: int, number: int = 0, hints: int = 0) -> None:
        self.kind = kind
        self.number = number
        self.hints = hints
        self.meaning: Meaning | None = None
        self.answer: Answer = GO
        self.denial: Denial | None = None
        self.nonce = b""
        self.own = False
        self.row_mask: Any = None
        self.copy_mask: Any = None
        self.described = False  # the target has said what columns, or what COPY, follow
        self.rows = 0
        self.masked = 0
        self.cut = False
        self.cut_by: Denial | None = None
        self.failed = False
        self.done = False  # answered in full
        self.copying = False  # the target takes COPY data
        self.sends = False  # the target sends COPY data


def own(kind: int) -> Expect:
    """The gateway's own question."""
    expect = Expect(kind)
    expect.own = True
    return expect


def hints(text: bytes) -> int:
    """What the words of a statement may mean, together."""
    return _kept_hints(text) if len(text) <= 4096 else _hints(text)


def _hints(text: bytes) -> int:
    lowered = text.lower()
    found = 0
    if b"copy" in lowered and b"from" in lowered and (b"stdin" in lowered or b"stdout" in lowered):
        found |= COPIES
    if b"prepare" in lowered or b"declare" in lowered:
        found |= DEFINES
    if b"create" in lowered or b"into" in lowered:
        found |= CREATES
    if b"commit" in lowered or b"end" in lowered or b"constraints" in lowered or b"prepare" in lowered:
        found |= COMMITS
    return found


@lru_cache(maxsize=1024)  # of short texts: at most 4 MiB; a fact about a text, so one for all sessions
def _kept_hints(text: bytes) -> int:
    return _hints(text)

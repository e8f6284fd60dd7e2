"""What the target must answer next: one `Expect` for each message that was sent to it and is answered."""

from __future__ import annotations

from typing import Any, Final, final

from mypy_extensions import mypyc_attr

from hoopgw.model.answer import GO, Answer, Denial
from hoopgw.relay.postgres_names import Meaning

QUERY: Final = 1
PARSE: Final = 2
BIND: Final = 3
DESCRIBE: Final = 4
EXECUTE: Final = 5
CLOSE: Final = 6
SYNC: Final = 7
FUNCTION: Final = 8


@mypyc_attr(acyclic=True, free_list_len=1)
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
        "masked", "meaning", "nonce", "number", "own", "results", "row_mask", "rows", "sends",
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
        self.results = 0  # of a text with several statements: how many of them the target has completed
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

"""One `Expect` for each message of a client: where it stands, and what the target must answer to it."""

from __future__ import annotations

from typing import Any, Final, final

from mypy_extensions import i64, mypyc_attr

from hoopgw.model.answer import GO, Answer, Denial
from hoopgw.relay.postgres_names import Meaning

NOTHING: Final = 0  # it is not answered
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
    """One message in `data[start:end]` of what was read, the answer that is to come, and what must be done with it.

    kind      of the answer: one of the numbers above
    operation which of the Ask's it is; -1 where nothing is asked
    name      the portal's of an Execute; the statement's of a Parse
    drop      the target would ignore the message, so that it does not go on
    number    of the operation; 0 where the message is none
    hints     what its text's words may mean
    meaning   what the message defined or removed, to be settled or undone
    portal    what an Execute runs
    denial    the target was sent a substitute that fails, quoting `nonce`
    own       the gateway asked: the client sees nothing of the answer
    cut       the client gets no more of this result: `cut_by` says why, else the meter
    """

    __slots__ = (
        "answer", "copy_mask", "copying", "cut", "cut_by", "denial", "described", "done", "drop", "end", "failed",
        "hints", "kind", "masked", "meaning", "name", "nonce", "number", "operation", "own", "portal", "results",
        "row_mask", "rows", "sends", "start", "tag",
    )  # fmt: skip

    def __init__(
        self, kind: i64, tag: i64 = 0, start: i64 = 0, end: i64 = 0, operation: i64 = -1, name: bytes = b""
    ) -> None:
        self.kind: i64 = kind
        self.tag: i64 = tag
        self.start: i64 = start
        self.end: i64 = end
        self.operation: i64 = operation
        self.name = name
        self.drop = False
        self.number: i64 = 0
        self.hints: i64 = 0
        self.meaning: Meaning | None = None
        self.portal: Meaning | None = None
        self.answer: Answer = GO
        self.denial: Denial | None = None
        self.nonce = b""
        self.own = False
        self.row_mask: Any = None
        self.copy_mask: Any = None
        self.described = False  # the target has said what columns, or what COPY, follow
        self.results: i64 = 0  # of a text with several statements: how many of them the target has completed
        self.rows: i64 = 0
        self.masked: i64 = 0
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

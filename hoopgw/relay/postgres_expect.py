"""What the target must answer next: one `Expect` for each message that was sent to it and is answered."""

from __future__ import annotations

from typing import Any, final

from hoopgw.model.answer import GO, Answer, Denial
from hoopgw.relay.postgres_names import Name

QUERY = 1
PARSE = 2
BIND = 3
DESCRIBE = 4
EXECUTE = 5
CLOSE = 6
SYNC = 7
FUNCTION = 8


@final
class Expect:
    """One answer to come, and what must be done with it.

    kind      one of the numbers above
    number    of the operation; 0 where the message is none
    denial    the target was sent a substitute that fails, quoting `nonce`
    own       the gateway asked: the client sees nothing of the answer
    names     what the message defined or removed, to be settled or undone
    marks     its text may define a statement or portal by SQL (PREPARE, DECLARE)
    """

    __slots__ = (
        "answer", "copy_mask", "copying", "cut", "denial", "failed", "kind", "marks", "masked", "name", "nonce", "number",
        "own", "row_mask", "rows",
    )  # fmt: skip

    def __init__(self, kind: int, number: int = 0, name: Name | None = None, marks: bool = False) -> None:
        self.kind = kind
        self.number = number
        self.name = name
        self.marks = marks
        self.answer: Answer = GO
        self.denial: Denial | None = None
        self.nonce = b""
        self.own = False
        self.row_mask: Any = None
        self.copy_mask: Any = None
        self.rows = 0
        self.masked = 0
        self.cut = False
        self.failed = False
        self.copying = False

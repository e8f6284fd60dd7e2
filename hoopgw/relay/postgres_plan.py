"""What a client's messages are, before they are decided: one `Planned` a message, and the record's redacted form."""

from __future__ import annotations

from typing import final

from mypy_extensions import mypyc_attr

from hoopgw.model.operation import BIND, FUNCTION, PARSE, QUERY, Operation
from hoopgw.relay.postgres_expect import Expect
from hoopgw.wire import pgmessages


@mypyc_attr(acyclic=True, free_list_len=1)
@final
class Planned:
    """One message in `data[start:end]`.  `operation` is its index in the Ask, -1 where nothing is asked.

    `drop`: the target would ignore it, so that it does not go on.
    """

    __slots__ = ("drop", "end", "expect", "name", "operation", "start", "tag")

    def __init__(self, tag: int, start: int, end: int, expect: Expect | None, operation: int, name: bytes) -> None:
        self.tag = tag
        self.start = start
        self.end = end
        self.expect = expect
        self.operation = operation
        self.name = name  # the portal's of an Execute; the statement's of a Parse
        self.drop = False


@mypyc_attr(acyclic=True, free_list_len=1)
@final
class Plan:
    """The messages of `data[start:stop]`, in order, and what of them is asked.

    `waits`: what stands at `stop` must wait for an answer of the target; `over`: the client said goodbye there.
    """

    __slots__ = ("data", "drops", "messages", "operations", "over", "start", "stop", "waits")

    def __init__(self, data: bytes, start: int) -> None:
        self.data = data
        self.start = start
        self.stop = start
        self.messages: list[Planned] = []
        self.operations: list[Operation] = []
        self.waits = False
        self.over = False
        self.drops = False

    def whole(self) -> bytes:
        """The messages' bytes; the very object that was read where they are all of it."""
        if self.start == 0 and self.stop == len(self.data):
            return self.data
        return self.data[self.start : self.stop]

    def redacted(self, texts: dict[int, bytes]) -> bytes:
        """`whole` with the texts of the operations at those indexes replaced, and their parameters left out."""
        pieces: list[bytes] = []
        for planned in self.messages:
            message = self.data[planned.start : planned.end]
            text = texts.get(planned.operation) if planned.operation >= 0 else None
            pieces.append(message if text is None else self._redacted(planned, text, message))
        return b"".join(pieces)

    def _redacted(self, planned: Planned, text: bytes, message: bytes) -> bytes:
        kind = self.operations[planned.operation].kind
        if kind == QUERY:
            return pgmessages.query(text.replace(b"\0", b""))
        if kind == PARSE:
            types = pgmessages.read_parse(message, 5, len(message)).types
            return pgmessages.parse(planned.name, text.replace(b"\0", b""), types)
        if kind == BIND:
            return pgmessages.without_values(message, 5, len(message))
        if kind == FUNCTION:
            # its function, no argument formats, no arguments, result as text (documentation, 55.7)
            return pgmessages.message(b"F", message[5:9] + b"\0\0\0\0\0\0")
        return message  # an Execute has no text

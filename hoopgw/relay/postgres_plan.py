"""What a client's messages are, before they are decided, and the record's redacted form."""

from __future__ import annotations

from typing import final

from mypy_extensions import mypyc_attr

from hoopgw.model.operation import BIND, FUNCTION, PARSE, QUERY, Operation
from hoopgw.relay.postgres_expect import Expect
from hoopgw.wire import pgmessages


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
        self.messages: list[Expect] = []
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
        for expect in self.messages:
            message = self.data[expect.start : expect.end]
            text = texts.get(expect.operation) if expect.operation >= 0 else None
            pieces.append(message if text is None else self._redacted(expect, text, message))
        return b"".join(pieces)

    def _redacted(self, expect: Expect, text: bytes, message: bytes) -> bytes:
        kind = self.operations[expect.operation].kind
        if kind == QUERY:
            return pgmessages.query(text.replace(b"\0", b""))
        if kind == PARSE:
            types = pgmessages.read_parse(message, 5, len(message)).types
            return pgmessages.parse(expect.name, text.replace(b"\0", b""), types)
        if kind == BIND:
            return pgmessages.without_values(message, 5, len(message))
        if kind == FUNCTION:
            # its function, no argument formats, no arguments, result as text (documentation, 55.7)
            return pgmessages.message(b"F", message[5:9] + b"\0\0\0\0\0\0")
        return message  # an Execute has no text

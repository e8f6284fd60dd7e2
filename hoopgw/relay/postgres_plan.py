"""What a client's messages are, before they are decided: one `Planned` a message, and the record's redacted form."""

from __future__ import annotations

from typing import final

from hoopgw.model.operation import BIND, FUNCTION, PARSE, QUERY
from hoopgw.relay.postgres_expect import Expect
from hoopgw.wire import pgmessages


@final
class Planned:
    """One message in `data[start:end]`.  `operation` is its index in the Ask, -1 where nothing is asked."""

    __slots__ = ("end", "expect", "operation", "portal", "start", "tag")

    def __init__(self, tag: int, start: int, end: int, expect: Expect | None, operation: int, portal: bytes) -> None:
        self.tag = tag
        self.start = start
        self.end = end
        self.expect = expect
        self.operation = operation
        self.portal = portal  # of an Execute; the statement's name of a Parse


@final
class Redaction:
    """Gives the Ask's data with the texts of some operations replaced, and their parameters left out."""

    __slots__ = ("_data", "_kinds", "_plan")

    def __init__(self, data: bytes, plan: list[Planned], kinds: list[str]) -> None:
        self._data = data
        self._plan = plan
        self._kinds = kinds

    def apply(self, texts: dict[int, bytes]) -> bytes:
        pieces: list[bytes] = []
        for planned in self._plan:
            whole = self._data[planned.start : planned.end]
            text = texts.get(planned.operation) if planned.operation >= 0 else None
            pieces.append(whole if text is None else self._redacted(planned, text, whole))
        return b"".join(pieces)

    def _redacted(self, planned: Planned, text: bytes, whole: bytes) -> bytes:
        kind = self._kinds[planned.operation]
        if kind == QUERY:
            return pgmessages.query(text)
        if kind == PARSE:
            return pgmessages.parse(planned.portal, text, pgmessages.read_parse(whole, 5, len(whole)).types)
        if kind == BIND:
            return pgmessages.without_values(whole, 5, len(whole))
        if kind == FUNCTION:
            return pgmessages.message(b"F", whole[5:9] + b"\0\0\0\0\0\0")  # no arguments
        return whole  # an Execute has no text

"""The pieces of one token of JSON text that reads have cut, until it is whole.  Compiled."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from hoopgw.model.errors import Unmaskable
from hoopgw.wire.jsonskips import CLASS
from hoopgw.wire.jsonstrings import ends_in_escape, string_end

MAX_TEXT: Final = 16 << 20  # bytes of one string that must be seen whole
MAX_NUMBER: Final = 4096  # bytes of one number


@final
class PartialToken:
    """`waiting`: there is a token that is not whole."""

    __slots__ = ("_cut", "_kept", "_size", "waiting")

    def __init__(self) -> None:
        self.waiting = False
        self._kept: list[bytes] = []
        self._size: i64 = 0
        self._cut = False  # they end behind a backslash

    def keep(self, data: bytes, start: i64) -> None:
        """Of `data` a token begins at `start`.  Raises Unmaskable for one that is too long already."""
        rest = data[start:]
        self._kept.append(rest)
        self._size = len(rest)
        self.waiting = True
        text = rest[0] == 34
        if self._size > (MAX_TEXT if text else MAX_NUMBER):
            raise Unmaskable("a JSON value that is too long to be read")
        self._cut = text and ends_in_escape(rest, False)

    def takes(self, data: bytes) -> i64:
        """How much of `data` is needed for the token and what ends it; -1: it does not end, and all of it is kept.

        A long string is joined once.
        """
        size: i64 = len(data)
        end: i64 = size
        first = self._kept[0][0]
        if first == 34:
            begin: i64 = 1 if self._cut else 0
            end = string_end(data, begin, size)
            if end >= 0:
                end = (end >> 1) + 1
        elif CLASS[first] == 2:
            end = 0
            while end < size and CLASS[data[end]] == 2:
                end += 1
            if end < size:
                end += 1
        if end >= 0:
            self._kept.append(data[:end])
            return end
        self._kept.append(data)
        self._size += size
        if self._size > MAX_TEXT:
            raise Unmaskable(f"a JSON string of more than {MAX_TEXT} bytes")
        self._cut = ends_in_escape(data, self._cut)
        return -1

    def taken(self) -> bytes:
        """All of it, of which nothing is kept."""
        data = b"".join(self._kept)
        self._kept.clear()
        self._size = 0
        self._cut = False
        self.waiting = False
        return data

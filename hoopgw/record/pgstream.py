"""The recorded bytes of one direction of a PostgreSQL session -> messages, at constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hoopgw.wire.pgframes import HEADER

MAX_BODY = 1 << 20  # bytes of one message that are kept to be shown; what is behind them is counted
MAX_LENGTH = 0x40000100  # no message is longer (PostgreSQL's own bound of 1 GiB, and its header)
FROM_TARGET = frozenset(b"123ACDEGHINRSTVWZcdnstv")  # tags (PostgreSQL documentation, 55.7)
FROM_CLIENT = frozenset(b"BCDEFHPQSXcdfp")


@dataclass(frozen=True, slots=True)
class Message:
    """`missing` bytes of its body are not in `body`."""

    tag: int
    body: bytes
    missing: int = 0


class Stream:
    """A stream of tagged messages, cut anywhere.

    Where its bytes cannot be messages, or some are missing, it is `lost` until a piece of it begins with one again.
    """

    def __init__(self, tags: frozenset[int]) -> None:
        self._tags = tags
        self._rest = b""
        self._body: bytearray | None = None  # of a message that is not whole yet
        self._tag = 0
        self._left = 0  # bytes of it that are still to come
        self._over = 0  # bytes of it that were not kept
        self.lost = False

    def gap(self) -> None:
        """Bytes are missing from here on."""
        self._rest, self._body = b"", None
        self.lost = True

    def of(self, data: bytes) -> Iterator[Message]:
        """What cannot be read is left out, and the stream is `lost` behind it."""
        if self.lost:
            if not self._begins(data):
                return
            self.lost = False
        here = 0
        if self._body is not None:
            here = self._more(data)
            if self._left:
                return
            yield Message(self._tag, bytes(self._body), self._over)
            self._body = None
        elif self._rest:
            data, self._rest = self._rest + data, b""
        yield from self._whole(data, here)

    def missing(self, size: int) -> Iterator[Message]:
        """So many bytes are not at hand here: inside of one message they are counted, else the stream is lost."""
        if size and self._body is not None and size <= self._left:
            self._left -= size
            self._over += size
            if not self._left:
                yield Message(self._tag, bytes(self._body), self._over)
                self._body = None
        elif size:
            self.gap()

    def _whole(self, data: bytes, here: int) -> Iterator[Message]:
        while here + HEADER <= len(data):
            length = int.from_bytes(data[here + 1 : here + HEADER], "big")
            if data[here] not in self._tags or not 4 <= length <= MAX_LENGTH:
                self.gap()
                return
            end = here + 1 + length
            if end > len(data):
                self._begin(data[here], length - 4)
                self._more(data[here + HEADER :])
                return
            body = data[here + HEADER : min(end, here + HEADER + MAX_BODY)]
            yield Message(data[here], body, length - 4 - len(body))
            here = end
        self._rest = data[here:]

    def _begin(self, tag: int, left: int) -> None:
        self._tag, self._left, self._over, self._body = tag, left, 0, bytearray()

    def _more(self, data: bytes) -> int:
        """Take what belongs to the message that was begun; gives where it ends in `data`."""
        assert self._body is not None
        size = min(self._left, len(data))
        kept = min(size, MAX_BODY - len(self._body))
        self._body += data[:kept]
        self._over += size - kept
        self._left -= size
        return size

    def _begins(self, data: bytes) -> bool:
        """Whether `data` can be messages from its first byte on: the known tags and lengths, up to its end."""
        here = 0
        while here + HEADER <= len(data):
            length = int.from_bytes(data[here + 1 : here + HEADER], "big")
            if data[here] not in self._tags or not 4 <= length <= MAX_LENGTH:
                return False
            here += 1 + length
        return here > 0 and (here >= len(data) or data[here] in self._tags)

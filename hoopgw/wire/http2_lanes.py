"""The states of an HTTP/2 connection's streams, and of its windows (RFC 9113, 5)."""

from __future__ import annotations

from collections import deque
from typing import Final, final

from hoopgw.wire.http2_values import STREAM_WINDOW

MAX_CLOSED: Final = 1024  # streams of which it is remembered how they ended: frames may be under way for them

# How far each side has come with its message
NOTHING: Final = 0
BEGUN: Final = 1  # its head, but for those of status 1xx
ENDED: Final = 2

# How a stream ended
NEVER: Final = 0  # it did not, or that is forgotten, or it never was
BOTH_ENDED: Final = 1
RESET_HERE: Final = 2
RESET_THERE: Final = 3


@final
class Lane:
    """One stream that is open, or half of it.

    heard, said   how far the other side is with its message, and this one
    room          bytes that may be sent
    left          bytes that may come, and `owing` of those that were taken for which no new room was given yet
    """

    __slots__ = ("heard", "left", "owing", "room", "said")

    def __init__(self, room: int) -> None:
        self.heard = NOTHING
        self.said = NOTHING
        self.room = room
        self.left = STREAM_WINDOW
        self.owing = 0


@final
class Lanes:
    """All of one connection.  `highest`: the number of the last that the other side opened."""

    __slots__ = ("_ended", "_open", "_order", "highest")

    def __init__(self) -> None:
        self.highest = 0
        self._open: dict[int, Lane] = {}
        self._ended: dict[int, int] = {}
        self._order: deque[int] = deque()  # a dict that is always emptied at its front has to look for that

    @property
    def count(self) -> int:
        return len(self._open)

    def get(self, stream: int) -> Lane | None:
        return self._open.get(stream)

    def all(self) -> list[Lane]:
        return list(self._open.values())

    def open(self, stream: int, room: int) -> Lane:
        lane = self._open[stream] = Lane(room)
        return lane

    def how(self, stream: int) -> int:
        """A stream ended."""
        return self._ended.get(stream, NEVER)

    def settle(self, stream: int, lane: Lane) -> None:
        """Both messages may have come to their end."""
        if lane.heard == ENDED and lane.said == ENDED:
            self.close(stream, BOTH_ENDED)

    def close(self, stream: int, how: int) -> None:
        del self._open[stream]
        if len(self._order) >= MAX_CLOSED:
            del self._ended[self._order.popleft()]
        self._order.append(stream)
        self._ended[stream] = how

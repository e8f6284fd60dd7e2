"""What an HTTP/2 connection gives out, and what bounds it."""

from __future__ import annotations

from typing import Final, final

MAX_STREAMS: Final = 100  # at a time, of one client: nginx and Envoy let as many
STREAM_WINDOW: Final = 128 * 1024  # bytes that one stream may send before the other side took them
KEPT_BACK: Final = 64 * 1024  # bytes that were taken before the other side is told so: not with each frame
# Of the whole connection: no stream that waits for a decision can take the others' room
CONNECTION_WINDOW: Final = MAX_STREAMS * STREAM_WINDOW + KEPT_BACK
TABLE: Final = 4096  # bytes of HPACK's table, each way
# Streams that a peer resets or makes fail, and frames that ask for an answer and carry nothing (CVE-2023-44487,
# CVE-2019-9512 to 9518): so many at once, and so many a second for ever.
RESETS: Final = 200.0
RESETS_A_SECOND: Final = 20.0
IDLE_FRAMES: Final = 2000.0
IDLE_FRAMES_A_SECOND: Final = 400.0
UPDATES_FOR_DATA: Final = 4.0  # window updates that one frame of data may bring back without counting

NO_ERROR: Final = 0
PROTOCOL_ERROR: Final = 1
INTERNAL_ERROR: Final = 2
FLOW_CONTROL_ERROR: Final = 3
STREAM_CLOSED: Final = 5
FRAME_SIZE_ERROR: Final = 6
REFUSED_STREAM: Final = 7  # nothing of it was done: it may be sent again
CANCEL: Final = 8
COMPRESSION_ERROR: Final = 9
ENHANCE_YOUR_CALM: Final = 11


@final
class MessagePart:
    """Bytes of a stream's message, as HTTP/1.1 has them.

    size    what they took of the stream's window; `taken` gives it back
    ended   the message is whole with them
    """

    __slots__ = ("data", "ended", "size", "stream")

    def __init__(self, stream: int, data: bytes, size: int, ended: bool) -> None:
        self.stream = stream
        self.data = data
        self.size = size
        self.ended = ended


@final
class StreamAborted:
    """The other side has given a stream up.  `untouched`: it says that it did nothing of it."""

    __slots__ = ("code", "stream", "untouched")

    def __init__(self, stream: int, code: int, untouched: bool) -> None:
        self.stream = stream
        self.code = code
        self.untouched = untouched


@final
class RateLimit:
    """So many at once, and so many a second."""

    __slots__ = ("_left", "_most", "_rate", "_seen")

    def __init__(self, most: float, rate: float, now: float) -> None:
        self._most = self._left = most
        self._rate = rate
        self._seen = now

    def earn(self, count: float) -> None:
        self._left = min(self._most, self._left + count)

    def spend(self, now: float) -> bool:
        self.earn((now - self._seen) * self._rate)
        self._seen = now
        self._left -= 1
        return self._left >= 0

"""Frames of HTTP/2 as bytes, and what those that come mean to a stream (RFC 9113, 4 and 6)."""

from __future__ import annotations

from typing import Final, final

from hoopgw.wire.hpack import Head

HEAD: Final = 9  # bytes before each frame's own
MAX_FRAME: Final = 16 * 1024  # bytes that a frame may have unless the other side said more; here nobody is told more
MOST_FRAME: Final = (1 << 24) - 1
MAX_WINDOW: Final = (1 << 31) - 1

DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

ACK: Final = 0x1
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITIZED: Final = 0x20


@final
class HeadersReceived:
    """A block of fields.  `trailing`: behind the content."""

    __slots__ = ("ended", "head", "stream", "trailing")

    def __init__(self, stream: int, head: Head, ended: bool, trailing: bool) -> None:
        self.stream = stream
        self.head = head
        self.ended = ended
        self.trailing = trailing


@final
class DataReceived:
    """`size`: what it takes of the windows, padding included."""

    __slots__ = ("data", "ended", "size", "stream")

    def __init__(self, stream: int, data: bytes, size: int, ended: bool) -> None:
        self.stream = stream
        self.data = data
        self.size = size
        self.ended = ended


@final
class StreamReset:
    """The other side reset a stream, or what came on it was wrong and it was reset here."""

    __slots__ = ("code", "stream")

    def __init__(self, stream: int, code: int) -> None:
        self.stream = stream
        self.code = code


@final
class GoAwayReceived:
    """The other side opens nothing more, and looked at no stream behind `last`."""

    __slots__ = ("last",)

    def __init__(self, last: int) -> None:
        self.last = last


@final
class Idle:
    """A frame that asks for something, or nothing, and brings nothing."""

    __slots__ = ()


Happening = HeadersReceived | DataReceived | StreamReset | GoAwayReceived | Idle


def frame(kind: int, flags: int, stream: int, data: bytes) -> bytes:
    return b"%b%b%b" % (
        len(data).to_bytes(3, "big"),
        bytes((kind, flags)),
        stream.to_bytes(4, "big") + data,
    )


def setting_frame(values: dict[int, int]) -> bytes:
    entries = [name.to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in values.items()]
    return frame(SETTINGS, 0, 0, b"".join(entries))


def head_frames(stream: int, block: bytes, ended: bool, most: int) -> bytes:
    """A block of fields, in frames of up to `most` bytes."""
    flags = END_STREAM if ended else 0
    if len(block) <= most:
        return frame(HEADERS, flags | END_HEADERS, stream, block)
    frames = [frame(HEADERS, flags, stream, block[:most])]
    for start in range(most, len(block), most):
        last = END_HEADERS if start + most >= len(block) else 0
        frames.append(frame(CONTINUATION, last, stream, block[start : start + most]))
    return b"".join(frames)


def goodbye_frame(last: int, code: int) -> bytes:
    return frame(GOAWAY, 0, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big"))


def number_at(data: bytes, place: int) -> int:
    """The 31 bits there: the first has no meaning."""
    return int.from_bytes(data[place : place + 4], "big") & 0x7FFFFFFF


def unpadded(flags: int, data: bytes) -> bytes | None:
    """A frame's content without its padding (RFC 9113, 6.1); None where that is more than there is room for."""
    if not flags & PADDED:
        return data
    if not data or data[0] >= len(data):
        return None
    return data[1 : len(data) - data[0]]

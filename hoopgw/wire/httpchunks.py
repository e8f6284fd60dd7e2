"""Chunked bodies: where they end, and what they hold (RFC 9112, 7.1).  No I/O, no policy."""

from __future__ import annotations

import re
from typing import Final, final

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.httpfields import Field, field_of

MAX_SIZE_DIGITS: Final = 15  # hexadecimal: below 2^63, which every parser can hold
MAX_TRAILERS: Final = 16 * 1024  # bytes of the fields behind the last chunk
MAX_TRAILER_FIELDS: Final = 64

_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,15}\Z")
# What a trailer must not bring after the fact (RFC 9110, 6.5.1): framing, routing, authentication, what the body is
_NOT_BEHIND: Final = frozenset(
    (
        b"authorization", b"cache-control", b"connection", b"content-encoding", b"content-length", b"content-range",
        b"content-type", b"cookie", b"expect", b"host", b"location", b"max-forwards", b"proxy-authorization", b"range",
        b"set-cookie", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"www-authenticate",
    )
)  # fmt: skip

_AT_SIZE: Final = 0
_IN_DATA: Final = 1
_BEHIND_DATA: Final = 2
_IN_TRAILERS: Final = 3
_ENDED: Final = 4
_LONGEST: Final = (MAX_SIZE_DIGITS + 2, 0, 2, MAX_TRAILERS + 2, 0)  # bytes of a line in each state, CR LF included


def chunk_of(data: bytes) -> bytes:
    """`data` as one chunk; nothing for nothing, which would end the body."""
    # `%` alone takes room for more, and copies
    return b"".join((b"%x\r\n" % len(data), data, b"\r\n")) if data else b""


@final
class Chunks:
    """Follows one chunked body over any cut of its bytes.  Chunk extensions are refused: no program reads them, and
    where one ends has been read in several ways.

    trailers   the fields behind the last chunk, once `ended`
    """

    __slots__ = ("_state", "_left", "_kept", "_count", "trailers")

    def __init__(self) -> None:
        self._state = _AT_SIZE
        self._left = 0  # bytes of the chunk in hand
        self._kept = b""  # the begin of a line, bounded by what a line may hold
        self._count = 0  # bytes of trailers
        self.trailers: list[Field] = []

    @property
    def ended(self) -> bool:
        return self._state == _ENDED

    @property
    def between(self) -> bool:
        """Nothing of a chunk has come that is not whole, nor the last one."""
        return self._state == _AT_SIZE and not self._kept

    def take(self, data: bytes, start: int, content: list[bytes] | None = None) -> int:
        """Follow `data` from `start`; gives where the body ended in it, or its length where it goes on.

        What the chunks hold is appended to `content`.  Raises MalformedFrame.
        """
        here = start
        size = len(data)
        while here < size and self._state != _ENDED:
            if self._state == _IN_DATA:
                step = min(self._left, size - here)
                if content is not None:
                    content.append(data[here : here + step])
                here += step
                self._left -= step
                if self._left == 0:
                    self._state = _BEHIND_DATA
            else:
                line, here = self._line(data, here)
                if line is not None:
                    self._lined(line)
        return here

    def _line(self, data: bytes, here: int) -> tuple[bytes | None, int]:
        """The rest of the line in hand, without CR LF; None where it is not whole yet.  And where it ended."""
        longest = _LONGEST[self._state] - len(self._kept)
        end = data.find(b"\n", here, here + longest)
        if end < 0:
            if len(data) - here >= longest:
                raise MalformedFrame("a line that is too long for a chunked body")
            self._kept += data[here:]
            if self._state == _AT_SIZE:
                self._read_size(self._kept[:-1] if self._kept.endswith(b"\r") else self._kept)
            return None, len(data)
        line = self._kept + data[here : end + 1]
        self._kept = b""
        if not line.endswith(b"\r\n"):
            raise MalformedFrame("a line of a chunked body that does not end in CR LF")
        return line[:-2], end + 1

    def _lined(self, line: bytes) -> None:
        if self._state == _AT_SIZE:
            self._left = self._read_size(line)
            self._state = _IN_DATA if self._left else _IN_TRAILERS
        elif self._state == _BEHIND_DATA:
            if line:
                raise MalformedFrame("a chunk that is longer than its size")
            self._state = _AT_SIZE
        elif line:
            self._trailer(line)
        else:
            self._state = _ENDED

    def _read_size(self, line: bytes) -> int:
        if _SIZE.match(line) is None:
            raise MalformedFrame("a chunk size that is no hexadecimal number")
        return int(line, 16)

    def _trailer(self, line: bytes) -> None:
        self._count += len(line) + 2
        field = field_of(line)
        if self._count > MAX_TRAILERS or len(self.trailers) >= MAX_TRAILER_FIELDS:
            raise MalformedFrame("more trailers than may be")
        if field[0] in _NOT_BEHIND:
            raise MalformedFrame(f"{field[0].decode('ascii')} as a trailer")
        self.trailers.append(field)

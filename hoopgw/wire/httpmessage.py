"""One HTTP/1.1 message -> its head, content and trailers, as its bytes come (RFC 9112).  No I/O, no policy."""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.httpchunks import Chunks
from hoopgw.wire.httpfields import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE, Block, Field
from hoopgw.wire.httphead import Blocks, read_request, read_response


@final
class Start:
    """A message's head.  Of a request `status` is 0; of a response `method` and `target` are empty.

    framing   NO_BODY, LENGTH, CHUNKED or UNTIL_CLOSE; also of what has no body although its fields speak of one
    """

    __slots__ = ("block", "framing", "length", "method", "status", "target")

    def __init__(self, method: bytes, target: bytes, status: int, block: Block, framing: int, length: int) -> None:
        self.method = method
        self.target = target
        self.status = status
        self.block = block
        self.framing = framing
        self.length = length

    @property
    def empty(self) -> bool:
        """No content follows: the message is its head."""
        return self.framing == NO_BODY or (self.framing == LENGTH and self.length == 0)


@final
class Parts:
    """What some bytes of a message hold: heads (of a response those with status 1xx first), content, and its end."""

    __slots__ = ("content", "ended", "starts", "trailers")

    def __init__(self) -> None:
        self.starts: list[Start] = []
        self.content: list[bytes] = []
        self.ended = False
        self.trailers: list[Field] = []


_AT_HEAD: Final = 0
_IN_CONTENT: Final = 1
_ENDED: Final = 2


@final
class Message:
    """Takes one message apart.

    method    None: a request; else the response to a request with this method
    switches  it was asked for another protocol: behind a 101 come bytes of that one until the end
    """

    __slots__ = ("_blocks", "_chunks", "_framing", "_kept", "_left", "_method", "_state", "_switches")

    def __init__(self, method: bytes | None, blocks: Blocks, switches: bool = False) -> None:
        self._switches = switches
        self._method = method
        self._blocks = blocks
        self._state = _AT_HEAD
        self._kept = b""  # of a head that is not whole; the reader of heads bounds it
        self._framing = NO_BODY
        self._left = 0
        self._chunks = Chunks()

    @property
    def begun(self) -> bool:
        """The head (of a response: the final one) was read."""
        return self._state != _AT_HEAD

    @property
    def ended(self) -> bool:
        return self._state == _ENDED

    def take(self, data: bytes) -> Parts:
        """Raises MalformedFrame; also for what comes behind the message's end."""
        parts = Parts()
        here = 0
        if self._state == _AT_HEAD:
            data = self._kept + data
            here = self._heads(data, parts)
        if self._state == _IN_CONTENT and here < len(data):
            here = self._content(data, here, parts)
        if self._state == _ENDED and here < len(data):
            raise MalformedFrame("more bytes than the message has")
        return parts

    def close(self) -> Parts:
        """No more bytes come.  Raises MalformedFrame where the message has not ended with that."""
        parts = Parts()
        if self._state == _IN_CONTENT and self._framing == UNTIL_CLOSE:
            self._end(parts)
        elif self._state != _ENDED:
            raise MalformedFrame("a message that was cut off")
        return parts

    def _heads(self, data: bytes, parts: Parts) -> int:
        here = 0
        while self._state == _AT_HEAD:
            start = self._head(data, here)
            if start is None:
                self._kept = data[here:]
                return len(data)
            here = start[1]
            parts.starts.append(start[0])
            if self._switches and start[0].status == 101:
                start[0].framing = UNTIL_CLOSE
                self._begin(start[0], parts)
            elif not 100 <= start[0].status < 200:
                self._begin(start[0], parts)
        self._kept = b""
        return here

    def _head(self, data: bytes, here: int) -> tuple[Start, int] | None:
        if self._method is None:
            asked = read_request(data, here, self._blocks)
            if asked is None:
                return None
            block = asked.block
            framing = UNTIL_CLOSE if asked.method == b"CONNECT" else block.framing
            return Start(asked.method, asked.target, 0, block, framing, block.length), asked.end
        said = read_response(data, here, self._method, self._blocks)
        if said is None:
            return None
        return Start(b"", b"", said.status, said.block, said.framing, said.length), said.end

    def _begin(self, start: Start, parts: Parts) -> None:
        self._framing, self._left = start.framing, start.length
        self._state = _IN_CONTENT
        if start.empty:
            self._end(parts)

    def _content(self, data: bytes, here: int, parts: Parts) -> int:
        if self._framing == CHUNKED:
            here = self._chunks.take(data, here, parts.content)
            if self._chunks.ended:
                parts.trailers = self._chunks.trailers
                self._end(parts)
            return here
        size = len(data) - here
        if self._framing == LENGTH:
            size = min(size, self._left)
            self._left -= size
        parts.content.append(data[here : here + size])
        if self._framing == LENGTH and self._left == 0:
            self._end(parts)
        return here + size

    def _end(self, parts: Parts) -> None:
        self._state = _ENDED
        parts.ended = True

"""What follows a head in a recording: the content of one body, or the messages of a WebSocket."""

from __future__ import annotations

from collections.abc import Iterator

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.httpchunks import Chunks
from hoopgw.wire.httpfields import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE, Block
from hoopgw.wire.httphead import Response

MAX_MESSAGE = 16 << 20  # bytes of a message that are put together
_KINDS = {1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}


class Content:
    """`size` counts its bytes so far, without chunks."""

    def __init__(self, framing: int, length: int) -> None:
        self.size = 0
        self._framing = framing
        self._left = length
        self._chunks = Chunks() if framing == CHUNKED else None

    @classmethod
    def of_request(cls, block: Block) -> Content:
        return cls(block.framing, block.length)

    @classmethod
    def of_answer(cls, read: Response) -> Content:
        return cls(read.framing, read.length)

    @property
    def ended(self) -> bool:
        if self._chunks is not None:
            return self._chunks.ended
        return self._framing == NO_BODY or (self._framing == LENGTH and self._left == 0)

    def take(self, data: bytes, found: list[bytes]) -> int:
        """Appends what `data` holds of it; gives how many bytes are behind its end.  Raises MalformedFrame."""
        before = len(found)
        if self._chunks is not None:
            end = self._chunks.take(data, 0, found)
        else:
            end = len(data) if self._framing == UNTIL_CLOSE else min(len(data), self._left)
            self._left -= end if self._framing == LENGTH else 0
            found.append(data[:end])
        self.size += sum(map(len, found[before:]))
        return len(data) - end


class Messages:
    """Frames of one direction without masks or extensions, as the gateway records them (RFC 6455, 5.2)."""

    def __init__(self) -> None:
        self._rest = b""
        self._parts: list[bytes] = []
        self._kind = 0

    def of(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """(kind, whole message).  Raises MalformedFrame."""
        data = self._rest + data
        while True:
            head = _frame(data)
            if head is None:
                self._rest = data
                return
            final, opcode, start, end = head
            payload, data = data[start:end], data[end:]
            if opcode >= 8:
                yield _KINDS.get(opcode, str(opcode)), payload
                continue
            self._kind = opcode or self._kind
            self._parts.append(payload)
            if sum(map(len, self._parts)) > MAX_MESSAGE:
                raise MalformedFrame("a message that is too long to be shown")
            if final:
                yield _KINDS.get(self._kind, str(self._kind)), b"".join(self._parts)
                self._parts.clear()


def _frame(data: bytes) -> tuple[bool, int, int, int] | None:
    """(last of its message, opcode, where the payload begins and ends), or None while it is not whole."""
    if len(data) < 2:
        return None
    size, start = data[1] & 127, 2
    for mark, wide in ((126, 2), (127, 8)):
        if size == mark:
            start = 2 + wide
            if len(data) < start:
                return None
            size = int.from_bytes(data[2:start], "big")
            break
    if data[1] & 128 or size > MAX_MESSAGE:
        raise MalformedFrame("a frame that the gateway does not write")
    return (bool(data[0] & 128), data[0] & 15, start, start + size) if len(data) >= start + size else None

"""WebSocket frames <-> bytes (RFC 6455, 5).  No I/O, no policy; what an extension's bit means is not known here."""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.errors import MalformedFrame, ProtocolViolation

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

# Codes of a Close (RFC 6455, 7.4.1) that the gateway gives itself
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
NOT_TEXT: Final = 1007
POLICY: Final = 1008
TOO_BIG: Final = 1009
BAD_GATEWAY: Final = 1014
NO_CODE: Final = 1005  # what `read_close` says of a Close without one; never sent

MAX_CONTROL: Final = 125  # bytes of a control frame's payload (5.5)
MAX_REASON: Final = MAX_CONTROL - 2  # and of the words in a Close
MAX_HEAD: Final = 14  # bytes before a payload: 2, 8 of a length, 4 of a key
_FINAL: Final = 0x80
_SQUEEZED: Final = 0x40  # RSV1: the message is compressed (RFC 7692, 6)
_RESERVED: Final = 0x30
_MASKED: Final = 0x80


@final
class Piece:
    """Some of one message's payload, unmasked.

    kind       TEXT, BINARY, CLOSE, PING or PONG: of the message, also in its later fragments
    first      nothing of the message came before; only then `squeezed` says something
    last       nothing of it follows; a control frame is one piece
    squeezed   the message's payload is compressed
    """

    __slots__ = ("data", "first", "kind", "last", "squeezed")

    def __init__(self, kind: int, data: bytes, first: bool = True, last: bool = True, squeezed: bool = False) -> None:
        self.kind = kind
        self.data = data
        self.first = first
        self.last = last
        self.squeezed = squeezed

    def __repr__(self) -> str:  # the payload may be a secret
        return f"Piece({self.kind}, {len(self.data)} bytes, first={self.first}, last={self.last})"


def masked(data: bytes, key: bytes, offset: int = 0) -> bytes:
    """`data` with the key's four bytes over it (5.3), from that byte of the payload on; twice gives it back.

    As one large number: a loop over bytes takes a hundred times as long where this module is not compiled.
    """
    size = len(data)
    at = offset & 3
    over = ((key[at:] + key[:at]) * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(over, "little")).to_bytes(size, "little")


def frame(kind: int, data: bytes, key: bytes = b"", last: bool = True, squeezed: bool = False) -> bytes:
    """One frame; with a key of four bytes it is masked, as a client's must be."""
    size = len(data)
    bit = _MASKED if key else 0
    first = kind | (_FINAL if last else 0) | (_SQUEEZED if squeezed else 0)
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 1 << 16:
        head = bytes((first, bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, bit | 127)) + size.to_bytes(8, "big")
    return head + key + masked(data, key) if key else head + data


def read_close(data: bytes) -> tuple[int, bytes]:
    """Code and words of a Close's payload; (NO_CODE, b"") where it is empty.  Raises MalformedFrame (5.5.1, 7.4)."""
    if not data:
        return NO_CODE, b""
    if len(data) == 1:
        raise MalformedFrame("half a close code")
    code = int.from_bytes(data[:2], "big")
    if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise MalformedFrame(f"the close code {code} is not for the wire")
    try:
        data[2:].decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedFrame("the words of a close are not UTF-8") from error
    return code, data[2:]


def close_payload(code: int, words: str) -> bytes:
    """The payload of a Close; words that are too long are cut between characters."""
    cut = words.encode("utf-8", "backslashreplace")[:MAX_REASON]
    return code.to_bytes(2, "big") + cut.decode("utf-8", "ignore").encode()


@final
class FrameReader:
    """The frames of one direction, in any cut.  Everything that the RFC forbids is refused; there is no leniency.

    from_client   frames must be masked; else they must not be (5.1)
    squeezing     RSV1 may be set on a message's first frame: permessage-deflate was agreed on
    """

    __slots__ = (
        "_closed",
        "_control",
        "_final",
        "_from_client",
        "_head",
        "_key",
        "_kind",
        "_left",
        "_message",
        "_offset",
        "_opened",
        "_squeezed",
        "_squeezing",
    )

    def __init__(self, from_client: bool, squeezing: bool) -> None:
        self._from_client = from_client
        self._squeezing = squeezing
        self._head = b""  # of a frame whose head is not whole: less than MAX_HEAD bytes
        self._kind = -1  # of the frame whose payload is being read; -1: a head comes next
        self._final = False
        self._squeezed = False
        self._left = 0  # bytes of this payload that are still to come
        self._offset = 0  # and that have come
        self._key = b""
        self._control = b""  # of a control frame, kept until it is whole: at most MAX_CONTROL bytes
        self._message = -1  # the kind of the message that fragments continue; -1: none is open
        self._opened = False  # a piece of that message was given out
        self._closed = False

    @property
    def closed(self) -> bool:
        """A Close has come: this direction has ended, and what follows is not read (1.4)."""
        return self._closed

    @property
    def between(self) -> bool:
        """No frame and no message has begun that has not ended, and more may come."""
        return self._kind < 0 and self._message < 0 and not self._head and not self._closed

    def read(self, data: bytes) -> list[Piece]:
        """Raises MalformedFrame or ProtocolViolation; the connection cannot go on then."""
        pieces: list[Piece] = []
        here = 0
        if self._head:
            data = self._head + data
            self._head = b""
        while here < len(data) and not self._closed:
            if self._kind < 0:
                after = self._read_head(data, here)
                if after == 0:
                    self._head = data[here:]
                    break
                here = after
            size = min(self._left, len(data) - here)
            self._take(data[here : here + size], pieces)
            here += size
        return pieces

    def _read_head(self, data: bytes, start: int) -> int:
        """Where the payload begins; 0 while the head is not whole."""
        if len(data) < start + 2:
            return 0
        first, second = data[start], data[start + 1]
        self._check(first, second)
        size = second & 0x7F
        wide = 2 if size == 126 else 8 if size == 127 else 0
        after = start + 2 + wide + (4 if self._from_client else 0)
        if len(data) < after:
            return 0
        if wide:
            size = int.from_bytes(data[start + 2 : start + 2 + wide], "big")
            if size < 126 or (wide == 8 and size < 1 << 16) or size >> 63:
                raise MalformedFrame(f"a length of {size} in {wide} bytes (RFC 6455, 5.2)")
        self._begin(first, size, data[after - 4 : after] if self._from_client else b"")
        return after

    def _check(self, first: int, second: int) -> None:
        kind = first & 0x0F
        if kind not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise MalformedFrame(f"a frame with the unknown opcode {kind}")
        if first & _RESERVED or (first & _SQUEEZED and not (self._squeezing and kind in (TEXT, BINARY))):
            raise MalformedFrame("a reserved bit is set that no extension was agreed on for")
        if bool(second & _MASKED) != self._from_client:
            raise ProtocolViolation("a client's frame is not masked" if self._from_client else "a server's is masked")
        if kind >= CLOSE and (not first & _FINAL or second & 0x7F > MAX_CONTROL):
            raise MalformedFrame("a control frame is in fragments, or too long (RFC 6455, 5.5)")
        if kind == CONTINUATION and self._message < 0:
            raise ProtocolViolation("a fragment continues no message")
        if kind in (TEXT, BINARY) and self._message >= 0:
            raise ProtocolViolation("a message begins inside another")

    def _begin(self, first: int, size: int, key: bytes) -> None:
        self._kind = first & 0x0F
        self._final = bool(first & _FINAL)
        self._left, self._offset, self._key = size, 0, key
        if self._kind in (TEXT, BINARY):
            self._message, self._opened = self._kind, False
            self._squeezed = bool(first & _SQUEEZED)

    def _take(self, data: bytes, pieces: list[Piece]) -> None:
        """The next bytes of the payload; also none, where it is empty."""
        if self._key and data:
            data = masked(data, self._key, self._offset)
        self._offset += len(data)
        self._left -= len(data)
        whole = self._left == 0
        if self._kind >= CLOSE:
            self._control += data
            if whole:
                pieces.append(Piece(self._kind, self._control))
                self._closed = self._kind == CLOSE
                self._control = b""
        elif data or (whole and self._final):  # an empty fragment inside a message says nothing
            last = whole and self._final
            pieces.append(Piece(self._message, data, not self._opened, last, self._squeezed))
            self._opened = True
            if last:
                self._message = -1
        if whole:
            self._kind = -1

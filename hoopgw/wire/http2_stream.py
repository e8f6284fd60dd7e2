"""One stream of an HTTP/2 connection: how far its two messages have come, and what of them waits for room."""

from __future__ import annotations

from collections import deque
from typing import final

from hoopgw.wire.http2_heads import Headers, trailers
from hoopgw.wire.http2_outbound import Outbound
from hoopgw.wire.httpmessage import Message, Parts


@final
class Stream:
    """Both messages of one stream, as far as they have come.

    out       what goes to the other side; `pieces` of it wait for room, `backlog` bytes
    framing   of what comes from there; `owed` bytes of it are still to come, where it said how many; else -1
    switches  it is to carry another protocol, once the answer says so
    """

    __slots__ = (
        "backlog", "framing", "given", "method", "out", "owed", "pieces", "sent", "switches", "trailers", "untaken",
        "whole",
    )  # fmt: skip

    def __init__(self, out: Message, method: bytes, framing: int, owed: int = -1, switches: bool = False) -> None:
        self.out = out
        self.switches = switches
        self.method = method
        self.framing = framing
        self.owed = owed
        self.pieces: deque[bytes] = deque()
        self.backlog = 0
        self.trailers: Headers = []
        self.whole = False  # all of `out` was written here
        self.sent = False  # and its end was sent
        self.given = False  # the end of what comes was given out
        self.untaken = 0  # bytes of it that still fill the window

    def add(self, parts: Parts) -> None:
        """More of `out` is to go: content, and the end."""
        for piece in parts.content:
            self.pieces.append(piece)
            self.backlog += len(piece)
        if parts.ended:
            self.whole = True
            self.trailers = trailers(parts.trailers)

    def flush(self, to: Outbound, number: int) -> bool:
        """Sends one frame, or the end, where there is room.  False where nothing more can be sent now.

        Raises ProtocolViolation where the stream is not open.
        """
        if not self.pieces:
            self._flush_end(to, number)
            return False
        room = to.room(number)
        if room <= 0:
            return False
        piece = self.pieces.popleft()
        if len(piece) > room:
            self.pieces.appendleft(piece[room:])
            piece = piece[:room]
        self.backlog -= len(piece)
        self.sent = self.whole and not self.pieces and not self.trailers
        to.data(number, piece, self.sent)
        return True

    def _flush_end(self, to: Outbound, number: int) -> None:
        if self.whole and not self.sent:
            self.sent = True
            if self.trailers:
                to.head(number, self.trailers, True)
            else:
                to.data(number, b"", True)

"""The two ends of HTTP/2: towards a client, whose requests come, and towards a target, to which they go."""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.errors import MalformedFrame, WireError
from hoopgw.wire.hpack import Head
from hoopgw.wire.http2 import Multiplexed
from hoopgw.wire.http2_frames import DataReceived
from hoopgw.wire.http2_heads import (
    Asked,
    Headers,
    Lines,
    request_head,
    request_headers,
    response_head,
    response_headers,
)
from hoopgw.wire.http2_stream import Stream
from hoopgw.wire.http2_values import CANCEL, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, MessagePart, StreamAborted
from hoopgw.wire.httpfields import NO_BODY, Block
from hoopgw.wire.httpmessage import Message, Start

LINGER_SECONDS: Final = 5.0  # as nginx's lingering_timeout
LAST_STREAM: Final = (1 << 31) - 1000  # the numbers of streams end (RFC 9113, 5.1.1): then another connection


@final
class ClientSide(Multiplexed):
    """Where clients connect.  A stream begins with the first `MessagePart` of its number: a request, and its end."""

    def __init__(self, now: float) -> None:
        super().__init__(False, now)
        # Whose question has not ended: since when, as far as `tidy` saw, and how much of it is owed
        self._answered: dict[int, tuple[float, int]] = {}
        self._lines = Lines()
        # The last answer's head, and what it became: most are like the one before
        self._said: Block | None = None
        self._status = 0
        self._empty = False
        self._headers: Headers = []

    def _headed(self, stream: int, head: Head, ended: bool) -> None:
        asked = head.read
        if not isinstance(asked, Asked) or asked.ended is not ended:
            try:
                asked = head.read = request_head(head.fields, ended, self._lines)
            except WireError:
                self._end(stream, PROTOCOL_ERROR)
                self._lost(stream, PROTOCOL_ERROR, False)
                return
        if self.draining:
            self._end(stream, REFUSED_STREAM)
            return
        message = Message(asked.method, self._blocks, asked.switches)
        found = Stream(message, asked.method, asked.framing, asked.length, asked.switches)
        self._streams[stream] = found
        found.given = ended and asked.framing == NO_BODY
        self._came.append(MessagePart(stream, asked.head, 0, found.given))

    def _head(self, start: Start) -> Headers:
        if start.block is not self._said or start.status != self._status or start.empty is not self._empty:
            self._headers = response_headers(start)
            self._said, self._status, self._empty = start.block, start.status, start.empty
        return self._headers

    def _parted(self, last: int) -> None:
        """The client opens nothing more; what runs is answered."""
        self.draining = True

    def _settle(self, stream: int, found: Stream) -> None:
        if found.sent:
            self._forget(stream)
            if not found.given:
                self._answered[stream] = -1.0, found.owed

    # Where the answer is whole nobody reads the rest of the question (RFC 9113, 8.1).  To say so at once loses the
    # answer with clients that see a reset first (curl, and Git with it); so it is said when they had time to read.
    # Until then a stream has what is left of its window, and the connection's is kept open.

    def tidy(self, now: float) -> None:
        """To be called from time to time: ends streams that were answered a while ago, and not asked to their end."""
        for stream, (since, owed) in tuple(self._answered.items()):
            if since < 0:
                self._answered[stream] = now, owed
            elif now - since > LINGER_SECONDS:
                del self._answered[stream]
                self._end(stream, NO_ERROR)

    def _content(self, came: DataReceived) -> None:
        if came.stream not in self._answered:
            super()._content(came)
            return
        self._out.credit(came.size)
        since, owed = self._answered[came.stream]
        size = len(came.data)
        if 0 <= owed < size:  # more than its Content-Length (RFC 9113, 8.1.1), which is wrong of an answered one too
            del self._answered[came.stream]
            self._wrong(came.stream)
        elif owed > 0:
            self._answered[came.stream] = since, owed - size

    def _ended(self, stream: int) -> None:
        _, owed = self._answered.pop(stream, (0.0, 0))
        if owed > 0:
            self._wrong(stream)
        super()._ended(stream)

    def _wrong(self, stream: int) -> None:
        """Of a stream that has ended, maybe on both sides."""
        if self._out.lanes.get(stream) is None:
            self._out.again(stream, PROTOCOL_ERROR)
        else:
            self._end(stream, PROTOCOL_ERROR)

    def _broken(self, stream: int, code: int) -> None:
        self._answered.pop(stream, None)
        super()._broken(stream, code)


@final
class TargetSide(Multiplexed):
    """Where requests go to."""

    def __init__(self, now: float, scheme: bytes = b"https") -> None:
        super().__init__(True, now)
        self._scheme = scheme
        self._lines = Lines()

    @property
    def room(self) -> int:
        """How many streams may be opened now."""
        if self.draining:
            return 0
        return self._out.streams - len(self._streams)

    def request(self, data: bytes) -> int:
        """Open a stream with a request in HTTP/1.1, of which `data` is the begin, its head whole.

        Gives its number, for `write` of the rest.  Raises MalformedFrame where `data` is none, ProtocolViolation where
        the connection cannot go on.  Only where there is `room`.
        """
        message = Message(None, self._blocks)
        parts = message.take(data)
        if not parts.starts:
            raise MalformedFrame("a request without its head")
        stream = self._out.open()
        self.draining = self.draining or stream > LAST_STREAM
        found = Stream(message, parts.starts[0].method, 0)
        self._streams[stream] = found
        self._written(stream, found, parts)
        return stream

    def _head(self, start: Start) -> Headers:
        return request_headers(start, self._scheme)

    def _headed(self, stream: int, head: Head, ended: bool) -> None:
        found = self._streams.get(stream)
        if found is None:
            return
        try:
            text, found.framing, found.owed = response_head(head.fields, ended, found.method, self._lines)
        except WireError:
            self._failed(stream)
            return
        self._came.append(MessagePart(stream, text, 0, False))

    def _parted(self, last: int) -> None:
        """The target opens nothing more; what it did not look at may be sent elsewhere."""
        self.draining = True
        for stream in [number for number in self._streams if number > last]:
            self._forget(stream)
            self._came.append(StreamAborted(stream, REFUSED_STREAM, True))

    def _settle(self, stream: int, found: Stream) -> None:
        if not found.given or stream not in self._streams:
            return
        self._forget(stream)
        if not found.sent:  # the answer is whole without the rest of the question
            self._end(stream, CANCEL)

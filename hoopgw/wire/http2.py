"""One HTTP/2 connection as many HTTP/1.1 messages: each stream is one request and its response (RFC 9113).

Frames and windows are the connection's (`http2_connection`).  Here: bounds, floods, what is passed on in whose name.
"""

from __future__ import annotations

from hoopgw.model.errors import MalformedFrame, WireError
from hoopgw.wire.hpack import Head
from hoopgw.wire.http2_connection import Connection
from hoopgw.wire.http2_frames import DataReceived, GoAwayReceived, Happening, HeadersReceived, StreamReset
from hoopgw.wire.http2_heads import Headers, trailer_lines
from hoopgw.wire.http2_stream import Stream
from hoopgw.wire.http2_values import (
    ENHANCE_YOUR_CALM,
    IDLE_FRAMES,
    IDLE_FRAMES_A_SECOND,
    INTERNAL_ERROR,
    NO_ERROR,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    RESETS,
    RESETS_A_SECOND,
    UPDATES_FOR_DATA,
    MessagePart,
    RateLimit,
    StreamAborted,
)
from hoopgw.wire.httpchunks import chunk_of
from hoopgw.wire.httpfields import CHUNKED, NO_BODY
from hoopgw.wire.httphead import Blocks
from hoopgw.wire.httpmessage import Parts, Start


class Multiplexed:
    """What both ends have in common.  After a WireError the connection sends what `outgoing` gives, and ends.

    moved   streams of which something went out, or that ended, in the last `receive` and since
    """

    def __init__(self, client_side: bool, now: float) -> None:
        self.draining = False  # no new streams: one side has said goodbye
        self._blocks = Blocks()
        self._streams: dict[int, Stream] = {}
        self._resets = RateLimit(RESETS, RESETS_A_SECOND, now)
        self._idle = RateLimit(IDLE_FRAMES, IDLE_FRAMES_A_SECOND, now)
        self._now = now
        self._came: list[MessagePart | StreamAborted] = []
        self._connection = Connection(client_side)
        self._out = self._connection.out
        self.moved: list[int] = []
        self._grew = False  # a window may have

    @property
    def streams(self) -> int:
        """How many are open."""
        return len(self._streams)

    def alive(self, stream: int) -> bool:
        """Something of it is still to come or to go."""
        return stream in self._streams

    def outgoing(self) -> bytes:
        """Bytes for the other side; to be sent after each call of the others."""
        return self._out.outgoing()

    def receive(self, data: bytes, now: float) -> list[MessagePart | StreamAborted]:
        """What these bytes bring.  Raises WireError."""
        self._now = now
        self._came = []
        self.moved = []
        for each in self._connection.receive(data):
            self._happened(each)
        if self._grew:
            self._grew = False
            self._flush_all()
        return self._came

    def taken(self, stream: int, size: int) -> None:
        """So many bytes of a stream went on: the other side may send as many again."""
        found = self._streams.get(stream)
        if found is not None and size:
            found.untaken -= size
            self._out.took(stream, size)

    def backlog(self, stream: int) -> int:
        """Bytes of a stream that wait for room in the other side's window."""
        found = self._streams.get(stream)
        return 0 if found is None else found.backlog

    def backlogs(self) -> dict[int, int]:
        """The same of all streams that have one."""
        return {number: found.backlog for number, found in self._streams.items() if found.backlog}

    def write(self, stream: int, data: bytes) -> None:
        """Bytes of the message to the other side, in HTTP/1.1.  Nothing for a stream that is gone.

        Raises MalformedFrame where they are none: that stream is to be reset.  ProtocolViolation: the connection ends.
        """
        found = self._streams.get(stream)
        if found is not None and not found.whole:
            self._written(stream, found, found.out.take(data))

    def finish(self, stream: int) -> None:
        """No more of that message comes: its end, where it ends so; else the stream fails."""
        found = self._streams.get(stream)
        if found is None or found.whole:
            return
        try:
            parts = found.out.close()
        except MalformedFrame:
            self.reset(stream, INTERNAL_ERROR)
            return
        self._written(stream, found, parts)

    def reset(self, stream: int, code: int) -> None:
        """Nothing more of this stream goes either way."""
        if stream in self._streams:
            self._forget(stream)
            self._end(stream, code)

    def _end(self, stream: int, code: int) -> None:
        self._out.reset(stream, code)

    def drain(self) -> None:
        """Say goodbye: what runs is finished, nothing new begins."""
        if not self.draining:
            self.draining = True
            self._out.goodbye(NO_ERROR)

    # ---- what comes

    def _happened(self, each: Happening) -> None:
        if isinstance(each, HeadersReceived):
            if each.trailing:
                self._trailed(each.stream, each.head)
            else:
                self._headed(each.stream, each.head, each.ended)
            if each.ended:
                self._ended(each.stream)
        elif isinstance(each, DataReceived):
            self._content(each)
            if each.ended:
                self._ended(each.stream)
        elif isinstance(each, StreamReset):
            self._broken(each.stream, each.code)
        elif isinstance(each, GoAwayReceived):
            self._parted(each.last)
        else:
            self._grew = True
            self._count()

    def _count(self) -> None:
        if not self._idle.spend(self._now):
            raise self._flood("frames that carry nothing")

    def _flood(self, what: str) -> WireError:
        return self._out.wrong(ENHANCE_YOUR_CALM, f"a flood of {what}")

    def _headed(self, stream: int, head: Head, ended: bool) -> None:
        raise NotImplementedError

    def _content(self, came: DataReceived) -> None:
        found = self._streams.get(came.stream)
        if found is None:  # it was given up here, and this was on its way
            self._out.credit(came.size)
            return
        data = came.data
        found.untaken += came.size
        if not data:
            if not came.ended:
                self._count()
        elif found.framing == NO_BODY or (found.switches and not found.out.begun) or 0 <= found.owed < len(data):
            self._failed(came.stream)
            return
        else:
            self._idle.earn(1.0)
            if found.owed >= 0:
                found.owed -= len(data)
        if found.framing == CHUNKED:
            data = chunk_of(data)
        self._came.append(MessagePart(came.stream, data, came.size, False))

    def _trailed(self, stream: int, head: Head) -> None:
        found = self._streams.get(stream)
        if found is None:
            return
        try:
            lines = trailer_lines(head.fields)
        except WireError:
            self._failed(stream)
            return
        if found.owed <= 0:
            found.given = True
            # Behind a body of known length, or none, HTTP/1.1 has no place for them (RFC 9110, 6.5.1: they may be
            # left out)
            end = b"0\r\n" + lines + b"\r\n" if found.framing == CHUNKED else b""
            self._came.append(MessagePart(stream, end, 0, True))

    def _ended(self, stream: int) -> None:
        found = self._streams.get(stream)
        if found is None:
            return
        if found.owed > 0:  # less than its Content-Length (RFC 9113, 8.1.1)
            self._failed(stream)
            return
        if not found.given:
            found.given = True
            self._came.append(MessagePart(stream, b"0\r\n\r\n" if found.framing == CHUNKED else b"", 0, True))
        self._settle(stream, found)

    def _failed(self, stream: int) -> None:
        """What came on this stream is nothing that HTTP/1.1 could carry: the stream ends, the connection goes on."""
        self.reset(stream, PROTOCOL_ERROR)
        self._lost(stream, PROTOCOL_ERROR, False)

    def _broken(self, stream: int, code: int) -> None:
        """The other side reset it, or h2 did for what came on it."""
        if stream in self._streams:
            self._forget(stream)
            self._lost(stream, code, code == REFUSED_STREAM)

    def _lost(self, stream: int, code: int, untouched: bool) -> None:
        self._came.append(StreamAborted(stream, code, untouched))
        if not self._resets.spend(self._now):
            raise self._flood("resets")

    def _parted(self, last: int) -> None:
        raise NotImplementedError

    # ---- what goes

    def _head(self, start: Start) -> Headers:
        raise NotImplementedError

    def _written(self, stream: int, found: Stream, parts: Parts) -> None:
        for start in parts.starts:
            found.whole = found.sent = parts.ended and start is parts.starts[-1] and start.empty
            self._out.head(stream, self._head(start), found.sent)
        found.add(parts)
        while self._flush(stream, found):
            pass
        self._settle(stream, found)

    def _flush(self, stream: int, found: Stream) -> bool:
        sent = found.flush(self._out, stream)
        if sent:
            self._idle.earn(UPDATES_FOR_DATA)
        return sent

    def _flush_all(self) -> None:
        """A frame of each stream in turn, as long as the windows have room."""
        waiting = [stream for stream, found in self._streams.items() if found.pieces]
        self.moved += waiting
        while waiting:
            again: list[int] = []
            for stream in waiting:
                found = self._streams[stream]
                if self._flush(stream, found):
                    again.append(stream)
                else:
                    self._settle(stream, found)
            waiting = again

    def _settle(self, stream: int, found: Stream) -> None:
        """Both messages have ended, or one makes the other pointless."""
        raise NotImplementedError

    def _forget(self, stream: int) -> None:
        """What it still held of the connection's window is given back."""
        found = self._streams.pop(stream)
        self.moved.append(stream)
        if found.untaken > 0:
            self._out.credit(found.untaken)

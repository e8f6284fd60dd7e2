"""Bytes of an HTTP/2 connection -> what happens on its streams (RFC 9113).  No HTTP: only frames and their order.

What one side may not do ends the connection, or its stream where the RFC says so; nothing is overlooked.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.hpack import Decoder, Head
from hoopgw.wire.http2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEAD,
    HEADERS,
    MAX_FRAME,
    MAX_WINDOW,
    PING,
    PRIORITIZED,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    DataReceived,
    GoAwayReceived,
    Happening,
    HeadersReceived,
    Idle,
    StreamReset,
    number_at,
    unpadded,
)
from hoopgw.wire.http2_lanes import BEGUN, BOTH_ENDED, ENDED, NEVER, NOTHING, RESET_THERE, Lane, Lanes
from hoopgw.wire.http2_outbound import PREFACE, Outbound
from hoopgw.wire.http2_values import (
    COMPRESSION_ERROR,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    MAX_STREAMS,
    PROTOCOL_ERROR,
    STREAM_CLOSED,
    TABLE,
)
from hoopgw.wire.httphead import MAX_HEAD

MAX_PARTS: Final = 64  # frames of one head (CERT VU#421644)


@final
class Connection:
    """One end.  After a ProtocolViolation what `out` has is sent, and the connection ends."""

    def __init__(self, client_side: bool) -> None:
        self._client_side = client_side
        self._lanes = Lanes()
        self.out = Outbound(client_side, self._lanes)
        self._decoder = Decoder(TABLE)
        self._preface = b"" if client_side else PREFACE  # what is still to come of it
        self._first = True  # no frame has come
        self._kept = b""  # of a frame that is not whole
        self._parts: list[bytes] = []  # of a head that is not whole, with the bytes that it has
        self._size = 0
        self._stream = 0  # whose it is, and the flags it began with
        self._flags = 0
        self._happened: list[Happening] = []

    def receive(self, data: bytes) -> list[Happening]:
        """Raises ProtocolViolation."""
        self._happened = []
        try:
            self._read(self._greeted(data) if self._preface else data)
        except MalformedFrame as error:
            raise self.out.wrong(COMPRESSION_ERROR, str(error)) from error
        return self._happened

    def _greeted(self, data: bytes) -> bytes:
        size = min(len(data), len(self._preface))
        if data[:size] != self._preface[:size]:
            raise self.out.wrong(PROTOCOL_ERROR, "a connection that begins otherwise")
        self._preface = self._preface[size:]
        return data[size:]

    def _read(self, data: bytes) -> None:
        if self._kept:
            data, self._kept = self._kept + data, b""
        here: i64 = 0
        size: i64 = len(data)
        while size - here >= 3:
            length: i64 = data[here] << 16 | data[here + 1] << 8 | data[here + 2]
            if length > MAX_FRAME:  # by its announcement: up to 16 MiB would have to be waited for
                raise self.out.wrong(FRAME_SIZE_ERROR, "a frame that is longer than was agreed on")
            end = here + HEAD + length
            if size < end:
                break
            stream = number_at(data, int(here + 5))
            self._frame(int(data[here + 3]), int(data[here + 4]), stream, data[here + HEAD : end])
            here = end
        self._kept = data[here:]

    def _frame(self, kind: int, flags: int, stream: int, data: bytes) -> None:
        if self._parts and (kind != CONTINUATION or stream != self._stream):
            raise self.out.wrong(PROTOCOL_ERROR, "another frame inside a head")
        if self._first:
            self._first = False
            if kind != SETTINGS or flags & ACK:
                raise self.out.wrong(PROTOCOL_ERROR, "a connection that does not begin with settings")
        if kind == DATA:
            self._data(flags, self._of_one(stream), data)
        elif kind == HEADERS:
            self._headers(flags, self._of_one(stream), data)
        elif kind == CONTINUATION:
            self._continuation(flags, data)
        elif kind == PUSH_PROMISE:
            raise self.out.wrong(PROTOCOL_ERROR, "a push that nobody allowed")
        elif kind == RST_STREAM:
            self._reset(self._of_one(stream), self._sized(data, 4))
        elif kind == GOAWAY:
            self._parted(stream, data)
        else:
            self._happened.append(_IDLE)
            self._idle(kind, flags, stream, data)

    def _idle(self, kind: int, flags: int, stream: int, data: bytes) -> None:
        """Frames that bring nothing.  Of an unknown kind: they have no meaning (RFC 9113, 5.5)."""
        if kind == WINDOW_UPDATE:
            self._window(stream, number_at(self._sized(data, 4), 0))
        elif kind == SETTINGS:
            self._of_all(stream)
            if not flags & ACK:
                self.out.agree(data)
            else:
                self._sized(data, 0)
        elif kind == PING:
            self._of_all(stream)
            self._sized(data, 8)
            if not flags & ACK:
                self.out.pong(data)
        elif kind == PRIORITY:
            self._ranked(self._of_one(stream), self._sized(data, 5))

    # ---- what every frame of a kind keeps to

    def _of_one(self, stream: int) -> int:
        if not stream:
            raise self.out.wrong(PROTOCOL_ERROR, "a frame that belongs to no stream")
        return stream

    def _of_all(self, stream: int) -> None:
        if stream:
            raise self.out.wrong(PROTOCOL_ERROR, "a frame of the connection on a stream")

    def _sized(self, data: bytes, size: int) -> bytes:
        if len(data) != size:
            raise self.out.wrong(FRAME_SIZE_ERROR, "a frame that is longer or shorter than its kind is")
        return data

    def _unpadded(self, flags: int, data: bytes) -> bytes:
        found = unpadded(flags, data)
        if found is None:
            raise self.out.wrong(PROTOCOL_ERROR, "more padding than the frame has room for")
        return found

    def _ranked(self, stream: int, data: bytes) -> None:
        if number_at(data, 0) == stream:
            raise self.out.wrong(PROTOCOL_ERROR, "a stream that depends on itself")

    # ---- streams that are not open

    def _late(self, stream: int) -> None:
        """Some frames may come after the end; none before the begin."""
        unused = stream >= self.out.next if self._client_side else stream > self._lanes.highest
        if unused or not stream & 1:
            raise self.out.wrong(PROTOCOL_ERROR, "a frame on a stream that nobody opened")

    def _gone(self, stream: int) -> None:
        """The others may where this side ended it: they were under way."""
        self._late(stream)
        how = self._lanes.how(stream)
        if how == BOTH_ENDED:
            raise self.out.wrong(STREAM_CLOSED, "a frame behind a stream's end")
        if how == RESET_THERE:
            self.out.again(stream, STREAM_CLOSED)
        self._happened.append(_IDLE)

    def _opened(self, stream: int) -> Lane | None:
        """By a head of the other side; None where that was under way for one that has ended."""
        if self._client_side or self._lanes.how(stream) != NEVER:
            self._gone(stream)
            return None
        if not stream & 1 or stream <= self._lanes.highest:
            raise self.out.wrong(PROTOCOL_ERROR, "a stream whose number may not be")
        if self._lanes.count >= MAX_STREAMS:
            raise self.out.wrong(PROTOCOL_ERROR, "more streams than were agreed on")
        self._lanes.highest = stream
        return self.out.accept(stream)

    def _wrong(self, stream: int, code: int) -> None:
        """What came on a stream ends it alone."""
        self.out.reset(stream, code)
        self._happened.append(StreamReset(stream, code))

    # ---- frames of streams

    def _headers(self, flags: int, stream: int, data: bytes) -> None:
        data = self._unpadded(flags, data)
        if flags & PRIORITIZED:
            self._ranked(stream, self._sized(data[:5], 5))
            data = data[5:]
        self._stream, self._flags = stream, flags
        if flags & END_HEADERS:
            self._headed(self._decoder.decode(data))
        else:
            self._parts, self._size = [data], len(data)

    def _continuation(self, flags: int, data: bytes) -> None:
        if not self._parts:
            raise self.out.wrong(PROTOCOL_ERROR, "the rest of a head that never began")
        self._parts.append(data)
        self._size += len(data)
        if len(self._parts) > MAX_PARTS or self._size > MAX_HEAD:
            raise self.out.wrong(ENHANCE_YOUR_CALM, "a head that is too long")
        if flags & END_HEADERS:
            block, self._parts = b"".join(self._parts), []
            self._headed(self._decoder.decode(block))

    def _headed(self, head: Head) -> None:
        stream, ended = self._stream, self._flags & END_STREAM != 0
        lane = self._lanes.get(stream)
        if lane is None:
            lane = self._opened(stream)
            if lane is None:
                return
        if lane.heard == ENDED:
            raise self.out.wrong(STREAM_CLOSED, "a head behind a stream's end")
        early = self._client_side and lane.heard == NOTHING and _early(head)
        if ended if early else (lane.heard == BEGUN and not ended):
            self._wrong(stream, PROTOCOL_ERROR)
            return
        self._happened.append(HeadersReceived(stream, head, ended, lane.heard == BEGUN))
        if not early:
            lane.heard = BEGUN
            self._heard(stream, lane, ended)

    def _data(self, flags: int, stream: int, data: bytes) -> None:
        size, ended = len(data), flags & END_STREAM != 0
        self.out.left -= size
        lane = self._lanes.get(stream)
        if self.out.left < 0:
            raise self.out.wrong(FLOW_CONTROL_ERROR, "more than the connection's window")
        if lane is None:
            self._gone(stream)
            self.out.credit(size)
            return
        if lane.heard == ENDED:
            raise self.out.wrong(STREAM_CLOSED, "content behind a stream's end")
        lane.left -= size
        if lane.left < 0:
            raise self.out.wrong(FLOW_CONTROL_ERROR, "more than the stream's window")
        data = self._unpadded(flags, data)
        if lane.heard == NOTHING:
            self.out.credit(size)
            self._wrong(stream, PROTOCOL_ERROR)
            return
        self._happened.append(DataReceived(stream, data, size, ended))
        self._heard(stream, lane, ended)

    def _heard(self, stream: int, lane: Lane, ended: bool) -> None:
        if ended:
            lane.heard = ENDED
            self._lanes.settle(stream, lane)

    def _reset(self, stream: int, data: bytes) -> None:
        if self._lanes.get(stream) is not None:
            self._lanes.close(stream, RESET_THERE)
            self._happened.append(StreamReset(stream, int.from_bytes(data, "big")))
        else:
            self._late(stream)
            self._happened.append(_IDLE)

    def _window(self, stream: int, size: int) -> None:
        if not size:
            raise self.out.wrong(PROTOCOL_ERROR, "a window that grows by nothing")
        if not stream:
            if not self.out.more_room(size):
                raise self.out.wrong(FLOW_CONTROL_ERROR, "a window that is too large")
            return
        lane = self._lanes.get(stream)
        if lane is None:
            self._late(stream)
            return
        lane.room += size
        if lane.room > MAX_WINDOW:
            self._wrong(stream, FLOW_CONTROL_ERROR)

    def _parted(self, stream: int, data: bytes) -> None:
        self._of_all(stream)
        if len(data) < 8:
            raise self.out.wrong(FRAME_SIZE_ERROR, "a goodbye that is cut off")
        self._happened.append(_IDLE)
        self._happened.append(GoAwayReceived(number_at(data, 0)))


_IDLE: Final = Idle()


def _early(head: Head) -> bool:
    """A status that another head follows (RFC 9110, 15.2).  It stands first, else the head is wrong."""
    if not head.fields:
        return False
    name, value = head.fields[0]
    return name == b":status" and value[:1] == b"1"

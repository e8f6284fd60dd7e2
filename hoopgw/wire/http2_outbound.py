"""What one end of an HTTP/2 connection sends: frames, within the other side's windows and settings (RFC 9113)."""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.errors import ProtocolViolation
from hoopgw.wire.hpack import Encoder
from hoopgw.wire.http2_frames import (
    ACK,
    DATA,
    END_STREAM,
    MAX_FRAME,
    MAX_WINDOW,
    MOST_FRAME,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    goodbye_frame,
    head_frames,
    setting_frame,
)
from hoopgw.wire.http2_lanes import BEGUN, ENDED, RESET_HERE, Lane, Lanes
from hoopgw.wire.http2_values import (
    CONNECTION_WINDOW,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    KEPT_BACK,
    MAX_STREAMS,
    PROTOCOL_ERROR,
    STREAM_WINDOW,
    TABLE,
)
from hoopgw.wire.httpfields import Field
from hoopgw.wire.httphead import MAX_HEAD

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FIRST_WINDOW: Final = 65535  # bytes of every window at a connection's start (RFC 9113, 6.9.2)

# Names of settings (RFC 9113, 6.5.2; RFC 8441, 3)
_TABLE: Final = 1
_PUSH: Final = 2
_STREAMS: Final = 3
_WINDOW: Final = 4
_FRAME: Final = 5
_LIST: Final = 6
_CONNECT: Final = 8


@final
class Outbound:
    """`left` bytes may come on the whole connection; of new streams `streams` may be there at a time."""

    __slots__ = ("_encoder", "_frame", "_owing", "_pieces", "_room", "_window", "lanes", "left", "next", "streams")

    def __init__(self, client_side: bool, lanes: Lanes) -> None:
        self.lanes = lanes
        self.left = CONNECTION_WINDOW
        self.next = 1  # the stream that this side opens next
        self.streams = MAX_STREAMS
        self._owing = 0  # bytes that were taken, and of which the other side was not told
        self._room = FIRST_WINDOW
        self._window = FIRST_WINDOW  # of a new stream
        self._frame = MAX_FRAME
        self._encoder = Encoder(TABLE)
        values = {_TABLE: TABLE, _STREAMS: MAX_STREAMS, _WINDOW: STREAM_WINDOW, _FRAME: MAX_FRAME, _LIST: MAX_HEAD}
        values[_PUSH if client_side else _CONNECT] = 0 if client_side else 1  # WebSockets (RFC 8441, 3)
        self._pieces = [PREFACE if client_side else b"", setting_frame(values)]
        self._more(0, CONNECTION_WINDOW - FIRST_WINDOW)

    def outgoing(self) -> bytes:
        """What was to be sent since the last call."""
        if not self._pieces:
            return b""
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces = []
        return data

    # ---- streams

    def open(self) -> int:
        """The number of a new stream."""
        stream = self.next
        self.next += 2
        self.lanes.open(stream, self._window)
        return stream

    def accept(self, stream: int) -> Lane:
        """The other side has opened it."""
        return self.lanes.open(stream, self._window)

    def head(self, stream: int, fields: list[Field], ended: bool) -> None:
        """A head, or trailers.  Raises ProtocolViolation where the stream is not open."""
        lane = self._lane(stream)
        self._pieces.append(head_frames(stream, self._encoder.encode(fields), ended, self._frame))
        self._said(stream, lane, ended)

    def data(self, stream: int, data: bytes, ended: bool) -> None:
        """Content, of `room` bytes at most; the stream's end may come without any.  Raises the same."""
        lane = self._lane(stream)
        lane.room -= len(data)
        self._room -= len(data)
        self._pieces.append(frame(DATA, END_STREAM if ended else 0, stream, data))
        self._said(stream, lane, ended)

    def _lane(self, stream: int) -> Lane:
        lane = self.lanes.get(stream)
        if lane is None or lane.said == ENDED:
            raise ProtocolViolation("HTTP/2: a stream that is not open")
        return lane

    def _said(self, stream: int, lane: Lane, ended: bool) -> None:
        if ended:
            lane.said = ENDED
            self.lanes.settle(stream, lane)
        else:
            lane.said = BEGUN

    def room(self, stream: int) -> int:
        """Bytes that one frame of content may have now."""
        lane = self.lanes.get(stream)
        return 0 if lane is None else min(lane.room, self._room, self._frame)

    def reset(self, stream: int, code: int) -> None:
        """Nothing where the stream is not open: the other side was faster."""
        if self.lanes.get(stream) is not None:
            self.lanes.close(stream, RESET_HERE)
            self.again(stream, code)

    def again(self, stream: int, code: int) -> None:
        """To a side that goes on with what was reset."""
        self._pieces.append(frame(RST_STREAM, 0, stream, code.to_bytes(4, "big")))

    # ---- the other side's bytes

    def took(self, stream: int, size: int) -> None:
        """So many bytes of a stream went on: as many again may come."""
        lane = self.lanes.get(stream)
        if lane is not None and lane.heard != ENDED:
            lane.owing += size
            if lane.owing >= STREAM_WINDOW // 2:
                lane.left += lane.owing
                self._more(stream, lane.owing)
                lane.owing = 0
        self.credit(size)

    def credit(self, size: int) -> None:
        """The same of the connection alone: their stream is gone."""
        self._owing += size
        if self._owing >= KEPT_BACK:
            self.left += self._owing
            self._more(0, self._owing)
            self._owing = 0

    def _more(self, stream: int, size: int) -> None:
        self._pieces.append(frame(WINDOW_UPDATE, 0, stream, size.to_bytes(4, "big")))

    def more_room(self, size: int) -> bool:
        """The other side gives the connection more; False where that is more than a window can be."""
        self._room += size
        return self._room <= MAX_WINDOW

    # ---- the connection

    def goodbye(self, code: int) -> None:
        """No streams after those that came so far."""
        self._pieces.append(goodbye_frame(self.lanes.highest, code))

    def wrong(self, code: int, words: str) -> ProtocolViolation:
        """Why the connection ends: to be raised."""
        self.goodbye(code)
        return ProtocolViolation(f"HTTP/2: {words}")

    def pong(self, data: bytes) -> None:
        self._pieces.append(frame(PING, ACK, 0, data))

    def agree(self, data: bytes) -> None:
        """The other side's settings.  Raises ProtocolViolation."""
        if len(data) % 6:
            raise self.wrong(FRAME_SIZE_ERROR, "settings that are cut off")
        for here in range(0, len(data), 6):
            self._set(int.from_bytes(data[here : here + 2], "big"), int.from_bytes(data[here + 2 : here + 6], "big"))
        self._pieces.append(frame(SETTINGS, ACK, 0, b""))

    def _set(self, name: int, value: int) -> None:
        if name == _TABLE:
            self._encoder.resize(min(value, TABLE))
        elif name == _STREAMS:
            self.streams = min(value, MAX_STREAMS)
        elif name == _WINDOW:
            self._resize(value)
        elif name == _FRAME:
            if not MAX_FRAME <= value <= MOST_FRAME:
                raise self.wrong(PROTOCOL_ERROR, "a size of frames that may not be")
            self._frame = value
        elif name in (_PUSH, _CONNECT) and value > 1:
            raise self.wrong(PROTOCOL_ERROR, "a setting that is neither 0 nor 1")

    def _resize(self, window: int) -> None:
        """Of all streams at once; it may leave one less than nothing (RFC 9113, 6.9.2)."""
        if window > MAX_WINDOW:
            raise self.wrong(FLOW_CONTROL_ERROR, "a window that is too large")
        by, self._window = window - self._window, window
        for lane in self.lanes.all():
            lane.room += by
            if lane.room > MAX_WINDOW:
                raise self.wrong(FLOW_CONTROL_ERROR, "a window that is too large")

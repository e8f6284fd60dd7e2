"""The library h2 as it is used here: its settings, and where it is not taken at its word."""

from __future__ import annotations

from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, Event
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from hoopgw.model.errors import ProtocolViolation
from hoopgw.wire.http2_values import CONNECTION_WINDOW, MAX_STREAMS, STREAM_WINDOW, TABLE
from hoopgw.wire.httphead import MAX_HEAD

FIRST_WINDOW = 65535  # bytes of every connection's window at its start (RFC 9113, 6.9.2)


def connection(client_side: bool) -> H2Connection:
    """A connection that has its preface to send.  Header names and values are bytes."""
    made = H2Connection(H2Configuration(client_side=client_side, header_encoding=None))
    settings = {
        SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
        SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEAD,
        SettingCodes.HEADER_TABLE_SIZE: TABLE,
    }
    if client_side:
        settings[SettingCodes.ENABLE_PUSH] = 0
    else:
        settings[SettingCodes.ENABLE_CONNECT_PROTOCOL] = 1  # WebSockets (RFC 8441, 3)
    made.local_settings = Settings(client=client_side, initial_values=settings)
    # h2 drops what waits to be sent, and takes nothing more, as soon as the other side says that it wants no *new*
    # streams: those that run would be lost (RFC 9113, 6.8)
    made._frame_dispatch_table[GoAwayFrame] = _goodbye
    made.initiate_connection()
    made.increment_flow_control_window(CONNECTION_WINDOW - FIRST_WINDOW)
    return made


def too_long(connection: H2Connection) -> bool:
    """The frame that is coming is announced as longer than it may be.

    h2 looks at that only when all of it, up to 16 MiB, is there.
    """
    head = connection.incoming_buffer._data[:3]
    return len(head) == 3 and int.from_bytes(head, "big") > connection.max_inbound_frame_size


def _goodbye(frame: GoAwayFrame) -> tuple[list[Any], list[Event]]:
    gone = ConnectionTerminated()
    gone.last_stream_id = frame.last_stream_id
    return [], [gone]


def say_goodbye(connection: H2Connection) -> None:
    """No streams after those that came so far; h2's own word would end these too."""
    connection._prepare_for_sending([GoAwayFrame(0, last_stream_id=connection.highest_inbound_stream_id)])


def failed(error: H2Error) -> ProtocolViolation:
    """A mistake that h2 found, without the bytes that it quotes: they may be secret."""
    return ProtocolViolation(f"HTTP/2: {type(error).__name__}")

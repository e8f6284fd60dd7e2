"""SSH connection-layer messages <-> their fields (RFC 4254).  No I/O, no policy.

A **message** is one SSH payload: its number, then its fields.  A **run** is messages with a u32 length before each, as
relay, recording and edge hand them on: what the binary packet protocol carries, without padding and without keys.
"""

from __future__ import annotations

from typing import Final

from librt.strings import read_i32_be
from mypy_extensions import i64

from hoopgw.model.errors import MalformedFrame

DISCONNECT: Final = 1
IGNORE: Final = 2
UNIMPLEMENTED: Final = 3
DEBUG: Final = 4
SERVICE_REQUEST: Final = 5
SERVICE_ACCEPT: Final = 6
EXT_INFO: Final = 7
KEXINIT: Final = 20
NEWKEYS: Final = 21
EXCHANGE_INIT: Final = 30
EXCHANGE_REPLY: Final = 31
GLOBAL_REQUEST: Final = 80
REQUEST_SUCCESS: Final = 81
REQUEST_FAILURE: Final = 82
CHANNEL_OPEN: Final = 90
CHANNEL_OPEN_CONFIRMATION: Final = 91
CHANNEL_OPEN_FAILURE: Final = 92
CHANNEL_WINDOW_ADJUST: Final = 93
CHANNEL_DATA: Final = 94
CHANNEL_EXTENDED_DATA: Final = 95
CHANNEL_EOF: Final = 96
CHANNEL_CLOSE: Final = 97
CHANNEL_REQUEST: Final = 98
CHANNEL_SUCCESS: Final = 99
CHANNEL_FAILURE: Final = 100

DISCONNECT_PROTOCOL_ERROR: Final = 2  # why a peer leaves (RFC 4253, 11.1)
DISCONNECT_KEX_FAILED: Final = 3
DISCONNECT_BY_APPLICATION: Final = 11
STDERR: Final = 1  # the data type code of CHANNEL_EXTENDED_DATA (RFC 4254, 5.2)
PROHIBITED: Final = 1  # SSH_OPEN_ADMINISTRATIVELY_PROHIBITED (RFC 4254, 5.1)
MAX_MESSAGE: Final = 262_144  # bytes of one message: OpenSSH's own bound of a packet (PACKET_MAX_SIZE)
MAX_WINDOW: Final = 0xFFFFFFFF  # a window never grows past 2^32 - 1 (RFC 4254, 5.2)
MAX_NAME: Final = 64  # bytes of a request's or channel type's name (RFC 4251, 6)


class ChannelOpen:
    """`rest` are the fields of the channel type."""

    __slots__ = ("kind", "sender", "window", "packet", "rest")

    def __init__(self, kind: bytes, sender: int, window: int, packet: int, rest: bytes) -> None:
        self.kind = kind
        self.sender = sender
        self.window = window
        self.packet = packet
        self.rest = rest

    def encoded(self) -> bytes:
        numbers = u32(self.sender) + u32(self.window) + u32(self.packet)
        return b"\x5a" + string(self.kind) + numbers + self.rest


class Request:
    """A CHANNEL_REQUEST, or a GLOBAL_REQUEST (`channel` is 0 then).  `body` are the fields of its type."""

    __slots__ = ("channel", "name", "wants_reply", "body")

    def __init__(self, channel: int, name: bytes, wants_reply: bool, body: bytes) -> None:
        self.channel = channel
        self.name = name
        self.wants_reply = wants_reply
        self.body = body


# ---- fields


def u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def string(data: bytes) -> bytes:
    """A length and the bytes (RFC 4251, 5)."""
    return len(data).to_bytes(4, "big") + data


def read_u32(data: bytes, start: int) -> int:
    """Raises MalformedFrame where it is not whole."""
    if start + 4 > len(data):
        raise MalformedFrame("a message that ends too early")
    return i64(read_i32_be(data, start)) & 0xFFFFFFFF


def read_string(data: bytes, start: int, limit: int = MAX_MESSAGE) -> tuple[bytes, int]:
    """(the bytes, where the next field begins).  The length is looked at before bytes are taken: raises MalformedFrame
    for more than there is, or more than `limit`."""
    length = read_u32(data, start)
    end = start + 4 + length
    if length > limit or end > len(data):
        raise MalformedFrame(f"a string of {length} bytes in {len(data)} bytes")
    return data[start + 4 : end], end


def read_boolean(data: bytes, start: int) -> bool:
    if start >= len(data):
        raise MalformedFrame("a message that ends too early")
    return data[start] != 0


def _name(data: bytes, start: int) -> tuple[bytes, int]:
    """Printable US-ASCII (RFC 4251, 6): it stands in events and operations."""
    name, end = read_string(data, start, MAX_NAME)
    if not name or any(byte <= 32 or byte >= 127 for byte in name):
        raise MalformedFrame("a name that is not printable ASCII")
    return name, end


# ---- messages


def read_open(data: bytes) -> ChannelOpen:
    """Of a CHANNEL_OPEN.  Raises MalformedFrame."""
    kind, here = _name(data, 1)
    sender, window, packet = read_u32(data, here), read_u32(data, here + 4), read_u32(data, here + 8)
    return ChannelOpen(kind, sender, window, packet, data[here + 12 :])


def read_confirmation(data: bytes) -> tuple[int, int, int, int]:
    """(recipient, sender, window, maximum packet).  Raises MalformedFrame."""
    return read_u32(data, 1), read_u32(data, 5), read_u32(data, 9), read_u32(data, 13)


def confirmation(recipient: int, sender: int, window: int, packet: int, rest: bytes = b"") -> bytes:
    return b"\x5b" + u32(recipient) + u32(sender) + u32(window) + u32(packet) + rest


def read_channel(data: bytes) -> int:
    """The recipient's number of any message about one open channel.  Raises MalformedFrame."""
    return read_u32(data, 1)


def read_adjust(data: bytes) -> int:
    """The bytes that a CHANNEL_WINDOW_ADJUST adds.  Raises MalformedFrame."""
    return read_u32(data, 5)


def data_size(data: bytes) -> int:
    """How much of the window a CHANNEL_DATA or CHANNEL_EXTENDED_DATA takes.  Raises MalformedFrame unless it is whole,
    and no byte more."""
    at = 5 if data and data[0] == CHANNEL_DATA else 9
    size = read_u32(data, at)
    if at + 4 + size != len(data):
        raise MalformedFrame("channel data whose length is not that of its message")
    return size


def read_request(data: bytes) -> Request:
    """Of a CHANNEL_REQUEST or GLOBAL_REQUEST.  Raises MalformedFrame."""
    channel, here = (0, 1) if data and data[0] == GLOBAL_REQUEST else (read_u32(data, 1), 5)
    name, here = _name(data, here)
    return Request(channel, name, read_boolean(data, here), data[here + 1 :])


def request(channel: int, name: bytes, wants_reply: bool, body: bytes = b"") -> bytes:
    """A CHANNEL_REQUEST."""
    return b"\x62" + u32(channel) + string(name) + (b"\1" if wants_reply else b"\0") + body


def open_failure(recipient: int, reason: int, words: bytes) -> bytes:
    return b"\x5c" + u32(recipient) + u32(reason) + string(words) + string(b"")


def adjust(channel: int, size: int) -> bytes:
    return b"\x5d" + u32(channel) + u32(size)


def channel_data(channel: int, data: bytes) -> bytes:
    return b"\x5e" + u32(channel) + string(data)


def stderr(channel: int, data: bytes) -> bytes:
    return b"\x5f" + u32(channel) + u32(STDERR) + string(data)


def simple(number: int, channel: int) -> bytes:
    """CHANNEL_EOF, CHANNEL_CLOSE, CHANNEL_SUCCESS or CHANNEL_FAILURE."""
    return bytes((number,)) + u32(channel)


def exit_status(channel: int, status: int) -> bytes:
    return request(channel, b"exit-status", False, u32(status))


# ---- runs


def framed(message: bytes) -> bytes:
    """One message as a run."""
    return len(message).to_bytes(4, "big") + message


def message_ends(run: bytes, start: int) -> list[int]:
    """Where the whole messages of `run` from `start` on end; a rest that is not whole gives none.

    Raises MalformedFrame for a length outside 1..MAX_MESSAGE bytes.
    """
    ends: list[int] = []
    here: i64 = start
    whole: i64 = len(run)
    while here + 4 <= whole:
        length = i64(read_i32_be(run, here)) & 0xFFFFFFFF
        if not 1 <= length <= MAX_MESSAGE:
            raise MalformedFrame(f"a message of {length} bytes is not in 1..{MAX_MESSAGE}")
        here += 4 + length
        if here > whole:
            break
        ends.append(here)
    return ends


def messages(run: bytes) -> list[bytes]:
    """The messages of a run that must be whole.  Raises MalformedFrame."""
    found: list[bytes] = []
    here = 0
    for end in message_ends(run, 0):
        found.append(run[here + 4 : end])
        here = end
    if here != len(run):
        raise MalformedFrame("a run of messages that ends in the middle of one")
    return found

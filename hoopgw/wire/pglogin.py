"""The messages of PostgreSQL's start-up phase, both directions (PostgreSQL documentation, 55.2.1, 55.7)."""

from __future__ import annotations

import hashlib
from typing import Final, final

from hoopgw.model.errors import MalformedFrame

PROTOCOL_3_0: Final = 3 << 16
PROTOCOL_3_2: Final = 3 << 16 | 2  # PostgreSQL 18: long cancel keys; there is no 3.1
CANCEL_REQUEST: Final = 80877102
SSL_REQUEST: Final = 80877103
GSSENC_REQUEST: Final = 80877104

# AuthenticationXXX
OK: Final = 0
KERBEROS: Final = 2
CLEARTEXT: Final = 3
MD5: Final = 5
GSS: Final = 7
GSS_CONTINUE: Final = 8
SSPI: Final = 9
SASL: Final = 10
SASL_CONTINUE: Final = 11
SASL_FINAL: Final = 12

MAX_PARAMETERS: Final = 64  # of one StartupMessage; drivers send three to ten
MIN_CANCEL_KEY: Final = 4  # bytes: protocol 3.0
MAX_CANCEL_KEY: Final = 256  # bytes: protocol 3.2
LONG_CANCEL_KEY: Final = 32  # bytes of the keys that are given to who speaks 3.2, as PostgreSQL 18 does


@final
class StartupPacket:
    """A packet without a tag: `code` is a protocol version or a request code, `body` what follows it."""

    __slots__ = ("code", "body")

    def __init__(self, code: int, body: bytes) -> None:
        self.code = code
        self.body = body


def startup_packet_end(data: bytes, limit: int) -> int:
    """Where the packet at the start of `data` ends, 0 while that cannot be said or is not there yet.

    Raises MalformedFrame for a length outside 8..`limit` bytes.
    """
    if len(data) < 4:
        return 0
    length = int.from_bytes(data[:4], "big")
    if not 8 <= length <= limit:
        raise MalformedFrame(f"a start-up packet of {length} bytes is not in 8..{limit}")
    return length if length <= len(data) else 0


def read_startup_packet(packet: bytes) -> StartupPacket:
    """A whole packet, as `startup_packet_end` cut it."""
    return StartupPacket(int.from_bytes(packet[4:8], "big"), packet[8:])


def read_parameters(body: bytes) -> dict[str, str]:
    """The parameters of a StartupMessage.  Raises MalformedFrame for what is not terminated, not UTF-8, or named
    twice: which of the two would count is not asked."""
    if body == b"\0":
        return {}
    if not body.endswith(b"\0\0"):
        raise MalformedFrame("start-up parameters without their terminator")
    parts = body[:-2].split(b"\0")
    if len(parts) % 2 or len(parts) > 2 * MAX_PARAMETERS:
        raise MalformedFrame(f"start-up parameters are not at most {MAX_PARAMETERS} pairs")
    found: dict[str, str] = {}
    for index in range(0, len(parts), 2):
        name, value = _text(parts[index]), _text(parts[index + 1])
        if not name or name in found:
            raise MalformedFrame("a start-up parameter without a name, or given twice")
        found[name] = value
    return found


def read_cancel(body: bytes) -> tuple[int, bytes]:
    """(process id, secret key) of a CancelRequest."""
    key = body[4:]
    if not MIN_CANCEL_KEY <= len(key) <= MAX_CANCEL_KEY:
        raise MalformedFrame("a cancel key of a length that no protocol version has")
    return int.from_bytes(body[:4], "big"), key


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise MalformedFrame("a start-up parameter is not UTF-8") from error


def message_end(data: bytes, limit: int) -> int:
    """Where the tagged message at the start of `data` ends, 0 while it is not all there.

    Raises MalformedFrame for a length outside 4..`limit`.
    """
    if len(data) < 5:
        return 0
    length = int.from_bytes(data[1:5], "big")
    if not 4 <= length <= limit:
        raise MalformedFrame(f"a message of {length} bytes is not in 4..{limit} here")
    return 1 + length if 1 + length <= len(data) else 0


# ---- writing


def message(tag: bytes, body: bytes) -> bytes:
    return tag + (len(body) + 4).to_bytes(4, "big") + body


def startup_message(parameters: list[tuple[str, str]], version: int = PROTOCOL_3_0) -> bytes:
    """StartupMessage of protocol `version`.  Raises MalformedFrame for a NUL, which would begin another parameter."""
    body = b""
    for name, value in parameters:
        if "\0" in name or "\0" in value:
            raise MalformedFrame("a start-up parameter with a NUL")
        body += name.encode() + b"\0" + value.encode() + b"\0"
    return (len(body) + 9).to_bytes(4, "big") + version.to_bytes(4, "big") + body + b"\0"


def request(code: int) -> bytes:
    """SSLRequest or GSSENCRequest."""
    return (8).to_bytes(4, "big") + code.to_bytes(4, "big")


def cancel_request(process: int, key: bytes) -> bytes:
    body = CANCEL_REQUEST.to_bytes(4, "big") + process.to_bytes(4, "big") + key
    return (len(body) + 4).to_bytes(4, "big") + body


def authentication(code: int, data: bytes = b"") -> bytes:
    return message(b"R", code.to_bytes(4, "big") + data)


def negotiated_version(asked: int) -> int:
    """The newest version of major 3 that is spoken here and is not newer than what was asked for."""
    return PROTOCOL_3_2 if asked >= PROTOCOL_3_2 else PROTOCOL_3_0


def negotiate_protocol_version(version: int, options: list[str]) -> bytes:
    """`version` is spoken, and none of these `_pq_.` options is known."""
    named = b"".join([option.encode() + b"\0" for option in options])
    return message(b"v", version.to_bytes(4, "big") + len(options).to_bytes(4, "big") + named)


def read_negotiated_version(body: bytes, asked: int) -> int:
    """What a server makes of the version that was asked for, without any `_pq_.` option.

    Raises MalformedFrame for one that is not there, newer than asked, or of options that nobody asked for.
    """
    version = int.from_bytes(body[:4], "big")
    if len(body) != 8 or body[4:] != b"\0\0\0\0":
        raise MalformedFrame("a negotiated protocol version with options that were not asked for")
    if version >= asked or version not in (PROTOCOL_3_0, PROTOCOL_3_2):
        raise MalformedFrame("a negotiated protocol version that there is not, or that is not older than asked")
    return version


def password_message(password: bytes) -> bytes:
    """Clear text, or what `md5_password` gives.  Raises MalformedFrame for a NUL, which would end it early."""
    if b"\0" in password:
        raise MalformedFrame("a password with a NUL")
    return message(b"p", password + b"\0")


def md5_password(user: bytes, password: bytes, salt: bytes) -> bytes:
    """The answer to AuthenticationMD5Password (PostgreSQL documentation, 55.2.1)."""
    if len(salt) != 4:
        raise MalformedFrame("a salt that is not of four bytes")
    stored = hashlib.md5(password + user, usedforsecurity=False).hexdigest().encode()
    return b"md5" + hashlib.md5(stored + salt, usedforsecurity=False).hexdigest().encode()


def sasl_initial_response(mechanism: bytes, data: bytes) -> bytes:
    return message(b"p", mechanism + b"\0" + len(data).to_bytes(4, "big") + data)


def sasl_response(data: bytes) -> bytes:
    return message(b"p", data)

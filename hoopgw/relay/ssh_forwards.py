"""What an SSH message wants forwarded, in words: from where to where."""

from __future__ import annotations

from typing import Final

from hoopgw.model.events import Code
from hoopgw.relay.effects import Effect, Observed
from hoopgw.wire import sshmessages as wire

# Forwards by the channel type or request that asks for one (RFC 4254, 6.3, 7; OpenSSH's PROTOCOL, 2.4, 2.6)
CHANNELS: Final = frozenset((b"direct-tcpip", b"direct-streamlocal@openssh.com", b"tun@openssh.com"))
TARGET_CHANNELS: Final = frozenset(
    (b"forwarded-tcpip", b"forwarded-streamlocal@openssh.com", b"auth-agent@openssh.com", b"x11")
)
REQUESTS: Final = frozenset((b"auth-agent-req@openssh.com", b"x11-req"))
GLOBALS: Final = frozenset(
    (
        b"tcpip-forward",
        b"cancel-tcpip-forward",
        b"streamlocal-forward@openssh.com",
        b"cancel-streamlocal-forward@openssh.com",
    )
)
MAX_HOST: Final = 1024  # bytes of a host name or path


def granted(number: int, name: bytes, fields: bytes) -> list[Effect]:
    """What is noted of operation `number`, a forward that was let through; taking one back is none."""
    if name.startswith(b"cancel-"):
        return []
    where = described(name, fields).decode("utf-8", "backslashreplace")
    said: dict[str, object] = {"operation": number, "forward": name.decode("ascii", "backslashreplace")}
    return [Observed(Code.FORWARD_GRANTED, {**said, "destination": where})]


def described(name: bytes, fields: bytes) -> bytes:
    """`HOST:PORT` or a path; b"" where there is nothing to say.  Raises MalformedFrame."""
    if name in (b"direct-tcpip", b"forwarded-tcpip", b"tcpip-forward", b"cancel-tcpip-forward"):
        host, here = wire.read_string(fields, 0, MAX_HOST)
        return b"%s:%d" % (host, wire.read_u32(fields, here))
    if b"streamlocal" in name:
        path, _ = wire.read_string(fields, 0, MAX_HOST)
        return path
    return b""

"""What a client asks for on an SSH connection -> operations that are decided, and who waits for them."""

from __future__ import annotations

from functools import partial
from typing import Final, final

from hoopgw.model.operation import ENV, EXEC, FORWARD, PTY, SHELL, SUBSYSTEM, TERMINAL, Operation
from hoopgw.relay import ssh_forwards as forwards
from hoopgw.relay.effects import Ask, Effect, Withdraw
from hoopgw.relay.ssh_channel import Channel
from hoopgw.wire import sshmessages as wire

GLOBAL_LANE: Final = 0
MAX_ENVIRONMENT: Final = 64 * 1024  # bytes of names and values of one channel
MAX_VARIABLES: Final = 128  # that are let through on one channel: OpenSSH's server takes no more either
MAX_COMMAND: Final = 128 * 1024  # bytes of a command line: Linux passes no longer word to a shell (MAX_ARG_STRLEN)
STARTS: Final = {b"exec": EXEC, b"shell": SHELL, b"subsystem": SUBSYSTEM}


@final
class Asking:
    """`out` gets the effects; `waiting` are channels by lane."""

    __slots__ = ("waiting", "_count", "_out")

    def __init__(self, out: list[Effect]) -> None:
        self.waiting: dict[int, Channel] = {}
        self._count = 0
        self._out = out

    def operation(self, channel: Channel, asked: wire.Request) -> Operation | None:
        """What is judged; None for what nobody knows, or a channel cannot have: one start for each (RFC 4254, 6.5)."""
        name, body = asked.name, asked.body
        if name in forwards.REQUESTS:
            return self.numbered(FORWARD, forwards.described(name, body), name)
        if name == b"env":
            if channel.variables >= MAX_VARIABLES:
                return None
            variable, here = wire.read_string(body, 0, MAX_ENVIRONMENT)
            value, _ = wire.read_string(body, here, MAX_ENVIRONMENT)
            return self.numbered(ENV, variable + b"=" + value, variable)
        if channel.started or channel.opaque:
            return None
        if name == b"pty-req":
            kind, _ = wire.read_string(body, 0, wire.MAX_NAME)
            return self.numbered(PTY, kind, b"")
        if name not in STARTS:
            return None
        text = b"" if name == b"shell" else wire.read_string(body, 0, MAX_COMMAND)[0]
        where = TERMINAL if channel.terminal else b""
        return self.numbered(STARTS[name], text, where, b"".join(channel.environment))

    def numbered(self, kind: str, text: bytes, name: bytes, parameters: bytes = b"") -> Operation:
        self._count += 1
        return Operation("ssh", kind, text, name, parameters, self._count)

    def ask(self, channel: Channel, operation: Operation, message: bytes) -> None:
        channel.asked = message
        channel.operation = operation.number
        self.waiting[channel.lane] = channel
        self._out.append(_asked(channel.lane, operation, message))

    def ask_globally(self, operation: Operation, message: bytes) -> None:
        """No other global request passes meanwhile."""
        self._out.append(_asked(GLOBAL_LANE, operation, message))

    def kept(self) -> int:
        """What waits behind what is asked counts for, on all channels."""
        total = 0
        for channel in self.waiting.values():
            total += channel.weight()
        return total

    def withdraw(self, channel: Channel) -> None:
        """What waits for a decision will never run."""
        if channel.asked:
            del self.waiting[channel.lane]
            channel.asked = b""
            channel.forget()
            self._out.append(Withdraw(channel.lane))


def _asked(lane: int, operation: Operation, message: bytes) -> Ask:
    return Ask(lane, (operation,), wire.framed(message), partial(_redacted, message))


def _redacted(message: bytes, texts: dict[int, bytes]) -> bytes:
    """The same request with its text replaced, in valid framing; an opening or global request has none to hide."""
    if 0 not in texts:
        return wire.framed(message)
    if message[0] == wire.CHANNEL_DATA:
        return wire.framed(wire.channel_data(wire.read_channel(message), texts[0]))
    if message[0] != wire.CHANNEL_REQUEST:
        return wire.framed(message)
    asked = wire.read_request(message)
    body = wire.string(texts[0])
    if asked.name == b"env":
        body = wire.string(wire.read_string(asked.body, 0)[0]) + body
    return wire.framed(wire.request(asked.channel, asked.name, asked.wants_reply, body))

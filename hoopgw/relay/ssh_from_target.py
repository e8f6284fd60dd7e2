"""What a target sends on an SSH connection, after the logins: which messages pass, and what happens instead."""

from __future__ import annotations

from typing import Any, Final, final

from hoopgw.model.answer import Decision, Denial
from hoopgw.model.errors import ProtocolViolation
from hoopgw.relay.effects import Effect, ToClient, ToTarget
from hoopgw.relay.ssh_agent import AgentChannels
from hoopgw.relay.ssh_asking import Asking
from hoopgw.relay.ssh_channel import Channel, State
from hoopgw.relay.ssh_channels import Channels
from hoopgw.relay.ssh_file_channel import FileChannels
from hoopgw.relay.ssh_globals import Globals
from hoopgw.relay.ssh_output import Output
from hoopgw.relay.ssh_starts import Starts
from hoopgw.wire import sshmessages as wire

# Requests that start nothing and say nothing but how a process goes on, or ended
PASSES: Final = frozenset((b"exit-status", b"exit-signal", b"xon-xoff", b"eow@openssh.com", b"keepalive@openssh.com"))
ENDS: Final = frozenset((b"exit-status", b"exit-signal"))
_OPENING: Final = State.OPENING  # a lookup in an Enum is a call
_REFUSED: Final = State.REFUSED
_WITHHELD: Final = State.WITHHELD


@final
class FromTarget:
    """Of one session; `out` gets the effects.  `session` and `policy` are said where the output is cut."""

    __slots__ = (
        "_session", "_policy", "_asking", "_channels", "_globals", "_files", "_output", "_starts", "_agents", "_out",
    )  # fmt: skip

    def __init__(
        self,
        out: list[Effect],
        asking: Asking,
        channels: Channels,
        globals: Globals,
        files: FileChannels,
        output: Output,
        starts: Starts,
        session: str,
        policy: str,
    ) -> None:
        self._session = session
        self._policy = policy
        self._asking = asking
        self._channels = channels
        self._globals = globals
        self._files = files
        self._output = output
        self._starts = starts
        self._agents = AgentChannels(out)
        self._out = out

    def message(self, message: bytes) -> bool:
        """True: it may pass as it is.  Else what happens instead is in `_out`."""
        number = message[0]
        if number == wire.GLOBAL_REQUEST:
            return self._globals.from_target(message)
        if number == wire.REQUEST_SUCCESS or number == wire.REQUEST_FAILURE:
            return self._globals.answered(self._globals.client, message, to_client=True)
        if number == wire.CHANNEL_OPEN:
            return self._channels.target_opens(message)
        channel = self._channels.by_client.get(wire.read_channel(message))
        if channel is None:
            raise ProtocolViolation(f"message {number} for a channel that is not open")
        if number == wire.CHANNEL_OPEN_CONFIRMATION or number == wire.CHANNEL_OPEN_FAILURE:
            return self._channels.target_confirms(channel, message)
        if channel.state is _OPENING or channel.target_closed:
            raise ProtocolViolation(f"message {number} for a channel that is not open")
        if channel.state is _WITHHELD:
            waiting = self._channels.by_target[channel.target].successor
            assert waiting is not None
            waiting.keep(message)
            return False
        return self._goes_on(channel, message)

    def _goes_on(self, channel: Channel, message: bytes) -> bool:
        number = message[0]
        if number == wire.CHANNEL_SUCCESS or number == wire.CHANNEL_FAILURE:
            return self._globals.answered(channel.client_asks, message, to_client=True)
        if number == wire.CHANNEL_CLOSE:
            return self._closes(channel)
        if channel.state is _REFUSED:
            return False
        if number == wire.CHANNEL_DATA or number == wire.CHANNEL_EXTENDED_DATA:
            if not self._data(channel, wire.data_size(message)):
                return False
            if channel.files is not None and number == wire.CHANNEL_DATA:
                return self._files.answer(channel, channel.files, message[9:])
            if channel.agent is not None:
                return self._agents.passes(channel, channel.agent, message)
            return self._output.passes(channel, message)
        if number == wire.CHANNEL_WINDOW_ADJUST:
            size = wire.read_adjust(message)
            left = channel.target_adjusted(size)
            if left and left != size:
                self._to_client(wire.framed(wire.adjust(channel.client, left)))
            return left == size
        if number != wire.CHANNEL_EOF and number != wire.CHANNEL_REQUEST:
            raise ProtocolViolation(f"message {number} is none of the connection layer")
        ends = number == wire.CHANNEL_EOF or wire.read_request(message).name in ENDS
        if channel.masks is not None and ends:  # what was written before it is shown before it
            self._output.shown(channel, channel.masks.released(True))
        passes = number == wire.CHANNEL_EOF or self._request(channel, message)
        if passes and self._out:
            self._to_client(wire.framed(message))
            return False
        return passes

    def _data(self, channel: Channel, size: int) -> bool:
        meter = channel.meter
        if meter is not None and not meter.take_bytes(size):
            self._starts.refuse(channel, self._over(meter.exceeded), b"")
            return False
        if size > channel.to_client - channel.credit:
            raise ProtocolViolation("more data than the window has room for")
        channel.to_client -= size
        return True

    def _over(self, bound: Any) -> Denial:
        reason = f"the output is cut: {bound.name}" if bound is not None else "the output is cut"
        rule = (bound.guardrail,) if bound is not None else ()
        return Denial(Decision.OVER_BUDGET, reason, rule, session=self._session, policy=self._policy)

    def _request(self, channel: Channel, message: bytes) -> bool:
        asked = wire.read_request(message)
        if asked.name in PASSES:
            if asked.wants_reply:
                channel.target_asks.expect()
            return True
        if asked.wants_reply:
            run = channel.target_asks.own(wire.framed(wire.simple(wire.CHANNEL_FAILURE, channel.target)))
            if run:
                self._out.append(ToTarget(run))
        return False

    def _closes(self, channel: Channel) -> bool:
        channel.target_closed = True
        self._asking.withdraw(channel)
        self._output.ended(channel)
        if channel.typing is not None:
            self._out += channel.typing.ended()
        if channel.files is not None:
            channel.files.ended()
            self._files.happened(channel.files)
        self._to_client(channel.client_asks.ended())
        self._to_client(wire.framed(wire.simple(wire.CHANNEL_CLOSE, channel.client)))
        self.closed(channel)
        return False

    def closed(self, channel: Channel) -> None:
        """One of the two sides has: where both have, what waited for the number goes on."""
        successor = self._channels.closed(channel)
        if successor is None:
            return
        for each in successor.kept:
            if self._goes_on(successor.channel, each):
                self._to_client(wire.framed(each))

    def _to_client(self, run: bytes) -> None:
        if run:
            self._out.append(ToClient(run))

"""What a client sends on an SSH connection, after the logins: which messages pass, wait, or are asked about."""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.answer import Answer
from hoopgw.model.errors import ProtocolViolation
from hoopgw.relay.effects import Effect, ToTarget
from hoopgw.relay.ssh_asking import Asking
from hoopgw.relay.ssh_channel import Channel, State
from hoopgw.relay.ssh_channels import Channels
from hoopgw.relay.ssh_file_channel import FileChannels
from hoopgw.relay.ssh_from_target import FromTarget
from hoopgw.relay.ssh_globals import Globals
from hoopgw.relay.ssh_starts import Starts
from hoopgw.relay.ssh_typing import columns_of, hidden
from hoopgw.wire import sshmessages as wire

# Requests that start nothing and say nothing to the target but how a terminal or process goes on
PASSES: Final = frozenset(
    (
        b"window-change",
        b"signal",
        b"break",
        b"eow@openssh.com",
        b"keepalive@openssh.com",
        b"winadj@putty.projects.tartarus.org",
        b"simple@putty.projects.tartarus.org",
    )
)
MAX_KEPT: Final = 32 << 20  # bytes of all channels that wait for decisions: OpenSSH's server gives ten 2 MiB each
KEPT_EACH: Final = 64 * 1024  # of one channel that are not looked at
_OPEN: Final = State.OPEN  # a lookup in an Enum is a call
_OPENING: Final = State.OPENING
_REFUSED: Final = State.REFUSED


@final
class FromClient:
    """Of one session; `out` gets the effects."""

    __slots__ = ("_asking", "_channels", "_globals", "_files", "_starts", "_from_target", "_out")

    def __init__(
        self,
        out: list[Effect],
        asking: Asking,
        channels: Channels,
        globals: Globals,
        files: FileChannels,
        starts: Starts,
        from_target: FromTarget,
    ) -> None:
        self._asking = asking
        self._channels = channels
        self._globals = globals
        self._files = files
        self._starts = starts
        self._from_target = from_target
        self._out = out

    def message(self, message: bytes) -> bool:
        """True: it may pass as it is.  Else what happens instead is in `_out`."""
        number = message[0]
        if number == wire.GLOBAL_REQUEST:
            return self._globals.from_client(message)
        if number == wire.REQUEST_SUCCESS or number == wire.REQUEST_FAILURE:
            return self._globals.answered(self._globals.target, message, to_client=False)
        if number == wire.CHANNEL_OPEN:
            return self._channels.client_opens(message)
        channel = self._channels.by_target.get(wire.read_channel(message))
        if channel is None:
            raise ProtocolViolation(f"message {number} for a channel that is not open")
        if number == wire.CHANNEL_OPEN_CONFIRMATION or number == wire.CHANNEL_OPEN_FAILURE:
            return self._channels.client_confirms(channel, message)
        if channel.state is _OPENING or channel.client_closed:
            raise ProtocolViolation(f"message {number} for a channel that is not open")
        if number == wire.CHANNEL_CLOSE:
            return self._closes(channel)
        if channel.state is _REFUSED:  # its end is on the way to the client
            return False
        if number == wire.CHANNEL_WINDOW_ADJUST:
            size = channel.adjusted(wire.read_adjust(message))
            if size:
                self._out.append(ToTarget(wire.framed(wire.adjust(channel.target, size))))
            return False
        if number == wire.CHANNEL_SUCCESS or number == wire.CHANNEL_FAILURE:
            return self._globals.answered(channel.target_asks, message, to_client=False)
        if channel.asked:
            channel.keep(message)
            if channel.weight() > KEPT_EACH and self._asking.kept() > MAX_KEPT:
                raise ProtocolViolation(f"more than {MAX_KEPT} bytes, or too many messages, that wait for decisions")
            return False
        return self._goes_on(channel, message)

    def _goes_on(self, channel: Channel, message: bytes) -> bool:
        """What has its order in the channel: data, EOF, requests."""
        number = message[0]
        if number == wire.CHANNEL_DATA or number == wire.CHANNEL_EXTENDED_DATA:
            size = wire.data_size(message)
            # Some servers keep it for what is started then: SFTP that nobody was asked about
            if not (channel.started or channel.opaque):
                raise ProtocolViolation("data before anything was started")
            if size > channel.to_target:
                raise ProtocolViolation("more data than the window has room for")
            # Some servers take it for input: files that nobody was asked about, and keys that are in the record
            if number == wire.CHANNEL_EXTENDED_DATA and (channel.files is not None or channel.typing is not None):
                raise ProtocolViolation("a client's data for stderr")
            if channel.files is not None:
                return self._files.data(channel, channel.files, message[9:])
            channel.to_target -= size
            if channel.typing is not None:
                keys = message[9:]
                channel.typing.typed(keys)
                recorded = wire.channel_data(channel.target, hidden(keys))
                self._out.append(ToTarget(wire.framed(message), wire.framed(recorded)))
                return False
            return True
        if number == wire.CHANNEL_EOF:
            return True
        if number == wire.CHANNEL_REQUEST:
            return not channel.target_closed and self._request(channel, message)
        raise ProtocolViolation(f"message {number} is none of the connection layer")

    def _request(self, channel: Channel, message: bytes) -> bool:
        asked = wire.read_request(message)
        if asked.name in PASSES:
            if asked.wants_reply:
                channel.client_asks.expect()
            if channel.typing is not None and asked.name == b"window-change":
                channel.typing.columns = columns_of(asked.body, 0)
            return True
        operation = self._asking.operation(channel, asked)
        if operation is None:
            self._starts.fail(channel, asked)
            return False
        self._asking.ask(channel, operation, message)
        return False

    def _closes(self, channel: Channel) -> bool:
        channel.client_closed = True
        self._asking.withdraw(channel)
        self._from_target.closed(channel)
        if channel.state is _REFUSED:  # the target has had one in its name
            return False
        if self._out:
            self._out.append(ToTarget(wire.framed(wire.simple(wire.CHANNEL_CLOSE, channel.target))))
            return False
        return True

    # ---- decisions

    def decided(self, channel: Channel, answer: Answer) -> None:
        """What the channel has asked for, and what waited behind it."""
        message, channel.asked = channel.asked, b""
        if message[0] == wire.CHANNEL_OPEN:
            self._channels.decided(channel, message, answer)
            return
        if channel.files is not None and message[0] == wire.CHANNEL_DATA:
            self._files.decided(channel, channel.files, answer)
        else:
            self._starts.decided(channel, wire.read_request(message), message, answer)
        self._resume(channel)

    def _resume(self, channel: Channel) -> None:
        """What waited behind the decision, up to the next one."""
        while channel.kept and not channel.asked and channel.state is _OPEN:
            message = channel.next_kept()
            if self._goes_on(channel, message):
                self._out.append(ToTarget(wire.framed(message)))

"""What a target writes on a channel, where somebody looks at it: masks, and terminals on which something is typed."""

from __future__ import annotations

from typing import final

from hoopgw.model.verdict import IMasks
from hoopgw.relay.effects import Completed, Effect, Later, ToClient
from hoopgw.relay.ssh_channel import Channel
from hoopgw.relay.ssh_masks import DELAY, ChannelMasks
from hoopgw.relay.ssh_typing import Typing
from hoopgw.wire import sshmessages as wire


@final
class Output:
    """Of one session; `out` gets the effects."""

    __slots__ = ("_masked", "_out")

    def __init__(self, out: list[Effect]) -> None:
        self._masked: dict[int, Channel] = {}  # by lane
        self._out = out

    def mask(self, channel: Channel, masks: IMasks) -> None:
        """From now on."""
        channel.masks = ChannelMasks(masks, channel.client, channel.packet, channel.operation)
        self._masked[channel.lane] = channel

    def passes(self, channel: Channel, message: bytes) -> bool:
        """A message of data.  True: as it is."""
        if channel.masks is not None:
            return self.masked(channel, channel.masks, message)
        if channel.typing is not None and message[0] == wire.CHANNEL_DATA:
            return self.followed(channel, channel.typing, message)
        return True

    def later(self, lane: int) -> None:
        """What of a channel's output has waited for so long that it is shown (Later)."""
        channel = self._masked.get(lane)
        if channel is None or channel.masks is None:
            return
        self.shown(channel, channel.masks.due())
        if channel.masks.times():
            self._out.append(Later(lane, DELAY))

    def shown(self, channel: Channel, output: list[ToClient]) -> None:
        """What was masked goes on, and is followed as any output of a terminal."""
        self._out += output
        if channel.typing is not None:
            for each in output:
                if each.data[4] == wire.CHANNEL_DATA:
                    self._out += channel.typing.shown(each.data[13:])

    def followed(self, channel: Channel, typing: Typing, message: bytes) -> bool:
        """Output of a terminal.  What was typed is told behind it."""
        lines = typing.shown(message[9:])
        if not lines:
            return True
        self._out.append(ToClient(wire.framed(message)))
        self._out += lines
        return False

    def masked(self, channel: Channel, masks: ChannelMasks, message: bytes) -> bool:
        given = masks.output(message)
        if given is None:
            if channel.typing is None or message[0] != wire.CHANNEL_DATA:
                return True
            return self.followed(channel, channel.typing, message)
        self.shown(channel, given)
        if masks.times():
            self._out.append(Later(channel.lane, DELAY))
        return False

    def ended(self, channel: Channel) -> None:
        """There is no more output: what waits goes on, and how much was masked is noted."""
        masks, channel.masks = channel.masks, None
        if masks is not None:
            del self._masked[channel.lane]
            self.shown(channel, masks.released(True))
            if masks.masked:
                self._out.append(Completed(masks.operation, 0, masks.masked))

"""What of one SSH channel's output is masked: its two streams, what of them waits, and for how long."""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.errors import ProtocolViolation
from hoopgw.model.verdict import IMasks
from hoopgw.relay.effects import ToClient
from hoopgw.wire import sshmessages as wire

# Seconds that output waits for what follows, where it may be the beginning of something: at most twice that.  A person
# who types does not notice it; two reads of one write are hardly ever that far apart.
DELAY: Final = 0.05


@final
class ChannelMasks:
    """`operation` is the number of what writes the output; `packet` the largest payload that the client takes."""

    __slots__ = ("client", "operation", "packet", "timed", "_given", "_out", "_err", "_since")

    def __init__(self, masks: IMasks, client: int, packet: int, operation: int) -> None:
        self.client = client
        self.packet = packet
        self.operation = operation
        self.timed = False  # somebody will come and ask for what waits
        self._out = masks.stream()
        self._err = masks.stream()
        self._given = 0
        self._since = 0  # how much had been given when that was asked for

    @property
    def masked(self) -> int:
        return self._out.masked + self._err.masked

    @property
    def waiting(self) -> bool:
        return bool(self._out.waiting or self._err.waiting)

    def output(self, message: bytes) -> list[ToClient] | None:
        """A message of data -> what goes on now; None: the message as it is.

        Raises ProtocolViolation for a stream that is neither stdout nor stderr: nobody knows who would read it.
        """
        if message[0] == wire.CHANNEL_DATA:
            stream, data = self._out, message[9:]
        elif message[5:9] == b"\0\0\0\1":
            stream, data = self._err, message[13:]
        else:
            raise ProtocolViolation("data of a stream that is neither stdout nor stderr")
        given = stream.feed(data)
        self._given += len(given)
        return None if given is data else self._messages(given, stream is self._err)

    def times(self) -> bool:
        """Whether somebody has to come after DELAY."""
        if self.timed or not self.waiting:
            return False
        self.timed, self._since = True, self._given
        return True

    def due(self) -> list[ToClient]:
        """DELAY is over: what has waited all that time.  Where the stream went on since, it waits once more."""
        self.timed = False
        return self.released(False) if self._given == self._since else []

    def released(self, final: bool) -> list[ToClient]:
        """All that waits; see `StreamMask.released`."""
        effects: list[ToClient] = []
        for stream in (self._out, self._err):
            if stream.waiting:
                effects += self._messages(stream.released(final), stream is self._err)
        return effects

    def _messages(self, data: bytes, err: bool) -> list[ToClient]:
        """In messages that the client takes: what waited may be more than one of the target's."""
        effects: list[ToClient] = []
        step = max(1, self.packet)
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            message = wire.stderr(self.client, piece) if err else wire.channel_data(self.client, piece)
            effects.append(ToClient(wire.framed(message)))
        return effects

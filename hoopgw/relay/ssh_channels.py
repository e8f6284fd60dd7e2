"""The channels of an SSH connection, by the numbers of both sides: how they open, and when a number is free again."""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.answer import Answer
from hoopgw.model.errors import ProtocolViolation
from hoopgw.model.operation import FORWARD
from hoopgw.relay import ssh_forwards as forwards
from hoopgw.relay import ssh_words as words
from hoopgw.relay.effects import RECORDED, Effect, ToClient, ToTarget
from hoopgw.relay.ssh_asking import GLOBAL_LANE, Asking
from hoopgw.relay.ssh_channel import Channel, State, Successor
from hoopgw.wire import sshmessages as wire
from hoopgw.wire.sshagent import AgentRequests

AGENT: Final = b"auth-agent@openssh.com"
MAX_CHANNELS: Final = 256  # open ones of one connection: OpenSSH's own MaxSessions is 10, and forwards come beside them


@final
class Channels:
    """`told` is what each channel's target is told in its environment; `forwarded` what was let through."""

    __slots__ = ("by_client", "by_target", "_lanes", "_told", "_forwarded", "_asking", "_out")

    def __init__(self, out: list[Effect], asking: Asking, forwarded: set[str], told: list[bytes]) -> None:
        self.by_client: dict[int, Channel] = {}  # what the target calls a channel by: the client's number
        self.by_target: dict[int, Channel] = {}  # what the client calls it by
        self._lanes = GLOBAL_LANE
        self._told = told
        self._forwarded = forwarded
        self._asking = asking
        self._out = out

    def _new_channel(self, client: int, target: int) -> Channel:
        self._lanes += 1
        return Channel(self._lanes, client, target)

    def client_opens(self, message: bytes) -> bool:
        opening = wire.read_open(message)
        if opening.sender in self.by_client:
            raise ProtocolViolation("a channel number that is in use")
        if opening.packet == 0:
            return self._open_failed(opening.sender, b"a maximum packet size of 0")
        if len(self.by_client) >= MAX_CHANNELS:
            return self._open_failed(opening.sender, b"too many channels")
        channel = self._new_channel(opening.sender, -1)
        if opening.kind == b"session":
            self.by_client[channel.client] = channel
            window = channel.grant(opening.window, opening.packet)
            smaller = wire.ChannelOpen(opening.kind, opening.sender, window, opening.packet, opening.rest)
            self._out.append(ToTarget(wire.framed(smaller.encoded())))
            return False
        channel.to_client, channel.packet = opening.window, opening.packet
        channel.opaque = opening.kind.decode()
        text = forwards.described(opening.kind, opening.rest)
        self.by_client[channel.client] = channel
        self._asking.ask(channel, self._asking.numbered(FORWARD, text, opening.kind), message)
        return False

    def _open_failed(self, client: int, reason: bytes) -> bool:
        self._to_client(wire.framed(wire.open_failure(client, wire.PROHIBITED, reason)))
        return False

    def decided(self, channel: Channel, message: bytes, answer: Answer) -> None:
        by_client = channel.target < 0
        if answer.denial is None:
            self._forwarded.add(channel.opaque)
            opening = wire.read_open(message)
            self._out.extend(forwards.granted(channel.operation, opening.kind, opening.rest))
            channel.meter = answer.meter
            if by_client:
                self._out.append(ToTarget(wire.framed(message), RECORDED))
            else:
                self._out.append(ToClient(wire.framed(message), RECORDED))
            return
        reason = answer.denial.reason.encode("ascii", "backslashreplace")[: words.MAX_WORDS]
        if by_client:
            self.by_client.pop(channel.client, None)
            self._open_failed(channel.client, reason)
        else:
            self.by_target.pop(channel.target, None)
            refusal = wire.open_failure(channel.target, wire.PROHIBITED, b"not granted")
            self._out.append(ToTarget(wire.framed(refusal)))

    def target_opens(self, message: bytes) -> bool:
        """The target wants something forwarded to the client: asked like any other forward."""
        opening = wire.read_open(message)
        if opening.sender in self.by_target or len(self.by_target) >= MAX_CHANNELS or opening.packet == 0:
            refusal = wire.open_failure(opening.sender, wire.PROHIBITED, b"not now")
            self._out.append(ToTarget(wire.framed(refusal)))
            return False
        channel = self._new_channel(-1, opening.sender)
        channel.to_target, channel.opaque = opening.window, opening.kind.decode()
        channel.agent = AgentRequests() if opening.kind == AGENT else None
        self.by_target[channel.target] = channel
        text = forwards.described(opening.kind, opening.rest)
        self._asking.ask(channel, self._asking.numbered(FORWARD, text, opening.kind), message)
        return False

    def target_confirms(self, channel: Channel, message: bytes) -> bool:
        if channel.state is not State.OPENING or channel.target >= 0 or channel.asked:
            raise ProtocolViolation("a confirmation of a channel that was not asked for")
        if message[0] == wire.CHANNEL_OPEN_FAILURE:
            del self.by_client[channel.client]
            return True
        _, target, window, packet = wire.read_confirmation(message)
        if packet == 0:
            raise ProtocolViolation("a maximum packet size of 0")
        before = self.by_target.get(target)
        if before is not None and not (before.state is State.REFUSED and before.target_closed):
            raise ProtocolViolation("a channel number that is in use")
        channel.target, channel.to_target, channel.state = target, window, State.OPEN
        channel.target_packet = packet
        for variable in () if channel.opaque else self._told:  # no reply is asked for: none comes between the client's
            self._out.append(ToTarget(wire.framed(wire.request(target, b"env", False, variable))))
        if before is None:
            self.by_target[target] = channel
            self._to_client(wire.framed(message))
            return False
        channel.state = State.WITHHELD
        before.successor = Successor(channel, message)
        return False

    def client_confirms(self, channel: Channel, message: bytes) -> bool:
        """Of a channel that the target opened."""
        if channel.state is not State.OPENING or channel.client >= 0 or channel.asked:
            raise ProtocolViolation("a confirmation of a channel that was not asked for")
        if message[0] == wire.CHANNEL_OPEN_FAILURE:
            del self.by_target[channel.target]
            return True
        _, client, window, packet = wire.read_confirmation(message)
        if client in self.by_client or packet == 0:
            raise ProtocolViolation("a channel number that is in use, or a maximum packet size of 0")
        channel.client, channel.to_client, channel.packet = client, window, packet
        channel.state = State.OPEN
        self.by_client[client] = channel
        return True

    def closed(self, channel: Channel) -> Successor | None:
        """A number is free once both sides have closed (RFC 4254, 5.3): as each of them sees it.

        Gives what waited for the number, and is open now: `kept` is still to be passed on.
        """
        if not (channel.client_closed and channel.target_closed):
            return None
        if self.by_client.get(channel.client) is channel:
            del self.by_client[channel.client]
        if self.by_target.get(channel.target) is channel:
            del self.by_target[channel.target]
        waiting = channel.successor
        if waiting is not None:
            channel.successor = None
            waiting.channel.state = State.OPEN
            self.by_target[waiting.channel.target] = waiting.channel
            self._to_client(wire.framed(waiting.confirmation))
        return waiting

    def _to_client(self, run: bytes) -> None:
        if run:
            self._out.append(ToClient(run))

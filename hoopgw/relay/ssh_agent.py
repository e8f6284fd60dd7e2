"""A forwarded agent: what the target asks of it is noted, and what no login needs ends the channel."""

from __future__ import annotations

from typing import final

from hoopgw.model.errors import MalformedFrame
from hoopgw.model.events import Code
from hoopgw.relay.effects import Effect, Observed, ToClient, ToTarget
from hoopgw.relay.ssh_channel import Channel, State
from hoopgw.wire import sshmessages as wire
from hoopgw.wire.sshagent import AgentRequest, AgentRequests


@final
class AgentChannels:
    """Of one session; `out` gets the effects."""

    __slots__ = ("_out",)

    def __init__(self, out: list[Effect]) -> None:
        self._out = out

    def passes(self, channel: Channel, requests: AgentRequests, message: bytes) -> bool:
        """Data of the target.  True: as it is, and nothing is to be told."""
        try:
            if message[0] != wire.CHANNEL_DATA:
                raise MalformedFrame("data of a kind that agents do not know")
            asked = requests.of(message[9:])
        except MalformedFrame as error:
            asked = [AgentRequest("request", str(error))]
        told = [each for each in asked if each.refused or each.what == "sign"]
        if not told:
            return True
        for each in told:
            self._note(channel, each)
        if any(each.refused for each in told):
            self._refuse(channel)
        else:
            self._out.append(ToClient(wire.framed(message)))
        return False

    def _note(self, channel: Channel, request: AgentRequest) -> None:
        fields: dict[str, object] = {"operation": channel.operation, "request": request.what}
        if request.key:
            fields["key"] = request.key
        if request.refused:
            self._out.append(Observed(Code.AGENT_REFUSED, {**fields, "reason": request.refused}))
        else:
            self._out.append(Observed(Code.AGENT_SIGNS, {**fields, "user": request.user}))

    def _refuse(self, channel: Channel) -> None:
        """The target gets CLOSE in the client's name; the client learns of it by the target's own."""
        channel.state = State.REFUSED
        channel.forget()
        if not channel.client_closed:
            self._out.append(ToTarget(wire.framed(wire.simple(wire.CHANNEL_CLOSE, channel.target))))

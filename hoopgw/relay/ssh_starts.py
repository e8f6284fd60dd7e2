"""What a client starts on a channel, once that is decided: it goes on, or its channel ends with the reason."""

from __future__ import annotations

from typing import final

from hoopgw.model.answer import Answer, Denial
from hoopgw.model.errors import ProtocolViolation
from hoopgw.policy.ssh_servers import is_server
from hoopgw.relay import ssh_words as words
from hoopgw.relay.effects import RECORDED, Completed, Effect, ToClient, ToTarget
from hoopgw.relay.ssh_asking import MAX_ENVIRONMENT, STARTS
from hoopgw.relay.ssh_channel import Channel, State
from hoopgw.relay.ssh_files import Files
from hoopgw.relay.ssh_forwards import granted
from hoopgw.relay.ssh_output import Output
from hoopgw.relay.ssh_typing import Typing, columns_of
from hoopgw.wire import sshmessages as wire


@final
class Starts:
    """Of one session; `out` gets the effects, `forwarded` the names of what was let through besides."""

    __slots__ = ("terminals", "_forwarded", "_output", "_out")

    def __init__(self, out: list[Effect], output: Output, forwarded: set[str]) -> None:
        self.terminals = False  # there was one
        self._forwarded = forwarded
        self._output = output
        self._out = out

    def decided(self, channel: Channel, asked: wire.Request, message: bytes, answer: Answer) -> None:
        """`message` is the request of `asked`."""
        if answer.denial is None:
            self._allowed(channel, asked, message, answer)
        elif asked.name in STARTS:
            success = wire.framed(wire.simple(wire.CHANNEL_SUCCESS, channel.client))
            self.refuse(channel, answer.denial, success if asked.wants_reply else b"")
        else:
            if asked.name != b"env":  # clients send them unasked, and many: the events tell of them
                said = channel.told(words.denied(answer.denial, channel.terminal))
                self._to_client(channel.client_asks.own(said))
            self.fail(channel, asked)

    def fail(self, channel: Channel, asked: wire.Request) -> None:
        """The gateway's own reply, in its turn."""
        if asked.wants_reply:
            self._to_client(channel.client_asks.own(wire.framed(wire.simple(wire.CHANNEL_FAILURE, channel.client))))

    def _allowed(self, channel: Channel, asked: wire.Request, message: bytes, answer: Answer) -> None:
        if asked.name in STARTS:
            self._started(channel, asked, answer)
        elif asked.name == b"pty-req":
            channel.terminal = self.terminals = True
            channel.typing = Typing(columns_of(asked.body, wire.read_string(asked.body, 0, wire.MAX_NAME)[1]))
        elif asked.name == b"env":
            variable, here = wire.read_string(asked.body, 0)
            value, _ = wire.read_string(asked.body, here)
            channel.environment.append(wire.string(variable) + wire.string(value))
            channel.variables += 1
            if sum(map(len, channel.environment)) > MAX_ENVIRONMENT:
                raise ProtocolViolation(f"an environment of more than {MAX_ENVIRONMENT} bytes")
        else:
            self._forwarded.add(asked.name.decode())
            self._out.extend(granted(channel.operation, asked.name, asked.body))
        if asked.wants_reply:
            channel.client_asks.expect()
        self._out.append(ToTarget(wire.framed(message), RECORDED))

    def _started(self, channel: Channel, asked: wire.Request, answer: Answer) -> None:
        channel.started = True
        channel.meter = answer.meter
        if channel.typing is not None:
            channel.typing.operation = channel.operation
        if _is_sftp(asked):
            channel.files = Files()
        elif answer.masks is not None:
            self._output.mask(channel, answer.masks)

    def refuse(self, channel: Channel, denial: Denial, reply: bytes) -> None:
        """Nothing of the channel runs: SUCCESS (at FAILURE OpenSSH would exit with 255), the words, 126, EOF.

        The target gets CLOSE in the client's name; its own CLOSE goes on, and the client's is swallowed then.
        """
        self._output.ended(channel)
        told = channel.told(words.denied(denial, channel.terminal))
        number = channel.client
        end = wire.framed(wire.exit_status(number, words.REFUSED_STATUS)) + wire.framed(
            wire.simple(wire.CHANNEL_EOF, number)
        )
        channel.state = State.REFUSED
        channel.forget()
        self._to_client(channel.client_asks.own(reply + told + end))
        if not channel.client_closed:
            self._out.append(ToTarget(wire.framed(wire.simple(wire.CHANNEL_CLOSE, channel.target))))
        self._out.append(Completed(channel.operation, 0, 0, denial.decision.value))

    def _to_client(self, run: bytes) -> None:
        if run:
            self._out.append(ToClient(run))


def _is_sftp(asked: wire.Request) -> bool:
    """The subsystem, for any target: one may look at no more than the letters, and what is not SFTP then ends the
    session.  Or a command that is a server of it."""
    if asked.name == b"exec":
        return is_server(wire.read_string(asked.body, 0)[0])
    return (
        asked.name == b"subsystem" and wire.read_string(asked.body, 0)[0].partition(b"\0")[0].strip().lower() == b"sftp"
    )

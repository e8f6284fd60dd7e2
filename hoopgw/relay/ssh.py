"""The sans-IO middle of an SSH session, after both logins: runs of connection-layer messages -> effects.

Channel numbers, windows, EOF and close pass 1:1, so that flow control is end to end.  What starts something at the
target (exec, shell, subsystem, pty, env, every forward) is an `Ask` on its channel's lane; the rest of that channel
waits behind it, and no other channel does.  Allows nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from hoopgw.model.answer import Answer, Decision, Denial
from hoopgw.model.errors import ProtocolViolation, WireError
from hoopgw.model.events import Code
from hoopgw.relay import ssh_words as words
from hoopgw.relay.effects import RECORDED, Completed, Effect, Hangup, ToClient, ToTarget
from hoopgw.relay.ssh_asking import GLOBAL_LANE, MAX_ENVIRONMENT, STARTS, Asking
from hoopgw.relay.ssh_channel import Channel, State
from hoopgw.relay.ssh_channels import Channels
from hoopgw.relay.ssh_file_channel import FileChannels
from hoopgw.relay.ssh_files import Files
from hoopgw.relay.ssh_forwards import granted
from hoopgw.relay.ssh_globals import Globals
from hoopgw.relay.ssh_output import Output
from hoopgw.relay.ssh_typing import Typing, columns_of, hidden
from hoopgw.wire import sshmessages as wire

# Requests that start nothing and say nothing to the target but how a terminal or process goes on
CLIENT_PASSES = frozenset(
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
TARGET_PASSES = frozenset((b"exit-status", b"exit-signal", b"xon-xoff", b"eow@openssh.com", b"keepalive@openssh.com"))
ENDS = frozenset((b"exit-status", b"exit-signal"))


@final
class SshRelay:
    """One session.  Never raises for what a peer sends: an error of the peer ends the session by effects."""

    def __init__(self, *, session: str, policy: str, subject: str = "") -> None:
        """The target is told `session` and `subject` in each channel's environment, where it accepts them."""
        names = {b"HOOPGW_SESSION": session, b"HOOPGW_SUBJECT": subject}
        told = [wire.string(name) + wire.string(value.encode()) for name, value in names.items() if subject]
        self._session = session
        self._policy = policy
        self._gone = False
        self._reason = ""
        self._forwarded: set[str] = set()
        self._terminals = False  # there was one
        out: list[Effect] = []
        self._out = out  # of the message in hand: one list, into which all parts write
        self._asking = Asking(out)
        self._channels = Channels(out, self._asking, self._forwarded, told)
        self._by_client = self._channels.by_client
        self._by_target = self._channels.by_target
        self._globals = Globals(out, self._asking, self._forwarded)
        self._files = FileChannels(out, self._asking)
        self._output = Output(out)

    # ---- what others ask

    @property
    def in_flight(self) -> bool:
        """SSH has no cancel of its own: what runs ends with the connection."""
        return False

    @property
    def transaction_ran(self) -> bool:
        return False

    @property
    def rows_passed(self) -> int:
        return 0

    @property
    def channels(self) -> int:
        return len(self._by_client)

    def coverage(self) -> dict[str, Any]:
        """What was seen exactly, inferred, or passed opaque (docs/recording-format.md)."""
        exact = ["commands", "subsystems", "environment", "files", "forwards", "input", "output"]
        inferred = ["lines typed on terminals"] if self._terminals else []
        return {"exact": exact, "inferred": inferred, "opaque": sorted(self._forwarded)}

    def last_words(self) -> str:
        """Why the session ended; "" before that."""
        return self._reason

    # ---- from the client

    def from_client(self, data: bytes) -> list[Effect]:
        """`data` is a run of whole messages."""
        return self._taken(data, True)

    def from_target(self, data: bytes) -> list[Effect]:
        """The same of the target's."""
        return self._taken(data, False)

    def _taken(self, data: bytes, from_client: bool) -> list[Effect]:
        if self._gone:
            return []
        effects: list[Effect] = []
        try:
            self._take(data, from_client, effects)
        except WireError as error:
            effects += self._violated(str(error), from_client)
        except (IndexError, ValueError, OverflowError):  # a hostile length that compiled code stopped at
            effects += self._violated("a message that cannot be read", from_client)
        return effects

    def _take(self, run: bytes, from_client: bool, effects: list[Effect]) -> None:
        """What passes as it is goes on in as few pieces as there can be."""
        begin = here = 0
        for end in wire.message_ends(run, 0):
            number = run[here + 4]
            if number == wire.CHANNEL_DATA and self._flows(run, here + 4, end, from_client):
                here = end
                continue
            message = run[here + 4 : end]
            passes = self._client(message) if from_client else self._target(message)
            if not passes:
                _forward(run, begin, here, from_client, effects)
                effects += self._out
                self._out.clear()
                begin = end
                if self._gone:
                    return
            here = end
        if here != len(run):
            raise ProtocolViolation("a run that ends in the middle of a message")
        _forward(run, begin, here, from_client, effects)

    def _flows(self, run: bytes, start: int, end: int, from_client: bool) -> bool:
        """CHANNEL_DATA of an open channel on which nothing waits: it goes by, counted."""
        if start + 9 > end:
            return False
        size = int.from_bytes(run[start + 5 : start + 9], "big")
        number = int.from_bytes(run[start + 1 : start + 5], "big")
        channel = self._by_target.get(number) if from_client else self._by_client.get(number)
        if channel is None or channel.state is not State.OPEN or start + 9 + size != end or channel.files is not None:
            return False
        if from_client:
            if channel.asked or channel.client_closed or channel.typing is not None or size > channel.to_target:
                return False
            channel.to_target -= size
            return True
        if channel.meter is not None or channel.masks is not None or channel.typing is not None:
            return False
        if channel.target_closed or size > channel.to_client - channel.credit:
            return False
        channel.to_client -= size
        return True

    def _client(self, message: bytes) -> bool:
        """True: it may pass as it is.  Else what happens instead is in `_out`."""
        number = message[0]
        if number == wire.GLOBAL_REQUEST:
            return self._globals.from_client(message)
        if number == wire.REQUEST_SUCCESS or number == wire.REQUEST_FAILURE:
            return self._globals.answered(self._globals.target, message, to_client=False)
        if number == wire.CHANNEL_OPEN:
            return self._channels.client_opens(message)
        channel = self._by_target.get(wire.read_channel(message))
        if channel is None:
            raise ProtocolViolation(f"message {number} for a channel that is not open")
        if number == wire.CHANNEL_OPEN_CONFIRMATION or number == wire.CHANNEL_OPEN_FAILURE:
            return self._channels.client_confirms(channel, message)
        if channel.state is State.OPENING or channel.client_closed:
            raise ProtocolViolation(f"message {number} for a channel that is not open")
        if number == wire.CHANNEL_CLOSE:
            return self._client_closes(channel)
        if channel.state is State.REFUSED:  # its end is on the way to the client
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
            return False
        return self._client_goes_on(channel, message)

    def _client_goes_on(self, channel: Channel, message: bytes) -> bool:
        """What has its order in the channel: data, EOF, requests."""
        number = message[0]
        if number == wire.CHANNEL_DATA or number == wire.CHANNEL_EXTENDED_DATA:
            size = wire.data_size(message)
            if channel.files is not None and number == wire.CHANNEL_DATA:
                return self._files.data(channel, channel.files, message[9:])
            if size > channel.to_target:
                raise ProtocolViolation("more data than the window has room for")
            channel.to_target -= size
            if channel.typing is not None and number == wire.CHANNEL_DATA:
                keys = message[9:]
                channel.typing.typed(keys)
                recorded = wire.channel_data(channel.target, hidden(keys))
                self._out.append(ToTarget(wire.framed(message), wire.framed(recorded)))
                return False
            return True
        if number == wire.CHANNEL_EOF:
            return True
        if number == wire.CHANNEL_REQUEST:
            return not channel.target_closed and self._client_request(channel, message)
        raise ProtocolViolation(f"message {number} is none of the connection layer")

    # ---- requests of the client

    def _client_request(self, channel: Channel, message: bytes) -> bool:
        asked = wire.read_request(message)
        if asked.name in CLIENT_PASSES:
            if asked.wants_reply:
                channel.client_asks.expect()
            if channel.typing is not None and asked.name == b"window-change":
                channel.typing.columns = columns_of(asked.body, 0)
            return True
        operation = self._asking.operation(channel, asked)
        if operation is None:
            self._answer(channel, asked, wire.CHANNEL_FAILURE)
            return False
        self._asking.ask(channel, operation, message)
        return False

    # ---- files

    def _answer(self, channel: Channel, asked: wire.Request, number: int) -> None:
        """The gateway's own reply, in its turn."""
        if asked.wants_reply:
            self._to_client(channel.client_asks.own(wire.framed(wire.simple(number, channel.client))))

    def _to_client(self, run: bytes) -> None:
        if run:
            self._out.append(ToClient(run))

    # ---- decisions

    def decided(self, lane: int, answers: Sequence[Answer]) -> list[Effect]:
        if self._gone:
            return []
        try:
            if lane == GLOBAL_LANE:
                self._globals.decided(answers[0])
            elif lane in self._asking.waiting:
                self._channel_decided(self._asking.waiting.pop(lane), answers[0])
        except WireError as error:  # of what waited behind it
            self._out += self._violated(str(error), True)
        effects = self._drained()
        return effects

    def _channel_decided(self, channel: Channel, answer: Answer) -> None:
        message, channel.asked = channel.asked, b""
        if message[0] == wire.CHANNEL_OPEN:
            self._channels.decided(channel, message, answer)
            return
        if channel.files is not None and message[0] == wire.CHANNEL_DATA:
            self._files.decided(channel, channel.files, answer)
            self._resume(channel)
            return
        asked = wire.read_request(message)
        if answer.denial is None:
            self._allowed(channel, asked, message, answer)
        elif asked.name in STARTS:
            if asked.wants_reply:
                self._refuse(channel, answer.denial, wire.framed(wire.simple(wire.CHANNEL_SUCCESS, channel.client)))
            else:
                self._refuse(channel, answer.denial, b"")
            return
        else:
            if asked.name != b"env":  # clients send them unasked, and many: the events tell of them
                said = channel.told(words.denied(answer.denial, channel.terminal))
                self._to_client(channel.client_asks.own(said))
            self._answer(channel, asked, wire.CHANNEL_FAILURE)
        self._resume(channel)

    def _allowed(self, channel: Channel, asked: wire.Request, message: bytes, answer: Answer) -> None:
        if asked.name in STARTS:
            channel.started = True
            channel.meter = answer.meter
            if channel.typing is not None:
                channel.typing.operation = channel.operation
            if asked.name == b"subsystem" and wire.read_string(asked.body, 0)[0] == b"sftp":
                channel.files = Files()
            elif answer.masks is not None:
                self._output.mask(channel, answer.masks)
        elif asked.name == b"pty-req":
            channel.terminal = self._terminals = True
            channel.typing = Typing(columns_of(asked.body, wire.read_string(asked.body, 0, wire.MAX_NAME)[1]))
        elif asked.name == b"env":
            variable, here = wire.read_string(asked.body, 0)
            value, _ = wire.read_string(asked.body, here)
            channel.environment.append(wire.string(variable) + wire.string(value))
            if sum(map(len, channel.environment)) > MAX_ENVIRONMENT:
                raise ProtocolViolation(f"an environment of more than {MAX_ENVIRONMENT} bytes")
        else:
            self._forwarded.add(asked.name.decode())
            self._out.extend(granted(channel.operation, asked.name, asked.body))
        if asked.wants_reply:
            channel.client_asks.expect()
        self._out.append(ToTarget(wire.framed(message), RECORDED))

    def _refuse(self, channel: Channel, denial: Denial, reply: bytes) -> None:
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
        channel.taken()
        self._to_client(channel.client_asks.own(reply + told + end))
        if not channel.client_closed:
            self._out.append(ToTarget(wire.framed(wire.simple(wire.CHANNEL_CLOSE, channel.target))))
        self._out.append(Completed(channel.operation, 0, 0, denial.decision.value))

    def _resume(self, channel: Channel) -> None:
        """What waited behind the decision, up to the next one."""
        kept = channel.taken()
        for index, message in enumerate(kept):
            if channel.state is not State.OPEN:
                return
            if self._client_goes_on(channel, message):
                self._out.append(ToTarget(wire.framed(message)))
            if channel.asked:
                for later in kept[index + 1 :]:
                    channel.keep(later)
                return

    def later(self, lane: int) -> list[Effect]:
        """What of a channel's output has waited for so long that it is shown (Later)."""
        if self._gone:
            return []
        self._output.later(lane)
        return self._drained()

    def _drained(self) -> list[Effect]:
        effects = self._out[:]
        self._out.clear()
        return effects

    def holding(self, lane: int, notice: Denial) -> list[Effect]:
        """It waits for an approval.  A global request and a channel that is not open yet have nowhere to say it."""
        channel = self._asking.waiting.get(lane)
        if channel is None or channel.state is not State.OPEN:
            return []
        run = channel.told(words.waiting(notice, channel.terminal))
        return [ToClient(run)] if run else []

    # ---- masked output

    # ---- channels: open

    # ---- channels: close

    def _client_closes(self, channel: Channel) -> bool:
        channel.client_closed = True
        self._asking.withdraw(channel)
        self._closed(channel)
        if channel.state is State.REFUSED:  # the target has had one in its name
            return False
        if self._out:
            self._out.append(ToTarget(wire.framed(wire.simple(wire.CHANNEL_CLOSE, channel.target))))
            return False
        return True

    def _target_closes(self, channel: Channel) -> bool:
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
        self._closed(channel)
        return False

    def _closed(self, channel: Channel) -> None:
        successor = self._channels.closed(channel)
        if successor is None:
            return
        for each in successor.kept:
            if self._target_goes_on(successor.channel, each):
                self._to_client(wire.framed(each))

    # ---- from the target

    def _target(self, message: bytes) -> bool:
        """True: it may pass as it is.  Else what happens instead is in `_out`."""
        number = message[0]
        if number == wire.GLOBAL_REQUEST:
            return self._globals.from_target(message)
        if number == wire.REQUEST_SUCCESS or number == wire.REQUEST_FAILURE:
            return self._globals.answered(self._globals.client, message, to_client=True)
        if number == wire.CHANNEL_OPEN:
            return self._channels.target_opens(message)
        channel = self._by_client.get(wire.read_channel(message))
        if channel is None:
            raise ProtocolViolation(f"message {number} for a channel that is not open")
        if number == wire.CHANNEL_OPEN_CONFIRMATION or number == wire.CHANNEL_OPEN_FAILURE:
            return self._channels.target_confirms(channel, message)
        if channel.state is State.OPENING or channel.target_closed:
            raise ProtocolViolation(f"message {number} for a channel that is not open")
        if channel.state is State.WITHHELD:
            waiting = self._by_target[channel.target].successor
            assert waiting is not None
            waiting.keep(message)
            return False
        return self._target_goes_on(channel, message)

    def _target_goes_on(self, channel: Channel, message: bytes) -> bool:
        number = message[0]
        if number == wire.CHANNEL_SUCCESS or number == wire.CHANNEL_FAILURE:
            return self._globals.answered(channel.client_asks, message, to_client=True)
        if number == wire.CHANNEL_CLOSE:
            return self._target_closes(channel)
        if channel.state is State.REFUSED:
            return False
        if number == wire.CHANNEL_DATA or number == wire.CHANNEL_EXTENDED_DATA:
            if not self._target_data(channel, wire.data_size(message)):
                return False
            if channel.files is not None and number == wire.CHANNEL_DATA:
                return self._files.answer(channel, channel.files, message[9:])
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
        passes = number == wire.CHANNEL_EOF or self._target_request(channel, message)
        if passes and self._out:
            self._to_client(wire.framed(message))
            return False
        return passes

    def _target_data(self, channel: Channel, size: int) -> bool:
        meter = channel.meter
        if meter is not None and not meter.take_bytes(size):
            self._refuse(channel, self._over(meter.exceeded), b"")
            return False
        if size > channel.to_client - channel.credit:
            raise ProtocolViolation("more data than the window has room for")
        channel.to_client -= size
        return True

    def _over(self, bound: Any) -> Denial:
        reason = f"the output is cut: {bound.name}" if bound is not None else "the output is cut"
        rule = (bound.guardrail,) if bound is not None else ()
        return Denial(Decision.OVER_BUDGET, reason, rule, session=self._session, policy=self._policy)

    def _target_request(self, channel: Channel, message: bytes) -> bool:
        asked = wire.read_request(message)
        if asked.name in TARGET_PASSES:
            if asked.wants_reply:
                channel.target_asks.expect()
            return True
        if asked.wants_reply:
            run = channel.target_asks.own(wire.framed(wire.simple(wire.CHANNEL_FAILURE, channel.target)))
            if run:
                self._out.append(ToTarget(run))
        return False

    # ---- global requests

    # ---- ends

    def target_gone(self, reason: str) -> list[Effect]:
        """The target closed.  Where nothing was open that is how OpenSSH's server ends a connection."""
        code = Code.TARGET_UNAVAILABLE if self._by_client else Code.SESSION_CLOSED
        return self._end(code, f"the target closed the connection: {reason}", None)

    def ended(self, reason: str, code: Code, denial: Denial | None) -> list[Effect]:
        """The gateway ends the session."""
        return self._end(code, reason, denial)

    def _violated(self, reason: str, from_client: bool) -> list[Effect]:
        side = "client" if from_client else "target"
        self._out.clear()
        return self._end(Code.PROTOCOL_VIOLATED, f"the {side} sent {reason}", None)

    def _end(self, code: Code, reason: str, denial: Denial | None) -> list[Effect]:
        if self._gone:
            return []
        self._gone = True
        self._reason = reason
        for channel in self._by_client.values():
            self._output.ended(channel)
        effects = self._drained()
        for channel in self._by_client.values():
            if channel.state is State.OPEN and channel.reserve:
                run = channel.told(words.ended(reason, denial, channel.terminal))
                if run:
                    effects.append(ToClient(run))
        effects.append(Hangup(code, reason))
        return effects


def _forward(run: bytes, begin: int, end: int, from_client: bool, effects: list[Effect]) -> None:
    if begin < end:
        data = run if begin == 0 and end == len(run) else run[begin:end]
        effects.append(ToTarget(data) if from_client else ToClient(data))

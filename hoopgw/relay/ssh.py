"""The sans-IO middle of an SSH session, after both logins: runs of connection-layer messages -> effects.

Channel numbers, windows, EOF and close pass 1:1, so that flow control is end to end.  What starts something at the
target (exec, shell, subsystem, pty, env, every forward) is an `Ask` on its channel's lane; the rest of that channel
waits behind it, and no other channel does.  Allows nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, final

from hoopgw.model.answer import Answer, Decision, Denial
from hoopgw.model.errors import ProtocolViolation, WireError
from hoopgw.model.events import Code
from hoopgw.model.operation import ENV, EXEC, FILE, FORWARD, PTY, SHELL, SUBSYSTEM, Operation
from hoopgw.relay import ssh_forwards as forwards
from hoopgw.relay import ssh_words as words
from hoopgw.relay.effects import RECORDED, Ask, Completed, Effect, Hangup, Later, ToClient, ToTarget, Withdraw
from hoopgw.relay.ssh_channel import Channel, State, Successor
from hoopgw.relay.ssh_files import Files
from hoopgw.relay.ssh_masks import DELAY, ChannelMasks
from hoopgw.relay.ssh_replies import Replies
from hoopgw.relay.ssh_typing import Typing, columns_of, hidden
from hoopgw.wire import sftp
from hoopgw.wire import sshmessages as wire
from hoopgw.wire.sftppaths import described

GLOBAL_LANE = 0
MAX_CHANNELS = 256  # open ones of one connection: OpenSSH's own MaxSessions is 10, and forwards come beside them
MAX_GLOBALS = 64  # global requests that wait behind a decision
MAX_ENVIRONMENT = 64 * 1024  # bytes of names and values of one channel
MAX_COMMAND = 128 * 1024  # bytes of a command line: Linux passes no longer word to a shell (MAX_ARG_STRLEN)

STARTS = {b"exec": EXEC, b"shell": SHELL, b"subsystem": SUBSYSTEM}
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
CLIENT_GLOBALS = frozenset((b"keepalive@openssh.com", b"no-more-sessions@openssh.com"))
TARGET_GLOBALS = frozenset((b"keepalive@openssh.com",))


@final
class SshRelay:
    """One session.  Never raises for what a peer sends: an error of the peer ends the session by effects."""

    def __init__(self, *, session: str, policy: str, subject: str = "") -> None:
        """The target is told `session` and `subject` in each channel's environment, where it accepts them."""
        told = {b"HOOPGW_SESSION": session, b"HOOPGW_SUBJECT": subject}
        self._told = [wire.string(name) + wire.string(value.encode()) for name, value in told.items() if subject]
        self._session = session
        self._policy = policy
        self._by_client: dict[int, Channel] = {}  # what the target calls a channel by: the client's number
        self._by_target: dict[int, Channel] = {}  # what the client calls it by
        self._asking: dict[int, Channel] = {}  # by lane: waits for a decision
        self._masked: dict[int, Channel] = {}  # by lane: whose output is
        self._lanes = GLOBAL_LANE
        self._operations = 0
        self._client_globals = Replies()
        self._target_globals = Replies()
        self._global_asked = b""
        self._globals: list[bytes] = []  # behind it
        self._out: list[Effect] = []  # of the message in hand
        self._gone = False
        self._reason = ""
        self._forwarded: set[str] = set()
        self._terminals = False  # there was one

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
                self._out = []
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
            return self._client_global(message)
        if number == wire.REQUEST_SUCCESS or number == wire.REQUEST_FAILURE:
            return self._reply(self._target_globals, message, to_client=False)
        if number == wire.CHANNEL_OPEN:
            return self._client_opens(message)
        channel = self._by_target.get(wire.read_channel(message))
        if channel is None:
            raise ProtocolViolation(f"message {number} for a channel that is not open")
        if number == wire.CHANNEL_OPEN_CONFIRMATION or number == wire.CHANNEL_OPEN_FAILURE:
            return self._client_confirms(channel, message)
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
            return self._reply(channel.target_asks, message, to_client=False)
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
                return self._file_data(channel, channel.files, message[9:])
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
        operation = self._operation(channel, asked)
        if operation is None:
            self._answer(channel, asked, wire.CHANNEL_FAILURE)
            return False
        self._ask(channel, operation, message)
        return False

    def _operation(self, channel: Channel, asked: wire.Request) -> Operation | None:
        """What is judged; None for what nobody knows, or a channel cannot have: one start for each (RFC 4254, 6.5)."""
        name, body = asked.name, asked.body
        if name in forwards.REQUESTS:
            return self._numbered(FORWARD, forwards.described(name, body), name)
        if name == b"env":
            variable, here = wire.read_string(body, 0, MAX_ENVIRONMENT)
            value, _ = wire.read_string(body, here, MAX_ENVIRONMENT)
            return self._numbered(ENV, variable + b"=" + value, variable)
        if channel.started or channel.opaque:
            return None
        if name == b"pty-req":
            kind, _ = wire.read_string(body, 0, wire.MAX_NAME)
            return self._numbered(PTY, kind, b"")
        if name not in STARTS:
            return None
        text = b"" if name == b"shell" else wire.read_string(body, 0, MAX_COMMAND)[0]
        return self._numbered(STARTS[name], text, b"", b"".join(channel.environment))

    def _numbered(self, kind: str, text: bytes, name: bytes, parameters: bytes = b"") -> Operation:
        self._operations += 1
        return Operation("ssh", kind, text, name, parameters, self._operations)

    def _ask(self, channel: Channel, operation: Operation, message: bytes) -> None:
        channel.asked = message
        channel.operation = operation.number
        self._asking[channel.lane] = channel
        self._out.append(_asked(channel.lane, operation, message))

    # ---- files

    def _file_data(self, channel: Channel, files: Files, data: bytes) -> bool:
        """Data of the client on an SFTP channel, up to the first request that has to be asked about."""
        passed, rest = files.client(data)
        if files.request is None and passed == data:
            channel.to_target -= len(data)
            return True
        self._to_target(channel, passed)
        channel.owed += files.injected
        files.injected = 0
        request = files.request
        if request is not None:
            text = described(request)
            operation = self._numbered(FILE, text, request.action.encode(), files.packet[sftp.HEADER :])
            self._ask(channel, operation, wire.channel_data(channel.target, files.packet))
            if rest:
                channel.keep(wire.channel_data(channel.target, rest))
        return False

    def _to_target(self, channel: Channel, data: bytes) -> None:
        """Data in messages that the target takes."""
        channel.to_target -= len(data)
        step = max(1, channel.target_packet)
        for start in range(0, len(data), step):
            piece = wire.channel_data(channel.target, data[start : start + step])
            self._out.append(ToTarget(wire.framed(piece)))

    def _file_decided(self, channel: Channel, files: Files, answer: Answer) -> None:
        """Denied: less goes to the target than the client has sent, and so the client's window grows by the rest."""
        size = len(files.packet)
        if answer.denial is None:
            channel.to_target -= size
            self._out.append(ToTarget(wire.framed(wire.channel_data(channel.target, files.allowed())), RECORDED))
            return
        told = words.denied(answer.denial, channel.terminal)
        if len(told) <= channel.credit // 2:  # OpenSSH's sftp shows no words of a STATUS
            self._to_client(channel.told(told))
        instead = files.denied(words.reason(answer.denial))
        self._to_target(channel, instead)
        if size > len(instead):
            self._to_client(wire.framed(wire.adjust(channel.client, size - len(instead))))
        self._out.append(Completed(channel.operation, 0, 0, answer.denial.decision.value))

    def _file_answer(self, channel: Channel, files: Files, data: bytes) -> bool:
        shown = files.target(data, channel.credit)
        if files.swallowed:
            channel.to_client += files.swallowed
            self._out.append(ToTarget(wire.framed(wire.adjust(channel.target, files.swallowed))))
            files.swallowed = 0
        channel.grown(files.grown)
        files.grown = 0
        if shown is not None:
            step = max(1, channel.packet)
            for start in range(0, len(shown), step):
                self._to_client(wire.framed(wire.channel_data(channel.client, shown[start : start + step])))
        elif files.happened:
            self._to_client(wire.framed(wire.channel_data(channel.client, data)))
        self._happened(files)
        if files.stalled and not channel.asked:
            self._file_data(channel, files, b"")
        return shown is None and not self._out

    def _happened(self, files: Files) -> None:
        self._out += files.happened
        files.happened = []

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
                self._global_decided(answers[0])
            elif lane in self._asking:
                self._channel_decided(self._asking.pop(lane), answers[0])
        except WireError as error:  # of what waited behind it
            self._out += self._violated(str(error), True)
        effects, self._out = self._out, []
        return effects

    def _channel_decided(self, channel: Channel, answer: Answer) -> None:
        message, channel.asked = channel.asked, b""
        if message[0] == wire.CHANNEL_OPEN:
            self._open_decided(channel, message, answer)
            return
        if channel.files is not None and message[0] == wire.CHANNEL_DATA:
            self._file_decided(channel, channel.files, answer)
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
                masks = ChannelMasks(answer.masks, channel.client, channel.packet, channel.operation)
                channel.masks = masks
                self._masked[channel.lane] = channel
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
        if asked.wants_reply:
            channel.client_asks.expect()
        self._out.append(ToTarget(wire.framed(message), RECORDED))

    def _refuse(self, channel: Channel, denial: Denial, reply: bytes) -> None:
        """Nothing of the channel runs: SUCCESS (at FAILURE OpenSSH would exit with 255), the words, 126, EOF.

        The target gets CLOSE in the client's name; its own CLOSE goes on, and the client's is swallowed then.
        """
        self._unmask(channel)
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

    def holding(self, lane: int, notice: Denial) -> list[Effect]:
        """It waits for an approval.  A global request and a channel that is not open yet have nowhere to say it."""
        channel = self._asking.get(lane)
        if channel is None or channel.state is not State.OPEN:
            return []
        run = channel.told(words.waiting(notice, channel.terminal))
        return [ToClient(run)] if run else []

    # ---- masked output

    def later(self, lane: int) -> list[Effect]:
        """What of a channel's output has waited for so long that it is shown (Later)."""
        channel = self._masked.get(lane)
        if channel is None or channel.masks is None or self._gone:
            return []
        self._shown(channel, channel.masks.due())
        if channel.masks.times():
            self._out.append(Later(lane, DELAY))
        effects, self._out = self._out, []
        return effects

    def _shown(self, channel: Channel, output: list[ToClient]) -> None:
        """What was masked goes on, and is followed as any output of a terminal."""
        self._out += output
        if channel.typing is not None:
            for each in output:
                if each.data[4] == wire.CHANNEL_DATA:
                    self._out += channel.typing.shown(each.data[13:])

    def _followed(self, channel: Channel, typing: Typing, message: bytes) -> bool:
        """Output of a terminal.  What was typed is told behind it."""
        lines = typing.shown(message[9:])
        if not lines:
            return True
        self._to_client(wire.framed(message))
        self._out += lines
        return False

    def _masked_output(self, channel: Channel, masks: ChannelMasks, message: bytes) -> bool:
        given = masks.output(message)
        if given is None:
            if channel.typing is None or message[0] != wire.CHANNEL_DATA:
                return True
            return self._followed(channel, channel.typing, message)
        self._shown(channel, given)
        if masks.times():
            self._out.append(Later(channel.lane, DELAY))
        return False

    def _unmask(self, channel: Channel) -> None:
        """There is no more output: what waits goes on, and how much was masked is noted."""
        masks, channel.masks = channel.masks, None
        if masks is not None:
            del self._masked[channel.lane]
            self._shown(channel, masks.released(True))
            if masks.masked:
                self._out.append(Completed(masks.operation, 0, masks.masked))

    # ---- channels: open

    def _new_channel(self, client: int, target: int) -> Channel:
        self._lanes += 1
        return Channel(self._lanes, client, target)

    def _client_opens(self, message: bytes) -> bool:
        opening = wire.read_open(message)
        if opening.sender in self._by_client:
            raise ProtocolViolation("a channel number that is in use")
        if opening.packet == 0:
            return self._open_failed(opening.sender, b"a maximum packet size of 0")
        if len(self._by_client) >= MAX_CHANNELS:
            return self._open_failed(opening.sender, b"too many channels")
        channel = self._new_channel(opening.sender, -1)
        if opening.kind == b"session":
            self._by_client[channel.client] = channel
            window = channel.grant(opening.window, opening.packet)
            smaller = wire.ChannelOpen(opening.kind, opening.sender, window, opening.packet, opening.rest)
            self._out.append(ToTarget(wire.framed(smaller.encoded())))
            return False
        channel.to_client, channel.packet = opening.window, opening.packet
        channel.opaque = opening.kind.decode()
        text = forwards.described(opening.kind, opening.rest)
        self._by_client[channel.client] = channel
        self._ask(channel, self._numbered(FORWARD, text, opening.kind), message)
        return False

    def _open_failed(self, client: int, reason: bytes) -> bool:
        self._to_client(wire.framed(wire.open_failure(client, wire.PROHIBITED, reason)))
        return False

    def _open_decided(self, channel: Channel, message: bytes, answer: Answer) -> None:
        by_client = channel.target < 0
        if answer.denial is None:
            self._forwarded.add(channel.opaque)
            channel.meter = answer.meter
            if by_client:
                self._out.append(ToTarget(wire.framed(message), RECORDED))
            else:
                self._out.append(ToClient(wire.framed(message), RECORDED))
            return
        reason = answer.denial.reason.encode("ascii", "backslashreplace")[: words.MAX_WORDS]
        if by_client:
            self._by_client.pop(channel.client, None)
            self._open_failed(channel.client, reason)
        else:
            self._by_target.pop(channel.target, None)
            refusal = wire.open_failure(channel.target, wire.PROHIBITED, b"not granted")
            self._out.append(ToTarget(wire.framed(refusal)))

    def _target_opens(self, message: bytes) -> bool:
        """The target wants something forwarded to the client: asked like any other forward."""
        opening = wire.read_open(message)
        if opening.sender in self._by_target or len(self._by_target) >= MAX_CHANNELS or opening.packet == 0:
            refusal = wire.open_failure(opening.sender, wire.PROHIBITED, b"not now")
            self._out.append(ToTarget(wire.framed(refusal)))
            return False
        channel = self._new_channel(-1, opening.sender)
        channel.to_target, channel.opaque = opening.window, opening.kind.decode()
        self._by_target[channel.target] = channel
        text = forwards.described(opening.kind, opening.rest)
        self._ask(channel, self._numbered(FORWARD, text, opening.kind), message)
        return False

    def _target_confirms(self, channel: Channel, message: bytes) -> bool:
        if channel.state is not State.OPENING or channel.target >= 0 or channel.asked:
            raise ProtocolViolation("a confirmation of a channel that was not asked for")
        if message[0] == wire.CHANNEL_OPEN_FAILURE:
            del self._by_client[channel.client]
            return True
        _, target, window, packet = wire.read_confirmation(message)
        if packet == 0:
            raise ProtocolViolation("a maximum packet size of 0")
        before = self._by_target.get(target)
        if before is not None and not (before.state is State.REFUSED and before.target_closed):
            raise ProtocolViolation("a channel number that is in use")
        channel.target, channel.to_target, channel.state = target, window, State.OPEN
        channel.target_packet = packet
        for variable in () if channel.opaque else self._told:  # no reply is asked for: none comes between the client's
            self._out.append(ToTarget(wire.framed(wire.request(target, b"env", False, variable))))
        if before is None:
            self._by_target[target] = channel
            self._to_client(wire.framed(message))
            return False
        channel.state = State.WITHHELD
        before.successor = Successor(channel, message)
        return False

    def _client_confirms(self, channel: Channel, message: bytes) -> bool:
        """Of a channel that the target opened."""
        if channel.state is not State.OPENING or channel.client >= 0 or channel.asked:
            raise ProtocolViolation("a confirmation of a channel that was not asked for")
        if message[0] == wire.CHANNEL_OPEN_FAILURE:
            del self._by_target[channel.target]
            return True
        _, client, window, packet = wire.read_confirmation(message)
        if client in self._by_client or packet == 0:
            raise ProtocolViolation("a channel number that is in use, or a maximum packet size of 0")
        channel.client, channel.to_client, channel.packet = client, window, packet
        channel.state = State.OPEN
        self._by_client[client] = channel
        return True

    # ---- channels: close

    def _client_closes(self, channel: Channel) -> bool:
        channel.client_closed = True
        self._withdraw(channel)
        self._forget_closed(channel)
        if channel.state is State.REFUSED:  # the target has had one in its name
            return False
        if self._out:
            self._out.append(ToTarget(wire.framed(wire.simple(wire.CHANNEL_CLOSE, channel.target))))
            return False
        return True

    def _withdraw(self, channel: Channel) -> None:
        """What waits for a decision will never run."""
        if channel.asked:
            del self._asking[channel.lane]
            channel.asked = b""
            channel.taken()
            self._out.append(Withdraw(channel.lane))

    def _target_closes(self, channel: Channel) -> bool:
        channel.target_closed = True
        self._withdraw(channel)
        self._unmask(channel)
        if channel.typing is not None:
            self._out += channel.typing.ended()
        if channel.files is not None:
            channel.files.ended()
            self._happened(channel.files)
        self._to_client(channel.client_asks.ended())
        self._to_client(wire.framed(wire.simple(wire.CHANNEL_CLOSE, channel.client)))
        self._forget_closed(channel)
        return False

    def _forget_closed(self, channel: Channel) -> None:
        """A number is free once both sides have closed (RFC 4254, 5.3): as each of them sees it."""
        if not (channel.client_closed and channel.target_closed):
            return
        if self._by_client.get(channel.client) is channel:
            del self._by_client[channel.client]
        if self._by_target.get(channel.target) is channel:
            del self._by_target[channel.target]
        waiting = channel.successor
        if waiting is not None:
            channel.successor = None
            waiting.channel.state = State.OPEN
            self._by_target[waiting.channel.target] = waiting.channel
            self._to_client(wire.framed(waiting.confirmation))
            for each in waiting.kept:
                if self._target_goes_on(waiting.channel, each):
                    self._to_client(wire.framed(each))

    # ---- from the target

    def _target(self, message: bytes) -> bool:
        """True: it may pass as it is.  Else what happens instead is in `_out`."""
        number = message[0]
        if number == wire.GLOBAL_REQUEST:
            return self._target_global(message)
        if number == wire.REQUEST_SUCCESS or number == wire.REQUEST_FAILURE:
            return self._reply(self._client_globals, message, to_client=True)
        if number == wire.CHANNEL_OPEN:
            return self._target_opens(message)
        channel = self._by_client.get(wire.read_channel(message))
        if channel is None:
            raise ProtocolViolation(f"message {number} for a channel that is not open")
        if number == wire.CHANNEL_OPEN_CONFIRMATION or number == wire.CHANNEL_OPEN_FAILURE:
            return self._target_confirms(channel, message)
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
            return self._reply(channel.client_asks, message, to_client=True)
        if number == wire.CHANNEL_CLOSE:
            return self._target_closes(channel)
        if channel.state is State.REFUSED:
            return False
        if number == wire.CHANNEL_DATA or number == wire.CHANNEL_EXTENDED_DATA:
            if not self._target_data(channel, wire.data_size(message)):
                return False
            if channel.files is not None and number == wire.CHANNEL_DATA:
                return self._file_answer(channel, channel.files, message[9:])
            if channel.masks is not None:
                return self._masked_output(channel, channel.masks, message)
            if channel.typing is not None and number == wire.CHANNEL_DATA:
                return self._followed(channel, channel.typing, message)
            return True
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
            self._shown(channel, channel.masks.released(True))
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

    def _client_global(self, message: bytes) -> bool:
        if self._global_asked:
            if len(self._globals) >= MAX_GLOBALS:
                raise ProtocolViolation(f"more than {MAX_GLOBALS} global requests wait")
            self._globals.append(message)
            return False
        asked = wire.read_request(message)
        if asked.name in CLIENT_GLOBALS:
            if asked.wants_reply:
                self._client_globals.expect()
            return True
        if asked.name in forwards.GLOBALS:
            self._global_asked = message
            text = forwards.described(asked.name, asked.body)
            self._out.append(_asked(GLOBAL_LANE, self._numbered(FORWARD, text, asked.name), message))
            return False
        if asked.wants_reply:
            self._to_client(self._client_globals.own(wire.framed(bytes((wire.REQUEST_FAILURE,)))))
        return False

    def _global_decided(self, answer: Answer) -> None:
        message, self._global_asked = self._global_asked, b""
        asked = wire.read_request(message)
        if answer.denial is None:
            self._forwarded.add(asked.name.decode())
            if asked.wants_reply:
                self._client_globals.expect()
            self._out.append(ToTarget(wire.framed(message), RECORDED))
        elif asked.wants_reply:
            self._to_client(self._client_globals.own(wire.framed(bytes((wire.REQUEST_FAILURE,)))))
        waiting, self._globals = self._globals, []
        for index, later in enumerate(waiting):
            if self._client_global(later):
                self._out.append(ToTarget(wire.framed(later)))
            if self._global_asked:
                self._globals = waiting[index + 1 :]
                return

    def _target_global(self, message: bytes) -> bool:
        """The target's host keys are none of the gateway's: a client would take them for its own (hostkeys-00)."""
        asked = wire.read_request(message)
        if asked.name in TARGET_GLOBALS:
            if asked.wants_reply:
                self._target_globals.expect()
            return True
        if asked.wants_reply:
            run = self._target_globals.own(wire.framed(bytes((wire.REQUEST_FAILURE,))))
            if run:
                self._out.append(ToTarget(run))
        return False

    def _reply(self, replies: Replies, message: bytes, *, to_client: bool) -> bool:
        """The peer's reply, and what of the gateway's own was waiting behind it."""
        own = replies.answered()
        if not own:
            return True
        run = wire.framed(message) + own
        self._out.append(ToClient(run) if to_client else ToTarget(run))
        return False

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
        self._out = []
        return self._end(Code.PROTOCOL_VIOLATED, f"the {side} sent {reason}", None)

    def _end(self, code: Code, reason: str, denial: Denial | None) -> list[Effect]:
        if self._gone:
            return []
        self._gone = True
        self._reason = reason
        for channel in self._by_client.values():
            self._unmask(channel)
        effects, self._out = self._out, []
        for channel in self._by_client.values():
            if channel.state is State.OPEN and channel.reserve:
                run = channel.told(words.ended(reason, denial, channel.terminal))
                if run:
                    effects.append(ToClient(run))
        effects.append(Hangup(code, reason))
        return effects


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


def _forward(run: bytes, begin: int, end: int, from_client: bool, effects: list[Effect]) -> None:
    if begin < end:
        data = run if begin == 0 and end == len(run) else run[begin:end]
        effects.append(ToTarget(data) if from_client else ToClient(data))

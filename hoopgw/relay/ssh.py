"""The sans-IO middle of an SSH session, after both logins: runs of connection-layer messages -> effects.

Channel numbers, windows, EOF and close pass 1:1, so that flow control is end to end.  What starts something at the
target (exec, shell, subsystem, pty, env, every forward) is an `Ask` on its channel's lane; the rest of that channel
waits behind it, and no other channel does.  Allows nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, final

from hoopgw.model.answer import Answer, Denial
from hoopgw.model.errors import ProtocolViolation, WireError
from hoopgw.model.events import Code
from hoopgw.relay import ssh_words as words
from hoopgw.relay.effects import Effect, Hangup, ToClient, ToTarget
from hoopgw.relay.relay import Relay
from hoopgw.relay.ssh_asking import GLOBAL_LANE, Asking
from hoopgw.relay.ssh_channel import Channel, State
from hoopgw.relay.ssh_channels import Channels
from hoopgw.relay.ssh_file_channel import FileChannels
from hoopgw.relay.ssh_from_client import FromClient
from hoopgw.relay.ssh_from_target import FromTarget
from hoopgw.relay.ssh_globals import Globals
from hoopgw.relay.ssh_output import Output
from hoopgw.relay.ssh_starts import Starts
from hoopgw.wire import sshmessages as wire

_OPEN: Final = State.OPEN  # a lookup in an Enum is a call
# Whoever began it may not go on with it; at other ends it is left to the target, as where a connection is lost
_TAKEN: Final = frozenset((Code.SESSION_KILLED, Code.SESSION_STOPPED, Code.SESSION_EXPIRED, Code.SESSION_REVOKED))


@final
class SshRelay(Relay):
    """One session.  Never raises for what a peer sends: an error of the peer ends the session by effects."""

    def __init__(self, *, session: str, policy: str, subject: str = "") -> None:
        """The target is told `session` and `subject` in each channel's environment, where it accepts them."""
        names = {b"HOOPGW_SESSION": session, b"HOOPGW_SUBJECT": subject}
        told = [wire.string(name) + wire.string(value.encode()) for name, value in names.items() if subject]
        self._gone = False
        self._reason = ""
        self._forwarded: set[str] = set()
        out: list[Effect] = []
        self._out = out  # of the message in hand: one list, into which all parts write
        self._asking = Asking(out)
        self._channels = Channels(out, self._asking, self._forwarded, told)
        self._by_client = self._channels.by_client
        self._by_target = self._channels.by_target
        self._globals = Globals(out, self._asking, self._forwarded)
        self._output = Output(out)
        self._starts = Starts(out, self._output, self._forwarded)
        files = FileChannels(out, self._asking)
        self._from_target = FromTarget(
            out, self._asking, self._channels, self._globals, files, self._output, self._starts, session, policy
        )
        self._from_client = FromClient(
            out, self._asking, self._channels, self._globals, files, self._starts, self._from_target
        )

    # ---- what others ask

    @property
    def in_flight(self) -> bool:
        """SSH has no cancel beside the connection: what runs is ended on its channels (`_end`)."""
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
        inferred = ["lines typed on terminals"] if self._starts.terminals else []
        return {"exact": exact, "inferred": inferred, "opaque": sorted(self._forwarded)}

    def last_words(self) -> str:
        """Why the session ended; "" before that."""
        return self._reason

    # ---- from both sides

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
            passes = self._from_client.message(message) if from_client else self._from_target.message(message)
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
        size = wire.read_u32(run, start + 5)
        number = wire.read_u32(run, start + 1)
        channel = self._by_target.get(number) if from_client else self._by_client.get(number)
        if channel is None or channel.state is not _OPEN or start + 9 + size != end or channel.files is not None:
            return False
        if from_client:
            if channel.asked or channel.client_closed or channel.typing is not None or size > channel.to_target:
                return False
            if not (channel.started or channel.opaque):
                return False
            channel.to_target -= size
            return True
        if channel.meter is not None or channel.masks is not None or channel.typing is not None:
            return False
        if channel.agent is not None:
            return False
        if channel.target_closed or size > channel.to_client - channel.credit:
            return False
        channel.to_client -= size
        return True

    # ---- decisions

    def decided(self, lane: int, answers: Sequence[Answer]) -> list[Effect]:
        if self._gone:
            return []
        try:
            if lane == GLOBAL_LANE:
                self._globals.decided(answers[0])
            elif lane in self._asking.waiting:
                self._from_client.decided(self._asking.waiting.pop(lane), answers[0])
        except WireError as error:  # of what waited behind it
            return self._violated(str(error), True)
        except (IndexError, ValueError, OverflowError):
            return self._violated("a message that cannot be read", True)
        return self._drained()

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
        if channel is None or channel.state is not _OPEN:
            return []
        run = channel.told(words.waiting(notice, channel.terminal))
        return [ToClient(run)] if run else []

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
            if channel.state is _OPEN and channel.reserve:
                run = channel.told(words.ended(reason, denial, channel.terminal))
                if run:
                    effects.append(ToClient(run))
        if code in _TAKEN:
            effects += [ToTarget(run) for run in map(_killed, self._by_client.values()) if run]
        effects.append(Hangup(code, reason))
        return effects


def _killed(channel: Channel) -> bytes:
    """A signal for what runs there, as a run; b"" where nothing does.  Without a terminal it would outlive the
    connection: `sleep 9999` writes nothing.  A server of SFTP ends with its input."""
    closed = channel.client_closed or channel.target_closed
    if channel.state is not _OPEN or closed or not channel.started or channel.files is not None:
        return b""
    return wire.framed(wire.request(channel.target, b"signal", False, wire.string(b"KILL")))


def _forward(run: bytes, begin: int, end: int, from_client: bool, effects: list[Effect]) -> None:
    if begin < end:
        data = run if begin == 0 and end == len(run) else run[begin:end]
        effects.append(ToTarget(data) if from_client else ToClient(data))

"""One SSH channel between a client and a target: its numbers, windows, replies, and what of it waits.

The true window of the client is always what the target believes it to be plus `credit`: the gateway speaks from that
reserve and from nothing else, so the target never sends more than the client has room for.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final, final

from hoopgw.model.answer import Meter
from hoopgw.model.errors import ProtocolViolation
from hoopgw.relay.ssh_files import Files
from hoopgw.relay.ssh_masks import ChannelMasks
from hoopgw.relay.ssh_replies import Replies
from hoopgw.relay.ssh_typing import Typing
from hoopgw.wire import sshmessages as wire
from hoopgw.wire.sshagent import AgentRequests

RESERVE: Final = 8 * 1024  # bytes of the client's window kept for the gateway's own lines: a notice and a refusal fit
MAX_REQUESTS: Final = 256  # of one channel that wait behind a decision: a client sends all its variables at once
MAX_KEPT_REQUESTS: Final = 256 * 1024  # bytes of them: the longest command, and all variables
KEPT_MESSAGE: Final = 256  # bytes that each message counts for besides its data: one may have none at all
MAX_EARLY: Final = 64 * 1024  # bytes for a channel that its client does not know yet: the target has nothing to say


class State(Enum):
    OPENING = 0
    OPEN = 1
    REFUSED = 2  # the gateway has ended it: nothing of it passes any more but the target's CLOSE
    WITHHELD = 3  # open at the target; the client learns of it when it has let go of the number (Successor)


@final
class Channel:
    """`lane` is unique in the session; `client` and `target` are the numbers by which the two sides call it."""

    __slots__ = (
        "lane", "client", "target", "state", "packet", "reserve", "credit", "to_client", "to_target", "terminal",
        "started", "environment", "client_asks", "target_asks", "asked", "operation", "kept", "kept_data",
        "kept_requests", "kept_size", "variables", "meter", "client_closed", "target_closed", "successor", "opaque",
        "files", "target_packet", "owed", "masks", "typing", "agent",
    )  # fmt: skip

    def __init__(self, lane: int, client: int, target: int) -> None:
        self.lane = lane
        self.client = client
        self.target = target
        self.state = State.OPENING
        self.packet = 0  # the largest payload of data that the client takes
        self.reserve = 0
        self.credit = 0  # what the gateway may still send to the client
        self.to_client = 0  # what the client has granted and nobody has used
        self.to_target = 0  # the same of the target
        self.terminal = False
        self.started = False  # a shell, command or subsystem was asked for
        self.variables = 0  # how many of those
        self.environment: list[bytes] = []  # names and values that the target was given, as SSH strings
        self.client_asks = Replies()  # the client's requests
        self.target_asks = Replies()
        self.asked = b""  # the message that waits for a decision; b"": none
        self.operation = 0  # its number
        self.kept: deque[bytes] = deque()  # messages of the client behind it
        self.kept_data = 0
        self.kept_requests = 0
        self.kept_size = 0  # bytes of those
        self.meter: Meter | None = None
        self.client_closed = False
        self.target_closed = False
        # The target may use its number anew while the client has not closed: that channel waits here
        self.successor: Successor | None = None
        self.files: Files | None = None  # of the subsystem sftp
        self.target_packet = 0  # the largest payload of data that the target takes
        self.owed = 0  # bytes of the target's window that the gateway has used: its next adjusts pay for them
        self.masks: ChannelMasks | None = None
        self.typing: Typing | None = None  # of a terminal
        self.agent: AgentRequests | None = None  # of a forwarded agent
        self.opaque = ""  # what it forwards, where it is a forward

    def grant(self, window: int, packet: int) -> int:
        """The client opens its window: the part of it that the target may know."""
        self.to_client = window
        self.packet = packet
        self.reserve = self.credit = min(RESERVE, window // 2)
        return window - self.reserve

    def adjusted(self, size: int) -> int:
        """The client grants more: what of it is the target's.  Raises ProtocolViolation past 2^32 - 1."""
        if self.to_client + size > wire.MAX_WINDOW:
            raise ProtocolViolation("a window that grows past 2^32 - 1")
        self.to_client += size
        repaid = min(size, self.reserve - self.credit)
        self.credit += repaid
        return size - repaid

    def target_adjusted(self, size: int) -> int:
        """The target grants more: what of it is the client's."""
        if self.to_target + size > wire.MAX_WINDOW:
            raise ProtocolViolation("a window that grows past 2^32 - 1")
        self.to_target += size
        paid = min(size, self.owed)
        self.owed -= paid
        return size - paid

    def told(self, words: bytes) -> bytes:
        """A run that says `words` on stderr: as much of them as the credit has room for."""
        room = min(len(words), self.credit)
        self.credit -= room
        self.to_client -= room
        pieces: list[bytes] = []
        step = max(1, self.packet)
        for start in range(0, room, step):
            piece = words[start : min(start + step, room)]
            pieces.append(wire.framed(wire.stderr(self.client, piece)))
        return b"".join(pieces)

    def grown(self, size: int) -> None:
        """The gateway adds bytes to what the target sends: they come from its credit."""
        self.credit -= size
        self.to_client -= size

    def keep(self, message: bytes) -> None:
        """Behind the decision.  Raises ProtocolViolation beyond the window that the target gave, or MAX_REQUESTS."""
        self._count(message, 1)
        if self.kept_data > self.to_target:
            raise ProtocolViolation("more data than the window has room for")
        if self.kept_requests > MAX_REQUESTS or self.kept_size > MAX_KEPT_REQUESTS:
            raise ProtocolViolation(f"more than {MAX_REQUESTS} requests, or too large ones, that wait on one channel")
        self.kept.append(message)

    def keep_first(self, message: bytes) -> None:
        """The rest of what was kept, or has just come: before all that is kept."""
        self._count(message, 1)
        self.kept.appendleft(message)

    def weight(self) -> int:
        """What the messages that are kept count for: memory, and the turn in which they all go on."""
        return self.kept_data + self.kept_size + KEPT_MESSAGE * len(self.kept)

    def next_kept(self) -> bytes:
        """It is kept no longer."""
        message = self.kept.popleft()
        self._count(message, -1)
        return message

    def _count(self, message: bytes, times: int) -> None:
        number = message[0]
        if number == wire.CHANNEL_DATA or number == wire.CHANNEL_EXTENDED_DATA:
            self.kept_data += times * wire.data_size(message)
        else:
            self.kept_requests += times
            self.kept_size += times * len(message)

    def forget(self) -> None:
        """Nothing is kept any more."""
        self.kept.clear()
        self.kept_data = self.kept_requests = self.kept_size = 0


@final
class Successor:
    """A channel to which the target gave a number that the client has not let go of: its messages wait for that."""

    __slots__ = ("channel", "confirmation", "kept", "size")

    def __init__(self, channel: Channel, confirmation: bytes) -> None:
        self.channel = channel
        self.confirmation = confirmation
        self.kept: list[bytes] = []
        self.size = 0

    def keep(self, message: bytes) -> None:
        """Raises ProtocolViolation beyond MAX_EARLY: nothing was started there."""
        self.size += len(message) + 64
        if self.size > MAX_EARLY:
            raise ProtocolViolation("too much for a channel on which nothing was started")
        self.kept.append(message)

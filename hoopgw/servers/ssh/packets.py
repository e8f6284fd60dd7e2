"""The packets of one SSH connection, both ways, between its transport and those who take its messages.  Compiled in
packages: each key that is typed passes here four times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, final

from hoopgw.servers.flow import Flow
from hoopgw.wire.sshpackets import Opener, Sealer

TURN: Final = (
    64  # packets of one connection that are carried out before others have their turn: a refused one costs 0.5 ms
)
NEVER: Final = 1 << 62
NO_RUN: Final = 256  # above all numbers of messages: each is looked at by itself


def _nobody(_: Any = None) -> None:
    """Takes what a connection that has ended still gives."""


@final
class Packets:
    """`opener` and `sealer` have the present keys, `got` and `sent` count the bytes under them.

    run         takes messages with numbers from `lowest` on, many at a time, each behind its length
    message     takes any other
    failed      hears what these raised, or what a packet is that cannot be read
    waits       takes a run that may not be written now
    due         is called when more than `limit` bytes went one way
    later       is called when TURN packets were carried out, and there are more: for `go_on`
    slow        is called before a run that comes while something waits for this peer to take it; may raise
    reads       False: what comes is nobody's any more
    writes      False: while keys are exchanged, and at the end
    transport   what sealed packets are written to
    flow        its Flow, where it has one: a call less for each packet
    held        bytes that wait for the rest of a packet
    """

    __slots__ = (
        "opener", "sealer", "got", "sent", "run", "message", "failed", "waits", "due", "later", "slow", "lowest",
        "limit", "reads", "writes", "transport", "flow", "held", "_pieces", "_need",
    )  # fmt: skip

    def __init__(
        self,
        run: Callable[[bytes], None],
        message: Callable[[bytes], None],
        failed: Callable[[Exception], None],
        waits: Callable[[bytes], None],
        due: Callable[[], None],
        later: Callable[[], None],
        slow: Callable[[], None],
    ) -> None:
        self.opener, self.sealer = Opener(), Sealer()
        self.got = self.sent = 0
        self.run, self.message, self.failed, self.waits, self.due = run, message, failed, waits, due
        self.later, self.slow = later, slow
        self.lowest = NO_RUN
        self.limit = 0
        self.reads = True
        self.writes = False
        self.transport: Any = None
        self.flow: Flow | None = None
        self._pieces: list[bytes] = []  # of what cannot be read yet: at most a packet and a read
        self.held = 0
        self._need = 0

    def received(self, data: bytes) -> None:
        if self.held:
            self._pieces.append(data)
            self.held += len(data)
            if self.held < self._need:
                return
            data = b"".join(self._pieces)
            self._pieces, self.held, self._need = [], 0, 0
        self._take(data, TURN)

    def go_on(self, most: int = TURN) -> None:
        """The next turn; what came meanwhile stands behind."""
        self._need = 0
        data = b"".join(self._pieces)
        self._pieces, self.held = [], 0
        if data:
            self._take(data, most)

    def _take(self, data: bytes, most: int) -> None:
        try:
            self._read(data, most)
        except Exception as error:
            self.failed(error)

    def _read(self, data: bytes, most: int) -> None:
        here, size = 0, len(data)
        while here < size and self.reads and most > 0:
            start, opener = here, self.opener
            before = opener.sequence
            run, here, message = opener.open_run(data, here, self.lowest, most)
            most -= opener.sequence - before
            self.got += here - start
            if run:
                if self.flow is None or not self.flow.clear:
                    self.slow()
                self.run(run)
            if message and self.reads:
                self.message(message)
            elif most > 0:  # the next one is not whole
                break
        if here < size and self.reads:
            rest = data[here:] if here else data
            self._pieces, self.held = [rest], len(rest)
            if most > 0:
                self._need = self.opener.packet_end(rest, 0)
            else:
                self._need = NEVER
                self.later()
        if self.got > self.limit:
            self.due()

    def write(self, run: bytes) -> None:
        """Messages, each behind its length."""
        if not self.writes:
            self.waits(run)
            return
        sealed = self.sealer.seal_run(run)
        self.sent += len(sealed)
        if self.flow is not None:
            self.flow.write(sealed)
        else:
            self.transport.write(sealed)
        if self.sent > self.limit:
            self.due()

    def end(self) -> None:
        """The connection is gone: whom it told of its packets is not held by it any more."""
        self.reads = self.writes = False
        self.run = self.message = self.failed = self.waits = self.due = self.later = self.slow = _nobody
        self.transport = self.flow = None
        self._pieces, self.held = [], 0

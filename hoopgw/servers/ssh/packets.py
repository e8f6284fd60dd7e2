"""The packets of one SSH connection, both ways, between its transport and those who take its messages.  Compiled in
packages: each key that is typed passes here four times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, final

from hoopgw.wire.sshpackets import Opener, Sealer

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
    reads       False: what comes is nobody's any more
    writes      False: while keys are exchanged, and at the end
    transport   what sealed packets are written to
    held        bytes that wait for the rest of a packet
    """

    __slots__ = (
        "opener", "sealer", "got", "sent", "run", "message", "failed", "waits", "due", "lowest", "limit", "reads",
        "writes", "transport", "held", "_pieces", "_need",
    )  # fmt: skip

    def __init__(
        self,
        run: Callable[[bytes], None],
        message: Callable[[bytes], None],
        failed: Callable[[Exception], None],
        waits: Callable[[bytes], None],
        due: Callable[[], None],
    ) -> None:
        self.opener, self.sealer = Opener(), Sealer()
        self.got = self.sent = 0
        self.run, self.message, self.failed, self.waits, self.due = run, message, failed, waits, due
        self.lowest = NO_RUN
        self.limit = 0
        self.reads = True
        self.writes = False
        self.transport: Any = None
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
        try:
            self._read(data)
        except Exception as error:
            self.failed(error)

    def _read(self, data: bytes) -> None:
        here, size = 0, len(data)
        while here < size and self.reads:
            start = here
            run, here, message = self.opener.open_run(data, here, self.lowest)
            self.got += here - start
            if run:
                self.run(run)
            if not message:
                break
            if self.reads:
                self.message(message)
        if here < size and self.reads:
            rest = data[here:] if here else data
            self._pieces, self.held, self._need = [rest], len(rest), self.opener.packet_end(rest, 0)
        if self.got > self.limit:
            self.due()

    def write(self, run: bytes) -> None:
        """Messages, each behind its length."""
        if not self.writes:
            self.waits(run)
            return
        sealed = self.sealer.seal_run(run)
        self.sent += len(sealed)
        self.transport.write(sealed)
        if self.sent > self.limit:
            self.due()

    def end(self) -> None:
        """The connection is gone: whom it told of its packets is not held by it any more."""
        self.reads = self.writes = False
        self.run = self.message = self.failed = self.waits = self.due = _nobody
        self.transport = None
        self._pieces, self.held = [], 0

"""The bytes of one connection by the shortest way, and the turn in which many of them are read and sent.  Compiled in
packages: each proxied request passes here four times.
"""

from __future__ import annotations

import os
from typing import Any, Final

from twisted.internet import main

from hoopgw.servers.conduit import Receiver, Sink, Unsent
from hoopgw.servers.tls_layer import TlsLayer

READ_SIZE: Final = 256 * 1024  # one read, and what may be queued for a slow peer before the other side is paused
# Until a read has filled it: an allocation above 128 KiB, glibc's M_MMAP_THRESHOLD, costs 8 us where little comes.
SMALL_READ: Final = 64 * 1024
# As long as less comes: what fits there is of Python's own small blocks, whose memory is warm (pymalloc: 512 bytes).
TINY_READ: Final = 472
EPOLLIN: Final = 1  # select.EPOLLIN, as a constant of the compiled code
TURN_SIZE: Final = 32 * 1024  # bytes that wait for the end of the turn; more is worth the switch of readers
BULK_READS: Final = 2  # of a turn, beside others: each takes as long as ten statements do


# read(2) and write(2) of a socket are recv(2) and send(2) without flags; Python has a shorter way to them
_read: Final = os.read
_write: Final = os.write


class Flow(Sink):
    """What an eager transport reads and sends.  Queue, errors and ends are the transport's own (Twisted's).

    transport  an EagerConnection; None: it is no more, and what is written then is nobody's
    tls        its TLS; None while bytes go as they are
    clear      nothing stands before a send: no queue, no end
    receiver   who is given what was read; None: the transport's protocol
    """

    def __init__(
        self,
        transport: Any,
        turn: list[Unsent] | None,
        bulk: set[int] | None = None,
        flows: dict[int, Flow] | None = None,
    ) -> None:
        """`turn`: where a reactor looks at the end of its turn; None for one that does not.  `bulk`: where it looks for
        the descriptors of those whose reads are large; `flows`: for whom it reads."""
        self._bulk = bulk
        self._flows = flows
        self._descriptor: int = transport.socket.fileno()
        if flows is not None:
            flows[self._descriptor] = self
        self.receiver: Receiver | None = None
        self.transport = transport
        self.tls: TlsLayer | None = None
        self.clear = False
        self._turn = turn
        self._waiting = b""
        self._size = TINY_READ

    def write(self, data: bytes) -> None:
        """Send what the socket takes, at the end of this turn; queue the rest."""
        if self._waiting:
            self._waiting += data
        elif self.transport is None:
            return
        else:
            self._waiting = data
            if self._turn is not None:
                self._turn.append(self)
        if self._turn is None or len(self._waiting) > TURN_SIZE:
            self.send_now()

    def send_now(self) -> None:
        """Called at the end of the reactor's turn, and before an end."""
        data = self._waiting
        self._waiting = b""
        if not data:
            return
        if not self.clear and not self.transport.is_clear():
            self.transport.queue(data)
            return
        try:
            sent = _write(self._descriptor, data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.transport.queue(data)  # it finds the error again, and ends the connection as Twisted does
            return
        if sent != len(data):
            self.transport.queue(data[sent:])

    def end(self) -> None:
        """The connection is lost."""
        self.transport = self.receiver = None
        self._waiting = b""
        self._reads(TINY_READ)
        if self._flows is not None and self._flows.get(self._descriptor) is self:
            del self._flows[self._descriptor]
        self._descriptor = -1  # the next connection may get it

    def _reads(self, size: int) -> None:
        self._size = size
        if self._bulk is not None:
            if size == READ_SIZE:
                self._bulk.add(self._descriptor)
            else:
                self._bulk.discard(self._descriptor)

    def _more(self) -> bytes:
        """Of what filled a small read."""
        try:
            return _read(self._descriptor, SMALL_READ)
        except OSError:  # there is none, or the connection has failed, as the next read finds
            return b""

    def read(self) -> Any:
        """What Twisted's `doRead` gives."""
        try:
            data = _read(self._descriptor, self._size)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        size = len(data)
        if not size:
            return main.CONNECTION_DONE
        if size == TINY_READ and self._size == TINY_READ:
            data += self._more()
            size = len(data)
        fits = TINY_READ if size < TINY_READ else SMALL_READ if size < SMALL_READ else READ_SIZE
        if fits != self._size:
            self._reads(fits)
        if self.tls is not None:
            return self.tls.received(data, self.receiver)
        if self.receiver is not None:
            self.receiver.received(data)
        else:
            self.transport.protocol.dataReceived(data)
        return None


def without_bulk(events: list[tuple[int, int]], bulk: set[int]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """What is short, and what a large read will take."""
    short: list[tuple[int, int]] = []
    long: list[tuple[int, int]] = []
    for each in events:
        if each[0] in bulk and each[1] == EPOLLIN:
            long.append(each)
        else:
            short.append(each)
    return short, long


def read_all(events: list[tuple[int, int]], selectables: dict[int, Any], flows: dict[int, Flow], reactor: Any) -> None:
    """Everything that can be read is read; of other events `reactor.other_event` knows.  One that fails ends alone."""
    for descriptor, event in events:
        selectable = selectables.get(descriptor)
        if selectable is None:
            continue
        if event == EPOLLIN:
            flow = flows.get(descriptor)
            try:
                short = flow is not None and flow.transport is selectable
                why = flow.read() if short and flow is not None else selectable.doRead()
            except Exception as error:
                why = reactor.failed(selectable, error)
            if why:
                reactor.ended(selectable, why, True)
        else:
            reactor.other_event(selectable, descriptor, event)


def send_all(unsent: list[Unsent], reactor: Any) -> None:
    """What waits in these flows is sent; one that adds another meanwhile has it sent too."""
    for flow in unsent:
        try:
            flow.send_now()
        except Exception as error:
            reactor.ended(flow.transport, reactor.failed(flow.transport, error), False)
    unsent.clear()

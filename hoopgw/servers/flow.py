"""The bytes of one connection by the shortest way, and the turn in which many of them are read and sent.  Compiled in
packages: each proxied request passes here four times.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from mypy_extensions import i64
from twisted.internet import main

from hoopgw.servers.conduit import Receiver, Sink, Unsent
from hoopgw.servers.tls_layer import TlsLayer

READ_SIZE: Final = 256 * 1024  # one read, and what may be queued for a slow peer before the other side is paused
# Until a read has filled it: an allocation above 128 KiB, glibc's M_MMAP_THRESHOLD, costs 8 us where little comes.
SMALL_READ: Final = 64 * 1024
# As long as less comes: what fits there is of Python's own small blocks, whose memory is warm (pymalloc: 512 bytes).
TINY_READ: Final = 472
EPOLLIN: Final = 1  # select.EPOLLIN, as a constant of the compiled code
TURN_SIZE: Final[i64] = 32 * 1024  # bytes that wait for the end of the turn; more is worth the switch of readers
MUCH: Final[i64] = 1024 * 1024  # bytes: what else was sent to a peer does not count
MAX_EVENTS: Final = 256  # of one poll; the others come with the next
BULK_READS: Final = 2  # of a turn, and until a rest, beside others: each takes as long as ten statements do


# read(2) and write(2) of a socket are recv(2) and send(2) without flags; Python has a shorter way to them
_read: Final = os.read
_write: Final = os.write


class Flow(Sink):
    """What an eager transport reads and sends.  Queue, errors and ends are the transport's own (Twisted's).

    transport  an EagerConnection; None: it is no more, and what is written then is nobody's
    tls        its TLS; None while bytes go as they are
    clear      nothing stands before a send: no queue, no end
    receiver   who is given what was read; None: the transport's protocol
    sent       bytes that were sent of late, less TURN_SIZE for each read: a peer that is sent much says little but that
               it takes it, though often more than once for what it was sent at once
    """

    def __init__(
        self,
        transport: Any,
        turn: list[Unsent] | None,
        bulk: set[int] | None = None,
        flows: list[Flow | None] | None = None,
    ) -> None:
        """`turn`: where a reactor looks at the end of its turn; None for one that does not.  `bulk`: where it looks for
        the descriptors of those whose reads are large; `flows`: for whom it reads, by descriptor."""
        self._bulk = bulk
        self._flows = flows
        self._descriptor: int = transport.socket.fileno()
        self.receiver: Receiver | None = None
        self.transport = transport
        self.tls: TlsLayer | None = None
        self.clear = False
        self.sent: i64 = 0
        self._turn = turn
        self._waiting = b""
        self._size = TINY_READ

    def write(self, data: bytes) -> None:
        """Send what the socket takes, at the end of this turn; queue the rest."""
        self.sent += len(data)
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

    def begin(self) -> None:
        """It is read from now on."""
        flows = self._flows
        if flows is not None and self._descriptor >= 0:
            while len(flows) <= self._descriptor:
                flows.append(None)
            flows[self._descriptor] = self

    def pause(self) -> None:
        """It is not read any more."""
        flows = self._flows
        if flows is not None and 0 <= self._descriptor < len(flows) and flows[self._descriptor] is self:
            flows[self._descriptor] = None

    def end(self) -> None:
        """The connection is lost."""
        self.pause()
        self.transport = self.receiver = None
        self._waiting = b""
        self._reads(TINY_READ)
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
        if self.sent:
            self.sent = max(min(self.sent, MUCH) - TURN_SIZE, i64(0))
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


def has_others(short: list[tuple[int, int]], flows: list[Flow | None]) -> bool:
    """Whether one of these says more than that it takes what it is sent, as SSH and HTTP/2 do beside their own bulk."""
    for descriptor, _ in short:
        flow = flows[descriptor] if descriptor < len(flows) else None
        if flow is not None and flow.sent <= TURN_SIZE:
            return True
    return False


def read_all(events: list[tuple[int, int]], flows: list[Flow | None], reactor: Any) -> None:
    """Everything that can be read is read; of other events `reactor.reader` knows.  One that fails ends alone."""
    for descriptor, event in events:
        flow = flows[descriptor] if event == EPOLLIN and descriptor < len(flows) else None
        reader = flow.transport if flow is not None else reactor.reader(descriptor, event)
        if reader is None:
            continue
        try:
            why = flow.read() if flow is not None else reader.doRead()
        except Exception as error:
            why = reactor.failed(reader, error)
        if why:
            reactor.ended(reader, why, True)


def turns(reactor: Any, poll: Callable[[float, int], list[tuple[int, int]]], timeout: float | None) -> None:
    """One turn of a LeanEPollReactor, and others as long as they are about nothing but sockets: the look at timers and
    at what threads handed over costs as much as a small read."""
    unsent: list[Unsent] = reactor.unsent
    flows: list[Flow | None] = reactor.flows
    bulk: set[int] = reactor.bulk
    if unsent:  # by timers and by what threads handed over
        send_all(unsent, reactor)
    while True:
        leaving = bool(reactor.leaving)
        if leaving:
            timeout = 0.0
        try:
            events = poll(-1.0 if timeout is None else timeout, MAX_EVENTS)
        except InterruptedError:
            return
        if bulk and events:
            if len(events) > 1 or events[0][0] in bulk:
                events = reactor.short_first(events)
            elif not reactor.others:
                reactor.others = has_others(events, flows)
        read_all(events, flows, reactor)
        if unsent:
            send_all(unsent, reactor)
        if leaving or reactor.left:
            reactor.end_some()
        if not reactor.running or reactor._newTimedCalls or reactor.threadCallQueue or reactor._justStopped:
            return
        timeout = None
        pending = reactor._pendingTimedCalls
        if pending:
            now: float = reactor.seconds()
            until: float = pending[0].time - now
            if until <= 0 or now < reactor.looked:
                return
            reactor.looked = now
            timeout = until


def send_all(unsent: list[Unsent], reactor: Any) -> None:
    """What waits in these flows is sent; one that adds another meanwhile has it sent too."""
    for flow in unsent:
        try:
            flow.send_now()
        except Exception as error:
            reactor.ended(flow.transport, reactor.failed(flow.transport, error), False)
    unsent.clear()

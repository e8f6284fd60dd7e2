"""An epoll reactor whose usual event costs one call: a socket that can be read is read.

Twisted's own makes a log context for each event, which costs as much as a proxied query's policy.  Anything but a plain
EPOLLIN takes Twisted's way.

What connections send waits for the end of the turn.  A `send` wakes its reader, which often runs at once on this CPU
and leaves its caches full of something else; all reads of a turn judged in a row find them warm (docs/performance.md).
Sockets whose last read was large come after that: what is short is read and sent without them.  While there is such
they rest after every few reads.  Else the gateway, whoever sends so much and whoever takes it are busy without a pause,
and Linux lets each of them go on for milliseconds before it wakes what serves a short statement.

A turn that was about sockets alone is followed by the next without a look at what threads and timers want, where
neither has anything to say.

Twisted's timers stand at times of day.  Where the clock is set back they would all stand still, deadlines among them,
until it has caught up; here they move with it.
"""

# mypy: allow-untyped-calls
# (the base classes' own methods are untyped in Twisted)

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from select import EPOLLOUT
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor
from twisted.logger import Logger
from twisted.python import log

from hoopgw.servers.conduit import Unsent
from hoopgw.servers.flow import BULK_READS, EPOLLIN, Flow, has_others, read_all, send_all, turns, without_bulk

ENDS = 16  # connections whose peer has left that end at once in a turn, and as many of those that wait
REST = 0.001  # seconds without large reads: as short as epoll can wait
BESIDE = 0.005  # seconds since the last short read of another, for which large ones rest
TOLD = 1.0  # seconds that the clock may be set back without a word: time daemons do
_log = Logger("hoopgw.servers.reactor")


class LeanEPollReactor(EPollReactor):
    """Twisted's epoll reactor with a shorter way for readable sockets.

    `unsent` holds what wants `send_now` called before the reactor sleeps; `flows` the short ways of connections that
    are read and have one, and `bulk` those whose last read was large, by their descriptors.  `others`: what is short
    was read beside them.
    """

    def __init__(self) -> None:
        self.unsent: list[Unsent] = []
        self.flows: list[Flow | None] = []
        self.bulk: set[int] = set()
        self.others = False
        self._others_at = self._large_at = -BESIDE  # monotonic: when that was, and the last look at large reads
        self._large = 0  # reads since the last rest
        self._resting: set[int] = set()
        self._first = 0  # which of the large reads of a turn comes first: each has its turn
        self.looked = 0.0  # at the clock: what it said last
        self.leaving: deque[tuple[Any, Exception]] = deque()  # peers that have left, beyond ENDS of a turn
        self.left = 0  # how many have in this turn
        super().__init__()

    def doPoll(self, timeout: float | None) -> None:
        turns(self, self._poller.poll, timeout)

    def short_first(self, events: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """What is left to read when all else is read, and its answers are sent: a few large reads, others in the next
        turn.  A statement beside a large result else waits for its reads, and for those of all others."""
        short, long = without_bulk(events, self.bulk)
        if short:
            self.others = self.others or has_others(short, self.flows)
            read_all(short, self.flows, self)
            if self.unsent:
                send_all(self.unsent, self)
        if long and self._rests(len(long)):
            self._rest(long)
        if len(long) <= BULK_READS:
            return long
        self._first = (self._first + BULK_READS) % len(long)
        return (long[self._first :] + long[: self._first])[:BULK_READS]

    def _rests(self, count: int) -> bool:
        """Whether these large reads are the last ones before a rest."""
        now = time.monotonic()
        if self.others and now - self._large_at < BESIDE:  # what was before them may have asked for them
            self._others_at = now
        self.others, self._large_at = False, now
        if now - self._others_at >= BESIDE:
            self._large = 0
            return False
        self._large += count
        return self._large >= BULK_READS

    def _rest(self, long: list[tuple[int, int]]) -> None:
        self._large = 0
        resting = {descriptor for descriptor, _ in long} & self._reads - self._writes  # one may have ended just now
        for descriptor in resting:
            self._poller.modify(descriptor, 0)
        self._resting |= resting
        self.callLater(REST, self._rested, resting)

    def _rested(self, resting: set[int]) -> None:
        """They are read again, unless it was stopped meanwhile."""
        for descriptor in resting & self._resting:
            self._resting.remove(descriptor)
            if descriptor in self._reads:
                self._poller.modify(descriptor, EPOLLIN | (EPOLLOUT if descriptor in self._writes else 0))

    # ---- what a turn needs of it

    def failed(self, selectable: Any, error: Exception) -> Exception:
        _log.failure("{connection} failed while it was read", connection=selectable.logPrefix())
        return error

    def ended(self, selectable: Any, why: Exception, read: bool) -> None:
        """At once, or behind those that left before it: a host of thousands of clients that goes leaves others room.

        Nobody reads it meanwhile.  One that has something to send ends at once: it would be told again.
        """
        self.left += 1
        if self.left <= ENDS or not read or selectable.fileno() in self._writes:
            self._disconnectSelectable(selectable, why, read)
        else:
            self.removeReader(selectable)
            self.leaving.append((selectable, why))

    def end_some(self) -> None:
        """Some of those that wait for their end."""
        self.left = 0
        for _ in range(min(ENDS, len(self.leaving))):
            selectable, why = self.leaving.popleft()
            if selectable.fileno() < 0:  # it was ended in another way
                continue
            try:
                self._disconnectSelectable(selectable, why, True)
            except Exception:
                _log.failure("{connection} failed while it ended", connection=selectable.logPrefix())
        if self.unsent:
            send_all(self.unsent, self)

    def reader(self, descriptor: int, event: int) -> Any:
        """Who has no short way and is to be read now; None where there is nobody, or it was done in Twisted's way."""
        if descriptor in self._resting:  # the peer is gone: what it sent before is read first
            self._rested({descriptor})
            return None
        selectable = self._selectables.get(descriptor)
        if selectable is None or event == EPOLLIN:
            return selectable
        log.callWithLogger(selectable, self._doReadOrWrite, selectable, descriptor, event)
        return None

    doIteration = doPoll

    # ---- a clock that is set back

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kw: object) -> DelayedCall:
        self._look_at_clock()  # before the new one, which stands at the new time
        return super().callLater(delay, callable, *args, **kw)

    def runUntilCurrent(self) -> None:
        self._look_at_clock()
        super().runUntilCurrent()

    def _look_at_clock(self) -> None:
        now = self.seconds()
        if now < self.looked:
            by = self.looked - now
            for call in (*self._pendingTimedCalls, *self._newTimedCalls):  # all by as much: the heap stays one
                call.time -= by
            if by > TOLD:
                _log.warn("the clock was set back by {by} s; timers go on as they were", by=round(by, 1))
        self.looked = now


def install() -> None:
    """Make this the process's reactor, unless one was chosen already."""
    if "twisted.internet.reactor" not in sys.modules:
        installReactor(LeanEPollReactor())

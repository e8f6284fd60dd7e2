"""What a pump sees of an HTTP target: somewhere to write requests to, whatever connection carries them.

A connection is opened when there is something to send, and again where the target closed it.  Compiled in packages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgw.auth.access import Access
from hoopgw.model.errors import OperatorError
from hoopgw.relay.http import HttpRelay
from hoopgw.servers.conduit import Sink, sink_of
from hoopgw.servers.http.links import Link, Links
from hoopgw.servers.http_calls import Call

_log: Final = Logger("hoopgw.servers.http.upstream")


class Upstream(Sink):
    """One session's.  `pump` is set before anything is written."""

    def __init__(self, links: Links, access: Access, relay: HttpRelay, renew: Callable[[], Deferred[None]]) -> None:
        """`renew` gets another credential; it fires when that was tried, and never fails."""
        self.pump: Any = None
        self._links = links
        self._access = access
        self._relay = relay
        self._link: Link | Call | None = None
        self._sink: Sink | None = None  # of its connection
        self._opening: Deferred[Link | Call] | None = None
        self._pending: list[bytes] = []  # while it opens; bounded by the client, who is not read meanwhile
        self._before = 0  # answers that this session had when it got its connection
        self._anew = False  # the next connection is to be a new one
        self._producer: Any = None
        self._paused = False
        self._renew = renew
        self._renewing: Deferred[None] | None = None
        self._over = False

    # ---- bytes

    def write(self, data: bytes) -> None:
        if not data:  # of a body that is written in chunks: none is full yet
            return
        if self._sink is not None:
            self._sink.write(data)
        elif not self._over:
            self._pending.append(data)
            self._open(None if self._anew else self._links.take(self._access))

    def _open(self, kept: Link | Call | None) -> None:
        if self._opening is not None:
            return
        if kept is not None:
            self._use(kept)
            return
        if self._producer is not None:
            self._producer.pauseProducing()
        opening = self._opening = self._links.dial(self._access)
        opening.addCallbacks(self._opened, self._not_opened)
        opening.addErrback(self._broken)

    def _opened(self, link: Link | Call) -> None:
        self._opening = None
        if self._over:
            link.rest()
            link.transport.loseConnection()
            return
        self._use(link)
        if self._producer is not None:
            self._producer.resumeProducing()

    def _not_opened(self, failure: Failure) -> None:
        self._opening = None
        self._pending.clear()
        if self._over or failure.check(CancelledError):
            return
        if not failure.check(OperatorError):
            _log.failure("a target could not be reached", failure=failure)
        self.pump.target_gone(failure.getErrorMessage())
        if self._producer is not None:
            self._producer.resumeProducing()

    def _broken(self, failure: Failure) -> None:
        _log.failure("an HTTP session failed", failure=failure)
        self.abortConnection()

    def _use(self, link: Link | Call) -> None:
        self._link, self._before, self._anew = link, self._relay.answers, False
        self._sink = sink_of(link.transport)
        link.deliver_to(self.pump.reading_target)
        link.lost = lambda reason: self._lost(link, reason)
        if self._producer is not None:
            link.transport.registerProducer(self._producer, True)
        if self._paused:
            link.transport.pauseProducing()
        pending, self._pending = self._pending, []
        if pending:
            link.transport.write(b"".join(pending))

    def _let_go(self) -> Link | Call | None:
        link, self._link = self._link, None
        self._sink = None
        return link

    def _lost(self, link: Link | Call, reason: str) -> None:
        if self._link is not link:
            return
        self._let_go()
        self._relieve()
        used = link.untouched or link.reused or self._relay.answers > self._before
        again = self._relay.again(reason, link.untouched) if used else []
        # It was closed as it became our turn, and nothing of it was answered (RFC 9110, 9.2.2; RFC 9113, 8.7)
        if again:
            self._anew = True  # another that was kept may be as old
            self.pump.go_on(again)
        elif self.pump is not None:
            self.pump.target_gone(reason)

    def end_target(self) -> None:
        """Nothing more of this connection is of use."""
        link = self._let_go()
        if link is not None:
            link.rest()
            link.transport.unregisterProducer()
            link.transport.abortConnection()
            self._relieve()

    def _relieve(self) -> None:
        """Whom a full connection held back: nobody would say that there is room, where it is no more."""
        if self._producer is not None:
            self._producer.resumeProducing()

    def silent(self) -> None:
        """The target owes an answer, and has taken too long."""
        link = self._link
        if isinstance(link, Call):
            link.distrust()
        self.end_target()

    def renew(self, renewed: Callable[[], None]) -> None:
        """`renewed` is called when another credential is there, or is not to be had."""
        renewing = self._renewing = self._renew()
        renewing.addCallback(lambda _: renewed())
        renewing.addErrback(self._not_renewed)

    def _not_renewed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._broken(failure)

    # ---- what a pump does with a transport

    @property
    def disconnected(self) -> bool:
        return self._link is None or bool(self._link.transport.disconnected)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._producer = producer
        if self._link is not None:
            self._link.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self._producer = None
        if self._link is not None:
            self._link.transport.unregisterProducer()

    def pauseProducing(self) -> None:
        self._paused = True
        if self._link is not None:
            self._link.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self._paused = False
        if self._link is not None:
            self._link.transport.resumeProducing()

    def loseConnection(self) -> None:
        """The session is over: a connection that owes nothing waits for the next one."""
        self._over = True
        for waiting in (self._opening, self._renewing):
            if waiting is not None:
                waiting.cancel()
        link = self._link
        if link is None:
            return
        if self._relay.switched and isinstance(link, Link):
            self._let_go()
            self._links.part(link)  # its last words are still on their way
        elif self._relay.busy or link.transport.disconnected:
            self.end_target()
        else:
            self._let_go()
            self._links.give(self._access, link)

    def abortConnection(self) -> None:
        self._over = True
        self.end_target()

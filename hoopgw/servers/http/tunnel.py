"""One tunnel of an HTTP client: its session's edge, and the connection that it opens to the outside."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks, succeed
from twisted.internet.error import ConnectError
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgw.auth.access import Access
from hoopgw.model.answer import Denial
from hoopgw.model.destination import Destination
from hoopgw.model.errors import TargetUnavailable
from hoopgw.model.events import Code
from hoopgw.model.target import Address
from hoopgw.relay.http_scope import Route
from hoopgw.relay.http_tunnel import TunnelRelay
from hoopgw.relay.http_words import TIMED_OUT
from hoopgw.servers.gateway import Gateway
from hoopgw.servers.http.edge import ClientLeg
from hoopgw.servers.http.links import Link, forbidden
from hoopgw.servers.pump import Pump
from hoopgw.servers.reach import Place, connected
from hoopgw.servers.resolve import resolve
from hoopgw.session.interfaces import IEdge

REACH_SECONDS: Final = 30.0  # in which one of the destination's addresses has to answer


class Outside:
    """The destination, as a pump sees its target.  `pump` is set before `reach`."""

    _log = Logger()

    def __init__(self, gateway: Gateway, access: Access, asked: Destination, relay: TunnelRelay) -> None:
        self.pump: Any = None
        self._gateway = gateway
        self._access = access
        self._asked = asked
        self._relay = relay
        self._link: Link | None = None
        self._reaching: Deferred[Link] | None = None
        self._producer: Any = None
        self._paused = False

    # ---- reaching it

    def reach(self) -> None:
        reaching = self._reaching = self._first()
        reaching.addTimeout(REACH_SECONDS, self._gateway.reactor, onTimeoutCancel=_too_slow)
        reaching.addCallbacks(self._reached, self._not_reached).addErrback(self._broken)

    @inlineCallbacks
    def _first(self) -> Generator[Deferred[Any], Any, Link]:
        """Of its addresses the first that answers; what was resolved once is what is connected to."""
        problem = TargetUnavailable(f"{self._asked.host} has no address")
        found: tuple[str, ...] = yield resolve(self._gateway.reactor, self._asked.host)
        for numeric in found:
            try:
                link: Link = yield self._tried(numeric)
                return link
            except TargetUnavailable as error:
                problem = error
        raise problem

    @inlineCallbacks
    def _tried(self, numeric: str) -> Generator[Deferred[Any], Any, Link]:
        asked, listed = self._asked, self._access.listed
        why = forbidden(numeric, listed.host if listed is not None else "")
        if why:
            raise TargetUnavailable(why)
        place = Place(Address(asked.host, asked.port), numeric)
        link, reactor = Link(None, place), self._gateway.reactor
        seconds = self._access.target.connect_seconds
        try:
            yield connected(reactor, None, link, place, seconds)  # as of a target: its last words are due
        except ConnectError as error:
            raise TargetUnavailable(f"{asked} ({numeric}): {error}") from error
        yield link.ready
        return link

    def _reached(self, link: Link) -> None:
        self._reaching, self._link = None, link
        link.deliver_to(self.pump.reading_target)
        link.lost = self._lost
        if self._producer is not None:
            link.transport.registerProducer(self._producer, True)
        if self._paused:
            link.transport.pauseProducing()
        self.pump.go_on(self._relay.reached(link.place.numeric))

    def _not_reached(self, failure: Failure) -> None:
        self._reaching = None
        if failure.check(CancelledError):
            return
        if not failure.check(TargetUnavailable):
            self._log.failure("a destination could not be reached", failure=failure)
        self.pump.target_gone(failure.getErrorMessage())

    def _broken(self, failure: Failure) -> None:
        self._log.failure("a tunnel failed", failure=failure)
        self.abortConnection()

    def _lost(self, reason: str) -> None:
        self._link = None
        self.pump.target_gone(reason)

    # ---- what a pump does with a transport

    def write(self, data: bytes) -> None:
        if self._link is not None:
            self._link.transport.write(data)

    @property
    def disconnected(self) -> bool:
        return self._link is None or bool(self._link.transport.disconnected)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._producer = producer

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
        """After what was written."""
        self._leave()
        if self._link is not None:
            self._link.transport.loseConnection()

    def abortConnection(self) -> None:
        self._leave()
        if self._link is not None:
            self._link.transport.abortConnection()

    def _leave(self) -> None:
        if self._reaching is not None:
            self._reaching.cancel()
        if self._link is not None:
            self._link.rest()


@implementer(IEdge)
class TunnelEdge:
    """`refuse` is called where the session is ended before it is open."""

    def __init__(self, gateway: Gateway, transport: Any, refuse: Callable[[Code, str], None]) -> None:
        self._gateway = gateway
        self._transport = transport
        self._refuse = refuse
        self._relay: TunnelRelay | None = None
        self._access: Access | None = None
        self.pump: Pump | None = None
        self.session: Any = None
        self._opened = 0.0
        self._seen = -1  # bytes at the last look, and since when there are no others
        self._since = 0.0

    def open(self, access: Access, route: Route, prefix: bytes, client: str) -> Pump:
        """The session may begin.  Raises SpoolFull or RecordingFailed."""
        gateway, session, asked = self._gateway, self.session, access.destination
        assert asked is not None
        self._access, self._opened = access, gateway.reactor.seconds()
        relay = self._relay = TunnelRelay(session.id, session.policy, str(asked))
        outside = Outside(gateway, access, asked, relay)
        session.opened({"target": str(asked)})
        leg = ClientLeg(self._transport, lambda: False)
        nothing = lambda: succeed(None)  # noqa: E731  # a tunnel has nothing that could be cancelled
        shared = gateway.reactor, gateway.endings
        pump = self.pump = outside.pump = Pump(session, relay, leg, outside, nothing, self._closed, *shared)
        return pump

    @property
    def until_close(self) -> bool:
        """What the client sends has no end but the connection's."""
        return True

    def _closed(self, session: Any) -> None:
        relay = self._relay
        if relay is not None and (relay.up or relay.down or relay.open):
            seconds = round(self._gateway.reactor.seconds() - self._opened, 3)
            fields = {"destination": str(session.access.destination), "bytes_in": relay.up, "bytes_out": relay.down}
            session.emit(Code.TUNNEL_CLOSED, **fields, seconds=seconds)
        self._gateway.registry.remove(session)

    def check(self, now: float) -> None:
        """Nothing is waited for without end; a hold has a clock of its own."""
        relay, pump, access = self._relay, self.pump, self._access
        if relay is None or pump is None or access is None or pump.ended or relay.asking:
            self._since = now
            return
        if relay.moved != self._seen:
            self._seen, self._since = relay.moved, now
        if now - self._since > access.target.tunnel_idle:
            pump.end(Code.SESSION_CLOSED, "nothing passed through the tunnel for a while", None)
        elif now - self._opened > access.target.tunnel_longest:
            pump.end(Code.SESSION_CLOSED, "the tunnel has lasted as long as one may", None)

    # ---- IEdge

    def holding(self, lane: int, notice: Denial) -> None:
        if self.pump is not None:
            self.pump.holding(lane, notice)

    def end(self, code: Code, reason: str, denial: Denial | None) -> None:
        if self.pump is not None:
            self.pump.end(code, reason, denial)
        else:
            self._refuse(code, reason)

    def transaction_ran(self) -> bool:
        """Whoever ends an open tunnel takes from its client what goes on there."""
        return self._relay is not None and self._relay.open

    def rows_passed(self) -> int:
        return 0


def _too_slow(result: Any, seconds: float) -> Any:
    raise TargetUnavailable(f"{TIMED_OUT}: none of its addresses answered within {seconds:g} s")

"""HTTP/2 towards targets: one connection of one identity, whose streams are lent as if each were a connection.

Compiled in packages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hoopgw.model.errors import MalformedFrame, WireError
from hoopgw.servers.conduit import Receiver
from hoopgw.servers.http_carrier import Carrier
from hoopgw.servers.outbox import Outbox
from hoopgw.servers.parting import part
from hoopgw.servers.reach import Place
from hoopgw.wire.http2_ends import TargetSide
from hoopgw.wire.http2_values import CANCEL, MessagePart, StreamAborted

IDLE_SECONDS: Final = 30.0  # that it waits for its next request, as a connection of HTTP/1.1 does
QUIET_SECONDS: Final = 10.0  # without a byte for anybody
MAX_WAITING: Final = 256  # requests that wait until the target lets more streams begin
_log: Final = Logger("hoopgw.servers.http_calls")


class Call(Carrier):
    """What an Upstream sees of its target: the same as a `Link`."""

    def __init__(self, calls: "Calls", place: Place, facts: dict[str, str], reused: bool) -> None:
        super().__init__(calls)
        self.place = place
        self.tls = facts
        self.reused = reused
        self.untouched = False  # nothing was done of what was asked
        self.transport = self
        self.pending: list[bytes] = []  # of a request that waits for its stream
        self.receive: Callable[[bytes], None] = lambda data: None
        self.lost: Callable[[str], None] = lambda reason: None

    def _give(self, piece: MessagePart) -> None:
        self._streams.taken(piece)
        if piece.ended:  # before it is given: who gets it may ask the next thing at once
            self.stream = 0
            self.reused = True
        if piece.data and not self.disconnected:
            self.receive(piece.data)
        if piece.ended:
            self._streams.rested(self)

    def deliver_to(self, receiver: Receiver) -> None:
        """See Link."""
        self.receive = receiver.received

    def write(self, data: bytes) -> None:
        if not self.disconnected:
            self._streams.write(self, data)

    def fail(self, reason: str, untouched: bool) -> None:
        """`untouched`: nothing was done of what was asked, so that it may be asked again."""
        if not self.disconnected:
            self.disconnected = True
            self.untouched = untouched
            self._streams.returned(self)
            self.lost(reason)

    def rest(self) -> None:
        """Nobody has it now."""
        self.receive, self.lost = lambda data: None, lambda reason: None

    def distrust(self) -> None:
        """Its target was silent for too long: others need not find that out as well."""
        self._streams.distrust()

    def loseConnection(self) -> None:
        self.abortConnection()

    def abortConnection(self) -> None:
        """A stream that is still under way is taken back."""
        self.disconnected = True
        self._inbox.clear()
        self._streams.forget(self)


class Calls:
    """One connection.  `over` is called once, when nothing new may be asked on it."""

    def __init__(self, link: Any, encrypted: bool, clock: IReactorTime, over: Callable[["Calls"], None]) -> None:
        self.congested = False
        self._link = link
        self._clock = clock
        self._over: Callable[[Calls], None] | None = over
        self._h2 = TargetSide(clock.seconds(), b"https" if encrypted else b"http")
        self._outbox = Outbox(clock, link.transport, self._outgoing)
        self._by_stream: dict[int, Call] = {}
        self._waiting: deque[Call] = deque()
        self._lent: set[Call] = set()
        self._heard = clock.seconds()  # when something came, or was asked of a target that owed nothing
        self._timer: Any = None
        self._ended = False
        self._deep = 0

    def begin(self) -> None:
        self._link.receive, self._link.lost = self._received, self._lost
        self._link.transport.registerProducer(self, True)
        self._send()

    @property
    def room(self) -> bool:
        """Another request can be asked for without waiting."""
        return not self._ended and self._h2.room > len(self._waiting)

    def lend(self, reused: bool) -> Call:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        call = Call(self, self._link.place, self._link.tls, reused)
        self._lent.add(call)
        return call

    def distrust(self) -> None:
        """An answer did not come in time: where nothing else did, the way there may be lost without a word."""
        if self._clock.seconds() - self._heard > QUIET_SECONDS:
            self.goodbye()

    def goodbye(self) -> None:
        """Nothing new; what runs is answered, then the connection ends."""
        self._h2.draining = True
        self._retire()
        self._end_if_done()

    # ---- from the target

    def _received(self, data: bytes) -> None:
        self._heard = self._clock.seconds()
        self._deep += 1
        try:
            for each in self._h2.receive(data, self._clock.seconds()):
                call = self._by_stream.get(each.stream)
                if isinstance(each, MessagePart):
                    if call is not None:
                        call.came(each)
                    else:
                        self._h2.taken(each.stream, each.size)
                elif call is not None:
                    self._gone(call, each)
        except WireError as error:
            self._fail(str(error))
        finally:
            self._deep -= 1
        self._advance()

    def _gone(self, call: Call, gone: StreamAborted) -> None:
        self._by_stream.pop(gone.stream, None)
        call.fail(f"{call.place.address}: the target ended the stream (code {gone.code})", gone.untouched)

    def _advance(self) -> None:
        """What has become possible: streams that ended, requests that waited, bytes that may go."""
        for stream in tuple(self._h2.moved):
            call = self._by_stream.get(stream)
            if call is not None:
                alive = self._h2.alive(stream)
                if not alive:
                    del self._by_stream[stream]
                call.look(self.congested and alive)  # what is over is not among those that are resumed
        while self._waiting and self._h2.room > 0 and not self._ended:
            call = self._waiting.popleft()
            data, call.pending = b"".join(call.pending), []
            self._ask(call, data)
            call.look(self.congested)
        if self._h2.draining:
            self._retire()
            for call in tuple(self._waiting):
                call.fail(f"{call.place.address}: the target takes no more requests on this connection", True)
            self._waiting.clear()
        self._send()
        self._end_if_done()

    def _lost(self, reason: str) -> None:
        self._ended = True
        self._retire()
        calls = [*self._by_stream.values(), *self._waiting]
        self._by_stream.clear()
        self._waiting.clear()
        for call in calls:
            call.fail(reason, False)

    def _fail(self, reason: str) -> None:
        """What the target sent is no HTTP/2."""
        self._outbox.send_now()
        self._part()
        self._lost(f"{self._link.place.address}: {reason}")

    # ---- to the target

    def write(self, call: Call, data: bytes) -> None:
        if call in self._waiting:
            call.pending.append(data)
            return
        try:
            if call.stream:
                self._h2.write(call.stream, data)
            elif self._h2.room > 0 and not self._waiting:
                self._ask(call, data)
            elif len(self._waiting) < MAX_WAITING and not self._h2.draining and not self._ended:
                call.pending.append(data)
                self._waiting.append(call)
                if call._producer is not None:
                    call._producer_paused = True
                    call._producer.pauseProducing()
                return
            else:
                self.later(lambda: call.fail(f"{call.place.address}: too many requests wait for this target", True))
                return
        except MalformedFrame as error:
            _log.failure("a request that is no HTTP/1.1")
            reason = str(error)
            self.later(lambda: call.fail(reason, False))
            self.forget(call)
            return
        except WireError as error:
            self._fail(str(error))
            return
        call.look(self.congested)
        self._send()

    def _ask(self, call: Call, data: bytes) -> None:
        if not self._by_stream:
            self._heard = self._clock.seconds()
        call.stream = self._h2.request(data)
        self._by_stream[call.stream] = call

    def forget(self, call: Call) -> None:
        """Nobody has it any more."""
        if call in self._waiting:
            self._waiting.remove(call)
        if self._by_stream.get(call.stream) is call:
            del self._by_stream[call.stream]
            self._h2.reset(call.stream, CANCEL)
        call.stream = 0
        self._send()
        self.returned(call)
        self._end_if_done()

    def returned(self, call: Call) -> None:
        """Who had it wants nothing more of it."""
        self._lent.discard(call)
        if not self._lent and self._timer is None and not self._ended:
            self._timer = self._clock.callLater(IDLE_SECONDS, self.goodbye)

    def rested(self, call: Call) -> None:
        """It has its answer: its next request, if there is one, goes elsewhere where nothing new is taken here."""
        if self._h2.draining and not (call.stream or call.disconnected or call in self._waiting):
            call.fail(f"{call.place.address}: the target takes no more requests on this connection", True)

    def taken(self, piece: MessagePart) -> None:
        self._h2.taken(piece.stream, piece.size)
        self._send()

    def backlog(self, stream: int) -> int:
        return self._h2.backlog(stream)

    def later(self, call: Callable[[], None]) -> None:
        self._clock.callLater(0, call)

    def _send(self) -> None:
        if not self._deep and not self._ended:
            self._outbox.send()

    def _outgoing(self) -> bytes:
        return b"" if self._ended else self._h2.outgoing()

    # ---- its end

    def _retire(self) -> None:
        """Nothing new is asked here; who has a call and asks nothing on it would find that out by its next request."""
        over, self._over = self._over, None
        if over is not None:
            over(self)
            for call in tuple(self._lent):
                self.rested(call)

    def _end_if_done(self) -> None:
        if self._h2.draining and not self._h2.streams and not self._ended and not self._deep:
            self._outbox.send_now()
            self._ended = True
            if self._timer is not None and self._timer.active():
                self._timer.cancel()
            self._part()

    def _part(self) -> None:
        transport = self._link.transport
        self._link.rest()
        transport.unregisterProducer()
        transport.loseConnection()
        part(self._clock, transport)

    # ---- IPushProducer: of the socket

    def pauseProducing(self) -> None:
        """The target does not take what is there: no client is read for it."""
        self.congested = True
        for call in tuple(self._by_stream.values()):
            call.look(True)

    def resumeProducing(self) -> None:
        self.congested = False
        for call in tuple(self._by_stream.values()):
            call.look(False)

    def stopProducing(self) -> None:
        """`lost` is called as well."""

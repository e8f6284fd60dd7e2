"""The client's side of an HTTP/1.1 session: bytes -> requests that are asked about, one after the other."""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.errors import WireError
from hoopgw.model.events import Code
from hoopgw.relay import http_words as words
from hoopgw.relay.effects import Effect, Observed, ToClient
from hoopgw.relay.http_backlog import Backlog
from hoopgw.relay.http_exchange import ASKING, MAX_DISCARDED, READING, UNDER_WAY, Exchange
from hoopgw.relay.http_scope import HttpScope, in_scope
from hoopgw.wire.httphead import Blocks, Request, read_request

FORBIDDEN: Final = 403
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@final
class Requests:
    """One request is under way at a time; what comes behind it waits here, in order, up to a bound.

    rest   what the client sent for another login or target, once that ended this session; else None
    count  of requests whose heads came so far
    """

    __slots__ = ("count", "rest", "_backlog", "_blocks", "_exchange", "_outgoing", "_scope")

    def __init__(self, scope: HttpScope, exchange: Exchange) -> None:
        self.rest: bytes | None = None
        self.count = 0
        self._scope = scope
        self._exchange = exchange
        self._outgoing = exchange.outgoing
        self._blocks = Blocks()
        self._backlog = Backlog()

    @property
    def waiting(self) -> bool:
        """Something is here that was not asked about: a part of a head, or more."""
        return not self._backlog.empty

    def kept(self, effects: list[Effect]) -> bytes:
        """All of that, which is no request: the connection has become something else."""
        return self._backlog.take(effects)

    def take(self, data: bytes, effects: list[Effect]) -> None:
        """Bytes of the client.  Raises WireError."""
        exchange, outgoing = self._exchange, self._outgoing
        if exchange.phase == ASKING or (exchange.phase == UNDER_WAY and outgoing.up.ended):
            self._backlog.keep(data, effects)
            return
        data = self._backlog.joined(data)
        here = 0
        while here < len(data) and not exchange.gone:
            if exchange.phase == ASKING or (exchange.phase == UNDER_WAY and outgoing.up.ended):
                self._backlog.keep(data[here:], effects)
                return
            if not outgoing.up.ended:
                here = self._body(data, here, effects)
                continue
            read = read_request(data, here, self._blocks)
            if read is None:
                self._backlog.begin(data[here:])
                return
            here = self._requested(read, data, here, effects)

    def go_on(self, effects: list[Effect]) -> None:
        """With what was kept, where nothing stands before it any more."""
        exchange = self._exchange
        if exchange.gone or exchange.phase == ASKING:
            return
        kept = self._backlog.take(effects)
        if kept:
            try:
                self.take(kept, effects)
            except WireError as error:  # here: the target is not to blame, from whose bytes this may be called
                self._exchange.violated(str(error), effects, words.status_of(error))

    def _requested(self, read: Request, data: bytes, start: int, effects: list[Effect]) -> int:
        """A head is there; gives where what was taken of `data` ends."""
        exchange, outgoing = self._exchange, self._outgoing
        head = outgoing.prepare(read.block)
        target = in_scope(read.target, self._scope.prefix) if head.same_route else None
        if target is None or read.method == b"CONNECT":
            self.rest = data[start:]
            exchange.hang_up(Code.SESSION_CLOSED, "the connection goes on with another login or target", effects)
            return len(data)
        self.count += 1
        exchange.told = False
        exchange.answering.begin(read.method, read.minor, target)
        status, reason = outgoing.begin(read, head, target)
        if status:
            if status == FORBIDDEN:
                fields: dict[str, object] = {"operation": exchange.operations + 1, "reason": reason}
                effects.append(Observed(Code.OPERATION_REFUSED, fields))
            exchange.refuse(status, reason, effects)
            return read.end
        if outgoing.reads:
            exchange.phase = READING
            if head.expects:
                exchange.answering.continued = True
                effects.append(ToClient(CONTINUE))
            return read.end
        end = outgoing.gather(data, read.end)
        self._ask(effects)
        return end

    def _body(self, data: bytes, here: int, effects: list[Effect]) -> int:
        exchange, outgoing = self._exchange, self._outgoing
        if exchange.phase == READING:
            end = outgoing.gather(data, here)
            if outgoing.read:
                self._ask(effects)
            return end
        if exchange.phase == UNDER_WAY:
            return outgoing.go_on(data, here, effects)
        end = outgoing.up.take(data, here)
        exchange.discarded += end - here
        if exchange.closing and (outgoing.up.ended or exchange.discarded > MAX_DISCARDED):
            exchange.hang_up(Code.SESSION_CLOSED, "an answer ended the connection", effects)
        return end

    def _ask(self, effects: list[Effect]) -> None:
        exchange = self._exchange
        exchange.phase = ASKING
        exchange.operations += 1
        effects.append(self._outgoing.ask(exchange.operations))

"""The sans-IO middle of an HTTP/1.1 session: requests of one identity to one target -> effects.

The client's side is in `http_requests`, how an exchange stands and ends in `http_exchange`.  Reads go on whole: but for
heads nothing is taken apart and put together again.  Allows nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, final

from hoopgw.model.answer import Answer, Denial
from hoopgw.model.errors import SecretUnavailable, TokenUnavailable, Unmaskable, WireError
from hoopgw.model.events import Code
from hoopgw.relay import http_words as words
from hoopgw.relay.effects import RECORDED, Effect, EndTarget, Observed, Renew, ToClient, ToTarget
from hoopgw.relay.http_answers import HELD
from hoopgw.relay.http_exchange import ASKING, IDLE, READING, UNDER_WAY, Exchange
from hoopgw.relay.http_grpc import denied_lines, failed_lines
from hoopgw.relay.http_requests import Requests
from hoopgw.relay.http_scope import HttpScope
from hoopgw.relay.http_signing import MAX_HASHED
from hoopgw.relay.http_upgrade import Switch, websocket
from hoopgw.relay.relay import Relay
from hoopgw.relay.websocket import WebSocketRelay

STREAMS: Final = "a call that streams: a rule holds or reads calls of this method, and waits for all of it"


@final
class HttpRelay(Relay):
    """One session.  Never raises for what a peer sends: an error of the peer ends the session by effects.

    moved   bytes that came from either side so far
    answers that were whole so far
    """

    def __init__(self, scope: HttpScope) -> None:
        self.moved = 0
        self.answers = 0
        self._scope = scope
        self._exchange = Exchange(scope)
        self._outgoing = self._exchange.outgoing
        self._answering = self._exchange.answering
        self._requests = Requests(scope, self._exchange)
        self._socket: WebSocketRelay | None = None  # what it has become

    # ---- what others ask

    def again(self, reason: str, untouched: bool = False) -> list[Effect]:
        """What may be sent once more on another connection, where nothing of its answer has come; [] for nothing.
        `untouched`: its target says that it has done nothing of it."""
        if not untouched and not self._outgoing.idempotent:
            return []
        repeatable = self._outgoing.repeated()
        return [self._exchange.sent({"again": reason}), ToTarget(repeatable, RECORDED)] if repeatable else []

    @property
    def rest(self) -> bytes | None:
        """What the client sent for another login or target, once that ended this session."""
        return self._requests.rest

    @property
    def requests(self) -> int:
        """Whose heads came so far."""
        return self._requests.count

    @property
    def in_flight(self) -> bool:
        """HTTP has no cancel: what runs ends with the target's connection."""
        return False

    @property
    def busy(self) -> bool:
        """The target has a request of this client."""
        return self._exchange.phase == UNDER_WAY or self._socket is not None

    @property
    def switched(self) -> bool:
        """It is a WebSocket: the target's connection carries nothing else, and ends with it."""
        return self._socket is not None

    @property
    def owed(self) -> bool:
        """It is a WebSocket whose client has not said goodbye."""
        return self._socket is not None and self._socket.owed

    @property
    def idle(self) -> bool:
        """Nothing is under way, and no part of a request is there."""
        return self._at_rest and not self._requests.waiting

    @property
    def asking(self) -> bool:
        return self._socket.asking if self._socket is not None else self._exchange.phase == ASKING

    @property
    def unfinished(self) -> bool:
        """An answer whose end is the connection's ended before that of the target's: the client may not take it for
        whole (RFC 9112, 8)."""
        return self._exchange.gone and self._exchange.phase == UNDER_WAY and self._answering.until_close

    @property
    def in_head(self) -> bool:
        """A part of a request's head is there."""
        return self._at_rest and self._requests.waiting

    @property
    def _at_rest(self) -> bool:
        return self._exchange.phase == IDLE and self._outgoing.up.ended and self._socket is None

    @property
    def paces(self) -> bool:
        """The client owes the rest of a body: a stream that is answered while it comes, or one of gRPC, may take its
        time, but not behind its answer."""
        streams = self._answering.begun or (self._outgoing.head is not None and self._outgoing.head.grpc)
        return not self._outgoing.up.ended and not (streams and self._exchange.phase == UNDER_WAY)

    def coverage(self) -> dict[str, Any]:
        """What was seen exactly, inferred, or passed opaque (docs/recording-format.md)."""
        starred, withheld = self._outgoing.left_out()
        if self._socket is not None:
            starred += self._socket.starred
        opaque = [f"the content of {withheld} requests, but for its length"] if withheld else []
        said: dict[str, Any] = {"exact": ["requests", "answers"], "inferred": [], "opaque": opaque}
        return {**said, "starred": starred} if starred else said

    # ---- from the client

    def from_client(self, data: bytes) -> list[Effect]:
        self.moved += len(data)
        if self._socket is not None:
            return self._socket.from_client(data)
        effects: list[Effect] = []
        if self._exchange.gone:
            return effects
        try:
            self._requests.take(data, effects)
        except WireError as error:
            self._exchange.violated(str(error), effects, words.status_of(error))
        except (IndexError, ValueError, OverflowError):  # a hostile length that compiled code stopped at
            self._exchange.violated("a request that cannot be read", effects)
        return effects

    # ---- decisions

    def decided(self, lane: int, answers: Sequence[Answer]) -> list[Effect]:
        if self._socket is not None:
            return self._socket.decided(answers)
        effects: list[Effect] = []
        if self._exchange.gone or self._exchange.phase != ASKING:
            return effects
        try:
            answer = answers[0]
            if answer.denial is not None:
                self._exchange.deny(answer.denial, effects)
            else:
                self._forward(answer, effects)
        except WireError as error:
            self._exchange.violated(str(error), effects, words.status_of(error))
        self._requests.go_on(effects)
        return effects

    def _forward(self, answer: Answer, effects: list[Effect]) -> None:
        outgoing = self._outgoing
        if outgoing.unsignable:
            self._exchange.refuse(413, f"a body of more than {MAX_HASHED >> 20} MiB cannot be signed", effects)
            return
        if answer.bodies is not None:
            if outgoing.compares:
                self._exchange.compared(effects)
                return
            outgoing.untag()
        outgoing.once = answer.once
        try:
            data = outgoing.forward()
        except (SecretUnavailable, TokenUnavailable) as error:
            self._exchange.without_credential(error, effects)
            return
        self._exchange.phase = UNDER_WAY
        self._answering.allowed(answer, self._exchange.operations)
        self._answering.opening = outgoing.opening
        self._answering.grpc = outgoing.grpc
        if outgoing.otherwise:
            effects.append(self._exchange.sent(dict(outgoing.otherwise)))
        effects.append(ToTarget(data, RECORDED))

    def holding(self, lane: int, notice: Denial) -> list[Effect]:
        """An answer comes when it is decided, or the wait is over: no word before that is one for all clients."""
        return []

    def later(self, lane: int) -> list[Effect]:
        """Another credential is there, or is not to be had: what was not taken is sent again, once."""
        effects: list[Effect] = []
        if self._exchange.gone or self._exchange.phase != UNDER_WAY or self._answering.unauthorized != HELD:
            return effects
        self._answering.unauthorized = 0
        try:
            data = self._outgoing.forward_again()
            effects.append(self._exchange.sent({**self._outgoing.otherwise, "again": "with another token"}))
            effects.append(ToTarget(data, RECORDED))
        except (SecretUnavailable, TokenUnavailable) as error:
            self._exchange.without_credential(error, effects)
        return self._next(effects)

    def _unauthorized(self, effects: list[Effect]) -> None:
        fields: dict[str, object] = {"operation": self._exchange.operations, "side": "target"}
        self._outgoing.renewed = True
        fields["reason"] = "the target does not take the token (401)"
        effects.append(Observed(Code.CREDENTIAL_REFUSED, fields))
        if self._answering.unauthorized == HELD:
            effects.append(EndTarget())
        effects.append(Renew())

    # ---- from the target

    def from_target(self, data: bytes) -> list[Effect]:
        self.moved += len(data)
        if self._socket is not None:
            return self._socket.from_target(data)
        effects: list[Effect] = []
        if self._exchange.gone:
            return effects
        self._outgoing.repeatable = b""
        if self._exchange.phase != UNDER_WAY:  # an answer to nothing: the next request's would be taken for it
            effects.append(EndTarget())
            return effects
        answering = self._answering
        answering.renews = self._outgoing.renews
        try:
            done = answering.take(data, effects)
        except Unmaskable as error:
            self._exchange.unmaskable(str(error), effects)
            return self._next(effects)
        except WireError as error:
            self._exchange.target_violated(str(error), effects)
            return self._next(effects)
        except (IndexError, ValueError, OverflowError):
            self._exchange.target_violated("an answer that cannot be read", effects)
            return self._next(effects)
        if answering.unauthorized:
            self._unauthorized(effects)
            if answering.unauthorized == HELD:
                return effects
            answering.unauthorized = 0
        if answering.denial is not None or answering.cut:
            self._exchange.cut(effects)
        elif answering.switch is not None:
            self._switched(answering.switch, effects)
        elif done:
            self._answered(effects)
        return self._next(effects)

    def _next(self, effects: list[Effect]) -> list[Effect]:
        """With what the client sent behind a request that has its answer."""
        if self._exchange.phase == IDLE:
            self._requests.go_on(effects)
        return effects

    def _switched(self, switch: Switch, effects: list[Effect]) -> None:
        """It is a WebSocket now; what either side sent behind the handshake is its begin."""
        answering, request = self._answering, self._outgoing.request
        assert request is not None
        number = self._exchange.operations
        self._socket = websocket(self._scope, request, number, answering.masks, answering.meter, switch)
        kept = self._requests.kept(effects)
        if self._answering.rest:
            effects += self._socket.from_target(self._answering.rest)
        if kept:
            effects += self._socket.from_client(kept)

    def _answered(self, effects: list[Effect]) -> None:
        answering = self._answering
        self.answers += 1
        if not answering.reusable or not self._outgoing.up.ended:
            effects.append(EndTarget())
        close = self._outgoing.close or answering.until_close or self._exchange.too_long()
        self._exchange.ended(close, effects)

    def target_gone(self, reason: str) -> list[Effect]:
        """Its connection ended, or there was none to be had."""
        if self._socket is not None:
            return self._socket.target_gone(reason)
        effects: list[Effect] = []
        if self._exchange.gone or self._exchange.phase != UNDER_WAY:
            return effects
        try:
            if not reason.startswith((words.RESET, words.TIMED_OUT)) and self._answering.closed(effects):
                self._exchange.ended(True, effects)
                return self._next(effects)
        except Unmaskable as error:
            self._exchange.unmaskable(str(error), effects)
            return self._next(effects)
        late = reason.startswith(words.TIMED_OUT)
        told = "the target did not answer in time" if late else "the target cannot be reached"
        self._exchange.target_failed(504 if late else 502, told, reason, Code.TARGET_UNAVAILABLE, effects)
        return self._next(effects)

    # ---- ends

    def ended(self, reason: str, code: Code, denial: Denial | None) -> list[Effect]:
        if self._socket is not None:
            return self._socket.ended(reason, code, denial)
        effects: list[Effect] = []
        if self._exchange.gone:
            return effects
        status = 401 if code is Code.SESSION_EXPIRED else 503
        if self._exchange.phase != IDLE and not self._answering.begun:
            own = self._outgoing
            said = own.failed(status, reason, True) if denial is None else own.denied(denial, False, True)
            effects.append(ToClient(said))
        elif denial is not None:
            self._exchange.break_off(denied_lines(denial), effects)
        else:
            self._exchange.break_off(failed_lines(status, reason), effects)
        self._exchange.hang_up(code, reason, effects)
        return effects

    def too_slow(self, reason: str) -> list[Effect]:
        """Of the client, with a request.  A call of gRPC is: it streams, and a rule waits for its end."""
        effects: list[Effect] = []
        exchange = self._exchange
        if exchange.gone:
            return effects
        if exchange.phase == READING and self._outgoing.grpc:
            effects.append(Observed(Code.OPERATION_REFUSED, {"operation": exchange.operations + 1, "reason": STREAMS}))
            effects.append(ToClient(self._outgoing.failed(403, STREAMS, True)))
        elif exchange.unanswered:
            effects.append(ToClient(words.failed(408, reason, close=True, session=self._scope.session)))
        self._exchange.hang_up(Code.SESSION_CLOSED, reason, effects)
        return effects

"""The sans-IO middle of an HTTP/1.1 session: requests of one identity to one target -> effects.

One request is under way at a time; what comes behind it waits here, in order, up to a bound.  Reads go on whole: but
for heads nothing is taken apart and put together again.  Allows nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, final

from hoopgw.model.answer import Answer, Denial
from hoopgw.model.errors import OperatorError, SecretUnavailable, TokenUnavailable, Unmaskable, WireError
from hoopgw.model.events import Code
from hoopgw.relay import http_words as words
from hoopgw.relay.effects import (
    RECORDED,
    Completed,
    Effect,
    EndTarget,
    Hangup,
    Observed,
    Renew,
    ToClient,
    ToTarget,
)
from hoopgw.relay.http_answers import HELD, Answering
from hoopgw.relay.http_backlog import Backlog
from hoopgw.relay.http_outgoing import Outgoing
from hoopgw.relay.http_scope import HttpScope, in_scope
from hoopgw.relay.http_signing import MAX_HASHED
from hoopgw.relay.http_upgrade import Switch, websocket
from hoopgw.relay.relay import Relay
from hoopgw.relay.websocket import WebSocketRelay
from hoopgw.wire.httpfields import CHUNKED
from hoopgw.wire.httphead import Blocks, Request, read_request

MAX_DISCARDED: Final = 1 << 20  # bytes of a body that nobody wants, read so that the client reads its answer
TIMED_OUT: Final = "timed out"  # how a `target_gone` begins whose cause is time
FORBIDDEN: Final = 403
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

IDLE: Final = 0
READING: Final = 1  # a body that the rules are to see
ASKING: Final = 2
UNDER_WAY: Final = 3  # the target has it


@final
class HttpRelay(Relay):
    """One session.  Never raises for what a peer sends: an error of the peer ends the session by effects.

    rest    what the client sent for another login or target, once that ended this session; else None
    moved   bytes that came from either side so far
    answers that were whole so far
    requests whose heads came so far
    """

    def __init__(self, scope: HttpScope) -> None:
        self.rest: bytes | None = None
        self.moved = 0
        self.answers = 0
        self.requests = 0
        self._scope = scope
        self._blocks = Blocks()
        self._outgoing = Outgoing(scope)
        self._answering = Answering(scope)
        self._phase = IDLE
        self._operations = 0
        self._discarded = 0
        self._told = False  # the last request has its answer
        self._closing = False  # the rest of a body is read for courtesy, then the connection ends
        self._socket: WebSocketRelay | None = None  # what it has become
        self._backlog = Backlog()
        self._gone = False

    # ---- what others ask

    def again(self, reason: str) -> list[Effect]:
        """What may be sent once more on another connection, where nothing of its answer has come; [] for nothing."""
        repeatable, self._outgoing.repeatable = self._outgoing.repeatable, b""
        return [self._sent({"again": reason}), ToTarget(repeatable, RECORDED)] if repeatable else []

    def _sent(self, how: dict[str, Any]) -> Observed:
        """A note: the request under way went otherwise than it was asked, or once more."""
        return Observed(Code.REQUEST_SENT, {"operation": self._operations, **how}, {})

    @property
    def in_flight(self) -> bool:
        """HTTP has no cancel: what runs ends with the target's connection."""
        return False

    @property
    def busy(self) -> bool:
        """The target has a request of this client."""
        return self._phase == UNDER_WAY or self._socket is not None

    @property
    def switched(self) -> bool:
        """It is a WebSocket: the target's connection carries nothing else, and ends with it."""
        return self._socket is not None

    @property
    def idle(self) -> bool:
        """Nothing is under way, and no part of a request is there."""
        return self._phase == IDLE and self._outgoing.up.ended and self._backlog.empty and self._socket is None

    @property
    def asking(self) -> bool:
        return self._socket.asking if self._socket is not None else self._phase == ASKING

    @property
    def in_head(self) -> bool:
        """A part of a request's head is there."""
        return self._phase == IDLE and self._outgoing.up.ended and not self._backlog.empty

    @property
    def paces(self) -> bool:
        """The client owes the rest of a body: a stream that is answered while it comes, or one of gRPC, may take its
        time, but not behind its answer."""
        streams = self._answering.begun or (self._outgoing.head is not None and self._outgoing.head.grpc)
        return not self._outgoing.up.ended and not (streams and self._phase == UNDER_WAY)

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
        if self._gone:
            return effects
        try:
            self._client(data, effects)
        except WireError as error:
            self._violated(str(error), effects, words.status_of(error))
        except (IndexError, ValueError, OverflowError):  # a hostile length that compiled code stopped at
            self._violated("a request that cannot be read", effects)
        return effects

    def _client(self, data: bytes, effects: list[Effect]) -> None:
        if self._phase == ASKING or (self._phase == UNDER_WAY and self._outgoing.up.ended):
            self._backlog.keep(data, effects)
            return
        data = self._backlog.joined(data)
        here = 0
        while here < len(data) and not self._gone:
            if self._phase == ASKING or (self._phase == UNDER_WAY and self._outgoing.up.ended):
                self._backlog.keep(data[here:], effects)
                return
            if not self._outgoing.up.ended:
                here = self._body(data, here, effects)
                continue
            read = read_request(data, here, self._blocks)
            if read is None:
                self._backlog.begin(data[here:])
                return
            here = self._requested(read, data, here, effects)

    def _go_on(self, effects: list[Effect]) -> None:
        """With what was kept, now that nothing stands before it."""
        kept = self._backlog.take(effects)
        if kept and not self._gone:
            try:
                self._client(kept, effects)
            except WireError as error:  # here: the target is not to blame, from whose bytes this may be called
                self._violated(str(error), effects, words.status_of(error))

    def _requested(self, read: Request, data: bytes, start: int, effects: list[Effect]) -> int:
        """A head is there; gives where what was taken of `data` ends."""
        outgoing = self._outgoing
        head = outgoing.prepare(read.block)
        target = in_scope(read.target, self._scope.prefix) if head.same_route else None
        if target is None or read.method == b"CONNECT":
            self.rest = data[start:]
            self._hang_up(Code.SESSION_CLOSED, "the connection goes on with another login or target", effects)
            return len(data)
        self.requests += 1
        self._told = False
        self._answering.begin(read.method, read.minor, target)
        status, reason = outgoing.begin(read, head, target)
        if status:
            if status == FORBIDDEN:
                effects.append(Observed(Code.OPERATION_REFUSED, {"operation": self._operations + 1, "reason": reason}))
            self._refuse(status, reason, effects)
            return read.end
        if outgoing.reads:
            self._phase = READING
            if head.expects:
                self._answering.continued = True
                effects.append(ToClient(CONTINUE))
            return read.end
        end = outgoing.gather(data, read.end)
        self._ask(effects)
        return end

    def _body(self, data: bytes, here: int, effects: list[Effect]) -> int:
        outgoing = self._outgoing
        if self._phase == READING:
            end = outgoing.gather(data, here)
            if outgoing.read:
                self._ask(effects)
            return end
        if self._phase == UNDER_WAY:
            return outgoing.go_on(data, here, effects)
        end = outgoing.up.take(data, here)
        self._discarded += end - here
        if self._closing and (outgoing.up.ended or self._discarded > MAX_DISCARDED):
            self._hang_up(Code.SESSION_CLOSED, "an answer ended the connection", effects)
        return end

    def _ask(self, effects: list[Effect]) -> None:
        self._phase = ASKING
        self._operations += 1
        effects.append(self._outgoing.ask(self._operations))

    # ---- decisions

    def decided(self, lane: int, answers: Sequence[Answer]) -> list[Effect]:
        if self._socket is not None:
            return self._socket.decided(answers)
        effects: list[Effect] = []
        if self._gone or self._phase != ASKING:
            return effects
        try:
            answer = answers[0]
            if answer.denial is not None:
                self._deny(answer.denial, effects)
            else:
                self._forward(answer, effects)
        except WireError as error:
            self._violated(str(error), effects, words.status_of(error))
        return effects

    def _forward(self, answer: Answer, effects: list[Effect]) -> None:
        outgoing = self._outgoing
        if outgoing.unsignable:
            self._refuse(413, f"a body of more than {MAX_HASHED >> 20} MiB cannot be signed", effects)
            return
        if answer.bodies is not None:
            if outgoing.compares:
                self._compared(effects)
                return
            outgoing.untag()
        outgoing.once = answer.once
        try:
            data = outgoing.forward()
        except (SecretUnavailable, TokenUnavailable) as error:
            self._without_credential(error, effects)
            return
        self._phase = UNDER_WAY
        self._answering.allowed(answer, self._operations)
        self._answering.opening = outgoing.opening
        if outgoing.otherwise:
            effects.append(self._sent(dict(outgoing.otherwise)))
        effects.append(ToTarget(data, RECORDED))
        self._go_on(effects)

    def _compared(self, effects: list[Effect]) -> None:
        """What is masked has no entity tag here, and so none that matches (RFC 9110, 13.1.1)."""
        reason = "a condition on the entity tag of an answer that is masked"
        effects.append(Observed(Code.OPERATION_REFUSED, {"operation": self._operations, "reason": reason}))
        self._refuse(412, reason, effects)

    def _deny(self, denial: Denial, effects: list[Effect]) -> None:
        head = self._outgoing.head
        patient = head is not None and head.patient
        close = self._outgoing.close or self._too_long()
        effects.append(ToClient(self._outgoing.denied(denial, patient, close)))
        effects.append(Completed(self._operations, 0, 0, denial.decision.value))
        self._ended(close, effects)

    def _refuse(self, status: int, reason: str, effects: list[Effect]) -> None:
        """An answer of the gateway's own that no rule asked for."""
        close = self._outgoing.close or self._too_long()
        effects.append(ToClient(self._outgoing.failed(status, reason, close)))
        self._ended(close, effects)

    def _too_long(self) -> bool:
        """Of the body so much is to come that the connection is not worth it."""
        up = self._outgoing.up
        return not up.ended and (up.framing == CHUNKED or up.left > MAX_DISCARDED)

    def _ended(self, close: bool, effects: list[Effect]) -> None:
        """The client has its answer."""
        self._phase = IDLE
        self._told = True
        self._outgoing.forget()
        self._discarded = 0
        if close and self._outgoing.up.ended:
            self._hang_up(Code.SESSION_CLOSED, "an answer ended the connection", effects)
        else:
            self._closing = close
            self._go_on(effects)

    def holding(self, lane: int, notice: Denial) -> list[Effect]:
        """An answer comes when it is decided, or the wait is over: no word before that is one for all clients."""
        return []

    def later(self, lane: int) -> list[Effect]:
        """Another credential is there, or is not to be had: what was not taken is sent again, once."""
        effects: list[Effect] = []
        if self._gone or self._phase != UNDER_WAY or self._answering.unauthorized != HELD:
            return effects
        self._answering.unauthorized = 0
        try:
            data = self._outgoing.forward_again()
            effects.append(self._sent({**self._outgoing.otherwise, "again": "with another token"}))
            effects.append(ToTarget(data, RECORDED))
        except (SecretUnavailable, TokenUnavailable) as error:
            self._without_credential(error, effects)
        return effects

    def _without_credential(self, error: OperatorError, effects: list[Effect]) -> None:
        """Which secret or token it is, is nothing for the client."""
        told = "the target's credential is not available now; try again later"
        if isinstance(error, TokenUnavailable):
            told = "who asks cannot be signed for the target now; try again later"
        self._target_failed(503, told, str(error), Code.OPERATION_UNAVAILABLE, effects)

    def _unauthorized(self, effects: list[Effect]) -> None:
        fields: dict[str, object] = {"operation": self._operations, "side": "target"}
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
        if self._gone:
            return effects
        self._outgoing.repeatable = b""
        if self._phase != UNDER_WAY:  # an answer to nothing: the next request's would be taken for it
            effects.append(EndTarget())
            return effects
        answering = self._answering
        answering.renews = self._outgoing.renews
        try:
            done = answering.take(data, effects)
        except Unmaskable as error:
            self._unmaskable(str(error), effects)
            return effects
        except WireError as error:
            self._target_violated(str(error), effects)
            return effects
        except (IndexError, ValueError, OverflowError):
            self._target_violated("an answer that cannot be read", effects)
            return effects
        if answering.unauthorized:
            self._unauthorized(effects)
            if answering.unauthorized == HELD:
                return effects
            answering.unauthorized = 0
        if answering.denial is not None or answering.cut:
            self._cut(effects)
        elif answering.switch is not None:
            self._switched(answering.switch, effects)
        elif done:
            self._answered(effects)
        return effects

    def _switched(self, switch: Switch, effects: list[Effect]) -> None:
        """It is a WebSocket now; what either side sent behind the handshake is its begin."""
        answering, request = self._answering, self._outgoing.request
        assert request is not None
        self._socket = websocket(self._scope, request, self._operations, answering.masks, answering.meter, switch)
        kept = self._backlog.take(effects)
        if self._answering.rest:
            effects += self._socket.from_target(self._answering.rest)
        if kept:
            effects += self._socket.from_client(kept)

    def _answered(self, effects: list[Effect]) -> None:
        answering = self._answering
        self.answers += 1
        if not answering.reusable or not self._outgoing.up.ended:
            effects.append(EndTarget())
        self._ended(self._outgoing.close or answering.until_close or self._too_long(), effects)

    def _cut(self, effects: list[Effect]) -> None:
        """A bound is reached, before the answer has begun or in its middle."""
        effects.append(EndTarget())
        denial = self._answering.denial
        if denial is not None:
            self._deny(denial, effects)
            return
        effects.append(Completed(self._operations, 0, 0, "over-budget: cut"))
        self._hang_up(Code.BUDGET_EXCEEDED, self._answering.cut, effects)

    def _unmaskable(self, reason: str, effects: list[Effect]) -> None:
        effects.append(EndTarget())
        effects.append(Observed(Code.OPERATION_REFUSED, {"operation": self._operations, "reason": reason}))
        if self._answering.begun:
            self._hang_up(Code.OPERATION_REFUSED, reason, effects)
        else:
            self._refuse(502, f"what must be masked cannot be read: {reason}", effects)

    def _target_violated(self, reason: str, effects: list[Effect]) -> None:
        effects.append(EndTarget())
        self._target_failed(502, "the target's answer cannot be read", reason, Code.PROTOCOL_VIOLATED, effects)

    def _target_failed(self, status: int, told: str, reason: str, code: Code, effects: list[Effect]) -> None:
        """The client is told what it may know; the rest is for event and record."""
        fields: dict[str, object] = {"operation": self._operations, "side": "target", "reason": reason}
        if self._answering.begun:
            self._hang_up(code, f"in the middle of an answer: {reason}", effects)
            return
        effects.append(Observed(code, fields))
        self._refuse(status, told, effects)

    def target_gone(self, reason: str) -> list[Effect]:
        """Its connection ended, or there was none to be had."""
        if self._socket is not None:
            return self._socket.target_gone(reason)
        effects: list[Effect] = []
        if self._gone or self._phase != UNDER_WAY:
            return effects
        try:
            if self._answering.closed(effects):
                self._ended(True, effects)
                return effects
        except Unmaskable as error:
            self._unmaskable(str(error), effects)
            return effects
        late = reason.startswith(TIMED_OUT)
        told = "the target did not answer in time" if late else "the target cannot be reached"
        self._target_failed(504 if late else 502, told, reason, Code.TARGET_UNAVAILABLE, effects)
        return effects

    # ---- ends

    def ended(self, reason: str, code: Code, denial: Denial | None) -> list[Effect]:
        if self._socket is not None:
            return self._socket.ended(reason, code, denial)
        effects: list[Effect] = []
        if self._gone:
            return effects
        if self._phase != IDLE and not self._answering.begun:
            own = self._outgoing
            said = own.failed(503, reason, True) if denial is None else own.denied(denial, False, True)
            effects.append(ToClient(said))
        self._hang_up(code, reason, effects)
        return effects

    def too_slow(self, reason: str) -> list[Effect]:
        """Of the client, with a request."""
        effects: list[Effect] = []
        if self._gone:
            return effects
        if self._unanswered:
            effects.append(ToClient(words.failed(408, reason, close=True, session=self._scope.session)))
        self._hang_up(Code.SESSION_CLOSED, reason, effects)
        return effects

    @property
    def _unanswered(self) -> bool:
        """What the client is told now it takes for the answer to what it sent last."""
        if self._phase == IDLE:  # unless it has its answer, and still sends its body
            return self._outgoing.up.ended or not self._told
        return not self._answering.begun

    def _violated(self, reason: str, effects: list[Effect], status: int = 400) -> None:
        if self._unanswered:
            data = words.failed(status, reason, close=True, session=self._scope.session)
            effects.append(ToClient(data))
        self._hang_up(Code.PROTOCOL_VIOLATED, reason, effects)

    def _hang_up(self, code: Code, reason: str, effects: list[Effect]) -> None:
        self._gone = True
        effects.append(Hangup(code, reason))

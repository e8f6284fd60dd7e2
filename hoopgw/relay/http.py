"""The sans-IO middle of an HTTP/1.1 session: requests of one identity to one target -> effects.

One request is under way at a time; what comes behind it waits here, in order, up to a bound.  Reads go on whole: but
for heads nothing is taken apart and put together again.  Allows nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, final

from hoopgw.model.answer import Answer, Denial
from hoopgw.model.errors import Unmaskable, WireError
from hoopgw.model.events import Code
from hoopgw.model.http import HttpRequest
from hoopgw.model.operation import REQUEST, Operation
from hoopgw.relay import http_words as words
from hoopgw.relay.effects import (
    RECORDED,
    Ask,
    Completed,
    Effect,
    EndTarget,
    Hangup,
    Observed,
    PauseClient,
    ResumeClient,
    ToClient,
    ToTarget,
)
from hoopgw.relay.http_answers import Answering
from hoopgw.relay.http_body import Body
from hoopgw.relay.http_heads import MAX_PREPARED, RequestHead
from hoopgw.relay.http_scope import HttpScope
from hoopgw.relay.http_upgrade import WEBSOCKET, Switch, asking, opened
from hoopgw.relay.websocket import WebSocketRelay, WebSocketScope
from hoopgw.wire.httphead import CHUNKED, LENGTH, NO_BODY, Block, Blocks, Request, read_request
from hoopgw.wire.websocket_handshake import Opening

LANE: Final = 0
MAX_KEPT: Final = 64 * 1024  # bytes of requests that wait behind another; beyond it the client is not read
MAX_DISCARDED: Final = 1 << 20  # bytes of a body that nobody wants, read so that the client reads its answer
MAX_REPEATED: Final = 64 * 1024  # bytes of a request that is kept for a second try
TIMED_OUT: Final = "timed out"  # how a `target_gone` begins whose cause is time
# Answered with what was sent, the credential that only the gateway has among it (RFC 9110, 9.3.8)
REFLECTING: Final = frozenset((b"TRACE", b"TRACK"))
# What may be sent again on another connection (RFC 9110, 9.2.2), where the first was closed without a word
IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"))
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

IDLE: Final = 0
READING: Final = 1  # a body that the rules are to see
ASKING: Final = 2
UNDER_WAY: Final = 3  # the target has it


@final
class HttpRelay:
    """One session.  Never raises for what a peer sends: an error of the peer ends the session by effects.

    rest    what the client sent for another login or target, once that ended this session; else None
    moved   bytes that came from either side so far
    """

    def __init__(self, scope: HttpScope) -> None:
        self.rest: bytes | None = None
        self.moved = 0
        self.repeatable = b""  # what may be sent again while nothing of its answer has come
        self._scope = scope
        self._blocks = Blocks()
        self._prepared: dict[Block, RequestHead] = {}
        self._answering = Answering(scope)
        self._phase = IDLE
        self._operations = 0
        self._up = Body(NO_BODY, 0)
        self._head: RequestHead | None = None
        self._request: HttpRequest | None = None
        self._line = b""
        self._close = False  # the client's connection ends with this answer
        self._reads = 0  # bytes of the body that the rules want
        self._content: list[bytes] = []  # of it so far, without chunks; bounded by `_reads` and a read
        self._pieces: list[bytes] = []  # the same as it came
        self._trace = b""
        self._discarded = 0
        self._closing = False  # the rest of a body is read for courtesy, then the connection ends
        self._opening: Opening | None = None
        self._socket: WebSocketRelay | None = None  # what it has become
        self._kept: list[bytes] = []
        self._kept_size = 0
        self._paused = False
        self._gone = False

    # ---- what others ask

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
        return self._phase == IDLE and self._up.ended and not self._kept and self._socket is None

    @property
    def asking(self) -> bool:
        return self._socket.asking if self._socket is not None else self._phase == ASKING

    @property
    def in_head(self) -> bool:
        """A part of a request's head is there."""
        return self._phase == IDLE and self._up.ended and bool(self._kept)

    @property
    def in_body(self) -> bool:
        """The client owes the rest of a body."""
        return not self._up.ended

    def coverage(self) -> dict[str, Any]:
        """What was seen exactly, inferred, or passed opaque (docs/recording-format.md)."""
        return {"exact": ["requests", "answers"], "inferred": [], "opaque": []}

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
            self._violated(str(error), effects)
        except (IndexError, ValueError, OverflowError):  # a hostile length that compiled code stopped at
            self._violated("a request that cannot be read", effects)
        return effects

    def _client(self, data: bytes, effects: list[Effect]) -> None:
        if self._phase == ASKING or (self._phase == UNDER_WAY and self._up.ended):
            self._keep(data, effects)
            return
        if self._kept:
            data = b"".join(self._kept) + data
            self._kept = []
        here = 0
        while here < len(data) and not self._gone:
            if self._phase == ASKING or (self._phase == UNDER_WAY and self._up.ended):
                self._keep(data[here:], effects)
                return
            if not self._up.ended:
                here = self._body(data, here, effects)
                continue
            read = read_request(data, here, self._blocks)
            if read is None:
                self._kept = [data[here:]]
                return
            here = self._requested(read, data, here, effects)

    def _keep(self, data: bytes, effects: list[Effect]) -> None:
        self._kept.append(data)
        self._kept_size += len(data)
        if self._kept_size > MAX_KEPT and not self._paused:
            self._paused = True
            effects.append(PauseClient())

    def _go_on(self, effects: list[Effect]) -> None:
        """With what was kept, now that nothing stands before it."""
        if self._paused:
            self._paused = False
            effects.append(ResumeClient())
        self._kept_size = 0
        if self._kept and not self._gone:
            kept, self._kept = self._kept, []
            try:
                self._client(kept[0] if len(kept) == 1 else b"".join(kept), effects)
            except WireError as error:  # here: the target is not to blame, from whose bytes this may be called
                self._violated(str(error), effects)

    def _requested(self, read: Request, data: bytes, start: int, effects: list[Effect]) -> int:
        """A head is there; gives where what was taken of `data` ends."""
        head = self._prepare(read.block)
        target = in_scope(read.target, self._scope.prefix) if head.route == self._scope.route else None
        if target is None or read.method == b"CONNECT":
            self.rest = data[start:]
            self._hang_up(Code.SESSION_CLOSED, "the connection goes on with another login or target", effects)
            return len(data)
        block = read.block
        self._up = Body(block.framing, block.length)
        self._head = head
        self._close = block.close or read.minor == 0
        self._line = read.method + b" " + target
        self._answering.begin(read.method, read.minor)
        self._pieces = []
        size = block.length if block.framing == LENGTH else 0 if block.framing == NO_BODY else None
        empty = b"" if self._up.ended else None
        self._request = HttpRequest(read.method, target, self._scope.route[0], head.fields, empty, size, head.shown)
        self._opening = opened(read, self._scope) if head.upgrade == WEBSOCKET else None
        status = 501 if read.method in REFLECTING else self._impossible(head)
        if status:
            self._refuse(status, words.REASONS[status], effects)
            return read.end
        self._reads = 0 if self._up.ended else self._scope.needs(self._request)
        if self._reads:
            self._phase = READING
            self._content = []
            if head.expects:
                self._answering.continued = True
                effects.append(ToClient(CONTINUE))
            return read.end
        end = self._up.take(data, read.end)
        if end != read.end:
            self._pieces.append(data[read.end : end])
        self._ask(effects)
        return end

    def _prepare(self, block: Block) -> RequestHead:
        found = self._prepared.get(block)
        if found is None:
            found = RequestHead(block, self._scope)
            if len(self._prepared) >= MAX_PREPARED:
                self._prepared.clear()
            self._prepared[block] = found
        return found

    def _impossible(self, head: RequestHead) -> int:
        """The status that says so; 0 where there is nothing to say."""
        if head.expects and head.expects != b"100-continue":
            return 417
        if (
            head.upgrade and head.upgrade != b"h2c" and self._opening is None
        ):  # an offer of HTTP/2 is not taken up (RFC 9110, 7.8)
            return 501
        return 0

    def _body(self, data: bytes, here: int, effects: list[Effect]) -> int:
        if self._phase == READING:
            return self._read_body(data, here, effects)
        end = self._up.take(data, here)
        if self._phase == UNDER_WAY:
            piece = data if here == 0 and end == len(data) else data[here:end]
            self.repeatable = b""
            effects.append(ToTarget(piece))
            return end
        self._discarded += end - here
        if self._closing and (self._up.ended or self._discarded > MAX_DISCARDED):
            self._hang_up(Code.SESSION_CLOSED, "an answer ended the connection", effects)
        return end

    def _read_body(self, data: bytes, here: int, effects: list[Effect]) -> int:
        end = self._up.take(data, here, self._content)
        self._pieces.append(data[here:end])
        if self._up.ended:
            self._know(b"".join(self._content))
        elif sum(map(len, self._content)) <= self._reads:
            return end
        self._content = []
        self._ask(effects)
        return end

    def _know(self, body: bytes) -> None:
        """The body is there, and no longer than it may be."""
        known = self._request
        if known is not None and len(body) <= self._reads:
            self._request = HttpRequest(
                known.method, known.target, known.authority, known.fields, body, known.size, known.shown
            )

    def _ask(self, effects: list[Effect]) -> None:
        head, request = self._head, self._request
        assert head is not None and request is not None
        self._phase = ASKING
        self._operations += 1
        ids = self._scope.token_bytes(24).hex().encode()
        self._trace = b"traceparent: 00-" + ids[:32] + b"-" + ids[32:] + b"-01\r\n\r\n"
        bound = head.bound + b"\r\n" + request.body if request.body else head.bound
        name = b"respond-async" if head.patient else b""
        operation = Operation("http", REQUEST, self._line, name, bound, self._operations, request)
        upgrade = b"" if self._opening is None else asking(self._opening)
        recorded = self._line + b" HTTP/1.1\r\n" + head.recorded + upgrade + self._trace
        if self._pieces:
            recorded += b"".join(self._pieces)
        effects.append(Ask(LANE, (operation,), recorded, partial(_redacted, len(recorded))))

    # ---- decisions

    def decided(self, lane: int, answers: Sequence[Answer]) -> list[Effect]:
        if self._socket is not None:
            return self._socket.decided(answers)
        effects: list[Effect] = []
        head = self._head
        if self._gone or self._phase != ASKING or head is None:
            return effects
        try:
            answer = answers[0]
            if answer.denial is not None:
                self._deny(answer.denial, effects)
            else:
                self._forward(head, answer, effects)
        except WireError as error:
            self._violated(str(error), effects)
        return effects

    def _forward(self, head: RequestHead, answer: Answer, effects: list[Effect]) -> None:
        scope, line = self._scope, self._line
        if scope.query:
            line += (b"&" if b"?" in line else b"?") + scope.query
        upgrade = b"" if self._opening is None else asking(self._opening)
        data = line + b" HTTP/1.1\r\n" + head.upstream + scope.identity() + upgrade + self._trace
        if self._pieces:
            data += b"".join(self._pieces)
            self._pieces = []
        whole = self._up.ended and len(data) <= MAX_REPEATED and self._opening is None
        self.repeatable = data if whole and self._line.partition(b" ")[0] in IDEMPOTENT else b""
        self._phase = UNDER_WAY
        self._answering.allowed(answer, self._operations)
        self._answering.opening = self._opening
        effects.append(ToTarget(data, RECORDED))
        self._go_on(effects)

    def _deny(self, denial: Denial, effects: list[Effect]) -> None:
        head = self._head
        patient = head is not None and head.patient
        close = self._close or self._too_long()
        effects.append(ToClient(self._said(denial, patient, close)))
        effects.append(Completed(self._operations, 0, 0, denial.decision.value))
        self._ended(close, effects)

    def _refuse(self, status: int, reason: str, effects: list[Effect]) -> None:
        """An answer of the gateway's own that no rule asked for."""
        close = self._close or self._too_long()
        effects.append(ToClient(self._failed(status, reason, close)))
        self._ended(close, effects)

    def _said(self, denial: Denial, patient: bool, close: bool) -> bytes:
        grpc = self._head is not None and self._head.grpc
        head = self._line.startswith(b"HEAD ")
        return words.denied(denial, patient=patient, close=close, head=head, grpc=grpc)

    def _failed(self, status: int, reason: str, close: bool) -> bytes:
        grpc = self._head is not None and self._head.grpc
        head = self._line.startswith(b"HEAD ")
        return words.failed(status, reason, close=close, head=head, session=self._scope.session, grpc=grpc)

    def _too_long(self) -> bool:
        """Of the body so much is to come that the connection is not worth it."""
        return not self._up.ended and (self._up.framing == CHUNKED or self._up.left > MAX_DISCARDED)

    def _ended(self, close: bool, effects: list[Effect]) -> None:
        """The client has its answer."""
        self._phase = IDLE
        self._pieces = []
        self._discarded = 0
        self.repeatable = b""
        if close and self._up.ended:
            self._hang_up(Code.SESSION_CLOSED, "an answer ended the connection", effects)
        else:
            self._closing = close
            self._go_on(effects)

    def holding(self, lane: int, notice: Denial) -> list[Effect]:
        """An answer comes when it is decided, or the wait is over: no word before that is one for all clients."""
        return []

    def later(self, lane: int) -> list[Effect]:
        """Nothing is due later."""
        return []

    # ---- from the target

    def from_target(self, data: bytes) -> list[Effect]:
        self.moved += len(data)
        if self._socket is not None:
            return self._socket.from_target(data)
        effects: list[Effect] = []
        if self._gone:
            return effects
        self.repeatable = b""
        if self._phase != UNDER_WAY:  # an answer to nothing: the next request's would be taken for it
            effects.append(EndTarget())
            return effects
        answering = self._answering
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
        if answering.denial is not None or answering.cut:
            self._cut(effects)
        elif answering.switch is not None:
            self._switched(answering.switch, effects)
        elif done:
            self._answered(effects)
        return effects

    def _switched(self, switch: Switch, effects: list[Effect]) -> None:
        """It is a WebSocket now; what either side sent behind the handshake is its begin."""
        scope, request = self._scope, self._request
        assert request is not None
        socket = WebSocketScope(
            request=request,
            number=self._operations,
            judged=scope.messages(request),
            bodies=self._answering.masks,
            meter=self._answering.meter,
            key=partial(scope.token_bytes, 4),
        )
        self._socket = WebSocketRelay(socket, switch.terms)
        kept, self._kept, self._kept_size = self._kept, [], 0
        if self._paused:
            self._paused = False
            effects.append(ResumeClient())
        if self._answering.rest:
            effects += self._socket.from_target(self._answering.rest)
        if kept:
            effects += self._socket.from_client(b"".join(kept))

    def _answered(self, effects: list[Effect]) -> None:
        answering = self._answering
        if not answering.reusable or not self._up.ended:
            effects.append(EndTarget())
        self._ended(self._close or answering.until_close or self._too_long(), effects)

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
            said = self._failed(503, reason, True) if denial is None else self._said(denial, False, True)
            effects.append(ToClient(said))
        self._hang_up(code, reason, effects)
        return effects

    def _violated(self, reason: str, effects: list[Effect]) -> None:
        if self._phase == IDLE or not self._answering.begun:
            data = words.failed(400, reason, close=True, session=self._scope.session)
            effects.append(ToClient(data))
        self._hang_up(Code.PROTOCOL_VIOLATED, reason, effects)

    def _hang_up(self, code: Code, reason: str, effects: list[Effect]) -> None:
        self._gone = True
        effects.append(Hangup(code, reason))


def in_scope(target: bytes, prefix: bytes) -> bytes | None:
    """The request target as the target reads it; None where it does not begin with the path `prefix`."""
    if not prefix:
        return target
    if not target.startswith(prefix):
        return None
    rest = target[len(prefix) :]
    if rest[:1] == b"/":
        return rest
    return b"/" + rest if rest[:1] in (b"", b"?") else None


def _redacted(size: int, texts: dict[int, bytes]) -> bytes:
    """In place of a request: nothing of it but its size."""
    return texts[0] + b"\r\n\r\n" if 0 in texts else b"(%d bytes)" % size

"""One request on its way to the target: what is judged of it, what the target reads, what the record gets."""

from __future__ import annotations

from functools import partial
from typing import Final, final

from hoopgw.model.answer import Denial
from hoopgw.model.errors import ProtocolViolation
from hoopgw.model.http import HttpRequest, alike
from hoopgw.model.operation import REQUEST, Operation
from hoopgw.relay import http_words as words
from hoopgw.relay.effects import Ask, Effect, ToTarget
from hoopgw.relay.http_answers import HELD, NOTED
from hoopgw.relay.http_body import Body
from hoopgw.relay.http_conditions import UNLESS, compares, is_tagged, untagged
from hoopgw.relay.http_heads import MAX_PREPARED, SECRET, RequestHead, is_ours
from hoopgw.relay.http_origin import REASON, may_ask
from hoopgw.relay.http_otherwise import AS_ASKED, LEFT_OUT, otherwise
from hoopgw.relay.http_query_secret import brings, shown, with_query
from hoopgw.relay.http_request_secrets import RequestSecrets
from hoopgw.relay.http_scope import PROOFS, HttpScope
from hoopgw.relay.http_secrets import starred_protocols
from hoopgw.relay.http_signing import CODED, MAX_HASHED, WHOLE, Signing
from hoopgw.relay.http_trace import Traces
from hoopgw.relay.http_upgrade import WEBSOCKET, asking, opened
from hoopgw.wire.httpfields import LENGTH, NO_BODY, Block
from hoopgw.wire.httphead import Request
from hoopgw.wire.secretnames import NO_NAMES
from hoopgw.wire.websocket_handshake import Opening

LANE: Final = 0
_VERSION: Final = b" HTTP/1.1\r\n"
MAX_REPEATED: Final = 64 * 1024  # bytes of a request that is kept for a second try
# Answered with what was sent, the credential that only the gateway has among it (RFC 9110, 9.3.8)
REFLECTING: Final = frozenset((b"TRACE", b"TRACK"))
# What may be sent again on another connection (RFC 9110, 9.2.2), where the first was closed without a word
IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"))


@final
class Outgoing:
    """Follows one request at a time.

    up          its body, as the client sends it
    head        its fields; None before the first request
    request     what rules look at
    line        method and target
    close       the client's connection ends with its answer
    reads       bytes of the body that must be here before it goes on
    opening     it asks for a WebSocket with this
    renewed     another credential was asked for, for this request
    once        it was approved: however it ends, it is not sent a second time by itself
    repeatable  the begin of what may be sent again while nothing of its answer has come; `repeated` is all of it
    otherwise   how the head that was sent differs from the one that was recorded when it was asked
    """

    __slots__ = (
        "up", "head", "request", "line", "close", "reads", "opening", "once", "repeatable", "_more",
        "_scope", "_prepared", "_block", "_last", "_signing", "_judged", "_content", "_pieces",
        "_traces", "_trace", "_sent", "renewed", "_untagged", "otherwise", "_secrets", "_shown",
    )  # fmt: skip

    def __init__(self, scope: HttpScope) -> None:
        self._scope = scope
        self._prepared: dict[Block, RequestHead] = {}
        self._block: Block | None = None  # the one that `_last` was made of
        self._last: RequestHead | None = None
        self._signing = None if scope.signing is None else Signing(scope.signing)
        self.up = Body(NO_BODY, 0)
        self.head: RequestHead | None = None
        self.request: HttpRequest | None = None
        self.line = b""
        self.close = False
        self.reads = 0
        self.opening: Opening | None = None
        self.once = False
        self.repeatable = b""
        self._more = bytearray()  # of the body, behind what is repeatable
        self.otherwise = AS_ASKED
        self._judged = 0  # bytes of the body that the rules want
        # Of it so far, without chunks, bounded by `reads` and a read; and the same as it came.  No lists: a client may
        # send each byte by itself
        self._content = bytearray()
        self._pieces = bytearray()
        self._secrets = RequestSecrets(scope.named)
        self._shown: bytearray | None = None  # `_pieces` for the record; None: as they are
        self._traces = Traces(scope.token_bytes)
        self._trace = b""
        self._sent: bytearray | None = None  # the body, where all may be sent once more with another credential
        self.renewed = False
        self._untagged = False  # its answer is masked, and it has an If-None-Match: that stays here

    def prepare(self, block: Block) -> RequestHead:
        last = self._last
        if last is not None and block is self._block:
            return last
        found = self._prepared.get(block)
        if found is None:
            found = RequestHead(block, self._scope)
            if len(self._prepared) >= MAX_PREPARED:
                self._prepared.clear()
            self._prepared[block] = found
        self._block, self._last = block, found
        return found

    # ---- before it is judged

    def begin(self, read: Request, head: RequestHead, target: bytes) -> tuple[int, str]:
        """Another one; `target` is what the target reads as such.

        Gives (status, reason) where it does not go on whatever rules say, else (0, "").  Raises WireError.
        """
        block, method = read.block, read.method
        self.up = Body(block.framing, block.length)
        self.head = head
        self.close = block.close or read.minor == 0
        self.renewed = self._untagged = self._secrets.looks = False
        self.line = method + b" " + target
        self._empty()
        self._sent = None
        size = block.length if block.framing == LENGTH else 0 if block.framing == NO_BODY else None
        empty = b"" if self.up.ended else None
        place = self._scope.route[0]
        request = HttpRequest(method, target, place, head.fields, empty, size, head.shown, head.resumes, head.hides)
        self.request = request
        self.opening = opened(read, self._scope) if head.upgrade == WEBSOCKET else None
        self._judged = self.reads = 0
        if method in REFLECTING:
            return 501, "Not Implemented"
        if self._scope.query and brings(target, self._scope.query):
            return 400, "the address carries a credential that the gateway puts in: ask without it"
        if not may_ask(method, head.asker):
            return 403, REASON
        if head.astray:
            return 403, head.astray
        if head.expects and head.expects != b"100-continue":
            return 417, "Expectation Failed"
        # an offer of HTTP/2 is not taken up (RFC 9110, 7.8)
        if head.upgrade and head.upgrade != b"h2c" and self.opening is None:
            return 501, "Not Implemented"
        signing = self._signing
        if signing is not None:
            status, reason = signing.begin(target, head, block.framing, block.length)
            if status:
                return status, reason
        if not self.up.ended:
            self._secrets.looks = self._scope.named is not NO_NAMES
            self._judged = self._scope.needs(request)
            self.reads = max(self._judged, MAX_HASHED) if signing is not None and signing.way == WHOLE else self._judged
        return 0, ""

    def gather(self, data: bytes, here: int) -> int:
        """Keeps what of the body comes before it may go on; gives where that ends in `data`."""
        if self.up.ended:
            return here
        coded = self._signing is not None and self._signing.way == CODED
        wanted = self.reads > 0 or coded
        secrets = self._secrets
        content: list[bytes] | None = [] if wanted or secrets.looks or secrets.found is not None else None
        end = self._followed(data, here, content)
        piece = data[here:end]
        if content is not None:
            if wanted:
                for each in content:
                    self._content += each
            assert self.head is not None
            shown = secrets.of_piece(piece, content, self.up, self.head.kind)
            if self._shown is None and shown is not piece:
                self._shown = bytearray(self._pieces)
            if self._shown is not None:
                self._shown += shown
        self._pieces += piece
        return end

    def _followed(self, data: bytes, here: int, content: list[bytes] | None) -> int:
        """Where its body ends in `data`.  Raises WireError, also for a trailer that names what a head may not, for some
        targets put trailers among the fields; or what the record may not have (RFC 9110, 6.5.1: nor may a trailer)."""
        end = self.up.take(data, here, content)
        for name, _ in self.up.trailers:
            plain = alike(name)
            ours = is_ours(plain) or plain in self._scope.replaced or plain in self._scope.secrets
            if ours or plain in PROOFS or plain in SECRET or self._scope.named.hides(name):
                raise ProtocolViolation(f"{name.decode('ascii')} as a trailer")
        return end

    @property
    def read(self) -> bool:
        """As much of the body is here as has to be."""
        return self.up.ended or len(self._content) > self.reads

    def ask(self, number: int) -> Ask:
        """For the decision."""
        head, known = self.head, self.request
        assert head is not None and known is not None
        line = self._secrets.of_line(self.line)
        if self._judged and self.up.ended:
            self._know(known)
        request = self.request
        assert request is not None
        if line is not self.line:
            request.line, request.hides = line, True
        self._trace = self._traces.line() + b"\r\n"
        bound = head.bound + b"\r\n" + request.body if request.body else head.bound
        name = b"respond-async" if head.patient else b""
        operation = Operation("http", REQUEST, self.line, name, bound, number, request)
        upgrade = b"" if self.opening is None else starred_protocols(asking(self.opening), self._scope.named)
        if self._scope.query:
            line = shown(line, self._scope.query)
        recorded = b"".join((line, _VERSION, head.recorded, upgrade, self._trace))
        if self._pieces:
            recorded += bytes(self._pieces if self._shown is None else self._shown)
        return Ask(LANE, (operation,), recorded, partial(_redacted, len(recorded)))

    def _know(self, known: HttpRequest) -> None:
        """The body is there; a rule sees it where it is no longer than rules want."""
        if len(self._content) <= self._judged:
            head, body = self.head, bytes(self._content)
            assert head is not None
            self.request = HttpRequest(
                known.method, known.target, known.authority, known.fields, body, known.size, known.shown, head.resumes,
                known.hides,
            )  # fmt: skip
            shown = self._secrets.of_whole(body, head.kind)
            if shown is not None:
                self.request.hides, self.request.content = True, shown

    # ---- when it may go on

    @property
    def unsignable(self) -> bool:
        """Its signature needs a hash of more than is kept."""
        signing = self._signing
        if signing is None or signing.way != WHOLE:
            return False
        return not self.up.ended or len(self._content) > MAX_HASHED

    @property
    def compares(self) -> bool:
        """Its answer would tell whether a guess at what is masked is right."""
        return self.request is not None and compares(self.request.method, self.request.fields)

    def untag(self) -> None:
        """The target is to answer as if the client had nothing of it yet."""
        self._untagged = self.head is not None and is_tagged(self.head.fields)

    def forward(self) -> bytes:
        """Its head, and what is there of its body.  Raises SecretUnavailable, TokenUnavailable and WireError."""
        scope, head, request = self._scope, self.head, self.request
        assert head is not None and request is not None
        self.otherwise = AS_ASKED
        line, upstream = self.line, head.upstream
        if scope.query:
            line = with_query(line, scope.query)
        body = bytes(self._pieces) if self._pieces else b""
        signing = self._signing
        if signing is not None:
            if signing.way == WHOLE:
                signing.hashed([bytes(self._content)])
            bound, own = signing.lines(request.method, request.target, scope.host, head)
            self.otherwise = otherwise(head.lines, bound, own)
            upstream = b"Host: " + scope.host + b"\r\n" + bound + scope.told + own
            if signing.way == CODED:
                body = signing.coded([bytes(self._content)], self.up.ended)
        self._empty()
        if self._untagged:
            upstream = untagged(upstream)
            self.otherwise = {**self.otherwise, LEFT_OUT: [UNLESS.decode(), *self.otherwise.get(LEFT_OUT, ())]}
        granted = b"" if scope.granted is None else scope.granted()
        upgrade = b"" if self.opening is None else asking(self.opening)
        data = b"".join((line, _VERSION, upstream, granted, scope.identity(), upgrade, self._trace, body))
        short = len(data) <= MAX_REPEATED and self.opening is None
        self._sent = bytearray(body) if short and scope.granted is not None else None
        self.repeatable = data if short and not self.once else b""
        if self._more:
            self._more = bytearray()
        return data

    def repeated(self) -> bytes:
        """What of the request is repeatable, once: the rest of its body follows."""
        repeatable, self.repeatable = self.repeatable, b""
        return repeatable + self._more if self._more else repeatable

    @property
    def idempotent(self) -> bool:
        """What is repeatable may be so where nobody knows whether it was done."""
        return self.request is not None and self.request.method in IDEMPOTENT

    @property
    def renews(self) -> int:
        """What becomes of a 401: HELD where it may be sent again with another credential, for that says that it was
        not applied (RFC 9110, 15.5.2); NOTED where another one may be asked for; 0 for nothing."""
        if self._scope.granted is None or self.renewed:
            return 0
        return HELD if self._sent is not None and self.up.ended and self._scope.renewable() else NOTED

    def forward_again(self) -> bytes:
        """The same with the credential as it is now, for the last time.  Raises the same."""
        self._pieces = bytearray(self._sent or b"")
        data = self.forward()
        self._sent = None
        return data

    def go_on(self, data: bytes, here: int, effects: list[Effect]) -> int:
        """More of a body whose head the target has; gives where it ends in `data`.  Raises WireError."""
        signing = self._signing
        coded = signing is not None and signing.way == CODED
        secrets = self._secrets
        content: list[bytes] | None = [] if coded or secrets.looks or secrets.found is not None else None
        end = self._followed(data, here, content)
        piece = data if here == 0 and end == len(data) else data[here:end]
        recorded = None
        if content is not None:
            assert self.head is not None
            shown = secrets.of_piece(piece, content, self.up, self.head.kind)
            recorded = shown if shown is not piece else None
        if signing is not None and coded and content is not None:
            self.repeatable = b""
            effects.append(ToTarget(signing.coded(content, self.up.ended), piece if recorded is None else recorded))
            return end
        if self.repeatable:
            self._repeat(piece)
        if self._sent is not None:
            self._keep(piece)
        effects.append(ToTarget(piece, recorded))
        return end

    def _repeat(self, piece: bytes) -> None:
        self._more += piece
        if len(self.repeatable) + len(self._more) > MAX_REPEATED:
            self.repeatable = b""
            self._more = bytearray()

    def _empty(self) -> None:
        """Most requests have no body."""
        if self._content or self._pieces:
            self._content, self._pieces = bytearray(), bytearray()
        self._shown = None

    def _keep(self, piece: bytes) -> None:
        assert self._sent is not None
        self._sent += piece
        if len(self._sent) > MAX_REPEATED:
            self._sent = None

    def left_out(self) -> tuple[int, int]:
        """(values of secret fields that the record does not have, bodies of which it has no more than their length)."""
        return self._secrets.left_out()

    # ---- the gateway's own answers to it

    def denied(self, denial: Denial, patient: bool, close: bool) -> bytes:
        return words.denied(denial, patient=patient, close=close, head=self._to_head, grpc=self.grpc)

    def failed(self, status: int, reason: str, close: bool) -> bytes:
        session = self._scope.session
        more = words.CHALLENGE if status == 401 else b""
        return words.failed(status, reason, close=close, head=self._to_head, more=more, session=session, grpc=self.grpc)

    @property
    def _to_head(self) -> bool:
        return self.line.startswith(b"HEAD ")

    @property
    def grpc(self) -> bool:
        """What refuses it is a status of gRPC."""
        return self.head is not None and self.head.grpc

    def forget(self) -> None:
        """It has its answer."""
        self._empty()
        if self._secrets.found is not None:
            self._secrets.forget()
        self._sent = None
        self.repeatable = b""
        if self._more:
            self._more = bytearray()


def _redacted(size: int, texts: dict[int, bytes]) -> bytes:
    """In place of a request: nothing of it but its size."""
    return texts[0] + b"\r\n\r\n" if 0 in texts else b"(%d bytes)" % size

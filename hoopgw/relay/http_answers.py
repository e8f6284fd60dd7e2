"""The answer to one request on its way to the client: rewritten heads, masked bodies, bounds."""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.answer import Allowance, Answer, Decision, Denial, Meter
from hoopgw.model.errors import ProtocolViolation
from hoopgw.model.events import Code
from hoopgw.model.verdict import IBodyMasks, IMaskedBody
from hoopgw.relay import http_words as words
from hoopgw.relay.effects import Completed, Effect, Observed, ToClient
from hoopgw.relay.http_body import Body
from hoopgw.relay.http_echoes import Echo, redacted
from hoopgw.relay.http_heads import MAX_PREPARED, ResponseHead, recorded_line
from hoopgw.relay.http_masked_body import MaskedBody, Passed
from hoopgw.relay.http_scope import HttpScope
from hoopgw.relay.http_upgrade import Switch, switched
from hoopgw.wire.codings import codings_of
from hoopgw.wire.httpchunks import chunk_of
from hoopgw.wire.httpfields import CHUNKED, NO_BODY, UNTIL_CLOSE, Block
from hoopgw.wire.httphead import Blocks, Response, read_response
from hoopgw.wire.websocket_handshake import Opening

MAX_INTERIM: Final = 16  # answers of status 1xx before one answer: targets send one or two
CONTINUE: Final = 100
EARLY_HINTS: Final = 103
SWITCHING: Final = 101
UNAUTHORIZED: Final = 401
NOTED: Final = 1
HELD: Final = 2

EMPTY: Final = (b"content-length", b"0")  # what masks are told of an answer without a body


@final
class Answering:
    """Follows one answer at a time.

    continued     the client was told to go on with its body already
    begun         some of the final answer is on its way to the client
    reusable      the target's connection can take another request after it
    until_close   the body ends with the connection, and so must the client's
    denial        the answer may not even begin: this goes to the client instead
    cut           why it may not go on, in its middle; None otherwise
    grpc          it is to end with a status of gRPC
    even          one can be put behind what the client has of it: no chunk is open
    renews        what becomes of a 401: NOTED, HELD, or 0 for nothing
    unauthorized  the target does not take the credential (401): NOTED, or HELD where nothing of that goes on; else 0
    opening       the request asks for a WebSocket with this
    switch        the target has agreed to it; `rest` is what it sent behind that
    """

    __slots__ = (
        "unauthorized", "continued", "begun", "reusable", "until_close", "denial", "cut", "opening", "switch", "rest",
        "meter", "masks", "grpc", "even", "_scope", "_blocks", "_prepared", "_block", "_last", "_method", "_minor",
        "_number", "_body", "_masked", "_chunked", "_partial", "_interim", "_place", "_echo", "_echoed",
        "renews",
    )  # fmt: skip

    def __init__(self, scope: HttpScope) -> None:
        self._scope = scope
        self._blocks = Blocks()
        self._prepared: dict[Block, ResponseHead] = {}
        self._block: Block | None = None  # the one that `_last` was made of
        self._last: ResponseHead | None = None
        self._body = Body(NO_BODY, 0)
        self._echo = Echo()
        self._echoed = False  # that was said once, for the session
        self.begin(b"GET", 1, b"/")

    def begin(self, method: bytes, minor: int, place: bytes) -> None:
        """Another request, for `place` as the target reads it: what is known of the one before is forgotten."""
        self._method = method
        self._place = place
        self._minor = minor
        self.meter: Meter | None = None
        self.masks: IBodyMasks | None = None
        self.opening: Opening | None = None
        self.switch: Switch | None = None
        self.rest = b""
        self._masked: IMaskedBody | None = None
        self._number = 0
        self._chunked = False  # a masked body goes on in chunks
        self._partial = b""
        self._interim = 0
        self.unauthorized = 0
        self.renews = 0
        self.continued = False
        self.begun = False
        self.reusable = False
        self.until_close = False
        self.denial: Denial | None = None
        self.cut: Denial | None = None
        self.grpc = False
        self.even = False

    def allowed(self, answer: Answer, number: int) -> None:
        """The request goes to the target now."""
        self.meter = answer.meter
        self.masks = answer.bodies
        self._number = number

    def take(self, data: bytes, effects: list[Effect]) -> bool:
        """True: the answer is complete, or `denial` or `cut` say that it is over.

        Raises Unmaskable and WireError.
        """
        if self._partial:
            data = self._partial + data
            self._partial = b""
        here = 0
        if not self.begun:
            sought = self._scope.words()  # of the request that was sent last, maybe with another token
            if sought.each or self._echo.words.each:
                self._echo.begin(sought)
        while not self.begun:
            read = read_response(data, here, self._method, self._blocks)
            if read is None:
                self._partial = data[here:]
                return False
            if read.status == SWITCHING and self.opening is not None:
                fields = self._prepare(read.block).fields
                shown = None if self.masks is None else self.masks.response(SWITCHING, fields)
                fields = fields if shown is None else shown.fields  # a 101 has fields as any other answer has
                self.switch = switched(read, fields, self.opening, self._scope)
                self.begun = True
                self.rest = data[read.end :]
                effects.append(ToClient(self.switch.head, self.switch.recorded))
                return True
            if read.status == UNAUTHORIZED and self.renews:
                self.unauthorized, self.renews = self.renews, 0
                if self.unauthorized == HELD:
                    return True
            if read.status >= 200:
                here = self._final(read, data, here, effects)
            else:
                self._interim_answer(read, effects)
                here = read.end
            if self.denial is not None:
                return True
        if not self._body.ended:
            here = self._rest(data, here, effects)
        self._tell_echo(effects)
        if self._body.ended or self.cut:
            self._end(effects)
            if here < len(data):  # an answer to nothing comes behind: the next request's would be taken for it
                self.reusable = False
            return True
        return False

    def closed(self, effects: list[Effect]) -> bool:
        """The target's connection ended: True where that is the end of the answer.  Raises Unmaskable."""
        if self.begun and self.until_close:
            if self._masked is not None:
                self._end(effects)
                return True
            rest = self._echo.passed(b"", True)
            if rest:
                effects.append(ToClient(rest))
            effects.append(Completed(self._number, 0, 0, ""))  # nothing else in the record says that it was whole
            return True
        return False

    def _tell_echo(self, effects: list[Effect]) -> None:
        if self._echo.found and not self._echoed:
            self._echoed = True
            effects.append(Observed(Code.CREDENTIAL_ECHOED, {"operation": self._number, "side": "target"}))

    # ---- heads

    def _interim_answer(self, read: Response, effects: list[Effect]) -> None:
        self._interim += 1
        if read.status == SWITCHING:
            raise ProtocolViolation("a change of protocol that nobody asked for")
        if self._interim > MAX_INTERIM:
            raise ProtocolViolation(f"more than {MAX_INTERIM} answers before the answer")
        if self._minor == 0 or (read.status == CONTINUE and self.continued):
            return
        if read.status == CONTINUE:
            effects.append(ToClient(b"HTTP/1.1 100 Continue\r\n\r\n"))
        elif read.status == EARLY_HINTS and self.masks is None:  # its fields are hints, and nothing masks them
            self._hints(self._prepare(read.block), effects)

    def _hints(self, prepared: ResponseHead, effects: list[Effect]) -> None:
        first = b"HTTP/1.1 103 Early Hints\r\n"
        same = prepared.recorded == prepared.lines
        shown = first + prepared.lines + b"\r\n"
        effects.append(ToClient(shown, None if same else first + prepared.recorded + b"\r\n"))
        self._echo.found += prepared.echoes
        self._tell_echo(effects)

    def _prepare(self, block: Block) -> ResponseHead:
        last = self._last
        if last is not None and block is self._block:
            return last
        found = self._prepared.get(block)
        if found is None:
            found = ResponseHead(block, self._scope, self._place, self._echo.words)
            if found.of_place:
                return found
            if len(self._prepared) >= MAX_PREPARED:
                self._prepared.clear()
            self._prepared[block] = found
        self._block, self._last = block, found
        return found

    def _final(self, read: Response, data: bytes, start: int, effects: list[Effect]) -> int:
        """The head, and what of the body came with it; gives where that ends."""
        block, body = read.block, Body(read.framing, read.length)
        self._body = body
        self.until_close = read.framing == UNTIL_CLOSE
        self.reusable = not block.close and not self.until_close and (read.minor == 1 or block.keep_alive)
        prepared = self._prepare(block)
        sought = self._echo.words
        if sought.each:
            self._echo.found += prepared.echoes or redacted(read.reason, sought) is not read.reason
            self._echo.encoded(codings_of(prepared.fields))
        if self.masks is not None:
            fields = (*prepared.fields, EMPTY) if body.ended else prepared.fields
            self._masked = self.masks.response(read.status, fields)
        if self._masked is None and read.framing == CHUNKED and (self.masks is not None or self._minor == 0):
            # its trailers are masked; HTTP/1.0 has no chunks
            self._masked = MaskedBody(prepared.fields, Passed(), None)
        if self._masked is not None:
            return self._final_masked(read, self._masked, data, effects)
        end, shown = self._content(data, read.end)
        if not self._fits(end - read.end):
            return end
        self.begun = True
        if self.grpc:
            self.even = self._body.between and (shown is None or len(shown) == end - read.end)
        same = shown is None or (self._echo.found == 0 and len(shown) == end - read.end)
        if same and prepared.plain and read.minor == 1 and not self.until_close and self.masks is None:
            effects.append(ToClient(data if start == 0 and end == len(data) else data[start:end]))
            return end
        last = b"Connection: close\r\n\r\n" if self.until_close else b"\r\n"
        last += data[read.end : end] if shown is None else shown
        first = self._first(read)
        # The length in an answer to HEAD is that of a body that would be masked
        framing = prepared.framing if self.masks is None or read.framing != NO_BODY else b""
        shown = first + prepared.lines + framing + last
        same = prepared.recorded == prepared.lines
        effects.append(ToClient(shown, None if same else first + prepared.recorded + framing + last))
        return end

    def _final_masked(self, read: Response, masked: IMaskedBody, data: bytes, effects: list[Effect]) -> int:
        content: list[bytes] = []
        end = self._body.take(data, read.end, content)
        if not self._fits(end - read.end):
            return end
        self._chunked = read.framing != NO_BODY and self._minor == 1
        self.until_close = self.until_close or (self._minor == 0 and read.framing != NO_BODY)
        body = self._fed(masked, content)
        self.begun = True
        self.even = self._chunked
        framing = b"Transfer-Encoding: chunked\r\n" if self._chunked else b""
        first = self._first(read)
        close = b"Connection: close\r\n\r\n" if self.until_close else b"\r\n"
        lines = [(name, name + b": " + value + b"\r\n") for name, value in masked.fields]
        last = framing + close + body
        hidden = b"".join([recorded_line(name, line, self._scope) for name, line in lines])
        effects.append(ToClient(first + b"".join([line for _, line in lines]) + last, first + hidden + last))
        return end

    def _first(self, read: Response) -> bytes:
        """The status line; a target's own words in it are not seen where something is masked."""
        reason = read.reason if self.masks is None else words.REASONS.get(read.status, "").encode()
        return b"HTTP/1.1 %d %s\r\n" % (read.status, redacted(reason, self._echo.words))

    # ---- bodies

    def _content(self, data: bytes, here: int) -> tuple[int, bytes | None]:
        """Where a body that is not masked ends in `data`, and what of it may go on; None: all, as it is.  Raises
        Unmaskable."""
        echo, body = self._echo, self._body
        if not echo.words.each:
            return body.take(data, here), None
        if body.framing != CHUNKED and not echo.decodes:
            end = body.take(data, here)
            return end, echo.passed(data[here:end], body.ended)
        content: list[bytes] = []
        end = body.take(data, here, content)
        return end, echo.follow(data[here:end], content, body.ended)

    def _rest(self, data: bytes, here: int, effects: list[Effect]) -> int:
        if self._masked is not None:
            content: list[bytes] = []
            end = self._body.take(data, here, content)
            if self._fits(end - here):
                piece = self._fed(self._masked, content)
                if piece:
                    effects.append(ToClient(piece))
            return end
        end, shown = self._content(data, here)
        if shown is None:
            shown = data if here == 0 and end == len(data) else data[here:end]
        if end > here and self._fits(end - here):
            if self.grpc:
                self.even = self._body.between and len(shown) == end - here
            if shown:
                effects.append(ToClient(shown))
        return end

    def _fed(self, masked: IMaskedBody, content: list[bytes]) -> bytes:
        if not content:
            return b""
        data = content[0] if len(content) == 1 else b"".join(content)
        if self._chunked and not self._echo.words.each:
            return masked.chunk(data)
        return self._framed(self._echo.passed(masked.feed(data), False))

    def _framed(self, piece: bytes) -> bytes:
        return chunk_of(piece) if self._chunked else piece

    def _end(self, effects: list[Effect]) -> None:
        masked = self._masked
        if masked is None or self.cut:
            return
        self._masked, self.even = None, False
        last = self._framed(self._echo.passed(masked.finish(), True))
        if self._chunked:
            behind = () if self.masks is None else self.masks.trailers(tuple(self._body.trailers))
            lines = b"".join([name + b": " + value + b"\r\n" for name, value in behind])
            last += b"0\r\n" + self._echo.starred(lines) + b"\r\n"
        if last:
            effects.append(ToClient(last))
        effects.append(Completed(self._number, 0, masked.masked))

    # ---- bounds

    def _fits(self, size: int) -> bool:
        """Whether a bound has room for more; else `denial` or `cut` say why not."""
        meter = self.meter
        if meter is None or size <= 0 or meter.take_bytes(size):
            return True
        denial = _over(meter.exceeded, self._scope)
        if self.begun:
            self.cut = denial
        else:
            self.denial = denial
        return False


def _over(allowance: Allowance | None, scope: HttpScope) -> Denial:
    name = allowance.name if allowance is not None else "its limit"
    return Denial(
        decision=Decision.OVER_BUDGET,
        reason=f"the answer is longer than {name}",
        guardrails=(allowance.guardrail,) if allowance is not None else (),
        expires=allowance.resets if allowance is not None else None,
        session=scope.session,
        policy=scope.policy,
    )

"""The sans-IO middle of a WebSocket: messages of both directions -> effects (RFC 6455).  Allows nothing itself.

Every message is taken out of its frames and written anew: what was judged and recorded is what is sent.  Where rules
read messages, each of the client's is an operation and waits whole; pings pass it.  A refused message ends the
WebSocket: an application that lost one message of many would go on in error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, final

from hoopgw.model.answer import Answer, Denial, Meter
from hoopgw.model.errors import TooLarge, Unmaskable, WireError
from hoopgw.model.events import Code
from hoopgw.model.http import HttpRequest
from hoopgw.model.operation import MESSAGE, Operation
from hoopgw.model.verdict import IBodyMasks
from hoopgw.relay.effects import (
    RECORDED,
    Ask,
    Completed,
    Effect,
    Hangup,
    Observed,
    PauseClient,
    ResumeClient,
    ToClient,
    ToTarget,
    Withdraw,
)
from hoopgw.relay.http_echoes import Echo, Words
from hoopgw.relay.joining import joined
from hoopgw.relay.websocket_secrets import MessageSecrets
from hoopgw.relay.websocket_words import closing
from hoopgw.wire import websocket as ws
from hoopgw.wire.secretnames import NO_NAMES, SecretNames
from hoopgw.wire.websocket_deflate import Terms
from hoopgw.wire.websocket_messages import Keys, MessageReader, MessageWriter, close_code, plain
from hoopgw.wire.websocket_runs import said_run, told_run

LANE: Final = 0
MAX_MASKED: Final = 4 << 20  # bytes of a target's message where something is to be masked: it must be there whole
MAX_KEPT: Final = 256 * 1024  # bytes of messages that wait behind one that is decided
EACH: Final = 128  # bytes that one of them takes in any case: it may be empty
NAMES: Final = {ws.TEXT: b"text", ws.BINARY: b"binary"}


@dataclass(frozen=True)
class WebSocketScope:
    """
    request   that opened it, and was allowed
    number    of its operation; messages are counted on from it
    judged    bytes of a client's message that rules read; 0: none does
    bodies    what is masked in the target's messages
    meter     what bounds them
    keys      for the masks of RFC 6455, 5.3
    words     of the target's credential: in no message that it sends
    named     of members whose values the record does not have
    """

    request: HttpRequest
    number: int
    judged: int
    bodies: IBodyMasks | None
    meter: Meter | None
    keys: Keys
    words: Words
    named: SecretNames = NO_NAMES


@final
class WebSocketRelay:
    """From the 101 on.  Never raises for what a peer sends."""

    def __init__(self, scope: WebSocketScope, terms: Terms | None) -> None:
        self._scope = scope
        self._operations = scope.number
        self._client = MessageReader(True, terms)
        self._target = MessageReader(False, terms)
        self._to_target = MessageWriter(scope.keys.next, terms)
        self._to_client = MessageWriter(None, terms)
        # Of a client's message that is not whole, where rules read it.  No list: fragments may be empty
        self._parts = bytearray()
        self._waiting: list[ws.Piece] = []  # whole messages of the client that are not asked about yet
        self._kept = 0  # bytes of them
        self._asked: list[ws.Piece] = []
        self._secrets = MessageSecrets(scope.named)
        self._reads = scope.named is not NO_NAMES
        self._paused = False
        self._echo = Echo()
        self._echo.begin(scope.words)
        self._echoed = False  # that was said
        self._shown = bytearray()  # of a target's message that is not whole, where it is masked
        self._gone = False
        # Where nobody reads them, messages go on in runs
        self._runs_up = terms is None and not scope.judged
        self._runs_down = terms is None and scope.bodies is None

    @property
    def asking(self) -> bool:
        return bool(self._asked)

    @property
    def owed(self) -> bool:
        """The client has not said goodbye: it may still send, and read why it is to end only behind that."""
        return not self._client.closed

    @property
    def starred(self) -> int:
        """Values of secret members that the record does not have."""
        return self._secrets.found

    # ---- from the client

    def from_client(self, data: bytes) -> list[Effect]:
        effects: list[Effect] = []
        if self._gone:
            return effects
        if self._runs_up and self._client.between:
            data = self._said_runs(data, effects)
        try:
            for piece in self._client.read(data):
                self._said(piece, effects)
        except WireError as error:
            self._violated(error, effects)
            return joined(effects)
        self._ask(effects)
        return joined(effects)

    def _said_runs(self, data: bytes, effects: list[Effect]) -> bytes:
        """What is left of `data` behind the messages that pass as they are."""
        here = 0
        while here < len(data):
            run = said_run(data, here, self._scope.keys)
            if run is None:
                break
            effects.append(ToTarget(run.data, self._secrets.run(run.recorded) if self._reads else run.recorded))
            here = run.end
        return data[here:] if here else data

    def _said(self, piece: ws.Piece, effects: list[Effect]) -> None:
        if piece.kind == ws.CLOSE:
            self._client_closes(piece, effects)
        elif piece.kind > ws.CLOSE or not self._scope.judged:
            self._pass_on(piece, effects, plain(self._secrets.piece(piece) if self._reads else piece))
        else:
            self._collect(piece, effects)

    def _collect(self, piece: ws.Piece, effects: list[Effect]) -> None:
        self._parts += piece.data
        if len(self._parts) > self._scope.judged:
            raise TooLarge(f"a message of more than {self._scope.judged} bytes, which rules were to read")
        if piece.last:
            self._waiting.append(ws.Piece(piece.kind, bytes(self._parts)))
            self._kept += len(self._parts) + EACH
            self._parts = bytearray()
            if self._asked and self._kept > MAX_KEPT and not self._paused:
                self._paused = True
                effects.append(PauseClient())

    def _ask(self, effects: list[Effect]) -> None:
        if self._asked or not self._waiting or self._gone:
            return
        self._asked, self._waiting, self._kept = self._waiting, [], 0
        shown = [self._secrets.piece(piece) for piece in self._asked] if self._reads else self._asked
        asked = tuple(self._operation(piece, each) for piece, each in zip(self._asked, shown, strict=True))
        run = b"".join(map(plain, shown))
        effects.append(Ask(LANE, asked, run, partial(_redacted, shown)))

    def _operation(self, piece: ws.Piece, shown: ws.Piece) -> Operation:
        self._operations += 1
        known, data = self._scope.request, piece.data
        request = HttpRequest(known.method, known.target, known.authority, known.fields, data, len(data))
        if shown is not piece:
            request.hides, request.line = True, shown.data
            request.content = shown.data
        opened = known.method + b" " + known.target
        return Operation("http", MESSAGE, data, NAMES[piece.kind], opened, self._operations, request)

    def decided(self, answers: Sequence[Answer]) -> list[Effect]:
        effects: list[Effect] = []
        if self._gone or not self._asked:
            return effects
        asked, self._asked = self._asked, []
        first = self._operations - len(asked) + 1
        for number, (piece, answer) in enumerate(zip(asked, answers, strict=True), first):
            if answer.denial is not None:
                self._deny(answer.denial, number, effects)
                return effects
            self._pass_on(piece, effects, RECORDED)
        if self._paused:
            self._paused = False
            effects.append(ResumeClient())
        self._ask(effects)
        return joined(effects)

    def _deny(self, denial: Denial, number: int, effects: list[Effect]) -> None:
        effects.append(Completed(number, 0, 0, denial.decision.value))
        self._close(ws.POLICY, closing(denial), effects)
        self._hang_up(Code.SESSION_CLOSED, "a message was refused", effects)

    def _client_closes(self, piece: ws.Piece, effects: list[Effect]) -> None:
        """What still waits to be decided is the client's no more."""
        if self._asked:
            effects.append(Withdraw(LANE))
        self._asked, self._waiting, self._parts = [], [], bytearray()
        self._pass_on(piece, effects, plain(piece))
        self._both_closed(effects)

    def _pass_on(self, piece: ws.Piece, effects: list[Effect], recorded: bytes) -> None:
        data = self._to_target.write(piece)
        if data or recorded:
            effects.append(ToTarget(data, recorded))

    # ---- from the target

    def from_target(self, data: bytes) -> list[Effect]:
        effects: list[Effect] = []
        if self._gone:
            return effects
        if self._runs_down and self._target.between:
            data = self._told_runs(data, effects)
        try:
            for piece in self._target.read(data):
                self._answered(piece, effects)
                if self._gone:
                    break
        except Unmaskable as error:
            self._unmaskable(str(error), effects)
        except WireError as error:
            self._target_violated(error, effects)
        if self._echo.found and not self._echoed:
            self._echoed = True
            effects.append(Observed(Code.CREDENTIAL_ECHOED, {"operation": self._scope.number, "side": "target"}))
        return joined(effects)

    def _told_runs(self, data: bytes, effects: list[Effect]) -> bytes:
        """As `_said_runs`; a run for which a bound has no room goes message by message, as far as it reaches."""
        meter = self._scope.meter
        here = 0
        while here < len(data):
            run = told_run(data, here)
            if run is None or (meter is not None and not meter.take_bytes(run.size)):
                break
            effects.append(ToClient(self._echo.starred(run.data)))  # each is whole in it, in one frame
            here = run.end
        return data[here:] if here else data

    def _answered(self, piece: ws.Piece, effects: list[Effect]) -> None:
        if piece.kind >= ws.CLOSE:
            closes = piece.kind == ws.CLOSE
            self._show(self._farewell(piece) if closes else piece, effects)
            if closes:
                self._both_closed(effects)
            return
        meter = self._scope.meter
        if meter is not None and not meter.take_bytes(len(piece.data)):
            name = meter.exceeded.name if meter.exceeded is not None else "its limit"
            effects.append(Completed(self._scope.number, 0, 0, "over-budget: cut"))
            self._close(ws.POLICY, f"over-budget: more than {name}", effects)
            self._hang_up(Code.BUDGET_EXCEEDED, f"the messages are longer than {name}", effects)
        elif self._scope.bodies is None:
            self._show(piece, effects)
        else:
            self._collect_shown(piece, self._scope.bodies, effects)

    def _collect_shown(self, piece: ws.Piece, bodies: IBodyMasks, effects: list[Effect]) -> None:
        self._shown += piece.data
        if len(self._shown) > MAX_MASKED:
            raise Unmaskable(f"a message of more than {MAX_MASKED} bytes")
        if piece.last:
            whole, self._shown = bytes(self._shown), bytearray()
            self._show(ws.Piece(piece.kind, self._masked(whole, bodies, effects)), effects)

    def _masked(self, message: bytes, bodies: IBodyMasks, effects: list[Effect]) -> bytes:
        """Text or bytes are masked alike: services send JSON as either.  Raises Unmaskable."""
        shown = bodies.message(message)
        if shown != message:
            effects.append(Completed(self._scope.number, 0, 1))
        return shown

    def _farewell(self, piece: ws.Piece) -> ws.Piece:
        """A Close of the target, whose words are masked as a message is; what cannot be is left out."""
        bodies, words = self._scope.bodies, piece.data[2:]
        if bodies is None or not words:
            return piece
        try:
            shown = bodies.message(words)
        except Unmaskable:
            shown = b""
        code = int.from_bytes(piece.data[:2], "big")
        return ws.Piece(ws.CLOSE, ws.close_payload(code, shown.decode("utf-8", "replace")))

    def _show(self, piece: ws.Piece, effects: list[Effect]) -> None:
        if self._echo.words.each:
            whole = piece.kind >= ws.CLOSE  # one may come between fragments
            shown = self._echo.starred(piece.data) if whole else self._echo.passed(piece.data, piece.last)
            piece = ws.Piece(piece.kind, shown, piece.first, piece.last, piece.squeezed)
        data, recorded = self._to_client.write(piece), plain(piece)
        if data or recorded:
            effects.append(ToClient(data, recorded))

    def target_gone(self, reason: str) -> list[Effect]:
        """Its connection ended; without a Close the client is told so."""
        effects: list[Effect] = []
        if not self._gone:
            if not self._target.closed:
                self._tell_client(ws.BAD_GATEWAY, "the target is gone", effects)
            self._hang_up(Code.SESSION_CLOSED, reason, effects)
        return effects

    # ---- ends

    def ended(self, reason: str, code: Code, denial: Denial | None) -> list[Effect]:
        """The session ends: both sides are told."""
        effects: list[Effect] = []
        if not self._gone:
            self._close(ws.POLICY if denial is not None else ws.GOING_AWAY, _words(reason, denial), effects)
            self._hang_up(code, reason, effects)
        return effects

    def _both_closed(self, effects: list[Effect]) -> None:
        if self._client.closed and self._target.closed:
            self._hang_up(Code.SESSION_CLOSED, "the WebSocket was closed", effects)

    def _violated(self, error: WireError, effects: list[Effect]) -> None:
        self._close(close_code(error), str(error), effects)
        self._hang_up(Code.PROTOCOL_VIOLATED, str(error), effects)

    def _target_violated(self, error: WireError, effects: list[Effect]) -> None:
        fields: dict[str, object] = {"operation": self._scope.number, "side": "target", "reason": str(error)}
        effects.append(Observed(Code.PROTOCOL_VIOLATED, fields))
        self._close(ws.BAD_GATEWAY, "the target's message cannot be read", effects)
        self._hang_up(Code.PROTOCOL_VIOLATED, f"in the middle of a WebSocket: {error}", effects)

    def _unmaskable(self, reason: str, effects: list[Effect]) -> None:
        fields: dict[str, object] = {"operation": self._scope.number, "reason": reason}
        effects.append(Observed(Code.OPERATION_REFUSED, fields))
        self._close(ws.POLICY, "what must be masked cannot be read", effects)
        self._hang_up(Code.OPERATION_REFUSED, reason, effects)

    def _close(self, code: int, words: str, effects: list[Effect]) -> None:
        """Both sides, each unless it has said goodbye itself or an open message of ours would be broken into."""
        self._tell_client(code, words, effects)
        if not self._client.closed:
            piece = ws.Piece(ws.CLOSE, ws.close_payload(ws.GOING_AWAY, ""))
            self._pass_on(piece, effects, plain(piece))

    def _tell_client(self, code: int, words: str, effects: list[Effect]) -> None:
        if not self._target.closed:
            self._show(ws.Piece(ws.CLOSE, ws.close_payload(code, words)), effects)

    def _hang_up(self, code: Code, reason: str, effects: list[Effect]) -> None:
        self._gone = True
        if self._asked:
            self._asked = []
            effects.append(Withdraw(LANE))
        effects.append(Hangup(code, reason))


def _words(reason: str, denial: Denial | None) -> str:
    return reason if denial is None else closing(denial)


def _redacted(asked: list[ws.Piece], texts: dict[int, bytes]) -> bytes:
    """The run with some messages' text replaced."""
    shown = [ws.Piece(piece.kind, texts.get(index, piece.data)) for index, piece in enumerate(asked)]
    return b"".join(map(plain, shown))

"""The sans-IO middle of a tunnel: one CONNECT, then bytes both ways that nobody looks into (RFC 9110, 9.3.6).

Nothing moves before it is decided and the destination is reached.  What passes is counted, and not recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, final

from hoopgw.model.answer import Allowance, Answer, Denial, Meter
from hoopgw.model.errors import WireError
from hoopgw.model.events import Code
from hoopgw.model.http import HttpRequest
from hoopgw.model.operation import TUNNEL, Operation
from hoopgw.relay import http_words as words
from hoopgw.relay.effects import (
    RECORDED,
    Ask,
    Completed,
    Effect,
    Hangup,
    Observed,
    PauseClient,
    Reach,
    ResumeClient,
    ToClient,
    ToTarget,
)
from hoopgw.relay.http_scope import HOLD
from hoopgw.relay.relay import Relay
from hoopgw.wire.httphead import Blocks, read_request

LANE: Final = 0
NUMBER: Final = 1  # of the one operation
MAX_KEPT: Final = 64 * 1024  # bytes that a client sends before it was told that it may
ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"

BEGINNING: Final = 0
ASKING: Final = 1
REACHING: Final = 2
OPEN: Final = 3
GONE: Final = 4


@final
class TunnelRelay(Relay):
    """One session.  `destination` is host:port as the client wrote it; `moved` the bytes of both sides so far.

    up, down  bytes that went to the destination, and to the client, through the tunnel
    """

    def __init__(self, session: str, policy: str, destination: str) -> None:
        self.moved = 0
        self.up = 0
        self.down = 0
        self._session = session
        self._policy = policy
        self._destination = destination
        self._phase = BEGINNING
        self._kept: list[bytes] = []
        self._kept_size = 0
        self._paused = False
        self._meter: Meter | None = None

    # ---- what others ask

    @property
    def in_flight(self) -> bool:
        """What runs ends with the connection."""
        return False

    @property
    def open(self) -> bool:
        return self._phase == OPEN

    @property
    def asking(self) -> bool:
        return self._phase == ASKING

    def coverage(self) -> dict[str, Any]:
        """What was seen exactly, inferred, or passed opaque (docs/recording-format.md)."""
        passed = f"tunnel to {self._destination}, {self.up} bytes up, {self.down} down"
        return {"exact": ["requests"], "inferred": [], "opaque": [passed] if self.up or self.down else []}

    # ---- from the client

    def from_client(self, data: bytes) -> list[Effect]:
        self.moved += len(data)
        if self._phase == OPEN:
            return self._passed(data, True)
        effects: list[Effect] = []
        if self._phase == BEGINNING:
            self._begin(data, effects)
        elif self._phase != GONE:
            self._keep(data, effects)
        return effects

    def _begin(self, data: bytes, effects: list[Effect]) -> None:
        try:
            read = read_request(data, 0, Blocks())
        except WireError as error:
            self._refuse(400, str(error), Code.PROTOCOL_VIOLATED, effects)
            return
        if read is None:
            self._refuse(400, "a head that is not whole", Code.PROTOCOL_VIOLATED, effects)
            return
        self._phase = ASKING
        text = b"CONNECT " + self._destination.encode()
        named = b",".join(read.block.values(HOLD))
        request = HttpRequest(b"CONNECT", self._destination.encode(), read.host, (), b"", 0, b"", named)
        operation = Operation("http", TUNNEL, text, b"", b"", NUMBER, request)
        asked = text + b" HTTP/1.1\r\nHost: " + self._destination.encode() + b"\r\n\r\n"
        effects.append(Ask(LANE, (operation,), asked, _redacted))
        if read.end < len(data):
            self._keep(data[read.end :], effects)

    def _keep(self, data: bytes, effects: list[Effect]) -> None:
        self._kept.append(data)
        self._kept_size += len(data)
        if self._kept_size > MAX_KEPT and not self._paused:
            self._paused = True
            effects.append(PauseClient())

    # ---- decisions

    def decided(self, lane: int, answers: Sequence[Answer]) -> list[Effect]:
        effects: list[Effect] = []
        if self._phase != ASKING:
            return effects
        answer = answers[0]
        if answer.denial is not None:
            self._deny(answer.denial, effects)
        else:
            self._phase, self._meter = REACHING, answer.meter
            effects.append(Reach())
        return effects

    def holding(self, lane: int, notice: Denial) -> list[Effect]:
        """The client waits: no word before the answer is one for all clients."""
        return []

    def later(self, lane: int) -> list[Effect]:
        """Nothing is due later."""
        return []

    def reached(self, address: str) -> list[Effect]:
        """The destination is connected, at this address."""
        if self._phase != REACHING:
            return []
        self._phase = OPEN
        fields: dict[str, object] = {"operation": NUMBER, "destination": self._destination, "address": address}
        effects: list[Effect] = [ToClient(ESTABLISHED), Observed(Code.TUNNEL_OPENED, fields)]
        if self._paused:
            self._paused = False
            effects.append(ResumeClient())
        kept, self._kept = self._kept, []
        return effects + self._passed(b"".join(kept), True) if kept else effects

    def _deny(self, denial: Denial, effects: list[Effect]) -> None:
        effects.append(ToClient(words.unopened(denial)))
        effects.append(Completed(NUMBER, 0, 0, denial.decision.value))
        self._hang_up(Code.SESSION_CLOSED, "the tunnel was not opened", effects)

    def _refuse(self, status: int, told: str, code: Code, effects: list[Effect], reason: str = "") -> None:
        effects.append(ToClient(words.failed(status, told, close=True, session=self._session)))
        self._hang_up(code, reason or told, effects)

    # ---- what passes

    def from_target(self, data: bytes) -> list[Effect]:
        self.moved += len(data)
        return self._passed(data, False) if self._phase == OPEN else []

    def _passed(self, data: bytes, from_client: bool) -> list[Effect]:
        meter = self._meter
        if meter is not None and not meter.take_bytes(len(data)):
            effects: list[Effect] = [Completed(NUMBER, 0, 0, "over-budget: cut")]
            self._hang_up(Code.BUDGET_EXCEEDED, _over(meter.exceeded), effects)
            return effects
        if from_client:
            self.up += len(data)
            return [ToTarget(data, RECORDED)]
        self.down += len(data)
        return [ToClient(data, RECORDED)]

    # ---- ends

    def target_gone(self, reason: str) -> list[Effect]:
        """Its connection ended, or there was none to be had."""
        effects: list[Effect] = []
        if self._phase == OPEN:
            self._hang_up(Code.SESSION_CLOSED, "the destination closed the tunnel", effects)
        elif self._phase == REACHING:
            late = reason.startswith(words.TIMED_OUT)
            told = "the destination did not answer in time" if late else "the destination cannot be reached"
            self._refuse(504 if late else 502, told, Code.TARGET_UNAVAILABLE, effects, reason)
        return effects

    def ended(self, reason: str, code: Code, denial: Denial | None) -> list[Effect]:
        effects: list[Effect] = []
        if self._phase in (ASKING, REACHING):
            said = words.failed(503, reason, close=True, session=self._session)
            if denial is not None:
                said = words.unopened(denial)
            effects.append(ToClient(said))
        if self._phase != GONE:
            self._hang_up(code, reason, effects)
        return effects

    def _hang_up(self, code: Code, reason: str, effects: list[Effect]) -> None:
        self._phase = GONE
        self._kept = []
        effects.append(Hangup(code, reason))


def _over(allowance: Allowance | None) -> str:
    return f"the tunnel has carried {allowance.name if allowance is not None else 'its limit'}"


def _redacted(texts: dict[int, bytes]) -> bytes:
    return texts[0] + b"\r\n\r\n" if 0 in texts else b"CONNECT (redacted)\r\n\r\n"

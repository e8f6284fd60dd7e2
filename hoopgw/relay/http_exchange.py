"""One request of an HTTP/1.1 session and its answer: where they stand, and how they end.

The gateway's own answers are made here, and what is told of a target or client that breaks off.  Allows nothing itself.
"""

from __future__ import annotations

from typing import Any, Final, final

from hoopgw.model.answer import Denial
from hoopgw.model.errors import OperatorError, TokenUnavailable
from hoopgw.model.events import Code
from hoopgw.relay import http_words as words
from hoopgw.relay.effects import Completed, Effect, EndTarget, Hangup, Observed, ToClient
from hoopgw.relay.http_answers import Answering
from hoopgw.relay.http_grpc import denied_lines, failed_lines
from hoopgw.relay.http_outgoing import Outgoing
from hoopgw.relay.http_scope import HttpScope
from hoopgw.wire.httpfields import CHUNKED

MAX_KEPT_FOR: Final = 1 << 20  # bytes of a body that nobody wants, for which the connection is still kept
MAX_DISCARDED: Final = 64 << 20  # of one that is read nevertheless: many clients send all of it before they read

IDLE: Final = 0
READING: Final = 1  # a body that the rules are to see
ASKING: Final = 2
UNDER_WAY: Final = 3  # the target has it


@final
class Exchange:
    """
    phase       of the request in hand
    operations  that were asked about so far
    discarded   bytes of its body that nobody wants
    told        the last request has its answer
    closing     the rest of a body is read for courtesy, then the connection ends
    gone        the session ends: nothing more is read
    """

    __slots__ = ("scope", "outgoing", "answering", "phase", "operations", "discarded", "told", "closing", "gone")

    def __init__(self, scope: HttpScope) -> None:
        self.scope = scope
        self.outgoing = Outgoing(scope)
        self.answering = Answering(scope)
        self.phase: int = IDLE
        self.operations = 0
        self.discarded = 0
        self.told = False
        self.closing = False
        self.gone = False

    def sent(self, how: dict[str, Any]) -> Observed:
        """A note: the request under way went otherwise than it was asked, or once more."""
        return Observed(Code.REQUEST_SENT, {"operation": self.operations, **how}, {})

    # ---- the gateway's own answers

    def compared(self, effects: list[Effect]) -> None:
        """What is masked has no entity tag here, and so none that matches (RFC 9110, 13.1.1)."""
        reason = "a condition on the entity tag of an answer that is masked"
        effects.append(Observed(Code.OPERATION_REFUSED, {"operation": self.operations, "reason": reason}))
        self.refuse(412, reason, effects)

    def deny(self, denial: Denial, effects: list[Effect]) -> None:
        head = self.outgoing.head
        patient = head is not None and head.patient
        close = self.outgoing.close or self.too_long()
        effects.append(ToClient(self.outgoing.denied(denial, patient, close)))
        effects.append(Completed(self.operations, 0, 0, denial.decision.value))
        self.ended(close, effects)

    def refuse(self, status: int, reason: str, effects: list[Effect]) -> None:
        """An answer of the gateway's own that no rule asked for."""
        close = self.outgoing.close or self.too_long()
        effects.append(ToClient(self.outgoing.failed(status, reason, close)))
        self.ended(close, effects)

    def too_long(self) -> bool:
        """Of the body so much is to come that the connection is not worth it."""
        up = self.outgoing.up
        return not up.ended and (up.framing == CHUNKED or up.left > MAX_KEPT_FOR)

    def ended(self, close: bool, effects: list[Effect]) -> None:
        """The client has its answer."""
        self.phase = IDLE
        self.told = True
        self.outgoing.forget()
        self.discarded = 0
        if close and self.outgoing.up.ended:
            self.hang_up(Code.SESSION_CLOSED, "an answer ended the connection", effects)
        else:
            self.closing = close

    def without_credential(self, error: OperatorError, effects: list[Effect]) -> None:
        """Which secret or token it is, is nothing for the client."""
        told = "the target's credential is not available now; try again later"
        if isinstance(error, TokenUnavailable):
            told = "who asks cannot be signed for the target now; try again later"
        self.target_failed(503, told, str(error), Code.OPERATION_UNAVAILABLE, effects)

    # ---- of the target

    def cut(self, effects: list[Effect]) -> None:
        """A bound is reached, before the answer has begun or in its middle."""
        effects.append(EndTarget())
        denial = self.answering.denial
        if denial is not None:
            self.deny(denial, effects)
            return
        cut = self.answering.cut
        assert cut is not None
        self.break_off(denied_lines(cut), effects)
        effects.append(Completed(self.operations, 0, 0, "over-budget: cut"))
        self.hang_up(Code.BUDGET_EXCEEDED, cut.reason, effects)

    def unmaskable(self, reason: str, effects: list[Effect]) -> None:
        effects.append(EndTarget())
        effects.append(Observed(Code.OPERATION_REFUSED, {"operation": self.operations, "reason": reason}))
        told = f"what must be masked cannot be read: {reason}"
        if self.answering.begun:
            self.break_off(failed_lines(500, told), effects)
            self.hang_up(Code.OPERATION_REFUSED, reason, effects)
        else:
            self.refuse(500 if self.outgoing.grpc else 502, told, effects)

    def target_violated(self, reason: str, effects: list[Effect]) -> None:
        effects.append(EndTarget())
        self.target_failed(502, "the target's answer cannot be read", reason, Code.PROTOCOL_VIOLATED, effects)

    def target_failed(self, status: int, told: str, reason: str, code: Code, effects: list[Effect]) -> None:
        """The client is told what it may know; the rest is for event and record."""
        fields: dict[str, object] = {"operation": self.operations, "side": "target", "reason": reason}
        if self.answering.begun:
            self.break_off(failed_lines(status, "the target broke off in the middle of its answer"), effects)
            self.hang_up(code, f"in the middle of an answer: {reason}", effects)
            return
        effects.append(Observed(code, fields))
        self.refuse(status, told, effects)

    def break_off(self, lines: bytes, effects: list[Effect]) -> None:
        """An answer of gRPC that has begun ends with the status in `lines`, where that can be put behind it."""
        if self.answering.begun and self.answering.grpc and self.answering.even:
            self.answering.even = False
            effects.append(ToClient(b"0\r\n" + lines + b"\r\n"))

    # ---- of the client

    @property
    def unanswered(self) -> bool:
        """What the client is told now it takes for the answer to what it sent last."""
        if self.phase == IDLE:  # unless it has its answer, and still sends its body
            return self.outgoing.up.ended or not self.told
        return not self.answering.begun

    def violated(self, reason: str, effects: list[Effect], status: int = 400) -> None:
        if self.unanswered:
            data = words.failed(status, reason, close=True, session=self.scope.session)
            effects.append(ToClient(data))
        self.hang_up(Code.PROTOCOL_VIOLATED, reason, effects)

    def hang_up(self, code: Code, reason: str, effects: list[Effect]) -> None:
        self.gone = True
        effects.append(Hangup(code, reason))

"""What a pump stands between: every protocol's relay, and a session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from hoopgw.model.answer import Answer, Denial
from hoopgw.model.events import Code
from hoopgw.relay.effects import Ask, Effect, Typed


class IRelay(Protocol):
    """What every protocol's relay offers a pump."""

    @property
    def in_flight(self) -> bool: ...

    def coverage(self) -> dict[str, Any]: ...

    def from_client(self, data: bytes) -> list[Effect]: ...

    def from_target(self, data: bytes) -> list[Effect]: ...

    def decided(self, lane: int, answers: Sequence[Answer]) -> list[Effect]: ...

    def holding(self, lane: int, notice: Denial) -> list[Effect]: ...

    def later(self, lane: int) -> list[Effect]: ...

    def ended(self, reason: str, code: Code, denial: Denial | None) -> list[Effect]: ...

    def target_gone(self, reason: str) -> list[Effect]: ...


class ISession(Protocol):
    """What a pump needs of a session (`session.session.Session`)."""

    def decide(self, ask: Ask) -> tuple[Answer, ...] | Deferred[tuple[Answer, ...]]: ...

    def record(self, effect: Effect) -> None: ...

    def client_left(self) -> bool: ...

    def typed(self, effect: Typed) -> list[Effect]: ...

    def end(self, code: Code, reason: str, denial: Denial | None = None) -> None: ...

    def close(self, code: Code, reason: str, coverage: dict[str, Any]) -> Deferred[None]: ...

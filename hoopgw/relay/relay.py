"""What a pump calls for each read, as a class: compiled code calls its methods without a look-up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mypy_extensions import mypyc_attr

from hoopgw.model.answer import Answer, Denial
from hoopgw.model.events import Code
from hoopgw.relay.effects import Effect


@mypyc_attr(allow_interpreted_subclasses=True)
class Relay:
    """The sans-IO middle of one session in one protocol: bytes -> effects.  No method raises for what a peer sends."""

    @property
    def in_flight(self) -> bool:
        """Something runs at the target: a cancel makes sense."""
        raise NotImplementedError

    def coverage(self) -> dict[str, Any]:
        """What was seen exactly, inferred, or passed opaque (docs/recording-format.md)."""
        raise NotImplementedError

    def from_client(self, data: bytes) -> list[Effect]:
        """What a read of the client's makes of it."""
        raise NotImplementedError

    def from_target(self, data: bytes) -> list[Effect]:
        """The same of the target's."""
        raise NotImplementedError

    def decided(self, lane: int, answers: Sequence[Answer]) -> list[Effect]:
        """The answers to the lane's last Ask, one for each operation."""
        raise NotImplementedError

    def holding(self, lane: int, notice: Denial) -> list[Effect]:
        """An operation of the lane's Ask waits for approval."""
        raise NotImplementedError

    def later(self, lane: int) -> list[Effect]:
        """What a Later asked for is due."""
        raise NotImplementedError

    def ended(self, reason: str, code: Code, denial: Denial | None) -> list[Effect]:
        """The gateway ends the session."""
        raise NotImplementedError

    def target_gone(self, reason: str) -> list[Effect]:
        """The target closed."""
        raise NotImplementedError

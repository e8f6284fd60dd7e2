"""What is called for each read, and for each operation, as classes: compiled code calls them without a look-up."""

from __future__ import annotations

from typing import Any

from mypy_extensions import mypyc_attr
from twisted.internet.defer import Deferred

from hoopgw.model.answer import Answer, Denial
from hoopgw.model.events import Code
from hoopgw.model.operation import Operation
from hoopgw.model.verdict import Verdict
from hoopgw.relay.effects import Ask, Effect, Typed


@mypyc_attr(allow_interpreted_subclasses=True)
class Supervision:
    """What a pump asks of a session (`session.session.Session`)."""

    def decide(self, ask: Ask) -> tuple[Answer, ...] | Deferred[tuple[Answer, ...]]:
        """One answer for each operation, recorded before it is given."""
        raise NotImplementedError

    def record(self, effect: Effect) -> None:
        """Before the effect is carried out.  Raises SpoolFull or RecordingFailed."""
        raise NotImplementedError

    def client_left(self) -> bool:
        """The client is gone: what waits is withdrawn."""
        raise NotImplementedError

    def typed(self, effect: Typed) -> list[Effect]:
        """What to do about a line that was typed on a terminal."""
        raise NotImplementedError

    def end(self, code: Code, reason: str, denial: Denial | None = None) -> None:
        """End it now, with its protocol's error."""
        raise NotImplementedError

    def close(self, code: Code, reason: str, coverage: dict[str, Any]) -> Deferred[None]:
        """Its last entry; fires when the index has it."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Judge:
    """The part of IJudge that each operation passes."""

    def judge(self, operation: Operation) -> Verdict | Deferred[Verdict]:
        """See IJudge."""
        raise NotImplementedError

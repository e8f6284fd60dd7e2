"""What of a target's HTTP responses is masked, by rules in words; which of them a request selects.  Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zope.interface import implementer

from hoopgw.model.operation import Operation
from hoopgw.model.verdict import ALLOW, IBodyMasks, Verdict
from hoopgw.policy.guardrail import IGuardrail
from hoopgw.policy.guardrails import Match
from hoopgw.policy.http_facts import HttpFacts
from hoopgw.policy.http_json import Pointer
from hoopgw.policy.http_rules import HttpConditions


@dataclass(frozen=True, slots=True)
class HttpMask:
    """Of a `[mask.NAME]`: members of JSON, header fields, patterns.

    where    which requests it is about: paths and operations
    passes   what is not JSON goes on, though `json` could not be found in it
    """

    json: tuple[Pointer, ...] = ()
    headers: tuple[str, ...] = ()
    patterns: frozenset[str] = frozenset()
    custom: frozenset[str] = frozenset()
    show: str = "none"
    where: HttpConditions = field(default_factory=HttpConditions, compare=False)
    passes: bool = False


@implementer(IGuardrail)
class HttpMaskGuardrail:
    """Selects for one request; where it cannot be known whether a mask is about it, it is.

    `build` makes what masks bytes: a policy knows no wire.
    """

    name = "mask"
    reads_text = True

    def __init__(self, masks: tuple[HttpMask, ...], build: Callable[[tuple[HttpMask, ...]], IBodyMasks | None]) -> None:
        self._masks = masks
        self._build = build

    def judge(self, operation: Operation, facts: Any) -> Verdict:
        chosen = self.chosen(facts)
        return Verdict(bodies=self._build(chosen)) if chosen else ALLOW

    def chosen(self, facts: HttpFacts) -> tuple[HttpMask, ...]:
        return tuple(each for each in self._masks if each.where.of_head(facts) is not Match.NO)

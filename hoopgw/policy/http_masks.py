"""What of a target's HTTP responses is masked, by rules in words; which of them a request selects.  Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zope.interface import implementer

from hoopgw.model.operation import Operation
from hoopgw.model.verdict import ALLOW, IBodyMasks, Refusal, Verdict
from hoopgw.policy.guardrail import IGuardrail
from hoopgw.policy.guardrails import Match
from hoopgw.policy.http_aliases import MAX_BODY, WOULD_PASS, renamed, wanted
from hoopgw.policy.http_facts import HttpFacts
from hoopgw.policy.http_json import Pointer
from hoopgw.policy.http_rules import HttpConditions

BATCH = "a batch, whose answers are in one another: what is masked would not be found there"
AT_ONCE = "send its requests by themselves"


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
        self.masks = masks
        self._build = build

    def judge(self, operation: Operation, facts: Any) -> Verdict:
        chosen = self.chosen(facts)
        if not chosen:
            return ALLOW
        return Verdict(bodies=self._build(chosen)) & self.names(facts)

    def names(self, facts: HttpFacts) -> Verdict:
        """Of a request, or of a message of a WebSocket that it opened: it may not rename what is masked by its name."""
        return self.said(*renames(self.chosen(facts), facts))

    def said(self, why: str, would_pass: str) -> Verdict:
        return Verdict(refusals=(Refusal(self.name, why, would_pass),)) if why else ALLOW

    def bodies(self, chosen: tuple[int, ...]) -> Verdict:
        """What these of the masks do, by their places."""
        return Verdict(bodies=self._build(tuple(self.masks[each] for each in chosen))) if chosen else ALLOW

    def needs(self, facts: HttpFacts) -> int:
        """How many bytes of a body must be there for that; 0: none."""
        return wanted(facts) if self._named(facts) else 0

    def needs_of_messages(self, facts: HttpFacts) -> int:
        """The same of each message of a WebSocket that the request opens."""
        return MAX_BODY if self._named(facts) else 0

    def _named(self, facts: HttpFacts) -> bool:
        return any(each.json for each in self.chosen(facts))

    def chosen(self, facts: HttpFacts) -> tuple[HttpMask, ...]:
        return tuple(self.masks[each] for each in selected(self.masks, facts))


def selected(masks: tuple[HttpMask, ...], facts: HttpFacts) -> tuple[int, ...]:
    """The places of those that a request selects."""
    return tuple(place for place, each in enumerate(masks) if each.where.of_head(facts) is not Match.NO)


def renames(masks: tuple[HttpMask, ...], facts: HttpFacts) -> tuple[str, str]:
    """Why a request could have what these hide under other names, and what would pass; "" where it cannot."""
    chosen = tuple(pointer for each in masks for pointer in each.json)
    if facts.batch and (not facts.media.json or not all(each.anywhere for each in chosen)):
        return (BATCH, AT_ONCE) if chosen else ("", "")
    return renamed(facts, chosen), WOULD_PASS

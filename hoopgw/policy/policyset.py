"""All guardrails and masks of a configuration, and those of them that are about one identity on one target."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from hoopgw.model.grant import Who
from hoopgw.model.identity import Identity
from hoopgw.model.target import Selector, Target
from hoopgw.policy.guardrail import IGuardrail
from hoopgw.policy.masks import MaskRule

# What each protocol can enforce.  A rule that asks for more is a mistake when the configuration is read.
CONTROLS: dict[str, frozenset[str]] = {
    "postgresql": frozenset(("record", "mask", "refuse", "hold", "limit", "redact", "kill", "budget")),
    "http": frozenset(("record", "mask", "refuse", "hold", "limit", "redact", "kill", "budget")),
    "ssh": frozenset(("record", "mask", "refuse", "hold", "redact", "kill", "budget", "warn", "end")),
}


def unenforceable(protocol: str, asked: frozenset[str]) -> frozenset[str]:
    """Of what a rule asks for, what cannot be enforced for this protocol."""
    return asked - CONTROLS.get(protocol, frozenset())


@dataclass(frozen=True, slots=True)
class Scoped:
    """A guardrail, and what it is about."""

    guardrail: IGuardrail
    protocol: str
    who: Who
    exempt: Who | None
    target: Selector
    roles: frozenset[str] = frozenset()

    def applies(self, identity: Identity, target: Target, role: str) -> bool:
        if self.protocol != target.protocol or not self.target.selects(target):
            return False
        if self.roles and role not in self.roles:
            return False
        return self.who.matches(identity) and not (self.exempt is not None and self.exempt.matches(identity))


@dataclass(frozen=True, slots=True)
class Selection:
    """What one identity has to pass on one target.  Equal keys: the same rules."""

    guardrails: tuple[IGuardrail, ...]
    masks: tuple[MaskRule, ...]
    key: str
    features: frozenset[str] = frozenset()  # of the grant that lets in


@dataclass(frozen=True, slots=True)
class PolicySet:
    guardrails: tuple[Scoped, ...] = ()
    masks: tuple[MaskRule, ...] = ()
    digest: str = ""

    def select(
        self, identity: Identity, target: Target, role: str, features: frozenset[str] = frozenset()
    ) -> Selection:
        """Once for a session and reload.  What verdicts are cached under is the key: never the identity's name."""
        guardrails = tuple(each.guardrail for each in self.guardrails if each.applies(identity, target, role))
        masks = tuple(
            each
            for each in self.masks
            if each.protocol == target.protocol
            and each.target.selects(target)
            and not (each.exempt is not None and each.exempt.matches(identity))
        )
        names = tuple(each.name for each in guardrails), tuple(each.name for each in masks)
        key = hashlib.sha256(repr((self.digest, names, sorted(features))).encode()).hexdigest()
        return Selection(guardrails, masks, key, features)

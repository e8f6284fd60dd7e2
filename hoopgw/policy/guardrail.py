"""What a guardrail is, and how their words are put together.  Order does not matter; doubt denies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zope.interface import Attribute, Interface

from hoopgw.model.operation import Operation
from hoopgw.model.verdict import ALLOW, Refusal, Verdict


class IGuardrail(Interface):
    """A pure judge of one operation.  Which identities and targets it is about was settled when the scope was made."""

    name = Attribute("unique over all files")
    reads_text = Attribute("bool: it looks at the text itself, so that literals may change its word")

    def judge(operation: Operation, facts: Any) -> Verdict:
        """ALLOW, or what this guardrail wants.  `facts` are those of its protocol: policy/facts, policy/shell."""


def judge(guardrails: Iterable[IGuardrail], operation: Operation, facts: Any) -> Verdict:
    """Every guardrail's word, combined."""
    verdict = ALLOW
    for guardrail in guardrails:
        try:
            verdict &= guardrail.judge(operation, facts)
        except Exception as error:  # a broken guardrail refuses; it never waves traffic by
            verdict &= Verdict(refusals=(Refusal(guardrail.name, f"the guardrail failed: {type(error).__name__}"),))
    return verdict

"""What one operation's results are counted against: the limits of rules, and what budgets leave."""

from __future__ import annotations

from hoopgw.model.answer import NEXT_STATEMENT, Allowance, Meter
from hoopgw.model.verdict import Verdict
from hoopgw.session.budgets import Spending


def meter_of(verdict: Verdict, spending: Spending | None) -> Meter | None:
    """None where nothing bounds them."""
    allowances = tuple(
        Allowance(
            limit.reason or f"the limit of {limit.guardrail}",
            limit.rows,
            limit.bytes,
            limit.guardrail,
            renews=NEXT_STATEMENT,
        )
        for limit in verdict.limits
    )
    if spending is not None:
        allowances += spending.allowances()
    return Meter(allowances) if allowances else None

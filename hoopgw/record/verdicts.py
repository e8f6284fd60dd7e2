"""VERDICT entries of a recording -> what is told of the operations that name them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import orjson

from hoopgw.model.errors import MalformedFrame
from hoopgw.model.verdict import together
from hoopgw.record.chunks import Entry
from hoopgw.record.entries import DECISIONS, KINDS

MAX_VERDICTS = 8192  # a session writes a verdict again after 1024 others
_KINDS = {number: name for name, number in KINDS.items()}
_DECISIONS = {0: "allowed"} | {number: decision.value for decision, number in DECISIONS.items()}


def operation(number: int, kind: int, decision: int) -> dict[str, Any]:
    """The fields that every operation has.  What this version does not know is told by its number."""
    name = _KINDS.get(kind, str(kind))
    return {"number": number, "kind": name, "decision": _DECISIONS.get(decision, str(decision))}


class Verdicts:
    """The latest ones."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, dict[str, Any]] = OrderedDict()

    def keep(self, entry: Entry) -> None:
        """Raises MalformedFrame for what is none."""
        try:
            verdict = orjson.loads(entry.payload)
            self._kept[verdict["verdict"]] = verdict
        except (ValueError, KeyError, TypeError) as error:
            raise MalformedFrame(f"entry {entry.sequence} is no verdict") from error
        while len(self._kept) > MAX_VERDICTS:
            self._kept.popitem(last=False)

    def masked(self, reference: int) -> bool:
        return bool(self._kept.get(reference, {}).get("masked"))

    def why(self, reference: int) -> dict[str, Any]:
        """guardrails, reason, masked, tables, redacted: those that there are."""
        verdict = self._kept.get(reference, {})
        rules = [rule for part in ("refusals", "holds", "limits") for rule in verdict.get(part, [])]
        found: dict[str, Any] = {}
        if rules:
            found["guardrails"] = sorted({rule["guardrail"] for rule in rules})
        if verdict.get("refusals"):
            found["reason"] = together(rule["reason"] for rule in verdict["refusals"])
        return found | {name: verdict[name] for name in ("masked", "tables", "redacted") if verdict.get(name)}

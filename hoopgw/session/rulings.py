"""The verdicts of one session: each is written to its journal once and named by a number after that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from hoopgw.model.verdict import Verdict
from hoopgw.record.entries import Kind
from hoopgw.session.events import line
from hoopgw.store.journal import Journal

MAX_RULINGS: Final = 1024  # distinct verdicts that are remembered: about 1 MiB; beyond it they are written again


class Ruling:
    """A verdict and its number; `plain` where there is nothing to do but let it pass."""

    __slots__ = ("verdict", "reference", "plain")

    def __init__(self, verdict: Verdict, reference: int) -> None:
        self.verdict = verdict  # keeps the object alive, so that its id means this verdict and no other
        self.reference = reference
        self.plain = verdict.plain


class Rulings:
    """`write` puts the JSON of a VERDICT entry into the journal; what it raises is raised, and nothing is kept."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.by_id: dict[int, Ruling] = {}  # read in the hot path
        self._by_words: dict[bytes, int] = {}
        self._write = write
        self._last = 0

    def of(self, verdict: Verdict) -> Ruling:
        ruling = self.by_id.get(id(verdict))
        if ruling is None:
            ruling = Ruling(verdict, self._reference(verdict))
            if len(self.by_id) >= MAX_RULINGS:
                self.by_id.clear()
            self.by_id[id(verdict)] = ruling
        return ruling

    def _reference(self, verdict: Verdict) -> int:
        """0 is what needs no words: allowed, and no table is named."""
        if verdict.plain and not verdict.tables:
            return 0
        words = line({"tables": sorted(verdict.tables)} if verdict.plain else described(verdict))[:-1]
        reference = self._by_words.get(words)
        if reference is None:
            reference = self._last + 1
            self._write(orjson.dumps({"verdict": reference})[:-1] + b"," + words[1:])
            self._last = reference
            if len(self._by_words) >= MAX_RULINGS:
                self._by_words.clear()
            self._by_words[words] = reference
        return reference


def note(journal: Journal, fields: dict[str, Any]) -> None:
    """A NOTE entry.  Raises what the journal raises."""
    journal.append(Kind.NOTE, line(fields)[:-1])


def described(verdict: Verdict) -> dict[str, Any]:
    """For journal and replay; what is empty is left out."""
    found: dict[str, Any] = {
        "refusals": [_rule(refusal) | {"reason": refusal.reason} for refusal in verdict.refusals],
        "holds": [
            _rule(term) | {"reason": term.reason, "approvers": sorted(term.approvers), "count": term.count}
            for term in verdict.holds
        ],
        "limits": [_rule(limit) | {"rows": limit.rows, "bytes": limit.bytes} for limit in verdict.limits],
        "masked": verdict.masks is not None or verdict.bodies is not None,
        "redacted": verdict.redact,
        "mode": verdict.mode.value if verdict.mode is not None else "",
        "resumes": verdict.resumes,
        "tables": sorted(verdict.tables),
    }
    return {name: value for name, value in found.items() if value}


def _rule(term: Any) -> dict[str, Any]:
    return {"guardrail": term.guardrail, "file": term.source.file, "line": term.source.line}

"""What verdicts say of the operations that name them, in every protocol."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame
from hoopgw.record.chunks import Entry
from hoopgw.record.entries import Kind
from hoopgw.record.verdicts import MAX_VERDICTS, Verdicts, operation


def verdict(number: int, **more: object) -> Entry:
    return Entry(Kind.VERDICT, 1, 0, json.dumps({"verdict": number, **more}).encode(), 0)


class Reading(SynchronousTestCase):
    def test_why(self) -> None:
        """Every rule that had a say by its name, the reasons of refusals, what was masked; nothing of one not there."""
        verdicts = Verdicts()
        rule = {"guardrail": "b", "file": "", "line": 0}
        verdicts.keep(verdict(3, refusals=[{**rule, "reason": "no"}], limits=[{**rule, "guardrail": "a"}], masked=True))
        self.assertEqual(verdicts.why(3), {"guardrails": ["a", "b"], "reason": "no", "masked": True})
        self.assertEqual((verdicts.masked(3), verdicts.masked(4), verdicts.why(4)), (True, False, {}))

    def test_bound(self) -> None:
        """The oldest go, later than a session stops naming them."""
        verdicts = Verdicts()
        for number in range(MAX_VERDICTS + 1):
            verdicts.keep(verdict(number, masked=True))
        self.assertEqual((verdicts.masked(0), verdicts.masked(1)), (False, True))

    def test_junk(self) -> None:
        for payload in (b"", b"[]", b"{}", b'{"verdict": []}'):
            with self.assertRaises(MalformedFrame):
                Verdicts().keep(Entry(Kind.VERDICT, 1, 0, payload, 0))

    def test_unknown(self) -> None:
        """A kind or decision of a later version is told by its number."""
        self.assertEqual(operation(1, 16, 0), {"number": 1, "kind": "exec", "decision": "allowed"})
        self.assertEqual(operation(1, 250, 99), {"number": 1, "kind": "250", "decision": "99"})

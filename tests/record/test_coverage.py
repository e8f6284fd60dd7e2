"""hoopgw.record.coverage"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.record.coverage import Coverage
from hoopgw.record.happenings import Happening


def closed(**coverage: Any) -> Coverage:
    found = Coverage()
    found.take(Happening("close", 1, {"coverage": {"exact": ["requests"], "inferred": [], "opaque": [], **coverage}}))
    return found


class Said(SynchronousTestCase):
    def test_values_that_are_stars(self) -> None:
        """Said, and no gap in the record; where there are none, nothing is."""
        found = closed(starred=3)
        self.assertEqual((found.complete, found.statement()["starred"]), (True, 3))
        self.assertIn("3 values of secret fields are stars in the record.", found.words())
        self.assertNotIn("starred", closed().statement())

    def test_contents_that_are_not_there(self) -> None:
        """A record that has no more than their length is not complete."""
        found = closed(opaque=["the content of 2 requests, but for its length"])
        self.assertFalse(found.complete)
        self.assertIn("Passed opaque: the content of 2 requests, but for its length.", found.words())

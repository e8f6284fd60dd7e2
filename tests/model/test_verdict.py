"""What several rules say together."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.verdict import together


class Together(SynchronousTestCase):
    def test_sentences(self) -> None:
        """Each once; what ends in a full stop is a sentence, and what does not ends before the next."""
        self.assertEqual(
            together(["Not in production.", "DELETE is refused."]), "Not in production. DELETE is refused."
        )
        self.assertEqual(together(["no WHERE", "no WHERE", "", "Ask first."]), "no WHERE; Ask first.")
        self.assertEqual(together([]), "")

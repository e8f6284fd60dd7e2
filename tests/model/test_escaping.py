"""What is shown of other people's text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.escaping import escaped


class Escaping(SynchronousTestCase):
    def test_by_number(self) -> None:
        """Control characters, what turns the writing around, and lines of their own are shown by their numbers."""
        self.assertEqual(escaped("a\x1b[2J\x9b\u202e\U000e0001é"), "a\\x1b[2J\\x9b\\u202e\\U000e0001é")

    @given(st.text())
    def test_printable(self, text: str) -> None:
        """Whatever it was."""
        self.assertTrue(escaped(text).isprintable())

"""Lines that stood on a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.record.lines import MAX_LINE, Lines


def lines(*pieces: str) -> list[str]:
    seen = Lines()
    return [line for piece in pieces for line in seen.of(piece)] + list(seen.rest())


class Standing(SynchronousTestCase):
    def test_editing(self) -> None:
        """As readline draws: backspaces, insertions, deletions, moves, and a progress bar that is drawn over."""
        self.assertEqual(lines("$ lz\b\x1b[Ks -l\r\n"), ["$ ls -l"])
        self.assertEqual(lines("ac\b\x1b[1@b\n"), ["abc"])
        self.assertEqual(lines("abXc\x1b[2D\x1b[P\n"), ["abc"])
        self.assertEqual(lines(" 10%\r 99%\r100%\n"), ["100%"])
        self.assertEqual(lines("a\tb\x1b[1Gx\n"), ["x       b"])
        self.assertEqual(lines("12345\x1b[3G\x1b[1K\n"), ["   45"])
        self.assertEqual(lines("old\x1b[2K\rnew"), ["new"])

    def test_screens(self) -> None:
        """Where the cursor is put somewhere else, a line begins."""
        self.assertEqual(lines("\x1b[Hone\x1b[2;1Htwo"), ["one", "two"])

    def test_inert(self) -> None:
        """must-survive 63: nothing in a line is obeyed by a terminal."""
        self.assertEqual(lines("a\x1b]52;c;eA==\x07\x1b[6n\x9bb\u202ec\n"), ["ab\\u202ec"])

    @given(st.text(st.sampled_from("ab\r\n\b\t\x1b[0123456789;KPCD@GH"), max_size=300))
    def test_bounds(self, text: str) -> None:
        """Any cut gives the same, and no line is longer than its bound."""
        self.assertEqual(lines(*text), found := lines(text))
        self.assertLessEqual(max(map(len, found), default=0), MAX_LINE)

    def test_long(self) -> None:
        """A line without end goes on in the next."""
        self.assertEqual([len(line) for line in lines("x" * (2 * MAX_LINE + 5))], [MAX_LINE, MAX_LINE, 5])
        self.assertEqual(lines("\x1b[99999C\x1b[99999@\x1b[9C" + "y"), [" " * (MAX_LINE - 1) + "y"])

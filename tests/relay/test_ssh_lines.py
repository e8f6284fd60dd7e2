"""Where lines of a terminal's output begin and end."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.relay.ssh_lines import EDITOR_BEGINS, EDITOR_ENDS, MAX_MODE, SCREENS, beginning, edited_end, switched


class Lines(SynchronousTestCase):
    def test_switched(self) -> None:
        """The last switch counts."""
        self.assertEqual(switched(b"x"), (-1, False))
        self.assertEqual(switched(EDITOR_BEGINS + b"ls" + EDITOR_ENDS), (10, False))
        self.assertEqual(switched(EDITOR_ENDS + EDITOR_BEGINS), (8, True))

    def test_screens(self) -> None:
        """None is longer than what is kept of it; a mode whose number goes on is another."""
        for mode in (b"\x1b[?1049h", b"\x1b[?1047l", b"\x1b[?47h"):
            self.assertTrue(SCREENS.fullmatch(mode) and len(mode) <= MAX_MODE)
        self.assertIsNone(SCREENS.search(b"\x1b[?1048h\x1b[?470h"))

    def test_beginning(self) -> None:
        """A return behind a line's end is that of a full row."""
        self.assertEqual(beginning(b"a\r\nb", 4), 3)
        self.assertEqual(beginning(b"a\n" + b"$ \r\n\rls", 8), 2)
        self.assertEqual(beginning(b"ls", 2), 0)

    def test_edited_end(self) -> None:
        """bash tells before the marks that the line is over, zsh behind them; -1 until they are there."""
        self.assertEqual(edited_end(b"ls\r\n" + EDITOR_ENDS + b"\r", 2), 3)
        self.assertEqual(edited_end(b"ls" + EDITOR_ENDS + b"\r\r\n", 2), 12)
        self.assertEqual(edited_end(b"ls\r\n", 2), -1)

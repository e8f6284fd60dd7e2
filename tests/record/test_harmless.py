"""What a recorded terminal may do to the one that it is played on."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.record import sequences
from hoopgw.record.harmless import Harmless

ATTACKS = {
    "clipboard": "\x1b]52;c;cm0gLXJmIH4K\x07",
    "clipboard, ended by ST": "\x1b]52;c;cm0gLXJmIH4K\x1b\\",
    "title": "\x1b]0;rm -rf ~\x07",
    "title that is read back": "\x1b[21t",
    "link": "\x1b]8;;file:///etc/passwd\x1b\\",
    "DECRQSS": "\x1bP$qm\x1b\\",
    "sixel bomb": "\x1bPq" + "~" * 1000 + "\x1b\\",
    "APC": "\x1b_Gf=100;AAAA\x1b\\",
    "PM": "\x1b^x\x1b\\",
    "SOS": "\x1bXx\x1b\\",
    "answerback": "\x05",
    "bell": "\x07",
    "where is the cursor": "\x1b[6n",
    "who are you": "\x1b[c\x1b[>c\x1b[=c\x1bZ",
    "XTVERSION": "\x1b[>q",
    "resize": "\x1b[8;500;500t",
    "print screen": "\x1b[i\x1b[5i",
    "mouse, focus, paste": "\x1b[?1000h\x1b[?1004h\x1b[?2004h\x1b[?25;1003h",
    "keyboard": "\x1b[>4;2m\x1b[=1u\x1b=\x1b>",
    "reset": "\x1bc\x1b[!p",
    "status line": "\x1b[1$}",
    "private letters": "\x1b[0 q\x1b#8\x1b%G",
    "cancelled": "\x1b]0;x\x18",
    "DEL and NUL": "\x7f\x00",
}
# All that may be left of anything: text, controls that move, and sequences that draw
LEFT = re.compile(
    "(?:[^\x00-\x1f\x7f-\x9f]|[\b\t\n\v\f\r\x0e\x0f]|\x1b[78DEM]|\x1b[()][B0]|\x1b\\[[0-9;:]*[@A-MPSTXZ`adefgmr]"
    "|\x1b\\[\\?(?:6|7|25|47|104[789])(?:;(?:6|7|25|47|104[789]))*[hl]|\x1b\\[4[hl])*"
)


class Inert(SynchronousTestCase):
    def test_attacks(self) -> None:
        """must-survive 63: of OSC, DCS, APC, PM, SOS, queries, modes and printing nothing is left."""
        for name, attack in ATTACKS.items():
            self.assertEqual(Harmless().of(f"a{attack}b"), "ab", name)

    def test_8_bit(self) -> None:
        """must-survive 63: a C1 control as one character starts nothing; what follows is text."""
        self.assertEqual(Harmless().of("\x9b6n\x9d0;t\x9cz\x90q"), "6n0;tzq")
        decoded = b"\x9d0;title\x07".decode("utf-8", "backslashreplace")
        self.assertEqual(Harmless().of(decoded), "\\x9d0;title")

    def test_drawing(self) -> None:
        """What shells and editors draw with passes as it was."""
        for text in (
            "\x1b[1;31mred\x1b[0m",
            "\x1b[?1049h\x1b[2J\x1b[10;4Hx\x1b[K",
            "a\b \b\r\n",
            "\x1b(0qqq\x1b(B",
            "日本",
        ):
            self.assertEqual(Harmless().of(text), text)

    def test_turned_text(self) -> None:
        """must-survive 63: text does not stand in another order than it was written in."""
        self.assertEqual(Harmless().of("a\u202eb\u2066c"), "a\ufffdb\ufffdc")

    def test_endless(self) -> None:
        """A string that never ends hides a bounded part of what follows."""
        drawn = Harmless()
        self.assertEqual(drawn.of("\x1b]0;" + "x" * (sequences.MAX_STRING + 1)), "")
        self.assertEqual(drawn.of("seen"), "seen")
        self.assertEqual(Harmless().of("\x1b[" + "1;" * 5000 + "mseen"), "seen")

    @given(st.text(st.sampled_from("\x1b[]P\\?0;6hmnc\x07\x9b\x9c\x18ab\r"), max_size=40), st.data())
    def test_any_cut(self, text: str, data: st.DataObject) -> None:
        """However it is cut, the same passes; and only what draws."""
        cut = data.draw(st.integers(0, len(text)))
        drawn = Harmless()
        self.assertEqual(drawn.of(text[:cut]) + drawn.of(text[cut:]), whole := Harmless().of(text))
        self.assertIsNotNone(LEFT.fullmatch(whole), repr(whole))

    @given(st.text(max_size=200))
    def test_any_text(self, text: str) -> None:
        """Of any text only what draws passes."""
        self.assertIsNotNone(LEFT.fullmatch(Harmless().of(text)))

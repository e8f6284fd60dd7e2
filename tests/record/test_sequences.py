"""Escape sequences, one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.record.sequences import Sequences, Token, What


def joined(tokens: list[Token]) -> list[Token]:
    """Runs of text as one."""
    found: list[Token] = []
    for token in tokens:
        if found and token.what is found[-1].what is What.TEXT:
            found[-1] = Token(What.TEXT, found[-1].value + token.value)
        else:
            found.append(token)
    return found


class Reading(SynchronousTestCase):
    def test_kinds(self) -> None:
        """Each kind by its name; a control inside a sequence is told, and the sequence goes on."""
        self.assertEqual(
            list(Sequences().of("a\r\x1b[1\n;2H\x1b(B\x1b]0;t\x07b\x1b[3\x18c")),
            [
                Token(What.TEXT, "a"),
                Token(What.CONTROL, "\r"),
                Token(What.CONTROL, "\n"),
                Token(What.CSI, "1;2", "H"),
                Token(What.ESCAPE, "(B"),
                Token(What.STRING, ""),
                Token(What.TEXT, "b"),
                Token(What.TEXT, "c"),
            ],
        )

    @given(st.lists(st.text(st.sampled_from("\x1b[]0;mH\x07\x9c\\ab\n\x18"), max_size=12), max_size=6))
    def test_any_cut(self, pieces: list[str]) -> None:
        """Any cut gives the same tokens."""
        whole, cut = Sequences(), Sequences()
        found = [token for piece in pieces for token in cut.of(piece)]
        self.assertEqual(joined(found), joined(list(whole.of("".join(pieces)))))

"""The words that a statement's text may be about."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.relay.postgres_hints import COMMITS, COPIES, CREATES, DEFINES, WALKED, hints

WORDS = (
    "copy from stdin stdout execute prepare declare create into commit end constraints c p x é ; ' -- /* \n"
).split(" ")
LONG = b" " * (WALKED + 1)


class Hints(SynchronousTestCase):
    @given(st.lists(st.sampled_from(WORDS)).map("".join), st.booleans())
    def test_walked_as_searched(self, text: str, upper: bool) -> None:
        """A text that is walked over and one that is searched hint at the same."""
        data = (text.upper() if upper else text).encode()
        self.assertEqual(hints(data), hints(data + LONG))

    @given(st.binary(max_size=60))
    def test_junk(self, data: bytes) -> None:
        """Any bytes have hints."""
        self.assertEqual(hints(data), hints(data + LONG))

    def test_words(self) -> None:
        """Each word in any case, wherever it stands."""
        for text, expected in (
            (b"", 0),
            (b"c", 0),
            (b"select 1", 0),
            (b"COPY t FROM STDIN", COPIES),
            (b"copy t from/**/stdout", COPIES),
            (b"copy t to stdout", 0),
            (b"PREPARE a AS SELECT 1", DEFINES | COMMITS),
            (b"declare c cursor for select 1", DEFINES),
            (b"select 1 inTO t", CREATES),
            (b"create", CREATES),
            (b"commit", COMMITS),
            (b"END", COMMITS),
            (b"Execute x", DEFINES | COMMITS),
            (b"set constraints all immediate", COMMITS),
        ):
            self.assertEqual(hints(text), expected, text)

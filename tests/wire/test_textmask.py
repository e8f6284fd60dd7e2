"""hoopgw.wire.textmask and hoopgw.wire.eventmask"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import Unmaskable
from hoopgw.wire.eventmask import MAX_EVENT, EventMask
from hoopgw.wire.scanners import EMAIL, Scanner
from hoopgw.wire.textmask import MAX_LINE, TextMask

SCANNER = Scanner(EMAIL)


def fed(walk: TextMask | EventMask, text: bytes, cuts: list[int]) -> bytes:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return b"".join(walk.feed(text[a:b]) for a, b in pairwise(edges)) + walk.finish()


def events() -> EventMask:
    return EventMask(lambda data: data.replace(b"secret", b"s\n"), SCANNER.masked)


class Text(SynchronousTestCase):
    def test_lines_are_searched_whole(self) -> None:
        """However they come; the last one as well."""
        text = b"a x@example.com b\nnothing\ny@example.com"
        for cut in range(len(text)):
            self.assertEqual(fed(TextMask(SCANNER), text, [cut]), b"a ************* b\nnothing\n*************")

    def test_a_line_has_a_bound(self) -> None:
        """What cannot be searched whole is not passed."""
        walk = TextMask(SCANNER)
        with self.assertRaises(Unmaskable):
            for _ in range(5):
                walk.feed(b"x" * (MAX_LINE // 4))

    @given(st.lists(st.sampled_from([b"a@b.com", b"\n", b" ", b"x", b"@", b"."])), st.lists(st.integers(0, 60)))
    def test_any_cut_gives_the_same(self, parts: list[bytes], cuts: list[int]) -> None:
        """Against a search line by line."""
        text = b"".join(parts)
        self.assertEqual(fed(TextMask(SCANNER), text, cuts), b"\n".join(map(SCANNER.masked, text.split(b"\n"))))


class Events(SynchronousTestCase):
    def test_the_data_of_an_event_is_one_text(self) -> None:
        """Over all its lines; the other lines are searched; what is not changed is byte for byte the same."""
        text = (
            b": hi x@example.com\nevent: a\ndata: sec\ndata:ret\nid: 1\n\ndata: se\ndata: cret\r\n\r\ndata:secret\r\r"
        )
        shown = text.replace(b"x@example.com", b"*************").replace(b"data:secret\r", b"data: s\ndata: \n")
        self.assertEqual(fed(events(), text, []), shown)

    def test_an_event_goes_on_at_its_end(self) -> None:
        """Not later: the next may be an hour away."""
        for end in (b"\n\n", b"\r\n\r\n", b"\r\r"):
            self.assertEqual(events().feed(b"data: x" + end), b"data: x" + end)
            self.assertEqual(events().feed(b"data: x" + end[: len(end) // 2]), b"")

    def test_an_event_has_a_bound(self) -> None:
        """What cannot be seen whole is not passed."""
        walk = events()
        with self.assertRaises(Unmaskable):
            for _ in range(5):
                walk.feed(b"x" * (MAX_EVENT // 4))

    @given(
        st.lists(st.sampled_from([b"data: ", b"secret", b"\n", b"\r\n", b"\n\n", b"x", b": a@b.com", b"data"])),
        st.lists(st.integers(0, 60)),
    )
    def test_any_cut_gives_the_same(self, parts: list[bytes], cuts: list[int]) -> None:
        """As if it had come at once."""
        text = b"".join(parts)
        self.assertEqual(fed(events(), text, cuts), fed(events(), text, []))

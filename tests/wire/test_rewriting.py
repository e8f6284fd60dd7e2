"""hoopgw.wire.rewriting, beside what a bytearray becomes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.httpchunks import chunk_of
from hoopgw.wire.rewriting import MOST_ROOM, Rewriting

_SPANS = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 40)), max_size=12)


class Stars(SynchronousTestCase):
    @given(_SPANS, st.integers(0, 30), st.booleans())
    def test_in_any_order(self, spans: list[tuple[int, int]], start: int, whole: bool) -> None:
        """Over one another, one in the other, short and long, up to the end."""
        data = bytes(range(1, 41)) * 6
        run, expected = Rewriting(data, start, len(data), whole), bytearray(data)
        for begin, size in spans:
            begin = min(max(begin, start), len(data))
            end = min(begin + size, len(data))
            run.stars(begin, end)
            expected[begin:end] = b"*" * (end - begin)
        self.assertEqual(run.result(), bytes(expected[start:]) if spans else None)

    def test_one_after_another(self) -> None:
        """Nothing of a run is in the next one, however long they are."""
        run = Rewriting(b"", 0, 0, False)
        for size in (3000, 10, MOST_ROOM + 10, 7, 500):
            data = b"secret" * size
            run.begin(data, 2, len(data) - 1)
            self.assertIsNone(run.result())
            run.stars(3, 9)
            run.put(12, 14, b"other")
            self.assertEqual(run.result(), data[2:3] + b"******" + data[9:12] + b"other" + data[14:-1])

    @given(st.lists(st.integers(20, 400), max_size=5).map(sorted), st.binary(max_size=300), st.integers(0, 20))
    def test_as_chunks(self, places: list[int], other: bytes, start: int) -> None:
        """The size in front is that of what the run becomes, longer, shorter, or nothing at all."""
        data = bytes(range(1, 41)) * 10
        one, plain = Rewriting(b"", 0, 0, True), Rewriting(b"", 0, 0, False)
        for _ in range(2):
            one.begin(data, start, len(data), True)
            plain.begin(data, start, len(data))
            for begin, end in pairwise(places):
                for run in (one, plain):
                    run.stars(begin, begin + (end - begin) // 2)
                    run.put(begin + (end - begin) // 2, end, other)
            found = plain.result()
            self.assertEqual(one.result(), None if found is None else chunk_of(found))

    @given(_SPANS, st.binary(max_size=20), st.booleans())
    def test_beside_what_changes_its_length(self, spans: list[tuple[int, int]], other: bytes, whole: bool) -> None:
        """In the order of the bytes: every other one is left out or becomes something else."""
        data = bytes(range(1, 41)) * 10
        run, expected, here = Rewriting(data, 0, len(data), whole), b"", 0
        for number, (gap, size) in enumerate(spans):
            begin = min(here + gap % 30, len(data))
            end = min(begin + size, len(data))
            expected += data[here:begin]
            if number % 2:
                run.put(begin, end, other)
                expected += other
            else:
                run.stars(begin, end)
                expected += b"*" * (end - begin)
            here = end
        found = run.result()
        self.assertEqual(data if found is None else found, expected + data[here:])

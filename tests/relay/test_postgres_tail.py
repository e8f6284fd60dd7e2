"""The beginning of a message that is not whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.relay.postgres_tail import Tail
from hoopgw.wire.pgframes import HEADER


class Pieces(SynchronousTestCase):
    @given(st.lists(st.binary(min_size=1, max_size=8), min_size=1, max_size=8), st.integers(0, 40))
    def test_any_cut(self, pieces: list[bytes], need: int) -> None:
        """All that came is given once as much is there as was needed, and not before."""
        tail = Tail()
        tail.keep(pieces[0], need)
        for count, piece in enumerate(pieces[1:], 2):
            known = b"".join(pieces[:count])
            whole = tail.joined(piece)
            self.assertEqual(whole, known if len(known) >= (need or HEADER) else None)
            self.assertIs(tail.held, whole is None)
            if whole is not None:
                return

    def test_dropped(self) -> None:
        """Nothing of it is kept, and nothing comes before what is kept next."""
        tail = Tail()
        tail.keep(b"ab", 9)
        tail.drop()
        self.assertFalse(tail.held)
        tail.keep(b"cd", 4)
        self.assertEqual(tail.joined(b"ef"), b"cdef")

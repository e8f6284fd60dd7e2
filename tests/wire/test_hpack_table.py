"""HPACK's tables, beside the library hpack's."""

from __future__ import annotations

from hpack.table import HeaderTable
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.hpack_table import STATIC, STATIC_NAMED, STATIC_WHOLE, Table

_FIELDS = st.tuples(st.binary(max_size=40), st.binary(max_size=90))


class Tables(SynchronousTestCase):
    def test_known_fields(self) -> None:
        """The 61 of RFC 7541's appendix A; a name stands for the first of it."""
        self.assertEqual(tuple(STATIC), HeaderTable.STATIC_TABLE)
        self.assertEqual((STATIC_WHOLE[b":status", b"404"], STATIC_NAMED[b":status"]), (13, 8))

    @given(st.lists(_FIELDS | st.integers(0, 300), max_size=30))
    def test_what_falls_out(self, steps: list[tuple[bytes, bytes] | int]) -> None:
        """Entries and sizes in any order leave the same in both tables; a number that is none is refused."""
        ours, theirs = Table(256), HeaderTable()
        theirs.maxsize = 256
        for step in steps:
            before = [ours.field(62 + place) for place in range(ours.count)]
            if isinstance(step, int):
                theirs.maxsize = step
                gone = ours.resize(step)
            else:
                theirs.add(*step)
                gone = ours.add(step)
            left = [ours.field(62 + place) for place in range(ours.count)]
            self.assertEqual(left, list(theirs.dynamic_entries))
            self.assertEqual(gone, before[::-1][: len(gone)])
        self.assertRaises(MalformedFrame, ours.field, 62 + ours.count)
        self.assertRaises(MalformedFrame, ours.field, 0)

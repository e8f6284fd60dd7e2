"""hoopgw.wire.jsonways"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.jsonways import LONGEST, MOST, PATIENCE, Way, Ways


class Kept(SynchronousTestCase):
    def test_another_member_is_kept_when_it_stays(self) -> None:
        """One that is seldom left out or in is not forgotten for it; what followed it is still ahead."""
        ways = Ways()
        first = ways.learned(ways.text, b'"a":', 16)
        second = ways.learned(first, b'"b":', 0)
        for _ in range(PATIENCE - 1):
            self.assertIs(ways.learned(ways.text, b'"x":', 0), ways.text)
            self.assertIs(ways.text.ahead, first)
        found = ways.learned(ways.text, b'"x":', 32)
        self.assertIs(ways.text.ahead, found)
        self.assertEqual((found.text, found.step), (b'"x":', 32))
        self.assertIs(found.ahead, second)

    def test_members_are_bounded(self) -> None:
        """Bodies with ever new names cost no more memory."""
        ways = Ways()
        self.assertIs(ways.learned(ways.text, b"x" * (LONGEST + 1), 0), ways.text)
        way, kept = ways.text, 0
        for number in range(MOST + 10):
            found = ways.learned(way, b'"%d":' % number, 0)
            kept += found is not way
            way = found
        self.assertEqual(kept, MOST)
        self.assertEqual(ways.into(way, 3).place, 3)
        self.assertIsNone(way.within)

    def test_a_brace_is_of_one_place(self) -> None:
        """An element of a list may stand at a place of its own: what is known of another one does not count there."""
        ways = Ways()
        held = Way(b'"rows":', 1, 0)
        brace = ways.into(held, 2)
        self.assertIs(ways.into(held, 2), brace)
        other = ways.into(held, 5)
        self.assertIsNot(other, brace)
        self.assertEqual((brace.place, other.place), (2, 5))
        self.assertIs(ways.into(held, 5), other)

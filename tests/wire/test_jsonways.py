"""hoopgw.wire.jsonways"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.jsonways import LONGEST, MOST, NOWHERE, PATIENCE, STRAYS, Way, Ways


def known(brace: Way) -> list[bytes]:
    found, each = [], brace.ahead
    while each is not NOWHERE:
        found.append(each.text)
        each = each.ahead
    return found


class Kept(SynchronousTestCase):
    def test_members_are_known_in_their_order(self) -> None:
        """Those of the first object at once; of later ones a new member when others like it came before, at the end."""
        ways = Ways()
        brace = ways.into(ways.text, 2)
        first = ways.learned(brace, brace, b'"a":', 16)
        second = ways.learned(brace, first, b'"b":', 0)
        self.assertEqual((first.text, first.step, first.place), (b'"a":', 16, 2))
        for _ in range(PATIENCE - 1):
            self.assertIs(ways.learned(brace, first, b'"x":', 0), first)
        self.assertEqual(known(brace), [b'"a":', b'"b":'])
        self.assertIs(ways.learned(brace, first, b'"x":', 32).text, brace.end and brace.end.text)
        self.assertEqual(known(brace), [b'"a":', b'"b":', b'"x":'])
        self.assertIs(ways.learned(brace, brace, b'"b":', 0), second)

    def test_too_many_that_change_are_forgotten(self) -> None:
        """All of such an object is learned anew, when the next one begins."""
        ways = Ways()
        brace = ways.into(ways.text, 0)
        first = ways.learned(brace, brace, b'"a":', 0)
        for number in range(STRAYS * PATIENCE):
            ways.learned(brace, brace, b'"%d":' % number, 0)
        self.assertEqual(len(known(brace)), STRAYS + 1)
        self.assertIs(brace.ahead, first)
        self.assertIs(ways.into(ways.text, 0), brace)
        self.assertEqual(known(brace), [])
        ways.learned(brace, brace, b'"b":', 0)
        self.assertEqual(known(brace), [b'"b":'])

    def test_members_are_bounded(self) -> None:
        """Bodies with ever new names cost no more memory; where there is no room the next body begins anew."""
        ways = Ways()
        text = ways.begin()
        brace = ways.into(text, 0)
        self.assertIs(ways.learned(brace, brace, b"x" * (LONGEST + 1), 0), brace)
        way = brace
        for number in range(MOST + 10):
            way = ways.learned(brace, way, b'"%d":' % number, 0)
        self.assertEqual(len(known(brace)), MOST - 1)
        self.assertEqual(ways.into(way, 3).place, 3)
        self.assertIsNone(way.within)
        self.assertIsNot(ways.begin(), text)
        brace = ways.into(ways.begin(), 0)
        self.assertEqual(known(brace), [])
        ways.learned(brace, brace, b'"a":', 0)
        self.assertEqual(known(brace), [b'"a":'])
        self.assertIs(ways.into(ways.begin(), 0), brace)

    def test_a_brace_is_of_one_place(self) -> None:
        """An element of a list may stand at a place of its own: what is known of another one does not count there."""
        ways = Ways()
        held = Way(b'"rows":', 1, 0, NOWHERE)
        brace = ways.into(held, 2)
        self.assertIs(ways.into(held, 2), brace)
        other = ways.into(held, 5)
        self.assertIsNot(other, brace)
        self.assertEqual((brace.place, other.place), (2, 5))
        self.assertIs(ways.into(held, 5), other)

"""What one source may cost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth import penalties
from hoopgw.auth.penalties import Penalties, source_of


class Failures(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.penalties = Penalties(self.clock)

    def enters(self, address: str) -> bool:
        reason = self.penalties.enter(address)
        if not reason:
            self.penalties.leave(address)
        return not reason

    def test_mistakes_are_forgiven(self) -> None:
        """must-survive 32: two failures stop nobody, the third at the same moment does."""
        for _ in range(2):
            self.penalties.failed("192.0.2.1")
            self.assertTrue(self.enters("192.0.2.1"))
        self.penalties.failed("192.0.2.1")
        self.assertFalse(self.enters("192.0.2.1"))
        self.assertTrue(self.enters("192.0.2.2"))
        self.clock.advance(0.1)
        self.assertTrue(self.enters("192.0.2.1"))

    def test_words(self) -> None:
        """Who is refused reads when it may try again, and then may."""
        for _ in range(5):
            self.penalties.failed("192.0.2.1")
        self.assertEqual(self.penalties.enter("192.0.2.1").rpartition(": ")[2], "try again in 11 s")
        self.clock.advance(11)
        self.assertTrue(self.enters("192.0.2.1"))

    def test_time_out_is_bounded(self) -> None:
        """A source that fails for ever waits ten minutes at most after its last failure."""
        for _ in range(1000):
            self.penalties.failed("192.0.2.1")
        self.clock.advance(585)
        self.assertFalse(self.enters("192.0.2.1"))
        self.clock.advance(1)
        self.assertTrue(self.enters("192.0.2.1"))

    def test_clock_set_back(self) -> None:
        """must-survive 59: a clock that is set back makes no time out longer, or of one mistake one."""
        self.penalties.failed("192.0.2.1")
        for _ in range(4):
            self.penalties.failed("192.0.2.2")
        self.clock.rightNow -= 900
        self.assertTrue(self.enters("192.0.2.1"))
        self.assertFalse(self.enters("192.0.2.2"))
        self.assertEqual(self.penalties.wait("192.0.2.2"), 6)
        self.clock.advance(5.1)
        self.assertTrue(self.enters("192.0.2.2"))

    def test_success_clears(self) -> None:
        """A good login from a shared address lets its neighbours in again."""
        for _ in range(5):
            self.penalties.failed("192.0.2.1")
        self.penalties.succeeded("192.0.2.1")
        self.assertTrue(self.enters("192.0.2.1"))

    def test_sources(self) -> None:
        """IPv6 counts by /64, a mapped address as the IPv4 it is; junk is a source of its own."""
        self.assertEqual(source_of("2001:db8::1"), source_of("2001:db8::ffff:2"))
        self.assertNotEqual(source_of("2001:db8::1"), source_of("2001:db8:0:1::1"))
        self.assertEqual(source_of("::ffff:192.0.2.1"), source_of("192.0.2.1"))
        self.assertEqual(source_of("fe80::1%eth0"), source_of("fe80::1"))
        self.assertEqual(len(source_of("x" * 1000)), 64)

    def test_table_is_bounded(self) -> None:
        """must-survive 32: a flood from many sources forgets the oldest, and holds no more than its bound."""
        self.patch(penalties, "MAX_SOURCES", 100)
        for number in range(1000):
            self.penalties.failed(f"10.0.{number // 256}.{number % 256}", 20.0)
        self.assertEqual(len(self.penalties._owed), 100)
        self.assertTrue(self.enters("10.0.0.1"))
        self.assertFalse(self.enters("10.0.3.231"))


class Pending(SynchronousTestCase):
    def test_logins_under_way(self) -> None:
        """must-survive 32, 33: one source may have so many logins under way, all together so many; others get in."""
        penalties = Penalties(Clock(), each=2, together=3)
        self.assertEqual([bool(penalties.enter("192.0.2.1")) for _ in range(3)], [False, False, True])
        self.assertEqual([bool(penalties.enter("192.0.2.2")) for _ in range(2)], [False, True])
        penalties.leave("192.0.2.1")
        self.assertEqual(penalties.enter("192.0.2.3"), "")

    @given(some.lists(some.tuples(some.sampled_from("abc"), some.booleans()), max_size=60))
    def test_nothing_is_kept(self, steps: list[tuple[str, bool]]) -> None:
        """When everybody has left, nothing is kept of anybody."""
        penalties = Penalties(Clock(), each=3, together=5)
        inside: list[str] = []
        for address, enter in steps:
            if enter and not penalties.enter(address):
                inside.append(address)
            elif not enter and address in inside:
                inside.remove(address)
                penalties.leave(address)
        for address in inside:
            penalties.leave(address)
        self.assertEqual((penalties._pending, penalties._all), ({}, 0))

"""Live sessions: found, bounded, killed, cancelled, written to the index."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import LoginRefused, NotAllowed
from hoopgw.model.events import Code
from hoopgw.model.settings import LimitSettings
from hoopgw.session import left_out
from hoopgw.session import registry as module
from hoopgw.session.cancels import MAX_SOURCES, MAX_WRONG, CancelKeys
from hoopgw.session.registry import Registry
from hoopgw.session.session import Session
from hoopgw.store.interface import SessionFilter, SessionRow
from tests.session.fakes import Emitted, ListJournal, access, ask, identity, row
from tests.session.test_session import Case


class Living(Case):
    def setUp(self) -> None:
        super().setUp()
        limits = replace(LimitSettings(), max_sessions=3, max_sessions_per_identity=2)
        self.recordings: dict[str, SessionRow | Exception] = {}
        self.registry = Registry(self.store, self.clock, limits, self.events, self.rebuild)
        self.registry.start()

    def add(self, id: str, subject: str = "agent") -> Session:
        session = Session(
            row=row(id),
            access=access(identity(subject)),
            judge=self.judge,
            journal=ListJournal(),
            holds=self.holds,
            spending=None,
            events=self.events,
            edge=self.edge,
            clock=self.clock,
            policy="sha256:one",
        )
        self.registry.add(session)
        return session

    def rebuild(self, id: str) -> Deferred[SessionRow | None]:
        found = self.recordings.get(id)
        return fail(found) if isinstance(found, Exception) else succeed(found)

    def index(self, limit: int = 50) -> tuple[SessionRow, ...]:
        return self.successResultOf(self.store.sessions(SessionFilter(limit=limit)))

    def test_found(self) -> None:
        """By id, all; removed when it is over."""
        one, two = self.add("s_1"), self.add("s_2", "other")
        self.assertEqual((self.registry.find("s_1"), self.registry.all(), len(self.registry)), (one, (one, two), 2))
        self.assertRaises(ValueError, self.registry.add, one)
        self.registry.remove(one)
        self.registry.remove(one)
        self.assertEqual((self.registry.find("s_1"), len(self.registry)), (None, 1))

    def test_limits(self) -> None:
        """An identity, and all together, have so many sessions and no more; the refusal says nothing of others."""
        agent = access(identity("agent"))
        one = self.add("s_1")
        self.registry.may_open(agent)
        self.add("s_2")
        self.assertRaises(LoginRefused, self.registry.may_open, agent)
        self.registry.may_open(access(identity("other")))
        self.registry.remove(one)
        self.registry.may_open(agent)
        self.add("s_3", "a")
        self.add("s_4", "b")
        self.assertRaises(LoginRefused, self.registry.may_open, access(identity("other")))

    def test_kill(self) -> None:
        """must-survive 77: the edge is told at once to end it properly."""
        self.add("s_1")
        self.registry.kill("s_1", "ann", "stop")
        self.assertEqual(self.edge.ends, [(Code.SESSION_KILLED, "stop", None)])
        self.assertRaises(NotAllowed, self.registry.kill, "s_none", "ann", "stop")

    def test_index_follows(self) -> None:
        """A second after something happened the index has it; what did not change is not written again."""
        session = self.add("s_1")
        self.clock.advance(1)
        self.assertEqual([found.operations for found in self.index()], [0])
        session.decide(ask(b"a"))
        self.clock.advance(1)
        self.assertEqual([found.operations for found in self.index()], [1])
        puts = self.store.puts
        self.clock.advance(1)
        self.assertEqual(self.store.puts, puts)

    def test_index_has_the_end(self) -> None:
        """The last row has the close, also where the store was away meanwhile."""
        session = self.add("s_1")
        self.store.down = True
        self.successResultOf(session.close(Code.SESSION_CLOSED, "left"))
        self.registry.remove(session)
        self.clock.advance(1)
        self.store.down = False
        self.assertEqual(self.index(), ())
        self.clock.advance(1)
        self.assertEqual([(found.id, found.reason) for found in self.index()], [("s_1", "session.closed: left")])

    def test_listed_while_the_index_is_behind(self) -> None:
        """Live sessions are known here, whatever the index has; ended ones too for as long as it has them not."""
        self.store.down = True
        one, _ = self.add("s_1"), self.add("s_2", "other")
        one.close(Code.SESSION_CLOSED, "it is over")
        self.registry.remove(one)

        def listed(**wanted: Any) -> list[tuple[str, bool]]:
            rows, known = self.registry.listed(SessionFilter(**wanted))
            self.assertTrue(all(known(row.id) for row in rows))
            return sorted((row.id, row.closed is None) for row in rows)

        self.assertEqual(listed(live=True), [("s_2", True)])
        self.assertEqual(listed(), [])  # the index is written within a second, and gives them
        self.clock.advance(1)
        self.assertEqual(listed(), [("s_1", False), ("s_2", True)])
        self.assertEqual(len(listed(limit=1)), 1)
        self.assertEqual((listed(live=False), listed(subject="none")), ([("s_1", False)], []))
        self.store.down = False
        self.clock.advance(1)
        self.assertEqual((listed(), listed(live=True)), ([], [("s_2", True)]))

    def test_said_once(self) -> None:
        """must-survive 59: that the store is away is in the log once, not each second, and known for as long."""
        session = self.add("s_1")
        self.store.down = True
        with capturedLogs() as lines:
            for _ in range(3):
                session.decide(ask(b"a"))
                self.clock.advance(1)
            self.assertNotEqual(self.registry.behind, "")
            self.store.down = False
            self.clock.advance(1)
        self.assertEqual(self.registry.behind, "")
        self.assertEqual([line["log_level"].name for line in lines], ["warn", "info"])

    def test_store_back_after_an_hour(self) -> None:
        """Sessions that began, went on and ended in the hour are all in the index soon after it, each once."""
        stays = self.add("s_stays")
        self.clock.advance(1)
        self.store.down = True
        for number in range(60):
            session = self.add(f"s_{number:02}", "other")
            stays.decide(ask(b"a"))
            self.clock.pump([1.0] * 60)
            self.successResultOf(session.close(Code.SESSION_CLOSED, "left"))
            self.registry.remove(session)
        self.store.down = False
        self.assertEqual([found.id for found in self.index()], ["s_stays"])
        self.clock.advance(1)
        found = {row.id: row for row in self.index(limit=100)}
        self.assertEqual(len(found), 61)
        self.assertEqual(found["s_stays"].operations, 60)
        self.assertNotIn(None, {row.closed for row in found.values() if row.id != "s_stays"})
        puts = self.store.puts
        self.clock.advance(1)
        self.assertEqual(self.store.puts, puts, "nothing is written twice")

    def test_slow_store(self) -> None:
        """Writes do not pile up behind one that takes long: one is under way, and the next has the latest."""
        session = self.add("s_1")
        self.store.slow = []
        for _ in range(60):
            session.decide(ask(b"a"))
            self.clock.advance(1)
        self.assertEqual(self.store.puts, 1)
        while self.store.slow:
            self.store.go()
        self.store.slow = None
        self.clock.advance(1)
        self.assertEqual([found.operations for found in self.index()], [60])

    def test_stop_writes(self) -> None:
        """`stop` writes what is left."""
        self.add("s_1")
        self.successResultOf(self.registry.stop())
        self.assertEqual(len(self.index()), 1)

    def ended_while_away(self, count: int) -> None:
        """Sessions of which the memory has room for the rows of two, and the store comes back."""
        self.patch(module, "MAX_CLOSED", 2)
        self.store.down = True
        for number in range(count):
            session = self.add(f"s_{number:02}")
            self.successResultOf(session.close(Code.SESSION_CLOSED, "left"))
            self.registry.remove(session)
            self.recordings.setdefault(session.id, session.row())
            self.registry.aftermath.retired([session.id], 7.0)
            self.clock.advance(60)
        self.assertLessEqual(len(self.registry._closed), 2)
        self.store.down = False

    def test_more_ended_than_there_is_room_for(self) -> None:
        """must-survive 59, 76: a store that stays away costs bounded memory, and once it is back every session is in
        the index as it ended, with what happened to it afterwards."""
        self.ended_while_away(60)
        self.clock.pump([1.0] * 4)
        found = self.index(limit=100)
        self.assertEqual({row.id for row in found}, {f"s_{number:02}" for number in range(60)})
        self.assertEqual({(row.reason, row.retired) for row in found}, {("session.closed: left", 7.0)})
        puts = self.store.puts
        self.clock.pump([1.0] * 4)
        self.assertEqual(self.store.puts, puts, "something is written twice")

    def test_recordings_that_do_not_tell(self) -> None:
        """Of a session whose recording cannot be read the log says that the index has none, and others are there."""
        self.recordings["s_01"] = OSError(5, "Input/output error")
        logged: list[str] = []
        observe = lambda event: logged.append(str(formatEvent(event)))  # noqa: E731
        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.patch(left_out, "MAX_LEFT_OUT", 3)
        self.ended_while_away(6)
        self.clock.pump([1.0] * 4)
        self.assertEqual({row.id for row in self.index()}, {"s_02", "s_03", "s_04", "s_05"})
        told = [line for line in logged if "not in the index" in line]
        self.assertRegex(told[0], "Session s_01 is not in the index.*Input/output error")
        self.assertRegex(told[1], "^1 sessions are not in the index")


class Cancelling(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.events = Emitted()
        self.keys = CancelKeys(self.clock, self.events)
        self.calls: list[str] = []
        self.assertTrue(self.keys.register(7, b"right", self.cancelled))

    def cancelled(self) -> bool:
        self.calls.append("x")
        return len(self.calls) == 1

    def test_right_key(self) -> None:
        """must-survive 12: the owner's key reaches the session; a replay finds nothing more to cancel."""
        self.assertTrue(self.keys.cancel(7, b"right", "192.0.2.1"))
        self.assertFalse(self.keys.cancel(7, b"right", "192.0.2.1"))
        self.assertEqual(self.events.codes(), [Code.CANCEL_ACCEPTED, Code.CANCEL_REFUSED])

    def test_wrong_keys(self) -> None:
        """must-survive 12, 13: wrong, late and guessed keys reach nobody, and the event names no identity."""
        for number, key in ((7, b"wrong"), (7, b""), (7, b"right" * 60), (8, b"right"), (8, b"\0\0\0\0")):
            self.assertFalse(self.keys.cancel(number, key, "192.0.2.1"))
        self.keys.forget(7, b"right")
        self.assertFalse(self.keys.cancel(7, b"right", "192.0.2.1"))
        self.assertEqual(self.calls, [])
        self.assertEqual(set(self.events.events[0][1]), {"client", "reason"})

    def test_flood(self) -> None:
        """must-survive 12: 1 000 a second from strangers: bounded in events and effect; others are not harmed."""
        for _ in range(1000):
            self.keys.cancel(7, b"guess", "2001:db8::1")
        self.assertEqual(len(self.events.events), MAX_WRONG)
        self.assertFalse(self.keys.cancel(7, b"right", "2001:db8::2"))  # the same /64
        self.assertTrue(self.keys.cancel(7, b"right", "192.0.2.1"))
        self.calls.clear()
        self.clock.advance(61)
        self.assertTrue(self.keys.cancel(7, b"right", "2001:db8::1"))

    def test_clock_set_back(self) -> None:
        """must-survive 59: a clock that jumps back an hour locks nobody out for an hour."""
        for _ in range(MAX_WRONG):
            self.keys.cancel(7, b"guess", "192.0.2.1")
        self.assertFalse(self.keys.cancel(7, b"right", "192.0.2.1"))
        self.clock.rightNow -= 3600
        self.assertTrue(self.keys.cancel(7, b"right", "192.0.2.1"))

    def test_many_sources(self) -> None:
        """The table of sources has a bound."""
        for number in range(MAX_SOURCES + 10):
            self.keys.cancel(7, b"guess", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        self.assertEqual(len(self.keys._wrong), MAX_SOURCES)

    def test_numbers(self) -> None:
        """A number that is taken stays its owner's; keys have the protocol's lengths."""
        self.assertFalse(self.keys.register(7, b"other", self.cancelled))
        self.keys.forget(7, b"other")
        self.assertTrue(self.keys.cancel(7, b"right", "192.0.2.1"))
        for key in (b"", b"abc", b"x" * 257):
            self.assertRaises(ValueError, self.keys.register, 9, key, self.cancelled)

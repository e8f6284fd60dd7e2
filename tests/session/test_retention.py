"""Recordings past their age: each that goes is an event, one that stays is one too, and the next look comes."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.events import Code
from hoopgw.model.settings import LimitSettings
from hoopgw.session.registry import Registry
from hoopgw.session.retention import NAMED, Retention
from tests.session.fakes import Emitted
from tests.session.memory_store import MemoryStore


class FixedAges:
    doubt = ""

    def now(self) -> float:
        return 1000.0

    def before(self, age: float) -> float:
        return 1000.0 - age


class Looks(SynchronousTestCase):
    def setUp(self) -> None:
        clock = Clock()
        clock.advance(1000.0)
        self.events = Emitted()
        self.asked: list[tuple[Any, ...]] = []
        self.thread: Deferred[Any] = Deferred()
        registry = Registry(MemoryStore(clock), clock, LimitSettings(), self.events, lambda id: succeed(None))
        self.ages = FixedAges()
        self.retention = Retention(self.retire, self.ages, registry, self.events, clock, self.in_thread)

    def retire(self, before: float, live: frozenset[str]) -> tuple[list[str], list[str]]:
        raise NotImplementedError

    def in_thread(self, *call: Any) -> Deferred[Any]:
        self.asked.append(call)
        self.thread = Deferred()
        return self.thread

    def test_one_at_a_time(self) -> None:
        """What is older than the age goes, each with its event; a second look meanwhile adds nothing."""
        self.assertIsNone(self.retention.look(None))
        self.assertEqual(self.asked, [])
        done = self.retention.look(400.0)
        assert done is not None
        self.assertEqual(self.asked, [(self.retire, 600.0, frozenset())])
        self.assertIsNone(self.retention.look(400.0))
        self.thread.callback((["s_1", "s_2"], []))
        self.assertIsNone(self.successResultOf(done))
        self.assertEqual(self.events.events, [(Code.RECORDING_RETIRED, {"session": id}) for id in ("s_1", "s_2")])
        self.assertIsNotNone(self.retention.look(400.0))

    def test_failures(self) -> None:
        """What could not be deleted is named, many of them briefly; after any failure the next look comes."""
        self.retention.look(400.0)
        self.thread.callback((["s_1"], [f"s_{number}: no" for number in range(NAMED + 2)]))
        self.assertEqual(self.events.codes(), [Code.RECORDING_RETIRED, Code.RETENTION_FAILED])
        self.assertTrue(str(self.events.events[1][1]["reason"]).endswith(f"s_{NAMED - 1}: no, and 2 more"))
        done = self.retention.look(400.0)
        assert done is not None
        self.thread.errback(Failure(OSError(5, "Input/output error")))
        self.assertIsNone(self.successResultOf(done))
        self.assertIn("Input/output error", str(self.events.events[2][1]["reason"]))
        self.assertIsNotNone(self.retention.look(400.0))

    def test_doubts(self) -> None:
        """A clock that is not the machine's is said once for each time that it begins."""
        for self.ages.doubt in ("", "so far apart", "further apart", "", "again"):
            self.retention.tick()
        said = [(Code.RETENTION_DOUBTED, {"reason": reason}) for reason in ("so far apart", "again")]
        self.assertEqual(self.events.events, said)

"""A text that no process can read is refused, the next one is read again, and nobody waits for another's for long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from hoopgw.cli.demo.surroundings import surroundings
from hoopgw.policy.sql import Unreadable, analyse
from hoopgw.policy.sql_names import NameContext
from hoopgw.session import parser_process
from hoopgw.session.parser_process import DEADLINE, KEPT, MAX_HELD, MAX_OWNED, MAX_WAITING, PATIENCE, ParserProcess

# A program that has a child read something and is killed then; it says which child
KILLED = """
import os, signal, sys
from twisted.internet import reactor
from hoopgw.session.parser_process import ParserProcess
def killed(child):
    os.write(1, b"%d\\n" % child)
    os.kill(os.getpid(), signal.SIGKILL)
if __name__ == "__main__":
    ParserProcess(reactor).run("ann", os.getpid).addCallback(killed)
    reactor.run()
"""


class Large:
    """Counts how often it goes to a child."""

    sent: list[str] = []

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        self.sent.append(self.name)
        return Large, (self.name,)


def called(large: Large, text: str) -> tuple[str, str, int]:
    return large.name, text, os.getpid()


class Threads(Clock):
    """What comes from the pool's thread comes at once: the pool here has none."""

    def callFromThread(self, call: Callable[..., Any], *given: Any) -> None:
        call(*given)


class Nothing(SynchronousTestCase):
    def test_no_process_to_be_had(self) -> None:
        """At the unit's TasksMax: the statement is refused, with the reason; its session does not end."""
        asked: list[Any] = []

        def submit(pool: ProcessPoolExecutor, *given: Any) -> Any:
            asked.append(pool)
            raise BlockingIOError(11, "Resource temporarily unavailable")

        self.patch(ProcessPoolExecutor, "submit", submit)
        parser = ParserProcess(Clock())
        for _ in range(2):
            failed = parser.run("ann", analyse, b"select 1", None, NameContext(), False)
            error = self.failureResultOf(failed, Unreadable).value
            self.assertIn("temporarily unavailable", str(error))
        self.assertIsNot(asked[0], asked[1])


class Turns(SynchronousTestCase):
    def setUp(self) -> None:
        self.futures: dict[str, Future[Any]] = {}  # by the text, in the order in which the child got them
        self.pools: list[ProcessPoolExecutor] = []

        def submit(pool: ProcessPoolExecutor, call: Any, text: str) -> Any:
            self.pools.append(pool)
            future = self.futures[text] = Future()
            return future

        self.patch(ProcessPoolExecutor, "submit", submit)
        self.clock = Threads()
        self.parser = ParserProcess(self.clock)

    def run_for(self, owner: str, *texts: str) -> list[Deferred[Any]]:
        return [self.parser.run(owner, len, text) for text in texts]

    def test_owners_take_turns(self) -> None:
        """Who has many waits behind who has one."""
        self.run_for("ann", "a1", "a2", "a3")
        bobs = self.run_for("bob", "b1")
        for text in ("a1", "a2", "b1", "a3"):  # the line stood as `ann, bob` when the first was done
            self.assertEqual(list(self.futures)[-1], text)
            self.futures[text].set_result(text.upper())
        self.assertEqual(self.successResultOf(bobs[0]), "B1")

    def test_slow_ones_take_nothing_along(self) -> None:
        """What is read too slowly is refused; what waited behind it is read by another process."""
        slow, good = self.run_for("ann", "slow", "good")
        self.clock.advance(DEADLINE)
        self.assertIn("longer than", str(self.failureResultOf(slow, Unreadable).value))
        self.futures["slow"].set_result("too late")
        self.futures["good"].set_result("read")
        self.assertEqual(self.successResultOf(good), "read")
        self.assertIsNot(self.pools[0], self.pools[1])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_patience(self) -> None:
        """No text waits for ever, and no owner has more than some in the line."""
        first, *waiting = self.run_for("ann", *map(str, range(MAX_WAITING + 1)))
        (more,) = self.run_for("ann", "more")
        self.assertIn("are waiting", str(self.failureResultOf(more, Unreadable).value))
        for _ in range(int(PATIENCE / DEADLINE)):
            self.clock.advance(DEADLINE)
        self.failureResultOf(first, Unreadable)
        for each in waiting:
            self.failureResultOf(each, Unreadable)

    def test_cancelled_by_the_pool(self) -> None:
        """A pool that breaks may cancel what it has: that is an answer too."""
        (lost,) = self.run_for("ann", "lost")
        self.futures["lost"].cancel()
        self.futures["lost"].set_running_or_notify_cancel()
        self.failureResultOf(lost, Unreadable)

    def test_bytes_that_wait(self) -> None:
        """Of one owner, and of all; what has gone leaves its room to others."""

        def waits(owner: str, text: str, size: int) -> Deferred[Any]:
            waiting = self.parser.run(owner, len, text, size=size)
            waiting.addErrback(lambda failure: str(failure.value))
            return waiting

        waits("ann", "read", MAX_OWNED)  # what is read does not wait
        half = MAX_OWNED // 2
        first = waits("ann", "1", half)
        self.assertNoResult(waits("ann", "2", half))
        self.assertIn("64 MiB", self.successResultOf(waits("ann", "3", 1)))
        first.cancel()
        self.assertIn("nobody", self.successResultOf(first))
        self.assertNoResult(waits("ann", "4", half))
        for number in range(MAX_HELD // MAX_OWNED - 1):
            self.assertNoResult(waits(f"bob {number}", "5", MAX_OWNED))
        self.assertIn("are waiting", self.successResultOf(waits("eve", "6", 1)))
        self.futures["read"].set_result("")  # ann's next is read
        self.assertNoResult(waits("eve", "7", half))
        self.parser.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nobody_waits(self) -> None:
        """What waits is not read; what is read is read to its end, and the next behind it."""
        read, waits, last = self.run_for("ann", "read", "waits", "last")
        for each in (read, waits):
            each.cancel()
            self.assertIn("nobody", str(self.failureResultOf(each, Unreadable).value))
        self.futures["read"].set_result("read")
        self.futures["last"].set_result("last")
        self.assertEqual(self.successResultOf(last), "last")
        self.assertEqual((list(self.futures), self.clock.getDelayedCalls()), (["read", "last"], []))
        (slow,) = self.run_for("ann", "slow")
        slow.cancel()
        self.failureResultOf(slow, Unreadable)
        self.clock.advance(DEADLINE)
        self.assertIsNot(self.parser._pool, self.pools[-1])

    def test_stop(self) -> None:
        """Whoever waits has an answer."""
        read, waits = self.run_for("ann", "read", "waits")
        self.parser.stop()
        (late,) = self.run_for("ann", "late")
        for each in (read, waits, late):
            self.assertIn("stopping", str(self.failureResultOf(each, Unreadable).value))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class Child(TestCase):
    """The real one."""

    async def test_elsewhere(self) -> None:
        """It is another process, and where that dies the next text has another."""
        self.patch(parser_process, "DEADLINE", 100.0)  # a slow machine is no hostile text
        self.patch(parser_process, "PATIENCE", 100.0)
        parser = ParserProcess(reactor)
        self.addCleanup(parser.stop)
        first = await parser.run("ann", os.getpid)
        self.assertNotEqual(first, os.getpid())
        dies, waits = parser.run("ann", os._exit, 1), parser.run("ann", os.getpid)
        with self.assertRaises(Unreadable):
            await dies
        self.assertNotIn(await waits, (first, os.getpid()))

    async def test_what_texts_are_read_by_is_sent_once(self) -> None:
        """A catalogue takes longer on its way than most texts take to be read."""
        self.patch(parser_process, "DEADLINE", 100.0)
        self.patch(Large, "sent", [])
        parser = ParserProcess(reactor)
        self.addCleanup(parser.stop)
        many = [Large(str(number)) for number in range(KEPT + 1)]
        child = 0
        for step in (0, 1, 0, *range(1, KEPT), 0, KEPT, 1, 0):  # KEPT drives out 1, which drives out 2
            name, text, child = await parser.run("ann", called, f"text {step}", by=many[step])
            self.assertEqual((name, text), (str(step), f"text {step}"))
        self.assertEqual(Large.sent, [*map(str, range(KEPT + 1)), "1"])
        with self.assertRaises(Unreadable):
            await parser.run("ann", os._exit, 1)
        *found, other = await parser.run("ann", called, "again", by=many[0])
        self.assertEqual((found, Large.sent[-1]), (["0", "again"], "0"))
        self.assertNotEqual(other, child)

    def test_ends_with_a_gateway_that_was_killed(self) -> None:
        """It would stay for ever: nobody tells it, and its own pipe does not end."""
        command = [sys.executable, "-c", KILLED]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=surroundings()) as killed:
            assert killed.stdout is not None
            path = Path(f"/proc/{int(killed.stdout.readline())}/cmdline")
            self.assertEqual(killed.wait(60), -signal.SIGKILL)
        deadline = time.monotonic() + 60
        while path.exists() and b"multiprocessing" in path.read_bytes():  # a zombie's is empty
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

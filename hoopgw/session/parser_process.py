"""Reads large texts in a child process: what exhausts a parser there costs one text, and nobody else waits for it."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import signal
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from hoopgw.policy.sql import Unreadable

DEADLINE = 10.0  # seconds for one text, start of the child included
PATIENCE = 30.0  # seconds that a text waits for its turn
MAX_WAITING = 64  # texts of one owner that wait: one channel, or session, has one
MAX_OWNED = 64 << 20  # bytes that these have, of bodies as well, whose texts are large
MAX_HELD = 256 << 20  # the same of all owners
MEMORY = 4 << 30  # bytes of address space of the child: a tree of SQL takes some 200 times its text
KEPT = 4  # things, as catalogues, by which texts are read: the child has the last ones
PR_SET_PDEATHSIG = 1  # prctl(2)


def _bound(parent: int) -> None:
    """In the child.  A gateway that is killed takes it along: it holds both ends of its own pipe, and never read its
    end.  The signal comes when the thread ends that started it, which is the reactor's."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it was killed before the line above
        os._exit(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


_kept: OrderedDict[int, Any] = OrderedDict()  # in the child, by the number that the gateway gave each


def _read_by(call: Callable[..., Any], number: int, new: Any, given: tuple[Any, ...]) -> Any:
    """In the child.  `new`: what `number` stands for, where that has not come before."""
    if new is not None:
        _keep(_kept, number, new)
    _kept.move_to_end(number)
    return call(_kept[number], *given)


def _keep(kept: OrderedDict[int, Any], number: int, new: Any) -> None:
    """The same on both sides: so one knows what the other has."""
    kept[number] = new
    while len(kept) > KEPT:
        kept.popitem(last=False)


class _Reading:
    """A text that waits, or is read."""

    __slots__ = ("call", "by", "given", "size", "done", "timer")

    def __init__(
        self, call: Callable[..., Any], by: Any, given: tuple[Any, ...], size: int, cancel: Callable[[_Reading], None]
    ) -> None:
        self.call = call
        self.by = by
        self.given = given
        self.size = size
        self.done: Deferred[Any] = Deferred(lambda _: cancel(self))
        self.timer: IDelayedCall | None = None

    def ended(self) -> None:
        if self.timer is not None and self.timer.active():
            self.timer.cancel()


class ParserProcess:
    """One child at a time, started when it is first needed and again after it died.  It has one text at a time: what is
    slow takes nothing else along, and the owners of texts take turns.

    `call_from_thread` is the reactor's; what comes back is handled there.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._pool: ProcessPoolExecutor | None = None
        self._sent: OrderedDict[int, Any] = OrderedDict()  # what the child has, by its id
        self._turns: dict[str, deque[_Reading]] = {}  # by owner: whose turn it is stands first
        self._running: _Reading | None = None
        self._held = 0  # bytes of all that wait
        self._stopped = False

    def run(self, owner: str, call: Callable[..., Any], *given: Any, by: Any = None, size: int = 0) -> Deferred[Any]:
        """What `call`, a function of a module, makes of `given`; and of `by` before them, unless that is None.

        `by` is large, is never changed, and many texts are read by it: it goes to the child once.  `size`: bytes of
        `given`, where they may be many.  Who cancels has waited long enough: what it held while it waited is free.

        Fails with Unreadable: its own word, a crash, a deadline, or no process to be had.
        """
        reading = _Reading(call, by, given, size, lambda reading: self._cancelled(owner, reading))
        if self._stopped:
            self._fail(reading, "the gateway is stopping")
            return reading.done
        turns = self._turns.get(owner, deque())
        full = self._full(turns, size)
        if full:
            self._fail(reading, f"{full} that take long to read are waiting: repeat it in a while")
            return reading.done
        self._turns.setdefault(owner, turns).append(reading)
        self._held += size
        reading.timer = self._reactor.callLater(PATIENCE, self._impatient, owner, reading)
        self._next()
        return reading.done

    def stop(self) -> None:
        """What waits, or is read, fails, and what comes later."""
        self._stopped = True
        turns, self._turns, self._held = self._turns, {}, 0
        running, self._running = self._running, None
        if self._pool is not None:
            self._drop(self._pool)
        for reading in ([] if running is None else [running]) + [
            each for waiting in turns.values() for each in waiting
        ]:
            self._fail(reading, "the gateway is stopping")

    # ---- turns

    def _full(self, turns: deque[_Reading], size: int) -> str:
        """What is waiting where there is no room for another; else nothing."""
        if len(turns) >= MAX_WAITING:
            return f"{MAX_WAITING} texts"
        owned = sum(each.size for each in turns) + size
        return f"{MAX_OWNED >> 20} MiB" if owned > MAX_OWNED or self._held + size > MAX_HELD else ""

    def _next(self) -> None:
        while self._running is None and self._turns:
            owner = next(iter(self._turns))
            turns = self._turns.pop(owner)
            reading = turns.popleft()
            self._held -= reading.size
            if turns:
                self._turns[owner] = turns  # behind the others
            reading.ended()
            self._begin(reading)

    def _impatient(self, owner: str, reading: _Reading) -> None:
        self._leaves(owner, reading)
        self._fail(reading, f"too many texts that take long to read were before it for {PATIENCE:g} s")

    def _cancelled(self, owner: str, reading: _Reading) -> None:
        """What the child has begun it ends: to kill it would cost the others more."""
        if reading is not self._running:
            self._leaves(owner, reading)
            reading.ended()
        reading.done.errback(Unreadable("nobody waits for it any more"))

    def _leaves(self, owner: str, reading: _Reading) -> None:
        turns = self._turns[owner]
        turns.remove(reading)
        self._held -= reading.size
        if not turns:
            del self._turns[owner]

    def _begin(self, reading: _Reading) -> None:
        try:
            pool, future = self._submitted(reading)
        except (OSError, RuntimeError) as error:  # no process or thread is to be had: the unit's TasksMax, or memory
            if self._pool is not None:
                self._drop(self._pool)
            words = f"the process that reads what takes long does not start ({error}): repeat it in a while"
            self._fail(reading, words)
            return
        self._running = reading
        reading.timer = self._reactor.callLater(DEADLINE, self._too_slow, pool, reading)
        future.add_done_callback(
            lambda future: self._reactor.callFromThread(self._finished, future, pool, reading)  # in the pool's thread
        )

    def _submitted(self, reading: _Reading) -> tuple[ProcessPoolExecutor, Future[Any]]:
        """Raises OSError or RuntimeError where the system gives no process or thread."""
        pool = self._started()
        try:
            return pool, self._told(pool, reading)
        except BrokenProcessPool:
            self._drop(pool)
        pool = self._started()
        return pool, self._told(pool, reading)

    def _told(self, pool: ProcessPoolExecutor, reading: _Reading) -> Future[Any]:
        by = reading.by
        if by is None:
            return pool.submit(reading.call, *reading.given)
        number = id(by)
        known = number in self._sent
        told = pool.submit(_read_by, reading.call, number, None if known else by, reading.given)
        if not known:
            _keep(self._sent, number, by)
        self._sent.move_to_end(number)
        return told

    # ---- the child

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=_bound, initargs=(os.getpid(),))
        return self._pool

    def _drop(self, pool: ProcessPoolExecutor) -> None:
        if self._pool is pool:
            self._pool = None
            self._sent.clear()
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)

    # ---- ends

    def _too_slow(self, pool: ProcessPoolExecutor, reading: _Reading) -> None:
        self._running = None
        self._drop(pool)
        self._next()
        self._fail(reading, f"it takes longer than {DEADLINE:g} s to read")

    def _finished(self, future: Future[Any], pool: ProcessPoolExecutor, reading: _Reading) -> None:
        if self._running is not reading:  # it was too slow, and has its answer
            return
        self._running = None
        reading.ended()
        error = None if future.cancelled() else future.exception()
        if future.cancelled() or not (error is None or isinstance(error, Unreadable)):
            self._drop(pool)
            error = Unreadable(f"the process that read it ended ({type(error).__name__})")
        self._next()
        if reading.done.called:
            return
        if error is None:
            reading.done.callback(future.result())
        else:
            reading.done.errback(error)

    def _fail(self, reading: _Reading, words: str) -> None:
        reading.ended()
        if not reading.done.called:
            reading.done.errback(Unreadable(words))

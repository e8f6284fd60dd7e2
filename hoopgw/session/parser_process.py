"""Reads large SQL texts in a child process: what exhausts the parser there costs one statement, not the gateway."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from twisted.internet.defer import Deferred, fail

from hoopgw.policy.catalogue import Catalogue
from hoopgw.policy.facts import Facts
from hoopgw.policy.sql import Unreadable, analyse
from hoopgw.policy.sql_names import NameContext

DEADLINE = 10.0  # seconds for one text, start of the child included
MEMORY = 4 << 30  # bytes of address space of the child: a tree takes some 200 times its text


def _bound() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class ParserProcess:
    """One child at a time, started when it is first needed and again after it died.

    `call_from_thread` is the reactor's; what comes back is handled there.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._pool: ProcessPoolExecutor | None = None

    def analyse(self, text: bytes, catalogue: Catalogue | None, context: NameContext, follow: bool) -> Deferred[Facts]:
        """Fails with Unreadable: the grammar's word, a crash, the deadline, or no process to be had."""
        done: Deferred[Facts] = Deferred()
        try:
            pool, future = self._submitted(text, catalogue, context, follow)
        except (OSError, RuntimeError) as error:  # no process or thread is to be had: the unit's TasksMax, or memory
            self.stop()
            words = f"the process that reads large statements does not start ({error}): repeat it in a while"
            return fail(Unreadable(words))
        timer = self._reactor.callLater(DEADLINE, self._too_slow, pool, done)
        future.add_done_callback(
            lambda future: self._reactor.callFromThread(self._finished, future, pool, done, timer.cancel, timer.active)
        )
        return done

    def _submitted(self, *given: Any) -> tuple[ProcessPoolExecutor, Future[Facts]]:
        """Raises OSError or RuntimeError where the system gives no process or thread."""
        pool = self._started()
        try:
            return pool, pool.submit(analyse, *given)
        except BrokenProcessPool:
            self._drop(pool)
        pool = self._started()
        return pool, pool.submit(analyse, *given)

    def stop(self) -> None:
        if self._pool is not None:
            self._drop(self._pool)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=_bound)
        return self._pool

    def _drop(self, pool: ProcessPoolExecutor) -> None:
        if self._pool is pool:
            self._pool = None
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)

    def _too_slow(self, pool: ProcessPoolExecutor, done: Deferred[Facts]) -> None:
        self._drop(pool)
        if not done.called:
            done.errback(Unreadable(f"it takes longer than {DEADLINE:g} s to read"))

    def _finished(
        self,
        future: Future[Facts],
        pool: ProcessPoolExecutor,
        done: Deferred[Facts],
        cancel: Callable[[], None],
        active: Callable[[], bool],
    ) -> None:
        if active():
            cancel()
        if done.called:
            return
        error = future.exception()
        if error is None:
            done.callback(future.result())
        elif isinstance(error, Unreadable):
            done.errback(error)
        else:
            self._drop(pool)
            done.errback(Unreadable(f"the process that read it ended ({type(error).__name__})"))

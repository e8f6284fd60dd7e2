"""The embedded store on a database in memory, in the test's own thread: real SQL, no waiting."""

from __future__ import annotations

import sqlite3
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from hoopgw.model.errors import StoreUnavailable
from hoopgw.store import sqlite
from hoopgw.store.interface import SessionRow
from hoopgw.store.sqlite import SqliteStore


class MemoryStore(SqliteStore):
    """`down` makes every call fail; `slow` keeps the results back until `go`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, ":memory:")
        self.down = False
        self.slow: list[tuple[Deferred[Any], Any]] | None = None
        self.calls = self.puts = 0
        self._memory = sqlite3.connect(":memory:", isolation_level=None)
        sqlite._migrate(self._memory)

    def _run(self, work: Any, *, fresh: bool = False, seconds: float | None = None) -> Any:
        self.calls += 1
        if self.down:
            return maybeDeferred(_raise)
        result = maybeDeferred(work, self._memory)
        if self.slow is None:
            return result
        later: Deferred[Any] = Deferred()
        result.addBoth(lambda value: self.slow.append((later, value)))
        return later

    def put_sessions(self, rows: tuple[SessionRow, ...]) -> Deferred[None]:
        self.puts += len(rows)
        return super().put_sessions(rows)

    def go(self) -> None:
        """Give every result that was kept back."""
        assert self.slow is not None
        kept, self.slow = self.slow, []
        for later, value in kept:
            if isinstance(value, Failure):
                later.errback(value)
            else:
                later.callback(value)


def _raise() -> None:
    raise StoreUnavailable("down")

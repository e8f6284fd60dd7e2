"""The embedded store: SQLite in WAL mode, on one thread of its own."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from hoopgw.model.errors import StoreUnavailable
from hoopgw.store import migrations, statements
from hoopgw.store.deadline import DEADLINE, Answered, refused
from hoopgw.store.interface import Decided, Hold, HoldState, IStore, SessionFilter, SessionRow
from hoopgw.store.rows import decided_text, hold_row, hold_values, session_row, session_values
from hoopgw.store.watchers import Watchers
from hoopgw.store.words import with_word

T = TypeVar("T")
MAX_WAITING = 1000  # calls that wait for the thread; more says that the disk does not follow
POLL = 0.5  # seconds between looks for what other processes changed; only while somebody watches
LOCKED = 0.05  # seconds between tries to begin with a file that another process has locked
STEPS = 2000  # of SQLite's machine between looks at the deadline: about 0.1 ms

Work = Callable[[sqlite3.Connection], T]


def _sql(statement: str) -> str:
    return statement.format(at="", aside="+")


@implementer(IStore)
class SqliteStore:
    """`path` is the file, made 0600, with its directory 0700.  Only the reactor thread calls the methods."""

    def __init__(self, reactor: Any, path: str) -> None:
        self._reactor = reactor
        self._path = path
        self._pool = ThreadPool(1, 1, "store")
        self._connection: sqlite3.Connection | None = None
        self._waiting = 0
        self._watchers = Watchers()
        self._seen = 0  # the last change of a hold that the watchers were told
        self._version = -1  # PRAGMA data_version: other connections' commits
        self._ending = False
        self._poll = LoopingCall(self._look)
        self._poll.clock = reactor

    # ---- life

    def start(self) -> Deferred[None]:
        self._pool.start()
        return self._run(self._open, fresh=True, seconds=migrations.SECONDS)

    def stop(self) -> Deferred[None]:
        self._ending = True
        if self._poll.running:
            self._poll.stop()
        if not self._pool.started or self._pool.joined:
            return succeed(None)
        done = deferToThreadPool(self._reactor, self._pool, self._close)
        return done.addBoth(self._stopped)

    def _stopped(self, result: T) -> T:
        self._pool.stop()
        return result

    def _open(self, _: Any) -> None:
        directory = os.path.dirname(self._path) or "."
        os.makedirs(directory, mode=0o700, exist_ok=True)
        # made here so that it is never, not even for a moment, readable by others; WAL and SHM take its mode
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        patience = time.monotonic() + migrations.SECONDS
        while True:
            try:
                self._connection = self._opened()
                return
            except sqlite3.OperationalError as error:  # another gateway begins with it too, or brings it up to date
                locked = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # the rest says how (Result Codes, 2)
                if not locked or self._ending or time.monotonic() > patience:
                    raise
                time.sleep(LOCKED)

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=DEADLINE / 2, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")  # what was claimed or reserved survives a power cut
            connection.execute("PRAGMA trusted_schema = OFF")
            _migrate(connection)
            self._seen = connection.execute(_sql(statements.LAST_CHANGE)).fetchone()[0]
        except BaseException:
            connection.close()
            raise
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # ---- the one way to the thread

    def _run(self, work: Work[T], *, fresh: bool = False, seconds: float | None = None) -> Deferred[T]:
        if self._waiting >= MAX_WAITING:
            return refused("too many calls wait for the disk")
        self._waiting += 1
        answered = Answered(self._reactor, "the store did not answer in time", seconds=seconds)
        done = deferToThreadPool(self._reactor, self._pool, self._work, work, answered, fresh)
        done.addBoth(self._done, answered)
        return answered.deferred

    def _done(self, result: Any, answered: Answered) -> None:
        self._waiting -= 1
        answered.settle(result, (sqlite3.Error, OSError))

    def _work(self, work: Work[T], answered: Answered, fresh: bool) -> T | None:
        """In the thread.  A call whose caller has given up does not run: a claim nobody waits for uses up nothing."""
        if answered.over:
            return None
        connection = self._connection
        if fresh:
            return work(connection)  # type: ignore[arg-type]
        if connection is None:
            raise StoreUnavailable("the store is closed")
        connection.set_progress_handler(lambda: answered.over, STEPS)
        try:
            return work(connection)
        finally:
            connection.set_progress_handler(None, 0)

    def _change(self, work: Work[T]) -> Deferred[T]:
        """`work` inside one transaction that has the write lock from its start."""
        return self._run(partial(_in_transaction, work))

    # ---- sessions

    def put_sessions(self, rows: tuple[SessionRow, ...]) -> Deferred[None]:
        return self._change(partial(_put_sessions, rows))

    def sessions(self, wanted: SessionFilter) -> Deferred[tuple[SessionRow, ...]]:
        statement, values = statements.session_page(wanted)
        return self._run(lambda connection: tuple(map(session_row, connection.execute(_sql(statement), values))))

    def session(self, id: str) -> Deferred[SessionRow | None]:
        def one(connection: sqlite3.Connection) -> SessionRow | None:
            found = connection.execute(_sql(statements.ONE_SESSION), (id,)).fetchone()
            return session_row(found) if found else None

        return self._run(one)

    # ---- holds

    def create_hold(self, hold: Hold) -> Deferred[Hold]:
        return self._change(partial(_create_hold, hold)).addCallback(self._tell_created)

    def hold(self, id: str) -> Deferred[Hold | None]:
        return self._run(partial(_one_hold, statements.ONE_HOLD, (id,)))

    def holds(self, states: frozenset[HoldState], limit: int) -> Deferred[tuple[Hold, ...]]:
        statement, values = statements.hold_page(states, limit)
        return self._run(partial(_holds, statement, values))

    def decide(self, id: str, decided: Decided, group_sets: tuple[int, ...], now: float) -> Deferred[Hold | None]:
        return self._change(partial(_decide, id, decided, group_sets, now)).addCallback(self._tell)

    def claim(self, digest: str, now: float, id: str = "") -> Deferred[Hold | None]:
        statement, values = (statements.CLAIM_ONE, (digest, now, id)) if id else (statements.CLAIM, (digest, now))
        return self._change(partial(_one_hold, statement, values)).addCallback(self._tell)

    def withdraw(self, id: str, now: float) -> Deferred[Hold | None]:
        return self._change(partial(_one_hold, statements.WITHDRAW, (id,))).addCallback(self._tell)

    def expire(self, now: float) -> Deferred[tuple[Hold, ...]]:
        changed = self._change(partial(_holds, statements.EXPIRE, (now,)))
        return changed.addCallback(self._tell_each)

    def watch_holds(self, changed: Callable[[Hold], None]) -> Callable[[], None]:
        stop = self._watchers.add(changed)
        if not self._poll.running:
            self._poll.start(POLL, now=False)

        def stopped() -> None:
            stop()
            if not self._watchers and self._poll.running:
                self._poll.stop()

        return stopped

    def _tell(self, hold: Hold | None) -> Hold | None:
        if hold is not None:
            self._watchers.tell(hold)
        return hold

    def _tell_each(self, holds: tuple[Hold, ...]) -> tuple[Hold, ...]:
        for hold in holds:
            self._watchers.tell(hold)
        return holds

    def _tell_created(self, result: tuple[Hold, tuple[Hold, ...]]) -> Hold:
        hold, expired = result
        self._tell_each((*expired, hold))
        return hold

    def _look(self) -> Deferred[None]:
        """What other processes changed, and ours once more: a watcher takes the same news twice."""
        return self._run(self._news).addCallbacks(self._told, lambda failure: failure.trap(StoreUnavailable) and None)

    def _news(self, connection: sqlite3.Connection) -> list[tuple[int, Hold]]:
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return []
        found = connection.execute(_sql(statements.CHANGED_HOLDS), (self._seen,)).fetchall()
        self._version = version
        return [(values[0], hold_row(values[1:])) for values in found]

    def _told(self, news: list[tuple[int, Hold]]) -> None:
        for number, hold in news:
            self._seen = max(self._seen, number)
            self._watchers.tell(hold)

    # ---- budgets

    def reserve(self, counter: str, window: str, amount: int) -> Deferred[int]:
        values = (counter, window, amount, self._reactor.seconds())
        return self._change(lambda connection: int(connection.execute(_sql(statements.RESERVE), values).fetchone()[0]))

    def give_back(self, counter: str, window: str, amount: int) -> Deferred[None]:
        values = (amount, amount, counter, window)

        def back(connection: sqlite3.Connection) -> None:
            connection.execute(_sql(statements.GIVE_BACK), values)

        return self._change(back)

    def forget(self, before: float) -> Deferred[int]:
        def gone(connection: sqlite3.Connection) -> int:
            return sum(connection.execute(_sql(statement), (before,)).rowcount for statement in statements.FORGET)

        return self._change(gone)


def _migrate(connection: sqlite3.Connection) -> None:
    if _version(connection) != statements.VERSION:
        _in_transaction(_brought_up, connection)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _brought_up(connection: sqlite3.Connection) -> None:
    version = _version(connection)  # again: another process may have been first
    problem = migrations.problem(version) if version else ""
    if problem:
        raise StoreUnavailable(problem)
    for statement in migrations.steps(version) if version else statements.SCHEMA:
        connection.execute(_sql(statement))
    connection.execute(f"PRAGMA user_version = {statements.VERSION}")


def _in_transaction(work: Work[T], connection: sqlite3.Connection) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.set_progress_handler(None, 0)  # a deadline that has passed must not stop the rollback
            connection.execute("ROLLBACK")
        raise
    return result


def _put_sessions(rows: tuple[SessionRow, ...], connection: sqlite3.Connection) -> None:
    connection.executemany(_sql(statements.PUT_SESSION), map(session_values, rows))
    tables = (values for row in rows for values in statements.table_values(row))
    connection.executemany(_sql(statements.PUT_TABLE), tables)
    connection.executemany(_sql(statements.PUT_MASKED), statements.masked_tables(rows))


def _one_hold(statement: str, values: Sequence[Any], connection: sqlite3.Connection) -> Hold | None:
    found = connection.execute(_sql(statement), values).fetchall()
    return hold_row(found[0]) if found else None


def _holds(statement: str, values: Sequence[Any], connection: sqlite3.Connection) -> tuple[Hold, ...]:
    return tuple(map(hold_row, connection.execute(_sql(statement), values).fetchall()))


def _create_hold(hold: Hold, connection: sqlite3.Connection) -> tuple[Hold, tuple[Hold, ...]]:
    """The hold that stands now, and those that this found expired."""
    expired = _holds(statements.EXPIRE_DIGEST, (hold.created, hold.digest), connection)
    if connection.execute(_sql(statements.CREATE_HOLD), hold_values(hold)).fetchall():
        return hold, expired
    standing = _one_hold(statements.USABLE_HOLD, (hold.digest,), connection)
    if standing is None:
        raise StoreUnavailable(f"a hold with the id {hold.id} exists already")
    return standing, expired


def _decide(
    id: str, decided: Decided, group_sets: tuple[int, ...], now: float, connection: sqlite3.Connection
) -> Hold | None:
    hold = _one_hold(statements.ONE_HOLD, (id,), connection)
    if hold is None:
        return None
    after = with_word(hold, decided, group_sets, now)
    if after is not hold:
        connection.execute(_sql(statements.PUT_WORD), (after.state.value, decided_text(after.decided), id))
    return after

"""The contract of store/interface.py, held by both providers."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any
from unittest import SkipTest

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from hoopgw.model.errors import StoreUnavailable
from hoopgw.store.interface import Decided, Hold, HoldState, IStore, SessionFilter, SessionRow
from hoopgw.store.postgresql import PostgresqlStore
from hoopgw.store.sqlite import SqliteStore
from hoopgw.store.statements import session_page
from tests.programs import SERVER, found
from tests.store.cluster import Cluster

ROW = SessionRow(
    id="s_0000000000000000000000",
    gateway="bastion",
    protocol="postgresql",
    issuer="https://idp",
    subject="agent",
    groups=("agents", "night"),
    target="pay",
    database="pay",
    role="reader",
    client="127.0.0.1",
    policy="sha256:1",
    opened=1000.0,
)
HOLD = Hold(
    id="h_1",
    digest="d1",
    session=ROW.id,
    issuer="https://idp",
    subject="agent",
    target="pay",
    database="pay",
    role="reader",
    guardrails=("write-without-where",),
    reason="UPDATE without WHERE",
    shown="UPDATE t SET a = 1",
    approvers=(("dba",),),
    counts=(1,),
    policy="sha256:1",
    created=1000.0,
    expires=1900.0,
    details={"actors": []},
)


def word(subject: str, approved: bool = True, at: float = 1001.0) -> Decided:
    return Decided("https://idp", subject, approved, "because", at)


class Contract:
    """The tests; each provider's class says how a store is opened (`opened`) on the same data as another one."""

    store: Any
    other: Any

    def opened(self) -> Any:
        raise NotImplementedError

    async def begin(self) -> None:
        self.store = self.opened()
        await self.store.start()
        self.other = self.opened()  # as another process would
        await self.other.start()

    async def end(self) -> None:
        await self.store.stop()
        await self.other.stop()

    def test_is_a_store(self) -> None:
        """The provider gives the whole interface."""
        verifyObject(IStore, self.store)

    async def test_session_comes_back(self) -> None:
        """A row is read as it was written, and replaced by its next version."""
        await self.store.put_sessions((ROW,))
        self.assertEqual(await self.store.session(ROW.id), ROW)
        closed = replace(ROW, closed=2000.0, reason="left", rows=7, tables=("pay.a", "pay.b"), interrupted=True)
        await self.store.put_sessions((closed,))
        self.assertEqual(await self.other.session(ROW.id), closed)
        self.assertIsNone(await self.store.session("s_none"))

    async def test_masked_later(self) -> None:
        """A live session is found by what was masked and each of its tables once a first value is masked."""
        row = replace(ROW, tables=("pay.accounts", "pay.b"))
        wanted = SessionFilter(verdict="masked", table="pay.accounts", subject=ROW.subject, target=ROW.target)
        await self.store.put_sessions((row,))
        self.assertEqual(await self.store.sessions(wanted), ())
        masked = replace(row, masked=2, tables=("pay.accounts", "pay.b", "pay.c"))
        await self.store.put_sessions((masked,))
        for table in masked.tables:
            self.assertEqual(await self.store.sessions(replace(wanted, table=table)), (masked,))

    async def test_pages(self) -> None:
        """Pages are newest first, follow each other without gap or double, also among equal times."""
        rows = tuple(replace(ROW, id=f"s_{number:03}", opened=float(number // 3)) for number in range(20))
        await self.store.put_sessions(rows)
        seen: list[SessionRow] = []
        wanted = SessionFilter(limit=6)
        while page := await self.store.sessions(wanted):
            seen += page
            wanted = replace(wanted, before=(page[-1].opened, page[-1].id))
        self.assertEqual(seen, sorted(rows, key=lambda row: (row.opened, row.id), reverse=True))

    async def test_filters(self) -> None:
        """Each part of a filter narrows."""
        plain = ROW
        told = replace(ROW, id="s_2", subject="ci", target="web", opened=2000.0, closed=2100.0, refused=1)
        held = replace(ROW, id="s_3", held=2, opened=3000.0, tables=("pay.accounts",))
        masked = replace(ROW, id="s_4", masked=5, opened=4000.0, protocol="ssh", tables=("pay.accounts", "pay.b"))
        await self.store.put_sessions((plain, told, held, masked))

        async def ids(**wanted: Any) -> list[str]:
            asked = SessionFilter(**wanted)
            found = [row.id for row in await self.store.sessions(asked)]
            every = await self.store.sessions(SessionFilter())
            self.assertEqual(found, [row.id for row in every if asked.fits(row)][: asked.limit], wanted)
            return found

        self.assertEqual(await ids(subject="ci"), ["s_2"])
        self.assertEqual(await ids(target="web"), ["s_2"])
        self.assertEqual(await ids(subject="ci", target="pay"), [])
        self.assertEqual(await ids(protocol="ssh"), ["s_4"])
        self.assertEqual(await ids(since=2000.0, until=4000.0), ["s_3", "s_2"])
        self.assertEqual(await ids(verdict="refused"), ["s_2"])
        self.assertEqual(await ids(verdict="held"), ["s_3"])
        self.assertEqual(await ids(verdict="masked"), ["s_4"])
        self.assertEqual(await ids(verdict="masked", table="pay.accounts"), ["s_4"])
        self.assertEqual(await ids(table="pay.accounts"), ["s_4", "s_3"])
        self.assertEqual(await ids(table="pay.accounts", before=(4000.0, "s_4")), ["s_3"])
        self.assertEqual(await ids(live=False), ["s_2"])
        self.assertEqual(await ids(live=True, limit=1), ["s_4"])
        self.assertRaises(ValueError, self.store.sessions, SessionFilter(verdict="x' OR 1=1"))

    async def test_text_is_only_text(self) -> None:
        """What looks like SQL in a value is a value."""
        nasty = replace(ROW, subject="'; DROP TABLE sessions; --", database='%s ? {at} "', tables=("a'b", "%s"))
        await self.store.put_sessions((nasty,))
        found = await self.store.sessions(SessionFilter(subject=nasty.subject, table="a'b"))
        self.assertEqual(found, (nasty,))

    async def test_hold_is_joined(self) -> None:
        """While one is undecided or approved, another of the same digest is that one; afterwards it is a new one."""
        self.assertEqual(await self.store.create_hold(HOLD), HOLD)
        second = replace(HOLD, id="h_2", session="s_other")
        self.assertEqual((await self.other.create_hold(second)).id, "h_1")
        await self.store.decide("h_1", word("ann"), (0,), 1001.0)
        self.assertEqual((await self.other.create_hold(second)).state, HoldState.APPROVED)
        self.assertEqual((await self.store.claim("d1", 1002.0)).state, HoldState.CLAIMED)
        self.assertEqual((await self.store.create_hold(second)).id, "h_2")

    async def test_a_claim_of_one_hold(self) -> None:
        """With an id only that hold is taken, and only for its digest."""
        await self.store.create_hold(HOLD)
        await self.store.decide("h_1", word("ann"), (0,), 1001.0)
        for digest, id in (("d1", "h_2"), ("d2", "h_1")):
            self.assertIsNone(await self.store.claim(digest, 1002.0, id))
        self.assertEqual((await self.other.claim("d1", 1002.0, "h_1")).state, HoldState.CLAIMED)

    async def test_expired_hold_is_not_joined(self) -> None:
        """A hold whose time is up makes room for a new one of the same digest."""
        await self.store.create_hold(HOLD)
        late = replace(HOLD, id="h_2", created=1900.0, expires=2800.0)
        self.assertEqual((await self.store.create_hold(late)).id, "h_2")
        self.assertEqual((await self.store.hold("h_1")).state, HoldState.EXPIRED)

    async def test_hold_survives_restart(self) -> None:
        """must-survive 62: a hold and its approval are there after a restart."""
        await self.store.create_hold(HOLD)
        decided = await self.store.decide("h_1", word("ann"), (0,), 1001.0)
        await self.store.stop()
        self.store = self.opened()
        await self.store.start()
        self.assertEqual(await self.store.hold("h_1"), decided)
        self.assertEqual(decided.decided, (replace(word("ann"), sets=(0,)),))
        self.assertIsNotNone(await self.store.claim("d1", 1002.0))

    async def test_one_denial_denies(self) -> None:
        """After one denial no approval counts, and there is nothing to claim."""
        await self.store.create_hold(replace(HOLD, counts=(2,)))
        await self.store.decide("h_1", word("ann"), (0,), 1001.0)
        self.assertEqual((await self.store.decide("h_1", word("bob", False), (0,), 1002.0)).state, HoldState.DENIED)
        self.assertEqual((await self.store.decide("h_1", word("eve"), (0,), 1003.0)).state, HoldState.DENIED)
        self.assertIsNone(await self.store.claim("d1", 1004.0))

    async def test_every_set_is_needed(self) -> None:
        """must-survive 62: two approvals of one identity count once; each set needs its own number."""
        await self.store.create_hold(replace(HOLD, approvers=(("dba",), ("security",)), counts=(2, 1)))
        for subject, sets in (("ann", (0,)), ("ann", (0, 1)), ("bob", (0,))):
            hold = await self.store.decide("h_1", word(subject), sets, 1001.0)
            self.assertEqual(hold.state, HoldState.WAITING)
        self.assertEqual(len(hold.decided), 2)
        hold = await self.store.decide("h_1", word("sue"), (1,), 1002.0)
        self.assertEqual(hold.state, HoldState.APPROVED)

    async def test_a_word_without_a_set_is_nothing(self) -> None:
        """Who belongs to no approver set neither approves nor denies."""
        await self.store.create_hold(HOLD)
        for approved in (True, False):
            hold = await self.store.decide("h_1", word("eve", approved), (), 1001.0)
            self.assertEqual((hold.state, hold.decided), (HoldState.WAITING, ()))

    async def test_no_decision_after_expiry(self) -> None:
        """must-survive 62: an approval that comes late expires the hold; an approved one is not claimed late."""
        await self.store.create_hold(HOLD)
        self.assertEqual((await self.store.decide("h_1", word("ann"), (0,), 1900.0)).state, HoldState.EXPIRED)
        await self.store.create_hold(replace(HOLD, id="h_2"))
        await self.store.decide("h_2", word("ann"), (0,), 1001.0)
        self.assertIsNone(await self.store.claim("d1", 1900.0))
        self.assertIsNone(await self.store.decide("h_none", word("ann"), (0,), 1.0))

    async def test_expire(self) -> None:
        """What is over in time is given once, as expired; the rest stays."""
        await self.store.create_hold(HOLD)
        await self.store.create_hold(replace(HOLD, id="h_2", digest="d2", expires=5000.0))
        self.assertEqual([hold.id for hold in await self.store.expire(2000.0)], ["h_1"])
        self.assertEqual(await self.store.expire(2000.0), ())
        self.assertEqual([h.id for h in await self.store.holds(frozenset((HoldState.WAITING,)), 10)], ["h_2"])
        self.assertEqual(await self.store.holds(frozenset(), 10), ())

    async def test_withdraw(self) -> None:
        """Only what waits is withdrawn."""
        await self.store.create_hold(HOLD)
        self.assertEqual((await self.store.withdraw("h_1", 1001.0)).state, HoldState.WITHDRAWN)
        self.assertIsNone(await self.store.withdraw("h_1", 1002.0))
        self.assertEqual((await self.store.decide("h_1", word("ann"), (0,), 1003.0)).state, HoldState.WITHDRAWN)

    async def test_two_claims_race(self) -> None:
        """must-survive 62: two processes claim the same approval at once; each approval goes to one of them only."""
        for number in range(20):
            hold = replace(HOLD, id=f"h_{number}", digest=f"d{number}")
            await self.store.create_hold(hold)
            await self.other.decide(hold.id, word("ann"), (0,), 1001.0)
            racing = [store.claim(hold.digest, 1002.0) for store in (self.store, self.other) * 4]
            won = [hold for hold in await gatherResults(racing) if hold is not None]
            self.assertEqual([hold.id for hold in won], [f"h_{number}"])

    async def test_two_creations_race(self) -> None:
        """Two processes ask for the same operation at once: one hold."""
        for number in range(10):
            asked = [
                store.create_hold(replace(HOLD, id=f"h_{number}_{index}", digest=f"d{number}"))
                for index, store in enumerate((self.store, self.other) * 3)
            ]
            self.assertEqual(len({hold.id for hold in await gatherResults(asked)}), 1)

    async def test_two_words_race(self) -> None:
        """Two approvers in two processes at once: both words are kept."""
        await self.store.create_hold(replace(HOLD, counts=(2,)))
        await gatherResults(
            [
                self.store.decide("h_1", word("ann"), (0,), 1001.0),
                self.other.decide("h_1", word("bob"), (0,), 1001.0),
            ]
        )
        hold = await self.store.hold("h_1")
        self.assertEqual((hold.state, len(hold.decided)), (HoldState.APPROVED, 2))

    async def test_watch(self) -> None:
        """What one process decides the other is told, and after `stop` no more."""
        told: list[tuple[str, HoldState]] = []
        stop = self.other.watch_holds(lambda hold: told.append((hold.id, hold.state)))
        await self.store.create_hold(HOLD)
        await self.store.decide("h_1", word("ann"), (0,), 1001.0)
        await self.until(lambda: ("h_1", HoldState.APPROVED) in told)
        stop()
        told.clear()
        await self.store.claim("d1", 1002.0)
        await deferLater(reactor, 0.7)
        self.assertEqual(told, [])

    async def test_watch_is_told_of_own_changes(self) -> None:
        """A watcher hears of what its own process decides, and a failing watcher harms nobody."""
        told: list[HoldState] = []
        stop = self.store.watch_holds(lambda hold: 1 / 0)
        self.store.watch_holds(lambda hold: told.append(hold.state))
        await self.store.create_hold(HOLD)
        await self.store.withdraw("h_1", 1001.0)
        await self.until(lambda: HoldState.WITHDRAWN in told)
        stop()  # the same news may come once more, after the errors were looked at
        self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))

    async def test_budget_counts(self) -> None:
        """A counter adds up over processes, starts again with each window, and takes back no more than it holds."""
        self.assertEqual(await self.store.reserve("rows", "2026-11-21", 10), 10)
        self.assertEqual(await self.other.reserve("rows", "2026-11-21", 5), 15)
        self.assertEqual(await self.store.reserve("rows", "2026-11-22", 1), 1)
        await self.other.give_back("rows", "2026-11-21", 4)
        self.assertEqual(await self.store.reserve("rows", "2026-11-21", 0), 11)
        await self.store.give_back("rows", "2026-11-21", 100)
        self.assertEqual(await self.store.reserve("rows", "2026-11-21", 0), 0)

    async def test_reservations_race(self) -> None:
        """No reservation is lost when two processes reserve at once."""
        await gatherResults([store.reserve("rows", "w", 1) for store in (self.store, self.other) * 20])
        self.assertEqual(await self.store.reserve("rows", "w", 0), 40)

    async def test_forget(self) -> None:
        """Retired sessions, ended holds and old counters go; live and unretired ones stay."""
        gone = replace(ROW, id="s_gone", closed=10.0, retired=20.0, tables=("pay.a",))
        await self.store.put_sessions((gone, replace(ROW, closed=10.0)))
        await self.store.create_hold(replace(HOLD, expires=10.0))
        await self.store.expire(11.0)
        await self.store.create_hold(replace(HOLD, id="h_2"))
        await self.store.reserve("rows", "w", 5)
        self.assertEqual(await self.store.forget(100.0), 3)
        self.assertEqual([row.id for row in await self.store.sessions(SessionFilter())], [ROW.id])
        self.assertEqual(await self.store.reserve("rows", "w", 0), 5)
        await self.store.forget(time.time() + 60)
        self.assertEqual(await self.store.reserve("rows", "w", 0), 0)
        self.assertEqual((await self.store.hold("h_2")).state, HoldState.WAITING)

    async def test_stopped(self) -> None:
        """After `stop` every call says so."""
        await self.store.stop()
        with self.assertRaises(StoreUnavailable):
            await self.store.claim("d1", 1.0)

    async def until(self, true: Any) -> None:
        for _ in range(3000):
            if true():
                return
            await deferLater(reactor, 0.02)
        self.fail("it did not come")


class Sqlite(Contract, TestCase):
    """On SQLite: two connections to one file, as two processes would have."""

    async def setUp(self) -> None:
        self.path = os.path.join(self.mktemp(), "index.db")
        await self.begin()

    async def tearDown(self) -> None:
        await self.end()

    def opened(self) -> SqliteStore:
        return SqliteStore(reactor, self.path)

    def test_file_is_private(self) -> None:
        """The database and its log are readable by their owner only."""
        for path in (self.path, f"{self.path}-wal", f"{self.path}-shm"):
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600, path)

    async def test_other_schema(self) -> None:
        """A database of another version is not touched."""
        import sqlite3

        path = self.mktemp()
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
        store = SqliteStore(reactor, path)
        with self.assertRaises(StoreUnavailable) as raised:
            await store.start()
        await store.stop()
        self.assertIn("99", str(raised.exception))

    async def test_deadline(self) -> None:
        """A call that takes too long fails, is stopped in its thread, and the store goes on."""
        self.patch(__import__("hoopgw.store.deadline").store.deadline, "DEADLINE", 0.2)
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        with self.assertRaises(StoreUnavailable):
            await self.store._run(lambda connection: connection.execute(endless).fetchone())
        self.patch(__import__("hoopgw.store.deadline").store.deadline, "DEADLINE", 60.0)
        self.assertIsNone(await self.store.session("s_1"))  # behind a thread that went on it would be too late as well

    async def test_queue_is_bounded(self) -> None:
        """More calls than the bound are refused at once; those before are answered."""
        calls: list[Deferred[Any]] = [self.store.session("s_1") for _ in range(1001)]
        with self.assertRaises(StoreUnavailable):
            await calls.pop()
        self.assertEqual(set(await gatherResults(calls)), {None})

    async def test_locked(self) -> None:
        """Another process that keeps the write lock makes the call fail in time, and nothing was written."""
        import sqlite3

        self.patch(__import__("hoopgw.store.deadline").store.deadline, "DEADLINE", 0.3)
        lock = sqlite3.connect(self.path, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        with self.assertRaises(StoreUnavailable):
            await self.store.reserve("rows", "w", 1)
        lock.execute("ROLLBACK")
        lock.close()
        self.patch(__import__("hoopgw.store.deadline").store.deadline, "DEADLINE", 60.0)
        self.assertEqual(await self.other.reserve("rows", "w", 0), 0)


class Postgresql(Contract, TestCase):
    """On a real PostgreSQL: two stores with two connections each."""

    async def setUp(self) -> None:
        if found(*SERVER) is None:
            raise SkipTest("no PostgreSQL server is installed here")
        self.cluster = Cluster.running()
        self.parameters = self.cluster.database("store")
        await self.begin()

    async def tearDown(self) -> None:
        await self.end()

    def opened(self) -> PostgresqlStore:
        return PostgresqlStore(reactor, self.parameters)

    async def test_pages_are_read_in_order(self) -> None:
        """Of many sessions that pass filters which go along with each other none is sorted: a page reads its own."""
        rows = tuple(replace(ROW, id=f"s_{n:04}", opened=float(n), refused=int(n % 4 == 0), tables=("a.b",),
                             target="pay" if n % 4 == 0 else f"t{n % 97}") for n in range(3000))  # fmt: skip
        await self.store.put_sessions(rows)
        statement, values = session_page(SessionFilter(verdict="refused", target="pay", table="a.b"))
        told: list[str] = []

        async def explained(cursor: Any) -> None:
            await cursor.execute("ANALYZE hoopgw.sessions")
            await cursor.execute("ANALYZE hoopgw.session_tables")
            text = statement.format(at="hoopgw.", aside="").replace("?", "%s")
            await cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {text}", values)
            told.extend(row[0] for row in cursor.fetchall())

        await self.store._pages.run(explained)
        self.assertNotIn("Sort", "\n".join(told))

    async def test_reconnects(self) -> None:
        """The server goes: calls fail at once.  It comes back: so does the store, with what it missed."""
        told: list[HoldState] = []
        await self.store.create_hold(HOLD)
        self.store.watch_holds(lambda hold: told.append(hold.state))
        self.cluster.stop()
        await deferLater(reactor, 0.2)
        with self.assertRaises(StoreUnavailable):
            await self.store.hold("h_1")
        self.cluster.start()
        await self.again(self.other)
        await self.other.decide("h_1", word("ann"), (0,), 1001.0)
        await self.again(self.store)
        await self.until(lambda: HoldState.APPROVED in told)

    async def again(self, store: Any) -> None:
        for _ in range(1200):
            try:
                await store.session("s_1")
                await store.hold("h_1")
                return
            except StoreUnavailable:
                await deferLater(reactor, 0.05)
        self.fail("it did not connect again")

    async def test_deadline(self) -> None:
        """A statement that takes too long fails at the deadline, and the connection is a new one afterwards."""
        self.patch(__import__("hoopgw.store.deadline").store.deadline, "DEADLINE", 0.3)

        async def slow(cursor: Any) -> None:
            await cursor.execute("SELECT pg_sleep(3)")

        with self.assertRaises(StoreUnavailable):
            await self.store._words.run(slow)
        self.patch(__import__("hoopgw.store.deadline").store.deadline, "DEADLINE", 60.0)
        await self.again(self.store)

    async def test_no_server(self) -> None:
        """A server that is not there fails the start with words."""
        store = PostgresqlStore(reactor, {**self.parameters, "port": "1"})
        with self.assertRaises(StoreUnavailable):
            await store.start()

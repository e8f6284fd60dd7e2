"""The shared store: PostgreSQL through txpostgres, for gateways that share sessions, holds and budgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from hoopgw.model.errors import StoreUnavailable
from hoopgw.model.secret import Secret
from hoopgw.store import migrations, statements
from hoopgw.store.interface import Decided, Hold, HoldState, IStore, SessionFilter, SessionRow
from hoopgw.store.postgresql_link import STATEMENT_TIMEOUT, Link
from hoopgw.store.rows import decided_text, hold_row, hold_values, session_row, session_values
from hoopgw.store.watchers import Watchers
from hoopgw.store.words import with_word

SCHEMA = "hoopgw"
CHANNEL = "hoopgw_holds"
MIGRATION_LOCK = 0x686F6F70  # "hoop": one gateway at a time makes the schema
CREATE_ATTEMPTS = 3  # a hold that ends between our INSERT and our SELECT lets the next INSERT succeed
SETTINGS = (
    f"SET statement_timeout = {STATEMENT_TIMEOUT}",
    f"SET idle_in_transaction_session_timeout = {STATEMENT_TIMEOUT}",
    f"SET lock_timeout = {STATEMENT_TIMEOUT}",
    "SET search_path = pg_catalog",
    # what was claimed or reserved survives a power cut; stronger settings of the server stay
    "SELECT pg_catalog.set_config('synchronous_commit', 'on', false)"
    " WHERE pg_catalog.current_setting('synchronous_commit') IN ('off', 'local')",
)

# A page is read from an index in its order, and ends with its last row.  The planner takes filters for independent of
# each other, finds few rows where there are thousands, and would fetch and sort all of them.
PAGE_SETTINGS = ("SET enable_sort = off", "SET enable_bitmapscan = off")


def _sql(statement: str) -> str:
    return statement.format(at=f"{SCHEMA}.", aside="").replace("?", "%s")


@implementer(IStore)
class PostgresqlStore:
    """`parameters` are libpq's (host, port, dbname, user, sslmode, sslrootcert …); `host` is resolved without blocking.

    Two connections: short transactions on one, with LISTEN; pages of the index on the other, so that a long one does
    not make a statement wait.
    """

    log = Logger()

    def __init__(self, reactor: Any, parameters: Mapping[str, str], password: Secret | None = None) -> None:
        parameters = {"application_name": "hoopgw", "gssencmode": "disable", "connect_timeout": "5", **parameters}
        self._reactor = reactor
        self._watchers = Watchers()
        self._place = f"{parameters.get('host')}:{parameters.get('port')}/{parameters.get('dbname')}"
        self._seen = 0  # the last change of a hold that the watchers were told
        self._words = Link(reactor, parameters, password, self._prepare, self._notified)
        self._pages = Link(reactor, parameters, password, _page_settings)

    # ---- life

    def start(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._start())

    async def _start(self) -> None:
        try:
            await self._words.start()
            await self._words.run(_migrate, migrations.SECONDS)
            self._seen = await self._words.run(_last_change)
            await self._pages.start()
        except BaseException as error:
            self._words.stop()
            self._pages.stop()
            if isinstance(error, StoreUnavailable):
                raise StoreUnavailable(f"the [store] at {self._place}: {error}") from error
            raise

    def stop(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await self._words.drained()
        await self._pages.drained()
        self._words.stop()
        self._pages.stop()

    async def _prepare(self, connection: Any) -> None:
        """On each connect: what an earlier connection may have missed is told after LISTEN."""
        await _settings(connection)
        await connection.runOperation(f"LISTEN {CHANNEL}")
        if self._watchers:
            self._reactor.callLater(0, self._catch_up)

    # ---- sessions

    def put_sessions(self, rows: tuple[SessionRow, ...]) -> Deferred[None]:
        async def put(cursor: Any) -> None:
            for row in rows:
                await cursor.execute(_sql(statements.PUT_SESSION), session_values(row))
                for values in statements.table_values(row):
                    await cursor.execute(_sql(statements.PUT_TABLE), values)
            for id in statements.masked_tables(rows):
                await cursor.execute(_sql(statements.PUT_MASKED), id)

        return self._pages.run(put)

    def sessions(self, wanted: SessionFilter) -> Deferred[tuple[SessionRow, ...]]:
        statement, values = statements.session_page(wanted)

        async def page(cursor: Any) -> tuple[SessionRow, ...]:
            await cursor.execute(_sql(statement), values)
            return tuple(map(session_row, cursor.fetchall()))

        return self._pages.run(page)

    def session(self, id: str) -> Deferred[SessionRow | None]:
        async def one(cursor: Any) -> SessionRow | None:
            await cursor.execute(_sql(statements.ONE_SESSION), (id,))
            found = cursor.fetchone()
            return session_row(found) if found else None

        return self._pages.run(one)

    # ---- holds

    def create_hold(self, hold: Hold) -> Deferred[Hold]:
        async def create(cursor: Any) -> Hold:
            for _ in range(CREATE_ATTEMPTS):
                await _changed(cursor, statements.EXPIRE_DIGEST, (hold.created, hold.digest))
                await cursor.execute(_sql(statements.CREATE_HOLD), hold_values(hold))
                if cursor.fetchone():
                    await _notify(cursor, (hold,))
                    return hold
                standing = await _one_hold(cursor, statements.USABLE_HOLD, (hold.digest,))
                if standing is not None:
                    return standing
            raise StoreUnavailable("the hold could not be stored")

        return self._words.run(create)

    def hold(self, id: str) -> Deferred[Hold | None]:
        return self._words.run(lambda cursor: _one_hold(cursor, statements.ONE_HOLD, (id,)))

    def holds(self, states: frozenset[HoldState], limit: int) -> Deferred[tuple[Hold, ...]]:
        statement, values = statements.hold_page(states, limit)
        return self._pages.run(lambda cursor: _holds(cursor, statement, values))

    def decide(self, id: str, decided: Decided, group_sets: tuple[int, ...], now: float) -> Deferred[Hold | None]:
        async def decide(cursor: Any) -> Hold | None:
            hold = await _one_hold(cursor, statements.ONE_HOLD + " FOR UPDATE", (id,))
            if hold is None:
                return None
            after = with_word(hold, decided, group_sets, now)
            if after is not hold:
                values = (after.state.value, decided_text(after.decided), id)
                await cursor.execute(_sql(statements.PUT_WORD), values)
                await _notify(cursor, (after,))
            return after

        return self._words.run(decide)

    def claim(self, digest: str, now: float, id: str = "") -> Deferred[Hold | None]:
        statement, values = (statements.CLAIM_ONE, (digest, now, id)) if id else (statements.CLAIM, (digest, now))
        return self._words.run(lambda cursor: _first_changed(cursor, statement, values))

    def withdraw(self, id: str, now: float) -> Deferred[Hold | None]:
        return self._words.run(lambda cursor: _first_changed(cursor, statements.WITHDRAW, (id,)))

    def expire(self, now: float) -> Deferred[tuple[Hold, ...]]:
        return self._words.run(lambda cursor: _changed(cursor, statements.EXPIRE, (now,)))

    def watch_holds(self, changed: Callable[[Hold], None]) -> Callable[[], None]:
        return self._watchers.add(changed)

    def _notified(self, id: str) -> None:
        if self._watchers:
            self.hold(id).addCallbacks(self._tell, self._missed)

    def _tell(self, hold: Hold | None) -> None:
        if hold is not None:
            self._watchers.tell(hold)

    def _missed(self, failure: Any) -> None:
        """The connection broke between the news and its text: connecting again catches up."""
        failure.trap(StoreUnavailable)
        self.log.warn("A changed hold could not be read: {why}", why=str(failure.value))

    def _catch_up(self) -> None:
        self._words.run(self._news).addErrback(self._missed)

    async def _news(self, cursor: Any) -> None:
        seen = max(0, self._seen - statements.MARGIN)
        await cursor.execute(_sql(statements.CHANGED_HOLDS), (seen,))
        for values in cursor.fetchall():
            self._seen = max(self._seen, values[0])
            self._watchers.tell(hold_row(values[1:]))

    # ---- budgets

    def reserve(self, counter: str, window: str, amount: int) -> Deferred[int]:
        async def reserve(cursor: Any) -> int:
            await cursor.execute(_sql(statements.RESERVE), (counter, window, amount, self._reactor.seconds()))
            return int(cursor.fetchone()[0])

        return self._words.run(reserve)

    def give_back(self, counter: str, window: str, amount: int) -> Deferred[None]:
        async def back(cursor: Any) -> None:
            await cursor.execute(_sql(statements.GIVE_BACK), (amount, amount, counter, window))

        return self._words.run(back)

    def forget(self, before: float) -> Deferred[int]:
        async def gone(cursor: Any) -> int:
            count = 0
            for statement in statements.FORGET:
                await cursor.execute(_sql(statement), (before,))
                count += cursor.rowcount
            return count

        return self._pages.run(gone)


async def _settings(connection: Any) -> None:
    for setting in SETTINGS:
        await connection.runOperation(setting)


async def _page_settings(connection: Any) -> None:
    await _settings(connection)
    for setting in PAGE_SETTINGS:
        await connection.runOperation(setting)


async def _migrate(cursor: Any) -> None:
    await cursor.execute(f"SET LOCAL statement_timeout = {int(migrations.SECONDS * 1000)}")
    await cursor.execute(f"SET LOCAL lock_timeout = {int(migrations.SECONDS * 1000)}")
    await cursor.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
    version = await _version(cursor)
    if version == statements.VERSION:
        return
    problem = migrations.problem(version) if version else ""
    if problem:
        raise StoreUnavailable(problem)
    for statement in migrations.steps(version) if version else statements.SCHEMA:
        await cursor.execute(_sql(statement))
    for table in ("sessions", "session_tables") if version else ():
        await cursor.execute(f"ANALYZE {SCHEMA}.{table}")
    await cursor.execute(f"DELETE FROM {SCHEMA}.version")  # noqa: S608
    await cursor.execute(f"INSERT INTO {SCHEMA}.version VALUES (%s)", (statements.VERSION,))  # noqa: S608


async def _version(cursor: Any) -> int:
    """Of the schema, which there is afterwards; 0 where it is empty."""
    await cursor.execute("SELECT to_regnamespace(%s) IS NOT NULL", (SCHEMA,))
    if not cursor.fetchone()[0]:  # asked first: the right to create schemas is needed only here
        await cursor.execute(f"CREATE SCHEMA {SCHEMA}")
    await cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (f"{SCHEMA}.version",))
    if not cursor.fetchone()[0]:
        await cursor.execute(f"CREATE TABLE {SCHEMA}.version (number integer NOT NULL)")
        return 0
    await cursor.execute(f"SELECT number FROM {SCHEMA}.version")  # noqa: S608  a constant of this module
    return int(cursor.fetchone()[0])


async def _last_change(cursor: Any) -> int:
    await cursor.execute(_sql(statements.LAST_CHANGE))
    return int(cursor.fetchone()[0])


async def _holds(cursor: Any, statement: str, values: Sequence[Any]) -> tuple[Hold, ...]:
    await cursor.execute(_sql(statement), values)
    return tuple(map(hold_row, cursor.fetchall()))


async def _one_hold(cursor: Any, statement: str, values: Sequence[Any]) -> Hold | None:
    found = await _holds(cursor, statement, values)
    return found[0] if found else None


async def _changed(cursor: Any, statement: str, values: Sequence[Any]) -> tuple[Hold, ...]:
    """The holds that an UPDATE … RETURNING changed, told to every process that listens when this commits."""
    holds = await _holds(cursor, statement, values)
    await _notify(cursor, holds)
    return holds


async def _first_changed(cursor: Any, statement: str, values: Sequence[Any]) -> Hold | None:
    found = await _changed(cursor, statement, values)
    return found[0] if found else None


async def _notify(cursor: Any, holds: Sequence[Hold]) -> None:
    for hold in holds:
        await cursor.execute("SELECT pg_notify(%s, %s)", (CHANNEL, hold.id))

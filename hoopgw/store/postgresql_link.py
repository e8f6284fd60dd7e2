"""One connection to the shared store's PostgreSQL: transactions with a deadline, reconnection, notifications."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import psycopg2
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from txpostgres import txpostgres

from hoopgw.model.errors import StoreUnavailable
from hoopgw.model.secret import Secret
from hoopgw.store.deadline import DEADLINE, Answered, refused

T = TypeVar("T")
MAX_WAITING = 1000  # transactions that wait for the connection; more says that the server does not follow
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0  # seconds between attempts to connect; doubled each time
FORESEEN = (psycopg2.Error, OSError, txpostgres.RollbackFailed, txpostgres.UnexpectedPollResult)

Transaction = Callable[[Any], Awaitable[T]]


class _Connection(txpostgres.Connection):  # type: ignore[misc]
    """txpostgres's, with the end of an idle connection told to `ended` instead of raised into the reactor."""

    ended: Callable[[], None]

    def doRead(self) -> None:
        try:
            super().doRead()
        except psycopg2.Error:
            self.ended()

    def connectionLost(self, reason: Any) -> None:
        super().connectionLost(reason)
        self.ended()


class Link:
    """Connects when `start` is called and again whenever the connection is lost, until `stop`.

    `parameters` are libpq's, without the password; `connected` runs after each connect, before anything else does.
    A deadline that passes while the server works closes the connection: libpq's way to cancel would block the reactor,
    and `statement_timeout` ends the statement over there.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        parameters: Mapping[str, str],
        password: Secret | None,
        connected: Transaction[None] | None = None,
        notified: Callable[[str], None] | None = None,
    ) -> None:
        self._reactor = reactor
        self._parameters = dict(parameters)
        self._password = password
        self._connected = connected
        self._notified = notified
        self._connection: Any = None  # None: not connected
        self._lock = DeferredLock()
        self._waiting = 0
        self._stopped = False
        self._retry: Any = None
        self._pause = FIRST_PAUSE

    # ---- life

    def start(self) -> Deferred[None]:
        """Fires when connected; fails with StoreUnavailable when this first attempt fails (and does not try again)."""
        answered = Answered(self._reactor, "the store's PostgreSQL did not answer in time")
        Deferred.fromCoroutine(self._connect()).addBoth(answered.settle, FORESEEN)
        return answered.deferred

    def stop(self) -> None:
        self._stopped = True
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        self._close()

    def drained(self) -> Deferred[Any]:
        """Fires when what was asked before has ended."""
        return self._lock.run(lambda: None)

    async def _connect(self) -> None:
        parameters = {**self._parameters, **await self._address()}
        if self._password is not None:
            parameters["password"] = self._password.reveal().decode()
        connection = _Connection(self._reactor)
        connection.ended = lambda: self._lost(connection)
        try:
            await connection.connect(connection_factory=None, **parameters)
            if self._connected is not None:
                await self._connected(connection)
        except BaseException:
            _close(connection)
            raise
        if self._stopped:
            _close(connection)
            raise StoreUnavailable("the store is closed")
        if self._notified is not None:
            told = self._notified
            connection.addNotifyObserver(lambda notify: told(notify.payload))
        self._connection = connection
        self._pause = FIRST_PAUSE

    async def _address(self) -> dict[str, str]:
        """`hostaddr`, so that libpq does not look the name up itself and block the reactor."""
        host = self._parameters.get("host", "")
        if not host or host.startswith("/") or "hostaddr" in self._parameters:
            return {}
        try:
            return {"hostaddr": str(ipaddress.ip_address(host))}
        except ValueError:
            found = await deferToThread(socket.getaddrinfo, host, None, 0, socket.SOCK_STREAM)
            return {"hostaddr": str(found[0][4][0])}

    def _lost(self, connection: Any) -> None:
        if connection is not self._connection:
            return
        self._close()
        if not self._stopped:
            self.log.warn("The connection to the store's PostgreSQL is lost; connecting again")
            self._later()

    def _later(self) -> None:
        if self._retry is None or not self._retry.active():
            self._retry = self._reactor.callLater(self._pause, self._again)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _again(self) -> None:
        self.start().addErrback(self._failed)

    def _failed(self, failure: Any) -> None:
        failure.trap(StoreUnavailable)
        if not self._stopped:
            self.log.warn("No connection to the store's PostgreSQL: {why}", why=str(failure.value))
            self._later()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            _close(connection)

    # ---- work

    def run(self, work: Transaction[T], seconds: float | None = None) -> Deferred[T]:
        """`work(cursor)` in one transaction, after those asked before it; in DEADLINE, or in so many seconds."""
        if self._connection is None:
            return refused("there is no connection to the store's PostgreSQL")
        if self._waiting >= MAX_WAITING:
            return refused("too many calls wait for the store's PostgreSQL")
        self._waiting += 1
        answered = Answered(self._reactor, "the store's PostgreSQL did not answer in time", self._given_up, seconds)
        self._lock.run(self._turn, work, answered).addBoth(self._done, answered)
        return answered.deferred

    def _turn(self, work: Transaction[T], answered: Answered) -> Any:
        if answered.over:  # nobody waits any more: a claim then uses up nothing
            return None
        if self._connection is None:
            return refused("the connection to the store's PostgreSQL is lost")
        answered.begun = True
        return Deferred.fromCoroutine(self._transaction(self._connection, work))

    async def _transaction(self, connection: Any, work: Transaction[T]) -> T:
        """Not txpostgres's own: that logs an error where the connection was closed meanwhile."""
        cursor = connection.cursor()
        try:
            await cursor.execute("BEGIN")
            result = await work(cursor)
            await cursor.execute("COMMIT")
        except BaseException:
            await self._roll_back(connection, cursor)
            raise
        return result

    async def _roll_back(self, connection: Any, cursor: Any) -> None:
        try:
            await cursor.execute("ROLLBACK")
        except FORESEEN:  # whatever state that left: a new connection has none
            self._lost(connection)

    def _done(self, result: Any, answered: Answered) -> None:
        self._waiting -= 1
        answered.settle(result, FORESEEN)

    def _given_up(self, answered: Answered) -> None:
        if answered.begun and self._connection is not None:
            self._lost(self._connection)


def _close(connection: Any) -> None:
    if connection.pollable() is not None:
        connection.close()


STATEMENT_TIMEOUT = int(DEADLINE * 1000 * 0.9)  # ms: the server gives up before the caller does

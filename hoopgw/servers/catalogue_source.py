"""Reads catalogues over connections of the gateway's own, kept for a moment: changes of a schema come in rows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError, inlineCallbacks
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from hoopgw.model.errors import TargetUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.target import Role, SecretReference, Target
from hoopgw.policy.catalogue_queries import Row
from hoopgw.servers.catalogue_link import Link, LocksHeld, Results
from hoopgw.servers.dial import Dialer, TargetConnection, Wanted, wanted_as

NAME = "hoopgw:catalogue"
MAX_KEPT = 32  # idle connections, of all targets together; the one kept longest goes
IDLE = 2.0  # seconds: DROP DATABASE waits five for others to leave (CountOtherDBBackends)
TRIES = 5  # of a reading that locks are in the way of: two seconds and more
LIFETIME = 10.0  # seconds: a role that may not log in any more, a server that is not the first any more
# What a connection began with and ALTER ROLE or ALTER DATABASE has changed since: its search path among it
BEGAN_WITH = (
    "SELECT s.setdatabase, s.setrole, s.setconfig FROM pg_catalog.pg_db_role_setting s"
    " WHERE s.setdatabase OPERATOR(pg_catalog.=) ANY (ARRAY['0'::pg_catalog.oid, (SELECT d.oid FROM"
    " pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())])"
    " AND s.setrole OPERATOR(pg_catalog.=) ANY (ARRAY['0'::pg_catalog.oid, (SELECT r.oid FROM"
    " pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) SESSION_USER)]) ORDER BY 1, 2"
)
BACKEND = "SELECT pg_catalog.pg_backend_pid()"
ROUNDS = 8  # looks at which server two connections have: others may take one in between
WAITS = 2.0  # seconds for all of them: with a server for each session one may have to wait until another ends
POOLED = (
    "it is another process than the login named: a pooler stands before it, which must give each session its own server"
)
SHARED = (
    "its pooler lends one server to several sessions, so that what one leaves there is another's: it needs a server for"
    ' each (pgbouncer: pool_mode = session), or shared_servers = "allow"'
)
FULL = (
    "its pooler had no server for a second connection, so it is not known whether it lends one to several sessions:"
    ' it needs room for two beside those of clients, or shared_servers = "allow"'
)


@dataclass(slots=True)
class _Kept:
    link: Link
    target: Target
    role: Role
    until: float
    began_with: tuple[Row, ...]
    closing: IDelayedCall | None = None


class CatalogueSource:
    """Gives `session.catalogues.CatalogueCache` its `run`."""

    def __init__(
        self,
        dialer: Dialer,
        secret: Callable[[SecretReference], Secret],
        clock: IReactorTime,
        pooled: Callable[[str, str], None] = lambda target, why: None,
    ) -> None:
        """`pooled` is told of a target, and why, behind a pooler: each reason between `forget`s once."""
        self._pooled = pooled
        self._told: set[tuple[str, str]] = set()
        self._shares: dict[tuple[str, str, str], bool] = {}  # of poolers: what was seen.  That they do, holds
        self._dialer = dialer
        self._secret = secret
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str, str], _Kept] = OrderedDict()
        self._round = 0  # of `forget`: what was dialled in an earlier one is not kept

    @inlineCallbacks
    def run(
        self, target: Target, role: Role, database: str, queries: tuple[str, ...]
    ) -> Generator[Deferred[Any], Any, Results]:
        """The rows of each query.  Fails with TargetUnavailable."""
        for _ in range(TRIES - 1):
            with suppress(LocksHeld):
                results: Results = yield self._read(target, role, database, queries)
                return results
        last: Results = yield self._read(target, role, database, queries)
        return last

    @inlineCallbacks
    def _read(
        self, target: Target, role: Role, database: str, queries: tuple[str, ...]
    ) -> Generator[Deferred[Any], Any, Results]:
        key = target.name, database, role.name
        kept = self._taken(key, target, role)
        if kept is not None:
            results: Results | None = yield self._again(kept, queries)
            if results is not None:
                self._keep(key, kept)
                return results
        now = self._round
        settings = {"client_encoding": "UTF8"}
        wanted = wanted_as(target, role, database, settings, NAME, self._secret)
        connection, ready = yield self._dialer.dial(wanted)
        link = Link(connection)
        began_with, backend, *rest = yield link.run((BEGAN_WITH, BACKEND, *queries))
        if ready.process and backend != ((str(ready.process).encode(),),):
            try:
                yield self._behind_a_pooler(key, wanted, connection, link)
            except Exception:  # also of a reading that took too long
                link.leave()
                raise
        if now == self._round:
            self._keep(key, _Kept(link, target, role, self._clock.seconds() + LIFETIME, began_with))
        else:
            link.leave()
        return tuple(rest)

    @inlineCallbacks
    def _behind_a_pooler(
        self, key: tuple[str, str, str], wanted: Wanted, connection: TargetConnection, link: Link
    ) -> Generator[Deferred[Any], Any, None]:
        """Fails with TargetUnavailable where its servers are shared, or may be, and the target's settings do not allow
        that.  It may have several processes, each with servers of its own: once seen, never disproved."""
        target = wanted.target
        if not self._shares.get(key):
            trying = self._shared(connection, link).addTimeout(WAITS, self._clock)
            shared = yield trying.addErrback(_not_proven)
            if shared is not None:
                self._shares[key] = shared
        shared = self._shares.get(key)
        why = FULL if shared is None else SHARED if shared else POOLED
        if (target.name, why) not in self._told:
            self._told.add((target.name, why))
            self._pooled(target.name, why)
        if shared is not False and not target.shared_servers:
            raise TargetUnavailable(why)

    @inlineCallbacks
    def _shared(self, connection: TargetConnection, link: Link) -> Generator[Deferred[Any], Any, bool]:
        """Two connections that both go on have had the same server, or one of them has had two."""
        beside, _ = yield self._dialer.beside(connection)
        other = Link(beside)
        try:
            first: list[Results] = []
            for _ in range(ROUNDS):
                seen = []
                for each in (link, other):
                    results = yield each.run((BACKEND,))
                    seen.append(results)
                first = first or seen
                if seen != first or seen[0] == seen[1]:
                    return True
            return False
        finally:
            other.leave()

    def forget(self) -> None:
        """None is used again that was opened before: credentials may have changed, or the gateway ends."""
        self._round += 1
        self._told.clear()
        self._shares.clear()
        for key in list(self._kept):
            self._close(key)

    @inlineCallbacks
    def _again(self, kept: _Kept, queries: tuple[str, ...]) -> Generator[Deferred[Any], Any, Results | None]:
        """None: this connection does not serve, another is needed; it may have ended while it was idle."""
        now = self._round
        try:
            began_with, *rest = yield kept.link.run((BEGAN_WITH, *queries))
        except TargetUnavailable:
            return None
        if began_with != kept.began_with or now != self._round:
            kept.link.leave()
            return None
        return tuple(rest)

    def _taken(self, key: tuple[str, str, str], target: Target, role: Role) -> _Kept | None:
        kept = self._kept.pop(key, None)
        if kept is None:
            return None
        if kept.closing is not None and kept.closing.active():
            kept.closing.cancel()
        fits = kept.target == target and kept.role == role and self._clock.seconds() < kept.until
        if not (fits and kept.link.usable):
            kept.link.leave()
            return None
        return kept

    def _keep(self, key: tuple[str, str, str], kept: _Kept) -> None:
        if key in self._kept or not kept.link.usable:  # two readings at once, around a reload
            kept.link.leave()
            return
        self._kept[key] = kept
        kept.closing = self._clock.callLater(IDLE, self._close, key)
        if len(self._kept) > MAX_KEPT:
            self._close(next(iter(self._kept)))

    def _close(self, key: tuple[str, str, str]) -> None:
        kept = self._kept.pop(key)
        if kept.closing is not None and kept.closing.active():
            kept.closing.cancel()
        kept.link.leave()


def _not_proven(failure: Failure) -> None:
    """The second connection got no server in time."""
    failure.trap(TargetUnavailable, TimeoutError)

"""What the admin interface does, without HTTP: each call has an access, and asks for the right that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from math import isfinite, nan
from typing import Any, cast

from prometheus_client import CollectorRegistry
from twisted.cred.portal import Portal
from twisted.logger import Logger

from hoopgw.auth.access import AdminAccess, IAdminAccess
from hoopgw.auth.credentials import BearerToken
from hoopgw.model.errors import LoginRefused, NotAllowed, OperatorError, StoreUnavailable
from hoopgw.model.escaping import escaped
from hoopgw.model.events import Code
from hoopgw.model.secret import Secret
from hoopgw.servers.certifying import Certifying
from hoopgw.session.holds import Holds
from hoopgw.session.interfaces import IEvents
from hoopgw.session.registry import Registry
from hoopgw.store.interface import Hold, IStore, SessionFilter, SessionRow

MAX_WATCHING = 32  # viewers at a time: each looks five times a second for what is new
MAX_PAGE = 500  # sessions of one answer
SOURCE = "admin socket"
VERDICTS = ("refused", "held", "masked")  # that the index knows


class BadRequest(Exception):
    """The request is not of the interface's form; the text says what is wrong."""


class NotFound(Exception):
    """There is no such thing, or the caller may not see it."""


class Admin:
    """What the interface does, without HTTP."""

    _log = Logger()

    def __init__(
        self,
        *,
        portal: Portal,
        events: IEvents,
        holds: Holds,
        registry: Registry,
        store: IStore,
        recording: Callable[[str], Iterator[bytes]],
        watch: Callable[[str], Iterator[bytes]],
        metrics: CollectorRegistry,
        health: Callable[[], tuple[bool, dict[str, Any]]],
        certifying: Certifying,
    ) -> None:
        """`recording(id)` gives the pieces of a journal, `watch(id)` those of one that grows.

        `health()`: whether sessions are taken, and why not.
        """
        self._portal = portal
        self._events = events
        self._holds = holds
        self._registry = registry
        self._store = store
        self._recording = recording
        self._watch = watch
        self._watching = 0
        self.metrics = metrics
        self.health = health
        self._certifying = certifying

    async def access(self, token: Secret | None) -> AdminAccess:
        """Raises LoginRefused, which is an event as on every other way in."""
        try:
            if token is None:
                raise LoginRefused("a token is needed: Authorization: Bearer", detail="no token")
            _, access, _ = await self._portal.login(BearerToken(token, SOURCE), None, IAdminAccess)
        except LoginRefused as error:
            said = {"reason": str(error), "detail": error.detail}
            self._events.emit(Code.LOGIN_REFUSED, protocol="admin", client=SOURCE, **said)
            raise
        return cast(AdminAccess, access)

    def _need(self, access: AdminAccess, right: str, what: str) -> None:
        if right not in access.rights:
            self.refused(access, what)
            raise NotAllowed(f"this needs a grant with may = [{right!r}]")

    def refused(self, access: AdminAccess, what: str) -> None:
        identity = access.identity
        self._events.emit(Code.ADMIN_REFUSED, issuer=identity.issuer, subject=identity.subject, what=what)

    # ---- sessions

    async def sessions(self, access: AdminAccess, query: dict[str, str]) -> dict[str, Any]:
        self._need(access, "list", "list sessions")
        wanted = _filter(query)
        found, known = self._registry.listed(wanted)
        behind = self._registry.behind
        try:
            found += [row for row in await self._store.sessions(wanted) if not known(row.id)]
        except StoreUnavailable as error:
            if not wanted.live:
                raise
            behind = str(error)
        found.sort(key=SessionRow.place, reverse=True)
        said = {"behind": behind} if behind else {}
        return {"sessions": [self._shown(row) for row in found[: wanted.limit]], **said}

    async def session(self, access: AdminAccess, id: str) -> dict[str, Any]:
        self._need(access, "list", f"show session {id}")
        return self._shown(await self._row(id))

    async def _row(self, id: str) -> SessionRow:
        live = self._registry.find(id)
        row = live.row() if live is not None else await self._store.session(id)
        if row is None:
            raise NotFound("there is no such session")
        return row

    def _shown(self, row: SessionRow) -> dict[str, Any]:
        live = self._registry.find(row.id)
        return {**asdict(live.row() if live is not None else row), "live": live is not None}

    async def kill(self, access: AdminAccess, id: str, reason: str) -> dict[str, Any]:
        self._need(access, "kill", f"kill session {id}")
        live = self._registry.find(id)
        if live is None:
            raise NotFound("there is no such live session")
        by, why = access.identity.subject, escaped(reason)  # the client's terminal obeys nothing in it
        live.kill(by, f"ended by {by}" + (f": {why}" if why else ""))
        return {"session": id, "killed": True}

    async def recording(self, access: AdminAccess, id: str) -> Iterator[bytes]:
        self._need(access, "view", f"view session {id}")
        await self._row(id)
        identity = access.identity
        self._events.emit(Code.RECORDING_VIEWED, session=id, issuer=identity.issuer, subject=identity.subject)
        return self._recording(id)

    async def watch(self, access: AdminAccess, id: str) -> Iterator[bytes]:
        """Raises NotFound for a session that is not open: what of it is stored, `recording` gives."""
        self._need(access, "view", f"watch session {id}")
        if self._registry.find(id) is None:
            raise NotFound("there is no such live session")
        if self._watching >= MAX_WATCHING:
            raise OperatorError(f"{MAX_WATCHING} are watching already")
        identity = access.identity
        self._events.emit(Code.RECORDING_VIEWED, session=id, issuer=identity.issuer, subject=identity.subject)
        return self._watched(id)

    def _watched(self, id: str) -> Iterator[bytes]:
        self._watching += 1
        try:
            yield from self._watch(id)
        finally:
            self._watching -= 1

    # ---- approvals

    async def approvals(self, access: AdminAccess, query: dict[str, str]) -> dict[str, Any]:
        state = query.get("state", "waiting")
        if state not in ("waiting", "all"):
            raise BadRequest("state is `waiting` or `all`")
        found = await self._holds.listed(access, state == "all")
        return {"approvals": [shown_hold(hold) for hold in found]}

    async def approval(self, access: AdminAccess, id: str) -> dict[str, Any]:
        return shown_hold(await self._holds.one(id, access))

    async def decide(self, access: AdminAccess, id: str, word: str, reason: str) -> dict[str, Any]:
        decide = self._holds.approve if word == "approve" else self._holds.deny
        return shown_hold(await decide(id, access, reason))

    # ---- certificates

    async def certificate(self, access: AdminAccess, line: str) -> dict[str, Any]:
        """`line` is as in a `.pub` file."""
        try:
            certificate, until = await self._certifying.certificate(access.identity, line, SOURCE)
        except ValueError as error:
            raise BadRequest(str(error)) from error
        return {"certificate": certificate, "expires": until}


def shown_hold(hold: Hold) -> dict[str, Any]:
    """For programs and `hoopgw approvals`; the digest stays inside."""
    fields = {**asdict(hold), "state": hold.state.value}
    del fields["digest"]
    return fields


def _filter(query: dict[str, str]) -> SessionFilter:
    given: dict[str, Any] = {}
    for name, value in query.items():
        if name == "verdict" and value not in VERDICTS:
            raise BadRequest(f"verdict is one of {', '.join(VERDICTS)}")
        if name in ("subject", "target", "protocol", "verdict", "table"):
            given[name] = value
        elif name in ("since", "until"):
            given[name] = _number(name, value)
        elif name == "live":
            given[name] = value == "true"
        elif name == "limit":
            given[name] = min(MAX_PAGE, max(1, int(_number(name, value))))
        elif name == "before":
            opened, _, id = value.partition(",")
            given[name] = _number(name, opened), id
        else:
            raise BadRequest(f"{name!r} is not something to filter by")
    return SessionFilter(**given)


def _number(name: str, value: str) -> float:
    try:
        found = float(value)
    except ValueError:
        found = nan
    if not isfinite(found):
        raise BadRequest(f"{name} is not a number")
    return found

"""Opens sessions by the configuration in force, and takes those that are open along when it changes."""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime

from hoopgw.auth.access import Access
from hoopgw.auth.realm import GatewayRealm
from hoopgw.config import Config
from hoopgw.model.grant import REPLICATION
from hoopgw.policy.policyset import Selection
from hoopgw.relay.http_masks import HttpMaskBuilder
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.session.budgets import Budgets
from hoopgw.session.catalogues import CatalogueCache
from hoopgw.session.events import Events
from hoopgw.session.holds import Holds
from hoopgw.session.httpjudge import HttpJudge
from hoopgw.session.interfaces import IEdge
from hoopgw.session.opening import described, new_row
from hoopgw.session.parser_process import ParserProcess
from hoopgw.session.registry import Registry
from hoopgw.session.session import Session
from hoopgw.session.sqljudge import SqlJudge
from hoopgw.session.sqlscopes import Scopes
from hoopgw.session.sshjudge import SshJudge
from hoopgw.store.recorder import Recorder


def new_id(prefix: str) -> str:
    """128 random bits: nobody guesses a session's or hold's name."""
    return prefix + urlsafe_b64encode(os.urandom(16)).rstrip(b"=").decode()


class Judges:
    """What the judges of all sessions share."""

    def __init__(
        self,
        masks: MaskBuilder,
        catalogues: CatalogueCache,
        parsers: tuple[ParserProcess, ParserProcess, ParserProcess],
    ) -> None:
        """`parsers` are SQL's, that of commands and that of HTTP's bodies: none waits for another."""
        self._masks = masks
        self._body_masks = HttpMaskBuilder(masks)
        self._scopes = Scopes(masks)
        self._catalogues = catalogues
        self._parser, self._shell_parser, self._body_parser = parsers

    def of(self, selection: Selection, access: Access, opening: dict[str, Any]) -> SqlJudge | SshJudge | HttpJudge:
        if access.target.protocol == "ssh":
            return SshJudge(selection, access, self._masks, self._shell_parser)
        if access.target.protocol == "http":
            return HttpJudge(selection, access, self._body_masks, self._body_parser)
        started, replication = opening.get("settings", {}), bool(opening.get("replication"))
        shared = self._catalogues, self._scopes, self._parser
        return SqlJudge(selection, access, *shared, started=started, replication=replication)


class Sessions:
    """One for the gateway."""

    def __init__(
        self,
        *,
        config: Callable[[], Config],
        clock: IReactorTime,
        realm: GatewayRealm,
        registry: Registry,
        recorder: Recorder,
        holds: Holds,
        budgets: Budgets,
        events: Events,
        judges: Judges,
    ) -> None:
        """`config` gives the one that is in force now."""
        self._config = config
        self._clock = clock
        self._realm = realm
        self._registry = registry
        self._recorder = recorder
        self._holds = holds
        self._budgets = budgets
        self._events = events
        self._judges = judges

    def open(self, access: Access, edge: IEdge, client: str, opening: dict[str, Any]) -> Session:
        """See servers.gateway.OpenSession."""
        self._registry.may_open(access)
        self._recorder.may_open()
        config = self._config()
        row = new_row(new_id("s_"), config.settings.name, access, client, config.digest, self._clock.seconds())
        journal = self._recorder.open(row.id, described(row, access, opening), access.target.record)
        judge = self._judges.of(self._selected(access), access, opening)
        session = Session(
            row=row,
            access=access,
            judge=judge,
            journal=journal,
            holds=self._holds,
            spending=self._budgets.open(access.identity, access.grant),
            events=self._events,
            edge=edge,
            clock=self._clock,
            policy=config.digest,
            ambient_masks=judge.ambient_masks,
        )
        self._registry.add(session)
        return session

    def _selected(self, access: Access) -> Selection:
        return self._config().policy.select(access.identity, access.target, access.role.name, access.grant.features)

    def reloaded(self) -> None:
        """Each goes on by the configuration in force, or ends."""
        for session in self._registry.all():
            self._reload(session, self._realm.still_allowed(session.access, self._clock.seconds()))

    def revoked(self) -> None:
        """Those end whose key the configuration in force takes no longer; the others are left alone."""
        for session in self._registry.all():
            if session.access.identity.proof:
                access = self._realm.still_allowed(session.access, self._clock.seconds())
                if access is None:
                    self._reload(session, None)

    def _reload(self, session: Session, access: Access | None) -> None:
        judge: Any = session.judge
        replicates = isinstance(judge, SqlJudge) and judge.replication
        if replicates and access is not None and REPLICATION not in access.grant.features:
            access = None
        if isinstance(judge, SshJudge) and access is not None and not judge.used <= access.grant.features:
            access = None  # what is forwarded passes without a question: it ends with its session
        if access is not None:
            judge = judge.successor(self._selected(access), access)
        session.reloaded(self._config().digest, judge, access)

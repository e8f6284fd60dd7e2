"""What an identity may reach: one realm for every protocol and the admin interface.  No grant, no connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from twisted.cred.portal import IRealm
from twisted.internet.interfaces import IReactorTime
from zope.interface import Interface, implementer

from hoopgw.auth.access import Access, AdminAccess, IAccess, IAdminAccess, Wanted
from hoopgw.auth.client_certificates import RULE
from hoopgw.auth.client_certificates import still_known as certificate_known
from hoopgw.auth.local import local_issuer
from hoopgw.auth.ssh_keys import still_known
from hoopgw.model.destination import Destination
from hoopgw.model.errors import LoginRefused, NotGranted
from hoopgw.model.grant import Grant
from hoopgw.model.identity import Identity
from hoopgw.model.settings import Settings
from hoopgw.model.target import CONNECT, Target

MAX_SHOWN = 64  # characters of a client's own words in an error


class Rules(Protocol):
    """What the realm reads of the configuration (`config.Config`)."""

    @property
    def settings(self) -> Settings: ...

    @property
    def targets(self) -> Mapping[str, Target]: ...

    @property
    def grants(self) -> tuple[Grant, ...]: ...


@implementer(IRealm)
class GatewayRealm:
    def __init__(self, rules: Callable[[], Rules], clock: IReactorTime) -> None:
        """`rules` gives the configuration that is in force now."""
        self._rules = rules
        self._clock = clock

    def requestAvatar(  # type: ignore[override]  # Twisted's annotation knows only bytes as an avatar's id
        self, identity: Identity, mind: Wanted | None, *interfaces: type[Interface]
    ) -> tuple[type[Interface], Any, Callable[[], None]]:
        """(interface, avatar, logout) for IAccess (`mind` says what is wanted) or IAdminAccess.

        Raises LoginRefused, whose words are the same for what does not exist and for what is not granted.
        """
        now = self._clock.seconds()
        if IAccess in interfaces and mind is not None:
            return IAccess, access(self._rules(), identity, mind, now), _logout
        if IAdminAccess in interfaces:
            return IAdminAccess, admin_access(self._rules(), identity, now), _logout
        raise NotImplementedError(f"no avatar for {interfaces}")

    def still_allowed(self, granted: Access, now: float) -> Access | None:
        """The same access by the configuration in force now, or None: then its session must end.

        The grant that let it in must still do so: another one may have another budget, and is for a new login.
        """
        return reconsidered(self._rules(), granted, now)


def _logout() -> None:
    """A login holds nothing that would have to be released: what ends is the session."""


def access(rules: Rules, identity: Identity, wanted: Wanted, now: float) -> Access:
    """By the first grant in the configuration that lets in.  Raises LoginRefused."""
    if wanted.destination is not None:
        return _tunnel(rules, identity, wanted, wanted.destination, now)
    _agree(rules, identity, wanted)
    target = rules.targets.get(wanted.target)
    if target is None or target.protocol != wanted.protocol or target.egress or _is_local(rules, identity):
        raise _no_grant(identity, wanted)
    database = wanted.database or target.database
    if not wanted.role:
        wanted = replace(wanted, role=_only_role(rules, identity, target, database, now))
    role = target.roles.get(wanted.role)
    for grant in rules.grants:
        if role is not None and grant.lets_in(identity, target, database, wanted.role, now):
            return Access(identity, target, role, database, grant, _until(identity, grant))
    raise _no_grant(identity, wanted)


def _tunnel(rules: Rules, identity: Identity, wanted: Wanted, asked: Destination, now: float) -> Access:
    """By the first grant that lists where it is to lead."""
    ways = [target for target in rules.targets.values() if target.egress and target.protocol == wanted.protocol]
    for grant in rules.grants:
        listed = None if _is_local(rules, identity) else grant.leads_to(asked)
        for target in ways if listed is not None else ():
            if grant.lets_in(identity, target, "", CONNECT, now):
                return Access(
                    identity, target, target.roles[CONNECT], "", grant, _until(identity, grant), asked, listed
                )
    words = f"no grant lets {identity.subject} open a tunnel to '{asked}'"
    raise NotGranted(words, detail=f"{wanted.protocol} tunnel to {asked}")


def _agree(rules: Rules, identity: Identity, wanted: Wanted) -> None:
    """A host name that names one target, and a database that names another: which is meant is not guessed."""
    if not wanted.host:
        return
    if wanted.target != wanted.host:
        words = f"the host name means target '{shown(wanted.host)}', and dbname '{shown(wanted.target)}'"
        raise LoginRefused(words, detail=f"host {shown(wanted.host)!r}, dbname {shown(wanted.target)!r}")
    # In the words of what is not granted: who may not see that target learns nothing of it
    if wanted.database != wanted.host and wanted.database in rules.targets:
        raise _no_grant(identity, wanted)


def _only_role(rules: Rules, identity: Identity, target: Target, database: str, now: float) -> str:
    """Of who names none: the one that it may have.  "" where there is none, LoginRefused where there are several."""
    roles = [
        role
        for role in target.roles
        if any(grant.lets_in(identity, target, database, role, now) for grant in rules.grants)
    ]
    if len(roles) > 1:
        how = "by X-Hoopgw-Role" if target.protocol == "http" else "as ROLE@TARGET"
        raise NotGranted(
            f"you have several roles there: name one of {', '.join(sorted(roles))}, {how}",
            detail=f"target {target.name!r}, no role named",
        )
    return roles[0] if roles else ""


def reconsidered(rules: Rules, granted: Access, now: float) -> Access | None:
    identity, target = granted.identity, rules.targets.get(granted.target.name)
    known = any(one.issuer == identity.issuer and one.name == identity.provider for one in rules.settings.issuers)
    if identity.proof and not _still_proven(rules.settings, identity, now):
        return None
    if not known or target is None or target.protocol != granted.target.protocol or now >= identity.expires:
        return None
    role = target.roles.get(granted.role.name)
    for grant in rules.grants:
        if grant.name == granted.grant.name and role is not None:
            if not grant.lets_in(identity, target, granted.database, role.name, now):
                return None
            if granted.destination is not None and (grant.leads_to(granted.destination) is None or not target.egress):
                return None
            return replace(granted, target=target, role=role, grant=grant, expires=_until(identity, grant))
    return None


def _still_proven(settings: Settings, identity: Identity, now: float) -> bool:
    if identity.proof[0].startswith(RULE):
        return certificate_known(settings.client_authorities, identity, now)
    return still_known(settings.ssh, identity)


def admin_access(rules: Rules, identity: Identity, now: float) -> AdminAccess:
    """What every grant with `may` gives together; of a token of the gateway's own, what its `[local.NAME]` says.

    No right at all is still an access: an approver needs none.  Only a token decides: a key or certificate may lie on a
    host where others work.
    """
    if _is_local(rules, identity):
        rights = [account.may for account in rules.settings.local if account.name == identity.subject]
        return AdminAccess(identity, frozenset().union(*rights), may_decide=False)
    matching = [grant.may for grant in rules.grants if grant.may and _in_force(grant, identity, now)]
    return AdminAccess(identity, frozenset().union(*matching), may_decide=not identity.proof)


def _in_force(grant: Grant, identity: Identity, now: float) -> bool:
    return (grant.until is None or now < grant.until) and grant.who.matches(identity)


def _is_local(rules: Rules, identity: Identity) -> bool:
    return identity.issuer == local_issuer(rules.settings.name)


def _until(identity: Identity, grant: Grant) -> float:
    return identity.expires if grant.until is None else min(identity.expires, grant.until)


def _no_grant(identity: Identity, wanted: Wanted) -> NotGranted:
    place = f"'{shown(wanted.target)}'" + (f" (database '{shown(wanted.database)}')" if wanted.database else "")
    role = f" as '{shown(wanted.role)}'" if wanted.role else ""  # HTTP and SSH: whichever it has there
    return NotGranted(
        f"no grant lets {identity.subject} reach {place}{role}",
        detail=f"{wanted.protocol} target {shown(wanted.target)!r}, role {shown(wanted.role)!r}",
    )


def shown(text: str) -> str:
    """A client's own words, safe to show: short and printable (must-survive 36)."""
    cut = text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"
    return "".join(char if char.isprintable() else "�" for char in cut)

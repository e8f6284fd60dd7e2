"""What a login gives: a target as a role by a grant, or rights on the admin interface.  Frozen."""

from __future__ import annotations

from dataclasses import dataclass

from zope.interface import Attribute, Interface, implementer

from hoopgw.model.destination import Destination
from hoopgw.model.grant import Grant
from hoopgw.model.identity import Identity
from hoopgw.model.target import Role, Target


class IAccess(Interface):
    """To one database of one target, as one role, until a time."""

    identity = Attribute("Identity")
    target = Attribute("Target")
    role = Attribute("Role, with the reference of the target's credential")
    database = Attribute("str: the database's name at the target")
    grant = Attribute("Grant: the first in the configuration that lets in; its budget counts")
    expires = Attribute("float: POSIX time at which the session must end")


class IAdminAccess(Interface):
    """To the admin interface, for one call."""

    identity = Attribute("Identity")
    rights = Attribute('frozenset of "list", "view", "kill"')
    may_decide = Attribute("bool: an approver's groups count at all; only of an issuer's tokens")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client asks for: the `mind` of the login.  An empty `database` is the target's own; `host` is the target
    that the client's host name names, or "".  `destination` is where a tunnel is to lead: then no target is named."""

    protocol: str
    target: str
    role: str
    database: str = ""
    host: str = ""
    destination: Destination | None = None


@implementer(IAccess)
@dataclass(frozen=True, slots=True)
class Access:
    identity: Identity
    target: Target
    role: Role
    database: str
    grant: Grant
    expires: float
    destination: Destination | None = None  # of a tunnel: where it leads
    listed: Destination | None = None  # the same as its grant lists it


@implementer(IAdminAccess)
@dataclass(frozen=True, slots=True)
class AdminAccess:
    identity: Identity
    rights: frozenset[str]
    may_decide: bool

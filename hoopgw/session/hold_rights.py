"""Whose a hold is: who asked, who may see it, who may decide it, and what was said."""

from __future__ import annotations

from hoopgw.auth.access import AdminAccess
from hoopgw.model.identity import Identity
from hoopgw.store.interface import Decided, Hold


def refused_by(hold: Hold) -> str:
    """In the words of who said no."""
    words = next((word for word in hold.decided if not word.approved), None)
    return words.reason if words is not None and words.reason else "an approver said no"


NO_SUCH = "there is no such hold, or you are not among its approvers"


def sets(hold: Hold, identity: Identity) -> tuple[int, ...]:
    """The approver sets that this identity belongs to."""
    return tuple(number for number, groups in enumerate(hold.approvers) if identity.groups & set(groups))


def is_by(word: Decided, identity: Identity) -> bool:
    return (word.issuer, word.subject) == (identity.issuer, identity.subject)


def said(hold: Hold, identity: Identity) -> tuple[float, ...]:
    """When this identity gave its word."""
    key = (identity.issuer, identity.subject)
    return tuple(word.at for word in hold.decided if (word.issuer, word.subject) == key)


def same_hands(hold: Hold, identity: Identity) -> bool:
    """The requester, whoever it acted for or was acted for by: a delegated token is the same hands."""
    asked = {(hold.issuer, hold.subject), *((issuer, subject) for issuer, subject in hold.details.get("actors", ()))}
    decides = {(identity.issuer, identity.subject), *((actor.issuer, actor.subject) for actor in identity.actors)}
    return bool(asked & decides)


def visible(hold: Hold, access: AdminAccess) -> bool:
    identity = access.identity
    if (hold.issuer, hold.subject) == (identity.issuer, identity.subject) or "view" in access.rights:
        return True
    return access.may_decide and bool(sets(hold, identity))

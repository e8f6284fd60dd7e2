"""What somebody shows to get in.  The same for every protocol."""

from __future__ import annotations

from twisted.cred.credentials import ICredentials
from zope.interface import Attribute, implementer

from hoopgw.model.secret import Secret


class IBearerToken(ICredentials):
    """A token that is good for whoever has it."""

    token = Attribute("Secret: the token")
    address = Attribute("str: where from, for events")


@implementer(IBearerToken)
class BearerToken:
    __slots__ = ("token", "address")

    def __init__(self, token: Secret, address: str) -> None:
        self.token = token
        self.address = address

    def __repr__(self) -> str:
        return f"BearerToken(from {self.address})"

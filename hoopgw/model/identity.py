"""Who acts: bound once at login, from a verified token, assertion or certificate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hoopgw.model.bounds import Bounds


@dataclass(frozen=True, slots=True)
class Actor:
    """One link of a delegation chain (RFC 8693, section 4.1: the `act` claim): who acts for the identity."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who acts.  `subject` is the value of the claim that the configuration names (e-mail, for example).

    `provider` is the configuration's name of the issuer (`corp` of `[oidc.corp]`), `issuer` its URL.
    `actors` is the delegation chain, the outermost (current) actor first.  `expires` is a POSIX time in seconds.
    `claims` are the verified claims that rules may match on; they never hold the token itself.
    """

    provider: str
    issuer: str
    subject: str
    groups: frozenset[str]
    expires: float
    actors: tuple[Actor, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict, hash=False)
    proof: tuple[str, ...] = ()  # where it was no token: the rule that knows the key, and the fingerprints of its keys
    shown: bytes = field(default=b"", repr=False)  # the same as it was shown: a public key's or certificate's blob
    bounds: Bounds | None = None  # what it may do at most, where a certificate says so

    @property
    def key(self) -> str:
        """What makes two logins the same identity: issuer and subject, unambiguously joined."""
        return f"{self.issuer}#{self.subject}"

    def described(self) -> dict[str, Any]:
        """For events, journals and approvers: everything but the claims."""
        return {
            "provider": self.provider,
            "issuer": self.issuer,
            "subject": self.subject,
            "groups": sorted(self.groups),
            "actors": [{"issuer": actor.issuer, "subject": actor.subject} for actor in self.actors],
            "expires": self.expires,
            **({"proof": list(self.proof)} if self.proof else {}),
            **({"bounds": self.bounds.described()} if self.bounds is not None else {}),
        }

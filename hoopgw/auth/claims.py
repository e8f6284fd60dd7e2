"""Verified claims -> an identity.  Pure; doubt denies."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from hoopgw.auth.tokens import refuse
from hoopgw.model.identity import Actor, Identity
from hoopgw.model.settings import OidcSettings

MAX_NAME = 256  # characters of a subject or group
MAX_ACTORS = 8  # links of a delegation chain


def check_times(claims: dict[str, Any], now: float, skew: float) -> float:
    """`exp`, `nbf` and `iat` (RFC 7519, 4.1) at `now`, all POSIX seconds; gives `exp`.  Raises LoginRefused."""
    expires = _date(claims, "exp")
    if expires is None:
        refuse("no `exp`")
    if now >= expires + skew:
        refuse("expired", "the token has expired")
    for name in ("nbf", "iat"):
        date = _date(claims, name)
        if date is not None and date > now + skew:
            refuse(f"`{name}` lies in the future", "the token is not valid yet")
    return expires


def _date(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:  # NaN is not
        refuse(f"`{name}` is not a date")
    return float(value)


def identity_of(claims: dict[str, Any], settings: OidcSettings, now: float, certificate: bytes = b"") -> Identity:
    """Who a verified token says acts.  `certificate` is what its client has shown (DER).  Raises LoginRefused."""
    expires = check_times(claims, now, settings.skew)
    _check_purpose(claims, certificate)
    if settings.subject == "email" and claims.get("email_verified", True) not in (True, "true"):
        refuse("`email` is the subject and the issuer has not verified it")
    return Identity(
        provider=settings.name,
        issuer=settings.issuer,
        subject=_name(claims.get(settings.subject), f"`{settings.subject}`"),
        groups=_groups(claims, settings.groups),
        expires=expires,
        actors=_actors(claims, settings.issuer),
        claims={name: value for name, value in claims.items() if name != "act"},
    )


def _check_purpose(claims: dict[str, Any], certificate: bytes) -> None:
    if "cnf" in claims:  # RFC 7800: bound to a key, which only TLS can prove that somebody has here
        _check_bound(claims["cnf"], certificate)
    if "events" in claims:  # RFC 8417, OpenID Connect Back-Channel Logout: tells of something, lets nobody in
        refuse("a security event token")


def _check_bound(confirmation: Any, certificate: bytes) -> None:
    """RFC 8705, 3.1: to the certificate whose digest it has, and in no other way."""
    if not certificate:
        refuse("the token is bound to a key (`cnf`) and not good for a bearer")
    digest = urlsafe_b64encode(sha256(certificate).digest()).rstrip(b"=").decode()
    if confirmation != {"x5t#S256": digest}:
        refuse("the token is bound to another key (`cnf`) than that of the certificate")


def _name(value: Any, what: str) -> str:
    """Printable only: subjects and groups reach logs, terminals and the target's application_name."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME or not value.isprintable():
        refuse(f"{what} is not a printable text of 1..{MAX_NAME} characters")
    return value


def _groups(claims: dict[str, Any], path: str) -> frozenset[str]:
    """A list, or one group as text.  `path` is a claim's name, or the way through objects (`realm_access.roles`)."""
    left_out = claims.get("_claim_names", {})
    if not isinstance(left_out, dict) or path in left_out:
        refuse("the issuer left the groups out of the token")  # a rule for a group would not see its member
    value = claims.get(path)
    if path not in claims:
        value = claims
        for step in path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
    if value is None:
        return frozenset()
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        refuse(f"`{path}` is neither a list nor a text")
    return frozenset(_name(group, "a group") for group in value)


def _actors(claims: dict[str, Any], issuer: str) -> tuple[Actor, ...]:
    """The chain of `act` (RFC 8693, 4.1), the current actor first; an actor without `iss` is the issuer's."""
    actors: list[Actor] = []
    link = claims.get("act")
    while link is not None:
        if not isinstance(link, dict) or len(actors) == MAX_ACTORS:
            refuse(f"`act` is not a chain of at most {MAX_ACTORS} actors")
        actors.append(Actor(_name(link.get("iss", issuer), "`act.iss`"), _name(link.get("sub"), "`act.sub`")))
        link = link.get("act")
    return tuple(actors)

"""A JSON Web Token as it is presented: what must hold of it before anything in it is believed (RFC 7519, RFC 8725)."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import jwt

from hoopgw.model.errors import LoginRefused
from hoopgw.model.secret import Secret

# RFC 7515, 2 and 7.1.  Decoders skip what is no character of base64url, so that a token would have many spellings
COMPACT = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
MAX_KEY_ID = 256  # characters
# RFC 7519, 5.1 and RFC 9068, 2.1.  Any other type is a token for another purpose (RFC 8725, 3.11): logout+jwt, dpop+jwt
TYPES = frozenset(("jwt", "application/jwt", "at+jwt", "application/at+jwt"))


class Presented:
    """A token that was taken apart and not verified: only good for choosing who verifies it."""

    __slots__ = ("secret", "algorithm", "key_id", "issuer")

    def __init__(self, secret: Secret, algorithm: str, key_id: str | None, issuer: str) -> None:
        self.secret = secret
        self.algorithm = algorithm
        self.key_id = key_id  # a name to compare; never a path, an address or a query
        self.issuer = issuer


def refuse(detail: str, message: str = "the token was not accepted") -> NoReturn:
    """`message` is for the client, `detail` for the gateway's event log."""
    raise LoginRefused(message, detail=detail)


def take_apart(token: Secret, limit: int) -> Presented:
    """Raises LoginRefused for what is longer than `limit` bytes, or no signed token of a type that logs in."""
    raw = token.reveal()
    if len(raw) > limit:
        refuse(f"a token of more than {limit} bytes")
    if not COMPACT.fullmatch(raw):
        refuse("not a signed JSON Web Token")
    try:
        header = jwt.get_unverified_header(raw)
        claims = jwt.decode(raw, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise LoginRefused("the token was not accepted", detail=f"unreadable: {type(error).__name__}") from error
    _check_header(header)
    issuer = claims.get("iss")
    if not isinstance(issuer, str):
        refuse("no `iss`")
    return Presented(token, header["alg"], header.get("kid"), issuer)


def _check_header(header: dict[str, Any]) -> None:
    if "crit" in header:
        refuse("a critical extension in the header")  # RFC 7515, 4.1.11: none is known here
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        refuse("`typ` is not one that logs in")
    if not isinstance(header.get("alg"), str):
        refuse("no `alg`")
    key_id = header.get("kid")
    if key_id is not None and not (isinstance(key_id, str) and len(key_id) <= MAX_KEY_ID):
        refuse("`kid` is not a short text")


def verified_claims(presented: Presented, public: Any, issuer: str, audience: str) -> dict[str, Any]:
    """The claims, with signature, `iss` and `aud` verified and `exp` there.  The times are `claims.check_times`'s.

    The caller has checked that the configuration allows the algorithm and that the key fits it.
    """
    try:
        claims: dict[str, Any] = jwt.decode(
            presented.secret.reveal(),
            public,
            algorithms=[presented.algorithm],
            issuer=issuer,
            audience=audience,
            # the gateway's clock is an argument; PyJWT would ask the machine's
            options={"require": ["exp", "iss", "aud"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise LoginRefused("the token was not accepted", detail=f"not verified: {type(error).__name__}") from error
    return claims

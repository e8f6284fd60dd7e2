"""The server's side of SASL OAUTHBEARER, sans-IO (RFC 7628; PostgreSQL documentation, 55.3.2)."""

from __future__ import annotations

import json
import string
from typing import Final

from hoopgw.model.errors import MalformedFrame

MECHANISM: Final = b"OAUTHBEARER"
SEPARATOR: Final = b"\x01"
AGREED: Final = SEPARATOR  # what a client answers to an error's JSON, before the server may fail the exchange
INVALID, INSUFFICIENT = "invalid_token", "insufficient_scope"  # `status`
_TOKEN: Final = frozenset((string.ascii_letters + string.digits + "-._~+/=").encode())  # b64token (RFC 6750, 2.1)


def sasl_initial(body: bytes) -> tuple[bytes, bytes]:
    """(mechanism, client's first message) of a SASLInitialResponse.  Raises MalformedFrame."""
    mechanism, ended, rest = body.partition(b"\0")
    if not ended or len(rest) < 4 or int.from_bytes(rest[:4], "big") != len(rest) - 4:
        raise MalformedFrame("a SASLInitialResponse of another shape")
    return mechanism, rest[4:]


def bearer_token(message: bytes) -> bytes:
    """The token of a client's first message; b"" where it only asks where to get one (RFC 7628, 3.1 and 4.3).

    Raises MalformedFrame for another shape, channel binding, or an identity to act as: the token says who it is.
    """
    header, separator, rest = message.partition(SEPARATOR)
    if not separator or header not in (b"n,,", b"y,,"):
        raise MalformedFrame("an OAUTHBEARER message with another header than `n,,`")
    if not rest.endswith(SEPARATOR + SEPARATOR):
        raise MalformedFrame("an OAUTHBEARER message without its end")
    found: list[bytes] = []
    for pair in rest[:-2].split(SEPARATOR):
        name, equals, value = pair.partition(b"=")
        if not equals or not name.isalpha():
            raise MalformedFrame("an OAUTHBEARER message with something that is no key and value")
        if name == b"auth":
            found.append(value)
    if len(found) != 1:
        raise MalformedFrame("an OAUTHBEARER message that does not say `auth` once")
    return _token(found[0]) if found[0] else b""


def _token(value: bytes) -> bytes:
    scheme, blank, token = value.partition(b" ")
    token = token.lstrip(b" ")
    if scheme.lower() != b"bearer" or not blank or not token:
        raise MalformedFrame("an OAUTHBEARER message with another scheme than Bearer")
    if not all(byte in _TOKEN for byte in token):
        raise MalformedFrame("a bearer token with characters that there are not in one")
    return token


def refusal(status: str, issuer: str, scope: str) -> bytes:
    """What a server says of a token that is missing or no good, or good for something else; `issuer` "" names none (RFC
    7628, 3.2.2)."""
    said = {"status": status}
    if issuer:
        said["openid-configuration"] = issuer.rstrip("/") + "/.well-known/openid-configuration"
    if scope:
        said["scope"] = scope
    return json.dumps(said).encode()

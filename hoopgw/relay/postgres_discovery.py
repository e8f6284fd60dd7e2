"""What OAUTHBEARER tells a client whose token is refused or missing: why, and where one is to be had (RFC 7628)."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Final, final

from hoopgw.model.errors import LoginRefused, NotGranted
from hoopgw.wire import oauthbearer

ISSUER_OPTION: Final = "hoopgw.issuer"  # in `options`: the issuer that this client gets its tokens from


@final
class Discovery:
    """Of one login.  `issuers` are (name in the configuration, issuer, scope to ask for).

    The answer has room for one: that which a token says it is of, else that which the client names, else the first.
    What a token says is not checked here, and decides nothing but which of the configured ones is named.
    """

    def __init__(self, issuers: tuple[tuple[str, str, str], ...] = ()) -> None:
        self._issuers = issuers
        self._chosen = issuers[0] if issuers else ("", "", "")

    def choose(self, name: str) -> None:
        """By the client's own word.  Raises LoginRefused."""
        for each in self._issuers:
            if each[0] == name:
                self._chosen = each
                return
        raise LoginRefused(f"{ISSUER_OPTION} names no issuer of this gateway", detail="parameter")

    def shown(self, token: bytes) -> None:
        claimed = claimed_issuer(token)
        for each in self._issuers:
            if each[1] == claimed:
                self._chosen = each

    def answer(self, error: LoginRefused) -> bytes:
        """A token that is good and lets in nowhere lacks a right: another one like it would not help."""
        status = oauthbearer.INSUFFICIENT if isinstance(error, NotGranted) else oauthbearer.INVALID
        return oauthbearer.refusal(status, self._chosen[1], self._chosen[2])


def claimed_issuer(token: bytes) -> str:
    """`iss` of a JWT, unchecked; "" where there is none."""
    parts = token.split(b".")
    if len(parts) != 3:
        return ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + b"=="))
    except (ValueError, binascii.Error, RecursionError):
        return ""
    claimed = claims.get("iss") if isinstance(claims, dict) else None
    return claimed if isinstance(claimed, str) else ""

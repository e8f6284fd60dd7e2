"""Access tokens of the gateway's own, as an OAuth client (RFC 6749, 4.4: client credentials)."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode

from hoopgw.auth.fetch import FORM, Ask
from hoopgw.auth.secret_source import Leased
from hoopgw.model.errors import IssuerUnavailable, SecretUnavailable
from hoopgw.model.events import Code
from hoopgw.model.secret import Secret
from hoopgw.model.target import OAuthClient, SecretReference

FIELD = "access_token"
MAX_TOKEN = 16 * 1024  # bytes: a quarter of the longest head
MAX_SECONDS = 86400.0  # that a token is kept, however long it is good for
UNSAID = 300.0  # seconds that one is kept where nothing is said of its end
_TOKEN = re.compile(r"[\x21-\x7e]+")  # RFC 6749, A.12; without blanks: a header field would end there


class OAuthTokens:
    """Those of one target, by its roles.  `asks` are for each role's token endpoint; `secret` is what it is now.

    Every method fails with SecretUnavailable, whose words hold no secret.
    """

    unavailable = Code.CREDENTIAL_UNAVAILABLE
    changed = None  # it is another one each time

    def __init__(
        self,
        target: str,
        clients: Mapping[str, OAuthClient],
        asks: Mapping[str, Ask],
        secret: Callable[[SecretReference], Secret],
    ) -> None:
        self.name = f"oauth:{target}"
        self.settings = dict(clients)
        self._asks = asks
        self._secret = secret

    async def read(self, path: str) -> Leased:
        """A token for the role `path`."""
        client = self.settings[path]
        try:
            secret = self._secret(client.secret).reveal().decode()
            answer = await self._asked(client, secret, self._asks[path])
            return Leased({FIELD: Secret(_token(answer).encode())}, "token", _seconds(answer))
        except (IssuerUnavailable, SecretUnavailable, ValueError) as error:
            raise SecretUnavailable(f"{self.name}/{path}: {error}") from error

    async def renewed(self, leased: Leased) -> float:
        """No token is: another one is fetched."""
        return 0.0

    async def leave(self) -> None:
        """Tokens end by themselves."""

    async def _asked(self, client: OAuthClient, secret: str, ask: Ask) -> dict[str, Any]:
        given = {"grant_type": "client_credentials", "scope": client.scope, "audience": client.audience}
        headers = {"Content-Type": FORM}
        if client.authentication == "client_secret_basic":  # RFC 6749, 2.3.1: each of them encoded as in a form
            pair = f"{quote_plus(client.client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        else:
            given |= {"client_id": client.client_id, "client_secret": secret}
        form = urlencode({name: value for name, value in given.items() if value})
        status, document = await ask("POST", client.token_endpoint, headers, form.encode())
        try:
            answer = json.loads(document)
        except ValueError:
            answer = None  # what stands between may answer in another language
        if status != 200:
            raise ValueError(f"{client.token_endpoint}: status {status}{_why(answer, secret)}")
        if not isinstance(answer, dict):
            raise ValueError(f"{client.token_endpoint}: an answer that is no JSON object")
        return answer


def _token(answer: dict[str, Any]) -> str:
    """Raises ValueError, in words without it."""
    token, kind = answer.get(FIELD), answer.get("token_type")
    if not isinstance(kind, str) or kind.lower() != "bearer":  # RFC 6749, 7.1: one that is not understood is not used
        raise ValueError("a token that is no bearer token")
    if not isinstance(token, str) or len(token) > MAX_TOKEN or _TOKEN.fullmatch(token) is None:
        raise ValueError(f"an answer without a token of at most {MAX_TOKEN} bytes")
    return token


def _seconds(answer: dict[str, Any]) -> float:
    given = answer.get("expires_in")
    if given is None:
        return UNSAID
    if isinstance(given, str) and given.isascii() and given.isdigit():  # some say it so
        given = int(given[:18])
    if isinstance(given, bool) or not isinstance(given, int | float) or not given > 0:
        raise ValueError("a token without a sound end")
    return min(float(given), MAX_SECONDS)


def _why(answer: Any, secret: str) -> str:
    """RFC 6749, 5.2, in the server's words; without them where they hold the secret."""
    if not isinstance(answer, dict):
        return ""
    said = ": ".join(str(answer[name])[:200] for name in ("error", "error_description") if answer.get(name))
    return f": {said}" if said and secret not in said else ""

"""HashiCorp Vault or OpenBao: what is under a path, and the lease on it (HTTP API, /v1).

Reads KV of both versions and everything that gives credentials on a lease, as the database engine does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from twisted.internet.threads import deferToThread

from hoopgw.auth.fetch import Ask
from hoopgw.auth.secret_source import MAX_FIELDS, Leased
from hoopgw.model.errors import IssuerUnavailable, SecretUnavailable
from hoopgw.model.events import Code
from hoopgw.model.secret import Secret
from hoopgw.model.settings import VaultSettings
from hoopgw.model.target import SecretReference

MAX_LEASE = 366 * 86400.0  # seconds: what is longer is looked at again by then


class Vault:
    """One `[vault.NAME]`.  `read_secret` reads what it logs in by, in a thread; every method fails with
    SecretUnavailable, whose words hold no secret."""

    unavailable = Code.VAULT_UNAVAILABLE
    changed = Code.VAULT_CHANGED

    def __init__(self, settings: VaultSettings, ask: Ask, read_secret: Callable[[SecretReference], Secret]) -> None:
        self.settings = settings
        self._ask = ask
        self._read_secret = read_secret
        self.name = f"vault:{settings.name}"
        self._token: Secret | None = None  # of a login; a token that was given is read each time

    async def read(self, path: str) -> Leased:
        """GET /v1/PATH."""
        answer = await self._called("GET", quote(path, safe="/-_.~"))
        found = answer.get("data")
        if isinstance(found, dict) and isinstance(found.get("data"), dict) and isinstance(found.get("metadata"), dict):
            found = found["data"]  # KV version 2
        if not isinstance(found, dict) or not found or len(found) > MAX_FIELDS:
            raise self._unavailable(path, "there is nothing under this path")
        fields = {
            name: Secret(value.encode() if isinstance(value, str) else json.dumps(value).encode())
            for name, value in found.items()
        }
        lease = answer.get("lease_id") or ""
        if not lease:
            return Leased(fields)
        return Leased(fields, str(lease), self._lasting(path, answer), answer.get("renewable") is True)

    async def renewed(self, leased: Leased) -> float:
        """Seconds that the lease lasts from now on (PUT /v1/sys/leases/renew)."""
        wanted = {"lease_id": leased.lease, "increment": int(leased.seconds)}
        answer = await self._called("PUT", "sys/leases/renew", wanted)
        return self._lasting("sys/leases/renew", answer)

    def _lasting(self, path: str, answer: dict[str, Any]) -> float:
        seconds = answer.get("lease_duration")
        if not isinstance(seconds, int | float) or not seconds >= 0:
            raise self._unavailable(path, "a lease without its time")
        return min(float(seconds), MAX_LEASE)

    async def leave(self) -> None:
        """What a login of the gateway's own has leased ends with it (POST /v1/auth/token/revoke-self)."""
        if self._token is not None:
            await self._called("POST", "auth/token/revoke-self", {})
            self._token = None

    # ---- one request

    async def _called(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        fresh = self._token is None
        status, answer = await self._asked(method, path, body, await self._credential())
        if status in (401, 403) and not fresh and self.settings.token is None:
            self._token = None  # it may have ended: one login more
            status, answer = await self._asked(method, path, body, await self._credential())
        if status not in (200, 204):
            raise self._unavailable(path, _why(status, answer))
        return answer

    async def _credential(self) -> Secret:
        settings = self.settings
        if settings.token is not None:
            return await self._secret(settings.token)
        if self._token is None:
            self._token = await self._login()
        return self._token

    async def _login(self) -> Secret:
        settings = self.settings
        if settings.jwt is not None:  # the methods jwt and kubernetes
            said = {"role": settings.role, "jwt": _text(await self._secret(settings.jwt))}
        elif settings.secret_id is not None:
            said = {"role_id": settings.role_id, "secret_id": _text(await self._secret(settings.secret_id))}
        else:
            said = {"role_id": settings.role_id}
        path = f"auth/{quote(settings.mount, safe='/-_.~')}/login"
        status, answer = await self._asked("POST", path, said, None)
        token = answer.get("auth", {}).get("client_token") if isinstance(answer.get("auth"), dict) else None
        if status != 200 or not isinstance(token, str):
            raise self._unavailable(path, _why(status, answer))
        return Secret(token.encode())

    async def _secret(self, reference: SecretReference) -> Secret:
        found: Secret = await deferToThread(self._read_secret, reference)
        return found

    async def _asked(self, method: str, path: str, body: Any, token: Secret | None) -> tuple[int, dict[str, Any]]:
        headers = {"X-Vault-Request": "true"}
        if self.settings.namespace:
            headers["X-Vault-Namespace"] = self.settings.namespace
        if token is not None:
            headers["X-Vault-Token"] = _text(token)
        sent = None if body is None else json.dumps(body).encode()
        try:
            status, document = await self._ask(method, f"{self.settings.address}/v1/{path}", headers, sent)
            answer = json.loads(document or b"{}")
        except (IssuerUnavailable, ValueError) as error:
            # json's own words quote nothing of the document but its place
            raise self._unavailable(path, str(error)) from error
        return status, answer if isinstance(answer, dict) else {}

    def _unavailable(self, path: str, why: str) -> SecretUnavailable:
        return SecretUnavailable(f"{self.name}/{path}: {why}")


def _text(secret: Secret) -> str:
    """As one line of a header or JSON.  Raises SecretUnavailable for what is none."""
    try:
        text = secret.reveal().decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        raise SecretUnavailable("what the vault is logged in to by is not one line of ASCII")
    return text


def _why(status: int, answer: dict[str, Any]) -> str:
    errors = answer.get("errors")
    said = "; ".join(str(each)[:200] for each in errors[:3]) if isinstance(errors, list) else ""
    return f"status {status}" + (f": {said}" if said else "")

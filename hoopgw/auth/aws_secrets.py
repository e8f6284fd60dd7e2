"""AWS Secrets Manager: the value of a secret, by a key of its own or the role of the machine (API 2017-10-17)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.threads import deferToThread

from hoopgw.auth.fetch import METADATA, Ask
from hoopgw.auth.secret_source import MAX_FIELDS, Leased
from hoopgw.model.errors import IssuerUnavailable, SecretUnavailable
from hoopgw.model.events import Code
from hoopgw.model.secret import Secret
from hoopgw.model.settings import AwsSettings
from hoopgw.model.target import SecretReference
from hoopgw.wire import sigv4

SERVICE = "secretsmanager"
CALL = "secretsmanager.GetSecretValue"
JSON = "application/x-amz-json-1.1"
TOKEN_SECONDS = 60  # that a token of the metadata service is good for: a few requests
BEFORE = 300.0  # seconds before its end at which a key of the machine is not used any more
_KEY = ("AccessKeyId", "SecretAccessKey", "Token")
_TOKEN = f"{METADATA}/latest/api/token"
_ROLES = f"{METADATA}/latest/meta-data/iam/security-credentials/"


class AwsSecrets:
    """One `[aws.NAME]`.  `read_secret` reads its key, in a thread; `now` is seconds since 1970.

    Every method fails with SecretUnavailable, whose words hold no secret.
    """

    unavailable = Code.VAULT_UNAVAILABLE
    changed = Code.VAULT_CHANGED

    def __init__(
        self,
        settings: AwsSettings,
        ask: Ask,
        read_secret: Callable[[SecretReference], Secret],
        now: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.name = f"aws:{settings.name}"
        self._ask = ask
        self._read_secret = read_secret
        self._now = now
        self._of_machine: tuple[sigv4.Keys, float] | None = None  # until when it is used

    async def read(self, path: str) -> Leased:
        """The secret with this name or ARN: the members of its JSON, and "" for all of it."""
        try:
            answer = await self._called(path)
            whole = _value(answer)
        except (IssuerUnavailable, SecretUnavailable, ValueError) as error:
            # json's own words quote nothing of the document but its place
            raise SecretUnavailable(f"{self.name}/{path}: {error}") from error
        fields = {"": Secret(whole)}
        try:
            members = json.loads(whole)
        except ValueError:
            return Leased(fields)  # it is no JSON
        if isinstance(members, dict):
            if len(members) > MAX_FIELDS:
                raise SecretUnavailable(f"{self.name}/{path}: more than {MAX_FIELDS} fields")
            for name, value in members.items():
                fields[name] = Secret(value.encode() if isinstance(value, str) else json.dumps(value).encode())
        return Leased(fields)

    async def renewed(self, leased: Leased) -> float:
        """Nothing of it is leased."""
        return 0.0

    async def leave(self) -> None:
        """Nothing is kept there for the gateway."""

    # ---- one call

    async def _called(self, path: str) -> dict[str, Any]:
        body = json.dumps({"SecretId": path}).encode()
        address = self.settings.endpoint
        headers = self._signed(await self._keys(), urlsplit(address).netloc, body)
        status, document = await self._ask("POST", f"{address}/", headers, body)
        if status != 200:
            raise SecretUnavailable(_why(status, document))
        answer = json.loads(document)
        if not isinstance(answer, dict):
            raise SecretUnavailable("an answer that is no object")
        return answer

    def _signed(self, keys: sigv4.Keys, host: str, body: bytes) -> dict[str, str]:
        scope = sigv4.Scope(self.settings.region, SERVICE, self._now())
        fields = {"Content-Type": JSON, "X-Amz-Target": CALL, "X-Amz-Date": scope.stamp.decode()}
        if keys.token.reveal():
            fields["X-Amz-Security-Token"] = keys.token.reveal().decode("ascii")
        given = [(name.lower().encode(), value.encode()) for name, value in {"Host": host, **fields}.items()]
        signature = sigv4.sign(keys, scope, b"POST", b"/", given, sigv4.hashed(body), s3=False)
        return {**fields, "Authorization": signature.authorization.decode("ascii")}

    # ---- by what it is signed

    async def _keys(self) -> sigv4.Keys:
        settings = self.settings
        if settings.key_id is None or settings.secret is None:
            return await self._machine()
        token = b"" if settings.session_token is None else await self._word(settings.session_token)
        return sigv4.Keys(await self._word(settings.key_id), Secret(await self._word(settings.secret)), Secret(token))

    async def _word(self, reference: SecretReference) -> bytes:
        found: Secret = await deferToThread(self._read_secret, reference)
        word = found.reveal().strip()
        if not word or any(not 0x20 < code < 0x7F for code in word):
            raise SecretUnavailable(f"{reference} is not one word of ASCII")
        return word

    async def _machine(self) -> sigv4.Keys:
        """Of the role that the machine has (instance metadata service, version 2)."""
        if self._of_machine is not None and self._now() < self._of_machine[1]:
            return self._of_machine[0]
        given = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)}
        token = {"X-aws-ec2-metadata-token": await self._said("PUT", _TOKEN, given)}
        role = (await self._said("GET", _ROLES, token)).split("\n")[0]
        found = json.loads(await self._said("GET", _ROLES + role, token))
        try:
            id, secret, held = (str(found[name]).encode("ascii") for name in _KEY)
            ends = datetime.fromisoformat(found["Expiration"]).timestamp()
        except (KeyError, TypeError, ValueError) as error:
            raise SecretUnavailable("what the machine's metadata say is no key") from error
        keys = sigv4.Keys(id, Secret(secret), Secret(held))
        self._of_machine = keys, ends - BEFORE
        return keys

    async def _said(self, method: str, address: str, headers: dict[str, str]) -> str:
        status, document = await self._ask(method, address, headers, None)
        text = document.decode("ascii", "replace").strip()
        if status != 200 or (not text.isprintable() and "{" not in text):
            raise SecretUnavailable(f"the machine's metadata service answered {status} for {urlsplit(address).path}")
        return text


def _value(answer: dict[str, Any]) -> bytes:
    """Raises ValueError where there is none."""
    text, binary = answer.get("SecretString"), answer.get("SecretBinary")
    if isinstance(text, str) and text:
        return text.encode()
    if isinstance(binary, str) and binary:
        return base64.b64decode(binary, validate=True)
    raise ValueError("there is nothing in it")


def _why(status: int, document: bytes) -> str:
    """In the service's words; what stands between may answer in another language than JSON."""
    try:
        said = json.loads(document)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return f"status {status}"
    kind = str(said.get("__type", "")).rpartition("#")[2][:100]
    words = str(said.get("message") or said.get("Message") or "")[:200]
    return ": ".join(filter(None, (f"status {status}", kind, words)))

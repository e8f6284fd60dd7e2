"""What is read of a vault, by the answers that one gives; a real one is in tests/live/test_vault.py."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import TestCase

from hoopgw.auth.secret_source import MAX_FIELDS, Leased
from hoopgw.auth.vault import Vault
from hoopgw.model.errors import IssuerUnavailable, SecretUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.settings import VaultSettings
from hoopgw.model.target import SecretReference

TOKEN = SecretReference("file", "/token")
BY_TOKEN = VaultSettings("main", "https://vault", token=TOKEN, namespace="team")
BY_ROLE = VaultSettings("main", "https://vault", role_id="r", secret_id=TOKEN, mount="approle")
BY_JWT = VaultSettings("main", "https://vault", role="gw", jwt=TOKEN, mount="kubernetes")


class Answers:
    """An `Ask` with an answer for each request in turn, and what was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []

    def __call__(self, method: str, address: str, headers: dict[str, str], body: bytes | None) -> Any:
        self.asked.append((method, address, headers, body and json.loads(body)))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            return fail(answer)
        if isinstance(answer, Deferred):
            return answer
        status, document = answer
        return succeed((status, document if isinstance(document, bytes) else json.dumps(document).encode()))


def vault(ask: Answers, settings: VaultSettings = BY_TOKEN) -> Vault:
    return Vault(settings, ask, lambda reference: Secret(b"s3cret\n"))


class Reading(TestCase):
    async def fields(self, document: Any, status: int = 200) -> Any:
        found = await vault(Answers((status, document))).read("secret/pay")
        return {name: value.reveal() for name, value in found.fields.items()}

    async def test_both_versions_of_kv(self) -> None:
        """KV 2 has its values one level below; in KV 1 a value that is called `data` is a value."""
        self.assertEqual(await self.fields({"data": {"password": "p", "n": 1}}), {"password": b"p", "n": b"1"})
        two = {"data": {"data": {"password": "p"}, "metadata": {"version": 3}}}
        self.assertEqual(await self.fields(two), {"password": b"p"})
        self.assertEqual(await self.fields({"data": {"data": "x"}}), {"data": b"x"})

    async def test_what_is_sent(self) -> None:
        """The token in its header, the namespace, and the path in its place whatever is in it."""
        ask = Answers((200, {"data": {"a": "b"}}))
        await vault(ask).read("secret/data/a b?c#d")
        [(method, address, headers, body)] = ask.asked
        self.assertEqual((method, address, body), ("GET", "https://vault/v1/secret/data/a%20b%3Fc%23d", None))
        self.assertEqual((headers["X-Vault-Token"], headers["X-Vault-Namespace"]), ("s3cret", "team"))

    async def test_what_is_no_answer(self) -> None:
        """Each is SecretUnavailable with the path, and no secret in its words."""
        many = {str(number): "x" for number in range(MAX_FIELDS + 1)}
        for answer in (
            (404, {"errors": []}),
            (403, {"errors": ["permission denied", "x" * 500]}),
            (200, b"not json s3cret"),
            (200, []),
            (200, {"data": None}),
            (200, {"data": {}}),
            (200, {"data": many}),
            (200, {"data": {"a": "b"}, "lease_id": "l", "lease_duration": "long"}),
            (200, {"data": {"a": "b"}, "lease_id": "l", "lease_duration": -1}),
            (200, {"data": {"a": "b"}, "lease_id": "l"}),
            IssuerUnavailable("https://vault: refused"),
        ):
            with self.assertRaises(SecretUnavailable) as raised:
                await vault(Answers(answer)).read("secret/pay")
            self.assertIn("vault:main/secret/pay: ", str(raised.exception))
            self.assertNotIn("s3cret", str(raised.exception))
            self.assertLess(len(str(raised.exception)), 600)

    async def test_logins(self) -> None:
        """AppRole and Kubernetes; once, and again where the token has ended in the meantime."""
        login = (200, {"auth": {"client_token": "t1"}})
        good = (200, {"data": {"a": "b"}})
        ask = Answers(login, good, good, (403, {}), (200, {"auth": {"client_token": "t2"}}), good)
        ours = vault(ask, BY_ROLE)
        for _ in range(3):
            await ours.read("x")
        self.assertEqual(ask.asked[0][:2], ("POST", "https://vault/v1/auth/approle/login"))
        self.assertEqual(ask.asked[0][3], {"role_id": "r", "secret_id": "s3cret"})
        tokens = [headers.get("X-Vault-Token") for _, _, headers, _ in ask.asked]
        self.assertEqual(tokens, [None, "t1", "t1", "t1", None, "t2"])
        ask = Answers(login, good)
        await vault(ask, BY_JWT).read("x")
        self.assertEqual(ask.asked[0][1], "https://vault/v1/auth/kubernetes/login")
        self.assertEqual(ask.asked[0][3], {"role": "gw", "jwt": "s3cret"})

    async def test_a_token_that_is_refused(self) -> None:
        """Nothing is asked for ever: one login more, and then it is said."""
        login = (200, {"auth": {"client_token": "t"}})
        ask = Answers(login, (200, {"data": {"a": "b"}}), (403, {}), login, (403, {"errors": ["no"]}))
        ours = vault(ask, BY_ROLE)
        await ours.read("x")
        with self.assertRaises(SecretUnavailable):
            await ours.read("x")
        self.assertEqual(ask.answers, [])

    def test_shown(self) -> None:
        """Neither fields nor the lease's id are in what a log would show."""
        shown = repr(Leased({"password": Secret(b"s3cret")}, "database/creds/x/leaseid"))
        self.assertNotIn("s3cret", shown)
        self.assertNotIn("leaseid", shown)

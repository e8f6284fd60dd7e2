"""What is read of a vault, by the answers that one gives; a real one is in tests/live/test_vault.py."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred, fail, inlineCallbacks, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from hoopgw.auth.vault import MAX_FIELDS, Leased, Vault
from hoopgw.auth.vault_secrets import FIRST, LOOK_AGAIN, RETRY, VaultSecrets
from hoopgw.model.errors import IssuerUnavailable, SecretUnavailable
from hoopgw.model.events import Code
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


class Keeping(TestCase):
    """With a clock, and a vault whose answers are given here."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.kept = VaultSecrets(self.clock, self)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.kept.stop()))
        self.password = SecretReference("vault", "main/creds#password")

    def emit(self, code: Code, **fields: object) -> None:
        self.events.append((code.value, fields))

    def ready(self, *answers: Any) -> Answers:
        ask = Answers(*answers)
        ours = Vault(BY_TOKEN, ask, lambda reference: Secret(b"t"))
        ours._secret = lambda reference: succeed(Secret(b"t"))  # type: ignore[assignment,method-assign]  # no thread
        done = self.kept.configure({"main": ours}, [self.password])
        self.assertTrue(done.called)
        return ask

    def now(self) -> bytes:
        return self.kept.get(self.password).reveal()

    def test_a_rotation(self) -> None:
        """What has no lease is read again; a change is an event without the value; a failure keeps what there is."""
        values = [(200, {"data": {"password": "one"}}), (200, {"data": {"password": "two"}}), (503, {}), (503, {})]
        self.ready(*values, (200, {"data": {"password": "two"}}))
        self.assertEqual(self.now(), b"one")
        self.clock.advance(LOOK_AGAIN)
        self.assertEqual(self.now(), b"two")
        self.assertEqual(self.events, [("vault.changed", {"secret": "vault:main/creds"})])
        self.clock.advance(LOOK_AGAIN)
        self.clock.advance(RETRY)
        self.assertEqual(self.now(), b"two")
        self.assertEqual([code for code, _ in self.events], ["vault.changed", "vault.unavailable"])

    def test_a_lease(self) -> None:
        """Renewed at two thirds while that gives time; then new credentials are read."""
        first = {"data": {"password": "one"}, "lease_id": "l1", "lease_duration": 90, "renewable": True}
        second = {"data": {"password": "two"}, "lease_id": "l2", "lease_duration": 90, "renewable": True}
        ask = self.ready((200, first), (200, {"lease_duration": 90}), (200, {"lease_duration": 10}), (200, second))
        self.clock.advance(60)
        self.assertEqual((self.now(), ask.asked[-1][3]), (b"one", {"lease_id": "l1", "increment": 90}))
        self.clock.advance(60)
        self.assertEqual(self.now(), b"two")

    def test_leases_of_no_time(self) -> None:
        """A vault that gives none, or more than there is, is not asked without a pause, and looking goes on."""
        none = {"data": {"password": "one"}, "lease_id": "l", "lease_duration": 0, "renewable": True}
        ask = self.ready((200, none), (200, none), (200, none | {"lease_duration": 1e300}), (200, none))
        self.assertRaises(SecretUnavailable, self.now)  # it ended as it came
        self.assertEqual(len(ask.asked), 1)
        self.clock.advance(0.9)
        self.assertEqual(len(ask.asked), 1)
        self.clock.advance(0.2)
        self.clock.advance(1)
        self.assertEqual((len(ask.asked), self.now()), (3, b"one"))

    def test_a_lease_that_cannot_be_renewed(self) -> None:
        """It is used until it ends, and not a moment longer."""
        leased = {"data": {"password": "one"}, "lease_id": "l", "lease_duration": 90, "renewable": False}
        self.ready((200, leased), *[(503, {})] * 9)
        for _ in range(17):
            self.clock.advance(5)
        self.assertEqual(self.now(), b"one")
        self.clock.advance(5)
        self.assertRaises(SecretUnavailable, self.now)
        self.assertEqual([code for code, _ in self.events], ["vault.unavailable"])

    def test_a_start_without_the_vault(self) -> None:
        """It waits FIRST seconds at most; what is asked for before the first answer is unavailable, not waited for."""
        silent: Deferred[Any] = Deferred()
        ours = Vault(BY_TOKEN, Answers(silent, (200, {"data": {"password": "p"}})), lambda reference: Secret(b"t"))
        ours._secret = lambda reference: succeed(Secret(b"t"))  # type: ignore[assignment,method-assign]
        done = self.kept.configure({"main": ours}, [self.password])
        self.assertRaises(SecretUnavailable, self.now)
        self.assertFalse(done.called)
        self.clock.advance(FIRST)
        self.assertTrue(done.called)
        silent.errback(IssuerUnavailable("no answer"))
        self.clock.advance(RETRY)
        self.assertEqual(self.now(), b"p")

    @inlineCallbacks
    def test_what_is_not_named(self) -> Any:
        """A field that is not there, and a path that no reload names any more."""
        self.ready((200, {"data": {"password": "one"}}))
        self.assertRaises(SecretUnavailable, self.kept.get, SecretReference("vault", "main/creds#other"))
        yield self.kept.configure({}, [])
        self.assertRaises(SecretUnavailable, self.now)

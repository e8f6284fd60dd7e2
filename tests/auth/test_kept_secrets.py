"""What is kept of vaults: read before it is needed, again before it ends, and said where it is not to be had."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from hoopgw.auth.kept_secret import LOOK_AGAIN, RETRY
from hoopgw.auth.kept_secrets import FIRST, KeptSecrets
from hoopgw.auth.vault import Vault
from hoopgw.model.errors import IssuerUnavailable, SecretUnavailable
from hoopgw.model.events import Code
from hoopgw.model.secret import Secret
from hoopgw.model.target import SecretReference
from tests.auth.test_vault import BY_TOKEN, Answers


class Keeping(TestCase):
    """With a clock, and a vault whose answers are given here."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.kept = KeptSecrets(self.clock, self)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.kept.stop()))
        self.password = SecretReference("vault", "main/creds#password")

    def emit(self, code: Code, **fields: object) -> None:
        self.events.append((code.value, fields))

    def ready(self, *answers: Any) -> Answers:
        ask = Answers(*answers)
        ours = Vault(BY_TOKEN, ask, lambda reference: Secret(b"t"))
        ours._secret = lambda reference: succeed(Secret(b"t"))  # type: ignore[assignment,method-assign]  # no thread
        done = self.kept.configure([ours], [self.password])
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
        done = self.kept.configure([ours], [self.password])
        self.assertRaises(SecretUnavailable, self.now)
        self.assertFalse(done.called)
        self.clock.advance(FIRST)
        self.assertTrue(done.called)
        silent.errback(IssuerUnavailable("no answer"))
        self.clock.advance(RETRY)
        self.assertEqual(self.now(), b"p")

    def test_an_end_while_it_is_asked(self) -> None:
        """A look that is cut short is the last one: nothing is said of it, and nothing asked again."""
        silent: Deferred[Any] = Deferred(lambda asked: asked.errback(IssuerUnavailable("cancelled")))
        ask = Answers(silent)
        ours = Vault(BY_TOKEN, ask, lambda reference: Secret(b"t"))
        ours._secret = lambda reference: succeed(Secret(b"t"))  # type: ignore[assignment,method-assign]
        self.kept.configure([ours], [self.password])
        self.assertEqual(len(ask.asked), 1)
        self.kept.configure([ours], []).addErrback(self.fail)
        self.clock.advance(RETRY)
        self.assertEqual((len(ask.asked), self.events), (1, []))

    @inlineCallbacks
    def test_what_is_not_named(self) -> Any:
        """A field that is not there, and a path that no reload names any more."""
        self.ready((200, {"data": {"password": "one"}}))
        self.assertRaises(SecretUnavailable, self.kept.get, SecretReference("vault", "main/creds#other"))
        yield self.kept.configure([], [])
        self.assertRaises(SecretUnavailable, self.now)

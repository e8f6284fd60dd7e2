"""hoopgw.servers.certifying: who is certified, and what is told of it."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth.ssh_login_certificates import LoginAuthority
from hoopgw.auth.ssh_signatures import public_line
from hoopgw.model.errors import NotAllowed, OperatorError, TokenUnavailable
from hoopgw.model.events import Code
from hoopgw.model.identity import Identity
from hoopgw.relay.ssh_target_login import Signer
from hoopgw.servers.certifying import Certifying
from tests.auth.test_ssh_login_certificates import ANN, ED, NOW, SIGNER, blob_of
from tests.session.fakes import Emitted

LINE = public_line(blob_of(ED))


def gone(data: bytes) -> bytes:
    raise TokenUnavailable("token bastion, key login: DeviceRemoved")


class Certificates(SynchronousTestCase):
    def setUp(self) -> None:
        self.events, clock = Emitted(), Clock()
        clock.advance(NOW)
        self.certifying = Certifying(self.events, clock)
        self.use(SIGNER)

    def use(self, signer: Signer) -> None:
        self.certifying.authority = LoginAuthority(signer, 300, lambda size: b"n" * size)

    def asked(self, line: str = LINE, identity: Identity = ANN) -> Deferred[tuple[str, float]]:
        return Deferred.fromCoroutine(self.certifying.certificate(identity, line, "10.0.0.7"))

    def test_told(self) -> None:
        """The certificate, its end, and an event that says where it was asked for."""
        line, until = self.successResultOf(self.asked(LINE + " a comment"))
        self.assertTrue(line.startswith("ssh-ed25519-cert-v01@openssh.com "))
        self.assertEqual(until, NOW + 300)
        self.assertEqual(self.events.codes(), [Code.CERTIFICATE_ISSUED])
        self.assertEqual(self.events.events[0][1]["client"], "10.0.0.7")

    def test_no_key(self) -> None:
        """Words for whoever sent it; nothing was asked for, so there is no event."""
        for line in ("", "x", "ssh-ed25519 AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----"):
            self.failureResultOf(self.asked(line), ValueError)
        self.assertEqual(self.events.codes(), [])

    def test_not_for_anybody(self) -> None:
        """Who came by key or by a local token gets none, nor anybody where SSH is not listened for; each an event."""
        self.failureResultOf(self.asked(identity=replace(ANN, proof=("ssh-cert",))), NotAllowed)
        self.certifying.authority = None
        self.failureResultOf(self.asked(), NotAllowed)
        self.assertEqual(self.events.codes(), [Code.ADMIN_REFUSED] * 2)

    def test_authority_away(self) -> None:
        """Who asked reads that it cannot be done now; which token it is stands in the event alone."""
        self.use(Signer(SIGNER.algorithm, SIGNER.blob, gone))
        failure = self.failureResultOf(self.asked(), OperatorError)
        self.assertNotIn("bastion", failure.getErrorMessage())
        self.assertEqual(self.events.codes(), [Code.SIGNING_FAILED])
        self.assertIn("bastion", str(self.events.events[0][1]["reason"]))

"""hoopgw.servers.certifying: who is certified, and what is told of it."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth.ssh_login_certificates import LoginAuthority
from hoopgw.auth.ssh_signatures import public_line
from hoopgw.model.errors import NotAllowed
from hoopgw.model.events import Code
from hoopgw.servers.certifying import Certifying
from tests.auth.test_ssh_login_certificates import ANN, ED, NOW, SIGNER, blob_of
from tests.session.fakes import Emitted


class Certificates(SynchronousTestCase):
    def setUp(self) -> None:
        self.events, clock = Emitted(), Clock()
        clock.advance(NOW)
        self.certifying = Certifying(self.events, clock)
        self.certifying.authority = LoginAuthority(SIGNER, 300, lambda size: b"n" * size)

    def test_told(self) -> None:
        """The certificate, its end, and an event that says where it was asked for."""
        line, until = self.certifying.certificate(ANN, public_line(blob_of(ED)) + " a comment", "10.0.0.7")
        self.assertTrue(line.startswith("ssh-ed25519-cert-v01@openssh.com "))
        self.assertEqual(until, NOW + 300)
        self.assertEqual(self.events.codes(), [Code.CERTIFICATE_ISSUED])
        self.assertEqual(self.events.events[0][1]["client"], "10.0.0.7")

    def test_no_key(self) -> None:
        """Words for whoever sent it; nothing was asked for, so there is no event."""
        for line in ("", "x", "ssh-ed25519 AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----"):
            self.assertRaises(ValueError, self.certifying.certificate, ANN, line, "10.0.0.7")
        self.assertEqual(self.events.codes(), [])

    def test_not_for_anybody(self) -> None:
        """Who came by key or by a local token gets none, nor anybody where SSH is not listened for; each an event."""
        line = public_line(blob_of(ED))
        self.assertRaises(NotAllowed, self.certifying.certificate, replace(ANN, proof=("ssh-cert",)), line, "10.0.0.7")
        self.certifying.authority = None
        self.assertRaises(NotAllowed, self.certifying.certificate, ANN, line, "10.0.0.7")
        self.assertEqual(self.events.codes(), [Code.ADMIN_REFUSED] * 2)

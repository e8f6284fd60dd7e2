"""What clients are given against a token says what the token said, and nothing that it did not."""

from __future__ import annotations

import os
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth.ssh_keys import still_known
from hoopgw.auth.ssh_login_certificates import LoginAuthority
from hoopgw.auth.ssh_minting import target_certificate
from hoopgw.model.errors import NotAllowed
from hoopgw.model.identity import Actor, Identity
from hoopgw.model.settings import SshAuthority, SshSettings
from hoopgw.relay.ssh_target_login import Signer
from hoopgw.wire import sshkrl
from hoopgw.wire.sshmessages import string
from tests.auth.test_ssh_certificates import ED_CERTIFIED
from tests.auth.test_ssh_keys import ED, ISSUER, NOW, OTHER, Checking, blob_of, hardware_blob, listed, signed_by

SIGNER = Signer(b"ssh-ed25519", blob_of(OTHER), lambda data: signed_by(OTHER, b"ssh-ed25519", data))
ANN = Identity(
    "corp",
    ISSUER.issuer,
    "ann@example",
    frozenset(("dev", "ops")),
    NOW + 3600,
    (Actor("https://idp.example", "bot"),),
    {"env": "prod", "n": [1, {"x": None}]},
)


class Given(Checking):
    def setUp(self) -> None:
        super().setUp()
        self.authority = LoginAuthority(SIGNER, 300.0, os.urandom)
        self.use(SshSettings())

    def use(self, settings: SshSettings, blob: bytes = SIGNER.blob) -> None:
        self.checker.configure(settings, (ISSUER,), blob)

    def test_whole(self) -> None:
        """Subject, groups, actors, claims and end come back; the way in is named."""
        issued = self.authority.certify(ANN, blob_of(ED), NOW)
        found = self.login(issued.blob, ED, ED_CERTIFIED)
        self.assertEqual(replace(found, proof=(), shown=b""), ANN)
        self.assertEqual((found.claims, found.proof[0], issued.until), (ANN.claims, "ssh-cert", NOW + 300))
        self.assertTrue(still_known(SshSettings(), found))
        krl = sshkrl.read(b"serial: %d" % issued.serial, (SIGNER.blob,))
        revoking = SshSettings(authorities=(SshAuthority("x", "corp", (), lists=(listed(krl),)),))
        self.assertFalse(still_known(revoking, found))
        self.use(revoking)
        self.assertFalse(self.knows(ED_CERTIFIED, issued.blob, "192.0.2.1"))

    def test_end(self) -> None:
        """It is good for logins for its minutes, and never past its token."""
        issued = self.authority.certify(replace(ANN, expires=NOW + 60), blob_of(ED), NOW)
        self.assertEqual(issued.until, NOW + 60)
        self.clock.advance(59)
        self.assertTrue(self.knows(ED_CERTIFIED, issued.blob, "192.0.2.1"))
        self.clock.advance(1)
        self.assertFalse(self.knows(ED_CERTIFIED, issued.blob, "192.0.2.1"))

    def test_other_authorities(self) -> None:
        """Of another gateway's authority, or none; and one towards a target lets nobody in here."""
        issued = self.authority.certify(ANN, blob_of(ED), NOW)
        for blob in (b"", blob_of(ED)):
            self.use(SshSettings(), blob)
            self.assertFalse(self.knows(ED_CERTIFIED, issued.blob, "192.0.2.1"))
        self.use(SshSettings())
        towards = target_certificate(SIGNER, blob_of(ED), "deploy", ANN, "s_x", NOW, os.urandom)
        self.assertFalse(self.knows(ED_CERTIFIED, towards, "192.0.2.1"))

    def test_claimed(self) -> None:
        """An authority of the configuration says who somebody is by key id and principals, never by the extension."""
        issued = self.authority.certify(ANN, blob_of(ED), NOW)
        self.use(SshSettings(authorities=(SshAuthority("users", "corp", (SIGNER.blob,)),)), b"")
        found = self.login(issued.blob, ED, ED_CERTIFIED)
        self.assertEqual((found.groups, found.claims), (frozenset(("ann@example",)), {}))

    def test_gone_issuer(self) -> None:
        """Whose issuer is configured no more is nobody."""
        issued = self.authority.certify(replace(ANN, provider="gone"), blob_of(ED), NOW)
        self.assertFalse(self.knows(ED_CERTIFIED, issued.blob, "192.0.2.1"))


class Refused(SynchronousTestCase):
    def test_refused(self) -> None:
        """must-survive 27: against a token only: not by a key, not for the gateway's own accounts; no weak key, no
        certificate, no junk is certified, and nothing that would not fit."""
        authority, small = LoginAuthority(SIGNER, 300.0, os.urandom), rsa.generate_private_key(65537, 1024)
        certificate = authority.certify(ANN, blob_of(ED), NOW).blob
        self.assertTrue(authority.certify(ANN, hardware_blob(ED), NOW).blob)
        for identity, key in (
            (replace(ANN, proof=("ssh-cert",)), blob_of(ED)),
            (replace(ANN, provider="local"), blob_of(ED)),
            (ANN, blob_of(small)),
            (ANN, certificate),
            (ANN, b"junk"),
            (ANN, string(b"ssh-ed25519") + string(b"x" * 31)),
            (replace(ANN, claims={"much": "x" * 30_000}), blob_of(ED)),
        ):
            self.assertRaises(NotAllowed, authority.certify, identity, key, NOW)

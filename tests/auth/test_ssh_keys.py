"""Logins by SSH key and certificate, signed by OpenSSH's own ssh-keygen where a certificate is needed."""

from __future__ import annotations

import struct
from base64 import b64decode
from dataclasses import replace
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth.credentials import SshSignature
from hoopgw.auth.revocation_files import state
from hoopgw.auth.revocation_lists import RevocationLists
from hoopgw.auth.ssh_keys import SshKeyChecker, fingerprint, still_known
from hoopgw.auth.ssh_signatures import verify
from hoopgw.model.errors import LoginRefused
from hoopgw.model.identity import Identity
from hoopgw.model.revocation import RevocationList, Revocations
from hoopgw.model.settings import OidcSettings, SshAuthority, SshKey, SshSettings
from hoopgw.wire.sshmessages import string
from tests.session.fakes import Emitted

ISSUER = OidcSettings("corp", "https://idp.example", "hoopgw")
SIGNED = b"the login"
NOW = 1_000_000_000.0


def blob_of(key: Any) -> bytes:
    line: bytes = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return b64decode(line.split()[1])


def signed_by(key: Any, algorithm: bytes, data: bytes = SIGNED) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return string(algorithm) + string(key.sign(data))
    if isinstance(key, rsa.RSAPrivateKey):
        used: hashes.HashAlgorithm = {b"512": hashes.SHA512(), b"256": hashes.SHA256()}.get(
            algorithm[-3:], hashes.SHA1()
        )
        return string(algorithm) + string(key.sign(data, padding.PKCS1v15(), used))
    pair = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    numbers = [number.to_bytes(33, "big").lstrip(b"\0") for number in pair]
    return string(algorithm) + string(b"".join(string(b"\0" + each if each[0] & 128 else each) for each in numbers))


ED = ed25519.Ed25519PrivateKey.generate()
OTHER = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


def digest_of(key: Any) -> bytes:
    return sha256(blob_of(key)).digest()


SK_ED, SK_EC = b"sk-ssh-ed25519@openssh.com", b"sk-ecdsa-sha2-nistp256@openssh.com"


def hardware_blob(key: Any, application: bytes = b"ssh:") -> bytes:
    """The public key of a security key whose private half is `key` (PROTOCOL.u2f)."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return string(SK_ED) + string(key.public_key().public_bytes_raw()) + string(application)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return string(SK_EC) + string(b"nistp256") + string(point) + string(application)


def signed_by_hardware(key: Any, flags: int, data: bytes = SIGNED, application: bytes = b"ssh:") -> bytes:
    """As a security key does that was touched (1) and knew by whom (4)."""
    tail = struct.pack(">BI", flags, 7)
    plain = signed_by(key, b"", sha256(application).digest() + tail + sha256(data).digest())
    kind = SK_ED if isinstance(key, ed25519.Ed25519PrivateKey) else SK_EC
    return string(kind) + plain[4:] + tail


class Signatures(SynchronousTestCase):
    def test_good(self) -> None:
        """Ed25519, ECDSA and RSA with SHA-2 verify (nothing is raised), and only what was signed."""
        for key, algorithm in (
            (ED, b"ssh-ed25519"),
            (EC, b"ecdsa-sha2-nistp256"),
            (RSA, b"rsa-sha2-256"),
            (RSA, b"rsa-sha2-512"),
        ):
            signature = signed_by(key, algorithm)
            verify(algorithm, blob_of(key), SIGNED, signature)
            self.assertRaises(LoginRefused, verify, algorithm, blob_of(key), SIGNED + b"x", signature)

    def test_bad(self) -> None:
        """must-survive 27: another login, another key, another algorithm than named, SHA-1, a small RSA key, junk."""
        small = rsa.generate_private_key(65537, 1024)  # the very key that must be refused
        good = signed_by(ED, b"ssh-ed25519")
        for algorithm, key, signature in (
            (b"ssh-ed25519", ED, signed_by(ED, b"ssh-ed25519", b"another login")),
            (b"ssh-ed25519", OTHER, good),
            (b"ssh-ed25519", RSA, signed_by(RSA, b"rsa-sha2-256")),
            (b"rsa-sha2-256", RSA, signed_by(RSA, b"rsa-sha2-512")),
            (b"ssh-rsa", RSA, signed_by(RSA, b"ssh-rsa")),
            (b"rsa-sha2-256", small, signed_by(small, b"rsa-sha2-256")),
            (b"ssh-dss", ED, good),
            (b"ssh-ed25519", ED, good + b"x"),
            (b"ssh-ed25519", ED, good[:-1]),
            (b"ssh-ed25519", ED, b""),
        ):
            self.assertRaises(LoginRefused, verify, algorithm, blob_of(key), SIGNED, signature)

    def test_hardware(self) -> None:
        """A security key signs the application, its flags and counter with the login; nobody touched it, or it did not
        know who did where that is asked for: refused."""
        for key, kind in ((ED, SK_ED), (EC, SK_EC)):
            blob = hardware_blob(key)
            for flags, good, verified in ((1, True, False), (5, True, True), (0, False, False), (4, False, False)):
                signature = signed_by_hardware(key, flags)
                for asked, fine in ((False, good), (True, verified)):
                    if fine:
                        verify(kind, blob, SIGNED, signature, asked)
                    else:
                        self.assertRaises(LoginRefused, verify, kind, blob, SIGNED, signature, asked)
            good_one = signed_by_hardware(key, 5)
            changed = good_one[:-5] + b"\1" + good_one[-4:]  # other flags than were signed
            for wrong in (
                changed,
                good_one[:-1],
                good_one + b"x",
                signed_by_hardware(key, 5, application=b"ssh:other"),
            ):
                self.assertRaises(LoginRefused, verify, kind, blob, SIGNED, wrong)
            self.assertRaises(LoginRefused, verify, kind, blob, b"other", good_one)


def listed(revocations: Revocations) -> RevocationList:
    """As if it were read from a file that never changes."""
    return RevocationList(__file__, revocations, state(__file__))


class Checking(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.checker = SshKeyChecker(self.clock, RevocationLists(Emitted(), lambda settings: None, lambda: NOW))
        mapped = SshKey("bot", "corp", "bot@example", frozenset(("agents",)), (blob_of(ED),), 3600.0)
        self.settings = SshSettings(keys=(mapped,))
        self.checker.configure(self.settings, (ISSUER,))

    def login(self, blob: bytes, key: Any, algorithm: bytes = b"ssh-ed25519", address: str = "192.0.2.1") -> Identity:
        plain = algorithm.removesuffix(b"-cert-v01@openssh.com")
        return self.shown(algorithm, blob, signed_by(key, plain), address)

    def knows(self, algorithm: bytes, blob: bytes, address: str) -> bool:
        return self.checker.refusal(algorithm, blob, address) is None

    def shown(self, algorithm: bytes, blob: bytes, signature: bytes, address: str = "192.0.2.1") -> Identity:
        given = SshSignature(algorithm, blob, SIGNED, signature, address)
        return self.successResultOf(self.checker.requestAvatarId(given))


class Keys(Checking):
    def test_mapped(self) -> None:
        """A configured key is its issuer's identity, for a while; it says by which key, and is gone with the key."""
        found = self.login(blob_of(ED), ED)
        self.assertEqual((found.issuer, found.subject, found.groups), (ISSUER.issuer, "bot@example", {"agents"}))
        self.assertEqual(found.expires, NOW + 3600)
        self.assertEqual(found.proof, ("ssh_key.bot", fingerprint(blob_of(ED))))
        self.assertTrue(still_known(self.settings, found))
        other = replace(self.settings.keys[0], keys=(blob_of(OTHER),))
        for changed in (SshSettings(), SshSettings(keys=(other,))):
            self.assertFalse(still_known(changed, found))

    def test_revoked(self) -> None:
        """must-survive 29: what any list of revoked keys has is no way in, and no session goes on by it."""
        found = self.login(blob_of(ED), ED)
        for krl in (Revocations(keys=frozenset((blob_of(ED),))), Revocations(sha256=frozenset((digest_of(ED),)))):
            settings = replace(self.settings, authorities=(SshAuthority("a", "corp", (), lists=(listed(krl),)),))
            self.checker.configure(self.settings, (ISSUER,))
            self.assertIsNone(self.checker.takes_back(found))
            self.checker.configure(settings, (ISSUER,))
            self.assertIsInstance(self.checker.takes_back(found), LoginRefused)
            self.assertIsNone(self.checker.takes_back(replace(found, proof=())))  # by a token
            self.assertFalse(self.knows(b"ssh-ed25519", blob_of(ED), "192.0.2.1"))
            self.assertFalse(still_known(settings, found))

    def test_unknown(self) -> None:
        """must-survive 27: an unknown key is nobody's; a known one that did not sign lets nobody in."""
        self.assertFalse(self.knows(b"ssh-ed25519", blob_of(OTHER), "192.0.2.1"))
        self.assertTrue(self.knows(b"ssh-ed25519", blob_of(ED), "192.0.2.1"))
        for blob, key in ((blob_of(OTHER), OTHER), (blob_of(ED), OTHER)):
            given = SshSignature(b"ssh-ed25519", blob, SIGNED, signed_by(key, b"ssh-ed25519"), "192.0.2.1")
            self.failureResultOf(self.checker.requestAvatarId(given), LoginRefused)

"""Logins by SSH key and certificate, signed by OpenSSH's own ssh-keygen where a certificate is needed."""

from __future__ import annotations

import struct
import subprocess
from base64 import b64decode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth.credentials import SshSignature
from hoopgw.auth.ssh_keys import SshKeyChecker, fingerprint, still_known, verify
from hoopgw.cli.demo.programs import Programs
from hoopgw.model.errors import LoginRefused
from hoopgw.model.identity import Identity
from hoopgw.model.settings import OidcSettings, SshAuthority, SshKey, SshSettings
from hoopgw.wire.sshmessages import string
from tests.programs import environment

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


class Signatures(SynchronousTestCase):
    def test_good(self) -> None:
        """Ed25519, ECDSA, RSA with SHA-2."""
        for key, algorithm in (
            (ED, b"ssh-ed25519"),
            (EC, b"ecdsa-sha2-nistp256"),
            (RSA, b"rsa-sha2-256"),
            (RSA, b"rsa-sha2-512"),
        ):
            verify(algorithm, blob_of(key), SIGNED, signed_by(key, algorithm))

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
        """A security key signs the application, its flags and counter with the login; nobody touched it: refused."""
        kind, application = b"sk-ssh-ed25519@openssh.com", b"ssh:"
        raw = ED.public_key().public_bytes_raw()
        blob = string(kind) + string(raw) + string(application)
        for flags, good in ((1, True), (5, True), (0, False), (4, False)):
            tail = struct.pack(">BI", flags, 7)
            value = ED.sign(sha256(application).digest() + tail + sha256(SIGNED).digest())
            signature = string(kind) + string(value) + tail
            if good:
                verify(kind, blob, SIGNED, signature)
            else:
                self.assertRaises(LoginRefused, verify, kind, blob, SIGNED, signature)
        self.assertRaises(LoginRefused, verify, kind, blob, b"other", signature)


class Checking(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.checker = SshKeyChecker(self.clock)
        mapped = SshKey("bot", "corp", "bot@example", frozenset(("agents",)), (blob_of(ED),), 3600.0)
        self.settings = SshSettings(keys=(mapped,))
        self.checker.configure(self.settings, (ISSUER,))

    def login(self, blob: bytes, key: Any, algorithm: bytes = b"ssh-ed25519", address: str = "192.0.2.1") -> Identity:
        plain = algorithm.removesuffix(b"-cert-v01@openssh.com")
        given = SshSignature(algorithm, blob, SIGNED, signed_by(key, plain), address)
        return self.successResultOf(self.checker.requestAvatarId(given))


class Keys(Checking):
    def test_mapped(self) -> None:
        """A configured key is its issuer's identity, for a while; it says by which key, and is gone with the key."""
        found = self.login(blob_of(ED), ED)
        self.assertEqual((found.issuer, found.subject, found.groups), (ISSUER.issuer, "bot@example", {"agents"}))
        self.assertEqual(found.expires, NOW + 3600)
        self.assertEqual(found.proof, ("ssh_key.bot", fingerprint(blob_of(ED))))
        self.assertTrue(still_known(self.settings, found.proof))
        other = replace(self.settings.keys[0], keys=(blob_of(OTHER),))
        for changed in (SshSettings(), SshSettings(keys=(other,))):
            self.assertFalse(still_known(changed, found.proof))

    def test_unknown(self) -> None:
        """must-survive 27: an unknown key is nobody's; a known one that did not sign lets nobody in."""
        self.assertFalse(self.checker.knows(b"ssh-ed25519", blob_of(OTHER), "192.0.2.1"))
        self.assertTrue(self.checker.knows(b"ssh-ed25519", blob_of(ED), "192.0.2.1"))
        for blob, key in ((blob_of(OTHER), OTHER), (blob_of(ED), OTHER)):
            given = SshSignature(b"ssh-ed25519", blob, SIGNED, signed_by(key, b"ssh-ed25519"), "192.0.2.1")
            self.failureResultOf(self.checker.requestAvatarId(given), LoginRefused)


class Certificates(Checking):
    CERTIFIED = b"ssh-ed25519-cert-v01@openssh.com"

    def setUp(self) -> None:
        super().setUp()
        self.place = Path(self.mktemp())
        self.place.mkdir()
        for name in ("ca", "other", "user"):
            self.keygen("-t", "ed25519", "-N", "", "-C", "", "-f", str(self.place / name))
        (self.place / "rsa").write_bytes(
            RSA.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        )
        (self.place / "rsa").chmod(0o600)
        (self.place / "rsa.pub").write_bytes(RSA.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
        self.user = load_ssh_private_key((self.place / "user").read_bytes(), None)
        self.authority = SshAuthority("users", "corp", (self.blob("ca"), self.blob("rsa")), (), 7200.0)
        self.use(self.authority)

    def use(self, *authorities: SshAuthority) -> None:
        self.checker.configure(SshSettings(authorities=authorities), (ISSUER,))

    def keygen(self, *words: str) -> None:
        programs = Programs.find("ssh-keygen")
        command = [str(programs["ssh-keygen"]), "-q", *words]
        subprocess.run(command, env=environment(programs), check=True, stdin=subprocess.DEVNULL)

    def blob(self, name: str) -> bytes:
        return b64decode((self.place / f"{name}.pub").read_bytes().split()[1])

    def certificate(
        self,
        *options: str,
        ca: str = "ca",
        validity: str = "20010908:20010910",
        principals: tuple[str, ...] = ("-n", "agents,dev"),
    ) -> bytes:
        """Of `user`; NOW is the 9th of September 2001."""
        signing = ["-s", str(self.place / ca), "-I", "ann@example", "-V", validity]
        self.keygen(*signing, *principals, *options, str(self.place / "user.pub"))
        return self.blob("user-cert")

    def test_good(self) -> None:
        """Key id and principals are subject and groups; it ends with the certificate, or with the session's length."""
        found = self.login(self.certificate(), self.user, self.CERTIFIED)
        self.assertEqual((found.subject, found.groups, found.provider), ("ann@example", {"agents", "dev"}, "corp"))
        self.assertEqual(found.expires, NOW + 7200)
        self.login(self.certificate("-t", "rsa-sha2-512", ca="rsa"), self.user, self.CERTIFIED)
        self.assertTrue(still_known(SshSettings(authorities=(self.authority,)), found.proof))
        void = replace(self.authority, revoked=(self.blob("ca"),))
        self.assertFalse(still_known(SshSettings(authorities=(void,)), found.proof))

    def test_refused(self) -> None:
        """must-survive 28: another authority, SHA-1, past, future, no principals, a host's, a forced command, an
        unknown option, another source, an altered one."""
        altered = bytearray(self.certificate())
        altered[altered.index(b"ann@example")] ^= 1
        for certificate in (
            self.certificate(ca="other"),
            self.certificate("-t", "ssh-rsa", ca="rsa"),
            self.certificate(validity="20010901:20010902"),
            self.certificate(validity="20020101:20020102"),
            self.certificate(principals=()),
            self.certificate("-h"),
            self.certificate("-O", "force-command=id"),
            self.certificate("-O", "critical:x@example.com=1"),
            self.certificate("-O", "source-address=198.51.100.0/24"),
            bytes(altered),
        ):
            self.assertFalse(self.checker.knows(self.CERTIFIED, certificate, "192.0.2.1"))
            given = SshSignature(self.CERTIFIED, certificate, SIGNED, signed_by(self.user, b"ssh-ed25519"), "192.0.2.1")
            self.failureResultOf(self.checker.requestAvatarId(given), LoginRefused)

    def test_source(self) -> None:
        """must-survive 28: a certificate for some networks is good from there."""
        certificate = self.certificate("-O", "source-address=192.0.2.0/24,2001:db8::/32")
        for address, good in (("192.0.2.7", True), ("2001:db8::1", True), ("192.0.3.1", False), ("local", False)):
            self.assertEqual(self.checker.knows(self.CERTIFIED, certificate, address), good, address)

    def test_revoked(self) -> None:
        """must-survive 29: a revoked key makes it void, whether it is the certified one or its authority's, and
        whichever authority names it."""
        certificate = self.certificate()
        for blob in (self.blob("ca"), self.blob("user")):
            self.use(self.authority, SshAuthority("b", "corp", (), (blob,)))
            self.assertFalse(self.checker.knows(self.CERTIFIED, certificate, "192.0.2.1"))

    def test_other_signer(self) -> None:
        """must-survive 27: a certificate that somebody else's key signed with is nobody's."""
        given = SshSignature(self.CERTIFIED, self.certificate(), SIGNED, signed_by(OTHER, b"ssh-ed25519"), "192.0.2.1")
        self.failureResultOf(self.checker.requestAvatarId(given), LoginRefused)

    def test_junk(self) -> None:
        """must-survive 25: every cut of a certificate, and each byte changed, is refused and nothing else."""
        certificate = self.certificate()
        for at in range(len(certificate)):
            for wrong in (
                certificate[:at],
                certificate[:at] + bytes((certificate[at] ^ 0x55,)) + certificate[at + 1 :],
            ):
                self.assertFalse(self.checker.knows(self.CERTIFIED, wrong, "192.0.2.1"), at)

"""Logins by certificates that OpenSSH's own ssh-keygen signed: bounds, ends, and lists of what is revoked."""

from __future__ import annotations

import subprocess
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from hoopgw.auth.credentials import SshSignature
from hoopgw.auth.ssh_keys import still_known
from hoopgw.cli.demo.programs import Programs
from hoopgw.model.errors import LoginRefused
from hoopgw.model.settings import SshAuthority, SshSettings
from hoopgw.wire import sshcertificates, sshkrl
from hoopgw.wire.sshcertificates import SUFFIX
from hoopgw.wire.sshmessages import read_string, string
from tests.auth.test_ssh_keys import (
    EC,
    ED,
    ISSUER,
    NOW,
    OTHER,
    RSA,
    SIGNED,
    Checking,
    blob_of,
    hardware_blob,
    listed,
    signed_by,
    signed_by_hardware,
)
from tests.programs import environment

ED_CERTIFIED = b"ssh-ed25519" + SUFFIX


class Certificates(Checking):
    CERTIFIED = ED_CERTIFIED

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

    def certified(self, public: bytes, *options: str) -> bytes:
        """A certificate of that key."""
        kind = read_string(public, 0)[0]
        (self.place / "user.pub").write_bytes(kind + b" " + b64encode(public) + b"\n")
        return self.certificate(*options)

    def test_kinds(self) -> None:
        """Ed25519, ECDSA, RSA with SHA-2, and both kinds of security keys, certified; each by its own algorithm."""
        for key, algorithm in (
            (ED, b"ssh-ed25519"),
            (EC, b"ecdsa-sha2-nistp256"),
            (RSA, b"rsa-sha2-256"),
            (RSA, b"rsa-sha2-512"),
        ):
            found = self.login(self.certified(blob_of(key)), key, algorithm + SUFFIX)
            self.assertEqual(found.subject, "ann@example")
        given = SshSignature(b"ssh-rsa" + SUFFIX, self.certified(blob_of(RSA)), SIGNED, signed_by(RSA, b"ssh-rsa"), "")
        self.failureResultOf(self.checker.requestAvatarId(given), LoginRefused)
        for key in (ED, EC):
            blob = hardware_blob(key)
            algorithm = sshcertificates.certified_name(read_string(blob, 0)[0])
            self.shown(algorithm, self.certified(blob), signed_by_hardware(key, 1))
            certificate = self.certified(blob, "-O", "verify-required")
            self.shown(algorithm, certificate, signed_by_hardware(key, 5))
            for flags in (0, 1, 4):
                given = SshSignature(algorithm, certificate, SIGNED, signed_by_hardware(key, flags), "192.0.2.1")
                self.failureResultOf(self.checker.requestAvatarId(given), LoginRefused)

    def test_authorities(self) -> None:
        """An authority's own key may be of any kind; a security key that signs must have been touched."""
        for key in (EC, RSA):
            self.authorize(blob_of(key))
            self.login(self.by_hand(blob_of(key), lambda data, key=key: self.strongest(key, data)), ED, ED_CERTIFIED)
        for flags, good in ((1, True), (0, False)):
            self.authorize(hardware_blob(ED))
            certificate = self.by_hand(hardware_blob(ED), lambda data, flags=flags: signed_by_hardware(ED, flags, data))
            self.assertEqual(self.knows(ED_CERTIFIED, certificate, "192.0.2.1"), good)

    def authorize(self, blob: bytes) -> None:
        self.use(SshAuthority("users", "corp", (blob,)))

    def strongest(self, key: Any, data: bytes) -> bytes:
        return signed_by(key, b"rsa-sha2-512" if key is RSA else b"ecdsa-sha2-nistp256", data)

    def by_hand(self, authority: bytes, sign: Callable[[bytes], bytes]) -> bytes:
        times = int(NOW) - 10, int(NOW) + 10
        names, permits = [b"dev"], {b"permit-pty": b""}
        given = sshcertificates.Certificate(
            blob_of(ED), 7, sshcertificates.USER, b"ann@example", names, *times, {}, permits, authority, b"", b""
        )
        signed = sshcertificates.unsigned(given, b"n" * 32)
        return signed + string(sign(signed))

    def test_by_hand(self) -> None:
        """What is made here is what ssh-keygen reads: key, number, names, times, extensions."""
        certificate = self.by_hand(blob_of(OTHER), lambda data: signed_by(OTHER, b"ssh-ed25519", data))
        (self.place / "made-cert.pub").write_bytes(ED_CERTIFIED + b" " + b64encode(certificate) + b"\n")
        programs = Programs.find("ssh-keygen")
        told = subprocess.run(
            [str(programs["ssh-keygen"]), "-L", "-f", str(self.place / "made-cert.pub")],
            env=environment(programs) | {"TZ": "UTC"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for words in (
            'Key ID: "ann@example"',
            "Serial: 7",
            "2001-09-09T01:46:30 to 2001-09-09T01:46:50",
            "dev",
            "permit-pty",
        ):
            self.assertIn(words, told)
        found = sshcertificates.read(certificate)
        self.assertEqual(
            (found.key, found.authority, found.extensions), (blob_of(ED), blob_of(OTHER), {b"permit-pty": b""})
        )

    def test_bounds(self) -> None:
        """must-survive 28: a forced command, and what is permitted, come with the identity; nothing is nothing."""
        found = self.login(self.certificate("-O", "clear", "-O", "force-command=uptime -p"), self.user, self.CERTIFIED)
        assert found.bounds is not None
        self.assertEqual((found.bounds.command, found.bounds.permits), (b"uptime -p", frozenset()))
        self.assertEqual(found.described()["bounds"], {"command": "uptime -p", "permits": []})
        found = self.login(self.certificate(), self.user, self.CERTIFIED)
        assert found.bounds is not None
        self.assertEqual((found.bounds.command, len(found.bounds.permits)), (None, 5))

    def krl(self, *words: str, text: str = "") -> None:
        """The authority's list: made by ssh-keygen of `text` or of files, read as it is."""
        if text:
            (self.place / "spec").write_text(text)
            words = (*words, str(self.place / "spec"))
        self.keygen("-k", "-f", str(self.place / "krl"), "-s", str(self.place / "ca.pub"), *words)
        self.listed((self.place / "krl").read_bytes())

    def listed(self, data: bytes) -> None:
        keys = self.authority.keys
        self.use(replace(self.authority, lists=(listed(sshkrl.read(data, keys)),)))

    def known(self, certificate: bytes) -> bool:
        return self.knows(self.CERTIFIED, certificate, "192.0.2.1")

    def test_krl(self) -> None:
        """must-survive 29: by number (list, range, bitmap), name, key, and digest; binary as ssh-keygen makes it, and
        the text that it made it of.  What is not listed is good."""
        certificate = self.certificate("-z", "4711")
        user, ca = (self.place / "user.pub").read_text().strip(), (self.place / "ca.pub").read_text().strip()
        bitmap = "".join(f"serial: {number}\n" for number in range(4700, 4760, 2))
        for text, good in (
            ("serial: 4711", False),
            ("serial: 4710", True),
            ("serial: 1-5000", False),
            ("serial: 1-4710\nserial: 4712-9999", True),
            (bitmap, True),
            (bitmap + "serial: 4711", False),
            ("id: ann@example", False),
            ("id: bob@example", True),
            (f"key: {user}", False),
            (f"sha1: {user}", False),
            (f"sha256: {user}", False),
            (f"sha256: {ca}", False),
            ((self.place / "user-cert.pub").read_text(), False),
            ((self.place / "other.pub").read_text(), True),
        ):
            self.krl(text=text)
            self.assertEqual(self.known(certificate), good, text)
            self.listed(text.encode())
            self.assertEqual(self.known(certificate), good, f"text: {text}")

    def test_krl_of_another(self) -> None:
        """A number is its authority's: of another one it says nothing; a list without one is about all."""
        certificate = self.certificate("-z", "7")
        self.keygen("-k", "-f", str(self.place / "krl"), "-s", str(self.place / "other.pub"), self.spec("serial: 7"))
        self.listed((self.place / "krl").read_bytes())
        self.assertTrue(self.known(certificate))
        data = (self.place / "krl").read_bytes()
        named = string(self.blob("other"))
        at = data.index(named)
        size = int.from_bytes(data[at - 4 : at], "big") - len(named) + 4
        anybody = data[: at - 4] + size.to_bytes(4, "big") + string(b"") + data[at + len(named) :]
        self.listed(anybody)
        self.assertFalse(self.known(certificate))

    def spec(self, text: str) -> str:
        (self.place / "spec").write_text(text + "\n")
        return str(self.place / "spec")

    def test_krl_ends_sessions(self) -> None:
        """must-survive 29: a list that comes with a reload ends what it is about."""
        found = self.login(self.certificate("-z", "7"), self.user, self.CERTIFIED)
        for text, good in (("serial: 8", True), ("serial: 7", False)):
            krl = sshkrl.read(text.encode(), self.authority.keys)
            self.assertEqual(
                still_known(SshSettings(authorities=(replace(self.authority, lists=(listed(krl),)),)), found), good
            )

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
        self.assertTrue(still_known(SshSettings(authorities=(self.authority,)), found))
        void = replace(self.authority, revoked=(self.blob("ca"),))
        self.assertFalse(still_known(SshSettings(authorities=(void,)), found))

    def test_refused(self) -> None:
        """must-survive 28: another authority, SHA-1, past, future, no principals, a host's, an empty forced command, an
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
            self.certificate("-O", "critical:force-command"),
            self.certificate("-O", "critical:x@example.com=1"),
            self.certificate("-O", "source-address=198.51.100.0/24"),
            bytes(altered),
        ):
            self.assertFalse(self.knows(self.CERTIFIED, certificate, "192.0.2.1"))
            given = SshSignature(self.CERTIFIED, certificate, SIGNED, signed_by(self.user, b"ssh-ed25519"), "192.0.2.1")
            self.failureResultOf(self.checker.requestAvatarId(given), LoginRefused)

    def test_source(self) -> None:
        """must-survive 28: a certificate for some networks is good from there."""
        certificate = self.certificate("-O", "source-address=192.0.2.0/24,2001:db8::/32")
        for address in ("192.0.2.7", "2001:db8::1", "::ffff:192.0.2.7", "2001:db8::1%eth0"):
            self.assertTrue(self.knows(self.CERTIFIED, certificate, address), address)
        for address in ("192.0.3.1", "local", "::ffff:192.0.3.1"):
            self.assertFalse(self.knows(self.CERTIFIED, certificate, address), address)

    def test_revoked(self) -> None:
        """must-survive 29: a revoked key makes it void, whether it is the certified one or its authority's, and
        whichever authority names it."""
        certificate = self.certificate()
        for blob in (self.blob("ca"), self.blob("user")):
            self.use(self.authority, SshAuthority("b", "corp", (), (blob,)))
            self.assertFalse(self.knows(self.CERTIFIED, certificate, "192.0.2.1"))

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
                self.assertFalse(self.knows(self.CERTIFIED, wrong, "192.0.2.1"), at)

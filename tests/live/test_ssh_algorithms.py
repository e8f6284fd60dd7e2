"""What an auditor and clients of few algorithms find: ssh-audit, and OpenSSH's client that is told what to offer."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, ClassVar

from hoopgw.cli.demo.stage import Options
from tests.live.ssh_clients import TIMEOUT, SshCase

CHACHA = ("Ciphers=chacha20-poly1305@openssh.com",)
CTR = ("Ciphers=aes128-ctr,aes192-ctr,aes256-ctr", "MACs=hmac-sha2-512-etm@openssh.com")
NIST = ("KexAlgorithms=ecdh-sha2-nistp384", *CTR)
WEAK = ("Ciphers=aes128-cbc", "MACs=hmac-sha1"), ("KexAlgorithms=diffie-hellman-group14-sha256",)


class Algorithms(SshCase):
    options: ClassVar[Options] = Options()

    def setting(self, line: str) -> None:
        self.reconfigured(("[ssh]\n", f"[ssh]\n{line}\n"))

    def audit(self) -> tuple[list[str], list[str]]:
        """(failures, warnings) of all algorithms, each with the algorithm that it is about."""
        words = [sys.executable, "-m", "ssh_audit", "--json", "--skip-rate-test", f"127.0.0.1:{self.stage.ssh_port}"]
        done = subprocess.run(words, capture_output=True, timeout=TIMEOUT, check=False, env=self.env())
        found: dict[str, Any] = json.loads(done.stdout)
        told = [each for kind in ("kex", "key", "enc", "mac") for each in found[kind]]
        self.assertGreater(len(told), 6)
        self.assertEqual(found["cves"], [])
        fails, warns = (
            [f"{each['algorithm']}: {words}" for each in told for words in each["notes"].get(level, [])]
            for level in ("fail", "warn")
        )
        return fails, warns

    def test_audit(self) -> None:
        """No failure, and no warning but that curve25519 is not post-quantum; `pq-only` has none.  Then who has no such
        exchange is refused, and the event says why."""
        fails, warns = self.audit()
        self.assertEqual(fails, [])
        self.assertEqual({each.partition(":")[0].partition("@")[0] for each in warns}, {"curve25519-sha256"})
        self.assertTrue(all("post-quantum" in each for each in warns), warns)
        self.setting('kex = "pq-only"')
        self.assertEqual(self.audit(), ([], []))
        self.assertEqual(self.ssh("true", options=("KexAlgorithms=curve25519-sha256",)).returncode, 255)
        self.told("protocol.violated", "no key exchange in common")

    def test_chacha(self) -> None:
        """A client of ChaCha20-Poly1305 alone, with new keys in between."""
        data = b"0123456789abcdef" * 65536
        done = self.ssh("cat", input=data, options=(*CHACHA, "RekeyLimit=100K"))
        self.assertEqual((done.returncode, done.stdout == data), (0, True), done.stderr)

    def test_compatibility(self) -> None:
        """AES-CTR and NIST curves only behind the switch; CBC, SHA-1 and finite fields never."""
        for options in (CTR, NIST, *WEAK):
            self.assertEqual(self.ssh("true", options=options).returncode, 255, options)
            self.forgiven()
        self.setting("compatibility = true")
        data = b"0123456789abcdef" * 65536
        for options in (CTR, NIST):
            done = self.ssh("cat", input=data, options=(*options, "RekeyLimit=100K"))
            self.assertEqual((done.returncode, done.stdout == data), (0, True), done.stderr)
        for options in WEAK:
            self.assertEqual(self.ssh("true", options=options).returncode, 255, options)
            self.forgiven()

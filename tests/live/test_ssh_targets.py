"""Targets that trust the gateway's authority, that one vouches for, that are old; and how host keys come in."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, ClassVar

from hoopgw.cli.demo.host import SshHost, found, new_key
from hoopgw.cli.demo.stage import Options
from tests.live.harness import until
from tests.live.ssh_clients import SshCase

HOST_CA, HOST_CA_PUBLIC = new_key()
AUTHORITY, AUTHORITY_PUBLIC = new_key()
OLD = """Ciphers aes256-ctr
MACs hmac-sha2-256-etm@openssh.com
KexAlgorithms ecdh-sha2-nistp384
"""


class Host(SshHost):
    """One with more settings; with `certified` it lets in whom AUTHORITY certifies, and no key."""

    more = ""
    certified = False

    def _settings(self) -> str:
        settings = super()._settings().replace(f"{self._directory}/authorized_keys", "none") + self.more
        if not self.certified:
            return super()._settings() + self.more
        return settings + f"TrustedUserCAKeys {self._directory}/authority.pub\nLogLevel VERBOSE\n"


class Targets(SshCase):
    options: ClassVar[Options] = Options()

    def setUp(self) -> None:
        self.hosts = 0
        super().setUp()
        config = self.stage.gateway.config
        secret = config.parent / "secrets/authority"
        if not secret.exists():
            secret.touch(0o600)
            secret.write_text(AUTHORITY)
            line = f'target_authority = "file:{secret}"'
            config.write_text(config.read_text().replace("[ssh]\n", f"[ssh]\n{line}\n"))

    def host(self, more: str = "", certificate: str = "") -> Host:
        """A running one; `certificate` is what ssh-keygen is told of its host certificate beside key and host."""
        programs = found()
        assert programs is not None
        self.hosts += 1
        host = Host(Path(self.stage.place) / f"{self.id().rpartition('.')[2]}-{self.hosts}", programs)
        host.more, host.certified = more, bool(certificate)
        directory = host._directory
        if certificate:
            (directory / "authority.pub").write_text(AUTHORITY_PUBLIC + "\n")
            self.sign(host, certificate)
            host.more += f"HostCertificate {directory}/host_key-cert.pub\n"
        self.addCleanup(host.stop)
        host.start()
        return host

    def sign(self, host: SshHost, words: str) -> None:
        directory, ca = host._directory, self.scratch / "ca"
        ca.write_text(HOST_CA)
        ca.chmod(0o600)
        (directory / "host_key.pub").write_text(host.public + "\n")
        done = self.ran(
            [
                str(self.programs["ssh-keygen"]),
                "-q",
                "-s",
                str(ca),
                "-h",
                *words.split(),
                str(directory / "host_key.pub"),
            ]
        )
        self.assertEqual(done.returncode, 0, done.stderr)

    def target(self, host: SshHost, given: str, role: str) -> None:
        """[target.web2], granted to agents, until the end of the test."""
        directory = self.stage.gateway.config.parent
        files = {
            "targets.d/web2.toml": f"""[target.web2]
# a comment that stays
protocol = "ssh"
address = ["127.0.0.1:{host.port}"]
{given}
[target.web2.role.deploy]
user = "{host.user}"
{role}
""",
            "grants.d/web2.toml": '[grant.web2]\ngroups = ["agents"]\ntarget = { name = "web2" }\nroles = ["deploy"]\n',
        }
        for name, text in files.items():
            (directory / name).write_text(text)
            self.addCleanup((directory / name).unlink, missing_ok=True)
        key = directory / "secrets/web2"
        key.touch(0o600)
        key.write_text(host.key)

    def reload(self) -> None:
        self.reloaded(self.stage.gateway.config.read_text())

    def by_key(self) -> str:
        return f'key = "file:{self.stage.gateway.config.parent}/secrets/web2"'

    def reached(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        done: Any = self.ssh(*(words or ("true",)), user="web2")
        return done

    def why(self) -> str:
        """The last target that could not be reached."""
        return str(json.loads(self.events("target.unavailable")[-1])["reason"])

    def test_certified(self) -> None:
        """A host that trusts the gateway's authority alone: each session has a key of its own, and the host's log says
        whose and which session it is.  The gateway's line for it is what `targets authority` prints."""
        host = self.host(certificate="-I host -n 127.0.0.1")
        self.target(host, f'host_authorities = ["{HOST_CA_PUBLIC}"]', "certified = true")
        self.reload()
        done = self.reached("echo $HOOPGW_SESSION")
        self.assertEqual(done.returncode, 0, (done.stderr, self.events("target.unavailable")[-1:]))
        session = done.stdout.decode().strip()
        log = host._directory / "sshd.log"
        self.assertTrue(until(lambda: f"ID agent@demo {session} " in log.read_text()), log.read_text())
        self.assertEqual(self.reached().returncode, 0)
        again = (host._directory / "sshd.log").read_text()
        keys = {
            line.split("ED25519-CERT ")[1].split()[0] for line in again.splitlines() if "Accepted publickey" in line
        }
        self.assertEqual(len(keys), 2, again)
        self.assertEqual(self.hoopgw("targets", "authority").stdout.split()[:2], AUTHORITY_PUBLIC.split()[:2])

    def test_host_certificates(self) -> None:
        """must-survive 30: a host certificate of another authority, for another name, or past, is no target's."""
        here = "-I host -n 127.0.0.1"
        for ca, words, why in (
            (HOST_CA_PUBLIC, "-I host -n elsewhere.example", "not for 127.0.0.1"),
            (new_key()[1], here, "another authority"),
            (HOST_CA_PUBLIC, here + " -V 20010101:20010102", "not valid now"),
            (HOST_CA_PUBLIC, here + ",other", ""),
        ):
            host = self.host(certificate=words)
            self.target(host, f'host_authorities = ["{ca}"]', "certified = true")
            self.reload()
            self.assertEqual(self.reached().returncode, 255 if why else 0, why)
            if why:
                self.assertIn(why, self.why())

    def test_old(self) -> None:
        """A host without curve25519 and AES-GCM: only with `compatibility`; then 1 MiB across new keys."""
        host = self.host(OLD + "RekeyLimit 256K\n")
        keys = f'host_keys = ["{host.public}"]'
        self.target(host, keys, self.by_key())
        self.reload()
        self.assertEqual(self.reached().returncode, 255)
        self.assertIn("in common", self.why())
        self.target(host, keys + "\ncompatibility = true", self.by_key())
        self.reload()
        self.assertEqual(len(self.reached("head -c 1048576 /dev/zero").stdout), 1 << 20)

    def test_scan(self) -> None:
        """`targets scan` shows a host's keys and writes one that was confirmed: nothing else gets into the file, and
        nothing is trusted before."""
        host = self.host()
        self.target(host, "", self.by_key())
        self.assertEqual(self.hoopgw("check").returncode, 1)
        shown = json.loads(self.hoopgw("targets", "scan", "web2", "--json").stdout)
        self.assertEqual([(each["key"], each["configured"]) for each in shown], [(host.public, False)])
        self.assertIn(host.public, self.hoopgw("targets", "scan", f"127.0.0.1:{host.port}").stdout)
        file = self.stage.gateway.config.parent / "targets.d/web2.toml"
        before = file.read_text()
        for words in ((), ("--fingerprint", "SHA256:AAAA")):
            self.assertEqual(self.hoopgw("targets", "scan", "web2", "--write", *words).returncode, 1)
            self.assertEqual(file.read_text(), before)
        known, after = shown[0]["fingerprint"], f'[target.web2]\nhost_keys = ["{host.public}"]\n'
        for _ in range(2):  # a second time it is there already
            done = self.hoopgw("targets", "scan", "web2", "--write", "--fingerprint", known)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(file.read_text(), before.replace("[target.web2]\n", after))
        self.reload()
        self.assertEqual(self.reached().returncode, 0)
        host.stop()
        self.assertEqual(self.hoopgw("targets", "scan", "web2").returncode, 1)

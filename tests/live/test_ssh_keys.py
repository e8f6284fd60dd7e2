"""SSH clients that come by key or certificate, as OpenSSH's client and ssh-keygen make them."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import ClassVar

from hoopgw.cli.demo.host import new_key
from hoopgw.cli.demo.stage import Options
from tests.live.harness import UNTIL
from tests.live.ssh_clients import SshCase

USER, PUBLIC = new_key()
CA, CA_PUBLIC = new_key()
KEYS = f"""
[ssh_key.bot]
provider = "demo"
subject = "bot@demo"
groups = ["agents"]
keys = ["{PUBLIC}"]
[ssh_ca.people]
provider = "demo"
keys = ["{CA_PUBLIC}"]
krl = ["revoked"]
"""
STAGE = Options(more={"hoopgw.toml": KEYS, "revoked": "# nobody yet\n"})


class Keys(SshCase):
    options: ClassVar[Options] = STAGE

    def key(self, private: str, name: str = "key") -> Path:
        path = self.scratch / name
        path.write_text(private)
        path.chmod(0o600)
        return path

    def by_key(self, private: str) -> tuple[str, ...]:
        return (f"IdentityFile={self.key(private)}", "PasswordAuthentication=no")

    def keygen(self, *words: str) -> None:
        done = self.ran([str(self.programs["ssh-keygen"]), "-q", *words])
        self.assertEqual(done.returncode, 0, done.stderr)

    def certified(self, *more: str, principals: str = "agents", id: str = "ann@demo") -> tuple[str, ...]:
        """Options of ssh for a key that is nobody's but for its certificate."""
        private, public = new_key()
        key, ca, line = self.key(private), self.key(CA, "ca"), self.scratch / "key.pub"
        line.write_text(public)
        self.keygen("-s", str(ca), "-I", id, "-n", principals, "-V", "+5m", *more, str(line))
        line.unlink()
        return (f"CertificateFile={self.scratch}/key-cert.pub", f"IdentityFile={key}", "PasswordAuthentication=no")

    def test_key(self) -> None:
        """A configured key is its identity, by name in the session's events; another key is nobody's."""
        for private, status in ((USER, 0), (new_key()[0], 255)):
            self.assertEqual(self.ssh("true", options=self.by_key(private)).returncode, status)
        opened = [json.loads(line) for line in self.events("session.opened")]
        self.assertIn("bot@demo", {each["subject"] for each in opened})

    def test_several(self) -> None:
        """must-survive 27: of several keys the one that signs counts, whatever was offered before: a stranger's, and
        somebody else's that never signed."""
        other = self.key(new_key()[0], "other")
        offered = self.scratch / "offered"  # a public half alone: it can be offered, and cannot sign
        offered.write_text(PUBLIC)
        certified = self.certified(id="eve@demo")
        options = (f"IdentityFile={other}", f"IdentityFile={offered}", *certified)
        self.assertEqual(self.ssh("true", options=options).returncode, 0)
        self.assertEqual(json.loads(self.events("session.opened")[-1])["subject"], "eve@demo")

    def test_certificate(self) -> None:
        """must-survive 28: a user certificate is its key id, with its principals as groups."""
        self.assertEqual(self.ssh("true", options=self.certified()).returncode, 0)
        self.assertEqual(json.loads(self.events("session.opened")[-1])["subject"], "ann@demo")
        for options in (
            self.certified(principals="visitors"),
            self.certified("-O", "source-address=198.51.100.0/24"),
            self.certified("-O", "critical:other@example.com=1"),
        ):
            self.assertEqual(self.ssh("true", options=options).returncode, 255)
            self.forgiven()

    def test_ssh_cert(self) -> None:
        """A key that is nobody's, certified against the agent's token: it logs in as the agent; who has no
        grant has none by certificate; what is no key gets none; an event names each."""
        private, public = new_key()
        key, line = self.key(private), self.scratch / "key.pub"
        line.write_text(public + " somebody@somewhere\n")
        options = (*self.by_key(private), f"CertificateFile={self.scratch}/key-cert.pub")
        done = self.hoopgw("ssh-cert", str(line), token=self.stage.agent)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("is good until", done.stdout)
        self.assertEqual(self.ssh("true", options=options).returncode, 0)
        opened = json.loads(self.events("session.opened")[-1])
        self.assertEqual(opened["subject"], "agent@demo")
        told = json.loads(self.events("certificate.issued")[-1])
        shown = self.ran([str(self.programs["ssh-keygen"]), "-Lf", str(self.scratch / "key-cert.pub")]).stdout.decode()
        self.assertIn(f"Serial: {told['serial']}\n", shown)
        self.assertIn(told["key"], shown)
        self.assertIn('Key ID: "agent@demo"', shown)
        self.assertLess(told["expires"], time.time() + 301)
        done = self.hoopgw("ssh-cert", str(line), token=self.stage.stranger)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(self.ssh("true", options=options).returncode, 255)
        self.told("login.refused", "no grant lets stranger@demo")
        self.forgiven()
        for wrong, said in ((private, "public key"), (line.read_text().replace("ed25519", "ed25520"), "public key")):
            line.write_text(wrong)
            done = self.hoopgw("ssh-cert", str(line), token=self.stage.agent)
            self.assertEqual(done.returncode, 1)
            self.assertIn(said, done.stderr)
            self.assertNotIn("BEGIN", self.stage.gateway.log.read_text())
        self.assertTrue(key.exists())
        line.write_text(public)
        self.assertEqual(self.hoopgw("ssh-cert", str(line), token="x.y.z").returncode, 1)

    def test_host_certificate(self) -> None:
        """A client that trusts an authority of hosts, and knows no key, finds the gateway by its host certificate; one
        that is over is not shown, and who knows the key gets in as before."""
        config = self.stage.gateway.config
        ca, line = self.key(CA, "hosts"), config.parent / "host.pub"
        known = next(
            each for each in self.stage.known_hosts.read_text().splitlines() if str(self.stage.ssh_port) in each
        )
        line.write_text(known.split(" ", 1)[1])
        (self.scratch / "trusted").write_text(f"@cert-authority [127.0.0.1]:{self.stage.ssh_port} {CA_PUBLIC}\n")
        trusting = (f"UserKnownHostsFile={self.scratch}/trusted",)
        for validity, status in (("+5m", 0), ("20010101:20010102", 255)):
            self.keygen("-hs", str(ca), "-I", "gateway", "-n", "127.0.0.1,[127.0.0.1]", "-V", validity, str(line))
            if not status:
                self.reconfigured(("[ssh]\n", '[ssh]\nhost_certificates = ["host-cert.pub"]\n'))
            self.reloaded(config.read_text())
            self.assertEqual(self.ssh("true", options=trusting).returncode, status)
            self.assertEqual(self.ssh("true").returncode, 0)
        line.write_text(new_key()[1])
        self.keygen("-hs", str(ca), "-I", "gateway", "-n", "127.0.0.1", "-V", "+5m", str(line))
        os.kill(self.stage.gateway.pid, signal.SIGHUP)
        self.told("configuration.kept", "not of one of the gateway")
        line.with_name("host-cert.pub").write_text("nothing")
        self.assertIn("host_certificates", self.hoopgw("check").stderr)

    def test_forced_command(self) -> None:
        """must-survive 28: a forced command is all that may run: no other one, no shell, no subsystem."""
        options = self.certified("-O", "force-command=echo forced")
        done = self.ssh("echo forced", options=options)
        self.assertEqual((done.returncode, done.stdout), (0, b"forced\n"))
        for words in (("id",), ("echo forced; id",), ()):
            done = self.ssh(*words, options=options)
            self.assertEqual((done.returncode, done.stdout), (126, b""), words)
            self.assertIn(b"for one command alone", done.stderr)
        sftp = [*self.openssh("sftp", *options), "-P", str(self.stage.ssh_port), "web1@127.0.0.1"]
        self.assertNotEqual(self.ran(sftp, input=b"ls\n").returncode, 0)
        only = self.certified("-O", "force-command=internal-sftp")
        sftp = [*self.openssh("sftp", *only), "-P", str(self.stage.ssh_port), "web1@127.0.0.1"]
        self.assertEqual(self.ran(sftp, input=b"ls\n").returncode, 0)
        self.assertEqual(self.ssh("id", options=only).returncode, 126)

    def test_permits(self) -> None:
        """A certificate that permits nothing gets no terminal; its commands run."""
        options = self.certified("-O", "clear")
        done = self.ssh("-tt", "tty", options=options)
        self.assertNotIn(b"/dev/pts", done.stdout)
        self.assertEqual(self.ssh("true", options=options).returncode, 0)
        self.told("operation.refused", "permit-pty")

    def test_revoked(self) -> None:
        """must-survive 29: a KRL of ssh-keygen keeps its certificate out from the next login on, with no reload, and
        ends its session; one that cannot be read keeps all keys out, but no token, and is a mistake of the
        configuration."""
        options = self.certified("-z", "7")
        live = self.start(
            *(word for each in options for word in ("-o", each)), "web1@127.0.0.1", "echo in; cat; sleep 60"
        )
        assert live.stdout is not None
        self.assertEqual(live.stdout.readline(), b"in\n")
        config = self.stage.gateway.config
        krl = config.parent / "revoked"
        (self.scratch / "spec").write_text("serial: 7\n")
        (self.scratch / "ca.pub").write_text(CA_PUBLIC)
        self.addCleanup(krl.write_text, "")
        self.keygen("-k", "-f", str(krl), "-s", str(self.scratch / "ca.pub"), str(self.scratch / "spec"))
        self.assertEqual(self.ssh("true", options=options).returncode, 255)
        self.assertNotEqual(live.wait(UNTIL), 0)
        self.told("revocations.changed", str(krl))
        self.told("session.revoked", "")
        self.told("login.refused", "it is revoked")
        self.forgiven()
        self.assertEqual(self.ssh("true", options=self.certified("-z", "8")).returncode, 0)
        whole = krl.read_bytes()
        krl.write_bytes(whole[:-3])
        for options in (self.certified("-z", "8"), self.by_key(USER)):
            self.assertEqual(self.ssh("true", options=options).returncode, 255)
        self.told("revocations.unavailable", "is no list")
        self.told("login.refused", "is no list")
        self.assertEqual(self.ssh("true").returncode, 0)
        self.assertEqual(self.hoopgw("check").returncode, 1)
        krl.write_bytes(whole)
        self.assertEqual(self.ssh("true", options=self.certified("-z", "8")).returncode, 0)

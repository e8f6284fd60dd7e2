"""`hoopgw setup`: from a gateway that admits nobody to a first connection, with the real issuer and PostgreSQL."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import time

from twisted.trial.unittest import SkipTest

from hoopgw.cli.demo.host import found, new_key
from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.surroundings import surroundings
from tests.live.harness import LiveCase
from tests.live.test_ssh_targets import Host


class SetupCase(LiveCase):
    def setUp(self) -> None:
        """A gateway with the stage's certificate and nothing else: no issuer, no target, no grant."""
        super().setUp()
        self.directory = self.stage.gateway.config.parent
        self.kept = self.stage.place / "kept"
        if not self.kept.exists():
            shutil.copytree(self.directory, self.kept)
        for name in ("conf.d", "targets.d", "grants.d", "guardrails.d"):  # a rule may name what is not there then
            shutil.rmtree(self.directory / name, ignore_errors=True)
        text = (self.kept / "hoopgw.toml").read_text()
        issuer = text.index("[oidc.demo]"), text.index("[recordings]")
        (self.directory / "hoopgw.toml").write_text(text[: issuer[0]] + text[issuer[1] :])

    def written(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.directory)): path.read_bytes()
            for name in ("conf.d", "targets.d", "grants.d")
            for path in (self.directory / name).glob("*")
        }

    def at_terminal(self, options: list[str], course: list[tuple[str, str]]) -> str:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-c", "from hoopgw.cli.main import main; main()"]
        command += ["--config", str(self.stage.gateway.config), "--socket", str(self.stage.gateway.admin), "setup"]
        process = subprocess.Popen(
            [*command, *options], stdin=theirs, stdout=theirs, stderr=theirs, env=surroundings({"TERM": "dumb"})
        )
        os.close(theirs)
        said, deadline = "", time.monotonic() + 240
        try:
            for question, answer in course:
                here = len(said)
                while question not in said[here:]:
                    self.assertLess(time.monotonic(), deadline, said)
                    said += os.read(ours, 65536).decode()
                os.write(ours, answer.encode() + b"\n")
            while True:
                try:
                    piece = os.read(ours, 65536)
                except OSError:  # EIO: nobody has the other end any more
                    break
                if not piece:
                    break
                said += piece.decode()
            self.assertEqual(process.wait(240), 0, said)
        finally:
            process.kill()
            process.wait()
            os.close(ours)
        return said


class Setup(SetupCase):
    def words(self, **changed: str) -> list[str]:
        given = {
            "issuer": self.stage.issuer.url,
            "audience": "hoopgw",
            "algorithm": "ES256",
            "issuer-ca": str(self.directory / "tls/issuer-ca.pem"),
            "target": "shop",
            "protocol": "postgresql",
            "address": f"127.0.0.1:{self.stage.cluster.port}",
            "database": "shop",
            "tls": "verify-full",
            "ca": str(self.directory / "tls/target-ca.pem"),
            "role": "reader",
            "role-user": "shop_ro",
            "role-password": f"file:{self.directory}/secrets/reader",
            "groups": "agents",
            "operator": "ops",
        } | {name.replace("_", "-"): value for name, value in changed.items()}
        return [word for name, value in given.items() if value for word in (f"--{name}", value)]

    def test_first_connection(self) -> None:
        """One command by options: checked, tried, written, reloaded; the agent connects, the operator lists it."""
        ran = self.hoopgw("setup", "--yes", *self.words())
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        for words in ("publishes keys", "logged in as shop_ro: PostgreSQL", "verify-full", "has taken it up"):
            self.assertIn(words, ran.stdout)
        self.assertIn(f"port={self.stage.gateway.port} user=reader dbname=shop sslmode=verify-full", ran.stdout)
        self.assertEqual(
            set(self.written()),
            {"conf.d/oidc-corp.toml", "conf.d/local-ops.toml", "targets.d/shop.toml", "grants.d/shop-reader.toml"},
        )
        self.assertEqual(self.hoopgw("check").returncode, 0)
        self.assertEqual(self.connect().execute("select count(*) > 0 from orders").fetchone(), (True,))
        token = self.hoopgw("token", "--local", "ops").stdout.strip()
        self.assertEqual(self.hoopgw("sessions", "list", token=token).returncode, 0)

        before = self.written()
        again = json.loads(self.hoopgw("setup", "--yes", "--json", *self.words()).stdout)
        self.assertEqual((again["written"], again["good"], self.written()), ([], True, before))

        second = self.words(
            role="writer", role_user="shop_rw", role_password=f"file:{self.directory}/secrets/writer", groups="agents"
        )
        ran = self.hoopgw("setup", "--yes", *second)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertIn(b"[target.shop.role.reader]", self.written()["targets.d/shop.toml"])
        self.connect("writer")
        self.connect("reader")

    def refused(self, *words: str, **changed: str) -> str:
        """Nothing may be written by it."""
        before = self.written()
        ran = self.hoopgw("setup", *words, *self.words(**changed))
        self.assertEqual(ran.returncode, 1, ran.stdout + ran.stderr)
        self.assertEqual(self.written(), before)
        self.assertIn("Nothing was written", ran.stderr)
        return ran.stdout + ran.stderr

    def test_what_is_wrong_is_not_written(self) -> None:
        """An issuer by another name, one that is not trusted, a wrong password, a certificate that is not trusted, a
        mistake: each with what to do.  Without a terminal and without --yes there is no consent."""
        self.assertIn("to the letter", self.refused("--yes", issuer=self.stage.issuer.url + "/"))
        self.assertIn("--issuer-ca", self.refused("--yes", issuer_ca=""))
        wrong = f"file:{self.directory}/secrets/writer"
        said = self.refused("--yes", role_password=wrong)
        self.assertIn("is not this user's", said)
        self.assertNotIn((self.directory / "secrets/writer").read_text().strip(), said)
        self.assertIn("--ca FILE", self.refused("--yes", ca=str(self.directory / "tls/issuer-ca.pem")))
        self.assertIn("--database", self.refused("--yes", database="no_such"))
        self.assertIn("no such file", self.refused("--yes", role_password="file:/nowhere/secret"))
        self.assertIn("clear text", self.refused("--yes", address="db.invalid:5432", tls="disable", ca=""))
        said = self.refused()
        self.assertIn("no consent", said)
        self.assertIn("+[target.shop]", said)

    def test_what_a_person_wrote_stays(self) -> None:
        """A file of setup's that was changed since, one that it never wrote, and a name that another file has."""
        self.assertEqual(self.hoopgw("setup", "--yes", *self.words()).returncode, 0)
        path = self.directory / "targets.d/shop.toml"
        path.write_bytes(path.read_bytes() + b"# mine\n")
        self.assertIn("written or changed by somebody else", self.refused("--yes", role="other"))
        self.assertIn(b"# mine", path.read_bytes())
        path.rename(path.with_name("mine.toml"))
        self.assertIn("is given twice", self.refused("--yes"))

    def test_ssh(self) -> None:
        """A host by its pinned key: logged in to; with another host key nothing is written."""
        host = self.stage.host
        if host is None:
            raise SkipTest("there is no sshd here")
        options = ["--yes", "--target", "web1", "--protocol", "ssh", "--address", f"127.0.0.1:{host.port}"]
        options += ["--role", "deploy", "--role-user", host.user, "--role-key", f"file:{self.directory}/secrets/web1"]
        _, other = new_key()
        ran = self.hoopgw("setup", *options, "--host-key", other)
        self.assertEqual((ran.returncode, self.written()), (1, {}), ran.stdout + ran.stderr)
        self.assertIn("--host-key", ran.stdout)
        ran = self.hoopgw("setup", *options, "--host-key", host.public, "--groups", "agents")
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertIn("its host key is the one that is named", ran.stdout)
        self.assertIn(f"ssh -p {self.stage.ssh_port} deploy@web1@", ran.stdout)

    def test_ssh_by_authorities(self) -> None:
        """A host that one authority vouches for, and that trusts the gateway's own: no secret and no pinned key is in
        the files.  While it does not trust it nothing is written, and it is said what to do.  Doctor knows both."""
        (programs, (ca, ca_public), (_, other)) = found(), new_key(), new_key()
        assert programs is not None
        host = Host(self.stage.place / "vouched", programs)
        host.certified, directory = True, host._directory
        (directory / "authority.pub").write_text(other + "\n")
        self.sign(programs, host, ca)
        self.addCleanup(host.stop)
        host.start()
        options = ["--yes", "--target", "web3", "--protocol", "ssh", "--address", f"127.0.0.1:{host.port}"]
        options += ["--role", "deploy", "--role-user", host.user, "--role-certified", "--groups", "agents"]
        for authority, said in ((other, "--host-authority"), (ca_public, "TrustedUserCAKeys")):
            ran = self.hoopgw("setup", *options, "--host-authority", authority)
            self.assertEqual((ran.returncode, self.written()), (1, {}), ran.stdout + ran.stderr)
            self.assertIn(said, ran.stdout)
        (directory / "authority.pub").write_text(self.hoopgw("targets", "authority").stdout)
        ran = self.hoopgw("setup", *options, "--host-authority", ca_public)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertIn("certified by the gateway; its host key is one of the authority", ran.stdout)
        self.assertIn("hoopgw targets authority", ran.stdout)
        self.assertIn(b"certified = true", self.written()["targets.d/web3.toml"])
        by_options = self.written()
        for path in by_options:
            (self.directory / path).unlink()
        self.at_terminal(
            [],
            [
                ("issuer of your agents", ""),
                ("first target", "web3"),
                ("Protocol", "ssh"),
                ("address", f"127.0.0.1:{host.port}"),
                ("Its host key", ""),
                ("of that authority", ca_public),
                ("A role", "deploy"),
                ("user that it is", host.user),
                ("Where its private key", "certified"),
                ("Groups", "agents"),
                ("local operator", "ops"),
                ("Write this?", "y"),
            ],
        )
        self.assertLess(by_options.items(), self.written().items())
        self.assertEqual(self.hoopgw("setup", *options, "--host-authority", "ssh-ed25519 x").returncode, 1)

        def asked() -> dict[str, dict[str, object]]:
            return {each["what"]: each for each in json.loads(self.hoopgw("doctor", "--json").stdout)}

        well = asked()
        for what in ("host web3", "authority", "target web3 as deploy"):
            self.assertTrue(well[what]["good"], well)
        self.assertIn("shows a certificate of SHA256:", str(well["host web3"]["said"]))
        (directory / "authority.pub").write_text(other + "\n")
        ill = asked()["target web3 as deploy"]
        self.assertFalse(ill["good"])
        self.assertIn("TrustedUserCAKeys", str(ill["fix"]))

    def sign(self, programs: Programs, host: Host, ca: str) -> None:
        """Its host certificate."""
        directory = host._directory
        (directory / "ca").write_text(ca)
        (directory / "ca").chmod(0o600)
        (directory / "host_key.pub").write_text(host.public + "\n")
        words = ["-q", "-s", "ca", "-h", "-I", "host", "-n", "127.0.0.1", "-V", "+52w", "host_key.pub"]
        command = [str(programs["ssh-keygen"]), *words]
        subprocess.run(command, cwd=directory, env=surroundings(programs.environment), check=True, timeout=240)
        host.more = f"HostCertificate {directory}/host_key-cert.pub\n"

    def test_as_root_for_the_services_user(self) -> None:
        """On an appliance state and secrets are hoopgw's: root's setup tries the target by them all the same."""
        if os.geteuid() != 0:
            raise SkipTest("only root can give a file away")
        private = [self.directory / "secrets", self.directory / "tls", self.stage.state / "keys"]
        for path in [self.stage.state, *private, *(file for place in private for file in place.iterdir())]:
            os.chown(path, 65534, 65534)
            self.addCleanup(os.chown, path, 0, 0)
        ran = self.hoopgw("setup", "--yes", *self.words())
        # the gateway of this test is root's own: it does not take up what belongs to another user
        self.assertIn("logged in as shop_ro", ran.stdout)
        self.assertIn("targets.d/shop.toml", self.written())
        checked = self.hoopgw("check")
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_untried(self) -> None:
        """A target that does not answer yet is written when that is asked for; the status still tells."""
        ran = self.hoopgw("setup", "--yes", "--untried", *self.words(address="127.0.0.1:1", issuer="", audience="",
                          algorithm="", issuer_ca=""))  # fmt: skip
        self.assertEqual(ran.returncode, 1, ran.stdout + ran.stderr)
        self.assertIn("targets.d/shop.toml", self.written())

    def test_options_that_say_nothing(self) -> None:
        """An option without what it belongs to is wrong use, and so is a secret itself."""
        for words in (
            ["--database", "x"],
            ["--audience", "x"],
            ["--issuer-name", "x"],
            ["--operator-may", "list"],
            ["--target", "a/b"],
        ):
            self.assertEqual(self.hoopgw("setup", "--yes", *words).returncode, 2, words)
        ran = self.hoopgw("setup", "--yes", *self.words(role_password="hunter2"))
        self.assertEqual(ran.returncode, 2)
        self.assertNotIn("hunter2", ran.stdout + ran.stderr)

    def test_at_a_terminal(self) -> None:
        """Questions for what no option says; the password is typed, is not shown, and lies in a private file."""
        password = (self.directory / "secrets/reader").read_text().strip()
        secret = self.directory / "secrets/shop_reader"
        secret.unlink(missing_ok=True)
        options = ["--issuer-ca", str(self.directory / "tls/issuer-ca.pem"), "--algorithm", "ES256"]
        options += ["--ca", str(self.directory / "tls/target-ca.pem"), "--tls", "verify-full"]
        said = self.at_terminal(
            options,
            [
                ("issuer of your agents", self.stage.issuer.url),
                ("Audience", ""),
                ("first target", "shop"),
                ("Protocol", "mysql"),
                ("Protocol", ""),
                ("address", f"127.0.0.1:{self.stage.cluster.port}"),
                ("database", "shop"),
                ("A role", "reader"),
                ("user that it is", "shop_ro"),
                ("Where its password", ""),
                ("Groups", "agents"),
                ("local operator", "-"),
                ("Password of", password),
                ("Write this?", "y"),
            ],
        )
        self.assertIn("has taken it up", said)
        self.assertNotIn(password, said)
        self.assertEqual(secret.stat().st_mode & 0o777, 0o600)
        self.assertEqual([each for each in self.written() if "local-" in each], [])
        self.connect()

"""SSH clients of other makes than OpenSSH: PuTTY, dropbear, paramiko, asyncssh, libssh2, Go's, and Ansible."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from base64 import b64decode
from typing import Any, ClassVar

import asyncssh
import paramiko
from ssh2.session import Session
from ssh2.sftp import LIBSSH2_FXF_CREAT, LIBSSH2_FXF_READ, LIBSSH2_FXF_WRITE, LIBSSH2_SFTP_S_IRUSR
from twisted.trial.unittest import SkipTest

from hoopgw.auth.ssh_keys import fingerprint
from hoopgw.cli.demo.host import new_key
from hoopgw.cli.demo.stage import Options
from tests.live.harness import built
from tests.live.ssh_clients import TIMEOUT, SshCase

USER, PUBLIC = new_key()
KEYS = f"""
[ssh_key.bot]
provider = "demo"
subject = "bot@demo"
groups = ["agents"]
keys = ["{PUBLIC}"]
"""
DATA = os.urandom(300_000)
REFUSED = "rm -rf /"  # by a shipped rule


class Makes(SshCase):
    options: ClassVar[Options] = Options(more={"hoopgw.toml": KEYS})

    def setUp(self) -> None:
        super().setUp()
        lines = self.stage.known_hosts.read_text().splitlines()
        self.line = next(each for each in lines if str(self.stage.ssh_port) in each)
        self.blob = b64decode(self.line.split()[2])
        self.token = self.scratch / "token"
        self.token.touch(0o600)
        self.token.write_text(self.stage.agent)
        self.given = self.scratch / "given"
        self.given.write_bytes(DATA)

    def other(self, name: str, *words: str, **more: Any) -> Any:
        path, env = self.program(name)
        return self.ran([str(path), *words], env=env | {"HOME": str(self.scratch)} | more.pop("env", {}), **more)

    def copied(self) -> bytes:
        return (self.home / "copied").read_bytes()

    def test_plink(self) -> None:
        """PuTTY's: output, status, refusals; and its sftp."""
        known = (
            "-batch",
            "-hostkey",
            fingerprint(self.blob),
            "-pwfile",
            str(self.token),
            "-P",
            str(self.stage.ssh_port),
        )
        done = self.other("plink", "-ssh", *known, "web1@127.0.0.1", "cat; exit 7", input=b"through")
        self.assertEqual((done.returncode, done.stdout), (7, b"through"), done.stderr)
        done = self.other("plink", "-ssh", *known, "web1@127.0.0.1", REFUSED)
        self.assertEqual(done.returncode, 126)
        self.assertIn(b'"decision": "refused"', done.stderr)
        batch = self.scratch / "batch"
        batch.write_text(f"put {self.given} copied\nget copied {self.scratch}/back\n")
        done = self.other("psftp", *known, "-b", str(batch), "web1@127.0.0.1")
        self.assertEqual((done.returncode, self.copied()), (0, DATA), done.stderr)
        self.assertEqual((self.scratch / "back").read_bytes(), DATA)

    def test_dropbear(self) -> None:
        """dropbear's dbclient, which has no AES-GCM: by ChaCha20-Poly1305."""
        words = ("-y", "-p", str(self.stage.ssh_port), "web1@127.0.0.1")
        env = {"DROPBEAR_PASSWORD": self.stage.agent}
        done = self.other("dbclient", *words, "cat; exit 7", input=DATA, env=env)
        self.assertEqual((done.returncode, done.stdout == DATA), (7, True), done.stderr)
        self.assertEqual(self.other("dbclient", *words, REFUSED, env=env).returncode, 126)

    def test_paramiko(self) -> None:
        """paramiko: a command, a refusal, and files, by token and by key."""
        client = paramiko.SSHClient()
        client.load_host_keys(str(self.stage.known_hosts))
        client.connect(
            "127.0.0.1", self.stage.ssh_port, "web1", self.stage.agent, look_for_keys=False, allow_agent=False
        )
        self.addCleanup(client.close)
        _, out, _ = client.exec_command("echo in; exit 7")
        self.assertEqual((out.read(), out.channel.recv_exit_status()), (b"in\n", 7))
        _, out, err = client.exec_command(REFUSED)
        self.assertEqual(out.channel.recv_exit_status(), 126)
        self.assertIn(b"hoopgw: refused", err.read())
        with client.open_sftp() as files:
            files.put(str(self.given), "copied")
            with files.open("copied") as back:
                self.assertEqual(back.read(), DATA)
        self.assertEqual(self.copied(), DATA)

    def test_asyncssh(self) -> None:
        """asyncssh: the same, with several commands at once on one connection."""
        key = self.scratch / "key"
        key.write_text(USER)

        async def course() -> tuple[list[Any], Any]:
            async with asyncssh.connect(
                "127.0.0.1",
                self.stage.ssh_port,
                username="web1",
                client_keys=[str(key)],
                known_hosts=str(self.stage.known_hosts),
                config=None,
                agent_path=None,
            ) as connection:
                ran = await asyncio.gather(*(connection.run(f"sleep 0.1; echo {each}") for each in range(8)))
                refused = await connection.run(REFUSED)
                async with connection.start_sftp_client() as files:
                    await files.put(str(self.given), "copied")
                    await files.get("copied", str(self.scratch / "back"))
                return [each.stdout for each in ran], refused.exit_status

        out, status = asyncio.run(course())
        self.assertEqual((out, status), ([f"{each}\n" for each in range(8)], 126))
        self.assertEqual((self.copied(), (self.scratch / "back").read_bytes()), (DATA, DATA))

    def test_libssh2(self) -> None:
        """libssh2, which curl and others use."""
        with socket.create_connection(("127.0.0.1", self.stage.ssh_port), TIMEOUT) as connection:
            session = Session()
            session.handshake(connection)
            session.userauth_password("web1", self.stage.agent)
            channel = session.open_session()
            channel.execute("echo in; exit 7")
            self.assertEqual(channel.read()[1], b"in\n")
            channel.wait_eof()
            channel.close()
            channel.wait_closed()
            self.assertEqual(channel.get_exit_status(), 7)
            files = session.sftp_init()
            with files.open("copied", LIBSSH2_FXF_CREAT | LIBSSH2_FXF_WRITE, LIBSSH2_SFTP_S_IRUSR) as file:
                file.write(DATA)
            with files.open("copied", LIBSSH2_FXF_READ, LIBSSH2_SFTP_S_IRUSR) as file:
                self.assertEqual(b"".join(piece for _, piece in file), DATA)
            session.disconnect()

    def test_go(self) -> None:
        """golang.org/x/crypto/ssh, which Terraform and many tools of agents use: by token, key and certificate; several
        commands at once, a terminal, forwards that are refused, and new keys every 128 KiB while data flows."""
        command = built("gossh")
        if not command:
            raise SkipTest("the program is not built: `make test` tries to, and says why it cannot")
        private, public = new_key()
        files = {"KEY": USER, "CERTIFIED": private, "CERTIFIED.pub": public}
        for name, text in files.items():
            (self.scratch / name).write_text(text)
        done = self.hoopgw("ssh-cert", str(self.scratch / "CERTIFIED.pub"), token=self.stage.agent)
        self.assertEqual(done.returncode, 0, done.stderr)
        env = {name: str(self.scratch / name) for name in files} | {"PORT": str(self.stage.ssh_port)}
        env |= {"CERTIFICATE": str(self.scratch / "CERTIFIED-cert.pub"), "TOKEN": self.stage.agent}
        ran = self.ran(command, env=env | {"HOST_KEY": self.line.partition(" ")[2]})
        self.assertEqual(ran.returncode, 0, ran.stderr)
        found = json.loads(ran.stdout)
        self.assertEqual(found["plain"], {"Out": "in\n", "Err": "out\n", "Status": 7})
        self.assertEqual((found["refused"]["Out"], found["refused"]["Status"]), ("", 126))
        self.assertIn('"decision": "refused"', found["refused"]["Err"])
        self.assertEqual(found["together"], [str(each) for each in range(8)])
        self.assertRegex(found["terminal"], r"/dev/pts/\d+\s+24 80")
        self.assertEqual((found["forwarded"], found["listened"], found["whole"]), (False, False, True))
        self.assertEqual((found["by_key"], found["by_cert"]), ("bot@demo\n", "agent@demo\n"))
        self.assertEqual(found["algorithms"], ["mlkem768x25519-sha256", "ssh-ed25519", "aes128-gcm@openssh.com"])

    def test_ansible(self) -> None:
        """Ansible: ping and copy, which are a dozen commands and an SFTP session."""
        key = self.scratch / "key"
        key.touch(0o600)
        key.write_text(USER)
        inventory = {
            "ansible_host": "127.0.0.1",
            "ansible_port": str(self.stage.ssh_port),
            "ansible_user": "web1",
            "ansible_ssh_executable": str(self.programs["ssh"]),
            "ansible_sftp_executable": str(self.programs["sftp"]),
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_args": "'" + " ".join([*self.settings(), "-o", "ControlMaster=no"]) + "'",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_remote_tmp": str(self.home / "ansible"),
        }
        hosts = self.scratch / "hosts"
        hosts.write_text("gateway " + " ".join(f"{name}={value}" for name, value in inventory.items()) + "\n")
        env = {"ANSIBLE_HOME": str(self.scratch / "ansible"), "ANSIBLE_LOCALHOST_WARNING": "False", "LC_ALL": "C.UTF-8"}
        for module, words, said in (
            ("ping", (), b'"ping": "pong"'),
            ("copy", ("-a", f"src={self.given} dest={self.home}/copied"), b'"changed": true'),
        ):
            command = [sys.executable, "-m", "ansible", "adhoc", "-i", str(hosts), "gateway", "-m", module, *words]
            done = self.ran(command, env=env)
            self.assertIn(said, done.stdout, done.stderr)
        self.assertEqual(self.copied(), DATA)

"""What a grant names is forwarded: -L, -R, -D, -J, sockets and the agent; and many commands on one connection."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import ClassVar

from hoopgw.cli.demo.host import new_key
from hoopgw.cli.demo.place import free_port
from hoopgw.cli.demo.stage import Options
from tests.live.harness import UNTIL, until
from tests.live.ssh_clients import SshCase

FEATURES = ["local-forward", "remote-forward", "local-socket", "agent"]


class Granted(SshCase):
    options: ClassVar[Options] = Options()

    def setUp(self) -> None:
        super().setUp()
        grants = self.stage.gateway.config.parent / "grants.d/web1.toml"
        text = grants.read_text()
        if "features" not in text:
            named = text.replace('roles = ["deploy"]\n', f'roles = ["deploy"]\nfeatures = {json.dumps(FEATURES)}\n', 1)
            grants.write_text(named)
            self.reloaded(self.stage.gateway.config.read_text())

    @contextlib.contextmanager
    def echo(self) -> Iterator[int]:
        """The port of a server that gives back what it is sent, once for each connection."""
        with socket.create_server(("127.0.0.1", 0)) as listening:

            def serve() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = listening.accept()
                        with connection:
                            while data := connection.recv(65536):
                                connection.sendall(data)

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            try:
                yield listening.getsockname()[1]
            finally:
                listening.shutdown(socket.SHUT_RDWR)
                thread.join(UNTIL)

    def echoed(self, port: int, before: bytes = b"", answer: int = 0) -> bytes:
        """What comes back through `port`, behind `answer` bytes of a greeting, as soon as it listens."""
        deadline = time.monotonic() + UNTIL
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), UNTIL) as connection:
                    connection.sendall(before)
                    greeting = b""
                    while len(greeting) < answer:
                        greeting += connection.recv(answer - len(greeting))
                    connection.sendall(b"there and back")
                    connection.shutdown(socket.SHUT_WR)
                    return b"".join(iter(lambda: connection.recv(100), b""))
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def test_copies_by_the_old_protocol(self) -> None:
        """`scp -O`, there and back, where no rule is about files."""
        data = os.urandom(300_000)
        (self.scratch / "one").write_bytes(data)
        words = [*self.openssh("scp"), "-O", "-P", str(self.stage.ssh_port)]
        for way in ((f"{self.scratch}/one", "web1@127.0.0.1:copied"), ("web1@127.0.0.1:copied", f"{self.scratch}/two")):
            done = self.ran([*words, *way])
            self.assertEqual((done.returncode, done.stderr), (0, b""), way)
        self.assertEqual((self.scratch / "two").read_bytes(), data)

    def test_ports(self) -> None:
        """-L, -R and -D: through the gateway to a port, and back."""
        with self.echo() as port:
            local, remote, socks = free_port(), free_port(), free_port()
            words = ["-N", "-L", f"{local}:127.0.0.1:{port}", "-R", f"{remote}:127.0.0.1:{port}", "-D", str(socks)]
            self.start(*words, "web1@127.0.0.1")
            asked = b"\5\1\0" + b"\5\1\0\1\x7f\0\0\1" + port.to_bytes(2, "big")
            for each, before, answer in ((local, b"", 0), (remote, b"", 0), (socks, asked, 2 + 10)):
                self.assertEqual(self.echoed(each, before, answer), b"there and back", each)

    def test_taken_away(self) -> None:
        """A reload that takes a feature away ends the sessions that used it, and what they forward with them."""
        grants, config = self.stage.gateway.config.parent / "grants.d/web1.toml", self.stage.gateway.config.read_text()
        text, local = grants.read_text(), free_port()
        self.addCleanup(self.reloaded, config)
        self.addCleanup(grants.write_text, text)
        with self.echo() as port:
            running = self.start("-N", "-L", f"{local}:127.0.0.1:{port}", "web1@127.0.0.1")
            self.assertEqual(self.echoed(local), b"there and back")
            without = text.replace('"local-forward", ', "")
            self.assertNotEqual(without, text)
            grants.write_text(without)
            self.reloaded(config)
            self.assertEqual(running.wait(UNTIL), 255)
        self.told("session.revoked", "no grant allows this session any more")

    def test_jump(self) -> None:
        """-J: the gateway as the way to a host; what passes is the host's own, and the record says: opaque."""
        assert self.stage.host is not None
        key = self.scratch / "key"
        key.touch(0o600)
        key.write_text(self.stage.host.key)
        jump = " ".join([*self.openssh("ssh"), "-p", str(self.stage.ssh_port), "-W", "%h:%p", "web1@127.0.0.1"])
        options = (f"ProxyCommand={jump}", f"IdentityFile={key}", "PasswordAuthentication=no")
        host = f"{self.stage.host.user}@127.0.0.1"
        done = self.ran([*self.openssh("ssh", *options), "-p", str(self.stage.host.port), host, "echo in; exit 7"])
        self.assertEqual((done.returncode, done.stdout), (7, b"in\n"), done.stderr)
        id = json.loads(self.events("session.opened")[-1])["session"]
        self.assertTrue(until(lambda: "opaque" in self.hoopgw("sessions", "replay", id).stdout))

    def test_agent(self) -> None:
        """-A: the host may ask the client's agent for its keys and to log in elsewhere; for nothing else (must-survive
        35), and each signature is an event."""
        private, public = new_key()
        key, place = self.scratch / "key", self.scratch / "agent"
        key.touch(0o600)
        key.write_text(private)
        agent = subprocess.Popen(
            [str(self.programs["ssh-agent"]), "-D", "-a", str(place)], env=self.env(), stdout=subprocess.DEVNULL
        )
        self.addCleanup(agent.wait)
        self.addCleanup(agent.terminate)
        env = {"SSH_AUTH_SOCK": str(place)}
        asked = [str(self.programs["ssh-add"]), "-l"]
        self.assertTrue(until(lambda: self.ran(asked, env=env).returncode == 1), "the agent does not answer")  # empty
        self.assertEqual(self.ran([str(self.programs["ssh-add"]), "-q", str(key)], env=env).returncode, 0)
        done = self.ssh("-A", f"{self.programs['ssh-add']} -L", env=env, options=("PubkeyAuthentication=no",))
        self.assertIn(public.split()[1].encode(), done.stdout, done.stderr)

        host = self.stage.host
        assert host is not None
        known = f"-F none -o UserKnownHostsFile={self.stage.known_hosts} -o PreferredAuthentications=publickey"
        further = f"{self.programs['ssh']} {known} -p {host.port} {host.user}@127.0.0.1 echo further"
        other = self.scratch / "other"
        other.touch(0o600)
        other.write_text(host.key)
        self.assertEqual(self.ran([str(self.programs["ssh-add"]), "-q", str(other)], env=env).returncode, 0)
        signed, refused = len(self.events("agent.signs")), len(self.events("agent.refused"))
        done = self.ssh("-A", further, env=env, options=("PubkeyAuthentication=no",))
        self.assertEqual(done.stdout, b"further\n", done.stderr)
        (event,) = [json.loads(line) for line in self.counted("agent.signs", signed + 1)[signed:]]
        self.assertEqual((event["request"], event["user"]), ("sign", host.user))
        done = self.ssh("-A", f"{self.programs['ssh-add']} -D; echo on", env=env, options=("PubkeyAuthentication=no",))
        self.assertEqual(done.stdout, b"on\n", done.stderr)
        self.counted("agent.refused", refused + 1)
        kept = self.ran([str(self.programs["ssh-add"]), "-L"], env=env).stdout
        self.assertEqual(len(kept.splitlines()), 2)

    def test_master(self) -> None:
        """ControlMaster: commands beside each other on one connection, which is one session."""
        path = self.scratch / "master"
        before = len(self.events("session.opened"))
        master = self.start("-M", "-S", str(path), "-N", "web1@127.0.0.1")
        self.assertTrue(until(path.exists))
        words = [*self.openssh("ssh"), "-S", str(path), "web1@127.0.0.1"]
        running = []
        for each in range(8):
            command = [*words, f"sleep 0.2; echo {each}"]
            running.append(subprocess.Popen(command, env=self.env(), stdout=subprocess.PIPE))
        for each, process in enumerate(running):
            self.assertEqual(process.communicate(timeout=UNTIL)[0], b"%d\n" % each)
        self.assertEqual(self.ran([*words, "rm -rf /"]).returncode, 126)
        self.assertEqual(self.ran([*words, "echo after"]).stdout, b"after\n")
        self.assertEqual(len(self.events("session.opened")), before + 1)
        self.assertEqual(self.ran([*words[:-1], "-O", "exit", "web1@127.0.0.1"]).returncode, 0)
        master.wait(UNTIL)

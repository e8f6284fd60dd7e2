"""X11 forwarding by `ssh -Y` and xauth: refused unless a grant names it; then an event, and an opaque stretch."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from hoopgw.cli.demo.place import free_port
from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.stage import Options
from tests.live.harness import UNTIL, until
from tests.live.ssh_clients import SshCase
from tests.live.test_ssh_targets import Host

COOKIE = "0123456789abcdef0123456789abcdef"
MAGIC = b"MIT-MAGIC-COOKIE-1"
FIRST_PORT = 6000  # of display 0
# What a program of X11 does first, on the host: it looks up its cookie, and shows it (X protocol, 8)
PROGRAM = """
import os, socket, struct, subprocess, sys
display = os.environ.get("DISPLAY")
if not display:
    sys.exit("no display")
line = subprocess.run([sys.argv[1], "list", display], capture_output=True, text=True, check=True).stdout
name, data = line.split()[1].encode(), bytes.fromhex(line.split()[2])
connection = socket.create_connection(("127.0.0.1", 6000 + int(display.split(":")[1].split(".")[0])), 60)
padded = name + bytes(-len(name) % 4) + data + bytes(-len(data) % 4)
connection.sendall(struct.pack("<BxHHHHxx", 0x6C, 11, 0, len(name), len(data)) + padded)
print(connection.recv(64).decode())
"""


class X11Host(Host):
    """Whose sshd forwards X11, where it is asked to."""

    xauth: Programs

    def _settings(self) -> str:
        path = self.xauth["xauth"]
        words = [f"{name}={value}" for name, value in self.xauth.environment.items()]
        words.append(f"PATH={self.programs['ssh'].parent}:/usr/bin:/bin")
        shown = " ".join(f'"{word}"' for word in words)
        kept = [line for line in super()._settings().splitlines() if not line.startswith("SetEnv")]
        return "\n".join([*kept, f"SetEnv {shown}", "X11Forwarding yes", f"XAuthLocation {path}", ""])


class X11(SshCase):
    options: ClassVar[Options] = Options()

    def setUp(self) -> None:
        super().setUp()
        self.xauth = Programs.find("xauth")
        directory = self.stage.gateway.config.parent
        self.grant = directory / "grants.d/x11.toml"
        host = X11Host(Path(self.stage.place) / f"x11-{self.id().rpartition(chr(46))[2]}", self.programs)
        host.xauth = self.xauth.reachable(Path(self.stage.place) / "xauth") if self.xauth.environment else self.xauth
        host.start()
        self.addCleanup(host.stop)
        secret = directory / "secrets/x11"
        secret.touch(0o600)
        secret.write_text(host.key)
        (directory / "targets.d/x11.toml").write_text(
            f'[target.x11]\nprotocol = "ssh"\naddress = ["127.0.0.1:{host.port}"]\nhost_keys = ["{host.public}"]\n'
            f'[target.x11.role.deploy]\nuser = "{host.user}"\nkey = "file:{secret}"\n'
        )
        (host.home / "program.py").write_text(PROGRAM)
        (host.home / "program.py").chmod(0o644)
        self.host = host

    def granted(self, *features: str) -> None:
        named = '[grant.x11]\ngroups = ["agents"]\ntarget = { name = "x11" }\nroles = ["deploy"]\n'
        self.grant.write_text(named + (f"features = {json.dumps(features)}\n" if features else ""))
        self.reloaded(self.stage.gateway.config.read_text())

    @contextlib.contextmanager
    def screen(self) -> Iterator[tuple[str, list[bytes]]]:
        """(a display, what each client of it says first): enough of an X server to see who has the right cookie."""
        with socket.create_server(("127.0.0.1", free_port())) as listening:
            said: list[bytes] = []

            def serve() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = listening.accept()
                        with connection:
                            said.append(connection.recv(48, socket.MSG_WAITALL))
                            connection.sendall(b"shown" if bytes.fromhex(COOKIE) in said[-1] else b"not known")

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            try:
                yield f"127.0.0.1:{listening.getsockname()[1] - FIRST_PORT}", said
            finally:
                listening.shutdown(socket.SHUT_RDWR)
                thread.join(UNTIL)

    def asked(self, display: str) -> Any:
        """`ssh -Y` with a cookie of this display, and the program on the host."""
        env = {"DISPLAY": display, "XAUTHORITY": str(self.scratch / "authority")}
        added = self.ran([str(self.xauth["xauth"]), "-q", "add", display, ".", COOKIE], env=env)
        self.assertEqual(added.returncode, 0, added.stderr)
        path = f"XAuthLocation={self.xauth['xauth']}"
        words = f"/usr/bin/python3 {self.host.home}/program.py {self.host.xauth['xauth']}"
        return self.ssh("-Y", words, user="x11", options=(path,), env=env)

    def test_refused(self) -> None:
        """Without a grant that names it: the request fails, the command runs without a display, and it is an event."""
        self.granted()
        with self.screen() as (display, said):
            done = self.asked(display)
        self.assertIn(b"no display", done.stderr)
        self.assertEqual(said, [])
        self.told("operation.refused", "x11")

    def test_granted(self) -> None:
        """A program on the host draws on the client's display, with the cookie that only the client has; the forward is
        in the record by name, and what passed there is called opaque."""
        self.granted("x11")
        with self.screen() as (display, said):
            done = self.asked(display)
        self.assertEqual((done.returncode, done.stdout), (0, b"shown\n"), done.stderr)
        self.assertEqual(len(said), 1)
        self.assertIn(MAGIC, said[0])
        self.told("forward.granted", '"forward":"x11-req"')
        self.told("forward.granted", '"forward":"x11"')
        id = json.loads(self.events("session.opened")[-1])["session"]
        self.assertTrue(until(lambda: "opaque" in self.hoopgw("sessions", "replay", id).stdout))
        shown = self.hoopgw("sessions", "replay", id).stdout
        self.assertIn("x11", shown)
        self.assertNotIn(COOKIE, shown)

"""Answers whose end is the end of the connection: curl takes for whole what is, and nothing that was cut."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import threading
import time
from typing import Any, ClassVar

from hoopgw.cli.demo.place import free_port
from hoopgw.cli.demo.stage import Options
from tests.live.harness import environment
from tests.live.test_http import HttpCase

PORT = free_port()
TARGET = f"""
[target.old]
protocol = "http"
address = ["127.0.0.1:{PORT}"]
answer_timeout = "2s"
[target.old.role.caller]
"""
GRANT = '[grant.old]\ngroups = ["agents"]\ntarget = { name = "old" }\nroles = ["caller"]\n'
HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: a close is a reset


class Cut(HttpCase):
    options: ClassVar[Options] = Options(more={"targets.d/old.toml": TARGET, "grants.d/old.toml": GRANT})

    def setUp(self) -> None:
        super().setUp()
        self.waits = threading.Event()
        self.addCleanup(self.waits.set)
        self.listen(PORT, self._serve)

    def _serve(self, connection: socket.socket) -> None:
        path = connection.recv(65536).split(b" ")[1]
        connection.sendall(HEAD + b"hello")
        if path == b"/reset":
            time.sleep(0.5)  # what it said has arrived
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        elif path != b"/whole":
            self.waits.wait(60)

    def asked(self, path: str, *words: str, **_: Any) -> Any:
        """A curl that was started."""
        place = f"https://127.0.0.1:{self.stage.https_port}/old/{path}"
        proof = ["--cacert", str(self.stage.ca), "-H", f"Authorization: Bearer {self.stage.agent}"]
        line = ["curl", "-sS", "--max-time", "60", *proof, *words, place]
        return subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def test_whole(self) -> None:
        for version in ("--http1.1", "--http2"):
            said = self.asked("whole", version)
            self.assertEqual((said.communicate()[0], said.returncode), (b"hello", 0))

    def test_cut(self) -> None:
        """By a target that breaks off or stays silent."""
        for version in ("--http1.1", "--http2"):
            for path in ("reset", "silent"):
                said = self.asked(path, version)
                said.communicate()
                self.assertNotEqual(said.returncode, 0, (version, path))

    def test_killed(self) -> None:
        for version in ("--http1.1", "--http2"):
            said = self.asked("killed", version, "-N")
            self.assertEqual(said.stdout.read(5), b"hello")

            def ended(said: Any = said) -> None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    said.wait(0.5)
                    return
                raise TimeoutError

            self.kill(ended)
            said.communicate()
            self.assertNotEqual(said.returncode, 0, version)

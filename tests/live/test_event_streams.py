"""Server-sent events that go on: thousands, masked, with silence between, taken up again, and not read at all."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path
from typing import Any, ClassVar

from hoopgw.cli.demo.place import free_port
from hoopgw.cli.demo.stage import Options
from tests.live.harness import environment, until
from tests.live.test_http import HttpCase

PORT = free_port()
TARGET = f"""
[target.feed]
protocol = "http"
address = ["127.0.0.1:{PORT}"]
answer_timeout = "20s"
[target.feed.role.caller]
"""
GRANT = '[grant.feed]\ngroups = ["agents"]\ntarget = { name = "feed" }\nroles = ["caller"]\n'
MASK = '[mask.feed]\nprotocol = "http"\ntarget = { name = "feed" }\njson = ["ssn"]\n'
# a client that has nothing to say for long is no client that is slow with its request
LIMITS = '[limits]\nrequest_head = "2s"\nrequest_body = "2s"\n'
FILES = {"targets.d/feed.toml": TARGET, "grants.d/feed.toml": GRANT, "guardrails.d/91-feed.toml": MASK}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b'id: %d\ndata: {"n": %d, "ssn": "123-45-6789", "rest": "%s"}\n\n'
MANY = 20_000
SILENCE = 8.0  # seconds: more than all that is waited for of a client, and than a look from time to time takes
MOST = 96 << 20  # bytes that sockets and the gateway hold of a stream that nobody reads


def event(number: int) -> bytes:
    text = EVENT % (number, number, b"x" * 60)
    return b"%x\r\n%s\r\n" % (len(text), text)


class Streams(HttpCase):
    options: ClassVar[Options] = Options(more={**FILES, "hoopgw.toml": LIMITS})

    def setUp(self) -> None:
        super().setUp()
        self.sent = 0
        self.over: list[str] = []  # paths whose client has gone
        self.listen(PORT, self._serve)

    def _serve(self, connection: socket.socket) -> None:
        """Events from behind the last that its client knows."""
        path = ""
        try:
            head = connection.recv(65536).decode()
            path = head.split(" ")[1]
            _, known, last = head.lower().partition("last-event-id: ")
            connection.sendall(HEAD)
            self._tell(connection, path, int(last.split("\r\n")[0]) + 1 if known else 0)
        except OSError:
            self.over.append(path)

    def _tell(self, connection: socket.socket, path: str, first: int) -> None:
        for number in range(first, 1 << 40 if path == "/endless" else first + (2 if path == "/still" else MANY)):
            piece = event(number)
            connection.sendall(piece)
            self.sent += len(piece)
            if path == "/still":
                time.sleep(SILENCE)
        connection.sendall(b"0\r\n\r\n")

    def asked(self, path: str, version: str, *more: str) -> Any:
        place = f"https://127.0.0.1:{self.stage.https_port}/feed/{path}"
        proof = ["--cacert", str(self.stage.ca), "-H", f"Authorization: Bearer {self.stage.agent}"]
        line = ["curl", "-sS", "-N", "--max-time", "240", version, *proof, *more, place]
        return subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE)

    def test_thousands(self) -> None:
        """Each comes whole and masked; who has lost the connection goes on behind the last one it had."""
        for version in ("--http1.1", "--http2"):
            for more, first in (((), 0), (("-H", "Last-Event-ID: 41"), 42)):
                reading = self.asked("many", version, *more)
                found = reading.communicate()[0]
                self.assertEqual(reading.returncode, 0)
                self.assertEqual(found.count(b"\n\n"), MANY)
                self.assertTrue(found.startswith(b"id: %d\n" % first), found[:40])
                self.assertNotIn(b"123-45-6789", found)

    def test_silence(self) -> None:
        """Longer than anything that is waited for of a client: it has said all that it had to say."""
        both = [self.asked("still", version) for version in ("--http1.1", "--http2")]
        for reading in both:
            found = reading.communicate()[0]
            self.assertEqual((reading.returncode, found.count(b"\n\n")), (0, 2))

    def test_nobody_reads(self) -> None:
        """The target is not read any more either; when the client leaves it hears so, and the gateway is as large as
        it was."""
        for version in ("--http1.1", "--http2"):
            before, self.sent = self.resident(), 0
            reading = self.asked("endless", version)
            self.assertTrue(reading.stdout.read(1))
            seen = -1
            while seen != self.sent:  # it stands still
                seen = self.sent
                time.sleep(1)
            self.assertLess(seen, MOST)
            self.assertLess(self.resident() - before, 32 << 10)
            reading.kill()
            reading.communicate()
            self.assertTrue(until(lambda: "/endless" in self.over))
            self.over.clear()

    def resident(self) -> int:
        """Memory of the gateway, in KiB."""
        lines = Path(f"/proc/{self.stage.gateway.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])

"""CONNECT: out to what a grant lists, by curl and raw bytes, over HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

from hoopgw.cli.demo.place import free_port
from hoopgw.cli.demo.stage import Options
from tests.live.harness import UNTIL, environment, until
from tests.live.test_http import HttpCase

ECHO = free_port()  # listened on by the tests that need it
CLOSED = free_port()
EGRESS = """
[target.out]
protocol = "http"
egress = true
labels = { kind = "egress" }

[target.idle]
protocol = "http"
egress = true
tunnel_idle = "2s"
labels = { kind = "idle" }

[target.asked]
protocol = "http"
egress = true
tunnel_longest = "1s"
labels = { kind = "asked" }

[target.wide]
protocol = "http"
egress = true
labels = { kind = "wide" }
"""
# localhost.test resolves nowhere; *.localhost resolves to this machine (RFC 6761, 6.3), and does not name it
GRANTS = f"""
[grant.out]
groups = ["agents"]
target = {{ name = "out" }}
roles = ["connect"]
destinations = ["127.0.0.1:{ECHO}", "127.0.0.1:{CLOSED}", "*.gw.localhost:{ECHO}", "169.254.169.254:{ECHO}"]
budget = {{ bytes = "3 MiB/session" }}

[grant.idle]
groups = ["agents"]
target = {{ name = "idle" }}
roles = ["connect"]
destinations = ["127.0.0.3:{ECHO}"]

[grant.wide]
groups = ["agents"]
target = {{ name = "wide" }}
roles = ["connect"]
destinations = ["127.0.0.2:{ECHO}"]

[grant.asked]
groups = ["agents"]
target = {{ name = "asked" }}
roles = ["connect"]
destinations = ["localhost:{ECHO}"]
"""
RULE = """
[guardrail.ask]
protocol = "http"
target = { name = "asked" }
method = ["CONNECT"]
then = { hold = { approvers = ["dba"], wait = "120s" } }
"""
STAGE = Options(more={"targets.d/out.toml": EGRESS, "grants.d/out.toml": GRANTS, "guardrails.d/90-out.toml": RULE})


@contextlib.contextmanager
def echo() -> Iterator[list[int]]:
    """Sends back what it gets, a GET as an answer; the list has the bytes of each connection that has ended."""
    heard: list[int] = []
    listening = socket.create_server(("127.0.0.1", ECHO))

    def serve(connection: socket.socket) -> None:
        size = 0
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                size += len(data)
                if data.startswith(b"GET "):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data))
                connection.sendall(data)
        heard.append(size)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield heard
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


class Tunnels(HttpCase):
    options: ClassVar[Options] = STAGE

    def through(self, url: str, *words: str, token: str | None = None) -> subprocess.CompletedProcess[bytes]:
        """By curl, whose proxy is the gateway."""
        shown = self.stage.agent if token is None else token
        proof = ["--proxy-header", f"Proxy-Authorization: Bearer {shown}"] if shown else []
        proxy = ["-x", f"https://127.0.0.1:{self.stage.https_port}", "--proxy-cacert", str(self.stage.ca)]
        line = ["curl", "-sS", "--max-time", "240", "--noproxy", "", "-p", *proxy, *proof, *words, url]
        return subprocess.run(line, env=environment(), capture_output=True, timeout=250, check=False)

    def opened(self, destination: str, *fields: str, token: str = "") -> tuple[Any, bytes]:
        """(connection, the answer's head) of a CONNECT."""
        connection = self.raw()
        proof = f"Proxy-Authorization: Bearer {token or self.stage.agent}"
        head = [f"CONNECT {destination} HTTP/1.1", f"Host: {destination}", proof, *fields, "", ""]
        connection.sendall("\r\n".join(head).encode())
        found = b""
        while b"\r\n\r\n" not in found:
            piece = connection.recv(65536)
            if not piece:
                break
            found += piece
        return connection, found

    def until(self, code: str, words: str) -> dict[str, Any]:
        deadline = time.monotonic() + UNTIL
        while True:
            found = [each for each in self.events(code) if words in json.dumps(each)]
            if found:
                return dict(found[-1])
            self.assertLess(time.monotonic(), deadline, self.events(code)[-3:])
            time.sleep(0.1)

    def test_by_curl(self) -> None:
        """Through the tunnel a service answers; events and record have where it led and how much passed."""
        with echo() as heard:
            done = self.through(f"http://127.0.0.1:{ECHO}/through", "-H", "X-Secret: hush")
            self.assertIn(b"GET /through HTTP/1.1", done.stdout, done.stderr)
            opened = self.until("tunnel.opened", f"127.0.0.1:{ECHO}")
            closed = self.until("tunnel.closed", opened["session"])
        self.assertEqual(opened["address"], "127.0.0.1")
        self.assertTrue(until(lambda: heard))
        self.assertEqual((closed["bytes_in"], closed["bytes_out"] > heard[0]), (heard[0], True))

        def rows() -> list[dict[str, Any]]:
            return [each for each in self.listed("--target", "out") if each["id"] == opened["session"]]

        (row,) = until(rows)
        self.assertEqual(row["tables"], [f"CONNECT 127.0.0.1:{ECHO}"])
        shown = self.hoopgw("sessions", "show", row["id"], "--json").stdout
        self.assertIn(f"tunnel to 127.0.0.1:{ECHO}, {heard[0]} bytes up, {closed['bytes_out']} down", shown)
        self.assertNotIn("hush", shown)

    def test_basic(self) -> None:
        """Programs that know only a user and a password for a proxy: the token is the password."""
        with echo():
            done = self.through(f"http://127.0.0.1:{ECHO}/basic", "-U", f"x:{self.stage.agent}", token="")
            self.assertIn(b"GET /basic HTTP/1.1", done.stdout, done.stderr)

    def test_who_may_not(self) -> None:
        """No token is 407 with how to show one; a token without a grant, and a destination that no grant lists, 403."""
        done = self.through(f"http://127.0.0.1:{ECHO}/", token="")
        self.assertIn(b"407", done.stderr)
        connection, found = self.opened(f"127.0.0.1:{ECHO}", token=self.stage.stranger)
        self.assertTrue(found.startswith(b"HTTP/1.1 403 "), found)
        for destination in (f"127.0.0.1:{ECHO + 1}", f"gw.localhost:{ECHO}", "example.org:443", f"[::1]:{ECHO}"):
            _, found = self.opened(destination)
            self.assertTrue(found.startswith(b"HTTP/1.1 403 "), found)
            self.assertIn(b"no grant lets agent@demo open a tunnel", found + connection.recv(65536))
        self.asked(path="good")

    def test_security_a_listed_domain_does_not_lead_to_this_machine(self) -> None:
        """Names below a listed one that resolve to loopback are not reached: nobody listed that."""
        with echo() as heard:
            connection, found = self.opened(f"inside.gw.localhost:{ECHO}")
            self.assertTrue(found.startswith(b"HTTP/1.1 502 "), found)
            event = self.until("session.closed", "target.unavailable")
            self.assertIn("inside.gw.localhost", json.dumps(event) + self.stage.gateway.log.read_text())
            self.assertEqual(heard, [])
        connection.close()

    def test_security_what_is_no_connect(self) -> None:
        """Another Host than the destination, no port, a path, a body, an Authorization that is for somebody else."""
        for line, fields in (
            (f"CONNECT 127.0.0.1:{ECHO} HTTP/1.1", ["Host: other:1"]),
            ("CONNECT 127.0.0.1 HTTP/1.1", ["Host: 127.0.0.1"]),
            (f"CONNECT http://127.0.0.1:{ECHO}/ HTTP/1.1", [f"Host: 127.0.0.1:{ECHO}"]),
            (f"CONNECT 127.0.0.1:{ECHO} HTTP/1.1", [f"Host: 127.0.0.1:{ECHO}", "Content-Length: 4"]),
        ):
            connection = self.raw()
            proof = f"Proxy-Authorization: Bearer {self.stage.agent}"
            connection.sendall("\r\n".join([line, *fields, proof, "", ""]).encode())
            self.assertTrue(self.answers(connection).startswith(b"HTTP/1.1 400 "), line)
            self.asked(path="good")
        connection = self.raw()
        head = f"CONNECT 127.0.0.1:{ECHO} HTTP/1.1\r\nHost: 127.0.0.1:{ECHO}\r\n"
        connection.sendall(f"{head}Authorization: Bearer {self.stage.agent}\r\n\r\n".encode())
        self.assertTrue(self.answers(connection).startswith(b"HTTP/1.1 407 "))

    def test_nobody_answers(self) -> None:
        """502, and the reason in the event, not for the client."""
        connection, found = self.opened(f"127.0.0.1:{CLOSED}")
        self.assertTrue(found.startswith(b"HTTP/1.1 502 "), found)
        self.assertNotIn(b"refused", found + connection.recv(65536))

    def test_bytes_budget_and_idleness(self) -> None:
        """Bytes come back as they were; the grant's budget ends it, and so does a while without any."""
        with echo():
            connection, found = self.opened(f"127.0.0.1:{ECHO}")
            self.assertTrue(found.startswith(b"HTTP/1.1 200 "), found)
            sent = bytes(range(256)) * 4000
            threading.Thread(target=connection.sendall, args=(sent,), daemon=True).start()
            back = b""
            while len(back) < len(sent):
                back += connection.recv(65536)
            self.assertEqual(back, sent)
            with contextlib.suppress(OSError):
                for _ in range(40):
                    connection.sendall(b"x" * 65536)
                    connection.recv(65536)
            self.until("budget.exceeded", "3145728 bytes")
        with socket.create_server(("127.0.0.3", ECHO)):
            idle, found = self.opened(f"127.0.0.3:{ECHO}")
            self.assertTrue(found.startswith(b"HTTP/1.1 200 "), found)
            idle.settimeout(UNTIL)
            self.assertEqual(idle.recv(1), b"")
            self.until("session.closed", "nothing passed through the tunnel")

    def test_http2(self) -> None:
        """A stream is a tunnel, beside other streams; whichever side ends it, the other one hears so."""
        with echo() as heard:
            hand = self.hand()
            proof = ("proxy-authorization", f"Bearer {self.stage.agent}")
            place = f"127.0.0.1:{ECHO}"
            one, two, none = (
                hand.ask([(":method", "CONNECT"), (":authority", where), proof])
                for where in (place, place, f"127.0.0.1:{ECHO + 1}")
            )
            self.assertEqual([hand.answered(each) for each in (one, two, none)], [200, 200, 403])
            for each, sent in ((one, b"a" * 300_000), (two, b"b" * 10)):
                hand.send(each, sent)
                self.assertEqual(hand.received(each, len(sent)), sent)
            path, token = "/echo/beside", ("authorization", f"Bearer {self.stage.agent}")
            get = [(":method", "GET"), (":scheme", "https"), (":authority", "127.0.0.1"), (":path", path), token]
            self.assertEqual(hand.answered(hand.ask(get, True)), 200)
            hand.send(one, b"", True)
            hand.over(one)
            self.assertTrue(until(lambda: heard))
            self.assertEqual(heard, [300_000])
            hand.send(two, b"more")
            self.assertEqual(hand.received(two, 14), b"b" * 10 + b"more")
        unproven = hand.ask([(":method", "CONNECT"), (":authority", place)])
        self.assertEqual(hand.answered(unproven), 407)

    def test_a_client_that_does_not_read(self) -> None:
        """What a destination sends ahead is bounded by sockets, over either version; then it waits, and all comes."""
        size, sent = 32 << 20, [0]
        listening = socket.create_server(("127.0.0.2", ECHO))
        self.addCleanup(listening.close)

        def flood() -> None:
            with contextlib.suppress(OSError):  # the test is over
                while True:
                    connection, _ = listening.accept()
                    sent[0] = 0
                    with connection:
                        for _ in range(size >> 16):
                            connection.sendall(bytes(1 << 16))
                            sent[0] += 1 << 16

        threading.Thread(target=flood, daemon=True).start()
        connection, found = self.opened(f"127.0.0.2:{ECHO}")
        self.assertTrue(found.startswith(b"HTTP/1.1 200 "), found)
        self.assertLess(self.settled(sent), size)
        left = size - len(found.partition(b"\r\n\r\n")[2])
        while left:
            piece = connection.recv(1 << 16)
            self.assertTrue(piece, left)
            left -= len(piece)
        hand = self.hand()
        proof = ("proxy-authorization", f"Bearer {self.stage.agent}")
        stream = hand.ask([(":method", "CONNECT"), (":authority", f"127.0.0.2:{ECHO}"), proof])
        self.assertEqual(hand.answered(stream), 200)
        self.assertLess(self.settled(sent), size)
        self.assertEqual(len(hand.received(stream, size)), size)

    def settled(self, count: list[int]) -> int:
        """What it is once it has stood still for a while."""
        seen, still = -1, 0
        while still < 5:
            time.sleep(0.1)
            still = still + 1 if count[0] == seen and seen else 0
            seen = count[0]
        return seen

    def test_killed(self) -> None:
        """A kill ends both sides."""
        with echo() as heard:
            connection, _ = self.opened(f"127.0.0.1:{ECHO}")
            connection.sendall(b"x")
            self.assertEqual(connection.recv(1), b"x")
            connection.settimeout(0.5)
            self.kill(lambda: connection.recv(1))
            self.assertTrue(until(lambda: heard))
            self.assertEqual(heard, [1])

    def test_held(self) -> None:
        """A rule on CONNECT alone: it waits for an approval, and then is a tunnel, as long as one may last."""
        done: list[tuple[Any, bytes]] = []
        with echo():
            asking = threading.Thread(target=lambda: done.append(self.opened(f"localhost:{ECHO}")), daemon=True)
            asking.start()
            self.hoopgw("approvals", "approve", self.held(f"CONNECT localhost:{ECHO}")["id"])
            asking.join(UNTIL)
            connection, answer = done[0]
            self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer)
            with contextlib.suppress(OSError):  # it never is idle
                while True:
                    connection.sendall(b"x")
                    if not connection.recv(1):
                        break
                    time.sleep(0.05)
            self.until("session.closed", "has lasted as long as one may")

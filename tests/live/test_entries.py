"""What holds at every door: bytes of a proxy's header are a client's, and no page or refusal says a token again."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import time

from tests.live.harness import UNTIL
from tests.live.test_http import HttpCase

HEADERS = (
    b"PROXY TCP4 203.0.113.9 10.0.0.2 4711 443\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x0a\0\0\x02\x12\x67\x01\xbb",
)


class Entries(HttpCase):
    def test_proxy_headers(self) -> None:
        """must-survive 38: no listener believes one; it is what a client sent, the connection ends, and the event names
        the address that is there."""
        for port in (self.stage.gateway.port, self.stage.ssh_port, self.stage.https_port):
            for header in HEADERS:
                before = len(self.stage.gateway.log.read_text().splitlines())
                with socket.create_connection(("127.0.0.1", port), UNTIL) as plain, contextlib.suppress(OSError):
                    plain.sendall(header + bytes(64))
                    plain.shutdown(socket.SHUT_WR)
                    while plain.recv(4096):
                        pass
                told = self.told_since(before)
                self.forgiven()
                self.assertNotIn("203.0.113.9", told)
                self.assertIn('"client":"127.0.0.1"', told)
        with socket.create_connection(("127.0.0.1", self.stage.https_port), UNTIL) as plain:
            context = ssl.create_default_context(cafile=str(self.stage.ca))
            context.check_hostname = False
            with context.wrap_socket(plain) as inside:
                inside.sendall(HEADERS[0] + b"GET / HTTP/1.1\r\nHost: echo\r\n\r\n")
                self.assertTrue(inside.recv(4096).startswith(b"HTTP/1.1 400 "))

    def forgiven(self) -> None:
        """A good login: failures of this address count no more."""
        self.connect().close()

    def told_since(self, before: int) -> str:
        deadline = time.monotonic() + UNTIL
        while True:
            lines = self.stage.gateway.log.read_text().splitlines()[before:]
            events = [line for line in lines if line.startswith("{") and "client" in json.loads(line)]
            if events:
                return "\n".join(events)
            self.assertLess(time.monotonic(), deadline, lines)
            time.sleep(0.05)

    def test_tokens_are_not_shown(self) -> None:
        """must-survive 51: pages of the gateway's own, problems and redirections hold nothing of a token."""
        wrong = self.stage.agent[:-8] + "AAAAAAAA"
        here = f"https://127.0.0.1:{self.stage.https_port}"
        seen = set()
        for path in (
            "/",
            "/echo/x",
            "/nothing/",
            "/.well-known/hoopgw/",
            "/.well-known/hoopgw/jwks.json",
            "/.well-known/hoopgw/holds/h_unknown",
            "/.well-known/hoopgw/ssh-cert",
            "/.well-known/hoopgw/probes",
        ):
            for token in (self.stage.agent, wrong, "x.y.z<script>"):
                for words in ((), ("-X", "POST", "-d", "{}"), ("-X", "TRACE")):
                    status, head, body = self.curl(*words, url=here + path, token=token)
                    self.forgiven()
                    seen.add(status)
                    if status != 200:  # what the target says is its own
                        self.assertNotIn(token[-12:], head + body.decode("utf-8", "replace"), (path, status))
        self.assertGreaterEqual(seen, {401, 404})

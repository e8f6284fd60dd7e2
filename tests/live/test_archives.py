"""HTTP archives of real sessions: the version that the client spoke, and answers that were cut."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from typing import Any, ClassVar

import httpx

from hoopgw.cli.demo.place import free_port
from hoopgw.cli.demo.stage import Options
from tests.live.harness import UNTIL, until
from tests.live.test_http import HttpCase

PORT = free_port()
TARGET = f"""
[target.frail]
protocol = "http"
address = ["127.0.0.1:{PORT}"]

[target.frail.role.caller]
"""
GRANT = '[grant.frail]\ngroups = ["agents"]\ntarget = { name = "frail" }\nroles = ["caller"]\n'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
ANSWERS = {  # whole up to where the connection ends
    "length": HEAD + b"Content-Length: 10\r\n\r\nhello",
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "close": HEAD + b"Connection: close\r\n\r\nhello",
    "whole": HEAD + b"Content-Length: 5\r\n\r\nhello",
    "waits": HEAD + b"Content-Length: 10\r\n\r\nhello",
}


class Archives(HttpCase):
    options: ClassVar[Options] = Options(more={"targets.d/frail.toml": TARGET, "grants.d/frail.toml": GRANT})

    def setUp(self) -> None:
        super().setUp()
        self.listen(PORT, self._answer)

    @staticmethod
    def _answer(connection: socket.socket) -> None:
        head = connection.recv(65536)
        path = head.split(b"/")[1].decode()
        connection.sendall(ANSWERS[path])
        if path == "waits":
            connection.recv(1)

    def archive(self, request: str) -> dict[str, Any]:
        """What a session's archive says of its one exchange."""

        def rows() -> list[dict[str, Any]]:
            found = self.listed("--target", "frail")
            return [each for each in found if not each["live"] and request in each["tables"]]

        (row,) = until(rows)
        done = self.hoopgw("sessions", "export", "--format", "har", row["id"])
        self.assertEqual(done.returncode, 0, done.stderr)
        (found,) = json.loads(done.stdout)["log"]["entries"]
        return dict(found)

    def said(self, request: str, version: str) -> str:
        """Why it is not whole."""
        found = self.archive(request)
        self.assertEqual([found[side]["httpVersion"] for side in ("request", "response")], [version] * 2)
        response = found["response"]
        self.assertEqual((response["status"], response["content"]["text"]), (200, "hello"))
        self.assertEqual(response.get("comment", "not whole: "), f"not whole: {response.get('_error', '')}")
        return str(response.get("_error", ""))

    def url(self, path: str) -> str:
        return self.stage.https_url.replace("/echo/", "/frail/") + path

    def client(self, http2: bool) -> httpx.Client:
        """A connection of its own."""
        context = ssl.create_default_context(cafile=str(self.stage.ca))
        headers = {"Authorization": f"Bearer {self.stage.agent}"}
        found = httpx.Client(verify=context, headers=headers, http2=http2, trust_env=False, timeout=UNTIL)
        self.addCleanup(found.close)
        return found

    def test_a_target_that_dies(self) -> None:
        """In the middle of an answer; one that ends with its connection is whole, as one with a length is."""
        for version, http2 in (("HTTP/1.1", False), ("HTTP/2.0", True)):
            for path, cut in (("whole", False), ("close", False), ("length", True), ("chunks", True)):
                place = f"{path}/{int(http2)}"
                with contextlib.suppress(httpx.ProtocolError), self.client(http2) as client:
                    client.get(self.url(place))
                self.assertEqual("in the middle of an answer" in self.said(f"GET /{place}", version), cut, place)

    def test_who_ends_it(self) -> None:
        """The client, and somebody who kills the session."""
        for version, http2 in (("HTTP/1.1", False), ("HTTP/2.0", True)):
            for who, why in (("client", "the client closed the connection"), ("killed", "session.killed")):
                place = f"waits/{who}{int(http2)}"
                client = self.client(http2)
                with client.stream("GET", self.url(place)) as answer:
                    pieces = answer.iter_raw()
                    self.assertEqual(next(pieces), b"hello")
                    if who == "killed":
                        (row,) = self.listed("--live", "--target", "frail")
                        self.hoopgw("sessions", "kill", row["id"])
                        self.assertRaises(httpx.ProtocolError, list, pieces)
                client.close()
                self.assertIn(why, self.said(f"GET /{place}", version))

    def test_http10(self) -> None:
        """Its version is told as well."""
        self.curl("--http1.0", url=self.url("close/0.9"))
        self.assertEqual(self.said("GET /close/0.9", "HTTP/1.0"), "")

"""What HTTP/2 clients are promised: clients that others wrote, frames that nobody should write, a real service."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import time
from typing import Any

import httpx
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset

from hoopgw.wire.http2_values import RESETS
from tests.live.harness import UNTIL, environment
from tests.live.test_http import HttpCase

TURN = UNTIL  # seconds that an answer may take
HEAD = [(":method", "GET"), (":scheme", "https"), (":authority", "127.0.0.1"), (":path", "/echo/a")]


class Http2Case(HttpCase):
    def settings(self) -> dict[str, Any]:
        return {
            "http1": False,
            "http2": True,
            "verify": ssl.create_default_context(cafile=str(self.stage.ca)),
            "base_url": self.stage.https_url,
            "headers": {"Authorization": f"Bearer {self.stage.agent}"},
            "timeout": TURN,
            "trust_env": False,
        }

    def client(self) -> httpx.Client:
        found = httpx.Client(**self.settings())
        self.addCleanup(found.close)
        return found


class Clients(Http2Case):
    def test_curl(self) -> None:
        """curl negotiates HTTP/2, and the target is told the same as by HTTP/1.1."""
        words = ["curl", "-sS", "-i", "--http2", "--max-time", "240", "--cacert", str(self.stage.ca)]
        words += ["-H", f"Authorization: Bearer {self.stage.agent}", "-d", "x=1", self.stage.https_url + "a?b=1"]
        done = subprocess.run(words, env=environment(), capture_output=True, timeout=250, check=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        told = json.loads(body)
        self.assertTrue(head.startswith(b"HTTP/2 200"), head)
        self.assertEqual(
            (told["method"], told["path"], told["body"], told["credential"]), ("POST", "/a?b=1", "x=1", "right")
        )
        self.assertEqual(dict(told["fields"])["X-Forwarded-Proto"], "https")

    def test_many_at_once(self) -> None:
        """Fifty streams beside one another on one connection; one session for each that ran at a time, not more."""
        found = asyncio.run(self._many(50))
        self.assertEqual(found, [(f"/a{number}", number) for number in range(50)])
        client = self.client()
        for number in range(20):  # one after the other they share one
            self.assertEqual(client.get(f"b{number}").json()["path"], f"/b{number}")
        client.close()
        many = [each for each in self.listed("--target", "echo", count=20) if each["operations"]]
        self.assertTrue(0 < len(many) <= 65, len(many))  # of 70 requests, and of other tests a few

    async def _many(self, count: int) -> list[tuple[str, int]]:
        """Path and size of each as the service saw it.  On one thread: httpx's own frames come apart on several."""
        async with httpx.AsyncClient(**self.settings()) as client:

            async def ask(number: int) -> tuple[str, int]:
                told = (await client.post(f"a{number}", content=b"x" * number)).json()
                return told["path"], told["size"]

            return await asyncio.gather(*[ask(number) for number in range(count)])

    def test_bodies(self) -> None:
        """Larger than every window, both ways; with a length and without; HEAD, 204, 304."""
        client = self.client()
        data = bytes(range(256)) * 20_000
        self.assertEqual(client.post("a", content=data).json()["size"], len(data))
        pieces = (data[here : here + 100_000] for here in range(0, len(data), 100_000))
        self.assertEqual(client.post("a", content=pieces).json()["size"], len(data))
        for path in ("bytes/5000000", "chunks/5000000"):
            self.assertEqual(len(client.get(path).content), 5_000_000)
        head = client.head("bytes/500")
        self.assertEqual((head.status_code, head.headers["content-length"], head.http_version), (200, "500", "HTTP/2"))
        for code in (204, 304, 404, 500):
            self.assertEqual(client.get(f"status/{code}").status_code, code)

    def test_events_come_as_they_are_sent(self) -> None:
        """Server-sent events are not kept back."""
        client = self.client()
        with client.stream("GET", "events", headers={"X-Wait": "1"}) as answer:
            pieces, found = answer.iter_raw(), b""
            while b"data: 0" not in found:
                found += next(pieces)
            self.assertNotIn(b"data: 1", found)  # the service waits
            self.assertEqual(client.get("go").status_code, 200)
            found += b"".join(pieces)
        self.assertEqual(found.count(b"data:"), 5)

    def test_who_may_not(self) -> None:
        """The same words as over HTTP/1.1; the connection goes on."""
        client = self.client()
        for token, status in (("x", 401), (self.stage.stranger, 403), (self.stage.agent, 200)):
            answer = client.get("a", headers={"Authorization": f"Bearer {token}"})
            self.assertEqual((answer.status_code, answer.http_version), (status, "HTTP/2"))
        self.stage.gateway.stop()  # penalties of the failed login go with it
        self.stage.gateway.start()

    def test_node(self) -> None:
        """Node's http2, with trailers and a cancelled stream."""
        script = """
        const http2 = require('http2'), fs = require('fs');
        const [, url, ca, token] = process.argv, place = new URL(url);
        const client = http2.connect(place.origin, {ca: fs.readFileSync(ca)});
        const ask = (path, body) => new Promise((good, bad) => {
          const stream = client.request({':path': place.pathname + path, ':method': body ? 'POST' : 'GET',
                                         authorization: 'Bearer ' + token}, {waitForTrailers: !!body});
          let text = '', status = 0;
          stream.on('response', head => { status = head[':status']; });
          stream.on('wantTrailers', () => stream.sendTrailers({'x-sum': '1'}));
          stream.on('data', data => { text += data; }); stream.on('error', bad);
          stream.on('end', () => good([status, text])); stream.end(body);
        });
        (async () => {
          const [status, text] = await ask('a', 'hello');
          const gone = client.request({':path': place.pathname + 'bytes/9000000', authorization: 'Bearer ' + token});
          gone.on('error', () => {}); gone.once('data', () => gone.close(http2.constants.NGHTTP2_CANCEL));
          await new Promise(good => gone.on('close', good));
          const [after] = await ask('b');
          console.log(JSON.stringify([status, JSON.parse(text).body, after])); client.close();
        })().catch(error => { console.error(error); process.exit(1); });
        """
        words = ["node", "-e", script, self.stage.https_url, str(self.stage.ca), self.stage.agent]
        done = subprocess.run(words, env=environment(), capture_output=True, timeout=250, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout), [200, "hello", 200])


class Hostile(Http2Case):
    """Frames by hand."""

    def setUp(self) -> None:
        super().setUp()
        context = ssl.create_default_context(cafile=str(self.stage.ca))
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", self.stage.https_port), TURN)
        self.connection = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self.addCleanup(self.connection.close)
        self.assertEqual(self.connection.selected_alpn_protocol(), "h2")
        self.peer = H2Connection(
            H2Configuration(client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False)
        )
        self.peer.initiate_connection()

    def ask(self, stream: int, *more: tuple[str, str], path: str = "/echo/a", ended: bool = True) -> None:
        head = [*HEAD[:-1], (":path", path)]
        token = ("authorization", f"Bearer {self.stage.agent}")
        self.peer.send_headers(stream, [*head, token, *more], end_stream=ended)

    def until(self, kind: type[Event]) -> list[Event]:
        """Everything up to the first event of this kind, or the end."""
        found: list[Event] = []
        deadline = time.monotonic() + TURN
        while not any(isinstance(each, kind) for each in found) and time.monotonic() < deadline:
            self.connection.sendall(self.peer.data_to_send())
            data = self.connection.recv(65536)
            if not data:
                break
            found += self.peer.receive_data(data)
        return found

    def test_rapid_reset(self) -> None:
        """CVE-2023-44487: the connection ends with ENHANCE_YOUR_CALM, an event says so, others are served."""
        # in one record of TLS, so without a token: the gateway may have ended the connection before it has another
        for stream in range(1, 2 * int(RESETS) + 41, 2):
            self.peer.send_headers(stream, HEAD, end_stream=True)
            self.peer.reset_stream(stream, 8)
        ends = [each for each in self.until(ConnectionTerminated) if isinstance(each, ConnectionTerminated)]
        self.assertEqual([int(each.error_code or 0) for each in ends], [11])
        self.assertEqual(self.client().get("a").status_code, 200)
        deadline = time.monotonic() + TURN
        while not any("flood" in each["reason"] for each in self.events("protocol.violated")):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)

    def test_smuggled(self) -> None:
        """A field that would be two, and one that would frame, end their stream; the next is served."""
        self.ask(1, ("x", "a\r\nHost: other"))
        found = self.until(StreamReset)
        self.assertTrue([each for each in found if isinstance(each, StreamReset | ConnectionTerminated)])
        self.assertFalse([each for each in found if isinstance(each, ResponseReceived)])

    def test_a_path_that_is_refused(self) -> None:
        """What HTTP/1.1 could not carry is reset alone: the connection goes on."""
        self.ask(1, path="/echo/a b")
        self.ask(3)
        found = self.until(StreamEnded)
        if not any(isinstance(each, StreamReset) for each in found):
            found += self.until(StreamReset)
        self.assertEqual([each.stream_id for each in found if isinstance(each, StreamReset)], [1])
        self.assertEqual([each.stream_id for each in found if isinstance(each, ResponseReceived)], [3])

    def test_a_window_that_stays_closed(self) -> None:
        """An answer that is not taken holds up nobody else on the connection."""
        self.ask(1, path="/echo/bytes/9000000")
        self.ask(3)
        found: list[Event] = []
        deadline = time.monotonic() + TURN
        while not any(isinstance(each, StreamEnded) for each in found) and time.monotonic() < deadline:
            self.connection.sendall(self.peer.data_to_send())
            found += self.peer.receive_data(self.connection.recv(65536))
            self.peer.increment_flow_control_window(65536)  # of the connection, not of the stream
        self.assertEqual([each.stream_id for each in found if isinstance(each, StreamEnded)], [3])
        taken = sum(len(each.data or b"") for each in found if isinstance(each, DataReceived) and each.stream_id == 1)
        self.assertLessEqual(taken, 65535)

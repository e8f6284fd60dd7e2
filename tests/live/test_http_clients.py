"""Clients and servers of HTTP that people use: Node's fetch, httpx; what a Node server sees of hostile requests."""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import subprocess
import time
from typing import ClassVar
from unittest import SkipTest

import httpx

from hoopgw.cli.demo.place import free_port
from hoopgw.cli.demo.stage import Options
from tests.live.harness import UNTIL, environment
from tests.live.smuggling import corpus
from tests.live.test_http import HttpCase

PORT = free_port()
TARGET = f"""
[target.node]
protocol = "http"
address = ["127.0.0.1:{PORT}"]
[target.node.role.caller]
"""
GRANT = """
[grant.node]
groups = ["agents"]
target = { name = "node" }
roles = ["caller"]
"""
SERVER = """
const seen = [];
require('http').createServer((request, answer) => {
  if (request.url === '/early') { answer.writeHead(413, {Connection: 'close'}); answer.end('too much\\n'); return; }
  let size = 0;
  request.on('data', piece => { size += piece.length; });
  request.on('end', () => {
    if (request.url === '/seen') { answer.end(JSON.stringify(seen)); return; }
    seen.push([request.method, request.url, size]);
    answer.setHeader('X-Node', '1');
    answer.end('ok\\n');
  });
}).listen(Number(process.argv[1]), '127.0.0.1');
"""
FETCH = """
const [place, token] = [process.argv[1], process.env.TOKEN];
const headers = {Authorization: `Bearer ${token}`};
(async () => {
  const text = new TextEncoder().encode('x'.repeat(100000));
  const pieces = new ReadableStream({pull(it) { it.enqueue(text); it.close(); }});
  const sent = await fetch(place + 'sent', {method: 'PUT', headers, body: pieces, duplex: 'half'});
  const got = await fetch(place + 'chunks/1000000', {headers});
  const many = await Promise.all([...Array(20).keys()].map(n => fetch(place + n, {headers}).then(a => a.json())));
  console.log(JSON.stringify([(await sent.json()).size, (await got.arrayBuffer()).byteLength, many.map(a => a.path)]));
})();
"""


def node() -> str:
    found = shutil.which("node")
    if found is None:
        raise SkipTest("there is no node on this machine")
    return found


class Clients(HttpCase):
    def test_node_fetch(self) -> None:
        """Streams both ways, and many requests at once over its pool."""
        env = environment() | {"TOKEN": self.stage.agent, "NODE_EXTRA_CA_CERTS": str(self.stage.ca)}
        words = [node(), "-e", FETCH, self.stage.https_url]
        done = subprocess.run(words, env=env, capture_output=True, timeout=240, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        size, got, paths = json.loads(done.stdout)
        self.assertEqual((size, got, paths), (100_000, 1_000_000, [f"/{number}" for number in range(20)]))

    def test_httpx(self) -> None:
        """A pool of kept-alive connections, streams, and a body from a generator."""
        header = {"Authorization": f"Bearer {self.stage.agent}"}
        context = ssl.create_default_context(cafile=str(self.stage.ca))
        with httpx.Client(
            base_url=self.stage.https_url, headers=header, verify=context, trust_env=False, timeout=UNTIL
        ) as client:
            sent = client.post("sent", content=(b"x" * 1000 for _ in range(100)))
            self.assertEqual(sent.json()["size"], 100_000)
            with client.stream("GET", "chunks/1000000") as answer:
                self.assertEqual(sum(map(len, answer.iter_bytes())), 1_000_000)
            for number in range(20):
                self.assertEqual(client.get(str(number)).json()["path"], f"/{number}")


class NodeTarget(HttpCase):
    options: ClassVar[Options] = Options(more={"targets.d/node.toml": TARGET, "grants.d/node.toml": GRANT})

    def setUp(self) -> None:
        super().setUp()
        server = subprocess.Popen([node(), "-e", SERVER, str(PORT)], env=environment(), stdin=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        deadline = time.monotonic() + UNTIL
        while True:
            try:
                self.seen()
                return
            except httpx.HTTPError:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.1)

    def seen(self) -> list[list[object]]:
        """[method, path, bytes of the body] of every request so far, asked past the gateway."""
        found: list[list[object]] = httpx.get(f"http://127.0.0.1:{PORT}/seen", trust_env=False, timeout=UNTIL).json()
        return found

    def test_smuggling(self) -> None:
        """Whatever is hidden in a request, Node never sees another request than those that were asked about."""
        for data in corpus("node", self.head):
            connection = self.raw()
            connection.sendall(self.head("GET /node/zero HTTP/1.1"))
            self.assertIn(b"X-Node: 1", self.answers(connection))
            connection.sendall(data)
            self.assertIn(b"HTTP/1.1 400 ", self.rest(connection), data)
        paths = {place for _, place, _ in self.seen()}
        self.assertNotIn("/smuggled", paths)
        self.assertLessEqual(paths, {"/zero", "/one"})

    def test_an_answer_before_the_body(self) -> None:
        """A client that sends all of a large body before it reads is not left standing, and can ask again."""
        context = ssl.create_default_context(cafile=str(self.stage.ca))
        header = {"Authorization": f"Bearer {self.stage.agent}"}
        for _ in range(2):
            connection = http.client.HTTPSConnection("127.0.0.1", self.stage.https_port, timeout=UNTIL, context=context)
            self.addCleanup(connection.close)
            connection.request("POST", "/node/early", bytes(8 << 20), header)
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.read()), (413, b"too much\n"))

    def test_a_kept_connection_that_died(self) -> None:
        """Node closes its idle connections after five seconds: the next request gets another one."""
        connection = self.raw()
        connection.sendall(self.head("GET /node/zero HTTP/1.1"))
        self.answers(connection)
        time.sleep(7)
        connection.sendall(self.head("POST /node/one HTTP/1.1", "Content-Length: 2") + b"hi")
        self.assertIn(b"X-Node: 1", self.answers(connection))
        self.assertIn(["POST", "/one", 2], self.seen())

"""h2spec, which says of each sentence of RFC 9113 and RFC 7541 whether a server keeps to it."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import ClassVar

from twisted.trial.unittest import SkipTest

from hoopgw.cli.demo.stage import Options
from tests.auth.certificates_for_tests import Ca, pem, spiffe
from tests.live.harness import UNTIL, built, environment
from tests.live.test_http import HttpCase

ROOT = Ca("mesh root")
MESH = """
[client_ca.mesh]
provider = "demo"
ca = "mesh.pem"
trust_domain = "mesh.test"
members = { "spiffe://mesh.test/*" = ["agents"] }
alone = true
listeners = ["https"]
"""


class Shown:
    """Clear text comes in at `port`, and goes on by TLS with a client's certificate: h2spec has none to show."""

    def __init__(self, target: int, context: ssl.SSLContext) -> None:
        self._target, self._context = target, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(UNTIL)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:  # what is left when that ends is cancelled
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with await asyncio.start_server(self._forward, sock=self._listener):
            await self._over.wait()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", self._target, ssl=self._context)
        await asyncio.gather(self._pass(reader, there[1]), self._pass(there[0], writer))

    @staticmethod
    async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until one side has ended, in whatever way, and then the other one has."""
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


class Conformance(HttpCase):
    options: ClassVar[Options] = Options(more={"hoopgw.toml": MESH, "mesh.pem": ROOT.pem})

    def tried(self, port: int, *words: str) -> None:
        program = built("h2spec")
        if not program:
            raise SkipTest("h2spec is not built: `make test` tries to, and says why it cannot")
        command = [*program, "-h", "127.0.0.1", "-p", str(port), "-P", "/echo/a", "--strict", *words]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=600, check=False)
        last = re.search(r"(\d+) tests, (\d+) passed, 0 skipped, 0 failed", done.stdout)
        assert last is not None, done.stdout[-4000:] + done.stderr
        self.assertEqual(last[1], last[2])
        self.assertGreaterEqual(int(last[1]), 140)

    def test_nobody(self) -> None:
        """Of a client that has not said who it is."""
        self.tried(self.stage.https_port, "--tls", "--insecure")

    def test_an_agent(self) -> None:
        """Of one whose requests reach a target, each in a session."""
        certificate, key = ROOT.issue(spiffe("spiffe://mesh.test/agent"))
        path = Path(self.mktemp()).absolute()
        path.write_text(pem(certificate) + key)
        os.chmod(path, 0o600)
        context = ssl.create_default_context(cafile=str(self.stage.ca))
        context.load_cert_chain(path)
        context.set_alpn_protocols(["h2"])
        shown = Shown(self.stage.https_port, context)
        self.addCleanup(shown.close)
        self.tried(shown.port)
        self.assertGreater(len(self.listed("--target", "echo", count=1)), 0)

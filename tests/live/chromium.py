"""A headless Chromium, told what to do by its DevTools protocol over a pipe (chromedevtools.github.io)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import select
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.live.harness import environment

PROGRAM = "chromium-headless-shell"
TURN = 60.0  # seconds for any one answer, on a machine that has other things to do
LIBRARIES = ("usr/lib/{0}", "usr/lib/{0}/pulseaudio", "lib/{0}")
OPTIONS = (
    "--headless",
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--no-proxy-server",
    "--remote-debugging-pipe",
)


def program() -> tuple[str, dict[str, str]]:
    """(where it is, what its loader must be told)."""
    found = shutil.which(PROGRAM)
    if found is not None:
        return found, {}
    root = Path(sys.prefix).parent / ".cache/debian/browser"
    places = [root / each.format(os.uname().machine + "-linux-gnu") for each in LIBRARIES]
    return str(root / "usr/lib/chromium" / PROGRAM), {"LD_LIBRARY_PATH": ":".join(map(str, places))}


def pin(port: int) -> str:
    """The digest of the key that the server on this port shows, as Chromium takes it."""
    certificate = x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", port)).encode())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


class Chromium:
    """One page.  It trusts no certificate but the one whose key has this pin."""

    def __init__(self, pinned: str) -> None:
        self._place = tempfile.mkdtemp(prefix="hoopgw-browser-")
        path, told = program()
        ours, theirs = os.pipe(), os.pipe()  # what it reads, what it writes
        own = [f"--user-data-dir={self._place}", f"--ignore-certificate-errors-spki-list={pinned}"]
        shell = f'exec "$0" "$@" 3<&{ours[0]} 4>&{theirs[1]}'
        self._log = open(Path(self._place) / "log", "wb")  # noqa: SIM115  closed with the rest
        self._child = subprocess.Popen(
            ["bash", "-c", shell, path, *OPTIONS, *own, "about:blank"],
            env=environment() | told | {"HOME": self._place},
            pass_fds=(ours[0], theirs[1]),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._write, self._read = ours[1], theirs[0]
        self._buffer, self._number, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        page = self.tell("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.tell("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        self.tell("Page.enable")

    def close(self) -> None:
        self._child.kill()
        self._child.wait()
        os.close(self._write)
        os.close(self._read)
        self._log.close()
        shutil.rmtree(self._place, ignore_errors=True)

    def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result.  Raises AssertionError for an error, and where none comes."""
        self._number += 1
        asked: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._write, json.dumps(asked).encode() + b"\0")
        deadline = time.monotonic() + TURN
        while True:
            said = self._next(deadline)
            if said.get("id") == self._number:
                assert "error" not in said, said
                result: dict[str, Any] = said["result"]
                return result
            self.events.append(said)

    def visit(self, url: str) -> None:
        """Until the page and what it names are loaded."""
        self.events.clear()
        found = self.tell("Page.navigate", url=url)
        assert not found.get("errorText"), found
        deadline = time.monotonic() + TURN
        while not any(each.get("method") == "Page.loadEventFired" for each in self.events):
            self.events.append(self._next(deadline))

    def run(self, script: str) -> Any:
        """What an expression comes to, once it is no promise any more."""
        found = self.tell("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"Chromium says nothing: {(Path(self._place) / 'log').read_text()[-2000:]}"
            piece = os.read(self._read, 1 << 16)
            assert piece, f"Chromium ended: {(Path(self._place) / 'log').read_text()[-2000:]}"
            self._buffer += piece
        text, _, self._buffer = self._buffer.partition(b"\0")
        said: dict[str, Any] = json.loads(text)
        return said

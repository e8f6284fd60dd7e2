"""HTTP clients of other makes: requests, aiohttp, Java's own, Git; and what the record has of streams at once."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar
from unittest import SkipTest

import aiohttp
import requests

from hoopgw.cli.demo.place import free_port
from hoopgw.cli.demo.stage import Options
from tests.live.git_server import git_server
from tests.live.harness import UNTIL, environment
from tests.live.test_http import HttpCase

PORT = free_port()
FILES = {
    "targets.d/git.toml": f"""
[target.git]
protocol = "http"
address = ["127.0.0.1:{PORT}"]
[target.git.role.caller]
""",
    "grants.d/git.toml": """
[grant.git]
groups = ["agents"]
target = { name = "git" }
roles = ["caller"]
""",
    "guardrails.d/90-git.toml": """
[guardrail.no-push]
protocol = "http"
target = { name = "git" }
path = ["/closed.git/git-receive-pack"]
then = "refuse"
reason = "nobody pushes there"
""",
}
ASK = Path(__file__).parent / "clients/http/Ask.java"


class Makes(HttpCase):
    options: ClassVar[Options] = Options(more=FILES)

    def test_requests(self) -> None:
        """A session with its pool: forms, a body from a generator, a stream, redirects that stay inside, cookies."""
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(self.stage.ca)
            session.headers["Authorization"] = f"Bearer {self.stage.agent}"
            place = self.stage.https_url
            self.assertEqual(session.post(place + "form", data={"a": "1 2"}).json()["body"], "a=1+2")
            sent = session.put(place + "sent", data=(b"x" * 1000 for _ in range(100)))
            self.assertEqual(sent.json()["size"], 100_000)
            with session.get(place + "chunks/1000000", stream=True) as answer:
                self.assertEqual(sum(map(len, answer.iter_content(4096))), 1_000_000)
            moved = session.get(place + "redirect", params={"to": "/people"})
            self.assertEqual((moved.url, moved.history[0].status_code), (place + "people", 302))
            session.get(place + "cookie")
            self.assertEqual({(each.domain, each.path) for each in session.cookies}, {("127.0.0.1", "/echo/")})
            refused = session.request("TRACE", place)
            self.assertEqual((refused.status_code, refused.headers["Content-Type"]), (501, "application/problem+json"))

    def test_aiohttp(self) -> None:
        """One session: many at once over its pool, a body from a generator, a stream, a WebSocket's refusal."""
        found = asyncio.run(self._by_aiohttp())
        self.assertEqual(found, (100_000, 1_000_000, [f"/many/{number}" for number in range(20)], 404))

    async def _by_aiohttp(self) -> tuple[int, int, list[str], int]:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"x" * 1000

        place, token = self.stage.https_url, {"Authorization": f"Bearer {self.stage.agent}"}
        trust = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(self.stage.ca)))
        async with aiohttp.ClientSession(headers=token, connector=trust) as session:

            async def path(number: int) -> str:
                async with session.get(f"{place}many/{number}") as answer:
                    return str((await answer.json())["path"])

            async with session.put(place + "sent", data=pieces()) as answer:
                sent = (await answer.json())["size"]
            async with session.get(place + "chunks/1000000") as answer:
                size = sum([len(piece) async for piece in answer.content.iter_any()])
            many = await asyncio.gather(*map(path, range(20)))
            try:
                await session.ws_connect(place + "status/404")
            except aiohttp.WSServerHandshakeError as error:
                return sent, size, list(many), error.status
        return sent, size, list(many), 0

    def test_java(self) -> None:
        """Its HttpClient, over HTTP/2 and HTTP/1.1: many at once, a body of unknown length, a long answer."""
        if shutil.which("java") is None or shutil.which("javac") is None:
            raise SkipTest("there is no JDK on this machine")
        words = [
            "java",
            "-XX:TieredStopAtLevel=1",
            str(ASK),
            self.stage.https_url,
            str(self.stage.ca),
            self.stage.agent,
        ]
        done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=280, check=False)
        found = done.stdout.splitlines()
        self.assertEqual(found, ["HTTP_1_1 20 true 1000000", "HTTP_2 20 true 1000000"], done.stderr)

    def git(self, where: Path, *words: str) -> subprocess.CompletedProcess[str]:
        own = {
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": str(where),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_SSL_CAINFO": str(self.stage.ca),
        }
        own |= {f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        line = ["git", "-c", f"http.extraHeader=Authorization: Bearer {self.stage.agent}", *words]
        return subprocess.run(
            line, cwd=where, env=environment() | own, capture_output=True, text=True, timeout=280, check=False
        )

    def test_git(self) -> None:
        """Clone, push, fetch; a large push in chunks; and one that a rule refuses, whose reason git shows."""
        place = Path(self.mktemp()).absolute()
        (place / "work").mkdir(parents=True)
        for name in ("open", "closed"):
            self.git(place, "init", "-q", "--bare", "-b", "main", f"{name}.git")
            self.git(place / f"{name}.git", "config", "http.receivepack", "true")
        base = f"https://127.0.0.1:{self.stage.https_port}/git"
        with git_server(place, dict(os.environ), PORT) as asked:
            done = self.git(place / "work", "clone", "-q", f"{base}/open.git", "tree")
            self.assertEqual(done.returncode, 0, done.stderr)
            tree = place / "work/tree"
            (tree / "large").write_bytes(os.urandom(3_000_000))
            for words in (("add", "."), ("commit", "-qm", "one"), ("push", "-q", "origin", "HEAD:main")):
                done = self.git(tree, *words)
                self.assertEqual(done.returncode, 0, done.stderr)
            done = self.git(place / "work", "clone", "-q", f"{base}/open.git", "again")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual((place / "work/again/large").read_bytes(), (tree / "large").read_bytes())
            before = len(asked)
            done = self.git(tree, "push", "-q", f"{base}/closed.git", "HEAD:main")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("403", done.stderr)
            self.assertEqual([each for each in asked[before:] if each.startswith("POST")], [])
            self.assertIn("POST /open.git/git-receive-pack", asked)

    def test_the_archive_of_interleaved_streams(self) -> None:
        """Streams of one connection whose answers come in pieces, in turn: each session's HAR has its own, whole."""
        hand = self.hand()
        usual = [(":scheme", "https"), (":authority", "127.0.0.1"), ("authorization", f"Bearer {self.stage.agent}")]
        streams = {}
        for number in range(4):
            path = ("events", "chunks/30000")[number % 2]
            head = [(":method", "POST"), (":path", f"/echo/{path}?har={number}"), *usual]
            streams[number] = hand.ask(head)
        for piece in range(3):
            for number, stream in streams.items():
                hand.send(stream, b"%d-%d " % (number, piece), ended=piece == 2)
        for stream in streams.values():
            self.assertEqual(hand.answered(stream), 200)
            hand.over(stream)
        hand.close()
        exchanges = self.archived(len(streams))
        self.assertEqual(len(exchanges), len(streams))
        for number, stream in streams.items():
            (found,) = [each for each in exchanges if each["request"]["url"].endswith(f"har={number}")]
            self.assertEqual(found["request"]["postData"]["text"], "".join(f"{number}-{piece} " for piece in range(3)))
            content = found["response"]["content"]
            self.assertEqual((content["size"], content["text"].encode()), (len(hand.data[stream]), hand.data[stream]))

    def archived(self, count: int) -> list[dict[str, Any]]:
        """So many exchanges by POST, of the sessions that had some and are closed: all that is in their archives."""
        deadline = time.monotonic() + 2 * UNTIL
        while True:
            rows = [row for row in self.listed("--target", "echo") if not row["live"]]
            mine = [row["id"] for row in rows if set(row["tables"]) & {"POST /events", "POST /chunks/30000"}]
            if sum(row["operations"] for row in rows if row["id"] in mine) >= count:
                break
            self.assertLess(time.monotonic(), deadline, "the sessions were not closed")
            time.sleep(0.2)
        exported = [self.hoopgw("sessions", "export", each, "--format", "har").stdout for each in mine]
        return [entry for text in exported for entry in json.loads(text)["log"]["entries"]]

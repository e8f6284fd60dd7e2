"""wrk, h2load, curl and WebSockets against one target: through the gateway, nginx and HAProxy."""

from __future__ import annotations

import json
import re
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from bench import http_conf as conf
from bench import talk
from bench.measure import BenchFailed
from hoopgw.cli.demo.authority import Authority
from hoopgw.cli.demo.children import Child, ChildFailed
from hoopgw.cli.demo.place import free_port, write_secret
from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.stage import Stage
from hoopgw.cli.demo.surroundings import surroundings

SIZE = 100_000_000  # bytes of a large answer
ROWS = 60_000  # of 10 MB of JSON
STREAMS = 16  # of HTTP/2 on each of 4 connections
PEERS = ("nginx", "haproxy")
READY = 20.0  # seconds
TIMEOUT = 120.0  # seconds


class HttpWays:
    """Its servers run from `start` on; `configure` writes what the gateway needs to reach them, before it starts."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._programs = Programs.find("nginx", "haproxy", "wrk", "h2load")
        self._env = surroundings(dict(self._programs.environment))
        self._ports = {name: free_port() for name in ("target", "talk", *PEERS)}
        self._tls = {name: free_port() for name in PEERS}
        self.pids: list[int] = []  # of the peers

    def configure(self, directory: Path) -> None:
        secret = write_secret(directory / "secrets/bench", "bench")
        ports = {
            "bench": self._ports["target"],
            "bench-masked": self._ports["target"],
            "bench-talk": self._ports["talk"],
        }
        text = "\n".join(conf.TARGET.format(name=name, port=port, secret=secret) for name, port in ports.items())
        (directory / "targets.d/bench-http.toml").write_text(text)
        (directory / "guardrails.d/91-bench-http.toml").write_text(conf.MASK)

    def start(self, stack: ExitStack, authority: Authority) -> None:
        """Everything accepts connections when this returns; ended with `stack`.  Raises ChildFailed."""
        ports, place = self._ports, self._place
        stack.enter_context(talk.echoing(ports["talk"]))
        self._nginx(stack, "target", conf.SERVES.format(port=ports["target"], place=place / "target"))
        with (place / "target/big").open("wb") as big:
            big.truncate(SIZE)
        (place / "target/rows").write_text(json.dumps({"rows": [_row(number) for number in range(ROWS)]}))
        certificate, key = authority.issue()
        files = {"certificate": certificate, "key": key, "both": certificate + key}
        paths = {name: write_secret(place / name, text) for name, text in files.items()}
        more = {**paths, "target": ports["target"], "talk": ports["talk"]}
        self._nginx(stack, "nginx", conf.PASSES.format(port=ports["nginx"], tls=self._tls["nginx"], **more))
        file = place / "haproxy.cfg"
        file.write_text(conf.HAPROXY.format(port=ports["haproxy"], tls=self._tls["haproxy"], **more))
        self._run(stack, "haproxy", [self._programs["haproxy"], "-db", "-f", file])
        self._curl(self._url("target") + "big", "/dev/null")  # its pages are in memory, whoever asks first

    def _nginx(self, stack: ExitStack, name: str, more: str) -> None:
        place = self._place / name
        place.mkdir(parents=True)
        (place / "conf").write_text(conf.NGINX.format(place=place, more=more))
        self._run(stack, name, [self._programs["nginx"], "-c", place / "conf", "-p", place])

    def _run(self, stack: ExitStack, name: str, command: list[str | Path]) -> None:
        child = Child(name, command, self._place / f"{name}.log", self._env)
        stack.callback(child.stop)
        if name in PEERS:
            self.pids.append(child.pid)
        deadline = time.monotonic() + READY
        while self._curl(self._url(name), "/dev/null") is None:
            child.must_live()
            if time.monotonic() > deadline:
                raise ChildFailed(f"{name} does not answer")
            time.sleep(0.05)

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}/"

    def _where(self, way: str, stage: Stage, target: str = "bench", tls: bool = False) -> tuple[str, list[str]]:
        """(address, header options); `target` is the gateway's word."""
        if way != "ours":
            return (f"https://127.0.0.1:{self._tls[way]}/" if tls else self._url(way)), []
        scheme = "https" if tls else "http"
        return f"{scheme}://127.0.0.1:{stage.https_port}/{target}/", ["-H", f"Authorization: Bearer {stage.agent}"]

    def requests(self, way: str, stage: Stage, clients: int, seconds: int, tls: bool = False) -> float:
        """Requests a second over `clients` kept-alive connections.  Raises BenchFailed."""
        url, header = self._where(way, stage, tls=tls)
        return self._counted(
            "wrk", way, ["-t1", f"-c{clients}", f"-d{seconds}s", *header, url], "Requests/sec:", "Non-2xx"
        )

    def streams(self, way: str, stage: Stage, seconds: int) -> float:
        """The same of HTTP/2: STREAMS at a time on each of four connections, by TLS.  Raises BenchFailed."""
        url, header = self._where(way, stage, tls=True)
        words = ["-t1", "-c4", f"-m{STREAMS}", "--warm-up-time=1", f"-D{seconds}", *header, url]
        return self._counted("h2load", way, words, "finished in .*?,", "protocol: http/1.1")

    def _counted(self, program: str, way: str, words: list[str], before: str, never: str) -> float:
        command: list[str | Path] = [self._programs[program], *words]
        done = subprocess.run(command, env=self._env, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        found = re.search(before + r"\s+([0-9.]+)", done.stdout)
        failed = re.search(r"[1-9][0-9]* (failed|errored|timeout)|[1-9][0-9]* [345]xx", done.stdout)
        if found is None or not float(found[1]) or never in done.stdout or failed is not None:
            raise BenchFailed(f"{program} ({way}): {done.stdout[-500:]}{done.stderr[-300:]}")
        return float(found[1])

    def messages(self, way: str, stage: Stage, seconds: int) -> float:
        """Messages of WebSockets a second, there and back.  Raises BenchFailed."""
        if way == "ours":
            return talk.messages(stage.https_port, "/bench-talk/", f"Authorization: Bearer {stage.agent}", seconds)
        return talk.messages(self._ports[way], "/talk/", "", seconds)

    def rate(self, way: str, stage: Stage, what: str = "big", target: str = "bench") -> float:
        """MB/s of one large answer.  Raises BenchFailed."""
        url, header = self._where(way, stage, target)
        done = self._curl(url + what, "/dev/null", *header)
        if done is None or done[0] != (self._place / "target" / what).stat().st_size:
            raise BenchFailed(f"curl ({way}) got {done and done[0]} bytes of {what}")
        return done[0] / done[1] / 1e6

    def taken(self, way: str, stage: Stage) -> float:
        """MB/s of one large body to a target.  Raises BenchFailed."""
        url, header = self._where(way, stage, "bench-talk")
        file = str(self._place / "target/big")
        place = url if way == "ours" else f"{url}take/"
        done = self._curl(place, "/dev/null", *header, "-H", "Expect:", "-T", file)
        if done is None:
            raise BenchFailed(f"curl ({way}) could not send {file}")
        return SIZE / done[1] / 1e6

    def _curl(self, url: str, to: str, *words: str) -> tuple[int, float] | None:
        """(bytes of the body, seconds from the connection to the last of them); None where there was no answer.

        The time that a process takes to start is not in it.
        """
        told = "%{size_download} %{time_total}"
        command = ["curl", "-sS", "--fail", "--noproxy", "*", "-o", to, "-w", told, *words, url]
        done = subprocess.run(command, env=surroundings(), capture_output=True, text=True, timeout=TIMEOUT, check=False)
        if done.returncode:
            return None
        size, seconds = done.stdout.split()
        return int(size), float(seconds)


def _row(number: int) -> dict[str, object]:
    """170 bytes, of which a mask hides an address and a card; stars keep their length."""
    word, email = f"{number * 7919:032x}", f"customer{number}@example.com"
    more = {"amount": number * 7, "paid": number % 3 == 0, "tags": ["a", "b"]}
    return {
        "id": number,
        "name": f"row number {number}",
        "email": email,
        "card": "4111 1111 1111 1111",
        "word": word,
        **more,
    }

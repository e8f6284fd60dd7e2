"""wrk and curl against one nginx: through the gateway, and through nginx and HAProxy as reverse proxies."""

from __future__ import annotations

import re
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from bench.measure import BenchFailed
from hoopgw.cli.demo.children import Child, ChildFailed
from hoopgw.cli.demo.place import free_port, write_secret
from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.stage import Stage
from hoopgw.cli.demo.surroundings import surroundings

SIZE = 100_000_000  # bytes of a large answer
CLIENTS = (8, 32)
PEERS = ("nginx", "haproxy")
READY = 20.0  # seconds
TIMEOUT = 120.0  # seconds
TARGET = """[target.bench]
protocol = "http"
address = ["127.0.0.1:{port}"]
labels = {{ env = "bench" }}

[target.bench.role.reader]
header = "X-API-Key"
value = "file:{secret}"
"""
NGINX = """daemon off; master_process off; pid {place}/pid; error_log {place}/error;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; sendfile on;
  client_body_temp_path {place}/1; proxy_temp_path {place}/2; fastcgi_temp_path {place}/3;
  uwsgi_temp_path {place}/4; scgi_temp_path {place}/5;
  {more}
}}
"""
SERVES = """server {{ listen 127.0.0.1:{port}; root {place};
    location / {{ return 200 "hello, this is a small answer\\n"; }} location /big {{ }} }}"""
PASSES = """upstream up {{ server 127.0.0.1:{target}; keepalive 64; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_buffering on;
    proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $remote_addr; proxy_max_temp_file_size 0; }} }}"""
HAPROXY = """global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option forwardfor
frontend in
  bind 127.0.0.1:{port}
  default_backend out
backend out
  http-reuse always
  server one 127.0.0.1:{target}
"""


class HttpWays:
    """Its servers run from `start` on; `configure` writes what the gateway needs to reach them, before it starts."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._programs = Programs.find("nginx", "haproxy", "wrk")
        self._env = surroundings(dict(self._programs.environment))
        self._ports = {name: free_port() for name in ("target", *PEERS)}

    def configure(self, directory: Path) -> None:
        secret = write_secret(directory / "secrets/bench", "bench")
        text = TARGET.format(port=self._ports["target"], secret=secret)
        (directory / "targets.d/bench-http.toml").write_text(text)

    def start(self, stack: ExitStack) -> None:
        """Everything accepts connections when this returns; ended with `stack`.  Raises ChildFailed."""
        ports = self._ports
        self._nginx(stack, "target", SERVES.format(port=ports["target"], place=self._place / "target"))
        with (self._place / "target/big").open("wb") as big:
            big.truncate(SIZE)
        self._nginx(stack, "nginx", PASSES.format(port=ports["nginx"], target=ports["target"]))
        file = self._place / "haproxy.cfg"
        file.write_text(HAPROXY.format(port=ports["haproxy"], target=ports["target"]))
        self._run(stack, "haproxy", [self._programs["haproxy"], "-db", "-f", file])

    def _nginx(self, stack: ExitStack, name: str, more: str) -> None:
        place = self._place / name
        place.mkdir(parents=True)
        (place / "conf").write_text(NGINX.format(place=place, more=more))
        self._run(stack, name, [self._programs["nginx"], "-c", place / "conf", "-p", place])

    def _run(self, stack: ExitStack, name: str, command: list[str | Path]) -> None:
        child = Child(name, command, self._place / f"{name}.log", self._env)
        stack.callback(child.stop)
        deadline = time.monotonic() + READY
        while self._curl(self._url(name), "/dev/null") is None:
            child.must_live()
            if time.monotonic() > deadline:
                raise ChildFailed(f"{name} does not answer")
            time.sleep(0.05)

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}/"

    def _where(self, way: str, stage: Stage) -> tuple[str, list[str]]:
        """(address, header options)"""
        if way != "ours":
            return self._url(way), []
        return f"http://127.0.0.1:{stage.https_port}/bench/", ["-H", f"Authorization: Bearer {stage.agent}"]

    def requests(self, way: str, stage: Stage, clients: int, seconds: int) -> float:
        """Requests a second over `clients` kept-alive connections.  Raises BenchFailed."""
        url, header = self._where(way, stage)
        command: list[str | Path] = [self._programs["wrk"], "-t1", f"-c{clients}", f"-d{seconds}s", *header, url]
        done = subprocess.run(command, env=self._env, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        found = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
        if found is None or "Non-2xx" in done.stdout:
            raise BenchFailed(f"wrk ({way}): {done.stdout[-300:]}{done.stderr[-300:]}")
        return float(found.group(1))

    def rate(self, way: str, stage: Stage) -> float:
        """MB/s of one large answer.  Raises BenchFailed."""
        url, header = self._where(way, stage)
        begun = time.perf_counter()
        if self._curl(url + "big", "/dev/null", *header) != SIZE:
            raise BenchFailed(f"curl ({way}) did not get {SIZE} bytes")
        return SIZE / (time.perf_counter() - begun) / 1e6

    def _curl(self, url: str, to: str, *words: str) -> int | None:
        """Bytes of the body; None where there was no answer."""
        command = ["curl", "-sS", "--noproxy", "*", "-o", to, "-w", "%{size_download}", *words, url]
        done = subprocess.run(command, env=surroundings(), capture_output=True, text=True, timeout=TIMEOUT, check=False)
        return int(done.stdout) if done.returncode == 0 else None

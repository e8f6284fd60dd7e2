"""nginx as the target: what it and the gateway would read differently never reaches it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import ClassVar
from unittest import SkipTest

import httpx

from hoopgw.cli.demo.place import free_port
from hoopgw.cli.demo.stage import Options
from tests.live.harness import UNTIL
from tests.live.smuggling import HIDDEN, corpus
from tests.live.test_http import HttpCase
from tests.programs import environment, found

PORT = free_port()
NGINX = """
daemon off;
master_process off;
pid {place}/pid;
error_log {place}/error.log;
events {{ worker_connections 256; }}
http {{
  log_format seen '$request_method $request_uri $request_length';
  access_log {place}/seen.log seen;
  client_body_temp_path {place}/body;
  proxy_temp_path {place}/proxy;
  fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi;
  scgi_temp_path {place}/scgi;
  underscores_in_headers on;
  merge_slashes on;
  server {{
    listen 127.0.0.1:{port};
    keepalive_requests 100000;
    default_type text/plain;
    add_header X-Nginx 1 always;
    location / {{ return 200 "ok"; }}
    location /secret {{ return 200 "THE SECRET"; }}
    location ~* ^/secret {{ return 200 "THE SECRET"; }}
  }}
}}
"""
FILES = {
    "targets.d/nginx.toml": f"""
[target.nginx]
protocol = "http"
address = ["127.0.0.1:{PORT}"]
path_case = "insensitive"
[target.nginx.role.caller]
""",
    "grants.d/nginx.toml": """
[grant.nginx]
groups = ["agents"]
target = { name = "nginx" }
roles = ["caller"]
""",
    "guardrails.d/90-nginx.toml": """
[guardrail.secret]
protocol = "http"
target = { name = "nginx" }
path = ["/secret*"]
then = "refuse"
""",
}


class NginxTarget(HttpCase):
    options: ClassVar[Options] = Options(more=FILES)

    def setUp(self) -> None:
        super().setUp()
        programs = found("nginx")
        if programs is None:
            raise SkipTest("there is no nginx on this machine")
        place = self._place = Path(self.mktemp()).absolute()
        place.mkdir()
        (place / "conf").write_text(NGINX.format(place=place, port=PORT))
        words = [str(programs["nginx"]), "-c", str(place / "conf"), "-p", str(place)]
        server = subprocess.Popen(words, env=environment(programs), stdin=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        deadline = time.monotonic() + UNTIL
        while True:
            try:
                self.assertEqual(httpx.get(f"http://127.0.0.1:{PORT}/zero", trust_env=False, timeout=UNTIL).text, "ok")
                return
            except httpx.TransportError:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)

    def seen(self) -> set[str]:
        """METHOD PATH of every request, once nginx has written the last one."""
        httpx.get(f"http://127.0.0.1:{PORT}/last", trust_env=False, timeout=UNTIL)
        deadline = time.monotonic() + UNTIL
        while True:
            lines = [line.rpartition(" ")[0] for line in (self._place / "seen.log").read_text().splitlines()]
            if "GET /last" in lines:
                return set(lines) - {"GET /last"}
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_smuggling(self) -> None:
        """Whatever is hidden in a request, nginx never sees another request than those that were asked about."""
        for data in corpus("nginx", self.head):
            connection = self.raw()
            connection.sendall(self.head("GET /nginx/zero HTTP/1.1"))
            self.assertIn(b"X-Nginx: 1", self.answers(connection))
            connection.sendall(data)
            self.assertIn(b"HTTP/1.1 400 ", self.rest(connection), data)
        self.assertLessEqual(self.seen(), {"GET /zero", "POST /one"})

    def test_a_rule_on_a_path_holds_however_it_is_written(self) -> None:
        """No way of writing it gets nginx to serve what the rule refuses."""
        connection = self.raw()
        for path in HIDDEN:
            connection.sendall(self.head(f"GET /nginx/{path} HTTP/1.1"))
            answer = self.answers(connection)
            self.assertNotIn(b"THE SECRET", answer, path)
            if b"connection: close" in answer.lower():
                connection = self.raw()
        self.assertFalse([line for line in self.seen() if "secret" in line.lower() and "?" not in line])
        connection.sendall(self.head("GET /nginx/public/key HTTP/1.1"))
        self.assertIn(b"\r\n\r\nok", self.answers(connection))

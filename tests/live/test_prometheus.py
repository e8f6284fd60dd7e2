"""Prometheus behind the gateway: its query API under rules and a mask, its own client, its life out of reach."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

from hoopgw.cli.demo.place import free_port
from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.stage import Options
from tests.live.harness import environment
from tests.live.test_http import HttpCase

PORT = free_port()
PATIENCE = 120.0
CONFIGURATION = """
global: {{scrape_interval: 2s}}
scrape_configs:
- job_name: itself
  static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
- job_name: through
  scheme: https
  metrics_path: /prom/metrics
  authorization: {{credentials_file: "{token}"}}
  tls_config: {{ca_file: "{ca}"}}
  static_configs: [{{targets: ["127.0.0.1:{gateway}"]}}]
"""
TARGET = f"""
[target.prom]
protocol = "http"
address = ["127.0.0.1:{PORT}"]
[target.prom.role.reader]
"""
GRANT = '[grant.prom]\ngroups = ["agents"]\ntarget = { name = "prom" }\nroles = ["reader"]\n'
RULES = """
[guardrail.prom-life]
protocol = "http"
target = { name = "prom" }
path = ["/-/*", "/api/v1/admin/*"]
then = "refuse"

[guardrail.prom-wide-queries]
protocol = "http"
target = { name = "prom" }
path = ["/api/v1/query*"]
query = { query = ["*{}*", "*__name__*"] }
then = "refuse"
reason = "Name the metric."

[guardrail.prom-wide-forms]
protocol = "http"
target = { name = "prom" }
path = ["/api/v1/query*"]
form = { query = ["*{}*", "*__name__*"] }
then = "refuse"
reason = "Name the metric."

[mask.prom-places]
protocol = "http"
target = { name = "prom" }
path = ["/api/v1/*"]
json = ["instance"]
"""
ITSELF = "api/v1/query?query=up%7Bjob=%27itself%27%7D"
LIFE = ("-/quit", "/-/quit", "%2d/quit", "x/../-/quit", "-//quit", "-/quit/", "-/%71uit", "-%2fquit")


class Prometheus(HttpCase):
    options: ClassVar[Options] = Options(
        more={"targets.d/prom.toml": TARGET, "grants.d/prom.toml": GRANT, "guardrails.d/prom.toml": RULES}
    )

    place: ClassVar[Path | None] = None

    def setUp(self) -> None:
        super().setUp()
        if Prometheus.place is None:
            Prometheus.place = self.start(Programs.find("prometheus"))
        self.scraped('up{job="itself"}')

    def start(self, programs: Programs) -> Path:
        """It runs until the tests end: what it keeps is in the directory that this gives."""
        place = Path(tempfile.mkdtemp(prefix="hoopgw-prometheus-"))
        (place / "prometheus.yml").write_text(
            CONFIGURATION.format(port=PORT, gateway=self.stage.https_port, ca=self.stage.ca, token=place / "token")
        )
        with os.fdopen(os.open(place / "token", os.O_WRONLY | os.O_CREAT, 0o600), "w") as token:
            token.write(self.stage.agent)
        own = [f"--config.file={place}/prometheus.yml", f"--storage.tsdb.path={place}/data"]
        listens = f"--web.listen-address=127.0.0.1:{PORT}"
        words = [str(programs["prometheus"]), *own, listens, "--web.enable-lifecycle", "--web.enable-admin-api"]
        env = environment() | dict(programs.environment)
        with (place / "log").open("wb") as log:
            running = subprocess.Popen(words, env=env, stdout=log, stderr=log, cwd=place)
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        atexit.register(running.wait)
        atexit.register(running.kill)
        return place

    def scraped(self, series: str) -> None:
        """Until this has a value of 1, asked past the gateway."""
        deadline = time.monotonic() + PATIENCE
        url = f"http://127.0.0.1:{PORT}/api/v1/query?" + urlencode({"query": f"{series} == 1"})
        assert self.place is not None
        while True:
            try:
                with urllib.request.urlopen(url, timeout=60) as answer:
                    if json.load(answer)["data"]["result"]:
                        return
            except OSError:  # it does not listen yet
                pass
            self.assertLess(time.monotonic(), deadline, (self.place / "log").read_text()[-2000:])
            time.sleep(0.1)

    def asks(self, *words: str, path: str) -> tuple[int, Any]:
        url = f"https://127.0.0.1:{self.stage.https_port}/prom/{path}"
        status, _, body = self.curl("--path-as-is", "-g", *words, url=url)
        return status, json.loads(body)

    def test_queries(self) -> None:
        """By GET and by form, compressed and not; the answer is masked, and its bytes are whole."""
        for words, path in (
            ((), ITSELF),
            (("--data-urlencode", "query=up{job='itself'}"), "api/v1/query"),
            (("--compressed",), ITSELF),
        ):
            status, said = self.asks(*words, path=path)
            self.assertEqual((status, said["status"]), (200, "success"))
            metric = said["data"]["result"][0]["metric"]
            self.assertEqual((metric["job"], set(metric["instance"])), ("itself", {"*"}))

    def test_what_rules_refuse(self) -> None:
        """A query that names no metric, wherever it stands and however it is written."""
        for words, path in (
            ((), "api/v1/query?query=%7B__name__=~%22go.*%22%7D"),
            ((), "api/v1/query_range?start=1&query=%7b%7d"),
            ((), "api/v1/query?query=up&query=%7B%7D"),
            (("--data-urlencode", 'query={__name__=~".+"}'), "api/v1/query"),
            (("--data-urlencode", "query={}"), ITSELF),
        ):
            status, said = self.asks(*words, path=path)
            self.assertEqual((status, said["reason"]), (403, "Name the metric."), path)

    def test_its_life(self) -> None:
        """Nobody ends it, by whatever spelling of the path; nor deletes series."""
        for path in LIFE:
            self.assertEqual(self.asks("-X", "POST", path=path)[0], 403, path)
        self.assertEqual(self.asks("-X", "POST", path="api/v1/admin/tsdb/delete_series?match[]=up")[0], 403)
        self.assertEqual(self.asks("-X", "POST", path="-\\quit")[0], 400)
        self.scraped("up")

    def test_it_asks_through_the_gateway(self) -> None:
        """As a client: it scrapes what is behind the gateway, with the token in a file."""
        self.scraped('up{job="through"}')

    def test_its_pages(self) -> None:
        """It sends browsers from / to /classic/graph, and they stay under the target's path."""
        status, head, _ = self.curl(url=f"https://127.0.0.1:{self.stage.https_port}/prom/")
        self.assertEqual(status, 302)
        self.assertIn("\r\nlocation: /prom/classic/graph\r\n", head.lower())

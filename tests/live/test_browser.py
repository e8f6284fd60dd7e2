"""What people with a browser are promised: Chromium logs in by its own dialog's means and uses a site as ever."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from hoopgw.cli.demo.stage import Options
from tests.live.chromium import TURN, Chromium, pin
from tests.live.harness import LiveCase, until
from tests.live.web_site import FILE, Site

RULES = """
[guardrail.site-secret]
protocol = "http"
target = { name = "site" }
path = ["/secret/*"]
then = "refuse"
reason = "Plans are not for agents."

[guardrail.site-orders]
protocol = "http"
target = { name = "site" }
path = ["/api/orders"]
json = { "/total" = { above = 1000 } }
then = "refuse"
reason = "Too much."

[guardrail.site-messages]
protocol = "http"
target = { name = "site" }
path = ["/socket"]
json = { op = "delete" }
then = "refuse"
reason = "Nothing is deleted."
"""
GRANT = '[grant.site]\ngroups = ["agents"]\ntarget = { name = "site" }\nroles = ["caller"]\n'


class Browsers(LiveCase):
    site: ClassVar[Site | None] = None
    path = "/"
    place = ""

    def setUp(self) -> None:
        if Browsers.site is None:
            Browsers.site = Site()
            address = f"127.0.0.1:{Browsers.site.port}"
            target = f'[target.site]\nprotocol = "http"\naddress = ["{address}"]\n[target.site.role.caller]\n'
            files = {"targets.d/site.toml": target, "grants.d/site.toml": GRANT, "guardrails.d/site.toml": RULES}
            Browsers.options = Options(more=files)
        super().setUp()
        self.browser = Chromium(pin(self.stage.https_port))
        self.addCleanup(self.browser.close)

    def log_in(self, host: str) -> None:
        """As the dialog does that `WWW-Authenticate: Basic` brings up: any user, and the token as its password."""
        self.browser.visit(f"https://me:{self.stage.agent}@{host}:{self.stage.https_port}{self.path}")
        self.place = f"https://{host}:{self.stage.https_port}{self.path}"
        self.browser.visit(self.place)

    def cookies(self) -> dict[str, str]:
        assert self.site is not None
        return self.site.cookies

    def used(self) -> None:
        """Script, style, fetch, a redirect to the site's own name, events and a WebSocket."""
        run = self.browser.run
        self.assertIn("the script ran", run("document.body.textContent"))
        self.assertEqual(run("getComputedStyle(document.querySelector('h1')).color"), "rgb(1, 2, 3)")
        body = '{"total": 1}'
        said = {"method": "POST", "path": "/api/orders", "body": body}
        self.assertEqual(run(f"fetched('api/orders', {{method: 'POST', body: '{body}'}})"), [200, True, said])
        self.assertEqual(self.cookies()["sid"], "from-the-site")
        moved: Any = run("fetched('old')")
        self.assertEqual((moved[0], moved[1], moved[2]["path"]), (200, True, "/api/new"))
        self.assertEqual(run("events('events')"), ["0", "1", "2"])
        self.assertEqual(run("socket('socket', ['[1]', '[\"a\"]'])"), ["[1]", '["A"]'])
        self.assertEqual(set(run("hops()")), {"h2"})

    def refused(self) -> None:
        """By its script and by a person: both can read why."""
        status, _, said = self.browser.run("fetched('api/orders', {method: 'POST', body: '{\"total\": 5000}'})")
        self.assertEqual((status, said["decision"], said["reason"]), (403, "refused", "Too much."))
        code, reason = self.browser.run("socket('socket', ['{\"op\": \"delete\"}'])")
        self.assertEqual(code, 1008)
        self.assertIn("refused", reason)
        self.browser.visit(f"{self.place}secret/plan")
        self.assertIn("Plans are not for agents.", self.browser.run("document.body.textContent"))

    def logged_in(self) -> None:
        """At the site itself, by a form: its cookie and its redirect lead home."""
        self.browser.visit(f"{self.place}login")
        submitted = "document.querySelector('[name=password]').value = 'hush-hush'; document.forms[0].submit()"
        self.browser.run(submitted)
        self.assertTrue(until(lambda: self.browser.run("location.pathname") == f"{self.path}home"))
        self.assertEqual(self.browser.run("document.querySelector('h1').textContent"), "ada")
        self.browser.visit(self.place)

    def worked(self, wide: str) -> None:
        """Parts of a file, a stream that is read as it comes, and a service worker: of this site, and of no other."""
        run = self.browser.run
        self.assertEqual(run("part('file', 'bytes=254-257')"), [206, [254, 255, 0, 1]])
        self.assertEqual(run("fetch('file').then(each => each.arrayBuffer()).then(each => each.byteLength)"), len(FILE))
        self.assertEqual(run("streamed('stream', 'home')"), ["one", "two"])
        self.assertEqual(run("worked('worker.js', '/')"), [self.path, wide, "by the worker"])

    def test_by_host_name(self) -> None:
        """A site under a host name of its own."""
        self.log_in("site.gw.localhost")
        self.used()
        self.logged_in()
        self.worked(self.place)
        self.refused()

    def test_by_path(self) -> None:
        """A site under a path; its cookies stay there, and no other target sees them."""
        self.path = "/site/"
        self.log_in("127.0.0.1")
        self.used()
        self.assertEqual(self.cookies()["told"], "domain")
        self.logged_in()
        self.worked("SecurityError")
        self.refused()
        self.browser.visit(f"https://127.0.0.1:{self.stage.https_port}/echo/x")
        told = self.browser.run("document.body.textContent")
        self.assertIn('"path": "/x"', told)
        self.assertNotIn("from-the-site", told)
        self.assertEqual(self.browser.run("document.cookie"), "")

    def test_a_page_of_another_site(self) -> None:
        """It makes the browser send requests that its user never wanted, as that user: none gets through."""
        self.path = "/site/"
        self.log_in("127.0.0.1")
        other, self.path = self.place, "/"
        self.log_in("site.gw.localhost")
        asked = "{method: 'POST', mode: 'no-cors', credentials: 'include', body: 'x'}"
        self.browser.run(f"fetch('{other}api/forged', {asked}).then(answer => answer.type)")
        self.browser.run(f"fetch('{other}api/forged', {{mode: 'no-cors', credentials: 'include'}}).then(a => a.type)")
        away = f"{other}socket".replace("https:", "wss:")
        code = f"new Promise(done => {{ const s = new WebSocket('{away}'); s.onclose = e => done(e.code); }})"
        self.assertEqual(self.browser.run(code), 1006)
        assert self.site is not None
        self.assertNotIn("/api/forged", self.site.paths)
        deadline = time.monotonic() + TURN
        while self.stage.gateway.log.read_text().count("a page of another site may not ask") < 3:
            self.assertLess(time.monotonic(), deadline, "its requests came with no password")
            time.sleep(0.1)
        self.browser.visit(f"{other}api/followed")  # a person may follow a link
        self.assertIn("/api/followed", self.site.paths)

    def test_without_a_token(self) -> None:
        """Nobody logs in: what the gateway says is shown, and nothing of the site."""
        self.browser.visit(f"https://site.gw.localhost:{self.stage.https_port}/")
        self.assertIn("a token is needed", self.browser.run("document.body.textContent"))

"""`hoopgw setup` of an HTTP target: tried by a real request, over TLS, with each kind of credential."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from hoopgw.cli.demo.authority import LOOPBACK
from hoopgw.cli.demo.surroundings import surroundings
from tests.live.test_setup import SetupCase


class Api(BaseHTTPRequestHandler):
    """Knows one secret, in any of four ways; /open is for everybody, /broken for nobody."""

    protocol_version = "HTTP/1.1"
    secret: ClassVar[str] = "of-the-target"

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        status = {"/open": 200, "/forbidden": 403, "/broken": 503}.get(place.path) or (200 if self._known() else 401)
        body = f"{status} for {self.headers['Host']}".encode()
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Bearer realm="api", Basic realm="api"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _known(self) -> bool:
        pair = base64.b64encode(f"caller:{self.secret}".encode()).decode()
        return (
            self.headers["Authorization"] in (f"Bearer {self.secret}", f"Basic {pair}")
            or self.headers["X-Api-Key"] == self.secret
            or parse_qs(urlsplit(self.path).query).get("api_key") == [self.secret]
        )

    def log_message(self, *words: object) -> None:
        """Nothing of it belongs to the test's output."""


class Service(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Who does not speak TLS, or does not trust it: that is what is tried."""


class SetupHttp(SetupCase):
    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(setattr, Api, "secret", Api.secret)
        self.secret = self.directory / "secrets/api"
        self.secret.write_text(Api.secret)
        self.secret.chmod(0o600)
        self.trust = self.directory / "tls/target-ca.pem"

    def service(self, *names: str) -> int:
        """Its port; in clear text where no names are given for its certificate."""
        service = Service(("127.0.0.1", 0), Api)
        if names:
            files = [self.stage.place / name for name in ("api.pem", "api.key")]
            for path, text in zip(files, self.stage.authority.issue(names), strict=True):
                path.write_text(text)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*files)
            service.socket = context.wrap_socket(service.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=service.serve_forever, args=(0.05,))
        thread.start()
        for cleanup in (thread.join, service.server_close, service.shutdown):
            self.addCleanup(cleanup)
        return int(service.server_address[1])

    def words(self, *more: str, url: str, credential: tuple[str, ...] = ()) -> list[str]:
        known = credential or ("--role-bearer", f"file:{self.secret}")
        return ["--yes", "--target", "api", "--url", url, "--role", "caller", *known, "--groups", "agents", *more]

    def refused(self, *words: str) -> str:
        """Nothing may be written by it, and the secret is nowhere in what it says."""
        ran = self.hoopgw("setup", *words)
        self.assertEqual((ran.returncode, self.written()), (1, {}), ran.stdout + ran.stderr)
        self.assertIn("Nothing was written", ran.stderr)
        self.assertNotIn(Api.secret, ran.stdout + ran.stderr)
        return ran.stdout + ran.stderr

    def test_first_request(self) -> None:
        """One command by options: the target is asked over TLS, and the line that is printed is one that works.
        The same answers again change nothing.  Doctor sees a credential that the target takes no more."""
        url = f"https://127.0.0.1:{self.service(*LOOPBACK)}"
        issuer = ["--issuer", self.stage.issuer.url, "--audience", "hoopgw", "--algorithm", "ES256"]
        issuer += ["--issuer-ca", str(self.directory / "tls/issuer-ca.pem")]
        words = self.words("--ca", str(self.trust), *issuer, url=url)
        ran = self.hoopgw("setup", *words)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertIn("answers 200 to GET /, and 401 without the credential", ran.stdout)
        self.assertIn("has taken it up", ran.stdout)
        lines = [line.partition("Connect:  ")[2] for line in ran.stdout.splitlines() if "Connect:" in line]
        self.assertEqual(len(lines), 2, ran.stdout)
        self.assertIn(f"api.gw.localhost:{self.stage.https_port}/", lines[1])
        self.assertEqual(self.by_the_line(lines[0]), f"200 for {url.partition('//')[2]}")
        self.assertEqual(
            set(self.written()), {"conf.d/oidc-corp.toml", "targets.d/api.toml", "grants.d/api-caller.toml"}
        )
        before = self.written()
        again = json.loads(self.hoopgw("setup", "--json", *words).stdout)
        self.assertEqual((again["written"], again["good"], self.written()), ([], True, before))

        well = self.doctor()
        self.assertTrue(well["good"], well)
        Api.secret = "another one"
        ill = self.doctor()
        self.assertEqual((ill["good"], "it wants Bearer, Basic" in ill["said"]), (False, True), ill)

    def by_the_line(self, line: str) -> str:
        """What a shell gets by it, with this machine's loopback and the place of the gateway's authority put in."""
        before, _, place = line.partition("https://")
        line = f"{before.replace('gateway.pem', str(self.stage.ca))}-sS https://127.0.0.1:{place.partition(':')[2]}"
        done = subprocess.run(
            ["sh", "-c", line], env=surroundings({"TOKEN": self.stage.agent}), capture_output=True, text=True,
            timeout=240, check=False,
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def doctor(self) -> dict[str, str]:
        found = json.loads(self.hoopgw("doctor", "--json").stdout)
        [one] = [each for each in found if each["what"] == "target api as caller"]
        return dict(one)

    def test_every_way_to_be_known(self) -> None:
        """Basic authentication, a field, a parameter, nothing at all."""
        url = f"http://127.0.0.1:{self.service()}"
        secret = ("--role-value", f"file:{self.secret}")
        ways = {
            ("--role-user", "caller", "--role-password", f"file:{self.secret}"): "and 401 without the credential",
            ("--role-header", "X-Api-Key", *secret): "and 401 without the credential",
            ("--role-query", "api_key", *secret): "and 401 without the credential",
            ("--role-open", "--try-path", "/open"): "answers 200 to GET /open",
        }
        for way, said in ways.items():
            ran = self.hoopgw("setup", *self.words(url=url, credential=way))
            self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
            self.assertIn(said, ran.stdout)
            for path in self.written():
                (self.directory / path).unlink()

    def test_what_is_wrong_is_not_written(self) -> None:
        """A certificate that is not trusted, a credential that is not taken, one that is not there: with what to do."""
        tls, url = self.service(*LOOPBACK), f"http://127.0.0.1:{self.service()}"
        self.assertIn("--ca FILE", self.refused(*self.words(url=f"https://127.0.0.1:{tls}")))
        wrong = f"file:{self.directory}/secrets/reader"
        said = self.refused(*self.words(url=url, credential=("--role-bearer", wrong)))
        self.assertIn("answers 401 to GET /; it wants Bearer, Basic", said)
        self.assertNotIn(Path(wrong.removeprefix("file:")).read_text().strip(), said)
        self.assertIn("is the secret right?", self.refused(*self.words("--try-path", "/forbidden", url=url)))
        self.assertIn("no such file", self.refused(*self.words(url=url, credential=("--role-bearer", "file:/nowhere"))))
        self.assertIn("clear text is for loopback", self.refused(*self.words(url="http://api.invalid")))

    def test_what_doctor_finds(self) -> None:
        """A certificate of another name, TLS where there is none, none where there is, nobody there, a name that nobody
        knows.  One that speaks HTTP/2 alone, and a credential that only the service reads, are not what is wrong."""
        tls, plain = self.service("other.example"), self.service()
        trust = f'tls = "verify-full"\nca = "{self.trust}"\n'
        targets = {
            "mismatch": (f"127.0.0.1:{tls}", trust, "a name that is in its certificate"),
            "no-tls": (f"127.0.0.1:{plain}", trust, "does it speak TLS there?"),
            "only-tls": (f"127.0.0.1:{tls}", "", "without TLS?"),
            "nobody": ("127.0.0.1:1", "", "does it run"),
            "nowhere": ("no-such-host.invalid:443", "", "DNS"),
            "http2": (f"127.0.0.1:{self.stage.https_port}", trust + 'versions = ["h2"]\n', ""),
            "unread": (f"127.0.0.1:{plain}", "", ""),
        }
        (self.directory / "targets.d").mkdir()
        for name, (address, more, _) in targets.items():
            text = f'[target.{name}]\nprotocol = "http"\naddress = ["{address}"]\n{more}'
            text += f'[target.{name}.role.caller]\nbearer = "credential:only-for-the-service"\n'
            (self.directory / f"targets.d/{name}.toml").write_text(text)
        found = json.loads(self.hoopgw("doctor", "--json").stdout)
        for name, (_, _, fix) in targets.items():
            last = [each for each in found if each["what"].split(" as ")[0] == f"target {name}"][-1]
            self.assertEqual((last["good"], fix in last["fix"]), (not fix, True), last)
            self.assertEqual(last["what"].endswith(" as caller"), name not in ("nobody", "nowhere"), last)
        self.assertIn("answers 401 to GET /, asked without its credential", last["said"])

    def test_at_a_terminal(self) -> None:
        """Questions for what no option says; the token is typed, is not shown, and lies in a private file."""
        secret = self.directory / "secrets/api_caller"
        secret.unlink(missing_ok=True)
        said = self.at_terminal(
            [],
            [
                ("issuer of your agents", ""),
                ("first target", "api"),
                ("Protocol", "http"),
                ("Its address", f"http://127.0.0.1:{self.service()}"),
                ("A role", "caller"),
                ("How the gateway is known", "cookie"),
                ("How the gateway is known", ""),
                ("Where its bearer token", ""),
                ("Groups", "agents"),
                ("local operator", "-"),
                ("The token", Api.secret),
                ("Write this?", "y"),
            ],
        )
        self.assertIn("and 401 without the credential", said)
        self.assertNotIn(Api.secret, said)
        self.assertEqual((secret.stat().st_mode & 0o777, secret.read_text()), (0o600, Api.secret + "\n"))
        self.assertIn(b'bearer = "file:', self.written()["targets.d/api.toml"])

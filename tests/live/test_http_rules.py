"""What rules and masks promise HTTP clients: curl through the gateway to a service that answers in every way."""

from __future__ import annotations

import gzip
import http.client
import json
import ssl
import subprocess
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import brotli
import zstandard

from hoopgw.cli.demo.stage import Options
from tests.live.harness import LiveCase, environment

PEOPLE = [{"name": "Ann", "ssn": "123-45-6789", "mail": "ann@example.com", "n": number} for number in range(300)]
ENCODERS = {"gzip": gzip.compress, "br": brotli.compress, "deflate": zlib.compress, "zstd": zstandard.compress}
SEEN: list[str] = []  # requests that reached the service


class Service(BaseHTTPRequestHandler):
    """Compressed where it is asked to by the query, whatever the gateway says; in chunks likewise."""

    protocol_version = "HTTP/1.1"

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        SEEN.append(f"{self.command} {self.path} {body.decode()}".strip())
        place, asked = urlsplit(self.path), parse_qs(urlsplit(self.path).query)
        if place.path == "/events":
            self._send(b'data: {"ssn": "1",\ndata:  "x": 2}\n\ndata: [DONE]\n\n', "text/event-stream", [""], "9")
        elif place.path == "/csv":
            self._send(b"ann;123-45-6789\n", "text/csv", [""], "")
        elif place.path == "/missing":
            self._send(b"<p>nobody has 123-45-6789</p>", "text/html", [""], "", 404)
        elif place.path == "/people":
            text = json.dumps(PEOPLE).encode()
            self._send(text, "application/json", asked.get("coding", [""]), asked.get("chunks", [""])[0])
        else:
            self._send(b'{"ok": true}', "application/json", [""], "")

    def _send(self, body: bytes, kind: str, codings: list[str], chunks: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("ETag", '"v1"')
        if codings[0]:
            body = ENCODERS[codings[0]](body)
            self.send_header("Content-Encoding", codings[0])
        if not chunks:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for here in range(0, len(body), int(chunks)):
            piece = body[here : here + int(chunks)]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_DELETE = _any

    def log_message(self, *words: object) -> None:
        """Trial's output is for the tests."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The gateway ends connections whose answer must not pass."""


SERVICE = Server(("127.0.0.1", 0), Service)
FILES = {
    "targets.d/80-shop.toml": f"""
[target.shop-http]
protocol = "http"
address = ["127.0.0.1:{SERVICE.server_address[1]}"]
[target.shop-http.role.app]
""",
    "grants.d/80-shop.toml": """
[grant.shop-http]
groups = ["agents"]
target = { name = "shop-http" }
roles = ["app"]
""",
    "guardrails.d/80-shop.toml": """
[guardrail.admin]
protocol = "http"
target = { name = "shop-http" }
path = ["/admin/*"]
then = "refuse"
[guardrail.mutations]
protocol = "http"
target = { name = "shop-http" }
path = ["/graphql"]
graphql = { field = ["deleteUser"] }
then = "refuse"
[guardrail.large-orders]
protocol = "http"
target = { name = "shop-http" }
path = ["/orders"]
json = { "/total" = { above = 1000 } }
then = { hold = { approvers = ["dba"], wait = "120s" } }
[guardrail.imports]
protocol = "http"
target = { name = "shop-http" }
path = ["/imports"]
json = { "/*/role" = "admin" }
buffer = "16 MiB"
then = "refuse"
[mask.people]
protocol = "http"
target = { name = "shop-http" }
json = ["ssn"]
[mask.mails]
protocol = "http"
target = { name = "shop-http" }
patterns = ["email"]
""",
}


class Rules(LiveCase):
    options: ClassVar[Options] = Options(more=FILES)
    serving: ClassVar[threading.Thread | None] = None

    def setUp(self) -> None:
        super().setUp()
        if Rules.serving is None:
            Rules.serving = threading.Thread(target=SERVICE.serve_forever, daemon=True)
            Rules.serving.start()
        SEEN.clear()

    def start(self, path: str, *words: str) -> subprocess.Popen[bytes]:
        url = f"https://127.0.0.1:{self.stage.https_port}/shop-http{path}"
        first = [
            "curl",
            "-sS",
            "-i",
            "--http1.1",
            "--path-as-is",
            "-g",
            "--max-time",
            "240",
            "--cacert",
            str(self.stage.ca),
        ]
        token = ["--cacert", str(self.stage.ca), "-H", f"Authorization: Bearer {self.stage.agent}"]
        return subprocess.Popen([*first, *token, *words, url], env=environment(), stdout=subprocess.PIPE)

    def curl(self, path: str, *words: str) -> tuple[int, str, bytes]:
        return self.ended(self.start(path, *words))

    def ended(self, running: subprocess.Popen[bytes]) -> tuple[int, str, bytes]:
        out, _ = running.communicate(timeout=250)
        head, _, body = out.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), head.decode("latin-1").lower(), body

    def posted(self, path: str, body: Any) -> tuple[int, str, bytes]:
        return self.curl(path, "-H", "Content-Type: application/json", "-d", json.dumps(body))

    def test_no_trick_of_the_path_passes(self) -> None:
        """must-survive 67: what a rule forbids is refused however it is written, and never reaches the target."""
        for path in (
            "/admin/x", "/admin", "/x/../admin/x", "/x/%2e%2e/admin", "//admin/x", "/%61dmin/x", "/admin%2fx",
            "/x/..%2fadmin/x", "/x;/../admin/x", "/%2561dmin/x", "/x/..%5cadmin/x", "/%c0%ae/x", "/admin%00",
        ):  # fmt: skip
            status, head, body = self.curl(path)
            self.assertEqual(status, 403, path)
            self.assertIn("application/problem+json", head)
            self.assertEqual(json.loads(body)["guardrails"], ["admin"])
        self.assertEqual(SEEN, [])
        self.assertEqual(self.curl("/public/x%20y")[0], 200)
        self.assertEqual(SEEN, ["GET /public/x%20y"])

    def test_graphql(self) -> None:
        """Alias, fragment, batch, persisted document; what no rule forbids reaches the target as it was sent."""
        for body in (
            {"query": "mutation { x: deleteUser { id } }"},
            {"query": "mutation { ...F } fragment F on M { deleteUser { id } }"},
            [{"query": "{ me }"}, {"query": "mutation { deleteUser }"}],
            {"extensions": {"persistedQuery": {"sha256Hash": "ab"}}},
        ):
            self.assertEqual(self.posted("/graphql", body)[0], 403, body)
        self.assertEqual(self.curl("/graphql?query=mutation%7BdeleteUser%7D")[0], 403)
        self.assertEqual(SEEN, [])
        self.assertEqual(self.posted("/graphql", {"query": "{ me }"})[0], 200)
        self.assertEqual(SEEN, ['POST /graphql {"query": "{ me }"}'])

    def test_a_large_body_keeps_nobody_waiting(self) -> None:
        """While 16 MiB are read for a rule, others have their answers; then it has its own."""
        first, rest = b'[{"role": "admin"}', b",{}" * (5 << 20)
        secure = ssl.create_default_context(cafile=str(self.stage.ca))
        one, other = (
            http.client.HTTPSConnection("127.0.0.1", self.stage.https_port, timeout=240, context=secure)
            for _ in range(2)
        )
        fields = {"Authorization": f"Bearer {self.stage.agent}"}
        for role, status in ((first, 403), (b"[0", 200)):
            large, answers = role + rest + b"]", []
            one.request("POST", "/shop-http/imports", large, fields)  # it is sent: all that is left is to read it

            def answered(answers: list[int] = answers) -> None:
                answer = one.getresponse()
                answer.read()
                answers.append(answer.status)

            waiting = threading.Thread(target=answered)
            waiting.start()
            for _ in range(20):
                other.request("POST", "/shop-http/imports", b'[{"role": "user"}]', fields)
                answer = other.getresponse()
                self.assertEqual((answer.status, answer.read()), (200, b'{"ok": true}'))
            self.assertEqual(answers, [])
            waiting.join(240)
            self.assertEqual(answers, [status])
        one.close()
        other.close()

    def test_a_held_request_runs_once_it_is_approved(self) -> None:
        """The very bytes that were judged; one that is small runs at once."""
        self.assertEqual(self.posted("/orders", {"total": 5})[0], 200)
        running = self.start("/orders", "-H", "Content-Type: application/json", "-d", '{"total": 5000}')
        hold = self.held("5000")
        self.assertEqual(len(SEEN), 1)
        self.assertEqual(self.hoopgw("approvals", "approve", hold["id"]).returncode, 0)
        self.assertEqual(self.ended(running)[0], 200)
        self.assertEqual(SEEN[1:], ['POST /orders {"total": 5000}'])

    def test_a_batch_carries_nothing_past_a_rule(self) -> None:
        """Requests in one another are refused where rules speak of paths, and never reach the target."""
        inside = b"--b\r\nContent-Type: application/http\r\n\r\nDELETE /admin/x HTTP/1.1\r\n\r\n\r\n--b--\r\n"
        mixed = ("-H", "Content-Type: multipart/mixed; boundary=b", "--data-binary", inside.decode())
        for status, head, body in (
            self.curl("/odata/$batch", *mixed),
            self.curl("/anything", *mixed),
            self.posted("/odata/$batch", {"requests": [{"method": "DELETE", "url": "/admin/x"}]}),
        ):
            self.assertEqual(status, 403, head)
            self.assertIn("admin", json.loads(body)["guardrails"])
        self.assertEqual(SEEN, [])

    def test_secret_fields(self) -> None:
        """The target has what was sent; record, archive and approver have stars."""
        sent = (
            ("-H", "Content-Type: application/json", "-d", '{"user": "ada", "password": "hush-hush"}'),
            ("-d", "user=ada&client_secret=hush-hush"),
            ("-F", "user=ada", "-F", "api_key=hush-hush"),
            ("-H", "Content-Type: application/json", "-d", '{"argv": ["mysql", "--password", "hush-hush"]}'),
            ("-H", "Content-Type: text/plain", "-d", "DB_PASSWORD=hush-hush"),
            ("-d", "name=password&value=hush-hush"),
        )
        for words in sent:
            self.assertEqual(self.curl("/secrets?access_token=hush-hush", *words)[0], 200)
        self.assertEqual([each.count("hush-hush") for each in SEEN], [2] * 6)
        running = self.start("/orders?sig=hush-hush", "-H", "Content-Type: application/json", "-d",
                             '{"total": 5000, "card": {"cvv": "hush-hush"}}')  # fmt: skip
        hold = self.held("5000")
        self.assertNotIn("hush", json.dumps(hold))
        self.assertIn("sig=*********", json.dumps(hold))
        self.assertEqual(self.hoopgw("approvals", "approve", hold["id"]).returncode, 0)
        self.assertEqual(self.ended(running)[0], 200)
        self.assertIn("hush-hush", SEEN[-1])
        for path in ("/secrets", "/orders"):
            for session in self.listed("--path", path, count=6 if path == "/secrets" else 1):
                for words in (("export", "--format", "har"), ("replay",), ("show",)):
                    told = self.hoopgw("sessions", *words, session["id"]).stdout
                    self.assertTrue(told)
                    self.assertNotIn("hush", told)
                if path == "/secrets":
                    self.assertIn("2 values of secret fields are stars", told)

    def test_secrets_that_have_only_a_place(self) -> None:
        """From a secret name on the record has the length, and says so."""
        form = ("-F", "f=user,password\nada,hush-hush\n;filename=u.csv;type=text/csv")
        for words in (
            ("-H", "Content-Type: text/csv", "--data-binary", "user,password\nada,hush-hush\n"),
            ("-H", "Content-Type: application/octet-stream", "--data-binary", "\u00a1\u00a5token\u00a9hush-hush"),
            form,
        ):
            self.assertEqual(self.curl("/placed", *words)[0], 200)
        for session in self.listed("--path", "/placed", count=3):
            for words in (("export", "--format", "har"), ("replay",)):
                told = self.hoopgw("sessions", *words, session["id"]).stdout
                self.assertTrue(told)
                self.assertNotIn("hush", told)

    def test_masked_json(self) -> None:
        """In chunks of any size, in every coding: the same text, without entity tag and coding."""
        expected = [{**each, "ssn": "***********", "mail": "***************"} for each in PEOPLE]
        for query in ("", "chunks=7", "coding=gzip", "coding=br&chunks=100", "coding=deflate", "coding=zstd&chunks=1"):
            status, head, body = self.curl(f"/people?{query}", "--compressed")
            self.assertEqual((status, json.loads(body)), (200, expected), query)
            self.assertNotIn("etag", head)
            self.assertNotIn("content-encoding", head)
        _, _, body = self.curl("/people", "-H", "Range: bytes=20-40")
        self.assertNotIn(b"123-45", body)
        self.assertNotIn("123-45", self.recorded())

    def recorded(self) -> str:
        """What the record has of the latest session."""
        listed = self.listed("--path", "/people", "--status", "200")
        return self.hoopgw("sessions", "export", "--format", "har", listed[0]["id"]).stdout

    def test_masked_events(self) -> None:
        """Event by event."""
        status, _, body = self.curl("/events")
        self.assertEqual((status, body), (200, b'data: {"ssn": "*",\ndata:  "x": 2}\n\ndata: [DONE]\n\n'))

    def test_what_cannot_be_masked(self) -> None:
        """Another format is refused; of an error page the body is withheld."""
        self.assertEqual(self.curl("/csv")[0], 502)
        status, _, body = self.curl("/missing")
        self.assertEqual(status, 404)
        self.assertNotIn(b"123", body)

    def test_the_archive_of_a_session(self) -> None:
        """Requests and answers as they were shown; found by method, path and status."""
        self.assertEqual(self.posted("/notes", {"a": 1})[0], 200)
        self.assertEqual(self.curl("/admin/notes", "-X", "DELETE")[0], 403)
        (wrote, *_) = self.listed("--method", "POST", "--path", "/notes")
        found = json.loads(self.hoopgw("sessions", "export", "--format", "har", wrote["id"]).stdout)["log"]["entries"]
        (entry,) = [each for each in found if each["request"]["url"].endswith("/notes")]
        self.assertEqual((entry["request"]["postData"]["text"], entry["response"]["status"]), ('{"a": 1}', 200))
        self.assertNotIn(self.stage.agent, json.dumps(found))
        refused = self.listed("--method", "DELETE", "--path", "/admin/*", "--status", "403")
        self.assertEqual(len(refused), 1)
        self.assertEqual(self.listed("--method", "PUT", count=0), [])

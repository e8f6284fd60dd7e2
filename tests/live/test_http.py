"""What HTTP clients are promised: curl and raw bytes, a real service, and the gateway between them."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

import jwt

from hoopgw.cli.demo import configuration
from hoopgw.cli.demo.stage import Options
from tests.live.h2_by_hand import Hand
from tests.live.harness import UNTIL, LiveCase, environment, until

RULES = """
[guardrail.test-held]
protocol = "http"
method = ["DELETE"]
path = ["/held/*"]
then = { hold = { approvers = ["dba"], wait = "120s" } }
reason = "a test"

[guardrail.test-refused]
protocol = "http"
path = ["/secret/*"]
then = "refuse"
reason = "not for agents"
would_pass = "ask the owner"

[guardrail.test-json]
protocol = "http"
path = ["/pay"]
json = { "/amount" = "9999" }
then = "refuse"
reason = "too much"
"""
STAGE = Options(more={"guardrails.d/90-test.toml": RULES})


def whole(found: bytes, count: int) -> bool:
    """Whether `count` answers are in it, with their bodies."""
    here = 0
    for _ in range(count):
        end = found.find(b"\r\n\r\n", here) + 4
        if end < 4:
            return False
        head = found[here:end].lower()
        length = re.search(rb"\r\ncontent-length: *([0-9]+)", head)
        here = end + int(length[1]) if length else end
        if b"\r\ntransfer-encoding: chunked" in head:
            here = found.find(b"0\r\n\r\n", end) + 5
            if here < 5:
                return False
    return len(found) >= here


class HttpCase(LiveCase):
    options: ClassVar[Options] = STAGE

    def curl(self, *words: str, path: str = "", token: str | None = None, url: str = "") -> tuple[int, str, bytes]:
        """(status, head, body) of the last answer, by curl; token "" is none."""
        shown = self.stage.agent if token is None else token
        header = ["-H", f"Authorization: Bearer {shown}"] if shown else []
        place = url or self.stage.https_url + path
        done = subprocess.run(
            [
                "curl",
                "-sS",
                "-i",
                "--http1.1",
                "--max-time",
                "240",
                "--cacert",
                str(self.stage.ca),
                *header,
                *words,
                place,
            ],
            env=environment(),
            capture_output=True,
            timeout=250,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        head, _, body = (
            done.stdout.rpartition(b"\r\n\r\n") if words[:1] == ("-I",) else done.stdout.partition(b"\r\n\r\n")
        )
        while head.startswith(b"HTTP/1.1 100"):
            head, _, body = body.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), head.decode("latin-1"), body

    def asked(self, *words: str, path: str = "", **more: Any) -> dict[str, Any]:
        """What the service says reached it."""
        status, _, body = self.curl(*words, path=path, **more)
        self.assertEqual(status, 200, body)
        found: dict[str, Any] = json.loads(body)
        return found

    def listen(self, port: int, serve: Callable[[socket.socket], None]) -> None:
        """A target in a thread for each of its connections, until the test is over: `serve` may raise OSError."""
        listening = socket.create_server(("127.0.0.1", port))
        self.addCleanup(listening.close)
        self.addCleanup(listening.shutdown, socket.SHUT_RDWR)

        def one(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):  # the gateway left
                serve(connection)

        def accept() -> None:
            with contextlib.suppress(OSError):  # the test is over
                while True:
                    threading.Thread(target=one, args=(listening.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def hand(self) -> Hand:
        """A client of HTTP/2."""
        return Hand(self.raw("h2"))

    def raw(self, *protocols: str) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(self.stage.ca))
        if protocols:
            context.set_alpn_protocols(list(protocols))
        plain = socket.create_connection(("127.0.0.1", self.stage.https_port), UNTIL)
        connection = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self.addCleanup(connection.close)
        return connection

    def head(self, line: str, *fields: str) -> bytes:
        given = ["Host: 127.0.0.1", f"Authorization: Bearer {self.stage.agent}", *fields]
        return "\r\n".join([line, *given, "", ""]).encode()

    def answers(self, connection: ssl.SSLSocket, count: int = 1) -> bytes:
        """Everything until `count` whole answers are there, or the end."""
        found = b""
        while not whole(found, count):
            piece = connection.recv(65536)
            if not piece:
                break
            found += piece
        return found

    def rest(self, connection: ssl.SSLSocket) -> bytes:
        """All that comes before the connection ends, in whatever way: it may have sent more than was read of it."""
        found = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                found += piece
        return found

    def kill(self, ended: Callable[[], object]) -> None:
        """Every live session, until `ended` does not raise TimeoutError: the index is written in the background."""
        for _ in range(20):
            for row in self.listed("--live"):
                self.hoopgw("sessions", "kill", row["id"])
            with contextlib.suppress(TimeoutError):
                ended()
                return
        self.fail("it was not killed")

    def events(self, code: str) -> list[dict[str, Any]]:
        lines = self.stage.gateway.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"time"') and f'"code":"{code}"' in line]

    def of(self, request: str) -> dict[str, Any]:
        """The index row of the session with this request, once it is closed."""
        deadline = time.monotonic() + UNTIL
        while True:
            rows = json.loads(self.hoopgw("sessions", "list", "--target", "echo", "--json").stdout)
            found = [each for each in rows if not each["live"] and request in each["tables"]]
            if found:
                return dict(found[0])
            self.assertLess(time.monotonic(), deadline, f"no session with {request}")
            time.sleep(0.2)


class Clients(HttpCase):
    def test_a_request(self) -> None:
        """The target gets the role's token and who asks, never the client's token; the path without its prefix."""
        told = self.asked("-d", "x=1", "-H", "X-Forwarded-For: 8.8.8.8", "-H", "X-Hoopgw-Subject: root", path="a?b=1")
        self.assertEqual(
            (told["method"], told["path"], told["body"], told["credential"]), ("POST", "/a?b=1", "x=1", "right")
        )
        fields = {name.lower(): value for name, value in told["fields"]}
        self.assertEqual((fields["x-forwarded-for"], fields["x-forwarded-proto"]), ("127.0.0.1", "https"))
        self.assertEqual(fields["x-hoopgw-subject"], "agent@demo")
        self.assertRegex(fields["traceparent"], "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$")
        self.assertNotIn(self.stage.agent, json.dumps(told))

    def test_by_host_name(self) -> None:
        """TARGET.DOMAIN names the target, and its paths are its own."""
        port = self.stage.https_port
        words = ("--resolve", f"echo.gw.localhost:{port}:127.0.0.1")
        told = self.asked(*words, url=f"https://echo.gw.localhost:{port}/holds/x")
        self.assertEqual(told["path"], "/holds/x")

    def test_who_may_not(self) -> None:
        """401 with a challenge without a good token, 403 without a grant; no target is named to who has none."""
        for token, status in (("", 401), ("x", 401), (self.stage.stranger, 403)):
            got, head, body = self.curl(token=token)
            self.assertEqual(got, status)
            self.assertEqual("WWW-Authenticate: Bearer" in head, status == 401)
            self.assertEqual(json.loads(body)["status"], status)
        one, two = (self.curl(url=f"https://127.0.0.1:{self.stage.https_port}/{name}/") for name in ("nothing", "shop"))
        self.assertEqual(one[2].replace(b"nothing", b"shop"), two[2])
        self.stage.gateway.stop()  # penalties of the failed logins go with it
        self.stage.gateway.start()

    def test_bodies(self) -> None:
        """Large ones both ways, chunked and not, with and without waiting for 100."""
        data = self.stage.place / "upload"
        data.write_bytes(b"x" * 5_000_000)
        for words in (
            ["-T", str(data)],
            ["-T", str(data), "-H", "Transfer-Encoding: chunked"],
            ["-T", str(data), "-H", "Expect:"],
        ):
            self.assertEqual(self.asked(*words)["size"], 5_000_000)
        for path in ("bytes/5000000", "chunks/5000000"):
            self.assertEqual(len(self.curl(path=path)[2]), 5_000_000)
        status, head, _ = self.curl("-I", path="bytes/5000000")
        self.assertEqual((status, "Content-Length: 5000000" in head), (200, True))
        for code in (204, 304, 404, 500):
            self.assertEqual(self.curl(path=f"status/{code}")[0], code)

    def test_events_come_as_they_are_sent(self) -> None:
        """Server-sent events are not kept back."""
        connection = self.raw()
        connection.sendall(self.head("GET /echo/events HTTP/1.1", "X-Wait: 1"))
        found = b""
        while b"data: 0" not in found:
            found += connection.recv(65536)
        self.assertNotIn(b"data: 1", found)  # the service waits
        self.asked(path="go")
        while b"data: 4" not in found:
            found += connection.recv(65536)

    def test_scope(self) -> None:
        """Redirects and cookies of the target stay under its path."""
        own = f"http://127.0.0.1:{self.stage.echo.port}/login" if self.stage.echo else ""
        self.assertIn("\r\nLocation: /echo/login", self.curl(path=f"redirect?to={own}")[1])
        here = f"https://127.0.0.1:{self.stage.https_port}"
        for out in ("/../web/x", "../../web/x", "/%252e%252e/web/x", f"{here}/web/x", "https:/web/x"):
            body = self.curl("-L", path=f"redirect?to={out}")[2]
            self.assertEqual(json.loads(body[body.index(b"{") :])["path"], "/web/x", out)  # by the echo, and no other
        self.assertIn("Path=/echo/", self.curl(path="cookie")[1])
        self.assertNotIn("Domain", self.curl(path="cookie")[1])

    def test_pipelined(self) -> None:
        """Requests that are sent in one go are answered in order."""
        connection = self.raw()
        connection.sendall(b"".join(self.head(f"GET /echo/{number} HTTP/1.1") for number in range(20)))
        found = self.answers(connection, 20)
        places = [found.find(f'"path": "/{number}"'.encode()) for number in range(20)]
        self.assertEqual(places, sorted(places))
        self.assertNotIn(-1, places)

    def test_one_connection_two_identities(self) -> None:
        """Each request of a kept-alive connection is its own sender's, in a session of its own."""
        connection = self.raw()
        connection.sendall(self.head("GET /echo/one HTTP/1.1"))
        self.answers(connection)
        other = self.head("GET /echo/two HTTP/1.1").replace(self.stage.agent.encode(), self.stage.stranger.encode())
        connection.sendall(other)
        found = self.answers(connection)
        self.assertIn(b"HTTP/1.1 403", found)
        self.assertNotIn(b'"path"', found)
        self.assertEqual(self.of("GET /one")["subject"], "agent@demo")

    def test_identity_token(self) -> None:
        """What tells the target who asks is signed by a key that the gateway publishes, for that target alone."""
        keys = json.loads(
            self.curl(url=f"https://127.0.0.1:{self.stage.https_port}/.well-known/hoopgw/jwks.json", token="")[2]
        )
        key = jwt.PyJWK(keys["keys"][0])
        from hoopgw.auth.identity_tokens import IdentityTokens
        from hoopgw.auth.local import load_key

        tokens = IdentityTokens("demo", load_key(self.stage.state / "keys/identity.key"))
        self.assertEqual(tokens.keys(), keys)
        self.assertEqual(key.key_type, "OKP")

    def test_record(self) -> None:
        """The session is in the index, its requests and answers in the record, and no secret is."""
        self.asked("-H", "Cookie: sid=hush-hush", "-d", "said=aloud", path="people/recorded")  # which echoes nothing
        row = self.of("POST /people/recorded")
        self.assertEqual((row["target"], row["role"], row["subject"]), ("echo", "caller", "agent@demo"))
        assert self.stage.echo is not None
        for words in (["show", row["id"], "--json"], ["export", row["id"]], ["export", row["id"], "--format", "har"]):
            shown = self.hoopgw("sessions", *words).stdout
            self.assertIn("/people/recorded", shown)
            self.assertEqual("said=aloud" in shown, words[0] == "export", shown)
            for secret in (self.stage.agent, "hush-hush", self.stage.echo.token):
                self.assertNotIn(secret, shown)


class Rules(HttpCase):
    def url(self, path: str) -> str:
        return f"https://127.0.0.1:{self.stage.https_port}{path}"

    def test_refused(self) -> None:
        """403 with the object of every protocol; the connection goes on; tricks with the path change nothing."""
        status, head, body = self.curl(path="secret/plans")
        said = json.loads(body)
        self.assertEqual((status, said["decision"], said["guardrails"]), (403, "refused", ["test-refused"]))
        self.assertEqual((said["reason"], said["would_pass"], said["status"]), ("not for agents", "ask the owner", 403))
        self.assertIn("application/problem+json", head)
        for trick in ("a/../secret/x", "./secret/x", "%73ecret/x", "secret%2fx", "/secret/x", "x/%2e%2e/secret/x"):
            self.assertEqual(self.curl("--path-as-is", path=trick)[0], 403, trick)

    def test_bodies_are_read(self) -> None:
        """A rule sees what is in a JSON body, chunked or not, before anything of it moves."""
        for more in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]):
            words = ["-H", "Content-Type: application/json", *more]
            self.assertEqual(self.curl(*words, "-d", '{"amount": "9999"}', path="pay")[0], 403)
            self.assertEqual(self.curl(*words, "-d", '{"amount": "1"}', path="pay")[0], 200)

    def test_held(self) -> None:
        """Who does not want to wait gets 202 and an address; after an approval there the same request runs once."""
        words = ["-X", "DELETE", "-H", "Prefer: respond-async", "-H", "Cookie: sid=hush-hush", "-d", "for=good"]
        status, head, body = self.curl(*words, path="held/1")
        said = json.loads(body)
        self.assertEqual((status, said["decision"]), (202, "held"))
        self.assertEqual(said["status"], self.url(f"/holds/{said['hold']}"))
        place = said["status"]
        self.assertIn(f"\r\nLocation: {place}", head)
        shown = json.loads(self.curl(url=place)[2])
        self.assertEqual(shown["state"], "waiting")
        self.assertIn("Cookie: (redacted)", shown["operation"])
        self.assertIn("for=good", shown["operation"])
        other = [*words[:-1], "for=evil"]
        self.assertEqual(self.curl(url=place, token=self.stage.stranger)[0], 404)
        self.assertEqual(self.curl("-X", "POST", url=f"{place}/approve")[0], 403)
        deep = self.curl("-d", "[" * 50_000, url=f"{place}/approve", token=self.stage.approver)
        self.assertEqual((deep[0], json.loads(deep[2])["detail"]), (400, "JSON of too many levels"))
        approved = self.curl("-d", '{"reason": "fine"}', url=f"{place}/approve", token=self.stage.approver)
        self.assertEqual((approved[0], json.loads(approved[2])["state"]), (200, "approved"))
        late = self.curl("-d", '{"reason": "no"}', url=f"{place}/deny", token=self.stage.approver)
        self.assertEqual(late[0], 409)
        self.assertIn(json.loads(late[2])["state"], ("approved", "claimed"))
        self.assertEqual(self.curl(*other, path="held/1")[0], 202)  # another body is another request
        self.assertEqual(json.loads(self.curl(*words, path="held/1")[2])["method"], "DELETE")
        self.assertEqual(self.curl(*words, path="held/1")[0], 202)

    def named(self, hold: str, *words: str, **more: str) -> tuple[int, str]:
        """Status, and its code where it is refused, of a request that says which hold it resumes."""
        status, _, body = self.curl("-X", "DELETE", "-H", f"X-Hoopgw-Hold: {hold}", *words, path="held/4", **more)
        return status, json.loads(body).get("code", "")

    def test_the_hold_that_is_named(self) -> None:
        """By its id the same request runs once; another request, another identity or another id lets nothing run."""
        words = ["-H", "Prefer: respond-async", "-d", "n=4"]
        said = json.loads(self.curl("-X", "DELETE", *words, path="held/4")[2])
        hold = said["resume"]["X-Hoopgw-Hold"]
        self.assertEqual(hold, said["hold"])
        self.assertEqual(self.named(hold, *words), (202, ""))
        self.curl("-d", "{}", url=f"{said['status']}/approve", token=self.stage.approver)
        self.assertEqual(self.named("h_" + 22 * "x", *words), (409, "hold-unknown"))
        self.assertEqual(self.named(hold, "-d", "n=5"), (409, "hold-mismatch"))
        free = self.curl("-H", f"X-Hoopgw-Hold: {hold}", path="free")
        self.assertEqual((free[0], json.loads(free[2])["code"]), (409, "hold-mismatch"))
        self.assertEqual(self.named(hold, *words), (200, ""))
        self.assertEqual(self.named(hold, *words), (409, "hold-used"))

    def test_security_an_approval_is_for_one(self) -> None:
        """Sent several times at once it runs once; by another person, who may ask as much, and after a restart never
        again."""
        words = ["-H", "Prefer: respond-async", "-d", "n=7"]
        hold = json.loads(self.curl("-X", "DELETE", *words, path="held/4")[2])["hold"]
        place = f"https://127.0.0.1:{self.stage.https_port}/holds/{hold}"
        self.assertEqual(self.curl("-d", "{}", url=f"{place}/approve", token=self.stage.approver)[0], 200)
        other = self.stage.issuer.mint("other@demo", configuration.AGENT, 600.0)
        self.assertEqual(self.named(hold, *words, token=other), (409, "hold-unknown"))
        self.assertEqual(self.curl(url=place, token=other)[0], 404)
        found: list[tuple[int, str]] = []
        asking = [threading.Thread(target=lambda: found.append(self.named(hold, *words))) for _ in range(6)]
        for each in asking:
            each.start()
        for each in asking:
            each.join(UNTIL)
        self.assertEqual(sorted(found), [(200, ""), *[(409, "hold-used")] * 5])
        self.stage.gateway.stop()
        self.stage.gateway.start()
        self.assertEqual(self.named(hold, *words), (409, "hold-used"))

    def test_a_body_that_is_too_long_to_approve(self) -> None:
        """What cannot be bound to an approval is refused, and nobody is asked."""
        data = self.stage.place / "long"
        data.write_bytes(b"x" * 2_000_000)
        for more in ([], ["-H", "Transfer-Encoding: chunked"]):
            status, _, body = self.curl("-X", "DELETE", "-T", str(data), *more, path="held/3")
            self.assertEqual((status, json.loads(body)["decision"]), (403, "refused"))

    def test_waited_for(self) -> None:
        """Who waits gets the answer itself."""
        header = f"Authorization: Bearer {self.stage.agent}"
        words = ["curl", "-sS", "--max-time", "240", "--cacert", str(self.stage.ca), "-H", header, "-X", "DELETE"]
        with subprocess.Popen([*words, self.stage.https_url + "held/2"], env=environment(), stdout=-1) as waiting:
            hold = self.held("held/2")
            self.assertEqual(self.hoopgw("approvals", "approve", hold["id"]).returncode, 0)
            assert waiting.stdout is not None
            self.assertEqual(json.loads(waiting.stdout.read())["path"], "/held/2")


class Hostile(HttpCase):
    def test_smuggling(self) -> None:
        """What two parsers could read differently is refused, and nothing of it reaches the service."""
        behind = b"GET /echo/smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        post = "POST /echo/ HTTP/1.1"
        for data in (
            self.head(post, "Content-Length: 4", "Transfer-Encoding: chunked") + b"0\r\n\r\n" + behind,
            self.head(post, "Transfer-Encoding: chunked", "Transfer-Encoding: identity") + b"0\r\n\r\n" + behind,
            self.head(post, "Transfer-Encoding : chunked") + b"0\r\n\r\n" + behind,
            self.head(post, "Content-Length: 4", "Content-Length: 0") + b"0\r\n\r\n" + behind,
            self.head(post, "X: 1\n\n" + behind.decode()),
            self.head(post, "Transfer-Encoding: chunked") + b"0;\n\r\n\r\n" + behind,
            self.head("GET http://other/ HTTP/1.1"),
            self.head("GET /echo/ HTTP/1.1").replace(b"\r\n", b"\n"),
        ):
            connection = self.raw()
            connection.sendall(self.head("GET /echo/first HTTP/1.1"))
            self.answers(connection)  # a login that fails would cost its address
            connection.sendall(data)
            found = self.rest(connection)
            self.assertIn(b"HTTP/1.1 400 ", found)
            self.assertNotIn(b"smuggled", found)
        self.assertTrue(until(lambda: self.events("protocol.violated")))

    def test_clear_text_is_refused(self) -> None:
        """A token is not asked for where everybody could read it."""
        with socket.create_connection(("127.0.0.1", self.stage.https_port), UNTIL) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertIn(b"speaks HTTPS", connection.recv(65536))

    def test_the_target_is_gone(self) -> None:
        """502, in words that do not say where it is; and well again when it is back."""
        echo = self.stage.echo
        assert echo is not None
        echo.stop()
        status, _, body = self.curl()
        self.assertEqual(status, 502)
        self.assertNotIn(str(echo.port).encode(), body)
        echo.start()
        self.asked()
        self.assertTrue(self.events("target.unavailable"))

    def test_a_killed_session(self) -> None:
        """Its connection ends; the next one asks for a login again."""
        connection = self.raw()
        connection.sendall(self.head("GET /echo/ HTTP/1.1"))
        self.answers(connection)
        connection.settimeout(1.0)
        self.kill(lambda: self.assertEqual(connection.recv(65536), b""))
        connection.settimeout(UNTIL)

"""WebSockets through the gateway: clients and a server that others wrote, rules and masks on messages."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import ssl
import subprocess
import threading
from typing import Any, ClassVar

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from hoopgw.cli.demo.stage import Options
from tests.live.harness import UNTIL, environment, until
from tests.live.test_http import HttpCase

TURN = UNTIL  # seconds that an answer may take
RULES = """
[guardrail.no-delete]
protocol = "http"
target = { name = "live" }
path = ["/live*"]
json = { op = "delete" }
then = "refuse"
reason = "Nothing is deleted here."

[guardrail.ask-first]
protocol = "http"
target = { name = "live" }
path = ["/live*"]
json = { op = "close" }
then = { hold = { approvers = ["dba"], count = 1, wait = "120s" } }
"""
MASKS = """
[mask.cards]
protocol = "http"
target = { name = "live" }
path = ["/people*"]
patterns = ["payment-card"]
"""
CARD = "4000 0012 3456 7899"


def frame(text: bytes, code: int = 1) -> bytes:
    """One masked frame of at most 125 bytes."""
    key = os.urandom(4)
    return bytes((0x80 | code, 0x80 | len(text))) + key + bytes(each ^ key[n % 4] for n, each in enumerate(text))


class Talks:
    """Says what it hears, and more when it is asked for; "heard" where the path is /quiet."""

    def __init__(self) -> None:
        self.heard: list[str | bytes] = []
        self.fields: dict[str, str] = {}
        self.closed: list[int | None] = []

    def __call__(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        self.fields = {name.lower(): value for name, value in request.headers.raw_items()}
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = connection.recv()
                self.heard.append(message)
                answer = "heard" if request.path.endswith("/quiet") else message
                connection.send(json.dumps({"card": CARD}) if message == "card" else answer)
        self.closed.append(connection.close_code)


class Sockets(HttpCase):
    talks: ClassVar[Talks]
    _server: ClassVar[Server | None] = None

    def setUp(self) -> None:
        cls = type(self)
        if cls._server is None:
            cls.talks = Talks()
            cls._server = serve(
                cls.talks, "127.0.0.1", 0, subprotocols=[Subprotocol("chat")], max_size=64 << 20, ping_interval=None
            )
            threading.Thread(target=cls._server.serve_forever, daemon=True).start()
            atexit.register(cls._server.shutdown)
            port = cls._server.socket.getsockname()[1]
            target = f'[target.live]\nprotocol = "http"\naddress = ["127.0.0.1:{port}"]\n\n[target.live.role.caller]\n'
            grant = '[grant.live]\ngroups = ["agents"]\ntarget = { name = "live" }\nroles = ["caller"]\n'
            files = {"targets.d/live.toml": target, "grants.d/live.toml": grant}
            cls.options = Options(more={**files, "guardrails.d/live.toml": RULES + MASKS})
        super().setUp()
        self.talks.heard.clear()
        self.talks.closed.clear()

    def open(self, path: str = "talk", **more: Any) -> ClientConnection:
        context = ssl.create_default_context(cafile=str(self.stage.ca))
        given: dict[str, Any] = {"additional_headers": {"Authorization": f"Bearer {self.stage.agent}"}, **more}
        found = connect(
            f"wss://127.0.0.1:{self.stage.https_port}/live/{path}",
            ssl=context,
            proxy=None,
            open_timeout=TURN,
            max_size=64 << 20,
            subprotocols=[Subprotocol("chat")],
            **given,
        )
        self.addCleanup(found.close)
        return found

    def closed(self, connection: ClientConnection, seconds: float = TURN) -> tuple[int, str]:
        """Raises TimeoutError."""
        try:
            self.fail(f"a message came: {connection.recv(seconds)!r}")
        except ConnectionClosed as error:
            received = error.rcvd
        assert received is not None
        return received.code, received.reason

    def test_messages(self) -> None:
        """Text and binary, compressed and not, in fragments, empty and large, in order; pings on both legs."""
        for compression in ("deflate", None):
            connection = self.open(compression=compression)
            self.assertEqual(connection.subprotocol, "chat")
            told: list[str | bytes] = ["hällo", b"\x00\xff", "", b"", "x" * 70_000, os.urandom(1_000_000)]
            for message in told:
                connection.send(message)
                self.assertEqual(connection.recv(TURN), message)
            connection.send(["in ", "three ", "parts"])
            self.assertEqual(connection.recv(TURN), "in three parts")
            self.assertTrue(connection.ping().wait(TURN))
            connection.close(4000, "bye")
        self.assertEqual(self.talks.fields["x-hoopgw-subject"], "agent@demo")
        self.assertNotIn("authorization", self.talks.fields)
        self.assertTrue(until(lambda: self.talks.closed.count(4000) == 2))  # and of the test before, as it comes

    def test_large_messages_keep_their_order(self) -> None:
        """They are read elsewhere, and what is small does not overtake them; a rule's word comes as for any other."""
        connection = self.open("live")
        told = [json.dumps({"op": "say", "n": [number] * size}) for number, size in enumerate((60_000, 1) * 3)]
        for message in told:
            connection.send(message)
        self.assertTrue([connection.recv(TURN) for _ in told] == told)
        connection.send(json.dumps({"n": [1] * 60_000, "op": "delete"}))
        code, reason = self.closed(connection)
        self.assertEqual((code, json.loads(reason)["guardrails"]), (1008, ["no-delete"]))
        self.assertEqual(self.talks.heard, told)

    def test_over_http2(self) -> None:
        """An extended CONNECT (RFC 8441) is the same WebSocket: several beside one another, judged and recorded."""
        hand = self.hand()
        while not hand.h2.remote_settings.enable_connect_protocol:
            hand.read()
        usual = [(":scheme", "https"), (":authority", "127.0.0.1"), ("sec-websocket-version", "13")]
        usual.append(("sec-websocket-protocol", "chat"))
        token = ("authorization", f"Bearer {self.stage.agent}")

        def open(path: str, *more: tuple[str, str]) -> int:
            head = [(":method", "CONNECT"), (":protocol", "websocket"), (":path", f"/live/{path}"), *usual, *more]
            return hand.ask(head)

        one, two, none = open("talk", token), open("live", token), open("talk")
        found = [hand.answered(each) for each in (one, two, none)]
        self.assertEqual(found, [200, 200, 401], hand.data)
        for each, text in ((one, b"hello"), (two, b'["' + b"x" * 90 + b'"]')):
            hand.send(each, frame(text))
            self.assertEqual(hand.received(each, len(text) + 2)[2:], text)
        hand.send(two, frame(b'{"op": "delete"}'))
        hand.over(two)
        self.assertIn(b"Nothing is deleted here", hand.data[two])
        hand.send(one, frame(b"still"))
        self.assertEqual(hand.received(one, 14)[9:], b"still")
        self.assertNotIn('{"op": "delete"}', self.talks.heard)
        hand.send(one, frame((1000).to_bytes(2, "big"), 8))
        hand.over(one)
        other = [(":method", "CONNECT"), (":protocol", "other"), (":path", "/live/talk"), *usual, token]
        self.assertEqual(hand.answered(hand.ask(other)), 501)
        head = [(":method", "CONNECT"), (":protocol", "websocket"), (":path", "/live/talk"), *usual, token]
        early = hand.ask(head, early=b"GET /live/smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        hand.over(early)
        self.assertEqual((early in hand.reset, hand.data.get(early, b"")), (True, b""))

    def test_who_may_not(self) -> None:
        """The handshake is answered as any request is."""
        with self.assertRaises(InvalidStatus) as caught:
            self.open(additional_headers={"Authorization": f"Bearer {self.stage.stranger}"})
        self.assertEqual(caught.exception.response.status_code, 403)

    def test_a_refused_message(self) -> None:
        """It does not reach the service; the client is told why, as JSON, by code 1008; what came before has."""
        connection = self.open("live")
        connection.send('{"op": "read"}')
        self.assertEqual(connection.recv(TURN), '{"op": "read"}')
        connection.send('{"op": "delete"}')
        code, reason = self.closed(connection)
        said = json.loads(reason)
        self.assertEqual((code, said["decision"], said["guardrails"]), (1008, "refused", ["no-delete"]))
        self.assertEqual(self.talks.heard, ['{"op": "read"}'])

    def test_a_message_that_is_too_long(self) -> None:
        """Its sender reads why (1009) though it was still sending: its library reads behind what it writes."""
        for _ in range(4):
            connection = self.open("live", compression=None)
            with contextlib.suppress(ConnectionClosed):
                connection.send('{"a": "' + "x" * 3_000_000)
            self.assertEqual(self.closed(connection)[0], 1009)
        self.assertEqual(self.talks.heard, [])

    def test_tricks(self) -> None:
        """The same in fragments, as bytes, with escapes, twice: none of it reaches the service."""
        for trick in (
            ['{"op": "del', 'ete"}'],
            b'{"op": "delete"}',
            '{"\\u006fp": "dele\\u0074e"}',
            '{"op": "read", "op": "delete"}',
            '[{"op": "delete"}]',
        ):
            connection = self.open("live")
            connection.send(trick)
            self.assertEqual(self.closed(connection)[0], 1008, trick)
        self.assertEqual(self.talks.heard, [])

    def test_held(self) -> None:
        """A message waits for its approval and then goes on, once; pings are answered meanwhile."""
        connection = self.open("live")
        connection.send('{"op": "close"}')
        hold = self.held("close")
        self.assertTrue(connection.ping().wait(TURN))
        self.assertEqual(self.talks.heard, [])
        done = self.hoopgw("approvals", "approve", hold["id"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(connection.recv(TURN), '{"op": "close"}')
        self.assertEqual(self.talks.heard, ['{"op": "close"}'])

    def test_masked(self) -> None:
        """What a pattern finds in the service's messages is starred, compressed or not, as text or as bytes."""
        for compression in ("deflate", None):
            connection = self.open("people", compression=compression)
            connection.send("card")
            shown = connection.recv(TURN)
            assert isinstance(shown, str)
            self.assertNotIn(CARD, shown)
            self.assertEqual(list(json.loads(shown)), ["card"])
            connection.send(json.dumps({"card": CARD}).encode())
            shown = connection.recv(TURN)
            assert isinstance(shown, bytes)
            self.assertNotIn(CARD.encode(), shown)

    def test_secrets(self) -> None:
        """The service reads them and the record does not: many messages at once, as text or as bytes."""
        secret = "hush-hush"
        said = (
            '{"value": "hush-hush", "name": "token"}',
            '{"dsn": "postgresql://u:hush-hush@h/db"}',
            'auth="' + secret * 11 + '"',  # a length of two bytes, the last of which is a letter
            "nothing of the kind",
        )
        for compression in ("deflate", None):
            connection = self.open("quiet", compression=compression)
            told: list[str | bytes] = [*said, *(each.encode() for each in said)]
            for message in told:
                connection.send(message)
            self.assertEqual([connection.recv(TURN) for _ in told], ["heard"] * len(told))
            self.assertEqual(self.talks.heard, told)
            self.talks.heard.clear()
            connection.close()
            shown = self.ended(self.newest())
            self.assertNotIn(secret, shown)
            self.assertEqual(shown.count("postgresql://u:*********@h/db"), 2, shown)
            self.assertEqual(shown.count("nothing of the kind"), 2)

    def ended(self, id: str) -> str:
        """The record of a session, once it has its end."""

        def all_of_it() -> str:
            shown = self.hoopgw("sessions", "export", id).stdout
            return shown if "session.closed" in shown else ""

        return str(until(all_of_it))

    def test_killed(self) -> None:
        """Who may kill ends it; the client reads that in its Close."""
        connection = self.open()
        connection.send("x")
        self.assertEqual(connection.recv(TURN), "x")
        self.kill(lambda: self.assertEqual(self.closed(connection, 1.0)[0], 1001))

    def test_node(self) -> None:
        """Node's own client."""
        words = ["node", "--experimental-websocket", "-e", NODE, str(self.stage.https_port), self.stage.agent]
        given = {**environment(), "NODE_EXTRA_CA_CERTS": str(self.stage.ca)}
        done = subprocess.run(words, env=given, capture_output=True, timeout=240, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, b"hello 1000\n"), done.stderr)


NODE = """
const [, port, token] = process.argv;
const given = {protocols: ['chat'], headers: {Authorization: 'Bearer ' + token}};
const socket = new WebSocket(`wss://127.0.0.1:${port}/live/talk`, given);
let heard = '';
socket.onopen = () => socket.send('hello');
socket.onmessage = event => { heard = event.data; socket.close(1000); };
socket.onclose = event => { console.log(heard, event.code); };
socket.onerror = event => { console.error(event.error || event.message); process.exit(1); };
"""

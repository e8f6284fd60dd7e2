"""Connections that are full for a while, to targets and to clients: whoever waits there, or shares one, is served as
before."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from typing import ClassVar

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.settings import SettingCodes

from hoopgw.cli.demo.place import free_port
from hoopgw.cli.demo.stage import Options
from tests.live.h2_by_hand import Hand
from tests.live.harness import UNTIL
from tests.live.test_http import HttpCase

H2_PORT, PORT = free_port(), free_port()
TARGETS = f"""
[target.many]
protocol = "http"
address = ["127.0.0.1:{H2_PORT}"]
versions = ["h2"]
[target.many.role.caller]

[target.early]
protocol = "http"
address = ["127.0.0.1:{PORT}"]
[target.early.role.caller]
"""
GRANTS = '[grant.full]\ngroups = ["agents"]\ntarget = { name = ["many", "early"] }\nroles = ["caller"]\n'
HELD = """
[guardrail.full-held]
protocol = "http"
path = ["/held/*"]
then = { hold = { approvers = ["dba"], wait = "120s" } }
"""
FILES = {"targets.d/full.toml": TARGETS, "grants.d/full.toml": GRANTS, "guardrails.d/90-full.toml": HELD}
WINDOW = 1 << 30  # no window is full before the socket is
LARGE = 48 << 20  # bytes, more than sockets take
FULL = 1.5  # seconds in which a connection fills


def wide(connection: H2Connection) -> None:
    connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: WINDOW})
    connection.increment_flow_control_window(WINDOW)


class Service:
    """A connection of HTTP/2: takes nothing for a while once /large and /beside are asked, answers /beside, goes on."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._h2.initiate_connection()
        wide(self._h2)
        self._asked: dict[str, int] = {}
        self._full = False
        self._send()

    def _send(self) -> None:
        self._socket.sendall(self._h2.data_to_send())

    def _answer(self, path: str) -> None:
        stream = self._asked.pop(path)
        self._h2.send_headers(stream, [(":status", "200"), ("content-length", "2")])
        self._h2.send_data(stream, b"ok", end_stream=True)
        self._send()

    def serve(self) -> None:
        while data := self._socket.recv(1 << 20):
            for event in self._h2.receive_data(data):
                if isinstance(event, RequestReceived):
                    self._asked[dict(event.headers)[":path"]] = event.stream_id
                elif isinstance(event, DataReceived):
                    self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded):
                    self._ended()
            self._send()
            if not self._full and {"/large", "/beside"} <= set(self._asked):
                self._full = True
                time.sleep(FULL)
                self._answer("/beside")
                time.sleep(FULL)

    def _ended(self) -> None:
        for path in [each for each in self._asked if each not in ("/large", "/beside")]:
            self._answer(path)


def early(connection: socket.socket) -> None:
    """Takes nothing of a body, and answers when there is room for no more."""
    connection.recv(1024)
    time.sleep(FULL)
    connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo much\n")
    connection.close()


class Full(HttpCase):
    options: ClassVar[Options] = Options(more=FILES)

    def connection(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.stage.ca))
        found = http.client.HTTPSConnection("127.0.0.1", self.stage.https_port, timeout=UNTIL, context=context)
        self.addCleanup(found.close)
        return found

    def told(self, connection: http.client.HTTPSConnection, path: str, body: bytes = b"") -> tuple[int, bytes]:
        header = {"Authorization": f"Bearer {self.stage.agent}"}
        connection.request("POST" if body else "GET", path, body or None, header)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def _upload(self) -> None:
        with contextlib.suppress(OSError):  # the test is over
            self.told(self.connection(), "/many/large", bytes(LARGE))

    def test_a_target_of_http2(self) -> None:
        """Another's upload fills the connection to it: who had an answer meanwhile has one to the next request too."""
        self.listen(H2_PORT, lambda connection: Service(connection).serve())
        beside = self.connection()
        uploading = threading.Thread(target=self._upload, daemon=True)
        uploading.start()
        self.assertEqual(self.told(beside, "/many/beside"), (200, b"ok"))
        time.sleep(2 * FULL)  # there is room again
        self.assertEqual(self.told(beside, "/many/after"), (200, b"ok"))

    def hand(self) -> Hand:
        """A client of HTTP/2 whose windows are never full before its socket is."""
        hand = super().hand()
        wide(hand.h2)
        return hand

    def test_a_client_of_http2(self) -> None:
        """It takes nothing for a while, in which the gateway itself answers another of its requests: of the next ones
        that run together all are answered, also that which is carried as that one was."""
        hand = self.hand()

        def ask(method: str, path: str, *more: tuple[str, str]) -> int:
            proof = ("authorization", f"Bearer {self.stage.agent}")
            head = [(":method", method), (":scheme", "https"), (":authority", "127.0.0.1"), (":path", f"/echo/{path}")]
            return hand.ask([*head, proof, *more], True)

        waiting = ask("DELETE", "held/9")
        hold = self.held("held/9")["id"]
        large = ask("GET", f"bytes/{LARGE}")
        time.sleep(FULL)
        self.assertEqual(self.hoopgw("approvals", "deny", hold, "--reason", "no").returncode, 0)
        time.sleep(FULL)
        self.assertEqual(len(hand.received(large, LARGE)), LARGE)
        self.assertEqual(hand.answered(waiting), 403)
        events = ask("GET", "events", ("x-wait", "1"))  # carried as the large one was, until somebody says /go
        self.assertEqual(hand.answered(events), 200)
        self.assertEqual(hand.answered(ask("GET", "go")), 200)
        hand.over(events)

    def test_an_answer_before_the_body(self) -> None:
        """The target takes nothing of an upload and answers: its client is read to the end, and has the answer."""
        self.listen(PORT, early)
        for _ in range(2):
            self.assertEqual(self.told(self.connection(), "/early/x", bytes(LARGE)), (413, b"too much\n"))

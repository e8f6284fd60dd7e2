"""gRPC through the gateway: grpcio on both sides, unary and streaming, refused and held."""

from __future__ import annotations

import atexit
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any, ClassVar

import grpc

from hoopgw.cli.demo.stage import Options
from tests.live.test_http import HttpCase

RULES = """
[guardrail.no-delete]
protocol = "http"
grpc_service = ["pay.*"]
grpc_method = ["Delete*", "Stream*"]
then = "refuse"
reason = "Users are not deleted."

[guardrail.no-floods]
protocol = "http"
target = { name = "users" }
grpc_method = ["Flood"]
then = { limit = { bytes = "100 KiB" } }
reason = "Floods are not for agents."

[guardrail.ask-first]
protocol = "http"
path = ["/pay.Users/Close"]
then = { hold = { approvers = ["dba"], count = 1, wait = "120s" } }
"""
AGE = 0.4  # seconds after which a connection is told to go; calls that run go on
AGING = (("grpc.max_connection_age_ms", int(AGE * 1000)), ("grpc.max_connection_age_grace_ms", 60_000))
TURN = 60.0  # seconds that a call may take


class Users(grpc.GenericRpcHandler):
    """A service without generated code: bytes in, bytes out."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.metadata: dict[str, str] = {}

    def service(self, details: Any) -> Any:
        self.called.append(details.method)
        self.metadata = {key: str(value) for key, value in details.invocation_metadata}
        name = details.method.rpartition("/")[2]
        if name in ("Get", "Delete", "Close"):
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"got " + request)
        if name == "Fail":
            return grpc.unary_unary_rpc_method_handler(self._fail)
        if name == "List":
            return grpc.unary_stream_rpc_method_handler(self._list)
        if name == "Flood":
            return grpc.unary_stream_rpc_method_handler(self._flood)
        if name == "Save":
            return grpc.stream_unary_rpc_method_handler(lambda requests, context: b"%d" % sum(map(len, requests)))
        if name == "Chat":
            return grpc.stream_stream_rpc_method_handler(self._chat)
        return None

    def _fail(self, request: bytes, context: Any) -> bytes:
        context.set_trailing_metadata((("x-why", "because"),))
        context.abort(grpc.StatusCode.NOT_FOUND, "no such user: é")
        return b""

    def _list(self, request: bytes, context: Any) -> Iterator[bytes]:
        for number in range(int(request)):
            yield b"%d" % number * 1000

    def _flood(self, request: bytes, context: Any) -> Iterator[bytes]:
        while context.is_active():
            yield b"x" * 1000
            time.sleep(float(request))

    def _chat(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for request in requests:
            yield b"re: " + request


class Calls(HttpCase):
    users: ClassVar[Users]
    _server: ClassVar[Any] = None
    _aging: ClassVar[Any] = None

    def setUp(self) -> None:
        cls = type(self)
        if cls._server is None:
            cls.users = Users()
            cls._server = grpc.server(futures.ThreadPoolExecutor(8))
            cls._server.add_generic_rpc_handlers((cls.users,))
            port = cls._server.add_insecure_port("127.0.0.1:0")
            cls._server.start()
            cls._aging = grpc.server(futures.ThreadPoolExecutor(8), options=AGING)
            cls._aging.add_generic_rpc_handlers((cls.users,))
            aging = cls._aging.add_insecure_port("127.0.0.1:0")
            cls._aging.start()
            atexit.register(cls._aging.stop, None)
            atexit.register(cls._server.stop, None)
            target = f"""
[target.users]
protocol = "http"
address = ["127.0.0.1:{port}"]
versions = ["h2"]

[target.users.role.caller]

[target.aging]
protocol = "http"
address = ["127.0.0.1:{aging}"]
versions = ["h2"]

[target.aging.role.caller]
"""
            grant = '[grant.users]\ngroups = ["agents"]\ntarget = { name = ["users", "aging"] }\nroles = ["caller"]\n'
            files = {"targets.d/users.toml": target, "grants.d/users.toml": grant, "guardrails.d/users.toml": RULES}
            cls.options = Options(more=files)
        super().setUp()
        trust = grpc.ssl_channel_credentials(self.stage.ca.read_bytes())
        self.channel = self._channel(trust, "users")
        self.token = (("authorization", f"Bearer {self.stage.agent}"),)
        self.how: Any = {"metadata": self.token, "timeout": TURN}

    def _channel(self, trust: Any, target: str) -> Any:
        """The host names the target: a gRPC client knows no path before its own."""
        host = ("grpc.ssl_target_name_override", f"{target}.gw.localhost")
        options = (host, ("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0))
        channel = grpc.secure_channel(f"127.0.0.1:{self.stage.https_port}", trust, options)
        self.addCleanup(channel.close)
        return channel

    def unary(self, name: str, request: bytes = b"x", **more: Any) -> bytes:
        call = self.channel.unary_unary(f"/pay.Users/{name}")
        return bytes(call(request, metadata=self.token, timeout=TURN, **more))

    def failed(self, name: str, **more: Any) -> grpc.RpcError:
        with self.assertRaises(grpc.RpcError) as caught:
            self.unary(name, **more)
        return caught.exception

    def test_unary(self) -> None:
        """Message, status and trailers are the service's; it is told who calls, and never by what token."""
        self.assertEqual(self.unary("Get", b"ada"), b"got ada")
        self.assertEqual(self.users.metadata["x-hoopgw-subject"], "agent@demo")
        self.assertNotIn(self.stage.agent, json.dumps(self.users.metadata))
        error: Any = self.failed("Fail")
        self.assertEqual((error.code(), error.details()), (grpc.StatusCode.NOT_FOUND, "no such user: é"))
        self.assertIn(("x-why", "because"), [tuple(each) for each in error.trailing_metadata()])

    def test_streaming(self) -> None:
        """Both directions, alone and together; more than any window."""
        found = list(self.channel.unary_stream("/pay.Users/List")(b"200", metadata=self.token, timeout=TURN))
        self.assertEqual([len(each) for each in found], [len(b"%d" % number) * 1000 for number in range(200)])
        parts = (b"x" * 50_000 for _ in range(40))
        total = self.channel.stream_unary("/pay.Users/Save")(parts, metadata=self.token, timeout=TURN)
        self.assertEqual(total, b"2000000")
        said: Any = threading.Semaphore(0)

        def words() -> Iterator[bytes]:
            for number in range(5):
                yield b"%d" % number
                said.acquire(timeout=TURN)  # the next one only when this one was answered

        heard = []
        for answer in self.channel.stream_stream("/pay.Users/Chat")(words(), metadata=self.token, timeout=TURN):
            heard.append(answer)
            said.release()
        self.assertEqual(heard, [b"re: %d" % number for number in range(5)])

    def test_many_at_once(self) -> None:
        """Calls beside one another on one channel."""
        call = self.channel.unary_unary("/pay.Users/Get")
        waiting = [call.future(b"%d" % number, metadata=self.token, timeout=TURN) for number in range(100)]
        self.assertEqual([each.result() for each in waiting], [b"got %d" % number for number in range(100)])

    def test_refused(self) -> None:
        """PERMISSION_DENIED with the object in its details; the service hears nothing."""
        self.users.called.clear()
        error: Any = self.failed("DeleteAll")
        self.assertEqual(error.code(), grpc.StatusCode.PERMISSION_DENIED)
        self.assertEqual(error.details(), "refused: Users are not deleted.")
        details = dict(error.trailing_metadata())["grpc-status-details-bin"]
        self.assertIn(b"no-delete", details)
        self.assertIn(b"type.googleapis.com/google.rpc.ErrorInfo", details)
        self.assertEqual(self.users.called, [])

    def test_refused_streams(self) -> None:
        """A call that streams is refused as it begins, in either direction, and its channel goes on."""
        self.users.called.clear()
        sent: list[int] = []

        def words() -> Iterator[bytes]:
            for number in range(1000):
                sent.append(number)
                yield b"x" * 10_000

        to, fro = self.channel.stream_stream("/pay.Users/StreamIn"), self.channel.unary_stream("/pay.Users/StreamOut")
        for begin in (lambda: to(words(), **self.how), lambda: fro(b"9", **self.how)):
            with self.assertRaises(grpc.RpcError) as caught:
                list(begin())
            error: Any = caught.exception
            self.assertEqual(error.code(), grpc.StatusCode.PERMISSION_DENIED)
        self.assertLess(len(sent), 1000)
        self.assertEqual(self.users.called, [])
        self.assertEqual(self.unary("Get"), b"got x")

    def flooded(self, wait: bytes, meanwhile: Callable[[], object] = lambda: None) -> tuple[int, Any]:
        """How many messages of a stream came, and how it ended; `meanwhile` is called at the first."""
        count = 0
        with self.assertRaises(grpc.RpcError) as caught:
            for each in self.channel.unary_stream("/pay.Users/Flood")(wait, metadata=self.token, timeout=TURN):
                self.assertEqual(each, b"x" * 1000)
                if not count:
                    meanwhile()
                count += 1
        return count, caught.exception

    def test_cut_in_the_middle(self) -> None:
        """A stream that reaches a limit, or is killed, ends with a status that says so; its channel goes on."""
        count, error = self.flooded(b"0")
        self.assertTrue(50 < count <= 102, count)
        self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertIn("over-budget: ", error.details())
        self.assertIn(b"no-floods", dict(error.trailing_metadata())["grpc-status-details-bin"])

        def kill() -> None:
            (row,) = [
                each for each in self.listed("--live", "--target", "users") if "POST /pay.Users/Flood" in each["tables"]
            ]
            self.hoopgw("sessions", "kill", row["id"])

        _, error = self.flooded(b"0.1", kill)
        self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertIn("ended by", error.details())
        self.assertEqual(self.unary("Get"), b"got x")

    def test_who_may_not(self) -> None:
        """No token is UNAUTHENTICATED, no grant PERMISSION_DENIED: what gRPC makes of 401 and 403."""
        for token, code in (
            ("", grpc.StatusCode.UNAUTHENTICATED),
            (self.stage.stranger, grpc.StatusCode.PERMISSION_DENIED),
        ):
            self.token = (("authorization", f"Bearer {token}"),) if token else ()
            error: Any = self.failed("Get")
            self.assertEqual(error.code(), code)

    def test_held(self) -> None:
        """A call waits until it is approved, and then runs once; other calls of the channel do not wait."""
        self.users.called.clear()
        call = self.channel.unary_unary("/pay.Users/Close")
        waiting = call.future(b"x", metadata=self.token, timeout=TURN)
        hold = self.held("/pay.Users/Close")
        self.assertEqual(self.unary("Get"), b"got x")
        self.assertNotIn("/pay.Users/Close", self.users.called)
        done = self.hoopgw("approvals", "approve", hold["id"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(waiting.result(), b"got x")
        self.assertEqual(self.users.called.count("/pay.Users/Close"), 1)

    def test_cancelled(self) -> None:
        """A call that its client takes back ends at the service too, and the channel goes on."""
        stream: Any = self.channel.unary_stream("/pay.Users/List")(b"100000", metadata=self.token, timeout=TURN)
        self.assertEqual(next(stream), b"0" * 1000)
        stream.cancel()
        self.assertEqual(self.unary("Get"), b"got x")

    def test_a_service_whose_connections_age(self) -> None:
        """It says goodbye (GOAWAY) to each after a while, as services behind balancers do: no call fails by that."""
        self.channel = self._channel(grpc.ssl_channel_credentials(self.stage.ca.read_bytes()), "aging")
        for _ in range(4):
            self.assertEqual(self.unary("Get"), b"got x")
            time.sleep(2 * AGE)

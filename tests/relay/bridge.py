"""A relay between real sockets: a real client, the relay, a real PostgreSQL.  Decides as it is told to."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable

from hoopgw.model.answer import GO, Answer
from hoopgw.model.operation import Operation
from hoopgw.relay.effects import Ask, CancelTarget, Effect, Hangup, ToClient, ToTarget
from hoopgw.relay.postgres import PostgresRelay
from tests.relay.pgbytes import always

TIMEOUT = 60.0  # seconds for anything here


class Bridge:
    """Listens on loopback; one thread a connection.  The login passes as it is (the server trusts)."""

    def __init__(
        self, target_port: int, decide: Callable[[Operation], Answer] = always(GO), **settings: object
    ) -> None:
        self._target_port = target_port
        self._settings = settings
        self.decide: Callable[[Operation], Answer] = always(GO)
        self.effects: list[Effect] = []
        self.operations: list[Operation] = []
        self.errors: list[BaseException] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in [self._accepting, *self._threads]:
            thread.join(TIMEOUT)
        if self.errors:
            raise self.errors[0]

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        target = socket.create_connection(("127.0.0.1", self._target_port))
        try:
            with client, target:
                for each in (client, target):
                    each.settimeout(TIMEOUT)
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                Connection(self, client, target).run()
        except (ConnectionError, TimeoutError):
            pass  # one side left in the middle of something
        except BaseException as error:
            self.errors.append(error)


class Connection:
    def __init__(self, bridge: Bridge, client: socket.socket, target: socket.socket) -> None:
        self._bridge = bridge
        self._client = client
        self._target = target
        self._key = b""
        self._over = False

    def run(self) -> None:
        parameters = self._login()
        if parameters is None:
            return
        settings: dict[str, object] = {"application_name": "", "max_statement": 1 << 24, "max_masked_row": 1 << 20}
        self._relay = PostgresRelay(
            session="s_1",
            policy="p_1",
            parameters=parameters,
            token_bytes=lambda size: bytes(range(size)),
            **{**settings, **self._bridge._settings},  # type: ignore[arg-type]
        )
        while not self._over:
            readable, _, _ = select.select([self._client, self._target], [], [], TIMEOUT)
            assert readable, "nothing came for too long"
            if self._target in readable:
                data = self._target.recv(65536)
                self._carry_out(self._relay.from_target(data) if data else self._relay.target_gone("closed"))
            if self._client in readable and not self._over:
                data = self._client.recv(65536)
                if not data:
                    return
                self._carry_out(self._relay.from_client(data))

    def _login(self) -> dict[str, str] | None:
        startup = _exactly(self._client, 8)
        while startup[4:] in (b"\x04\xd2\x16\x2f", b"\x04\xd2\x16\x30"):  # SSLRequest, GSSENCRequest
            self._client.sendall(b"N")
            startup = _exactly(self._client, 8)
        startup += _exactly(self._client, int.from_bytes(startup[:4], "big") - 8)
        self._target.sendall(startup)
        parameters: dict[str, str] = {}
        while True:
            head = _exactly(self._target, 5)
            body = _exactly(self._target, int.from_bytes(head[1:], "big") - 4)
            self._client.sendall(head + body)
            if head[:1] == b"S":
                name, value, _ = body.split(b"\0")
                parameters[name.decode()] = value.decode()
            elif head[:1] == b"K":
                self._key = body
            elif head[:1] == b"E":
                return None
            elif head[:1] == b"Z":
                return parameters

    def _carry_out(self, effects: list[Effect]) -> None:
        self._bridge.effects += effects  # first: a test reads them as soon as its client has the answer
        for effect in effects:
            if isinstance(effect, ToClient):
                self._client.sendall(effect.data)
            elif isinstance(effect, ToTarget):
                self._target.sendall(effect.data)
            elif isinstance(effect, CancelTarget):
                self._cancel()
            elif isinstance(effect, Hangup):
                self._over = True
                return
        for effect in effects:
            if isinstance(effect, Ask):
                self._bridge.operations += effect.operations
                answers = [self._bridge.decide(operation) for operation in effect.operations]
                self._carry_out(self._relay.decided(effect.lane, answers))

    def _cancel(self) -> None:
        with socket.create_connection(("127.0.0.1", self._bridge._target_port)) as own:
            own.settimeout(TIMEOUT)
            own.sendall(b"\0\0\0\x10\x04\xd2\x16\x2e" + self._key)
            while own.recv(100):
                pass


def _exactly(source: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = source.recv(size - len(found))
        if not more:
            raise ConnectionError("closed")
        found += more
    return found


class RawClient:
    """Says what it is told, byte for byte; reads messages."""

    def __init__(self, port: int, user: str, database: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.settimeout(TIMEOUT)
        body = b"\0\3\0\0user\0" + user.encode() + b"\0database\0" + database.encode() + b"\0\0"
        self._socket.sendall((len(body) + 4).to_bytes(4, "big") + body)
        self.until_ready()

    def send(self, *messages: bytes) -> None:
        self._socket.sendall(b"".join(messages))

    def message(self) -> tuple[bytes, bytes]:
        head = _exactly(self._socket, 5)
        return head[:1], _exactly(self._socket, int.from_bytes(head[1:], "big") - 4)

    def until(self, *tags: bytes) -> list[tuple[bytes, bytes]]:
        found = []
        while True:
            found.append(self.message())
            if found[-1][0] in tags:
                return found

    def until_ready(self) -> list[tuple[bytes, bytes]]:
        return self.until(b"Z")

    def close(self) -> None:
        self._socket.close()

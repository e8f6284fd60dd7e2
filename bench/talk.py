"""WebSocket messages: a target that echoes them, and clients that count them; it takes bodies as well.

All are of one size, so that neither side has to take frames apart, and what stands between is what is measured.
"""

from __future__ import annotations

import base64
import hashlib
import multiprocessing
import re
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection

from bench.measure import BenchFailed

CLIENTS = 8
WINDOW = 16  # messages of one client that are under way
TEXT = b"a message of a WebSocket, as long as many are: sixty-four bytes."
ASKED = bytes((0x82, 0x80 | len(TEXT))) + bytes(4) + TEXT  # RFC 6455, 5.2: masked, by a key of zeros
ANSWERED = bytes((0x82, len(TEXT))) + TEXT
PATIENCE = 10.0  # seconds
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


def _serve(port: int, told: Connection) -> None:
    with socket.create_server(("127.0.0.1", port)) as listener:
        told.send(port)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_served, args=(connection,), daemon=True).start()


def _served(connection: socket.socket) -> None:
    with connection, suppress(ConnectionError):  # who counts leaves in the middle of what is sent
        _answer(connection)


def _answer(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head, _, body = _head(connection).partition(b"\r\n\r\n")
    found = re.search(rb"(?i)sec-websocket-key: *([^\r]+)", head)
    if found is None:
        length = re.search(rb"(?i)content-length: *([0-9]+)", head)
        _take(connection, int(length[1]) - len(body) if length is not None else 0)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return
    accept = base64.b64encode(hashlib.sha1(found[1] + _MAGIC).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    size = 0
    while data := connection.recv(1 << 16):
        whole, size = divmod(size + len(data), len(ASKED))
        connection.sendall(ANSWERED * whole)


def _take(connection: socket.socket, left: int) -> None:
    """That many bytes, wherever they go."""
    room = bytearray(1 << 18)
    while left > 0:
        size = connection.recv_into(room)
        if not size:
            return
        left -= size


def _head(connection: socket.socket) -> bytes:
    """With what came behind it."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(1 << 16)
        if not data:
            break
        head += data
    return head


@contextmanager
def echoing(port: int) -> Iterator[None]:
    """A target there, in a process of its own.  Raises BenchFailed."""
    context = multiprocessing.get_context("spawn")
    told, tells = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(port, tells), daemon=True)
    process.start()
    try:
        if not told.poll(PATIENCE):
            raise BenchFailed("the target of WebSockets did not start")
        yield
    finally:
        process.terminate()
        process.join()


def messages(port: int, path: str, header: str, seconds: float) -> float:
    """Messages a second, there and back, of CLIENTS connections.  Raises BenchFailed."""
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for _ in range(CLIENTS):
            opened = stack.enter_context(_opened(port, path, header))
            opened.sendall(ASKED * WINDOW)
            selector.register(opened, selectors.EVENT_READ, [0])
        done, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            ready = selector.select(PATIENCE)
            if not ready:
                raise BenchFailed("no message came back")
            for key, _ in ready:
                done += _took(key)
        return done / (time.perf_counter() - begun)


def _took(key: selectors.SelectorKey) -> int:
    connection, left = key.fileobj, key.data
    assert isinstance(connection, socket.socket)
    data = connection.recv(1 << 16)
    if not data:
        raise BenchFailed("a WebSocket was closed")
    whole: int
    whole, left[0] = divmod(left[0] + len(data), len(ANSWERED))
    connection.sendall(ASKED * whole)
    return whole


def _opened(port: int, path: str, header: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + base64.b64encode(bytes(16)).decode()]
    lines += [header] if header else []
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    head = _head(connection)
    if b" 101 " not in head:
        raise BenchFailed(f"no WebSocket: {head[:200]!r}")
    return connection

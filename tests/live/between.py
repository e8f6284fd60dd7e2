"""A network that fails: between the gateway and its target, it can fall silent without closing, or be cut."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress


class Network:
    """Forwards from `port` of 127.0.0.1 to another one.  Set for connections that are opened afterwards:

    `silent_after`  bytes of the target that pass; then nothing does, in either direction, and nothing is closed
    `cut_after`     bytes of the target that pass; then both sides are closed

    `fall_silent` makes those silent that are open.  `left` is released for each silent one that the gateway closed.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.silent_after: int | None = None
        self.cut_after: int | None = None
        self.left = threading.Semaphore(0)
        self._silences = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        self._silences += 1

    def close(self) -> None:
        """For new connections; the others end with their sides."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                gateway, _ = self._listener.accept()
                threading.Thread(target=self._forward, args=(gateway,), daemon=True).start()

    def _forward(self, gateway: socket.socket) -> None:
        silent, cut = self.silent_after, self.cut_after
        with socket.create_connection(("127.0.0.1", self._target)) as target, gateway, suppress(OSError):
            if self._passes(gateway, target, silent if silent is not None else cut) and cut is None:
                watching = select.poll()
                watching.register(gateway, select.POLLRDHUP)
                watching.poll()
                self.left.release()

    def _passes(self, gateway: socket.socket, target: socket.socket, bound: int | None) -> bool:
        """True where so many bytes of the target have passed, or silence began; False where a side has closed."""
        passed, before = 0, self._silences
        while (bound is None or passed < bound) and self._silences == before:
            for source in select.select([gateway, target], [], [], 0.05)[0]:
                data = source.recv(65536)
                if not data:
                    return False
                if source is gateway:
                    target.sendall(data)
                else:
                    gateway.sendall(data if bound is None else data[: bound - passed])
                    passed += len(data)
        return True

"""An SSH host that may break any rule: the gateway's own server leg behind a listening socket, message by message."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock

from hoopgw.wire import sshmessages as wire
from tests.live.raw_ssh import Socket
from tests.servers.ssh.legs import Server

PATIENCE = 60.0


class Host(Server):
    """One connection's.  `letting_in` answers the login as a friendly host does."""

    connection: socket.socket

    def read(self) -> bool:
        try:
            data = self.connection.recv(1 << 20)
        except OSError:
            data = b""
        if data:
            self.dataReceived(data)
            self.clock.advance(0)  # its turns
        return bool(data)

    def until(self, number: int) -> bytes:
        """The next message of the login with that number."""
        while True:
            while self.messages:
                message = self.messages.pop(0)
                if message[0] == number:
                    return message
            if not self.read():
                raise ConnectionError(self.said)

    def letting_in(self) -> None:
        self.until(5)
        self.send(b"\x06" + wire.string(b"ssh-userauth"))
        self.until(50)
        self.send(b"\x34")
        self.established = True

    def ended(self) -> str:
        while not self.closing and self.read():
            pass
        return self.said


class LyingSshd:
    """Listens until `close`; `course` is run in a thread for each connection, and what it raises or returns is kept."""

    def __init__(self, course: Callable[[Host], Any], make: Callable[[], Host] = Host) -> None:
        self._course, self._make = course, make
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.outcomes: list[Any] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # closed
                return
            with connection:
                connection.settimeout(PATIENCE)
                host = self._make()
                host.clock, host.connection = Clock(), connection
                try:
                    host.makeConnection(Socket(connection))
                    self.outcomes.append(self._course(host))
                except OSError as error:
                    self.outcomes.append(str(error))

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(PATIENCE)

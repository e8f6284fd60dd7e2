"""A client that may break any rule: the gateway's own client leg on a blocking socket, message by message."""

from __future__ import annotations

import socket

from twisted.internet.task import Clock

from hoopgw.auth.ssh_host_keys import HostKeys
from hoopgw.servers.ssh.ends import ClientLeg
from hoopgw.wire import sshmessages as wire
from tests.servers.ssh.legs import Told

TIMEOUT = 60.0


class Socket:
    """What the leg takes for its transport."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def write(self, data: bytes) -> None:
        self.connection.sendall(data)

    def unsent(self) -> int:
        return 0

    def loseConnection(self) -> None:
        self.connection.close()

    def pauseProducing(self) -> None:
        """It is read by hand."""

    resumeProducing = pauseProducing

    def setTcpNoDelay(self, on: bool) -> None:
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, on)

    def setTcpKeepAlive(self, on: bool) -> None:
        pass


class RawClient(Told, ClientLeg):
    """`open` gives one that has its keys; `login` one that is in."""

    signatures = (b"ssh-ed25519",)
    taken = 0  # bytes of data, of all channels

    @classmethod
    def open(cls, port: int, host_key: bytes) -> RawClient:
        client = cls()
        client.clock, client.known = Clock(), HostKeys((host_key,), (), "here")
        client.connection = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        client.makeConnection(Socket(client.connection))
        while not client.is_secure:
            assert client.read(), client.failures
        return client

    connection: socket.socket

    def read(self) -> bool:
        """False: the gateway has closed."""
        try:
            data = self.connection.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if data:
            self.dataReceived(data)
            self.clock.advance(0)  # its turns
        return bool(data)

    def next(self) -> bytes:
        """The next message of the login."""
        while not self.messages:
            assert self.read(), self.said
        return self.messages.pop(0)

    def login(self, user: bytes, token: str) -> RawClient:
        self.send(b"\x05" + wire.string(b"ssh-userauth"))
        assert self.next()[0] == 6
        words = wire.string(user) + wire.string(b"ssh-connection") + wire.string(b"password")
        self.send(b"\x32" + words + b"\0" + wire.string(token.encode()))
        assert self.next() == b"\x34"
        self.established = True
        return self

    def received_messages(self) -> list[bytes]:
        """Of the session, that came since the last time; at least one."""
        while not self.runs:
            if self.closing or not self.read():
                return []
        found, self.runs = wire.messages(b"".join(self.runs)), []
        self.taken += sum(wire.data_size(each) for each in found if each[0] == wire.CHANNEL_DATA)
        return found

    def ended(self) -> str:
        """Reads until the gateway has closed; what it said."""
        while not self.closing and self.read():
            pass
        return self.said

    def run(self, command: bytes, number: int) -> int:
        """A command on a channel of that number; its status."""
        self.send(wire.ChannelOpen(b"session", number, 1 << 20, 32768, b"").encoded())
        target, status = -1, -1
        while True:
            messages = self.received_messages()
            assert messages, self.said
            for message in messages:
                if message[0] == wire.CHANNEL_OPEN_CONFIRMATION:
                    target = wire.read_confirmation(message)[1]
                    self.send(wire.request(target, b"exec", True, wire.string(command)))
                elif message[0] == wire.CHANNEL_REQUEST:
                    status = wire.read_u32(wire.read_request(message).body, 0)
                elif message[0] == wire.CHANNEL_CLOSE:
                    self.send(wire.simple(wire.CHANNEL_CLOSE, target))
                    return status

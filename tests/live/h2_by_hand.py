"""An HTTP/2 client whose streams stay open both ways: tunnels, and protocols that begin by an extended CONNECT."""

from __future__ import annotations

import ssl

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, SettingsAcknowledged, StreamEnded, StreamReset


class Hand:
    """`connection` has agreed on h2."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._socket = connection
        self.h2 = H2Connection(H2Configuration(client_side=True))
        self.h2.initiate_connection()
        self.status: dict[int, int] = {}
        self.data: dict[int, bytearray] = {}
        self.ended: set[int] = set()  # streams whose other side sent its end
        self.reset: set[int] = set()
        self.settled = False
        self._flush()

    def _flush(self) -> None:
        self._socket.sendall(self.h2.data_to_send())

    def ask(self, headers: list[tuple[str, str]], ended: bool = False, early: bytes = b"") -> int:
        """`early` goes with it, before any answer."""
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, headers, end_stream=ended)
        if early:
            self.h2.send_data(stream, early)
        self._flush()
        return stream

    def send(self, stream: int, data: bytes, ended: bool = False) -> None:
        while len(data) > 16384 or self.h2.local_flow_control_window(stream) < len(data):
            room = min(16384, len(data), self.h2.local_flow_control_window(stream))
            if room:
                self.h2.send_data(stream, data[:room])
                data = data[room:]
                self._flush()
            else:
                self.read()
        self.h2.send_data(stream, data, end_stream=ended)
        self._flush()

    def read(self) -> None:
        """One read, whatever it brings.  Raises ConnectionError at the end."""
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the connection has ended")
        for event in self.h2.receive_data(data):
            self._happened(event)
        self._flush()

    def _happened(self, event: Event) -> None:
        stream = getattr(event, "stream_id", None) or 0
        if isinstance(event, ResponseReceived):
            self.status[stream] = int(dict(event.headers or ())[b":status"])
        elif isinstance(event, DataReceived):
            self.data.setdefault(stream, bytearray()).extend(event.data or b"")
            self.h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
        elif isinstance(event, StreamEnded):
            self.ended.add(stream)
        elif isinstance(event, StreamReset):
            self.reset.add(stream)
        elif isinstance(event, SettingsAcknowledged):
            self.settled = True

    def answered(self, stream: int) -> int:
        """The status of its answer; 0 where it was reset."""
        while stream not in self.status and stream not in self.reset:
            self.read()
        return self.status.get(stream, 0)

    def received(self, stream: int, size: int) -> bytes:
        """At least so many bytes of it, or all up to its end."""
        while len(self.data.get(stream, b"")) < size and stream not in self.ended | self.reset:
            self.read()
        return bytes(self.data.get(stream, b""))

    def over(self, stream: int) -> None:
        while stream not in self.ended | self.reset:
            self.read()

    def close(self) -> None:
        self._socket.close()

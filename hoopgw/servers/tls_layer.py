"""TLS on an eager transport: an `ssl.SSLObject` without another protocol layer.  Compiled in packages."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from typing import Any, Final

from twisted.internet import main

from hoopgw.servers.conduit import Receiver, Sink

TLS_RECORD: Final = 16 * 1024  # bytes of plain text that one record holds at most (RFC 8446, 5.1): a read gives no more
# What goes through OpenSSL's memory at once: it keeps the room of the most it ever held, as long as a session lives.
TLS_PIECE: Final = 2 * TLS_RECORD


class TlsLayer(Sink):
    """TLS between an eager transport and its protocol, over memory BIOs.  `sink` is given what is encrypted."""

    def __init__(
        self,
        transport: Any,
        sink: Sink,
        context: ssl.SSLContext,
        established: Callable[[ssl.SSLObject], None],
        failed: Callable[[Exception], None],
        *,
        server_side: bool,
        hostname: str | None,
    ) -> None:
        self.transport = transport
        self._sink = sink
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.connection = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=hostname
        )
        # What an SSLObject's methods of these names call: a frame of Python's own less, four times for a request
        inner: Any = getattr(self.connection, "_sslobj", self.connection)
        self._encrypt: Callable[[bytes | memoryview], int] = inner.write
        self._decrypt: Callable[[int], bytes] = inner.read
        self._undelivered: Callable[[], int] = inner.pending
        self._established = established
        self._failed = failed
        self._shaking = True
        self._closed = False

    def write(self, data: bytes) -> None:
        if self._closed:  # after close_notify nothing more is taken
            return
        if self._shaking:  # a peer that is refused in its handshake, or too slow with it: there is no key to say it by
            return
        if len(data) <= TLS_PIECE:
            self._encrypt(data)
            self._sink.write(self._outgoing.read())
            return
        whole, records = memoryview(data), []
        for start in range(0, len(data), TLS_PIECE):
            self._encrypt(whole[start : start + TLS_PIECE])
            records.append(self._outgoing.read())
        self._sink.write(b"".join(records))

    def received(self, data: bytes, receiver: Receiver | None = None) -> Any:
        """Cipher text came in: what it says is for `receiver`, else the protocol.  Gives what `doRead` gives."""
        pieces: list[bytes] = []
        if len(data) <= TLS_PIECE:
            ended = self._take(data, pieces)
        else:
            whole, ended = memoryview(data), None
            for start in range(0, len(data), TLS_PIECE):
                ended = self._take(whole[start : start + TLS_PIECE], pieces)
                if ended is not None:
                    break
        if self._outgoing.pending:  # a reply of TLS itself: key update, alert
            self._sink.write(self._outgoing.read())
        if pieces and self.transport.connected:
            plain = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            if receiver is not None:
                receiver.received(plain)
            else:
                self.transport.protocol.dataReceived(plain)
        return ended

    def _take(self, data: bytes | memoryview, pieces: list[bytes]) -> Any:
        if data:
            self._incoming.write(data)
        if self._shaking and not self._shake():
            return None
        # A read's room is made before it is known how much comes: no more of it than the cipher text needs
        return self._read(pieces, len(data) if 0 < len(data) < TLS_RECORD else TLS_RECORD)

    def _shake(self) -> bool:
        try:
            self.connection.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            self._failed(error)
            return False
        finally:
            if self._outgoing.pending:
                self._sink.write(self._outgoing.read())
        self._shaking = False
        self._established(self.connection)
        return True

    def _read(self, pieces: list[bytes], size: int) -> Any:
        """Everything that can be: `size` bytes, and what is left then by whole records."""
        try:
            while True:
                piece = self._decrypt(size)
                if not piece:
                    return main.CONNECTION_DONE
                pieces.append(piece)
                size = TLS_RECORD  # the last byte of a record brings all of it
                if not self._incoming.pending and not self._undelivered():
                    return None  # as another read would say, by an exception
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            return main.CONNECTION_DONE
        except ssl.SSLError:
            return main.CONNECTION_LOST

    def close(self) -> None:
        """Say close_notify (RFC 8446, 6.1); what the peer answers is not waited for."""
        with contextlib.suppress(ssl.SSLError):  # its own close_notify is not there yet; a handshake has none
            self.connection.unwrap()
        self._closed = True
        if self._outgoing.pending:
            self._sink.write(self._outgoing.read())

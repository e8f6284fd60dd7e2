"""Eager transports over real sockets: clear text, TLS, back-pressure, a peer that leaves while nobody reads."""

from __future__ import annotations

import ctypes
import datetime
import ssl
import tempfile
from pathlib import Path
from socket import IPPROTO_TCP, SO_KEEPALIVE, SOL_SOCKET, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

from hoopgw.model.secret import Secret
from hoopgw.servers import tls
from hoopgw.servers.conduit import Receiver, Through, deliver, sink_of
from hoopgw.servers.departures import Departures
from hoopgw.servers.eager import READ_SIZE, connect, make_eager
from hoopgw.servers.tls_layer import TLS_RECORD, TlsLayer


class Collect(Protocol):
    """Keeps what comes; `closed` fires when the connection is gone."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.made: Deferred[Collect] = Deferred()
        self.closed: Deferred[Any] = Deferred()
        self.wanted: tuple[int, Deferred[None]] | None = None

    def connectionMade(self) -> None:
        self.made.callback(self)

    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)
        if self.wanted and sum(map(len, self.received)) >= self.wanted[0]:
            (_, fired), self.wanted = self.wanted, None
            fired.callback(None)

    def enough(self, size: int) -> Deferred[None]:
        fired: Deferred[None] = Deferred()
        self.wanted = (size, fired)
        self.dataReceived(b"")
        return fired

    def connectionLost(self, reason: Any = None) -> None:
        self.closed.callback(reason.value)


def self_signed(directory: Path) -> tuple[Path, Secret]:
    """A certificate for localhost, and its key as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "server.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return path, Secret(pem)


class EagerTransports(TestCase):
    @inlineCallbacks
    def setUp(self) -> Any:
        self.departures = Departures(reactor)  # type: ignore[arg-type]
        self.departures.start()
        self.addCleanup(self.departures.stop)
        factory = Factory()
        self.server = Collect()
        factory.buildProtocol = lambda address: self.server  # type: ignore[method-assign]
        port = yield serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(factory)
        make_eager(port, self.departures)
        self.addCleanup(port.stopListening)
        self.client = Collect()
        client_factory = ClientFactory()
        client_factory.noisy = False
        client_factory.buildProtocol = lambda address: self.client  # type: ignore[method-assign]
        there = port.getHost().port
        connect(reactor, "127.0.0.1", there, client_factory, 5.0, self.departures)  # type: ignore[arg-type]
        yield self.client.made
        yield self.server.made
        self.addCleanup(self.gone)

    @inlineCallbacks
    def gone(self) -> Any:
        for side in (self.client, self.server):
            if not side.transport.disconnected:
                side.transport.abortConnection()
        yield self.client.closed
        yield self.server.closed

    @inlineCallbacks
    def test_bytes_both_ways(self) -> Any:
        """What is written arrives whole and in order, small and far beyond the socket's buffer."""
        big = bytes(range(256)) * 40_000
        self.client.transport.write(b"hello ")
        self.client.transport.write(big)
        self.client.transport.write(b" end")
        self.server.transport.write(b"back")
        yield self.server.enough(len(big) + 10)
        yield self.client.enough(4)
        self.assertEqual(b"".join(self.server.received), b"hello " + big + b" end")
        self.assertEqual(b"".join(self.client.received), b"back")

    @inlineCallbacks
    def test_slow_peer_pauses_the_producer(self) -> Any:
        """A registered producer is paused once more than READ_SIZE is queued, and resumed when it went out."""
        calls: list[str] = []

        class Producer:
            def pauseProducing(self) -> None:
                calls.append("pause")

            def resumeProducing(self) -> None:
                calls.append("resume")

            def stopProducing(self) -> None:
                calls.append("stop")

        self.server.transport.pauseProducing()
        self.client.transport.registerProducer(Producer(), True)
        size = 0
        while "pause" not in calls:
            self.client.transport.write(b"x" * READ_SIZE)
            size += READ_SIZE
            self.assertLess(size, 64 << 20)
        # what waits in the kernel counts as well: of a peer that reads slowly nothing else moves for a long time
        self.assertTrue(0 < self.client.transport.unsent() < self.client.transport.untaken() <= size)
        self.server.transport.resumeProducing()
        yield self.server.enough(size)
        while len(calls) < 2 or self.client.transport.untaken():
            yield deferLater(reactor, 0.01, lambda: None)  # type: ignore[arg-type]
        self.assertEqual(calls, ["pause", "resume"])
        self.client.transport.unregisterProducer()

    @inlineCallbacks
    def test_what_a_target_said_before_it_left(self) -> Any:
        """While nobody reads it: it is all there when somebody does, and then its end; with nothing left to read, the
        end is seen at once."""
        said = b"x" * 100_000  # into the socket's buffers, whole
        self.client.transport.owed = True
        self.client.transport.pauseProducing()
        self.server.transport.write(said)
        self.server.transport.loseConnection()
        yield self.server.closed
        yield deferLater(reactor, 0.2, lambda: None)  # type: ignore[arg-type]
        self.assertFalse(self.client.closed.called)
        self.client.transport.resumeProducing()
        yield self.client.closed
        self.assertEqual(b"".join(self.client.received), said)
        self.server.closed, self.client.closed = Deferred(), Deferred()
        self.server.closed.callback(None)
        self.client.closed.callback(None)

    @inlineCallbacks
    def test_a_target_that_left_without_a_word(self) -> Any:
        """Is noticed while nobody reads it.  The connection may be handed on, and written to, as if nothing were."""
        self.assertIs(sink_of(self.client.transport), self.client.transport.flow)
        self.client.transport.owed = True
        self.client.transport.pauseProducing()
        self.server.transport.loseConnection()
        yield self.client.closed.addTimeout(60, reactor)  # type: ignore[arg-type]
        self.assertTrue(self.client.transport.disconnected)
        deliver(self.client.transport, Receiver())
        deliver(self.client.transport, None)
        sink_of(self.client.transport).write(b"nobody's")
        self.assertNotIn("flow", self.client.transport.__dict__)
        yield self.server.closed
        self.server.closed, self.client.closed = Deferred(), Deferred()
        self.server.closed.callback(None)
        self.client.closed.callback(None)

    @inlineCallbacks
    def test_departure_while_paused(self) -> Any:
        """A paused server connection still ends when its client leaves (EPOLLRDHUP)."""
        self.server.transport.pauseProducing()
        self.client.transport.abortConnection()
        yield self.server.closed.addTimeout(60, reactor)  # type: ignore[arg-type]
        self.assertTrue(self.server.transport.disconnected)
        self.server.closed = Deferred()
        self.server.closed.callback(None)
        yield self.client.closed
        self.client.closed = Deferred()
        self.client.closed.callback(None)

    def test_keep_alive(self) -> None:
        """A peer that is gone without a word is noticed within two minutes, on both sides of the gateway."""
        for side in (self.client, self.server):
            side.transport.setTcpKeepAlive(True)
            socket = side.transport.socket
            self.assertTrue(socket.getsockopt(SOL_SOCKET, SO_KEEPALIVE))
            idle, between, times = (
                socket.getsockopt(IPPROTO_TCP, option) for option in (TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT)
            )
            self.assertLessEqual(idle + between * times, 120)

    @inlineCallbacks
    def test_tls(self) -> Any:
        """TLS starts on a connection that already spoke; ALPN is negotiated; big writes arrive; the end is clean."""
        directory = Path(tempfile.mkdtemp(dir=self.mktemp_parent()))
        certificate, key = self_signed(directory)
        server_context = tls.server_context(str(certificate), key)
        client_context = ssl.create_default_context(cadata=certificate.read_text())
        client_context.set_alpn_protocols(["postgresql"])
        facts: list[dict[str, str]] = []
        done: Deferred[None] = Deferred()

        def established(connection: ssl.SSLObject) -> None:
            facts.append(tls.described(connection))
            if len(facts) == 2:
                done.callback(None)

        self.server.transport.start_tls(server_context, established, done.errback, server_side=True)
        self.client.transport.start_tls(
            client_context, established, done.errback, server_side=False, hostname="localhost"
        )
        yield done.addTimeout(60, reactor)  # type: ignore[arg-type]
        self.assertEqual([fact["alpn"] for fact in facts], ["postgresql", "postgresql"])
        big = b"0123456789abcdef" * 200_000
        self.client.transport.write(big)
        self.server.transport.write(b"pong")
        yield self.server.enough(len(big))
        yield self.client.enough(4)
        self.assertEqual(b"".join(self.server.received), big)
        self.client.transport.loseConnection()
        reason = yield self.server.closed
        self.assertIn("ConnectionDone", type(reason).__name__)
        self.server.closed = Deferred()
        self.server.closed.callback(None)

    @inlineCallbacks
    def test_a_handshake_that_never_ends_can_be_ended(self) -> Any:
        """must-survive 33: what is said before there is a key is dropped, it does not keep the connection open."""
        directory = Path(tempfile.mkdtemp(dir=self.mktemp_parent()))
        certificate, key = self_signed(directory)
        context = tls.server_context(str(certificate), key)
        self.server.transport.start_tls(context, lambda _: None, lambda _: None, server_side=True)
        self.client.transport.write(b"\x16\x03\x01\x02\x00\x01")
        yield deferLater(reactor, 0.05, lambda: None)  # type: ignore[arg-type]
        self.server.transport.write(b"too late")
        self.server.transport.loseConnection()
        yield self.client.closed.addTimeout(60, reactor)  # type: ignore[arg-type]
        self.client.closed = Deferred()
        self.client.closed.callback(None)
        self.assertNotIn(b"too late", b"".join(self.client.received))

    @inlineCallbacks
    def test_junk_instead_of_a_handshake(self) -> Any:
        """Bytes that are no ClientHello fail the handshake and nothing else."""
        directory = Path(tempfile.mkdtemp(dir=self.mktemp_parent()))
        certificate, key = self_signed(directory)
        failed: Deferred[None] = Deferred()
        context = tls.server_context(str(certificate), key)
        self.server.transport.start_tls(context, lambda _: None, failed.errback, server_side=True)
        self.client.transport.write(b"GET / HTTP/1.1\r\n\r\n")
        yield self.assertFailure(failed.addTimeout(60, reactor), ssl.SSLError)  # type: ignore[arg-type]
        self.server.transport.loseConnection()
        yield self.client.closed
        self.client.closed = Deferred()
        self.client.closed.callback(None)

    def mktemp_parent(self) -> str:
        parent = Path(self.mktemp())
        parent.mkdir(parents=True)
        return str(parent)


class Wire:
    """What a TLS layer sends and receives, without a socket."""

    connected = True

    def __init__(self) -> None:
        self.protocol = self
        self.sent: list[bytes] = []
        self.received: list[bytes] = []

    def write_raw(self, data: bytes) -> None:
        self.sent.append(data)

    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)

    def taken(self) -> bytes:
        data = b"".join(self.sent)
        self.sent.clear()
        return data


class _Mallinfo(ctypes.Structure):
    """mallinfo2(3)"""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


def allocated() -> int:
    """Bytes that malloc has given out: OpenSSL's among them; most of Python's are not."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        raise SkipTest("this C library does not count what it gives out")
    libc.mallinfo2.restype = _Mallinfo
    found = libc.mallinfo2()
    return int(found.uordblks + found.hblkhd)


class TlsLayers(SynchronousTestCase):
    def pair(self, server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[TlsLayer, Wire, TlsLayer, Wire]:
        """Both sides of a connection whose handshake is done."""
        done: list[ssl.SSLObject] = []
        one, other = Wire(), Wire()
        serving = TlsLayer(one, Through(one.write_raw), server, done.append, self.fail, server_side=True, hostname=None)  # type: ignore[arg-type]
        asking = TlsLayer(
            other,
            Through(other.write_raw),
            client,
            done.append,
            self.fail,
            server_side=False,
            hostname="localhost",  # type: ignore[arg-type]
        )
        asking.received(b"")
        while len(done) < 2:
            serving.received(other.taken())
            asking.received(one.taken())
        return serving, one, asking, other

    def contexts(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        directory = Path(self.mktemp())
        directory.mkdir()
        certificate, key = self_signed(directory)
        client = ssl.create_default_context(cadata=certificate.read_text())
        return tls.server_context(str(certificate), key), client

    def test_records_that_are_cut(self) -> None:
        """However they come, what they say is there as soon as all of them are: the last read may be the shortest."""
        serving, one, asking, other = self.pair(*self.contexts())
        one.received.clear()
        for sizes in ((1,), (100, 5), (5000,), (TLS_RECORD, 1), (20000, 300, 70000), (1,) * 40):
            said = [bytes([number]) * size for number, size in enumerate(sizes)]
            size = sum(sizes) + 22 * len(sizes)  # a record adds five, one and sixteen bytes (RFC 8446, 5.2)
            for cut in (1, 5, size // 3, size - 1):
                for each in said:
                    asking.write(each)
                data = other.taken()
                serving.received(data[:cut])
                serving.received(data[cut:])
                self.assertEqual(b"".join(one.received), b"".join(said), (sizes, cut))
                one.received.clear()

    def test_a_record_whose_last_byte_comes_alone(self) -> None:
        """It brings 16 KiB, in two reads: not in one for each byte."""
        serving, one, asking, other = self.pair(*self.contexts())
        one.received.clear()
        decrypt, sizes = serving._decrypt, list[int]()

        def counted(size: int) -> bytes:
            sizes.append(size)
            return decrypt(size)

        serving._decrypt = counted
        asking.write(bytes(TLS_RECORD))
        data = other.taken()
        serving.received(data[:-1])
        serving.received(data[-1:])
        self.assertEqual(b"".join(one.received), bytes(TLS_RECORD))
        self.assertLess(len(sizes), 5)

    def test_large_reads_and_writes_are_not_kept(self) -> None:
        """must-survive 76: 32 sessions that carried a full read each way keep a small part of it, and not all."""
        server, client = self.contexts()
        self.pair(server, client)
        pairs = [self.pair(server, client) for _ in range(32)]
        before, data = allocated(), b"0123456789abcdef" * (READ_SIZE // 16)
        for serving, one, asking, other in pairs:
            serving.write(data)
            asking.received(one.taken())
            asking.write(data)
            serving.received(other.taken())
            self.assertTrue(b"".join(one.received) == b"".join(other.received) == data)
            one.received.clear()
            other.received.clear()
        kept = (allocated() - before) / len(pairs)
        self.assertLess(kept, READ_SIZE, "bytes that two sides with two buffers each keep")

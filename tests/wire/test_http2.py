"""HTTP/2 as HTTP/1.1 messages: what goes in at one end comes out at the other; bounds and floods."""

from __future__ import annotations

import contextlib
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes
from hpack import Encoder
from hyperframe.frame import ContinuationFrame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame, ProtocolViolation, WireError
from hoopgw.wire.http2 import Multiplexed
from hoopgw.wire.http2_ends import ClientSide, TargetSide
from hoopgw.wire.http2_values import MAX_STREAMS, STREAM_WINDOW, MessagePart, StreamAborted

HOST = b"Host: shop.example.com\r\n"
GET = [(":method", "GET"), (":scheme", "https"), (":authority", "shop.example.com"), (":path", "/")]
POST = [(":method", "POST"), *GET[1:]]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def chunked(head: bytes, parts: list[bytes], trailer: bytes = b"") -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n" + trailer + b"\r\n"


class Pair:
    """The gateway's end towards a target, talking to its end towards clients."""

    def __init__(self) -> None:
        self.target, self.client = TargetSide(0.0), ClientSide(0.0)
        self.asked: dict[int, bytes] = {}
        self.said: dict[int, bytes] = {}
        self.ended: list[tuple[str, int]] = []
        self.gone: list[StreamAborted] = []

    def turn(self) -> None:
        """Bytes go both ways until there are none; whatever comes is taken at once."""
        moved = True
        while moved:
            moved = self._carry(self.target, self.client, self.asked, "asked")
            moved = self._carry(self.client, self.target, self.said, "said") or moved

    def _carry(self, source: Multiplexed, sink: Multiplexed, kept: dict[int, bytes], which: str) -> bool:
        data = source.outgoing()
        for each in sink.receive(data, 0.0) if data else ():
            if isinstance(each, StreamAborted):
                self.gone.append(each)
                continue
            kept[each.stream] = kept.get(each.stream, b"") + each.data
            sink.taken(each.stream, each.size)
            if each.ended:
                self.ended.append((which, each.stream))
        return bool(data)


def plain(
    peer: H2Connection, end: Multiplexed, now: float = 0.0
) -> tuple[list[MessagePart | StreamAborted], list[Event]]:
    """One round between a peer of another make and an end of ours."""
    came = end.receive(peer.data_to_send(), now)
    return came, peer.receive_data(end.outgoing())


def client(end: ClientSide) -> H2Connection:
    peer = H2Connection(H2Configuration(client_side=True))
    peer.initiate_connection()
    plain(peer, end)
    plain(peer, end)
    return peer


def target(end: TargetSide) -> H2Connection:
    peer = H2Connection(H2Configuration(client_side=False))
    peer.initiate_connection()
    peer.receive_data(end.outgoing())
    plain(peer, end)
    return peer


def shown(came: list[MessagePart | StreamAborted], stream: int) -> bytes:
    return b"".join(each.data for each in came if isinstance(each, MessagePart) and each.stream == stream)


class Messages(SynchronousTestCase):
    def test_a_request_and_its_answer(self) -> None:
        """What is HTTP/1.1 at one end is the same at the other, and what is of a connection stays behind."""
        pair = Pair()
        head = b"GET /a?b=1 HTTP/1.1\r\n" + HOST + b"Cookie: a=1; b=2\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\n\r\n"
        stream = pair.target.request(head)
        pair.turn()
        self.assertEqual(
            pair.asked, {stream: b"GET /a?b=1 HTTP/1.1\r\nhost: shop.example.com\r\ncookie: a=1; b=2\r\n\r\n"}
        )
        pair.client.write(stream, b"HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nKeep-Alive: timeout=5\r\n\r\nhello")
        pair.turn()
        self.assertEqual(pair.said, {stream: b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"})
        self.assertEqual(pair.ended, [("asked", stream), ("said", stream)])
        self.assertEqual((pair.client.streams, pair.target.streams), (0, 0))

    @given(
        st.lists(
            st.tuples(
                st.lists(st.binary(max_size=40_000), max_size=4), st.lists(st.binary(max_size=200_000), max_size=3)
            ),
            min_size=1,
            max_size=4,
        ),
        st.booleans(),
    )
    @settings(max_examples=40)
    def test_many_at_once(self, bodies: list[tuple[list[bytes], list[bytes]]], trailed: bool) -> None:
        """Streams whose bodies are larger than any window, beside one another, in both directions."""
        pair = Pair()
        trailer = b"X-Sum: 1\r\n" if trailed else b""
        streams = [pair.target.request(chunked(b"POST /x HTTP/1.1\r\n" + HOST, up, trailer)) for up, _ in bodies]
        pair.turn()
        for stream, (up, _) in zip(streams, bodies, strict=True):
            self.assertEqual(unchunked(pair.asked[stream]), (b"".join(up), trailer.lower()))
        for stream, (_, down) in zip(streams, bodies, strict=True):
            pair.client.write(stream, chunked(b"HTTP/1.1 200 OK\r\n", down, trailer))
        pair.turn()
        for stream, (_, down) in zip(streams, bodies, strict=True):
            self.assertEqual(unchunked(pair.said[stream]), (b"".join(down), trailer.lower()))
        self.assertEqual((pair.client.streams, pair.target.streams, pair.gone), (0, 0, []))

    def test_what_has_no_body(self) -> None:
        """HEAD, 204, 304 and an answer that is its head; a 100 and a 103 before it."""
        for method, said, seen in (
            (b"HEAD", b"200 OK\r\nContent-Length: 9\r\n\r\n", b"200 OK\r\ncontent-length: 9\r\n\r\n"),
            (b"GET", b"204 No Content\r\n\r\n", b"204 No Content\r\n\r\n"),
            (b"GET", b"304 Not Modified\r\nETag: x\r\n\r\n", b"304 Not Modified\r\netag: x\r\n\r\n"),
            (b"GET", b"200 OK\r\nContent-Length: 0\r\n\r\n", b"200 OK\r\ncontent-length: 0\r\n\r\n"),
            (
                b"GET",
                b"103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!",
                b"103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n!",
            ),
        ):
            pair = Pair()
            stream = pair.target.request(method + b" / HTTP/1.1\r\n" + HOST + b"\r\n")
            pair.turn()
            pair.client.write(stream, b"HTTP/1.1 " + said)
            pair.turn()
            self.assertEqual(pair.said[stream], b"HTTP/1.1 " + seen)
            self.assertEqual((pair.ended[-1], pair.target.streams), (("said", stream), 0))

    def test_a_body_that_ends_with_the_connection(self) -> None:
        """HTTP/1.0's way to end an answer becomes the stream's end; a body that is cut off fails the stream."""
        pair = Pair()
        first = pair.target.request(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        second = pair.target.request(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        pair.turn()
        pair.client.write(first, b"HTTP/1.1 200 OK\r\n\r\nall of it")
        pair.client.write(second, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsome")
        pair.client.finish(first)
        pair.client.finish(second)
        pair.turn()
        self.assertEqual(unchunked(pair.said[first]), (b"all of it", b""))
        self.assertEqual([(gone.stream, gone.untouched) for gone in pair.gone], [(second, False)])

    def test_a_length_that_is_wrong_behind_its_answer(self) -> None:
        """Of a request that was answered before it had come: too long, and too short (RFC 9113, 8.1.1)."""
        for sizes, wrong in (
            ((4, 4), True),
            ((8,), True),
            ((2,), True),
            ((4,), False),
            ((2, 2), False),
            ((2, 0, 2), False),
        ):
            end = ClientSide(0.0)
            peer = client(end)
            peer.send_headers(1, [*POST, ("content-length", "4")])
            plain(peer, end)
            end.write(1, b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
            events = peer.receive_data(end.outgoing())
            self.assertIn(StreamEnded, map(type, events))
            for number, size in enumerate(sizes):
                peer.send_data(1, b"x" * size, end_stream=number == len(sizes) - 1)
            end.receive(peer.data_to_send(), 0.0)
            frames = end.outgoing()
            self.assertEqual(RstStreamFrame(1, error_code=1).serialize() in frames, wrong, sizes)
            self.assertEqual(end.streams, 0)
            end.tidy(0.0)
            end.tidy(1000.0)
            self.assertEqual(end.outgoing(), b"")

    def test_an_early_answer(self) -> None:
        """The answer is whole before the question: the client is told to stop, and no stream is left behind."""
        pair = Pair()
        stream = pair.target.request(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\nsome")
        pair.turn()
        pair.client.write(stream, b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        pair.turn()
        self.assertTrue(pair.said[stream].startswith(b"HTTP/1.1 413"))
        pair.target.write(stream, b"more of it")
        pair.turn()
        self.assertEqual((pair.client.streams, pair.target.streams), (0, 0))

    def test_grpc_asks_for_trailers_on_each_hop(self) -> None:
        """`TE: trailers` ends at a hop; gRPC's servers want it, so it is said anew."""
        end = TargetSide(0.0)
        peer = target(end)
        end.request(b"POST /a.B/C HTTP/1.1\r\n" + HOST + b"Content-Type: application/grpc\r\nContent-Length: 0\r\n\r\n")
        _, events = plain(peer, end)
        heads = [dict(event.headers or ()) for event in events if isinstance(event, RequestReceived)]
        self.assertEqual([head[b"te"] for head in heads], [b"trailers"])

    def test_grpc(self) -> None:
        """Trailers carry the status; a status without messages is one head that ends the stream."""
        end = ClientSide(0.0)
        peer = client(end)
        peer.send_headers(1, [*POST, ("content-type", "application/grpc"), ("te", "trailers")])
        peer.send_data(1, b"\0\0\0\0\2hi", end_stream=True)
        came, _ = plain(peer, end)
        self.assertIn(b"te: trailers\r\n", shown(came, 1))
        end.write(
            1, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Type: application/grpc\r\ngrpc-status: 7\r\n\r\n"
        )
        _, events = plain(peer, end)
        heads = [event for event in events if isinstance(event, ResponseReceived)]
        self.assertEqual(
            [dict(head.headers or ()) for head in heads],
            [{b":status": b"200", b"content-type": b"application/grpc", b"grpc-status": b"7"}],
        )
        self.assertIsNotNone(heads[0].stream_ended)


def unchunked(message: bytes) -> tuple[bytes, bytes]:
    """(content, trailers) of a chunked message, or its content."""
    head, _, rest = message.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head:
        return rest, b""
    content = b""
    while not rest.startswith(b"0\r\n"):
        size, _, rest = rest.partition(b"\r\n")
        content, rest = content + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return content, rest[3:-2]


class Windows(SynchronousTestCase):
    def test_a_client_that_takes_nothing(self) -> None:
        """The rest of an answer waits here and is counted, so that the target can be read no further."""
        end = ClientSide(0.0)
        peer = client(end)
        peer.send_headers(1, GET, end_stream=True)
        plain(peer, end)
        end.write(1, b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(1_000_000))
        _, events = plain(peer, end)
        sent = sum(len(event.data or b"") for event in events if isinstance(event, DataReceived))
        self.assertEqual((sent, end.backlog(1)), (65535, 1_000_000 - 65535))
        while end.backlog(1):
            peer.increment_flow_control_window(30_000)
            peer.increment_flow_control_window(30_000, 1)
            _, events = plain(peer, end)
            sent += sum(len(event.data or b"") for event in events if isinstance(event, DataReceived))
        self.assertEqual((sent, end.streams), (1_000_000, 0))

    def test_a_stream_that_waits_takes_no_other_ones_room(self) -> None:
        """A request that is held fills its own window; the others go on; when it is gone, its room is back."""
        end = ClientSide(0.0)
        peer = client(end)
        for stream in range(1, 2 * MAX_STREAMS - 1, 2):
            peer.send_headers(stream, POST)
            while peer.local_flow_control_window(stream):
                peer.send_data(stream, bytes(min(16384, peer.local_flow_control_window(stream))))
            plain(peer, end)
        last = 2 * MAX_STREAMS - 1
        peer.send_headers(last, POST)
        self.assertEqual(peer.local_flow_control_window(last), STREAM_WINDOW)
        end.reset(1, 8)
        end.taken(3, STREAM_WINDOW)
        plain(peer, end)
        self.assertEqual(peer.local_flow_control_window(3), STREAM_WINDOW)

    def test_more_than_the_window(self) -> None:
        """A client that sends more than it may ends its connection."""
        end = ClientSide(0.0)
        peer = client(end)
        peer.send_headers(1, POST)
        plain(peer, end)
        frame = b"\x00\x40\x00\x00\x00\x00\x00\x00\x01" + bytes(16384)
        with self.assertRaises(ProtocolViolation):
            for _ in range(STREAM_WINDOW // 16384 + 1):
                end.receive(frame, 0.0)


class Attacks(SynchronousTestCase):
    def lasts(self, count: int, frames: bytes, now: float = 0.0) -> int:
        """After how many of these frames a client's connection ends; `count`: it does not.  What it is told is a
        GOAWAY that says to calm down."""
        end = ClientSide(0.0)
        peer = client(end)
        for number in range(count):
            try:
                end.receive(frames, now * number)
            except WireError:
                events = peer.receive_data(end.outgoing())
                self.assertEqual([int(e.error_code or 0) for e in events if isinstance(e, ConnectionTerminated)], [11])
                return number
            end.outgoing()
        return count

    def test_rapid_reset(self) -> None:
        """CVE-2023-44487: streams opened and reset at once end the connection; a few cancelled ones do not."""
        end = ClientSide(0.0)
        peer = client(end)
        seen = 0
        with self.assertRaises(ProtocolViolation):
            for stream in range(1, 10_001, 2):
                peer.send_headers(stream, GET, end_stream=True)
                peer.reset_stream(stream, 8)
                seen += len(end.receive(peer.data_to_send(), 0.0)) // 2
        self.assertLess(seen, 300)
        end = ClientSide(0.0)
        peer = client(end)
        for stream in range(1, 2001, 2):
            peer.send_headers(stream, GET, end_stream=True)
            peer.reset_stream(stream, 8)
            end.receive(peer.data_to_send(), stream / 30)
        self.assertEqual(end.streams, 0)

    def test_streams_that_fail(self) -> None:
        """CVE-2025-8671: a client that makes the gateway reset its streams is one that resets them itself."""
        end = ClientSide(0.0)
        peer = H2Connection(H2Configuration(client_side=True, validate_outbound_headers=False))
        peer.initiate_connection()
        plain(peer, end)
        with self.assertRaises(ProtocolViolation):
            for stream in range(1, 10_001, 2):
                peer.send_headers(stream, [*GET[:3], (":path", "/a b")], end_stream=True)
                plain(peer, end)
        self.assertLess(stream, 600)

    def test_pings(self) -> None:
        """CVE-2019-9512: pings without end; a ping a second is welcome for ever."""
        ping = PingFrame(0, opaque_data=b"12345678").serialize()
        self.assertLess(self.lasts(10_000, ping), 3000)
        self.assertEqual(self.lasts(5_000, ping, now=1.0), 5_000)

    def test_settings(self) -> None:
        """CVE-2019-9515: settings without end."""
        self.assertLess(self.lasts(10_000, SettingsFrame(0, settings={4: 65535}).serialize()), 3000)

    def test_frames_that_carry_nothing(self) -> None:
        """CVE-2019-9518, 9513: data without bytes, priorities, window updates of one byte, unknown frames."""
        for head in (b"\0\0\5\2\0\0\0\0\1\0\0\0\0\7", b"\0\0\4\x08\0\0\0\0\0\0\0\0\1", b"\0\0\0\xee\0\0\0\0\0"):
            self.assertLess(self.lasts(10_000, head), 3000)
        end = ClientSide(0.0)
        peer = client(end)
        peer.send_headers(1, POST)
        plain(peer, end)
        with self.assertRaises(ProtocolViolation):
            for _ in range(10_000):
                end.receive(b"\0\0\0\0\0\0\0\0\1", 0.0)

    def test_continuations(self) -> None:
        """CERT VU#421644: a head without end, in frames of no bytes or of many."""
        for part in (b"", b"\x82" * 16_000):
            end = ClientSide(0.0)
            client(end)
            end.receive(HeadersFrame(1, data=b"\x82").serialize(), 0.0)
            with self.assertRaises(ProtocolViolation):
                for _ in range(100):
                    end.receive(ContinuationFrame(1, data=part).serialize(), 0.0)

    def test_header_bomb(self) -> None:
        """CVE-2016-6581: a table entry that is named a thousand times becomes no large head."""
        end = ClientSide(0.0)
        client(end)
        encoder = Encoder()
        block = encoder.encode([*GET, ("x-large", "x" * 3000)]) + b"\xbe" * 5000
        self.assertRaises(
            ProtocolViolation, end.receive, HeadersFrame(1, data=block, flags={"END_HEADERS"}).serialize(), 0.0
        )

    def test_a_frame_that_is_announced_too_long(self) -> None:
        """It is refused by its length, not when 16 MiB of it are there; so is a peer that speaks HTTP/1.1."""
        for data in (b"\xff\xff\xff\0\0\0\0\0\1", b"\0\x40\1", b"HTTP/1.1 400 Bad Request\r\n\r\n"):
            for end in (ClientSide(0.0), TargetSide(0.0)):
                end.receive((PREFACE if isinstance(end, ClientSide) else b"") + SettingsFrame(0).serialize(), 0.0)
                self.assertRaises(ProtocolViolation, end.receive, data, 0.0)
                self.assertTrue(end.outgoing().endswith(b"\0\0\0\6"))

    def test_too_many_streams(self) -> None:
        """More at once than was said ends the connection."""
        end = ClientSide(0.0)
        client(end)
        head = Encoder().encode(GET)
        with self.assertRaises(ProtocolViolation):
            for stream in range(1, 2 * MAX_STREAMS + 2, 2):
                end.receive(HeadersFrame(stream, data=head, flags={"END_HEADERS"}).serialize(), 0.0)
        self.assertEqual(end.streams, MAX_STREAMS)

    @given(st.lists(st.binary(max_size=40), max_size=6), st.booleans())
    def test_junk(self, pieces: list[bytes], preface: bool) -> None:
        """Junk raises only WireError."""
        for end in (ClientSide(0.0), TargetSide(0.0)):
            with contextlib.suppress(WireError):
                end.receive(PREFACE if preface else b"", 0.0)
                for piece in pieces:
                    end.receive(piece, 0.0)


class Downgrades(SynchronousTestCase):
    """What HTTP/2 can carry and HTTP/1.1 cannot."""

    def asked(self, headers: list[tuple[str, str]], body: bytes | None = None) -> tuple[bytes, list[Event]]:
        """What the request becomes, and what its client sees.  A connection that ends is b"" too."""
        end = ClientSide(0.0)
        peer = H2Connection(
            H2Configuration(client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False)
        )
        peer.initiate_connection()
        plain(peer, end)
        peer.send_headers(1, headers, end_stream=body is None)
        if body is not None:
            peer.send_data(1, body, end_stream=True)
        try:
            came, events = plain(peer, end)
        except WireError:
            return b"", peer.receive_data(end.outgoing())
        return shown(came, 1), events

    def refused(self, headers: list[tuple[str, str]], body: bytes | None = None, begun: bytes = b"") -> None:
        """`begun`: what of it was there before it could be known, and can end as nothing whole."""
        became, events = self.asked(headers, body)
        self.assertEqual(became, begun, headers)
        self.assertTrue([e for e in events if isinstance(e, StreamReset | ConnectionTerminated)], headers)

    def test_smuggled_fields(self) -> None:
        """A field that would end, or begin another, or frame the body differently, in HTTP/1.1."""
        for name, value in (
            ("x", "a\r\nTransfer-Encoding: chunked"),
            ("x", "a\nb"),
            ("x", "a\0b"),
            ("x\r\ny", "1"),
            ("x: y\r\nz", "1"),
            ("x:y", "1"),
            ("x y", "1"),
            ("X", "1"),
            ("", "1"),
            ("x", " 1"),
            ("x(", "1"),
            ("content_length", "5"),
            ("transfer-encoding", "chunked"),
            ("connection", "close"),
            ("keep-alive", "1"),
            ("proxy-connection", "close"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
            ("host", "other.example.com"),
        ):
            self.refused([*GET, (name, value)])

    def test_smuggled_lines(self) -> None:
        """A method, path, scheme or authority that would be more than one word of a request line."""
        for changed in (
            {":method": "GET / HTTP/1.1\r\nX: 1\r\n\r\nGET"},
            {":method": "GET /x"},
            {":method": ""},
            {":path": "/ HTTP/1.1\r\nX: 1"},
            {":path": "/a b"},
            {":path": "/a\tb"},
            {":path": ""},
            {":path": "/é"},
            {":scheme": "https://evil/x"},
            {":scheme": "file"},
            {":authority": "a\r\nX: 1"},
        ):
            self.refused([(name, changed.get(name, value)) for name, value in GET])

    def test_pseudo_headers(self) -> None:
        """Twice, behind a field, unknown, of an answer, or missing."""
        for headers in (
            [*GET, (":path", "/b")],
            [*GET, ("x", "1"), (":path", "/b")],
            [*GET, (":status", "200")],
            [*GET, (":secret", "1")],
            [*GET, (":protocol", "websocket")],
            GET[1:],
            [*GET[:1], *GET[2:]],
            GET[:3],
            [*GET[:2], GET[3]],
            [(":method", "CONNECT"), *GET[1:]],
            [(":method", "CONNECT")],
        ):
            self.refused(headers)

    def test_lengths(self) -> None:
        """A Content-Length that is not what comes: more, less, several, none that can be read."""
        begin = b"POST / HTTP/1.1\r\nhost: shop.example.com\r\ncontent-length: %b\r\n\r\n%b"
        self.refused([*POST, ("content-length", "5")], b"hi", begin % (b"5", b"hi"))
        self.refused([*POST, ("content-length", "1")], b"hi", begin % (b"1", b""))
        for value, body in (("5", None), ("x", b"hi"), ("-1", b"hi"), ("+2", b"hi"), ("9" * 30, b"hi")):
            self.refused([*POST, ("content-length", value)], body)
        self.refused([*POST, ("content-length", "2"), ("content-length", "2")], b"hi")
        became, _ = self.asked([*POST, ("content-length", "2")], b"hi")
        self.assertEqual(became, b"POST / HTTP/1.1\r\nhost: shop.example.com\r\ncontent-length: 2\r\n\r\nhi")

    def test_trailers(self) -> None:
        """A pseudo-header, a connection's field or a line end in trailers."""
        for name, value in ((":path", "/b"), ("connection", "close"), ("x", "a\r\nb"), ("x:", "1")):
            end = ClientSide(0.0)
            peer = H2Connection(H2Configuration(client_side=True, validate_outbound_headers=False))
            peer.initiate_connection()
            peer.send_headers(1, POST)
            plain(peer, end)
            encoder: Any = peer.encoder
            block = encoder.encode([(name, value)])
            frame = HeadersFrame(1, data=block, flags={"END_HEADERS", "END_STREAM"})
            try:
                came = end.receive(frame.serialize(), 0.0)
            except WireError:
                continue
            self.assertEqual([type(each) for each in came], [StreamAborted], name)

    def test_connect(self) -> None:
        """Host and port alone; what follows are bytes without any framing, both ways."""
        end = ClientSide(0.0)
        peer = client(end)
        peer.send_headers(1, [(":method", "CONNECT"), (":authority", "db.example.com:443")])
        peer.send_data(1, b"\x16\x03\x01")
        came, _ = plain(peer, end)
        self.assertEqual(
            shown(came, 1), b"CONNECT db.example.com:443 HTTP/1.1\r\nhost: db.example.com:443\r\n\r\n\x16\x03\x01"
        )
        end.write(1, b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03")
        _, events = plain(peer, end)
        self.assertEqual(b"".join(e.data or b"" for e in events if isinstance(e, DataReceived)), b"\x16\x03\x03")

    def test_a_targets_answer(self) -> None:
        """A status that is none, a field that ends early, content where there is none: the stream ends."""
        for headers, body in (
            ([(":status", "101")], b""),
            ([(":status", "99")], b""),
            ([(":status", "200"), ("x", "a\r\nSet-Cookie: b")], b""),
            ([(":status", "200"), ("transfer-encoding", "chunked")], b""),
            ([(":status", "204")], b"content"),
            ([("x", "1")], b""),
        ):
            end = TargetSide(0.0)
            peer = H2Connection(
                H2Configuration(client_side=False, validate_outbound_headers=False, normalize_outbound_headers=False)
            )
            peer.initiate_connection()
            stream = end.request(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            peer.receive_data(end.outgoing())
            block = peer.encoder.encode(headers)
            frames = peer.data_to_send() + HeadersFrame(stream, data=block, flags={"END_HEADERS"}).serialize()
            frames += len(body).to_bytes(3, "big") + b"\0\1" + stream.to_bytes(4, "big") + body
            try:
                came = end.receive(frames, 0.0)
            except WireError:
                continue
            self.assertIn(StreamAborted, [type(each) for each in came], headers)


class Goodbyes(SynchronousTestCase):
    def test_a_target_that_takes_no_more(self) -> None:
        """What runs is answered; what it did not look at may be sent elsewhere; nothing new begins there."""
        end = TargetSide(0.0)
        peer = target(end)
        first = end.request(b"GET /1 HTTP/1.1\r\n" + HOST + b"\r\n")
        second = end.request(b"GET /2 HTTP/1.1\r\n" + HOST + b"\r\n")
        peer.receive_data(end.outgoing())
        came = end.receive(GoAwayFrame(0, last_stream_id=first).serialize(), 0.0)
        self.assertEqual(
            [(each.stream, each.untouched) for each in came if isinstance(each, StreamAborted)], [(second, True)]
        )
        self.assertEqual(end.room, 0)
        peer.send_headers(first, [(":status", "200")], end_stream=True)
        came, _ = plain(peer, end)
        self.assertEqual(shown(came, first), b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        self.assertEqual(end.streams, 0)

    def test_a_client_that_asks_no_more(self) -> None:
        """What it asked before is answered."""
        end = ClientSide(0.0)
        peer = client(end)
        peer.send_headers(1, GET, end_stream=True)
        plain(peer, end)
        end.receive(GoAwayFrame(0, last_stream_id=0).serialize(), 0.0)
        end.write(1, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        events = peer.receive_data(end.outgoing())
        self.assertTrue([event for event in events if isinstance(event, StreamEnded)])
        self.assertTrue(end.draining)

    def test_the_gateway_takes_no_more(self) -> None:
        """After its goodbye what runs is answered, and a new stream is refused so that it may be sent elsewhere."""
        end = ClientSide(0.0)
        peer = client(end)
        peer.send_headers(1, GET, end_stream=True)
        plain(peer, end)
        end.drain()
        peer.send_headers(3, GET, end_stream=True)  # was on its way
        end.receive(peer.data_to_send(), 0.0)
        end.write(1, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        self.assertEqual(end.streams, 0)
        data = end.outgoing()
        self.assertIn(GoAwayFrame(0, last_stream_id=1).serialize(), data)
        self.assertIn(b"\0\0\4\3\0\0\0\0\3\0\0\0\7", data)

    def test_a_stream_that_a_target_refused(self) -> None:
        """REFUSED_STREAM says that nothing was done; another code does not."""
        for code in (7, 8):
            end = TargetSide(0.0)
            peer = target(end)
            stream = end.request(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            peer.receive_data(end.outgoing())
            peer.reset_stream(stream, code)
            came, _ = plain(peer, end)
            self.assertEqual(
                [(g.stream, g.code, g.untouched) for g in came if isinstance(g, StreamAborted)],
                [(stream, code, code == 7)],
            )

    def test_how_many_a_target_lets(self) -> None:
        """Its settings bound what is sent there at once."""
        end = TargetSide(0.0)
        peer = target(end)
        self.assertEqual(end.room, MAX_STREAMS)
        peer.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 2})
        plain(peer, end)
        end.request(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        self.assertEqual(end.room, 1)

    def test_what_is_no_request(self) -> None:
        """A head that is not whole opens no stream."""
        self.assertRaises(MalformedFrame, TargetSide(0.0).request, b"GET / HTTP/1.1\r\nHost: x")

"""Frames and the states of streams, beside the library h2; and what each side may not do."""

from __future__ import annotations

from h2 import events as peer_events
from h2.config import H2Configuration
from h2.connection import H2Connection
from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import WireError
from hoopgw.wire.http2_connection import MAX_PARTS, Connection
from hoopgw.wire.http2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITIZED,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    DataReceived,
    GoAwayReceived,
    HeadersReceived,
    Idle,
    StreamReset,
    frame,
)
from hoopgw.wire.http2_outbound import PREFACE
from hoopgw.wire.http2_values import STREAM_WINDOW

HEAD = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")]
BLOCK = Encoder().encode(HEAD)
BEGIN = PREFACE + frame(SETTINGS, 0, 0, b"")
OPEN = frame(HEADERS, END_HEADERS, 1, BLOCK)
WHOLE = frame(HEADERS, END_HEADERS | END_STREAM, 1, BLOCK)
RESET = frame(RST_STREAM, 0, 1, b"\0\0\0\x08")

Shown = tuple[object, ...]


def shown(connection: Connection, data: bytes) -> list[Shown]:
    """What happened, as values; content that comes in pieces is as if it came in one."""
    found: list[Shown] = []
    for each in connection.receive(data):
        if isinstance(each, HeadersReceived):
            found.append(("head", each.stream, tuple(each.head.fields), each.ended, each.trailing))
        elif isinstance(each, DataReceived):
            found.append(("content", each.stream, each.data, each.size, each.ended))
        elif isinstance(each, StreamReset):
            found.append(("broken", each.stream, each.code))
        elif isinstance(each, GoAwayReceived):
            found.append(("parted", each.last))
    return found


class Client:
    """h2, and what it means to say."""

    def __init__(self) -> None:
        self.peer = H2Connection(H2Configuration(client_side=True))
        self.peer.initiate_connection()
        self.meant: list[Shown] = []
        self.open: list[int] = []
        self.next = 1

    def step(self, what: str, which: int, text: bytes) -> None:
        if what in ("begin", "ask"):
            fields = [*HEAD, (b"x-a", text.hex().encode())]
            self.peer.send_headers(self.next, fields, end_stream=what == "ask")
            self.meant.append(("head", self.next, tuple(fields), what == "ask", False))
            self.open += [self.next] if what == "begin" else []
            self.next += 2
        elif what == "settings":
            self.peer.update_settings({4: 1000 + which, 1: 100 * which})
        elif what == "ping":
            self.peer.ping(text[:8].ljust(8))
        elif what == "window":
            self.peer.increment_flow_control_window(1 + which)
        elif self.open:
            self._on(what, self.open[which % len(self.open)], which, text)

    def _on(self, what: str, stream: int, which: int, text: bytes) -> None:
        if what == "content":
            self.peer.send_data(stream, text, pad_length=which or None)
            self.meant.append(("content", stream, text, len(text) + (which + 1 if which else 0), False))
            return
        if what == "rank":
            self.peer.prioritize(stream, depends_on=stream + 2)
            return
        self.open.remove(stream)
        if what == "end":
            self.peer.end_stream(stream)
            self.meant.append(("content", stream, b"", 0, True))
        elif what == "trailers":
            self.peer.send_headers(stream, [(b"x-b", b"1")], end_stream=True)
            self.meant.append(("head", stream, ((b"x-b", b"1"),), True, True))
        else:
            self.peer.reset_stream(stream, which)
            self.meant.append(("broken", stream, which))


_STEPS = (
    "begin", "ask", "content", "content", "end", "trailers", "reset", "ping", "window", "settings", "rank",
)  # fmt: skip


class Beside(SynchronousTestCase):
    @given(
        st.lists(st.tuples(st.sampled_from(_STEPS), st.integers(0, 7), st.binary(max_size=30)), max_size=30),
        st.lists(st.integers(1, 60), max_size=20),
    )
    @settings(max_examples=150)
    def test_a_client_of_another_make(self, steps: list[tuple[str, int, bytes]], cuts: list[int]) -> None:
        """Whatever h2 sends is understood as it was meant, however it is cut; and h2 understands what is said to it."""
        client = Client()
        for what, which, text in steps:
            client.step(what, which, text)
        data = client.peer.data_to_send()
        connection, found = Connection(False), []
        for size in (*cuts, len(data)):
            found += shown(connection, data[:size])
            data = data[size:]
        self.assertEqual(found, client.meant)
        for stream in client.open:
            connection.out.head(stream, [(b":status", b"200"), (b"x-a", b"b")], False)
            connection.out.data(stream, b"hello", True)
        events = client.peer.receive_data(connection.out.outgoing())
        told = [event.data for event in events if isinstance(event, peer_events.DataReceived)]
        self.assertEqual(told, [b"hello"] * len(client.open))

    @given(
        st.lists(
            st.tuples(st.integers(0, 10), st.integers(0, 255), st.integers(0, 7), st.binary(max_size=12)), max_size=12
        ),
        st.booleans(),
    )
    @settings(max_examples=300)
    def test_junk(self, frames: list[tuple[int, int, int, bytes]], client_side: bool) -> None:
        """Frames in any order raise only WireError, and any cut of them does the same."""
        data = (b"" if client_side else PREFACE) + frame(SETTINGS, 0, 0, b"")
        data += b"".join([frame(*each) for each in frames])
        ends = []
        for size in (len(data), 7):
            connection = Connection(client_side)
            connection.out.open()
            found, failed = [], False
            for here in range(0, len(data), size):
                try:
                    found += shown(connection, data[here : here + size])
                except WireError:
                    failed = True
                    break
            ends.append((failed, connection.out.outgoing(), [] if failed else found))
        self.assertEqual(ends[0], ends[1])


class Mistakes(SynchronousTestCase):
    def ends(self, *frames: bytes, client_side: bool = False) -> int:
        """With which code the connection ends."""
        connection = Connection(client_side)
        if client_side:
            connection.out.open()
            data = frame(SETTINGS, 0, 0, b"")
        else:
            data = BEGIN
        with self.assertRaises(WireError):
            connection.receive(data + b"".join(frames))
        return self._code(connection.out.outgoing(), client_side)

    def _code(self, told: bytes, client_side: bool = False) -> int:
        peer = H2Connection(H2Configuration(client_side=not client_side))
        peer.initiate_connection()
        events = peer.receive_data(told)
        return [int(event.error_code or 0) for event in events if isinstance(event, peer_events.ConnectionTerminated)][
            -1
        ]

    def test_frames_that_have_another_length(self) -> None:
        """RFC 9113, 4.2 and 6: FRAME_SIZE_ERROR."""
        for wrong in (
            frame(PRIORITY, 0, 1, b"\0\0\0\3"),
            frame(RST_STREAM, 0, 1, b"\0\0\0"),
            frame(SETTINGS, 0, 0, b"\0\3\0\0\0"),
            frame(SETTINGS, ACK, 0, b"\0\3\0\0\0\1"),
            frame(PING, 0, 0, b"1234567"),
            frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0"),
            frame(WINDOW_UPDATE, 0, 0, b"\0\0\1"),
            frame(HEADERS, END_HEADERS | PRIORITIZED, 3, b"\0\0\0\1"),
            b"\x00\x40\x01",
        ):
            self.assertEqual(self.ends(OPEN, wrong), 6, wrong)

    def test_frames_on_the_wrong_stream(self) -> None:
        """Of the connection on a stream, of a stream on the connection, on one that nobody opened."""
        for wrong in (
            frame(DATA, 0, 0, b"a"),
            frame(HEADERS, END_HEADERS, 0, BLOCK),
            frame(PRIORITY, 0, 0, b"\0\0\0\3\0"),
            frame(RST_STREAM, 0, 0, b"\0\0\0\0"),
            frame(SETTINGS, 0, 1, b""),
            frame(PING, 0, 1, b"12345678"),
            frame(GOAWAY, 0, 1, bytes(8)),
            frame(DATA, 0, 3, b"a"),
            frame(DATA, 0, 2, b"a"),
            frame(RST_STREAM, 0, 3, b"\0\0\0\0"),
            frame(WINDOW_UPDATE, 0, 3, b"\0\0\0\1"),
            frame(HEADERS, END_HEADERS, 2, BLOCK),
            frame(CONTINUATION, END_HEADERS, 1, BLOCK),
            frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + BLOCK),
            frame(PRIORITY, 0, 1, b"\0\0\0\1\0"),
            frame(HEADERS, END_HEADERS | PRIORITIZED, 3, b"\0\0\0\3\0" + BLOCK),
        ):
            self.assertEqual(self.ends(OPEN, wrong), 1, wrong)
        self.assertEqual(self.ends(frame(HEADERS, END_HEADERS, 5, BLOCK), frame(HEADERS, END_HEADERS, 3, BLOCK)), 1)
        for wrong in (frame(HEADERS, END_HEADERS, 3, b"\x88"), frame(HEADERS, END_HEADERS, 2, b"\x88")):
            self.assertEqual(self.ends(wrong, client_side=True), 1)

    def test_windows(self) -> None:
        """None grows by nothing, or above 2^31 - 1, or is passed."""
        more = b"\x7f\xff\xff\xff"
        self.assertEqual(self.ends(frame(WINDOW_UPDATE, 0, 0, bytes(4))), 1)
        self.assertEqual(self.ends(OPEN, frame(WINDOW_UPDATE, 0, 1, bytes(4))), 1)
        self.assertEqual(self.ends(frame(WINDOW_UPDATE, 0, 0, more)), 3)
        self.assertEqual(self.ends(frame(SETTINGS, 0, 0, b"\0\4\x80\0\0\0")), 3)
        late = frame(WINDOW_UPDATE, 0, 1, b"\x7f\xff\0\0") + frame(SETTINGS, 0, 0, b"\0\4\0\2\0\0")
        self.assertEqual(self.ends(OPEN, late), 3)
        full = frame(DATA, 0, 1, bytes(16384)) * (STREAM_WINDOW // 16384)
        self.assertEqual(self.ends(OPEN, full, frame(DATA, 0, 1, b"a")), 3)

    def test_a_stream_alone(self) -> None:
        """What only a stream is wrong about ends it, and the connection goes on."""
        for wrong in (
            OPEN + frame(WINDOW_UPDATE, 0, 1, b"\x7f\xff\xff\xff"),
            OPEN + frame(HEADERS, END_HEADERS, 1, BLOCK),
        ):
            connection = Connection(False)
            found = shown(connection, BEGIN + wrong)
            self.assertEqual([each[:2] for each in found], [("head", 1), ("broken", 1)])
            peer = H2Connection(H2Configuration(client_side=True))
            peer.initiate_connection()
            peer.send_headers(1, HEAD)
            events = peer.receive_data(connection.out.outgoing())
            self.assertEqual([event.stream_id for event in events if isinstance(event, peer_events.StreamReset)], [1])

    def test_padding(self) -> None:
        """More than the frame has."""
        self.assertEqual(self.ends(OPEN, frame(DATA, PADDED, 1, b"")), 1)
        self.assertEqual(self.ends(OPEN, frame(DATA, PADDED, 1, b"\2a")), 1)
        self.assertEqual(self.ends(frame(HEADERS, PADDED | END_HEADERS, 1, b"\x09" + BLOCK[:9])), 1)

    def test_settings(self) -> None:
        """Values that may not be; unknown names mean nothing."""
        for wrong in (b"\0\2\0\0\0\2", b"\0\5\0\0\x3f\xff", b"\0\5\1\0\0\0", b"\0\x08\0\0\0\2"):
            self.assertEqual(self.ends(frame(SETTINGS, 0, 0, wrong)), 1)
        self.assertEqual(shown(Connection(False), BEGIN + frame(SETTINGS, 0, 0, b"\x7f\0\0\0\0\2")), [])

    def test_what_begins_otherwise(self) -> None:
        """Another preface, or another frame than settings."""
        for data in (b"GET / HTTP/1.1\r\n", PREFACE + OPEN, PREFACE + frame(SETTINGS, ACK, 0, b"")):
            connection = Connection(False)
            self.assertRaises(WireError, connection.receive, data)
            self.assertEqual(self._code(connection.out.outgoing()), 1)

    def test_heads(self) -> None:
        """Nothing stands inside one; too many frames, or what HPACK cannot read, end the connection."""
        begun = frame(HEADERS, 0, 1, BLOCK)
        self.assertEqual(self.ends(begun, frame(PING, 0, 0, bytes(8))), 1)
        self.assertEqual(self.ends(begun, frame(CONTINUATION, END_HEADERS, 3, b"")), 1)
        self.assertEqual(self.ends(begun, frame(CONTINUATION, 0, 1, b"") * MAX_PARTS), 11)
        self.assertEqual(self.ends(begun, frame(CONTINUATION, 0, 1, bytes(16384)) * 4), 11)
        self.assertEqual(self.ends(frame(HEADERS, END_HEADERS, 1, b"\xff")), 9)

    def test_behind_the_end(self) -> None:
        """Content or a head of a request that was whole."""
        for wrong in (frame(DATA, 0, 1, b"a"), frame(HEADERS, END_HEADERS, 1, BLOCK)):
            self.assertEqual(self.ends(WHOLE, wrong), 5)


class Afterwards(SynchronousTestCase):
    """Frames for streams that are no more."""

    def test_under_way(self) -> None:
        """A stream that was reset here: what was on its way is no mistake, and gives the connection its room back."""
        connection = Connection(False)
        connection.receive(BEGIN + OPEN)
        connection.out.reset(1, 8)
        connection.out.outgoing()
        late = frame(DATA, 0, 1, bytes(16384)) * 4 + frame(HEADERS, END_HEADERS | END_STREAM, 1, BLOCK) + RESET
        happened = connection.receive(late + frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1"))
        self.assertEqual({type(each) for each in happened}, {Idle})
        self.assertEqual(connection.out.outgoing(), frame(WINDOW_UPDATE, 0, 0, b"\0\1\0\0"))

    def test_reset_by_the_other_side(self) -> None:
        """It is told, each time, that the stream is closed."""
        connection = Connection(False)
        connection.receive(BEGIN + OPEN + RESET)
        connection.out.outgoing()
        happened = connection.receive(frame(DATA, 0, 1, b"a"))
        self.assertEqual([type(each) for each in happened], [Idle])
        self.assertEqual(connection.out.outgoing(), frame(RST_STREAM, 0, 1, b"\0\0\0\5"))

    def test_a_target_that_answers_early(self) -> None:
        """Heads of status 1xx, then the final one, then trailers; content before a head is none."""
        connection = Connection(True)
        stream = connection.out.open()
        other = connection.out.open()
        heads = [frame(HEADERS, END_HEADERS, stream, b"\x08\x03103"), frame(HEADERS, END_HEADERS, stream, b"\x88")]
        found = shown(connection, frame(SETTINGS, 0, 0, b"") + b"".join(heads) + frame(DATA, 0, other, b"a"))
        self.assertEqual(
            found,
            [
                ("head", stream, ((b":status", b"103"),), False, False),
                ("head", stream, ((b":status", b"200"),), False, False),
                ("broken", other, 1),
            ],
        )
        found = shown(connection, frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\0\x01a\x01b"))
        self.assertEqual(found, [("head", stream, ((b"a", b"b"),), True, True)])

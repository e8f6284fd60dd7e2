"""What is sent: windows, settings of the other side, frames of its size."""

from __future__ import annotations

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, WindowUpdated
from h2.settings import SettingCodes
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import ProtocolViolation
from hoopgw.wire.http2_connection import Connection
from hoopgw.wire.http2_values import KEPT_BACK, STREAM_WINDOW

POST = [(":method", "POST"), (":scheme", "https"), (":authority", "a"), (":path", "/")]


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.peer = H2Connection(H2Configuration(client_side=True))
        self.peer.initiate_connection()
        self.connection = Connection(False)
        self.out = self.connection.out
        self.peer.receive_data(self.out.outgoing())
        self.peer.send_headers(1, POST)
        self.turn()

    def turn(self) -> None:
        self.connection.receive(self.peer.data_to_send())
        self.events = self.peer.receive_data(self.out.outgoing())


class Sent(Case):
    def test_a_head_of_several_frames(self) -> None:
        """A peer gets none that is longer than it said."""
        head = [(b":status", b"200")] + [(b"x-%d" % number, b"a" * 9000) for number in range(5)]
        self.out.head(1, head, False)
        self.turn()
        heads = [event.headers for event in self.events if isinstance(event, ResponseReceived)]
        self.assertEqual([[(bytes(n), bytes(v)) for n, v in fields or ()] for fields in heads], [head])

    def test_room(self) -> None:
        """The least of the stream's window, the connection's, and what a frame may have; a setting changes it."""
        self.assertEqual(self.out.room(1), 16384)
        self.peer.update_settings({SettingCodes.MAX_FRAME_SIZE: 100_000})
        self.turn()
        self.assertEqual(self.out.room(1), 65535)
        self.out.head(1, [(b":status", b"200")], False)
        self.out.data(1, bytes(60_000), False)
        self.turn()
        self.assertEqual(sum(len(e.data or b"") for e in self.events if isinstance(e, DataReceived)), 60_000)
        self.peer.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10_000})
        self.turn()
        self.assertEqual(self.out.room(1), 10_000 - 60_000)  # less than nothing (RFC 9113, 6.9.2)
        self.assertEqual(self.out.room(3), 0)
        self.peer.increment_flow_control_window(70_000, 1)
        self.turn()
        self.assertEqual(self.out.room(1), 65535 - 60_000)

    def test_what_is_no_stream(self) -> None:
        """Nothing is sent on a stream that never was, or whose end was sent."""
        self.assertRaises(ProtocolViolation, self.out.data, 3, b"a", False)
        self.out.head(1, [(b":status", b"200")], True)
        self.assertRaises(ProtocolViolation, self.out.data, 1, b"a", False)
        self.out.reset(5, 8)
        self.turn()

    def test_a_smaller_table(self) -> None:
        """The other side's HPACK table bounds ours at once."""
        for size in (0, 4096, 100, 65536):
            self.peer.update_settings({SettingCodes.HEADER_TABLE_SIZE: size})
            self.turn()
            self.peer.send_headers(3 if size == 0 else self.peer.get_next_available_stream_id(), POST)
            self.turn()
        for stream in (1, 3, 5, 7, 9):
            self.out.head(stream, [(b":status", b"200"), (b"x-a", b"b"), (b"x-c", b"d" * 60)], False)
            self.turn()
            self.assertEqual(len([each for each in self.events if isinstance(each, ResponseReceived)]), 1)


class Taken(Case):
    def test_room_is_given_back(self) -> None:
        """Of a stream by halves of its window, of the connection in larger pieces than each frame; none is lost."""
        sent = 0
        for _ in range(40):
            size = min(16384, self.peer.local_flow_control_window(1))
            self.peer.send_data(1, bytes(size))
            sent += size
            self.turn()
            self.out.took(1, size)
            self.turn()
        self.assertEqual(sent, 40 * 16384)
        self.assertGreaterEqual(self.peer.local_flow_control_window(1), STREAM_WINDOW // 2)

    def test_not_each_frame(self) -> None:
        """Updates are for half a window and more."""
        self.peer.send_data(1, bytes(1000))
        self.turn()
        self.out.took(1, 1000)
        self.turn()
        self.assertEqual([event for event in self.events if isinstance(event, WindowUpdated)], [])
        self.out.credit(KEPT_BACK - 1000)
        self.turn()
        self.assertEqual([e.delta for e in self.events if isinstance(e, WindowUpdated)], [KEPT_BACK])

"""SSH connection-layer messages, and runs of them."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame, WireError
from hoopgw.wire import sshmessages as wire

NUMBER = st.integers(0, 2**32 - 1)
NAME = st.text("abcdefghijklmnopqrstuvwxyz-@.", min_size=1, max_size=64).map(str.encode)
BODY = st.binary(max_size=60)
MESSAGES = st.lists(st.binary(min_size=1, max_size=60), max_size=12)
READERS = (
    wire.read_open,
    wire.read_confirmation,
    wire.read_channel,
    wire.read_adjust,
    wire.read_request,
    wire.data_size,
    wire.messages,
)


class Fields(SynchronousTestCase):
    @given(NAME, NUMBER, NUMBER, NUMBER, BODY)
    def test_open(self, kind: bytes, sender: int, window: int, packet: int, rest: bytes) -> None:
        """A CHANNEL_OPEN reads as it was built, and is built as it was read."""
        data = wire.ChannelOpen(kind, sender, window, packet, rest).encoded()
        read = wire.read_open(data)
        self.assertEqual(
            (read.kind, read.sender, read.window, read.packet, read.rest), (kind, sender, window, packet, rest)
        )
        self.assertEqual(read.encoded(), data)

    @given(NUMBER, NAME, st.booleans(), BODY)
    def test_request(self, channel: int, name: bytes, wants_reply: bool, body: bytes) -> None:
        """A CHANNEL_REQUEST reads as it was built."""
        read = wire.read_request(wire.request(channel, name, wants_reply, body))
        self.assertEqual((read.channel, read.name, read.wants_reply, read.body), (channel, name, wants_reply, body))

    @given(NUMBER, BODY)
    def test_data(self, channel: int, data: bytes) -> None:
        """Data and extended data take from the window what they carry, and name their channel."""
        for built in (wire.channel_data(channel, data), wire.stderr(channel, data)):
            self.assertEqual((wire.data_size(built), wire.read_channel(built)), (len(data), channel))
            self.assertRaises(MalformedFrame, wire.data_size, built + b"x")

    def test_names(self) -> None:
        """must-survive 36: a name that a terminal would obey, or that is longer than RFC 4251 allows, is no name."""
        for name in (b"", b"a b", b"a\nb", b"a\0b", b"\x1b[2J", "\u202ea".encode(), b"a" * 65):
            self.assertRaises(MalformedFrame, wire.read_request, wire.request(0, name, True))

    @given(st.integers(80, 100), st.binary(max_size=80))
    def test_junk(self, number: int, data: bytes) -> None:
        """must-survive 25: whatever a message is, readers give values or raise WireError, and nothing else."""
        for read in READERS:
            with contextlib.suppress(WireError):
                read(bytes((number,)) + data)
            with contextlib.suppress(WireError):
                read(data)

    def test_lengths_before_bytes(self) -> None:
        """must-survive 25: a length of 4 GiB is refused by what is there, not tried."""
        for data in (b"\x5e\0\0\0\0\xff\xff\xff\xff", b"\x5f\0\0\0\0\0\0\0\1\xff\xff\xff\xff"):
            self.assertRaises(MalformedFrame, wire.data_size, data)
        self.assertRaises(MalformedFrame, wire.read_string, b"\xff\xff\xff\xffabc", 0)


class Runs(SynchronousTestCase):
    @given(MESSAGES, st.data())
    def test_any_cut(self, messages: list[bytes], data: st.DataObject) -> None:
        """Any cut of a run gives the same messages."""
        run = b"".join(map(wire.framed, messages))
        cut = data.draw(st.integers(0, len(run)))
        ends = wire.message_ends(run[:cut], 0)
        rest = ends[-1] if ends else 0
        self.assertEqual(wire.messages(run[:rest]) + wire.messages(run[rest:]), messages)
        self.assertEqual(wire.message_ends(run, rest), wire.message_ends(run, 0)[len(ends) :])

    def test_bounds(self) -> None:
        """A length of 0, or of more than any packet may have, is no message; neither is half a one."""
        for run in (b"\0\0\0\0", b"\0\4\0\1" + b"x" * 20, b"\0\0\0\2x", b"\0\0"):
            self.assertRaises(MalformedFrame, wire.messages, run)

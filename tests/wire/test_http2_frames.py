"""Frames as bytes, beside the library hyperframe's."""

from __future__ import annotations

from hyperframe.frame import DataFrame, Frame, GoAwayFrame, PingFrame, SettingsFrame
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.http2_frames import (
    DATA,
    PADDED,
    PING,
    frame,
    goodbye_frame,
    head_frames,
    number_at,
    setting_frame,
    unpadded,
)


class Frames(SynchronousTestCase):
    def test_kinds(self) -> None:
        """Byte for byte what others write."""
        self.assertEqual(frame(PING, 1, 0, b"12345678"), PingFrame(0, b"12345678", flags=["ACK"]).serialize())
        self.assertEqual(setting_frame({4: 70000, 2: 0}), SettingsFrame(0, settings={4: 70000, 2: 0}).serialize())
        self.assertEqual(goodbye_frame(5, 11), GoAwayFrame(0, last_stream_id=5, error_code=11).serialize())

    @given(st.binary(max_size=100), st.integers(1, 120), st.booleans())
    def test_heads(self, block: bytes, most: int, ended: bool) -> None:
        """However many frames a block takes: the first says whether the stream ends, the last that the block does."""
        data, found, flags = head_frames(7, block, ended, most), b"", []
        while data:
            each, size = Frame.parse_frame_header(memoryview(data[:9]))
            found += data[9 : 9 + size]
            flags.append(sorted(map(str, each.flags)))
            self.assertEqual((each.stream_id, size <= most), (7, True))
            data = data[9 + size :]
        self.assertEqual(found, block)
        self.assertEqual("END_STREAM" in flags[0], ended)
        self.assertEqual(["END_HEADERS" in each for each in flags], [False] * (len(flags) - 1) + [True])

    @given(st.binary(max_size=60), st.integers(0, 255))
    def test_padding(self, data: bytes, pad: int) -> None:
        """It is taken off; more of it than there is room for is none."""
        written = DataFrame(1, data, pad_length=pad, flags=["PADDED"]).serialize()
        self.assertEqual(written[3], DATA)
        self.assertEqual(unpadded(PADDED, written[9:]), data)
        self.assertEqual(unpadded(0, data), data)
        self.assertIsNone(unpadded(PADDED, bytes((len(data) + 1,)) + data))
        self.assertIsNone(unpadded(PADDED, b""))

    def test_the_first_bit(self) -> None:
        """Of a number of 31 bits it has no meaning (RFC 9113, 4.1)."""
        self.assertEqual(number_at(b"a\xff\xff\xff\xfe", 1), 0x7FFFFFFE)

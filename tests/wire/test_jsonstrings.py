"""Where strings of JSON text end, beside a reader that takes byte after byte."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.jsonstrings import string_end


def slowly(data: bytes, start: int, end: int) -> int:
    here, escaped = start, 0
    while here < end:
        if data[here] == 34:
            return 2 * here + escaped
        if data[here] == 92:
            escaped = 1
            here += 1
        here += 1
    return -1


class Ends(SynchronousTestCase):
    # bytes that differ from a quote or a backslash in one bit, or by a borrow, are what eight at a time may mistake
    @given(
        st.lists(st.sampled_from(b'"\\!#\x22\x5b\x5d\xa2\xdc\x00\x01\x23\xff') | st.just(97), max_size=40).map(bytes),
        st.integers(0, 9),
    )
    @settings(max_examples=400)
    def test_eight_at_a_time(self, data: bytes, start: int) -> None:
        """Quotes and backslashes at every place of a word, and what looks like them."""
        for end in range(start, len(data) + 1):
            self.assertEqual(string_end(data, start, end), slowly(data, start, end))

    def test_every_place_of_a_word(self) -> None:
        """Each byte before a quote, whatever place of eight either has."""
        for before in range(20):
            for byte in range(256):
                data = b"a" * before + bytes((byte,)) + b'" and more behind'
                self.assertEqual(string_end(data, 0, len(data)), slowly(data, 0, len(data)), data)

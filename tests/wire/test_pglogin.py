"""The start-up phase's messages: there and back, and nothing but WireError for junk."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame, WireError
from hoopgw.wire import pglogin

words = some.text(some.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=30)


class Codec(SynchronousTestCase):
    @given(some.dictionaries(words.filter(bool), words, max_size=10))
    def test_parameters_come_back(self, parameters: dict[str, str]) -> None:
        """What startup_message writes, read_parameters reads; empty values too."""
        packet = pglogin.startup_message(list(parameters.items()))
        self.assertEqual(pglogin.startup_packet_end(packet, 100_000), len(packet))
        read = pglogin.read_startup_packet(packet)
        self.assertEqual((read.code, pglogin.read_parameters(read.body)), (pglogin.PROTOCOL_3_0, parameters))

    @given(some.integers(0, 2**32 - 1), some.binary(min_size=4, max_size=256))
    def test_cancel_comes_back(self, process: int, key: bytes) -> None:
        """A CancelRequest keeps its process id, as unsigned, and its key."""
        packet = pglogin.read_startup_packet(pglogin.cancel_request(process, key))
        self.assertEqual((packet.code, pglogin.read_cancel(packet.body)), (pglogin.CANCEL_REQUEST, (process, key)))

    def test_no_parameter_is_smuggled(self) -> None:
        """A NUL in a name or value would begin another parameter: it is refused."""
        for pair in (("user", "x\0options\0-c role=y"), ("us\0er", "x")):
            with self.assertRaises(MalformedFrame):
                pglogin.startup_message([pair])

    @given(some.binary(max_size=120), some.integers(8, 200))
    def test_junk_raises_only_wire_errors(self, junk: bytes, limit: int) -> None:
        """must-survive 5: an end is inside what is there and inside the bound, or WireError is raised."""
        for find in (pglogin.startup_packet_end, pglogin.message_end):
            with contextlib.suppress(WireError):
                self.assertLessEqual(find(junk, limit), min(len(junk), limit + 1))
        readers = (
            pglogin.read_parameters,
            pglogin.read_cancel,
            lambda body: pglogin.read_negotiated_version(body, limit),
        )
        for read in readers:
            with contextlib.suppress(WireError):
                read(junk)

    @given(some.binary(max_size=60), some.integers(0, 64))
    def test_any_cut_ends_at_the_same_place(self, body: bytes, cut: int) -> None:
        """A message that is cut short has no end yet; whole, with anything behind it, it has the same end."""
        whole = pglogin.message(b"p", body)
        self.assertEqual(pglogin.message_end(whole[: min(cut, len(whole) - 1)], 100), 0)
        self.assertEqual(pglogin.message_end(whole + body, 100), len(whole))

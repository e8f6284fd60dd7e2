"""The head of an SFTP packet."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.sftp import INIT, MAX_PACKET, VERSION, packet, read_header


class Headers(SynchronousTestCase):
    def test_number_and_size(self) -> None:
        """INIT and VERSION have a version where the others have their number."""
        for kind, id in ((3, 7), (INIT, 0), (VERSION, 0)):
            header = read_header(packet(kind, 7, b"abc"))
            self.assertEqual((header.size, header.kind, header.id), (12, kind, id))

    def test_lengths(self) -> None:
        """must-survive 25: a length is looked at before anything is waited for."""
        for length in (5, MAX_PACKET):
            self.assertEqual(read_header(length.to_bytes(4, "big") + b"\3\0\0\0\7").size, 4 + length)
        for length in (0, 4, MAX_PACKET + 1, 2**32 - 1):
            self.assertRaises(MalformedFrame, read_header, length.to_bytes(4, "big") + b"\3\0\0\0\7")

"""Which servers `target_session_attrs` takes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame
from hoopgw.relay.postgres_hosts import Standing, answered, only_value, reported, rounds

PRIMARY, READER, STANDBY = Standing(False, False), Standing(False, True), Standing(True, True)


class Hosts(SynchronousTestCase):
    def test_who_fits(self) -> None:
        """The table of libpq's documentation (34.1.2); what is unknown fits nobody."""
        for wanted, fitting in (
            ("any", [PRIMARY, READER, STANDBY]),
            ("read-write", [PRIMARY]),
            ("read-only", [READER, STANDBY]),
            ("primary", [PRIMARY, READER]),
            ("standby", [STANDBY]),
            ("else", []),
        ):
            self.assertEqual([each for each in (PRIMARY, READER, STANDBY) if each.fits(wanted)], fitting, wanted)
        self.assertEqual(rounds("prefer-standby"), ("standby", "any"))
        self.assertEqual(rounds("primary"), ("primary",))

    def test_reported(self) -> None:
        """PostgreSQL 14 and later say it unasked; a standby only reads whatever its default is."""
        for standby, default, read_only in (("off", "off", False), ("off", "on", True), ("on", "off", True)):
            found = reported({"in_hot_standby": standby, "default_transaction_read_only": default})
            assert found is not None
            self.assertEqual((found.standby, found.read_only), (standby == "on", read_only))
        for said in ({}, {"in_hot_standby": "on"}, {"in_hot_standby": "x", "default_transaction_read_only": "on"}):
            self.assertIsNone(reported(said))

    def test_answered(self) -> None:
        """Older ones are asked; any other answer is no answer."""
        found = answered([b"on", b"t"])
        self.assertEqual((found.standby, found.read_only), (True, True))
        for values in ([], [b"on"], [b"t", b"on"], [b"on", b"x"], [b"on", b"t", b"t"]):
            self.assertRaises(MalformedFrame, answered, values)
        self.assertEqual(only_value(b"\0\1\0\0\0\2on"), b"on")
        for row in (b"", b"\0\1", b"\0\2\0\0\0\0\0\0\0\0", b"\0\1\xff\xff\xff\xff", b"\0\1\0\0\0\3on"):
            self.assertRaises(MalformedFrame, only_value, row)

"""What a client's words for a place mean."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import LoginRefused
from hoopgw.relay.postgres_addresses import places, target_of_host


class Addresses(SynchronousTestCase):
    def test_target_of_host(self) -> None:
        """Only what stands before the domain; without a domain no name means anything."""
        for host, target in (
            ("shop.gw.example.com", "shop"),
            ("SHOP.GW.example.com.", "shop"),
            ("a.b.gw.example.com", "a.b"),
            ("gw.example.com", ""),
            (".gw.example.com", ""),
            ("shopgw.example.com", ""),
            ("shop.gw.example.com.evil.net", ""),
            ("a" * 256 + ".gw.example.com", ""),
            ("", ""),
        ):
            self.assertEqual(target_of_host(host, "gw.example.com"), target, host)
        self.assertEqual(target_of_host("shop.gw.example.com", ""), "")

    def test_places(self) -> None:
        """A slash names both; without one it is the target, or a database of the host's."""
        for said, host, place in (
            ("pay", "", ("pay", "")),
            ("pay/db", "", ("pay", "db")),
            ("pay%2Fdb", "", ("pay", "db")),
            ("db", "pay", ("pay", "db")),
            ("pay", "pay", ("pay", "")),
            ("pay/pay", "pay", ("pay", "pay")),
            ("shop/db", "pay", ("shop", "db")),
        ):
            self.assertEqual(places(said, host), place, (said, host))
        for said in ("/db", "pay/"):
            self.assertRaises(LoginRefused, places, said, "pay")

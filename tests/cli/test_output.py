"""hoopgw.cli.output"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.output import place


class Words(SynchronousTestCase):
    def test_places(self) -> None:
        """Of PostgreSQL with its database; other protocols have none, and no empty one is shown."""
        self.assertEqual(place({"target": "pay", "database": "shop", "role": "reader"}), "pay/shop as reader")
        self.assertEqual(place({"target": "web", "database": "", "role": "deploy"}), "web as deploy")

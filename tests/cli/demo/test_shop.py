from __future__ import annotations

from stdnum import luhn
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.demo import shop


class Shop(SynchronousTestCase):
    def test_cards_have_right_check_digits(self) -> None:
        """Every card of the demo passes Luhn's check by another implementation, and is 16 digits."""
        for number in range(1, shop.CUSTOMERS + 1):
            self.assertTrue(luhn.is_valid(shop.card(number)), shop.card(number))
            self.assertEqual(len(shop.card(number)), 16)

    def test_secrets_differ(self) -> None:
        """No two customers share an address, a card or a government id."""
        for secret in (shop.email, shop.card, shop.ssn):
            self.assertEqual(len({secret(number) for number in range(1, 201)}), 200)

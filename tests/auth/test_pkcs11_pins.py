"""hoopgw.auth.pkcs11_pins: a PIN that was wrong is not tried again by the next process either."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth.pkcs11_pins import MOST, RefusedPins
from hoopgw.model.errors import TokenUnavailable
from hoopgw.model.secret import Secret

WRONG, RIGHT = Secret(b"1111"), Secret(b"2741")


class Pins(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def test_kept(self) -> None:
        """Over a restart, for that token and that PIN alone; private, and without the PIN in it."""
        RefusedPins(self.path).add("a", WRONG)
        again = RefusedPins(self.path)
        self.assertEqual([again.has("a", WRONG), again.has("a", RIGHT), again.has("b", WRONG)], [True, False, False])
        again.add("b", WRONG)
        self.assertTrue(RefusedPins(self.path).has("a", WRONG) and RefusedPins(self.path).has("b", WRONG))
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.assertNotIn(b"1111", self.path.read_bytes())

    def test_taken_away(self) -> None:
        """Who knows that it is right now takes the file away: no restart is needed for that."""
        pins = RefusedPins(self.path)
        pins.add("a", WRONG)
        self.path.unlink()
        self.assertFalse(pins.has("a", WRONG))

    def test_only_looked_at(self) -> None:
        """A command reads what the gateway knows, remembers for itself, and writes nothing."""
        RefusedPins(self.path).add("a", WRONG)
        before = self.path.read_bytes()
        look = RefusedPins(self.path, keeps=False)
        look.add("b", WRONG)
        self.assertTrue(look.has("a", WRONG) and look.has("b", WRONG))
        self.assertEqual(self.path.read_bytes(), before)
        nothing = RefusedPins(self.path.with_name("none"), keeps=False)
        nothing.add("b", WRONG)
        self.assertTrue(nothing.has("b", WRONG))
        self.assertFalse(self.path.with_name("none").exists())

    def test_bound(self) -> None:
        """The oldest go."""
        pins = RefusedPins(self.path)
        for number in range(MOST + 1):
            pins.add("a", Secret(b"%d" % number))
        self.assertEqual([pins.has("a", Secret(b"%d" % number)) for number in (0, 1, MOST)], [False, True, True])

    def test_doubt(self) -> None:
        """A file that cannot be read, or written, is an error: one more try may be the token's last."""
        for content in (b"", b"x", b"[]", b'{"salt": "zz", "refused": []}'):
            self.path.write_bytes(content)
            self.assertRaises(TokenUnavailable, RefusedPins(self.path).has, "a", RIGHT)
        self.assertRaises(TokenUnavailable, RefusedPins(self.path / "no" / "place").add, "a", WRONG)

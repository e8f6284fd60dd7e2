"""The closed list of what a client may set as it logs in (its uses are in test_postgres_client_login)."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import LoginRefused
from hoopgw.relay.postgres_settings import ENCODINGS, PASSED, encoding_name, options_settings, target_settings

MANUAL = Path(__file__).parent.parent.parent / "docs" / "identity.md"


class Lists(SynchronousTestCase):
    def test_manual_names_them_all(self) -> None:
        """docs/identity.md names each parameter that is taken."""
        text = MANUAL.read_text().lower()
        self.assertEqual([name for name in PASSED if f"`{name}`" not in text], [])

    def test_encodings_are_bytewise(self) -> None:
        """must-survive 16: in encodings that Python knows too no byte below 0x80 is part of a longer character."""
        codecs = {
            "UTF8": "utf-8",
            "EUC_JP": "euc_jp",
            "EUC_JIS_2004": "euc_jis_2004",
            "EUC_KR": "euc_kr",
            "EUC_CN": "gb2312",
        }
        for name, codec in codecs.items():
            self.assertIn(name, ENCODINGS)
            for point in range(0x80, 0x10000):
                encoded = chr(point).encode(codec, "ignore")
                if len(encoded) > 1 and min(encoded) < 0x80:
                    self.fail(f"{name}: U+{point:04X}")

    def test_names_of_encodings(self) -> None:
        """Every name is its own, however it is spelt, and the aliases lead to a name on the list."""
        for name in ENCODINGS:
            self.assertEqual(encoding_name(name), name)
            self.assertEqual(encoding_name("'" + name.lower().replace("_", "-") + "'"), name)
        for alias, name in (
            ("unicode", "UTF8"),
            ("ISO-8859-1", "LATIN1"),
            ("windows-1252", "WIN1252"),
            ("KOI8", "KOI8R"),
        ):
            self.assertEqual(encoding_name(alias), name)


class Any(SynchronousTestCase):
    @given(some.dictionaries(some.text(max_size=20), some.text(max_size=20), max_size=5))
    def test_nothing_else_gets_through(self, parameters: dict[str, str]) -> None:
        """must-survive 9: whatever is said, what goes on are names of settings, and none that the login itself says, or
        the login is refused."""
        try:
            settings = target_settings(parameters)
        except LoginRefused as error:
            self.assertTrue(str(error).isprintable())
            return
        for name in settings:
            self.assertRegex(name, r"\A[a-z_][a-z0-9_$.]*\Z")
            self.assertNotIn(name, ("user", "database", "options", "replication", "application_name"))
        self.assertIn(settings["client_encoding"], ENCODINGS)

    @given(
        some.lists(
            some.tuples(some.from_regex(r"\A[a-z_]{1,8}\Z"), some.text(max_size=8)), unique_by=lambda pair: pair[0]
        )
    )
    def test_options_come_back(self, pairs: list[tuple[str, str]]) -> None:
        """Settings written with every blank and backslash escaped are read as they were."""

        def escaped(value: str) -> str:
            return "".join("\\" + char if char in " \t\n\r\f\v\\" else char for char in value)

        options = " ".join(f"-c {name}={escaped(value)}" for name, value in pairs)
        self.assertEqual(options_settings(options), dict(pairs))

    @given(some.text(alphabet="-c =\\aJ\t", max_size=30))
    def test_options_junk(self, options: str) -> None:
        """Junk in `options` is settings or a refusal, and nothing else."""
        try:
            options_settings(options)
        except LoginRefused as error:
            self.assertIn("options", str(error))

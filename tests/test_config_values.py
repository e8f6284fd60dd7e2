"""Values with units: what is right is exact, what is wrong raises ValueError in words and nothing else."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw import config_values as values
from hoopgw.config_schema import SECTIONS

TOML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.datetimes() | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


class Values(SynchronousTestCase):
    def each(self, read: Any, right: dict[Any, Any], wrong: tuple[Any, ...]) -> None:
        for written, wanted in right.items():
            self.assertEqual(read(written), wanted, written)
        for written in wrong:
            self.assertRaises(ValueError, read, written)

    def test_durations(self) -> None:
        """Seconds, minutes, hours and days; never a number without its unit."""
        right = {"30s": 30.0, "15m": 900.0, "12h": 43200.0, "400d": 34560000.0, "5 m": 300.0}
        self.each(values.duration, right, ("", "30", 30, "0s", "-1s", "1.5h", "1w", "1M", "٣s", "1s\n", None, True))
        self.assertIs(values.duration_or_never("never"), None)

    def test_sizes(self) -> None:
        """Bytes; binary units only, for "64 MB" means two things."""
        right = {"64 MiB": 64 << 20, "2 GiB": 2 << 30, "1KiB": 1024, "7 B": 7, "7": 7, 7: 7, "1 TiB": 1 << 40}
        self.each(values.size, right, ("64 MB", "64M", "-1 B", "0", 0, "1.5 GiB", True, "999999999999 TiB", 1 << 60))

    def test_rates(self) -> None:
        """How much in which time."""

        def read(written: Any) -> tuple[int, str]:
            return values.rate(written, ("session", "day"), values.count)

        right = {"100/session": (100, "session"), "5 / day": (5, "day")}
        self.each(read, right, ("100", "100/min", "/day", "x/day", "-1/day", "1/", 100, "²/day", "0/day"))

    def test_moments(self) -> None:
        """A date is its whole day, UTC; a date-time needs its offset."""
        import tomllib

        found = tomllib.loads("a = 2027-06-30\nb = 2027-06-30T12:00:00+02:00\nc = 2027-06-30T12:00:00\nd = 12:00:00")
        self.assertEqual(values.moment(found["a"]), 1814400000.0)
        self.assertEqual(values.moment(found["b"]), 1814349600.0)
        self.each(values.moment, {}, (found["c"], found["d"], "2027-06-30", 1814400000))

    def test_addresses(self) -> None:
        """Host and port; IPv6 in brackets."""
        found = values.addresses(["db1:5432", "[::1]:1", "10.0.0.1:65535"])
        self.assertEqual([(each.host, each.port) for each in found], [("db1", 5432), ("::1", 1), ("10.0.0.1", 65535)])
        for wrong in ("db1", "db1:", ":5432", "::1:5432", "[db1]:x", "a b:1", "db1:0", "db1:65536", "u@db1:1", "/x:1"):
            self.assertRaises(ValueError, values.addresses, [wrong])

    def test_secrets(self) -> None:
        """Where a secret is; what looks like the secret itself is refused, and not repeated."""
        right = {"credential:pay": "credential:pay", "file:/etc/x": "file:/etc/x", "env:PAY": "env:PAY"}
        self.each(
            lambda written: str(values.secret(written)), right, ("", "env:", "file:x", "credential:a/b", 5, "vault:x")
        )
        error = self.assertRaises(ValueError, values.secret, "hunter2")
        self.assertNotIn("hunter2", str(error))

    @given(TOML)
    def test_anything(self, value: Any) -> None:
        """Whatever stands in a file, every key of the schema reads it or raises ValueError."""
        for keys in SECTIONS.values():
            for key in keys.values():
                try:
                    key.read(value)
                except ValueError as error:
                    assert str(error)

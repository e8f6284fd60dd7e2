"""Which versions a backup may be of."""

from __future__ import annotations

import tarfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.backup.archive import Checked, Manifest
from hoopgw.cli.backup.fitting import TooNew, fitting


class Fitting(SynchronousTestCase):
    def made(self, version: str) -> Checked:
        """Without an index, as where that is in PostgreSQL."""
        place = Path(self.mktemp())
        with tarfile.open(place, "w"):
            pass
        return Checked(place, Manifest("gw", version, 0.0, "/c", "/s", "/r", "", ()), {})

    def test_versions(self) -> None:
        """By their numbers, not their letters; what is no version may be a newer one."""
        for own, good, bad in (
            ("0.10.0", ("0.9.9", "0.10", "0.10.0", "0.10.0rc1", "0"), ("0.10.1", "0.11", "1", "dev", "")),
            ("1.0", ("1", "1.0.0", "0.99"), ("1.0.0.1", "2", "v1.0")),
        ):
            for version in good:
                self.assertEqual(fitting(self.made(version), own), "", version)
            for version in bad:
                self.assertRaises(TooNew, fitting, self.made(version), own)

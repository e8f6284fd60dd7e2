"""Where the demo's secrets lie."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.demo.place import private_directory, write_secret


class Directories(SynchronousTestCase):
    def test_too_long_for_a_socket(self) -> None:
        """Says so at once, in one line, and leaves nothing."""
        place = Path(self.mktemp()).resolve() / ("x" * 90)
        place.mkdir(parents=True)
        self.patch(tempfile, "tempdir", str(place))
        error = self.assertRaises(OSError, private_directory().__enter__)
        self.assertIn("TMPDIR", str(error))
        self.assertEqual(list(place.iterdir()), [])


class Secrets(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Path(self.mktemp()).resolve()
        self.place.mkdir()

    def test_only_its_owner_reads_it(self) -> None:
        """Under any umask."""
        self.addCleanup(os.umask, os.umask(0))
        path = write_secret(self.place / "token", "secret")
        self.assertEqual((path.stat().st_mode & 0o777, path.read_text()), (0o600, "secret"))

    def test_what_was_put_there_before_learns_nothing(self) -> None:
        """Neither who holds an open file of that name, nor where a link of that name leads."""
        waiting, elsewhere = self.place / "waiting", self.place / "elsewhere"
        waiting.touch(0o666)
        (self.place / "link").symlink_to(elsewhere)
        with waiting.open() as held:
            write_secret(waiting, "secret")
            self.assertEqual(held.read(), "")
        write_secret(self.place / "link", "secret")
        self.assertFalse(elsewhere.exists())
        self.assertEqual(waiting.stat().st_mode & 0o777, 0o600)

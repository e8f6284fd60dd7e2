"""hoopgw.auth.secret_file"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth.secret_file import make_secret_file
from hoopgw.model.errors import SecretUnavailable


class Made(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "keys/own"

    def test_is_for_its_user_only(self) -> None:
        """Whatever the umask says, nobody else reads the file or sees what else is there."""
        self.addCleanup(os.umask, os.umask(0))
        make_secret_file(self.path, b"secret")
        modes = [stat.S_IMODE(each.stat().st_mode) for each in (self.path, self.path.parent)]
        self.assertEqual((self.path.read_bytes(), modes), (b"secret", [0o600, 0o700]))
        self.assertEqual(os.listdir(self.path.parent), ["own"])

    def test_what_is_there_stays(self) -> None:
        """Of two that make it at a time, both go on with the first one's."""
        make_secret_file(self.path, b"first")
        make_secret_file(self.path, b"second")
        self.assertEqual((self.path.read_bytes(), os.listdir(self.path.parent)), (b"first", ["own"]))

    def test_never_through_a_link(self) -> None:
        """A link that somebody put there leads the secret nowhere."""
        self.path.parent.mkdir(parents=True)
        elsewhere = self.path.parent / "elsewhere"
        self.path.symlink_to(elsewhere)
        make_secret_file(self.path, b"secret")
        self.assertFalse(elsewhere.exists())

    def test_where_nothing_can_be_made(self) -> None:
        """It says which file, and why."""
        self.path.parent.parent.mkdir(parents=True)
        self.path.parent.write_bytes(b"no directory")
        failure = self.assertRaises(SecretUnavailable, make_secret_file, self.path, b"secret")
        self.assertEqual(str(failure), f"{self.path} cannot be made: File exists")

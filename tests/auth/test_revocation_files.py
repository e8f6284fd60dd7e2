"""hoopgw.auth.revocation_files: what was read, and whether it still stands there."""

from __future__ import annotations

import os
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth.revocation_files import SETTLED, read_list, state
from hoopgw.model.errors import OperatorError
from hoopgw.wire.sshkrl import MAX_LIST


class Files(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.write_text("serial: 7\n")

    def read(self, later: float = 2 * SETTLED) -> tuple[bool, tuple[int, ...]]:
        found = read_list(str(self.path), (b"ca",), time.time() + later)
        return found.revocations.has_certificate(b"ca", 7, b""), found.state

    def test_states(self) -> None:
        """Another content, another file of that name, and the same bytes written again are other states."""
        good, first = self.read()
        self.assertTrue(good)
        self.assertEqual(first, state(str(self.path)))
        seen = {first}
        other = self.path.with_name("other")
        for size in range(3):
            other.write_text("serial: 8\n" + "\n" * size)
            os.replace(other, self.path)
            seen.add(state(str(self.path)))
        os.utime(self.path, ns=(1, 1))
        seen.add(state(str(self.path)))
        self.assertEqual(len(seen), 5)
        self.assertFalse(self.read()[0])

    def test_just_now(self) -> None:
        """One that was changed just now has no state: it may change again, and its times be the same."""
        self.assertEqual(self.read(later=0)[1], ())

    def test_no_list(self) -> None:
        """A FIFO, a directory, nothing, junk, too much: an error that names the file, and no waiting."""
        fifo = self.path.with_name("fifo")
        os.mkfifo(fifo)
        large = self.path.with_name("large")
        with large.open("wb") as file:
            file.truncate(MAX_LIST + 1)
        self.path.write_text("what: ever\n")
        for path in (fifo, self.path.parent, self.path.with_name("none"), self.path, large):
            error = self.assertRaises(OperatorError, read_list, str(path), (), 0.0)
            self.assertIn(str(path), str(error))

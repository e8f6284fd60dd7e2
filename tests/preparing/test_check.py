"""packaging/check.py: what fails and then passes alone is named and counts as passed, what fails twice has failed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

SCRIPT = Path(__file__).parent.parent.parent / "packaging/check.py"
TEST = """
from pathlib import Path
from twisted.trial.unittest import SynchronousTestCase

class Case(SynchronousTestCase):
    def test_good(self):
        self.assertTrue(True)
"""
UNSTEADY = """
    def test_unsteady(self):
        before = Path({marker!r})
        self.assertTrue(before.exists() or before.touch())
"""
WRONG = """
    def test_wrong(self):
        self.assertTrue(False)
"""
ENDS = """
    def test_the_end(self):
        import os
        os._exit(0)
"""


class Again(SynchronousTestCase):
    def checked(self, body: str) -> tuple[int, str]:
        """Exit status of a run of the tests of `body`, and what it printed."""
        tree = Path(self.mktemp()).absolute()
        (tree / "tests").mkdir(parents=True)
        (tree / ".cache").mkdir()
        (tree / "packaging").mkdir()
        shutil.copy(SCRIPT, tree / "packaging")
        (tree / "tests/__init__.py").touch()
        (tree / "tests/test_it.py").write_text(TEST + body.format(marker=str(tree / "before")))
        words = [sys.executable, "packaging/check.py", "tests"]
        ran = subprocess.run(words, cwd=tree, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return ran.returncode, ran.stdout

    def test_unsteady(self) -> None:
        status, said = self.checked(UNSTEADY)
        self.assertEqual((status, said.splitlines()[-1]), (0, "2 passed, 0 failed"), said)
        self.assertIn("unsteady: tests.test_it.Case.test_unsteady failed, and passed alone", said)

    def test_wrong(self) -> None:
        """One that fails twice takes the unsteady one with it."""
        status, said = self.checked(WRONG + UNSTEADY)
        self.assertEqual((status, said.splitlines()[-1]), (1, "1 passed, 2 failed"), said)
        self.assertNotIn("unsteady: ", said)

    def test_without_a_count(self) -> None:
        """A run that ends before its summary has failed, whatever its status."""
        status, said = self.checked(ENDS)
        self.assertEqual((status, said.splitlines()[-1]), (1, "0 passed, 1 failed"), said)

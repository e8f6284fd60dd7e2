from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.demo.children import Child, ChildFailed
from hoopgw.cli.demo.surroundings import surroundings

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
PARENT = """
import os, signal, sys
from pathlib import Path
from hoopgw.cli.demo.children import Child
child = Child("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], Path(sys.argv[1]), dict(os.environ))
sys.stdout.write(f"{child.pid}\\n"); sys.stdout.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


class Children(SynchronousTestCase):
    def log(self) -> Path:
        return Path(self.mktemp())

    def test_stop_waits(self) -> None:
        """After `stop` there is no such process."""
        child = Child("sleeper", SLEEPER, self.log(), os.environ)
        pid = child.pid
        self.assertTrue(child.alive)
        self.assertEqual(child.stop(), -signal.SIGTERM)
        self.assertRaises(ProcessLookupError, os.kill, pid, 0)

    def test_dies_with_a_parent_that_was_killed(self) -> None:
        """kill -9 of whoever started it ends it too."""
        done = subprocess.run(
            [sys.executable, "-c", PARENT, str(self.log())], env=surroundings(), stdout=subprocess.PIPE, check=False
        )
        path = Path(f"/proc/{int(done.stdout)}/cmdline")
        deadline = time.monotonic() + 60
        while path.exists() and b"sleep" in path.read_bytes():  # a zombie's is empty
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def test_an_early_end_is_told_with_the_log(self) -> None:
        """What a child said before it ended is in the error."""
        child = Child("failing", [sys.executable, "-c", "raise SystemExit('no such port')"], self.log(), os.environ)
        child.process.wait(60)
        error = self.assertRaises(ChildFailed, child.must_live)
        self.assertIn("no such port", str(error))

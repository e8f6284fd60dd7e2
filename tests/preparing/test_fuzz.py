"""packaging/fuzz.py: a target that hangs is ended, one that a busy machine keeps waiting is not."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

SCRIPT = Path(__file__).parent.parent.parent / "packaging/fuzz.py"


class Waiting(SynchronousTestCase):
    def setUp(self) -> None:
        described = importlib.util.spec_from_file_location("fuzz", SCRIPT)
        assert described is not None and described.loader is not None
        self.fuzz: Any = importlib.util.module_from_spec(described)
        sys.modules["fuzz"] = self.fuzz  # where its dataclass looks for itself
        self.addCleanup(sys.modules.pop, "fuzz")
        described.loader.exec_module(self.fuzz)
        self.patch(self.fuzz, "GRACE", 1.0)

    def ended(self, code: str, seconds: float) -> int:
        child = subprocess.Popen([sys.executable, "-S", "-c", code])
        self.fuzz._waited(child, seconds)
        assert child.returncode is not None
        return int(child.returncode)

    def test_starved(self) -> None:
        """What had no CPU has more time than what had it, but not for ever."""
        self.assertEqual(self.ended("import time; time.sleep(3)", 2), 0)
        self.assertEqual(self.ended("while True: pass", 0.5), -signal.SIGKILL)
        self.patch(self.fuzz, "STARVED", 1)
        self.assertEqual(self.ended("import time; time.sleep(60)", 0.5), -signal.SIGKILL)

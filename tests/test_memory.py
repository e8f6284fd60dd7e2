"""hoopgw.memory"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

ROUNDS = 50
# Four buffers of a masked read, taken and given back
PROGRAM = f"""
import resource, sys
from hoopgw.memory import keep_room
if not keep_room():
    print(-1)
    sys.exit()
def read():
    held = [b"x" * (300_000 + number) for number in range(4)]
    return len(held)
for _ in range(5):
    read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({ROUNDS}):
    read()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


class Room(SynchronousTestCase):
    def test_buffers_are_taken_without_page_faults(self) -> None:
        """Each round touches 293 pages; hardly any of them is new."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "PYTHON"))}
        environment["PYTHONPATH"] = str(Path(__file__).parent.parent)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        faults = int(done.stdout)
        if faults < 0:
            raise SkipTest("not glibc")
        self.assertLess(faults, 20 * ROUNDS)

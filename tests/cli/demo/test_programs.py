"""Programs of the machine, and those that lie unpacked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.demo.programs import Programs


class Typed(SynchronousTestCase):
    def test_of_the_machine_it_is_the_path(self) -> None:
        self.assertEqual(Programs(Path("/")).typed("env"), "/usr/bin/env")

    def test_unpacked_it_says_where_its_libraries_are(self) -> None:
        """Though a directory on the way has a space in its name; directories that are not there are not named."""
        root = Path(self.mktemp()).resolve() / "with a space"
        libraries = root / "usr/lib" / (os.uname().machine + "-linux-gnu")
        (root / "usr/bin").mkdir(parents=True)
        libraries.mkdir(parents=True)
        (root / "usr/bin/tells").write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH"\n')
        (root / "usr/bin/tells").chmod(0o755)
        done = subprocess.run(
            ["/bin/sh", "-c", Programs(root).typed("tells")], env={}, capture_output=True, text=True, check=True
        )
        self.assertEqual(done.stdout.strip().split(":"), [str(libraries), str(root / "usr/lib")])

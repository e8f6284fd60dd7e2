"""Programs of the machine, and those that lie unpacked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.demo.children import ChildFailed
from hoopgw.cli.demo.programs import Programs


class Wrapped(SynchronousTestCase):
    def test_a_wrapper_is_no_program(self) -> None:
        """postgresql-client-common brings /usr/bin/pgbench also where no pgbench is."""
        root = Path(self.mktemp()).resolve()
        (root / "usr/bin").mkdir(parents=True)
        wrapper = root / "usr/bin/pg_wrapper"
        wrapper.touch()
        wrapper.chmod(0o755)
        (root / "usr/bin/pgbench").symlink_to(wrapper)
        self.assertRaises(ChildFailed, Programs(root).__getitem__, "pgbench")
        real = root / "usr/lib/postgresql/15/bin/pgbench"
        real.parent.mkdir(parents=True)
        wrapper.rename(real)
        self.assertEqual(Programs(root)["pgbench"], real)


class Reachable(SynchronousTestCase):
    def test_under_a_strict_umask_too(self) -> None:
        """What is copied can be passed and run by every user; what packages do not hold is not missed."""
        hidden, place = Path(self.mktemp()).resolve(), Path(self.mktemp()).resolve()
        self.addCleanup(os.umask, os.umask(0o022))
        (hidden / "usr/lib/postgresql/15/bin").mkdir(parents=True)
        for program in (hidden / "usr/lib/postgresql/15/bin/postgres", hidden / "usr/sbin/pgbouncer"):
            program.parent.mkdir(exist_ok=True)
            program.write_text("#!/bin/sh\n")
            program.chmod(0o755)
        hidden.chmod(0o700)
        place.mkdir()
        os.umask(0o077)
        found = Programs(hidden).reachable(place)
        for name in ("postgres", "pgbouncer"):
            on_the_way = [each for each in (found[name], *found[name].parents) if each.is_relative_to(place / "usr")]
            self.assertTrue(all(path.stat().st_mode & 0o001 for path in on_the_way), on_the_way)


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

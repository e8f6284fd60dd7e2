"""packaging/regression.py: which archives of source are asked for, and what of one is unpacked."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.preparing.test_prepare import module


class Source(SynchronousTestCase):
    def test_the_machines_own_sources(self) -> None:
        """In both of apt's layouts, of source packages instead of packages."""
        machine, parts = Path(self.mktemp()), Path(self.mktemp())
        (machine / "sources.list.d").mkdir(parents=True)
        parts.mkdir()
        (machine / "sources.list").write_text(
            "# deb none\ndeb [signed-by=k] https://mirror.test/debian bookworm main\n"
        )
        (machine / "sources.list.d/debian.sources").write_text("Types: deb\nURIs: https://mirror.test\n")
        module("regression")._sources(machine, parts)
        wanted = {
            "0.list": "# deb none\ndeb-src [signed-by=k] https://mirror.test/debian bookworm main\n",
            "debian.sources": "Types: deb-src\nURIs: https://mirror.test\n",
        }
        self.assertEqual({path.name: path.read_text() for path in parts.iterdir()}, wanted)

    def test_only_scripts_and_data(self) -> None:
        """Plain files of sql/, data/ and the schedule, wherever a name of the archive points."""
        archive, target = Path(self.mktemp()), Path(self.mktemp())
        inside = "postgresql-15/src/test/regress/"
        names = ("sql/boolean.sql", "data/a.data", "parallel_schedule", "regress.c", "sql/../../../x", "expected/b.out")
        with tarfile.open(archive, "w:gz") as made:
            for name in names:
                member = tarfile.TarInfo(inside + name)
                member.size = 2
                made.addfile(member, io.BytesIO(b"x\n"))
            link = tarfile.TarInfo(inside + "sql/link.sql")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            made.addfile(link)
        module("regression")._unpack(archive, target)
        found = {str(path.relative_to(target)) for path in target.rglob("*") if not path.is_dir()}
        self.assertEqual(found, {"sql/boolean.sql", "data/a.data", "parallel_schedule"})

"""Finds server programs: those of the machine, else those that were unpacked into the checkout's cache."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hoopgw.cli.demo.children import ChildFailed

DIRECTORIES = ("native/bin", "usr/lib/postgresql/15/bin", "usr/bin", "usr/sbin", "usr/lib/openssh")
LIBRARIES = ("native/lib", "usr/lib/{triplet}", "lib/{triplet}", "usr/lib", "lib")

WRAPPER = "pg_wrapper"  # Debian's: it looks for a version, and may find none


@dataclass(frozen=True, slots=True)
class Programs:
    """`root` is "/" or a directory in which packages lie unpacked."""

    root: Path

    @classmethod
    def find(cls, *names: str) -> Programs:
        """Where all of `names` are.  Raises ChildFailed with what would bring them."""
        for programs in cls.everywhere(*names):
            return programs
        raise ChildFailed(
            f"not on this machine: {', '.join(names)}.  `make demo` in a checkout fetches them; "
            "as root: apt-get install --no-install-recommends postgresql-15"
        )

    @classmethod
    def everywhere(cls, *names: str) -> Iterator[Programs]:
        """Each place where all of `names` are, the machine's own first."""
        cache = Path(sys.prefix).parent / ".cache/debian/root"
        for programs in (cls(Path("/")), cls(cache)):
            if all(programs._path(name) for name in names):
                yield programs

    def __getitem__(self, name: str) -> Path:
        """The program's path."""
        found = self._path(name)
        if found is None:
            raise ChildFailed(f"{name} is not under {self.root}")
        return found

    def _path(self, name: str) -> Path | None:
        found = (self.root / directory / name for directory in DIRECTORIES)
        return next((path for path in found if os.access(path, os.X_OK) and path.resolve().name != WRAPPER), None)

    @property
    def environment(self) -> Mapping[str, str]:
        """What their dynamic loader must be told."""
        if self.root == Path("/"):
            return {}
        triplet = os.uname().machine + "-linux-gnu"
        paths = [self.root / path.format(triplet=triplet) for path in LIBRARIES]
        return {"LD_LIBRARY_PATH": ":".join(str(path) for path in paths if path.is_dir())}

    def library(self, name: str) -> Path | None:
        """The path of a shared library beside the programs."""
        triplet = os.uname().machine + "-linux-gnu"
        paths = (self.root / path.format(triplet=triplet) / name for path in LIBRARIES)
        return next((path for path in paths if path.exists()), None)

    def typed(self, name: str) -> str:
        """How a person starts it at a shell of their own."""
        settings = [f"{key}={shlex.quote(value)}" for key, value in self.environment.items()]
        return " ".join([*settings, shlex.quote(str(self[name]))])

    def reachable(self, place: Path) -> Programs:
        """The same programs where every user may run them: under `place` if a directory on the way is private."""
        if all(stat.S_IMODE(path.stat().st_mode) & stat.S_IXOTH for path in (self.root, *self.root.parents)):
            return self
        for path in (place / "usr", place / "usr/share"):  # passable whatever the caller's umask
            path.mkdir()
            path.chmod(0o755)
        for name in ("native", "usr/lib", "usr/bin", "usr/sbin", "usr/share/postgresql"):
            if (self.root / name).is_dir():
                shutil.copytree(self.root / name, place / name, symlinks=True)
        return Programs(place)

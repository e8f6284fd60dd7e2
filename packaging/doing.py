"""What each part of the preparation uses: running a program, saying so, remembering what is done."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

# what would send pip or Python somewhere else than into .venv
MISLEADING = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX")
TAIL = 30  # lines of a failed program's output that are shown


class CannotPrepare(Exception):
    """Says what is missing, and the line to type where there is one."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def surroundings(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    return kept | {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"} | dict(extra or {})


def attempt(
    command: Sequence[str | Path], cwd: Path | None = None, extra: Mapping[str, str] | None = None
) -> tuple[bool, str]:
    """(it ended with 0, all that it printed).  A program that is not there counts as one that failed."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=surroundings(extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except FileNotFoundError as error:
        return False, str(error)
    return done.returncode == 0, done.stdout.decode(errors="replace")


def run(command: Sequence[str | Path], cwd: Path | None = None, extra: Mapping[str, str] | None = None) -> str:
    """What it printed.  Raises CannotPrepare with the end of it if it fails."""
    good, printed = attempt(command, cwd, extra)
    if not good:
        end = "\n".join(printed.splitlines()[-TAIL:])
        raise CannotPrepare(f"this failed: {' '.join(map(str, command))}\n{end}")
    return printed


def digest(paths: Iterable[Path], *facts: str) -> str:
    """One word for what these files hold and these facts say."""
    found = hashlib.sha256("\0".join(facts).encode())
    for path in sorted(paths):
        found.update(f"\0{path}\0".encode() + path.read_bytes())
    return found.hexdigest()


class Stamp:
    """A file that says for which digest a piece of work was finished."""

    def __init__(self, path: Path, wanted: str) -> None:
        self._path, self._wanted = path, wanted

    def is_current(self) -> bool:
        return self._path.exists() and self._path.read_text() == self._wanted

    def clear(self) -> None:
        self._path.unlink(missing_ok=True)

    def set(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(self._wanted)

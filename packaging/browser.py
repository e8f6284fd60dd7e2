"""Has Chromium at hand for the tests: the machine's own, else unpacked from Debian's package into the cache."""

from __future__ import annotations

import shutil
from pathlib import Path

import debian

PROGRAM = "chromium-headless-shell"


def prepare(cache: Path) -> None:
    """A root of its own: its many libraries shall not stand before those of the servers."""
    if shutil.which(PROGRAM) is None:
        debian.unpack(cache / "debian", "browser", [PROGRAM])

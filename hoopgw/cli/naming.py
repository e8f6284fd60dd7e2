"""Which line of the configuration's files names something: a secret, a certificate."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hoopgw.config import TABLES


def place_of(main: Path, name: str) -> tuple[str, int]:
    """(file, line) of the first that has it; the beginning of `main` where none has it in these words."""
    whole = re.compile(rf"{re.escape(name)}(?![\w./-])")
    for path in _files(main):
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            if whole.search(line) and not line.lstrip().startswith("#"):
                return str(path), number
    return str(main), 1


def _files(main: Path) -> Iterator[Path]:
    yield from (path for path in (main,) if path.is_file())
    for name in TABLES:
        yield from sorted((main.parent / name).glob("*.toml"))

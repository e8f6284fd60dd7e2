"""Where the running gateway's admin socket is, noted below its state: its files may name another one by now."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_NOTE = "admin.place"
_MAX = 4096  # bytes of a path (PATH_MAX)


def note(state: Path, socket: str) -> None:
    """Whole or not at all; for the gateway's user alone, as all that lies there.  Raises OSError."""
    descriptor, temporary = tempfile.mkstemp(dir=state, prefix=f".{_NOTE}.")
    try:
        with open(descriptor, "wb") as file:
            file.write(os.fsencode(socket))
        os.replace(temporary, state / _NOTE)
    except OSError:
        os.unlink(temporary)
        raise


def noted(state: Path) -> str:
    """The path; "" where there is none, or who asks may not look."""
    try:
        with (state / _NOTE).open("rb") as file:
            found = file.read(_MAX + 1)
    except OSError:
        return ""
    return os.fsdecode(found) if found.startswith(b"/") and len(found) <= _MAX else ""

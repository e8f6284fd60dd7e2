"""Writes a setup's files: each whole or not at all, and what was there before comes back if one cannot be written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from hoopgw.store.recordings import synced

FILE, DIRECTORY = 0o644, 0o755  # who runs the gateway reads them; a secret is never in them


def write_all(files: Mapping[Path, bytes]) -> None:
    """Raises OSError; then everything is as it was."""
    before: dict[Path, bytes | None] = {}
    try:
        for path, content in files.items():
            before[path] = path.read_bytes() if path.exists() else None
            _write(path, content, FILE)
    except OSError:
        for path, content_before in before.items():
            with suppress(OSError):  # the first error is the one to tell
                _put_back(path, content_before)
        raise


def _put_back(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    else:
        _write(path, content, FILE)


def write_secret(path: Path, content: bytes, owner: Path) -> None:
    """New, mode 0600, for the user that `owner` belongs to.  Raises FileExistsError where there is one; OSError."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        belong(descriptor, owner)
        os.fsync(descriptor)
    synced(path.parent)


def belong(descriptor: int, owner: Path) -> None:
    """To the user of `owner`, which is the service's own directory; as another user than root that is oneself."""
    if os.geteuid() == 0 and owner.exists():
        found = owner.stat()
        os.fchown(descriptor, found.st_uid, found.st_gid)


def _write(path: Path, content: bytes, mode: int) -> None:
    if not path.parent.exists():
        path.parent.mkdir(mode=DIRECTORY, parents=True)
        path.parent.chmod(DIRECTORY)  # whatever the umask
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    synced(path.parent)

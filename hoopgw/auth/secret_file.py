"""A secret that the gateway makes for itself -> a file that only its user may read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hoopgw.model.errors import SecretUnavailable


def make_secret_file(path: Path, content: bytes) -> None:
    """Mode 0600; its directory too, with mode 0700, where there is none.  Whole or not at all, also where the power
    goes; what somebody else made there meanwhile stays.  Raises SecretUnavailable."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(path, content)
    except OSError as error:
        raise SecretUnavailable(f"{path} cannot be made: {error.strerror}") from error


def _make(path: Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return  # another process was first: its key is the key
    finally:
        os.unlink(temporary)

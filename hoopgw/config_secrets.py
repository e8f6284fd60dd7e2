"""Reads the secrets that the configuration refers to: systemd credentials, private files, the environment."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hoopgw.model.errors import SecretUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.target import SecretReference

MAX_SECRET = 64 * 1024  # bytes: a key with its comments


def read_secret(reference: SecretReference) -> Secret:
    """The secret, without the newline that editors leave at its end.  Raises SecretUnavailable."""
    if reference.kind == "env":
        value = os.environ.get(reference.name)
        if not value:
            raise SecretUnavailable(f"the environment has no {reference.name}")
        return Secret(value.encode())
    if reference.kind == "credential":
        directory = os.environ.get("CREDENTIALS_DIRECTORY", "")
        if not directory:
            raise SecretUnavailable(f"credential:{reference.name}: systemd passed no credentials to this process")
        return _from_file(Path(directory) / reference.name, private=False)
    return _from_file(Path(reference.name), private=True)


def _from_file(path: Path, *, private: bool) -> Secret:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            if private and mode & 0o077:
                raise SecretUnavailable(f"{path} may be read by others (mode {mode:03o}): chmod 600 {path}")
            data = file.read(MAX_SECRET + 1)
    except OSError as error:
        raise SecretUnavailable(f"{path} cannot be read: {error.strerror}") from error
    value = data.rstrip(b"\r\n")
    if not value or len(data) > MAX_SECRET:
        raise SecretUnavailable(f"{path} is empty, or larger than {MAX_SECRET} bytes")
    return Secret(value)


def read_or_make(reference: SecretReference, size: int = 32) -> Secret:
    """As `read_secret`; a `file:` that is missing is made first, of random bytes in hex, mode 0600."""
    path = Path(reference.name)
    if reference.kind == "file" and not path.exists():
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(os.urandom(size).hex().encode() + b"\n")
                file.flush()
                os.fsync(descriptor)
        except OSError as error:
            raise SecretUnavailable(f"{path} cannot be made: {error.strerror}") from error
    return read_secret(reference)

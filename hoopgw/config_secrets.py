"""Reads the secrets that the configuration refers to: systemd credentials, private files, the environment."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hoopgw.auth.local import load_or_make_key
from hoopgw.auth.secret_file import make_secret_file
from hoopgw.model.errors import OperatorError, SecretUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.settings import Settings
from hoopgw.model.target import SecretReference

MAX_SECRET = 64 * 1024  # bytes: a key with its comments
AT_START = "credentials are handed over at a start, not at a reload"


def read_secret(reference: SecretReference, environment: Mapping[str, str] | None = None) -> Secret:
    """The secret, without the newline that editors leave at its end.  Raises SecretUnavailable.

    `environment` is this process's own where it is not given; systemd names its credentials' directory there.
    """
    if reference.kind == "pkcs11":
        raise SecretUnavailable(f"{reference}: a key in a token signs, and cannot be read")
    if reference.kind not in ("env", "credential", "file"):
        raise SecretUnavailable(f"{reference}: only the running gateway reads it")
    given = os.environ if environment is None else environment
    if reference.kind == "env":
        value = given.get(reference.name)
        if not value:
            raise SecretUnavailable(f"the environment has no {reference.name}")
        return Secret(value.encode(errors="surrogateescape"))
    if reference.kind == "credential":
        directory = given.get("CREDENTIALS_DIRECTORY", "")
        if not directory:
            raise SecretUnavailable(f"credential:{reference.name}: systemd passed no credentials to this process")
        return _from_file(Path(directory) / reference.name, private=False)
    return _from_file(Path(reference.name), private=True)


def read_for_service(reference: SecretReference) -> Secret:
    """As `read_secret`; root, who checks and tries what the service will do, may read its user's own files too."""
    if reference.kind == "file" and os.geteuid() == 0:
        return _from_file(Path(reference.name), private=True, anyones=True)
    return read_secret(reference)


def made_at_start(settings: Settings, reference: SecretReference) -> bool:
    """Whether it is a key of the gateway's own place, which a start makes where there is none."""
    return reference.kind == "file" and Path(reference.name).parent == Path(settings.state) / "keys"


def read_secrets(references: Iterable[SecretReference | None]) -> dict[SecretReference, Secret]:
    """Each of them.  Raises SecretUnavailable with all that is wrong."""
    found: dict[SecretReference, Secret] = {}
    wrong: list[str] = []
    for reference in dict.fromkeys(references):
        try:
            if reference is not None:
                found[reference] = read_secret(reference)
        except SecretUnavailable as error:
            wrong.append(str(error))
    if wrong:
        raise SecretUnavailable("; ".join(wrong))
    return found


def _from_file(path: Path, *, private: bool, anyones: bool = False) -> Secret:
    """What was opened is what is looked at and read: nobody can exchange it in between."""
    try:
        # a FIFO must not stop the gateway's start for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            _check(path, os.fstat(descriptor), private, anyones)
            data = file.read(MAX_SECRET + 1)
    except OSError as error:
        came_late = not private and isinstance(error, FileNotFoundError)
        more = f"; {AT_START}" if came_late else ""
        raise SecretUnavailable(f"{path} cannot be read: {error.strerror}{more}") from error
    value = data.rstrip(b"\r\n")
    if not value or len(data) > MAX_SECRET:
        raise SecretUnavailable(f"{path} is empty, or larger than {MAX_SECRET} bytes")
    return Secret(value)


def _check(path: Path, found: os.stat_result, private: bool, anyones: bool) -> None:
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISREG(found.st_mode):
        raise SecretUnavailable(f"{path} is not a file")
    if private and mode & 0o077:
        raise SecretUnavailable(f"{path} may be read by others (mode {mode:03o}): chmod 600 {path}")
    if private and not anyones and found.st_uid not in (0, os.geteuid()):
        raise SecretUnavailable(f"{path} belongs to another user, who can change it")


def read_or_make(reference: SecretReference, size: int = 32) -> Secret:
    """As `read_secret`; a `file:` that is missing is made first, of random bytes in hex, mode 0600."""
    path = Path(reference.name)
    if reference.kind == "file" and not path.exists():
        make_secret_file(path, os.urandom(size).hex().encode() + b"\n")
    return read_secret(reference)


def signing_key(reference: SecretReference) -> Ed25519PrivateKey:
    """Of seals or identities: Ed25519, PKCS 8 in PEM; a `file:` that is missing is made.  Raises OperatorError."""
    if reference.kind == "file":
        return load_or_make_key(Path(reference.name))
    try:
        key = serialization.load_pem_private_key(read_secret(reference).reveal(), None)
    except (ValueError, TypeError) as error:
        raise OperatorError(f"{reference.kind}:{reference.name} is not a private key in PEM, unencrypted") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise OperatorError(f"{reference.kind}:{reference.name} is not an Ed25519 key")
    return key

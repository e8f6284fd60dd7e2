"""What belongs into a backup, and which of it is secret."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hoopgw.auth.pkcs11_uri import key_uri
from hoopgw.config import Config
from hoopgw.config_signing import tokens_of
from hoopgw.model.errors import OperatorError
from hoopgw.model.target import SecretReference
from hoopgw.store.recordings import Recordings

CONFIG, STATE, RECORDINGS, ELSEWHERE = "config", "state", "recordings", "elsewhere"
MAX_SECRETS = 64 << 20  # bytes of all that is encrypted: it is in memory, twice
MAX_SMALL = 16 << 20  # bytes of one file of the configuration
_PRIVATE = b"PRIVATE KEY"


@dataclass(frozen=True, slots=True)
class Place:
    """A file of a backup: below what it lies, and where there.  `elsewhere` has absolute paths."""

    root: str
    path: str

    @property
    def member(self) -> str:
        """Its name in the archive."""
        return f"{self.root}/{self.path.lstrip('/')}"


@dataclass(frozen=True, slots=True)
class Item:
    """One file as it was: `sha256` in hex, `size` in bytes; owner and group by name, "" where they have none."""

    root: str
    path: str
    size: int
    sha256: str
    mode: int
    owner: str
    group: str
    secret: bool

    @property
    def place(self) -> Place:
        return Place(self.root, self.path)

    def shape(self) -> dict[str, Any]:
        return asdict(self)


def configuration(directory: Path) -> Iterator[tuple[Place, bool]]:
    """Every file below the configuration's directory, and whether it is secret: all but TOML and public PEM are."""
    for path in _files(directory):
        yield Place(CONFIG, str(path.relative_to(directory))), _secret(path)


def _secret(path: Path) -> bool:
    if path.suffix not in (".toml", ".pem", ".crt", ".pub"):
        return True
    return _PRIVATE in small(path)


def small(path: Path) -> bytes:
    """Raises OperatorError for a file that is too large for what it should be; OSError."""
    with path.open("rb") as file:
        content = file.read(MAX_SMALL + 1)
    if len(content) > MAX_SMALL:
        raise OperatorError(f"{path} has more than {MAX_SMALL} bytes: that is no file of a configuration")
    return content


def keys(loaded: Config, directory: Path) -> Iterator[Place]:
    """The gateway's own keys under the state directory, and secrets that the configuration names by `file:` wherever
    they are; what lies under the configuration's directory is not among them."""
    state = Path(loaded.settings.state)
    known: set[Path] = set()
    for path in _files(state / "keys"):
        known.add(path)
        yield Place(STATE, str(path.relative_to(state)))
    for reference in references(loaded):
        path = Path(reference.name)
        if reference.kind != "file" or path in known or not path.exists() or directory in path.parents:
            continue
        known.add(path)
        below = state in path.parents
        yield Place(STATE, str(path.relative_to(state))) if below else Place(ELSEWHERE, str(path))


def references(loaded: Config) -> Iterator[SecretReference]:
    """Of everything that the configuration keeps out of its files, each once."""
    settings = loaded.settings
    roles = [role for target in loaded.targets.values() for role in target.roles.values()]
    found = [settings.tls.key, settings.store.password, settings.recordings.signing_key, settings.mask_key]
    found += [settings.identity_key]
    found += [*settings.ssh.host_keys, settings.ssh.target_authority, settings.ssh.login_authority]
    found += [key_uri(str(each)).pin for each in tokens_of(settings)]
    found += [each for vault in settings.vaults for each in (vault.token, vault.secret_id, vault.jwt)]
    found += [each for aws in settings.aws for each in (aws.key_id, aws.secret, aws.session_token)]
    found += [each for role in roles for each in role.secrets]
    yield from (each for each in dict.fromkeys(found) if each is not None)


def not_in_files(loaded: Config) -> list[str]:
    """Secrets that no backup of files can hold."""
    return [str(each) for each in references(loaded) if each.kind in ("env", "pkcs11")]


def journals(place: Recordings) -> list[Path]:
    """Of the gateway and of sessions; segments are not among them, and the public keys are in every backup."""
    return [*([place.gateway_journal] if place.gateway_journal.exists() else []), *place.journals()]


def _files(directory: Path) -> Iterator[Path]:
    """Files, by name; a link to a file is that file, and what an editor or a write left is passed over."""
    for place, directories, names in os.walk(directory, onerror=_raise):
        directories.sort()
        for name in sorted(names):
            path = Path(place) / name
            if not name.startswith(".") and path.is_file():
                yield path


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def owner_names(found: os.stat_result) -> tuple[str, str]:
    owner = group = ""
    with suppress(KeyError):
        owner = pwd.getpwuid(found.st_uid).pw_name
    with suppress(KeyError):
        group = grp.getgrgid(found.st_gid).gr_name
    return owner, group

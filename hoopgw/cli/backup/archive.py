"""The file of a backup: a tar whose last member says what all others must be.

`secrets` is a tar of the secret files, encrypted; `manifest.json` names every file with its digest and is bound to
`secrets`, so that the passphrase proves all of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import IO, Any

from hoopgw.cli.backup.contents import CONFIG, ELSEWHERE, MAX_SECRETS, RECORDINGS, STATE, Item
from hoopgw.cli.backup.sealing import opened
from hoopgw.model.errors import OperatorError
from hoopgw.model.secret import Secret

MANIFEST, SECRETS, FORMAT = "manifest.json", "secrets", 1
MAX_MANIFEST = 256 << 20  # bytes: a million recordings have 200 each
PIECE = 1 << 20
_TYPES = {"str": str, "int": int, "bool": bool}


class NotABackup(OperatorError):
    """A file that is none, is damaged, or says what no backup says."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`items` are in the order of the archive; `config` and `state` are the directories that they came from."""

    gateway: str
    version: str
    made: float
    config: str
    state: str
    recordings: str
    index: str
    items: tuple[Item, ...]

    def stored(self) -> bytes:
        shape = {name.name: getattr(self, name.name) for name in fields(self) if name.name != "items"}
        items = [item.shape() for item in self.items]
        return json.dumps({"format": FORMAT, **shape, "items": items}, sort_keys=True).encode()


def bound(manifest: bytes) -> bytes:
    return hashlib.sha256(manifest).digest()


def add(archive: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    archive.addfile(member, content)


def packed(files: dict[str, bytes]) -> bytes:
    """The tar of the secret files."""
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            add(archive, name, len(content), io.BytesIO(content))
    return found.getvalue()


# ---- reading


@dataclass(frozen=True, slots=True)
class Checked:
    """A backup every byte of which is as it was made."""

    path: Path
    manifest: Manifest
    secrets: dict[str, bytes]

    def public(self) -> Iterator[tuple[Item, IO[bytes]]]:
        """The files that are not secret, each to be read before the next one."""
        items = {item.place.member: item for item in self.manifest.items if not item.secret}
        with _open(self.path) as archive:
            for member in archive:
                content = archive.extractfile(member)
                if member.name in items and content is not None:
                    yield items[member.name], content


def checked(path: Path, passphrase: Secret) -> Checked:
    """Reads all of it.  Raises NotABackup, NotOpened, OSError."""
    try:
        raw, stored, digests = _members(path)
    except tarfile.TarError as error:
        raise NotABackup(f"{path} is no backup, or is damaged: {error}") from error
    manifest = _manifest(raw)
    secrets = _secrets(opened(stored, bound(raw), passphrase))
    for name, content in secrets.items():
        digests[name] = hashlib.sha256(content).hexdigest()
    wanted = {item.place.member: item.sha256 for item in manifest.items}
    if len(wanted) != len(manifest.items) or digests != wanted:
        wrong = sorted(name for name in {*digests, *wanted} if digests.get(name) != wanted.get(name))
        raise NotABackup(f"{path} is damaged: {', '.join(wrong[:5]) or 'a file is in it twice'}")
    if {item.place.member for item in manifest.items if item.secret} != secrets.keys():
        raise NotABackup(f"{path}: what should be encrypted is not")
    return Checked(path, manifest, secrets)


def _open(path: Path) -> tarfile.TarFile:
    return tarfile.open(path, mode="r:")


def _members(path: Path) -> tuple[bytes, bytes, dict[str, str]]:
    """(manifest, sealed secrets, digests of the others)."""
    found = {MANIFEST: b"", SECRETS: b""}
    digests: dict[str, str] = {}
    with _open(path) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            if content is None or member.name in digests:
                raise NotABackup(f"{path}: {member.name!r} has no place in a backup")
            if member.name in found:
                found[member.name] = _bounded(content, member.size, MAX_MANIFEST)
            else:
                digests[member.name] = _digest(content, member.size)
        _nothing_behind(path, archive.offset)
    return found[MANIFEST], found[SECRETS], digests


def _nothing_behind(path: Path, end: int) -> None:
    """Of a tar's end and what fills its last record: zeros (POSIX, pax)."""
    with path.open("rb") as file:
        file.seek(end)
        while piece := file.read(PIECE):
            if piece.strip(b"\0"):
                raise NotABackup(f"{path} is damaged: something stands behind its end")


def _bounded(content: IO[bytes], size: int, limit: int) -> bytes:
    if size > limit:
        raise NotABackup(f"a part of {size} bytes where at most {limit} are")
    read = content.read(size)
    if len(read) != size:
        raise NotABackup("it ends early")
    return read


def _digest(content: IO[bytes], size: int) -> str:
    found, seen = hashlib.sha256(), 0
    while piece := content.read(PIECE):
        found.update(piece)
        seen += len(piece)
    if seen != size:
        raise NotABackup("it ends early")
    return found.hexdigest()


def _secrets(plain: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                found[member.name] = _bounded(content, member.size, MAX_SECRETS)
    return found


def _manifest(raw: bytes) -> Manifest:
    try:
        shape: dict[str, Any] = json.loads(raw)
        if shape.pop("format") != FORMAT:
            version = str(shape.get("version"))[:40]
            raise NotABackup(
                f"it was made by hoopgw {version}, in a form that this one does not know: restore it by that"
            )
        items = tuple(_item(each) for each in shape.pop("items"))
        return Manifest(items=items, **shape)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NotABackup("it has no manifest: it is no backup, or was not finished") from error


def _item(shape: dict[str, Any]) -> Item:
    """Nothing is ever written to a place that a path with `..` leads to."""
    item = Item(**shape)
    for field in fields(Item):
        if type(getattr(item, field.name)) is not _TYPES[str(field.type)]:
            raise NotABackup("its manifest is not of the right shape")
    parts = PurePosixPath(item.path)
    absolute = item.root == ELSEWHERE
    if item.root not in (CONFIG, STATE, RECORDINGS, ELSEWHERE) or parts.is_absolute() != absolute:
        raise NotABackup(f"{item.path!r} is no place of a backup")
    if ".." in parts.parts or not item.path or "\0" in item.path or item.mode & ~0o777:
        raise NotABackup(f"{item.path!r} is no place of a backup")
    return item

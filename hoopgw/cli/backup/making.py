"""Makes the file of a backup, while the gateway runs or not."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from hoopgw import __version__
from hoopgw.cli.backup import archive, contents, copying
from hoopgw.cli.backup.contents import RECORDINGS, STATE, Item, Place
from hoopgw.cli.backup.sealing import sealed
from hoopgw.config import Config
from hoopgw.model.errors import OperatorError
from hoopgw.model.secret import Secret
from hoopgw.store.recordings import Recordings, synced


@dataclass(frozen=True, slots=True)
class Made:
    """`notes` are what is not in it, and why."""

    manifest: archive.Manifest
    notes: tuple[str, ...]


class Making:
    """One backup, of what `loaded` says, below `directory`, the configuration's."""

    def __init__(self, loaded: Config, directory: Path, now: float, token_bytes: Callable[[int], bytes]) -> None:
        self._loaded = loaded
        self._directory = directory
        self._state = Path(loaded.settings.state)
        self._recordings = Path(loaded.settings.recordings.directory)
        self._now = now
        self._token_bytes = token_bytes
        self._items: list[Item] = []
        self._secrets: dict[str, bytes] = {}
        self._notes = [f"{each} is not in a file, and not in the backup" for each in contents.not_in_files(loaded)]

    def make(self, path: Path, passphrase: Secret, with_recordings: bool) -> Made:
        """Whole, mode 0600, or not at all.  Raises FileExistsError, OSError, OperatorError."""
        if path.exists():
            raise FileExistsError(f"{path} is there already: a backup never replaces another")
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        try:
            with open(descriptor, "wb") as file:
                manifest = self._written(file, passphrase, with_recordings, path.parent)
                file.flush()
                os.fsync(descriptor)
            os.link(name, path)  # never over one that came meanwhile
        finally:
            os.unlink(name)
        synced(path.parent)
        return Made(manifest, tuple(self._notes))

    def _written(self, file: io.BufferedWriter, passphrase: Secret, whole: bool, place: Path) -> archive.Manifest:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for each, secret in contents.configuration(self._directory):
                self._small(tar, each, self._directory / each.path, secret)
            for each in contents.keys(self._loaded, self._directory):
                self._small(tar, each, self._state / each.path, True)
            public = Recordings(self._recordings).public_key
            if public.exists():
                self._small(tar, Place(RECORDINGS, public.name), public, False)
            index = self._index(tar, place)
            if whole:
                self._recorded(tar)
            manifest = self._manifest(index)
            stored = manifest.stored()
            self._add(tar, archive.SECRETS, self._sealed(archive.bound(stored), passphrase))
            self._add(tar, archive.MANIFEST, stored)
        return manifest

    def _sealed(self, bound: bytes, passphrase: Secret) -> bytes:
        if sum(map(len, self._secrets.values())) > contents.MAX_SECRETS:
            raise OperatorError(
                f"more than {contents.MAX_SECRETS} bytes of secrets: what is that, below the directory?"
            )
        return sealed(archive.packed(self._secrets), bound, passphrase, self._token_bytes)

    def _add(self, tar: tarfile.TarFile, name: str, content: bytes) -> None:
        archive.add(tar, name, len(content), io.BytesIO(content))

    def _small(self, tar: tarfile.TarFile, place: Place, path: Path, secret: bool) -> None:
        content = contents.small(path)
        self._item(place, path.stat(), len(content), hashlib.sha256(content).hexdigest(), secret)
        if secret:
            self._secrets[place.member] = content
        else:
            self._add(tar, place.member, content)

    def _item(self, place: Place, found: os.stat_result, size: int, digest: str, secret: bool) -> None:
        owner, group = contents.owner_names(found)
        mode = stat.S_IMODE(found.st_mode) & 0o777
        self._items.append(Item(place.root, place.path, size, digest, mode, owner, group, secret))

    def _index(self, tar: tarfile.TarFile, place: Path) -> str:
        """Its path under the state directory, or "" where it is not in the backup."""
        url = self._loaded.settings.store.url
        path = Path(url.removeprefix("sqlite:"))
        if not url.startswith("sqlite:"):
            self._notes.append("the index is in PostgreSQL: back it up there (pg_dump)")
            return ""
        if not path.exists():
            self._notes.append(f"there is no index {path} yet")
            return ""
        with tempfile.TemporaryDirectory(dir=place, prefix=".hoopgw-index-") as directory:
            copy = Path(directory) / "index"
            copying.index(path, copy)
            recorded = copying.Recorded(copy, copy.stat().st_size)
            inside = self._state in path.parents
            where = Place(STATE, str(path.relative_to(self._state))) if inside else Place(contents.ELSEWHERE, str(path))
            self._stream(tar, where, path.stat(), recorded)
        return str(path)

    def _recorded(self, tar: tarfile.TarFile) -> None:
        moment = copying.moment(self._recordings)
        try:
            for each in moment.files:
                place = Place(RECORDINGS, str(each.path.relative_to(self._recordings)))
                found = os.fstat(each.file.fileno()) if each.file is not None else each.path.stat()
                self._stream(tar, place, found, each)
        finally:
            moment.close()
        if not moment.settled:
            self._notes.append("journals grew all the time: of live sessions the last chunks may lack earlier ones")

    def _stream(self, tar: tarfile.TarFile, place: Place, found: os.stat_result, recorded: copying.Recorded) -> None:
        self._item(place, found, recorded.size, copying.digest(recorded), False)
        archive.add(tar, place.member, recorded.size, cast(IO[bytes], _Stream(copying.pieces(recorded))))

    def _manifest(self, index: str) -> archive.Manifest:
        return archive.Manifest(
            gateway=self._loaded.settings.name,
            version=__version__,
            made=self._now,
            config=str(self._directory),
            state=str(self._state),
            recordings=str(self._recordings),
            index=index,
            items=tuple(self._items),
        )


class _Stream(io.RawIOBase):
    """Pieces, as tarfile wants to read them."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size or size < 0:
            piece = next(self._pieces, b"")
            if not piece:
                break
            self._rest += piece
        found, self._rest = (self._rest, b"") if size < 0 else (self._rest[:size], self._rest[size:])
        return found

"""Puts the files of a checked backup in their places."""

from __future__ import annotations

import grp
import hashlib
import io
import os
import pwd
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from hoopgw.cli.backup.archive import PIECE, Checked
from hoopgw.cli.backup.contents import CONFIG, RECORDINGS, STATE, Item
from hoopgw.model.errors import OperatorError
from hoopgw.store.keys import each_key
from hoopgw.store.recordings import Recordings, synced


class InTheWay(OperatorError):
    """Files stand where the backup's would go, and are others."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was written, and where earlier recordings went ("" where there were none)."""

    written: tuple[Path, ...]
    aside: str


class Restoring:
    """Of one backup; the configuration goes to `directory`, all else where it came from."""

    def __init__(self, backup: Checked, directory: Path, now: float) -> None:
        self._backup = backup
        self._manifest = backup.manifest
        self._roots = {
            CONFIG: directory,
            STATE: Path(self._manifest.state),
            RECORDINGS: Path(self._manifest.recordings),
        }
        self._now = now
        self._public_key = Recordings(self._roots[RECORDINGS]).public_key
        self._with_recordings = any(
            item.root == RECORDINGS and self.path(item) != self._public_key for item in self._manifest.items
        )

    def path(self, item: Item) -> Path:
        return self._roots[item.root] / item.path if item.root in self._roots else Path(item.path)

    def in_the_way(self) -> list[Path]:
        """Files that are there and are others than the backup's; of recordings, the directory."""
        found = []
        for item in self._manifest.items:
            path = self.path(item)
            if item.root != RECORDINGS and (path.is_symlink() or path.exists()) and not _same(path, item):
                found.append(path)
        if self._with_recordings and self._recorded():
            found.append(self._roots[RECORDINGS])
        return found

    def _recorded(self) -> bool:
        directory = self._roots[RECORDINGS]
        return directory.exists() and any(directory.iterdir())

    def restore(self, force: bool) -> Restored:
        """Raises InTheWay, before anything is changed; OSError."""
        there = self.in_the_way()
        if there and not force:
            names = "\n  ".join(map(str, there[:20]))
            more = f"\n  and {len(there) - 20} more" if len(there) > 20 else ""
            raise InTheWay(f"these are there, and are others than the backup's:\n  {names}{more}")
        aside = self._put_aside() if self._with_recordings and self._recorded() else ""
        self._forget_index()
        written = [path for item, content in self._contents() for path in self._placed(item, content)]
        for directory in {path.parent for path in written}:
            synced(directory)
        return Restored(tuple(written), aside)

    def _put_aside(self) -> str:
        """Recordings are evidence: those of a gateway that ran here meanwhile are kept, whole."""
        directory = self._roots[RECORDINGS]
        moment = datetime.fromtimestamp(self._now, UTC).strftime("%Y%m%dT%H%M%SZ")
        aside = directory.with_name(f"{directory.name}.before-restore-{moment}")
        if aside.exists():
            raise OperatorError(f"{aside} is there already: try again in a second")
        directory.rename(aside)
        return str(aside)

    def _forget_index(self) -> None:
        """SQLite would apply what another index left beside it to this one."""
        if self._manifest.index:
            for suffix in ("-wal", "-shm", "-journal"):
                Path(self._manifest.index + suffix).unlink(missing_ok=True)

    def _contents(self) -> Iterator[tuple[Item, IO[bytes]]]:
        for item in self._manifest.items:
            if item.secret:
                yield item, io.BytesIO(self._backup.secrets[item.place.member])
        yield from self._backup.public()

    def _placed(self, item: Item, content: IO[bytes]) -> Iterator[Path]:
        path = self.path(item)
        if path == self._public_key and not self._with_recordings and path.exists():
            content = io.BytesIO(_joined(content.read(), path.read_bytes()))
        elif not path.is_symlink() and path.exists() and _same(path, item):
            _settled(path, item)
            return
        self._directory(path.parent, item)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:64]}.")
        try:
            with open(descriptor, "wb") as file:
                while piece := content.read(PIECE):
                    file.write(piece)
                file.flush()
                _belong(descriptor, item)
                os.fchmod(descriptor, item.mode)
                os.fsync(descriptor)
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)
            raise
        yield path

    def _directory(self, directory: Path, item: Item) -> None:
        """As the package makes them: those of secrets for their group, those of the state for its owner only."""
        if directory.exists():
            return
        self._directory(directory.parent, item)
        directory.mkdir(mode=0o700)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if item.root in (STATE, RECORDINGS):
                _belong(descriptor, item)
            elif item.secret:
                _belong(descriptor, item, owner=False)
                os.fchmod(descriptor, 0o750)
            else:
                os.fchmod(descriptor, 0o755)
        finally:
            os.close(descriptor)


def _same(path: Path, item: Item) -> bool:
    if not path.is_file() or path.stat().st_size != item.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == item.sha256


def _settled(path: Path, item: Item) -> None:
    """Of a file that has the content already: a key that somebody opened to all since would keep the gateway from a
    start."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _belong(descriptor, item)
        os.fchmod(descriptor, item.mode)
    finally:
        os.close(descriptor)


def _belong(descriptor: int, item: Item, owner: bool = True) -> None:
    """To whom it belonged, by name: on another machine numbers are others.  Only root can."""
    if os.geteuid() != 0:
        return
    uid = gid = -1
    with suppress(KeyError):  # nobody of that name here: it stays root's, and `hoopgw doctor` names what follows
        uid = pwd.getpwnam(item.owner).pw_uid if owner else -1
    with suppress(KeyError):
        gid = grp.getgrnam(item.group).gr_gid
    os.fchown(descriptor, uid, gid)


def _joined(first: bytes, then: bytes) -> bytes:
    """The public keys of both: the backup's signs from now on, and what was recorded here stays verifiable."""
    return b"".join(dict.fromkeys([*each_key(first), *each_key(then)]))

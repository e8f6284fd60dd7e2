"""Whether this program can take what a backup holds: an older one never takes what a newer one wrote."""

from __future__ import annotations

import re
from pathlib import Path

from hoopgw import __version__
from hoopgw.cli.backup.archive import Checked
from hoopgw.cli.backup.contents import STATE, Item
from hoopgw.model.errors import OperatorError
from hoopgw.store import migrations
from hoopgw.store.statements import VERSION

_NUMBERS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,9}")
_HEADER = 100  # bytes of a SQLite file's header; PRAGMA user_version stands in it (SQLite's file format, 1.3)
EMPTY = 0  # the schema of an index that no start has come to
_MAGIC, _USER_VERSION = b"SQLite format 3\0", slice(60, 64)


class TooNew(OperatorError):
    """A backup of a newer hoopgw than this one, or of one that nobody can tell from that."""


def fitting(backup: Checked, own: str = __version__) -> str:
    """What the next start will do to it, in words; "" for nothing.  Raises TooNew, OSError."""
    made = backup.manifest.version
    theirs, ours = _numbers(made), _numbers(own)
    if theirs is None or ours is None or theirs > ours:
        raise TooNew(
            f"{backup.path} was made by hoopgw {made[:40]}, and this is {own}: an older one may not read what a newer "
            "one wrote. Install that version, or a newer one, and restore then."
        )
    version = _schema(backup)
    if version is None or version in (EMPTY, VERSION):
        return ""
    problem = migrations.problem(version)
    if problem:
        raise TooNew(f"the index in {backup.path} is not for this hoopgw: {problem}")
    return f"its index has schema version {version}: the next start brings it up to {VERSION}"


def _numbers(version: str) -> tuple[int, ...] | None:
    """None for what is no version.  What follows the numbers, as `rc1`, is passed over; 1.0 is 1.0.0."""
    found = _NUMBERS.match(version)
    if found is None:
        return None
    numbers = [int(number) for number in found[0].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _schema(backup: Checked) -> int | None:
    """Of its index; None where it has none.  Raises TooNew for what is no index."""
    for item, content in backup.public():
        if _is_index(item, backup):
            header = content.read(_HEADER)
            if not header:
                return EMPTY
            if len(header) < _HEADER or not header.startswith(_MAGIC):
                raise TooNew(f"the index in {backup.path} is no SQLite file that this hoopgw knows")
            return int.from_bytes(header[_USER_VERSION], "big", signed=True)
    return None


def _is_index(item: Item, backup: Checked) -> bool:
    place = Path(backup.manifest.state) / item.path if item.root == STATE else Path(item.path)
    return bool(backup.manifest.index) and place == Path(backup.manifest.index)

"""What prepared statements and portals of one connection mean, also while it is not known yet whether they exist.

A name means what was sent last, until the target says otherwise: a Parse that failed, or was skipped up to Sync, gives the
name back to what it meant before.  Inside one pipeline up to Sync that is always right, because what follows a failed
Parse is skipped as well; over a Sync the relay waits for the answer (`unsettled`).
"""

from __future__ import annotations

from typing import final

MAX_NAMES = 10_000  # of one connection, statements and portals each: drivers keep some hundred


@final
class Meaning:
    """A statement's text and parameter types, or a portal's text and parameters.  `segment` counts Syncs."""

    __slots__ = ("parameters", "segment", "settled", "text")

    def __init__(self, text: bytes, parameters: bytes, segment: int) -> None:
        self.text = text
        self.parameters = parameters
        self.segment = segment
        self.settled = False


@final
class Name:
    """A change of one name: what it means from now on (None: nothing), and what it meant before."""

    __slots__ = ("after", "before", "name", "table")

    def __init__(self, table: dict[bytes, Meaning], name: bytes, after: Meaning | None, before: Meaning | None) -> None:
        self.table = table
        self.name = name
        self.after = after
        self.before = before

    def settle(self) -> None:
        """The target has done it."""
        if self.after is not None:
            self.after.settled = True

    def undo(self) -> None:
        """The target has not done it."""
        if self.table.get(self.name) is not self.after:
            return  # changed again since
        if self.before is None:
            self.table.pop(self.name, None)
        else:
            self.table[self.name] = self.before


def change(table: dict[bytes, Meaning], name: bytes, after: Meaning | None) -> Name:
    """Let `name` mean `after` from now on; gives what `settle`s or `undo`es it."""
    changed = Name(table, name, after, table.get(name))
    if after is None:
        table.pop(name, None)
    else:
        table[name] = after
    return changed


def unsettled(meaning: Meaning | None, segment: int) -> bool:
    """Whether what a name means depends on an answer to something before the last Sync."""
    return meaning is not None and not meaning.settled and meaning.segment != segment

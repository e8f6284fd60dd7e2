"""Names and pointers of members that are masked -> a table that a walk through JSON text steps along.

A place in the text is a number: which rules it may still fulfil.  What a name leads to is worked out once and kept, so
that the members of a long list cost one look each.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Final, final

from hoopgw.wire.jsonways import Ways

DEAD: Final = 0  # no rule with a pointer can be fulfilled from here on
MAX_KEPT: Final = 4096  # names of one place whose way is kept
MAX_PLACES: Final = 4096  # more distinct places than any set of rules makes
ACTION_BITS: Final = 4


@final
class KeyRule:
    """`parts` are globs: of a pointer from the root on, or (`anywhere`) one over names at any depth.

    Upper and lower case are the same: some targets write a name now so, now so.
    """

    __slots__ = ("action", "anywhere", "parts")

    def __init__(self, parts: tuple[str, ...], anywhere: bool, action: int) -> None:
        self.parts = tuple(part.casefold() for part in parts)
        self.anywhere = anywhere
        self.action = action  # of masking: the stricter of two is the lower one


@final
class KeyTable:
    """All rules of one body."""

    __slots__ = ("_known", "_names", "_places", "_rules", "_ways", "numbered", "starts", "ways")

    def __init__(self, rules: tuple[KeyRule, ...]) -> None:
        self._rules = tuple(rule for rule in rules if not rule.anywhere)
        self.ways = Ways()
        self._names = tuple((rule.parts[0], rule.action) for rule in rules if rule.anywhere)
        self._places: list[frozenset[tuple[int, int]]] = [frozenset()]  # (rule, parts that are behind)
        self._known: dict[frozenset[tuple[int, int]], int] = {frozenset(): DEAD}
        self._ways: list[dict[bytes, int]] = [{}]
        self.numbered: list[bool] = [False]  # of each place: it matters which element it is
        self.starts: list[bytes] = [self._starts(())]  # by its first byte: a name may matter there

    def root(self) -> tuple[int, int]:
        """Place and action of a whole text."""
        word = self._arrive([(index, 0) for index in range(len(self._rules))])
        return word >> ACTION_BITS, word & ((1 << ACTION_BITS) - 1)

    def step(self, place: int, name: bytes) -> int:
        """`place << ACTION_BITS | action` of the member of this name, as it is written."""
        ways = self._ways[place]
        found = ways.get(name)
        if found is None:
            found = self._worked_out(place, name)
            if len(ways) >= MAX_KEPT:
                ways.clear()
            ways[name] = found
        return found

    def element(self, place: int, number: int) -> int:
        """The same of an element."""
        return self._ahead(place, str(number) if self.numbered[place] else "*")

    def _starts(self, globs: tuple[str, ...]) -> bytes:
        found = bytearray(256)
        for glob in (*globs, *(glob for glob, _ in self._names)):
            first = glob[:1]
            plain = (first.isascii() and first.isalnum()) or first in ("_", "-", ".")
            for c in (ord(first), ord(first.upper())) if plain and first else range(256):
                found[c] = 1
        if any(found):  # what an escape or a letter beyond ASCII is folded to
            for c in (92, *range(128, 256)):
                found[c] = 1
        return bytes(found)

    def _ahead(self, place: int, text: str) -> int:
        rules = self._rules
        return self._arrive(
            [(index, done + 1) for index, done in self._places[place] if fnmatchcase(text, rules[index].parts[done])]
        )

    def _worked_out(self, place: int, name: bytes) -> int:
        text = _plain(name).casefold()
        word = self._ahead(place, text)
        mask = (1 << ACTION_BITS) - 1
        action = word & mask
        for glob, other in self._names:
            if fnmatchcase(text, glob):
                action = _stricter(action, other)
        return (word & ~mask) | action

    def _arrive(self, ahead: list[tuple[int, int]]) -> int:
        action = 0
        for index, done in ahead:
            if done == len(self._rules[index].parts):
                action = _stricter(action, self._rules[index].action)
        open_ones = frozenset((index, done) for index, done in ahead if done < len(self._rules[index].parts))
        place = self._known.get(open_ones, -1)
        if place < 0:
            if len(self._places) >= MAX_PLACES:
                raise ValueError("more places than rules can make")
            place = len(self._places)
            self._known[open_ones] = place
            self._places.append(open_ones)
            self._ways.append({})
            self.starts.append(self._starts(tuple(self._rules[index].parts[done] for index, done in open_ones)))
            self.numbered.append(any(self._rules[index].parts[done] != "*" for index, done in open_ones))
        return place << ACTION_BITS | action


def _stricter(one: int, other: int) -> int:
    return min(one, other) if one and other else one or other


def _plain(name: bytes) -> str:
    """A name as it is meant: escapes read."""
    if b"\\" in name:
        return str(json.loads(b'"' + name + b'"', strict=False))
    return name.decode("utf-8", "surrogateescape")

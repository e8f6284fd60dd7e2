"""What a rule wants of one value of a request: a text that a glob matches, or a number in bounds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from hoopgw.policy.guardrails import Match
from hoopgw.policy.http_json import Number, Pointer, number


@dataclass(frozen=True, slots=True)
class ValueTest:
    """All that are given must hold, of one of the values.

    globs      one of them matches
    others     none of them matches; so does none of a value that is not there
    above, below
               it is a number beyond
    """

    globs: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    above: Decimal | None = None
    below: Decimal | None = None

    def of(self, values: Iterable[Any], doubt: bool) -> Match:
        """`values` are str, or what JSON has; `doubt`: there may be others that were not seen."""
        found = [self._one(value) for value in values]
        if not found and self.others and not self.globs and self.above is None and self.below is None:
            found = [Match.YES]
        if Match.YES in found:
            return Match.YES
        return Match.DOUBT if doubt or Match.DOUBT in found else Match.NO

    def _one(self, value: Any) -> Match:
        texts = _texts(value)
        if self.globs and not _any(texts, self.globs):
            return Match.DOUBT if self._within(value) else _unsure(value)
        if self.others and all(_any((text,), self.others) for text in texts):
            return Match.NO
        if self.above is None and self.below is None:
            return Match.YES
        known = value.value if isinstance(value, Number) else number(value) if isinstance(value, str) else None
        if known is None:
            return Match.DOUBT
        beyond = (self.above is None or known > self.above) and (self.below is None or known < self.below)
        return Match.YES if beyond else Match.NO

    def _within(self, value: Any) -> bool:
        """In a list of one or more, which some targets take for its first or last element."""
        return isinstance(value, list) and any(self._one(each) is not Match.NO for each in value)


def _texts(value: Any) -> tuple[str, ...]:
    """All spellings of a value; what is an object or a list only `*` is about."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Number):
        known = value.value
        return (value.text,) if known is None else (value.text, f"{known.normalize():f}")
    if value is None or isinstance(value, bool):
        return ({None: "null", True: "true", False: "false"}[value],)
    return ("",)


def _unsure(value: Any) -> Match:
    """A number that parsers differ about may be the one that is meant."""
    return Match.DOUBT if isinstance(value, Number) and value.value is None else Match.NO


def _any(texts: Iterable[str], globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(text, glob) for text in texts for glob in globs)


def at(pointer: Pointer, test: ValueTest, value: Any) -> Match:
    """Of every value that the pointer leads to; a name in other letters is the same to some parsers (Go, Jackson)."""
    return of_found(test, pointer.found(value), False)


def of_found(test: ValueTest, values: Iterable[tuple[Any, bool]], doubt: bool) -> Match:
    """`values` with whether their names are written as the rule has them; `doubt`: there may be others."""
    found = list(values)
    word = test.of((each for each, alike in found if alike), doubt)
    if word is Match.YES or all(alike for _, alike in found):
        return word
    return Match.DOUBT if test.of((each for each, _ in found), doubt) is not Match.NO else word

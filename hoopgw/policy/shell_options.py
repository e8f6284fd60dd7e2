"""Where the options of a program end, and what it runs begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hoopgw.policy.shell_facts import Pattern

Words = Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Options:
    """`flags` and `takes` are one-letter options without and with a value, `longs` and `long_takes` the same in words.

    `skip` operands stand before the command; `assigns`: NAME=value words as well; `numbers`: `-10` is an option;
    `lone`: so is a `-` behind the others.
    """

    flags: str = ""
    takes: str = ""
    longs: frozenset[str] = frozenset()
    long_takes: frozenset[str] = frozenset()
    skip: int = 0
    assigns: bool = False
    numbers: bool = False
    lone: bool = False

    def end(self, words: Words) -> int | None:
        """Index of the first operand behind options, skipped operands and assignments; None where that is not known."""
        end = self._end(words)
        # Of a pattern the shell may make several words, of which the last is the program
        return None if end is None or any(isinstance(word, Pattern) for word in words[:end]) else end

    def _end(self, words: Words) -> int | None:
        here = 0
        while here < len(words):
            given = words[here]
            if given is None:
                return None
            if given == "--":
                here += 1
                break
            if not given.startswith("-") or given == "-":
                break
            step = self._long(given) if given.startswith("--") else self._short(given)
            if not step:
                return None
            here += step
        if self.lone and here < len(words) and words[here] == "-":
            here += 1
        left = self.skip
        while here < len(words):
            operand = words[here]
            if operand is None:
                return None
            if self.assigns and "=" in operand:
                if "/" in operand.partition("=")[0]:  # env sets it, others take it for a path
                    return None
                here += 1
            elif left:
                left -= 1
                here += 1
            else:
                break
        return min(here, len(words))

    def _long(self, given: str) -> int:
        """How many words the option takes; 0 for one that is not known."""
        stem, equals, _ = given[2:].partition("=")
        if stem in self.long_takes:
            return 1 if equals else 2
        return 1 if stem in self.longs else 0

    def _short(self, given: str) -> int:
        if self.numbers and given[1:].isdigit():
            return 1
        for place, letter in enumerate(given[1:], 2):
            if letter in self.takes:
                return 1 if place < len(given) else 2
            if letter not in self.flags:
                return 0
        return 1


def longs(words: str) -> frozenset[str]:
    return frozenset(words.split())

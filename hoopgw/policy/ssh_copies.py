"""Files that `scp` asks a host for by a command: `scp -O`, and every scp before OpenSSH 9.

The command names a file or a directory; which files of a directory are meant is known only as they come.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hoopgw.policy.guardrails import Match
from hoopgw.policy.shell_facts import Command, Pattern
from hoopgw.policy.ssh_paths import beneath, touched

# Options of one letter that take a word, behind the letter or as the next one
_TAKE = frozenset("cDFiJlMoPSX")
_SCP = re.compile(r"scp(?:[-.\d].*)?\Z", re.IGNORECASE)
_WRITES = frozenset(("write", "mkdir", "setstat"))
_READS = frozenset(("read",))
_READS_ALL = frozenset(("read", "list"))


@dataclass(frozen=True, slots=True)
class Copy:
    """`actions` as SFTP has them; `paths` None: they are known when it runs.  `beneath`: what is in them as well."""

    actions: frozenset[str]
    paths: tuple[str, ...] | None
    beneath: bool

    def match(self, files: frozenset[str], globs: tuple[str, ...]) -> Match:
        """Whether a rule on these actions and paths of files is about it."""
        if files and files.isdisjoint(self.actions):
            return Match.NO
        if not globs:
            return Match.YES
        if self.paths is None:
            return Match.DOUBT
        return beneath(self.paths, globs) if self.beneath else touched("read", self.paths, globs)


def copies(commands: Iterable[Command]) -> Iterator[Copy]:
    """Of the host's half of scp, `scp -t` and `scp -f`; others start it, or are about their own words."""
    for command in commands:
        if _SCP.match(command.program) is not None:
            yield from _copied(command.arguments)


def _copied(arguments: tuple[str | None, ...]) -> Iterator[Copy]:
    letters: set[str] = set()
    paths: list[str | None] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            paths += words
        elif word is not None and len(word) > 1 and word[0] == "-":
            for at, letter in enumerate(word[1:], 2):
                letters.add(letter)
                if letter in _TAKE:
                    if at == len(word):
                        next(words, None)
                    break
        else:
            paths.append(word)
    computed = any(path is None or isinstance(path, Pattern) for path in paths)
    known = None if computed else tuple(path for path in paths if path is not None)
    anything = None in arguments  # what is computed may be an option too
    if "t" in letters or anything:
        yield Copy(_WRITES, known, True)
    if "f" in letters or anything:
        yield Copy(_READS_ALL if "r" in letters else _READS, known, "r" in letters)

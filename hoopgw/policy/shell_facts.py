"""One program that a command line starts, as far as it can be known before."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A word is None where it is only known when the shell runs: a variable, a substitution, a list in braces.

    program    the last part of the name that was written: `rm` for `/bin/rm`
    arguments  the words behind it, without quotes; a pattern of file names as it was written
    """

    program: str
    arguments: tuple[str | None, ...] = ()

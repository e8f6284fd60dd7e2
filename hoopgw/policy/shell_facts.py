"""A program that a command line starts, as far as it can be known before."""

from __future__ import annotations

from dataclasses import dataclass


class Pattern(str):
    """A word of which the shell makes names of files: one, several, or itself where there is none."""

    __slots__ = ()

    @property
    def anything(self) -> bool:
        """A file's name may stand here that the program takes for an option, or for the end of its words."""
        return self[:1] in ("*", "?", "[", "-", "+")


@dataclass(frozen=True, slots=True)
class Command:
    """A word is None where it is only known when the shell runs: a variable, a substitution, a list in braces.

    program    the last part of the name that was written: `rm` for `/bin/rm`
    arguments  the words behind it, without quotes; a pattern of file names as it was written (Pattern)
    place      the directory that was written before the name; "" where none was
    """

    program: str
    arguments: tuple[str | None, ...] = ()
    place: str = ""


@dataclass(frozen=True, slots=True)
class Starts:
    """What a command starts besides itself.

    words     of another command
    scripts   texts that a shell reads
    unknown   why something else may run; "" where nothing does
    """

    words: tuple[tuple[str | None, ...], ...] = ()
    scripts: tuple[str, ...] = ()
    unknown: str = ""


NOTHING = Starts()

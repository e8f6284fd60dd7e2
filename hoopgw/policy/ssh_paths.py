"""Whether a request of SFTP is about a path: by its text, and in doubt where only the target knows."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from unicodedata import normalize

from hoopgw.policy.guardrails import Match

# Links that every host has, to places that the text does not tell
_ANYWHERE = re.compile(r"/(proc/([^/]+/){1,3}(root|cwd|fd|exe|map_files)|proc/self|proc/thread-self|dev/fd)(/|\Z)")
_MOVES = ("link", "rename")  # what is behind a directory's name is reached by another


def touched(action: str, paths: tuple[str, ...], globs: tuple[str, ...]) -> Match:
    wanted = tuple(map(_folded, globs))
    named = tuple(name for path in map(_folded, paths) for name in {path, path.replace("\\", "/")})
    if any(fnmatchcase(path, glob) for path in named for glob in wanted):
        return Match.YES
    above = action in _MOVES and any(_above(path, glob) for path in named for glob in wanted)
    return Match.DOUBT if above or _unsure(paths) else Match.NO


def beneath(paths: tuple[str, ...], globs: tuple[str, ...]) -> Match:
    """The same of these and of whatever is in them, under any name."""
    wanted = tuple(map(_folded, globs))
    found = touched("rename", paths, globs)
    if found is Match.NO and any(glob.startswith("*") for glob in wanted):
        return Match.DOUBT
    return found


def _folded(path: str) -> str:
    """To some hosts `/ETC/Shadow` is `/etc/shadow`, `\\` is a `/`, and both ways to write an `é` are one."""
    return normalize("NFC", path.lower())


def why(paths: tuple[str, ...]) -> str:
    """There is a doubt, in words."""
    return _unsure(paths) or "it is about a directory above"


def _unsure(paths: tuple[str, ...]) -> str:
    if not all(path.startswith("/") for path in paths):
        return "where a relative path begins is not known"
    if any(".." in re.split(r"[/\\]", path) for path in paths):
        return "where `..` leads behind a name is not known"
    return "a path through links of the system" if any(map(_ANYWHERE.match, paths)) else ""


def _above(path: str, glob: str) -> bool:
    """What `glob` is about may stand somewhere in the directory `path`.

    A `*` may be more than one directory; one at the beginning is left aside, since what it stands for may be anything.
    """
    if path == "/":
        return True
    ends = [place + (char == "*") for place, char in enumerate(glob) if char == "/" or (char == "*" and place)]
    return any(fnmatchcase(path, glob[:end]) for end in ends)

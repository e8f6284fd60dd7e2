"""One thing that was looked at, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`fix` is empty where all is well; `named` is how the configuration calls what is wrong, where it does."""

    what: str
    said: str
    fix: str = ""
    named: str = ""

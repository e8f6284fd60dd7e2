"""One thing that was looked at, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`fix` is empty where all is well."""

    what: str
    said: str
    fix: str = ""

"""Which schemas a value of `search_path` names, as PostgreSQL reads it (SplitIdentifierString)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

MAX_NAME: Final = 63  # bytes of an identifier: PostgreSQL cuts longer ones
_NAMES: Final = re.compile(r'"((?:[^"]|"")*)"|([^", \t\n\r\f\v][^, \t\n\r\f\v]*)')
_SMALL: Final = {capital: capital + 32 for capital in range(65, 91)}


def quoted(names: Iterable[str]) -> str:
    """The value of a SET to these: each is one schema as it is written, whatever it looks like."""
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)


def schemas(value: str) -> tuple[str, ...]:
    """All that it may mean.  Names without quotes are written in small letters, of ASCII or of every alphabet."""
    found: list[str] = []
    for exact, plain in _NAMES.findall(value):
        if plain:
            found += (plain.translate(_SMALL), plain.lower())
        elif exact:
            found.append(exact.replace('""', '"'))
    return tuple(dict.fromkeys(name.encode()[:MAX_NAME].decode("utf-8", "ignore") for name in found))

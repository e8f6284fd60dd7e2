"""What docs/events.md says of each event, for the tests to hold the code to it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "docs/events.md"
COMMON = frozenset(("time", "code", "gateway"))


@cache
def examples() -> dict[str, tuple[dict[str, Any], ...]]:
    """Code -> its examples.  Raises ValueError for one that is not JSON."""
    found = re.findall(r"^### `([a-z.]+)`\n(.+?)```json\n(.+?)```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return {code: tuple(json.loads(line) for line in lines.splitlines()) for code, _, lines in found}


@cache
def glossary() -> frozenset[str]:
    """Fields that the page explains."""
    table = PAGE.read_text().partition("## Fields")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return frozenset(name for row in rows for name in re.findall(r"`(\w+)`", row))


def mistake(code: str, fields: Iterable[str]) -> str:
    """What is wrong with an event that has these fields beside COMMON; "" where nothing is."""
    shown = [frozenset(each) - COMMON for each in examples().get(code, ())]
    if not shown:
        return f"{code} is not in docs/events.md"
    given = frozenset(fields)
    more = given - frozenset().union(*shown)
    missing = frozenset.intersection(*shown) - given
    said = [f"has {', '.join(sorted(more))} that docs/events.md does not show"] if more else []
    said += [f"lacks {', '.join(sorted(missing))}"] if missing else []
    return f"{code} {' and '.join(said)}" if said else ""

"""What the commands print: tables for people, JSON for programs; never a control character of somebody else's."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from hoopgw.model.escaping import escaped

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def moment(posix: float | None) -> str:
    """A time for people: `2026-11-21 10:15:00Z`; a dash where there is none."""
    return "-" if posix is None else datetime.fromtimestamp(posix, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def place(of: dict[str, Any]) -> str:
    """Where a session or a hold is: `pay/shop as reader`; only PostgreSQL has databases."""
    return "/".join(filter(None, (of["target"], of["database"]))) + f" as {of['role']}"


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=True))


def print_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Aligned columns; the heads are dim on a terminal."""
    cells = [[escaped(cell) for cell in row] for row in rows]
    widths = [max([len(head), *(len(row[i]) for row in cells)]) for i, head in enumerate(heads)]
    line = "  ".join(head.ljust(width) for head, width in zip(heads, widths, strict=True)).rstrip()
    click.echo(click.style(line, dim=True) if sys.stdout.isatty() else line)
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """One `name  value` a line; what is empty is left out."""
    shown = [(name, value) for name, value in fields if value not in (None, "", [], ())]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{name.ljust(width)}  {escaped(value)}")

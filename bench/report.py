"""Rounds -> rows: medians, ratios of which above 1 is better for us, a table and bench/results.json."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click


@dataclass(frozen=True, slots=True)
class Row:
    """`ratio` is the median of the rounds' own ratios, not the ratio of the medians."""

    name: str
    ours: float
    peer: str
    theirs: float
    ratio: float
    unit: str
    better: str  # "higher" | "lower"
    rounds: int


def row(name: str, peer: str, ours: Sequence[float], theirs: Sequence[float], unit: str, better: str = "higher") -> Row:
    """One row of figures that were taken in the same rounds, in order.  A round whose divisor is 0 gives no ratio."""
    pairs = zip(ours, theirs, strict=True)
    by_round = [(a, b) if better == "higher" else (b, a) for a, b in pairs]
    ratios = [over / under for over, under in by_round if under > 0]
    ratio = statistics.median(ratios) if ratios else 0.0
    middle = statistics.median
    return Row(name, round(middle(ours), 2), peer, round(middle(theirs), 2), round(ratio, 3), unit, better, len(ours))


def write(rows: Sequence[Row], file: Path) -> None:
    lines = ",\n".join("  " + json.dumps(asdict(one)) for one in rows)
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(f"[\n{lines}\n]\n")
    unfinished.replace(file)


def show(rows: Sequence[Row]) -> None:
    """Aligned columns; `ratio` above 1 is better for us, whatever the unit."""
    heads = ("what", "ours", "peer", "theirs", "unit", "ratio")
    cells = [(r.name, f"{r.ours:,.1f}", r.peer, f"{r.theirs:,.1f}", r.unit, f"{r.ratio:.2f}") for r in rows]
    widths = [max(len(line[column]) for line in [heads, *cells]) for column in range(len(heads))]
    right = {1, 3, 5}
    for line in [heads, *cells]:
        padded = (
            text.rjust(w) if i in right else text.ljust(w) for i, (text, w) in enumerate(zip(line, widths, strict=True))
        )
        click.echo("  ".join(padded).rstrip())

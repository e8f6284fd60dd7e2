"""Tells what the demo does, for people: numbered steps, what was typed, what came back, whether that was right."""

from __future__ import annotations

import click

from hoopgw.model.escaping import escaped

LONGEST = 16  # lines of one output that are shown
WIDEST = 140  # characters of one line; the rest goes on below it


class Surprise(Exception):
    """Something that the demo promises did not happen."""


class Teller:
    """Colours where stdout is a terminal; plain text elsewhere (click takes them out)."""

    def __init__(self) -> None:
        self._number = 0

    def title(self, text: str) -> None:
        click.echo(click.style(text, bold=True))

    def step(self, text: str) -> None:
        self._number += 1
        click.echo()
        click.echo(click.style(f"{self._number:2}. {text}", bold=True))

    def typed(self, who: str, line: str) -> None:
        click.echo(f"    {click.style(who + ' $', dim=True)} {click.style(line, fg='cyan')}")

    def says(self, text: str) -> None:
        click.echo(f"    {text}")

    def shows(self, text: str) -> None:
        """A program's output: long ones are cut, and nothing in it can move the terminal's cursor."""
        lines = text.rstrip().splitlines()
        for line in lines[:LONGEST]:
            shown = escaped(line.expandtabs())
            click.echo("      " + shown[:WIDEST])
            for start in range(WIDEST, len(shown), WIDEST - 2):
                click.echo("        " + shown[start : start + WIDEST - 2])
        if len(lines) > LONGEST:
            click.echo(click.style(f"      … {len(lines) - LONGEST} more lines", dim=True))

    def right(self, text: str) -> None:
        click.echo(f"    {click.style('right', fg='green', bold=True)}  {text}")

    def wrong(self, text: str) -> None:
        click.echo(f"    {click.style('WRONG', fg='red', bold=True)}  {escaped(text)}")

    def expect(self, holds: bool, text: str, otherwise: str) -> None:
        """Says `text` if it holds; raises Surprise(`otherwise`) if not."""
        if not holds:
            raise Surprise(otherwise)
        self.right(text)

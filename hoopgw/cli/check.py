"""`hoopgw check`: every mistake in every configuration file, in one go."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hoopgw.cli.output import json_option, print_json
from hoopgw.model.escaping import escaped

if TYPE_CHECKING:
    from hoopgw.config import Config
    from hoopgw.config_files import Mistake


def for_root(loaded: Config, path: str) -> tuple[Mistake, ...]:
    """Of files without a mistake of their own; nothing for who is not root, who cannot tell."""
    from hoopgw.cli.for_service import not_for_the_service
    from hoopgw.cli.naming import place_of
    from hoopgw.config_files import Mistake

    if os.geteuid() != 0:
        return ()
    return tuple(
        Mistake(*place_of(Path(path), each.named), "", f"{each.said}: {each.fix}")
        for each in not_for_the_service(loaded, path)
    )


@click.command()
@json_option
@click.pass_obj
def check(settings: dict[str, str], as_json: bool) -> None:
    """Read the configuration as the service would, and name every mistake with file, line and key.

    Certificates and secret files that it names must be there, as far as the caller may see them. Root is told as well
    what the service's own user could not read, and which credentials its unit does not hand over.

    Exit status 0 when there is none; 1 otherwise: the service would not start, or a reload would keep the old one.
    """
    from hoopgw import config

    try:
        mistakes: tuple[Any, ...] = for_root(config.load_whole(settings["config"]), settings["config"])
    except config.ConfigurationMistakes as error:
        mistakes = error.mistakes
    if as_json:
        print_json([{"file": m.file, "line": m.line, "key": m.key, "message": m.message} for m in mistakes])
    else:
        for mistake in mistakes:
            key = f" {escaped(mistake.key)}:" if mistake.key else ""
            click.echo(f"{escaped(mistake.file)}:{mistake.line}:{key} {escaped(mistake.message)}", err=True)
        total = len(mistakes)
        click.echo("No mistakes." if not total else f"{total} mistake{'s' if total > 1 else ''}.", err=bool(total))
    sys.exit(1 if mistakes else 0)

"""`hoopgw reload`: the running gateway takes up its files, or says why not."""

from __future__ import annotations

import sys

import click

from hoopgw.cli.output import json_option, print_json
from hoopgw.cli.setup.reloading import reload_gateway
from hoopgw.model.escaping import escaped


@click.command()
@click.option("--pid", type=click.IntRange(0), default=0, hidden=True, help="The service's own process (its unit).")
@json_option
@click.pass_obj
def reload(settings: dict[str, str], pid: int, as_json: bool) -> None:
    """Have the running gateway read its files again, and say whether it goes by them now.

    No session ends but those that lost their grant. With any mistake in the files the gateway keeps what it had, and
    the mistakes are named. It is told by SIGHUP: as root, or as the gateway's own user. `systemctl reload hoopgw` does
    this, and fails where this does.

    Exit status 0 when it has taken them up; 1 otherwise.
    """
    found = reload_gateway(settings["socket"], pid)
    if as_json:
        print_json({"said": found.said, "fix": found.fix, "good": not found.fix})
    else:
        click.echo(f"{escaped(found.said)}.", err=bool(found.fix))
        if found.fix:
            click.echo(f"fix: {escaped(found.fix)}", err=True)
    sys.exit(1 if found.fix else 0)

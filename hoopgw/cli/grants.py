"""`hoopgw grants`: who may reach what, by the configuration."""

from __future__ import annotations

import click

from hoopgw.cli.configured import configured
from hoopgw.cli.output import json_option, moment, print_json, print_table
from hoopgw.model.grant import Grant


@click.group()
def grants() -> None:
    """The grants of the configuration; read from the files, so it needs no token."""


@grants.command("list")
@json_option
@click.pass_obj
def list_(settings: dict[str, str], as_json: bool) -> None:
    """Every grant."""
    _print(settings, list(configured(settings).grants), as_json)


@grants.command()
@click.argument("target")
@json_option
@click.pass_obj
def who(settings: dict[str, str], target: str, as_json: bool) -> None:
    """The grants that lead to one target."""
    loaded = configured(settings)
    found = loaded.targets.get(target)
    if found is None:
        raise click.UsageError(f"there is no target {target!r}")
    leading = [grant for grant in loaded.grants if grant.target is not None and grant.target.selects(found)]
    _print(settings, leading, as_json)


def _print(settings: dict[str, str], found: list[Grant], as_json: bool) -> None:
    rows = [
        {
            "name": grant.name,
            "who": _who(grant),
            "target": _target(grant),
            "roles": sorted(grant.roles),
            "destinations": [str(each) for each in grant.destinations],
            "may": sorted(grant.may),
            "until": grant.until,
        }
        for grant in found
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("GRANT", "WHO", "TARGET", "ROLES", "MAY", "UNTIL"),
        (
            (
                grant.name,
                _who(grant),
                _target(grant) + (f" to {', '.join(map(str, grant.destinations))}" if grant.destinations else ""),
                ", ".join(sorted(grant.roles)),
                ", ".join(sorted(grant.may)),
                moment(grant.until),
            )
            for grant in found
        ),
    )


def _who(grant: Grant) -> str:
    parts = [*(f"group {name}" for name in sorted(grant.who.groups)), *sorted(grant.who.subjects)]
    parts += [f"{name}={value}" for name, value in sorted(grant.who.claims.items())]
    return ", ".join(parts)


def _target(grant: Grant) -> str:
    if grant.target is None:
        return "-"
    parts = [*sorted(grant.target.names), *(f"{name}={value}" for name, value in sorted(grant.target.labels.items()))]
    return ", ".join(parts) or "all"

"""`hoopgw targets`: what the configuration lets clients reach."""

from __future__ import annotations

import click

from hoopgw.cli.configured import configured
from hoopgw.cli.output import json_option, print_json, print_table


@click.group()
def targets() -> None:
    """The targets of the configuration."""


@targets.command("list")
@json_option
@click.pass_obj
def list_(settings: dict[str, str], as_json: bool) -> None:
    """Every target, its addresses, roles and labels; read from the files, so it needs no token."""
    known = sorted(configured(settings).targets.values(), key=lambda each: each.name)
    found = [
        {
            "name": target.name,
            "protocol": target.protocol,
            "address": [str(address) for address in target.addresses],
            "database": target.database,
            "tls": target.tls.value,
            "record": target.record.value,
            "roles": sorted(target.roles),
            "labels": dict(target.labels),
        }
        for target in known
    ]
    if as_json:
        print_json(found)
        return
    print_table(
        ("TARGET", "PROTOCOL", "ADDRESS", "TLS", "ROLES", "LABELS"),
        (
            (
                target.name,
                target.protocol,
                ", ".join(map(str, target.addresses)),
                target.tls.value,
                ", ".join(sorted(target.roles)),
                ", ".join(f"{name}={value}" for name, value in sorted(target.labels.items())),
            )
            for target in known
        ),
    )

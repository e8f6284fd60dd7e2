"""`hoopgw targets`: what the configuration lets clients reach."""

from __future__ import annotations

from pathlib import Path

import click

from hoopgw.auth.ssh_signatures import public_line
from hoopgw.cli.configured import configured
from hoopgw.cli.host_keys import confirmed, shown
from hoopgw.cli.output import json_option, print_json, print_table
from hoopgw.config_secrets import read_for_service
from hoopgw.config_signing import SigningKeys
from hoopgw.model.errors import HoopgwError, OperatorError


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
            "egress": target.egress,
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
                ", ".join(map(str, target.addresses)) or "where grants say",
                "-" if target.egress else target.tls.value,
                ", ".join(sorted(target.roles)),
                ", ".join(f"{name}={value}" for name, value in sorted(target.labels.items())),
            )
            for target in known
        ),
    )


@targets.command()
@click.pass_obj
def authority(settings: dict[str, str]) -> None:
    """Print the line for `TrustedUserCAKeys` of targets whose roles are `certified`.

    It needs the gateway's key file, which its owner and root may read, or the token that has the key, and its PIN.
    """
    loaded = configured(settings).settings
    reference = loaded.ssh.target_authority
    try:
        if reference is None:
            raise OperatorError("the configuration names no [ssh] target_authority")
        blob = SigningKeys.for_a_look(loaded).ssh(reference, read_for_service).blob
    except HoopgwError as error:
        raise click.ClickException(str(error)) from error
    click.echo(public_line(blob) + " hoopgw")


@targets.command()
@click.argument("target")
@click.option("--write", is_flag=True, help="Put them into the file that names the target, once they are confirmed.")
@click.option("--fingerprint", multiple=True, help="One that the host's console shows: SHA256:…  May be repeated.")
@json_option
@click.pass_obj
def scan(settings: dict[str, str], target: str, write: bool, fingerprint: tuple[str, ...], as_json: bool) -> None:
    """Show the host keys of an SSH host: TARGET is HOST:PORT, or the name of a target.

    What a network shows is not yet who it is.  With --write each key is asked for, or must be one of --fingerprint;
    `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host's console says them.

    Exit status 1 where nothing was confirmed.
    """
    try:
        found = shown(Path(settings["config"]), target)
        if as_json:
            keys = [{"fingerprint": k.fingerprint, "key": k.line, "configured": k.known} for k in found.keys]
            print_json(keys)
        else:
            marks = {True: "configured", False: "new"}
            print_table(("FINGERPRINT", "KIND", ""), ((k.fingerprint, k.kind, marks[k.known]) for k in found.keys))
            for each in found.keys:
                click.echo(each.line)
        if write:
            confirmed(found, fingerprint)
    except (HoopgwError, OSError) as error:
        raise click.ClickException(str(error)) from error

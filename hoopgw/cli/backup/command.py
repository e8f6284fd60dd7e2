"""`hoopgw backup FILE` and `hoopgw restore FILE`."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hoopgw.cli.configured import configured
from hoopgw.cli.output import counted, json_option, print_json
from hoopgw.cli.units import starts
from hoopgw.model.escaping import escaped

if TYPE_CHECKING:
    from hoopgw.model.secret import Secret

PATIENCE = 5.0  # seconds for the admin socket
_STOP = "systemctl stop 'hoopgw*'"

passphrase_option = click.option(
    "--passphrase",
    "where",
    required=True,
    metavar="WHERE",
    help="Where the passphrase is: file:/PATH (mode 0600), credential:NAME or env:NAME; never the passphrase.",
)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
@passphrase_option
@click.option("--recordings", "whole", is_flag=True, help="The recordings too: as large as they are.")
@json_option
@click.pass_obj
def backup(settings: dict[str, str], /, file: str, where: str, whole: bool, as_json: bool) -> None:
    """Write what this gateway is to FILE: configuration, index, public keys, and its keys and secrets, encrypted.

    The gateway may run meanwhile. Keys and secret files are encrypted by a key that scrypt makes of the passphrase
    (AES-256-GCM), which also proves the rest; that rest is readable for who has FILE, and FILE has mode 0600. Without
    the passphrase a backup is worth nothing: keep it elsewhere.
    """
    from hoopgw.cli.backup.making import Making
    from hoopgw.model.errors import HoopgwError

    directory = Path(settings["config"]).absolute().parent
    passphrase = _passphrase(where)
    if not Path(file).absolute().parent.is_dir():
        raise click.ClickException(f"{Path(file).absolute().parent} is no directory\nThere is no backup.")
    try:
        made = Making(configured(settings), directory, time.time(), os.urandom).make(
            Path(file).absolute(), passphrase, whole
        )
    except (HoopgwError, OSError) as error:
        raise click.ClickException(f"{error}\nThere is no backup.") from error
    items = made.manifest.items
    if as_json:
        print_json({"file": file, "files": len(items), "bytes": sum(i.size for i in items), "notes": list(made.notes)})
        return
    secrets = sum(item.secret for item in items)
    click.echo(f"{escaped(file)}: {len(items)} files, {secrets} of them encrypted.")
    for note in made.notes:
        click.echo(f"not in it: {escaped(note)}")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@passphrase_option
@click.option("--force", is_flag=True, help="Replace files that are there; earlier recordings are put aside.")
@json_option
@click.pass_obj
def restore(settings: dict[str, str], /, file: str, where: str, force: bool, as_json: bool) -> None:
    """Put the files of a backup in their places, after every byte of it was checked.

    The gateway must not run. The configuration goes where --config is, all else where it came from. Nothing that is
    there is replaced without --force. A backup of an older hoopgw is brought up to date by the next start; one of a
    newer hoopgw is refused.
    """
    from hoopgw.cli.backup.archive import checked
    from hoopgw.cli.backup.fitting import fitting
    from hoopgw.cli.backup.restoring import InTheWay, Restoring
    from hoopgw.model.errors import HoopgwError

    _must_not_run(settings["socket"], settings["config"])
    directory = Path(settings["config"]).absolute().parent
    passphrase = _passphrase(where)
    try:
        found = checked(Path(file), passphrase)
        note = fitting(found)
        done = Restoring(found, directory, time.time()).restore(force)
    except InTheWay as error:
        raise click.ClickException(f"{error}\nNothing was changed. --force replaces them.") from error
    except (HoopgwError, OSError) as error:
        raise click.ClickException(f"{error}\nIt is not restored.") from error
    place = found.manifest.recordings
    if as_json:
        written = [str(path) for path in done.written]
        print_json({"written": written, "aside": done.aside, "recordings": place, "note": note})
        return
    click.echo(f"{counted(len(done.written), 'file')} written.")
    if done.aside:
        click.echo(f"Recordings that were here are in {escaped(done.aside)}")
    if note:
        click.echo(f"Made by hoopgw {escaped(found.manifest.version)}; {note}.")
    click.echo(f"Now: hoopgw check; systemctl start hoopgw; hoopgw sessions verify {escaped(place)}")


def _passphrase(where: str) -> Secret:
    from hoopgw.config_secrets import read_secret
    from hoopgw.config_values import secret
    from hoopgw.model.errors import SecretUnavailable

    try:
        return read_secret(secret(where))
    except ValueError as error:
        raise click.UsageError(f"--passphrase {error}") from error
    except SecretUnavailable as error:
        raise click.ClickException(str(error)) from error


def _must_not_run(path: str, config: str) -> None:
    if starts(config):  # over half of a backup it would make keys of its own
        raise click.ClickException(
            f"systemd runs the gateway, or is about to start it: {_STOP} first. Nothing was changed."
        )
    with socket.socket(socket.AF_UNIX) as admin:
        admin.settimeout(PATIENCE)
        try:
            admin.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return
        except OSError as error:
            raise click.ClickException(f"whether a gateway runs at {path} cannot be seen: {error.strerror}") from error
    raise click.ClickException(f"a gateway runs at {path}: {_STOP} first. Nothing was changed.")

"""`hoopgw token --local NAME`: a token of the gateway's own, for whoever may read its key file."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from hoopgw.auth.local import KEY_FILE, LocalTokens, load_key
from hoopgw.cli.configured import configured
from hoopgw.model.errors import HoopgwError


@click.command()
@click.option("--local", "name", required=True, help="The [local.NAME] of hoopgw.toml.")
@click.pass_obj
def token(settings: dict[str, str], name: str) -> None:
    """Print a token that is good for 15 minutes on the admin socket, with the rights of [local.NAME].

    It never approves, and reaches no target. It needs the gateway's key file, which its owner and root may read.
    """
    loaded = configured(settings).settings
    try:
        key = load_key(Path(loaded.state) / KEY_FILE)
        minted = LocalTokens(loaded.name, key, loaded.local).mint(name, time.time(), os.urandom)
    except HoopgwError as error:
        raise click.ClickException(str(error)) from error
    click.echo(minted.reveal().decode())

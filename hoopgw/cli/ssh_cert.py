"""`hoopgw ssh-cert`: a certificate for one's SSH key, against a token."""

from __future__ import annotations

from pathlib import Path

import click

from hoopgw.cli.output import moment
from hoopgw.cli.socket_client import Gateway

DEFAULT = "~/.ssh/id_ed25519.pub"


@click.command("ssh-cert")
@click.argument("public_key", type=click.Path(path_type=Path), default=DEFAULT)
@click.option("--stdout", is_flag=True, help="Print it, and write no file.")
@click.pass_obj
def ssh_cert(settings: dict[str, str], public_key: Path, stdout: bool) -> None:
    """Have the key in the file PUBLIC_KEY certified, against your token (HOOPGW_TOKEN).

    For some minutes the key then logs in through the gateway as you, with the groups of the token.  The certificate is
    written beside the key, as NAME-cert.pub, where ssh looks for it.  The private key stays where it is.
    """
    path = public_key.expanduser()
    try:
        line = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    issued = Gateway(settings["socket"]).post("/v1/ssh-cert", {"key": line})
    if stdout:
        click.echo(issued["certificate"])
        return
    written = path.with_name(path.name.removesuffix(".pub") + "-cert.pub")
    try:
        written.write_text(issued["certificate"] + "\n")
    except OSError as error:
        raise click.ClickException(f"{written} cannot be written: {error.strerror}") from error
    click.echo(f"{written} is good until {moment(issued['expires'])}.")

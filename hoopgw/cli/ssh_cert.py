"""`hoopgw ssh-cert`: a certificate for one's SSH key, against a token."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from hoopgw.auth.ssh_signatures import public_key as public_key_of
from hoopgw.cli.https_gateway import post
from hoopgw.cli.output import moment
from hoopgw.cli.socket_client import Gateway

DEFAULT = "~/.ssh/id_ed25519.pub"
PATH = "/.well-known/hoopgw/ssh-cert"
MAX_KEY = 16 * 1024  # bytes: RSA of 8192 bits, and a comment


@click.command("ssh-cert")
@click.argument("public_key", type=click.Path(path_type=Path), default=DEFAULT)
@click.option("--stdout", is_flag=True, help="Print it, and write no file.")
@click.option(
    "--gateway",
    default="",
    metavar="URL",
    help="Ask the gateway at https://GATEWAY and not on its admin socket.",
)
@click.option("--ca", type=click.Path(exists=True, dir_okay=False), help="Certificates that --gateway trusts.")
@click.pass_obj
def ssh_cert(settings: dict[str, str], public_key: Path, stdout: bool, gateway: str, ca: str | None) -> None:
    """Have the key in the file PUBLIC_KEY certified, against your token (HOOPGW_TOKEN).

    For some minutes the key then logs in through the gateway as you, with the groups of the token.  The certificate is
    written beside the key, as NAME-cert.pub, where ssh looks for it.  The private key stays where it is.

    With --gateway this works from any host that reaches the gateway's HTTPS port, and needs no configuration there.
    """
    if ca and not gateway:
        raise click.UsageError("--ca is about --gateway")
    path = public_key.expanduser()
    certificate, until = _issued(settings["socket"], gateway, ca, {"key": _key(path)})
    if stdout:
        click.echo(certificate)
        return
    written = path.with_name(path.name.removesuffix(".pub") + "-cert.pub")
    try:
        written.write_text(certificate + "\n")
    except OSError as error:
        raise click.ClickException(f"{written} cannot be written: {error.strerror}") from error
    click.echo(f"{written} is good until {moment(until)}.")


def _key(path: Path) -> str:
    """Its line.  What is no public key goes nowhere: it may be the private one."""
    try:
        with path.open("rb") as file:
            line = file.read(MAX_KEY).decode().strip()
        public_key_of(line)
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except ValueError as error:
        raise click.ClickException(f"{path} is not a public key, as a .pub file is") from error
    return line


def _issued(admin: str, gateway: str, ca: str | None, body: dict[str, str]) -> tuple[str, float]:
    """The certificate's line, and when it ends."""
    if not gateway:
        issued: dict[str, Any] = Gateway(admin).post("/v1/ssh-cert", body)
        return issued["certificate"], issued["expires"]
    issued = post(gateway, PATH, body, ca)
    try:
        certificate, until = issued["certificate"], datetime.fromisoformat(issued["expires"]).timestamp()
    except (KeyError, TypeError, ValueError) as error:
        raise click.ClickException(f"what answers at {gateway} is no gateway") from error
    if not isinstance(certificate, str) or not certificate.isprintable():
        raise click.ClickException(f"what answers at {gateway} is no gateway")
    return certificate, until

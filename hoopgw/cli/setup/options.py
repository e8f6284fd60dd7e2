"""The options of `hoopgw setup` that say by what a role is known at its target, and by what vault that is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

_CREDENTIALS = (
    click.option("--role-user", metavar="USER", help="The user that the role is at the target."),
    click.option(
        "--role-password",
        metavar="WHERE",
        help="file:/PATH, credential:NAME, env:NAME, vault:… or aws:…, as each WHERE; never the password.",
    ),
    click.option("--role-key", metavar="WHERE", help="SSH: where the private key is; else that of a certificate."),
    click.option(
        "--role-certificate",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="PostgreSQL, HTTP: PEM file, a certificate that it shows to the target.",
    ),
    click.option(
        "--role-certified",
        is_flag=True,
        help="SSH: no secret; its host trusts the gateway's own authority (hoopgw targets authority).",
    ),
    click.option("--role-bearer", metavar="WHERE", help="HTTP: where the token for `Authorization: Bearer` is."),
    click.option("--role-header", metavar="FIELD", help="HTTP: the field that carries --role-value."),
    click.option("--role-query", metavar="NAME", help="HTTP: the parameter of the address that carries --role-value."),
    click.option("--role-value", metavar="WHERE", help="HTTP: where the secret for that is."),
    click.option("--role-open", is_flag=True, help="HTTP: no secret; the target asks for none."),
)
_OAUTH = (
    click.option("--role-token-endpoint", metavar="URL", help="HTTP, OAuth: where the gateway fetches its tokens."),
    click.option("--role-client-id", metavar="ID", help="HTTP, OAuth: its id there."),
    click.option("--role-client-secret", metavar="WHERE", help="HTTP, OAuth: where its secret is."),
    click.option("--role-scope", metavar="SCOPE", help="HTTP, OAuth: what the token is to be good for."),
    click.option("--role-audience", metavar="WHOM", help="HTTP, OAuth: whom it is for, where that is asked."),
    click.option(
        "--role-authentication",
        type=click.Choice(["client_secret_basic", "client_secret_post"]),
        help="HTTP, OAuth: how the secret is shown.",
    ),
    click.option(
        "--role-token-ca",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="HTTP, OAuth: PEM file, where the endpoint's authority is a private one.",
    ),
)
_SIGV4 = (
    click.option("--role-region", metavar="REGION", help="HTTP, signatures of AWS: the service's region."),
    click.option("--role-service", metavar="NAME", help="HTTP, signatures of AWS: its name in them, as s3."),
    click.option("--role-key-id", metavar="WHERE", help="HTTP, signatures of AWS: where the access key's id is."),
    click.option("--role-secret-key", metavar="WHERE", help="HTTP, signatures of AWS: where its secret is."),
    click.option("--role-session-token", metavar="WHERE", help="HTTP, signatures of AWS: its token, if temporary."),
)
_VAULT = (
    click.option("--vault", metavar="NAME", help="A [vault.NAME], for vault:NAME/PATH#FIELD."),
    click.option("--vault-address", metavar="URL", help="Where it is, https://HOST:8200."),
    click.option(
        "--vault-ca",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="PEM file, where its authority is a private one.",
    ),
    click.option("--vault-namespace", metavar="NAME", help="Its namespace, where it has some."),
    click.option("--vault-token", metavar="WHERE", help="Where a token for it is."),
    click.option("--vault-role-id", metavar="ID", help="Or login by AppRole: the role's id."),
    click.option("--vault-secret-id", metavar="WHERE", help="And where its secret id is."),
    click.option("--vault-role", metavar="NAME", help="Or login by kubernetes and jwt: the vault's role."),
    click.option("--vault-jwt", metavar="WHERE", help="And where the machine's token is."),
    click.option("--vault-mount", metavar="PATH", help="Where the login is mounted."),
)


def credential_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds them, in the order that `--help` shows."""
    for option in reversed((*_CREDENTIALS, *_OAUTH, *_SIGV4, *_VAULT)):
        command = option(command)
    return command

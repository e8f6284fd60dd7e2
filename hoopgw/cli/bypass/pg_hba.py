"""Lines of pg_hba.conf that let the users of the gateway's roles in from the gateway alone."""

from __future__ import annotations

from collections.abc import Iterator

import click

from hoopgw.cli.bypass.addresses import Addresses
from hoopgw.model.escaping import escaped
from hoopgw.model.target import Role, Target, TlsMode

DATABASES = "all,replication"  # `all` is every database, and not physical replication


def hba_lines(target: Target, gateways: Addresses) -> Iterator[str]:
    """Raises ClickException for a user that no line can name."""
    places = ", ".join(f"{each.host}:{each.port}" for each in target.addresses)
    yield f"# target {escaped(target.name)}: {escaped(places)}"
    for role in target.roles.values():
        if role.user_secret is not None:
            raise click.ClickException(
                f"the users of role {role.name} of target {target.name} are a vault's, and nobody knows their names "
                "before: let the vault grant them a role of PostgreSQL, and write these lines for +THAT_ROLE; or see "
                "`hoopgw bypass nft`"
            )
    kind = "host   " if target.tls is TlsMode.DISABLE else "hostssl"
    for user, method in sorted({role.user: _method(target, role) for role in target.roles.values()}.items()):
        name = _quoted(user)
        for address in gateways:
            yield f"{kind}  {DATABASES}  {name}  {address}/{address.max_prefixlen}  {method}"
        yield f"host     {DATABASES}  {name}  all  reject"
        yield f"local    {DATABASES}  {name}  reject"


def _method(target: Target, role: Role) -> str:
    """How the gateway logs in as it.  PostgreSQL takes `md5` as SCRAM where it has the password so."""
    if role.certificate and role.password is None:
        return "cert"
    if "md5" in target.auth:
        return "md5"
    return "password" if target.auth == {"password"} else "scram-sha-256"


def _quoted(user: str) -> str:
    """As a name in pg_hba.conf: `all`, `+group` and a comma lose their meaning in quotes.

    Raises ClickException for what no line can hold.
    """
    if any(character in user for character in "\n\r\0"):
        raise click.ClickException(f"the user {escaped(user)} cannot stand in pg_hba.conf")
    return '"' + user.replace('"', '""') + '"'

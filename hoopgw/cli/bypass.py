"""`hoopgw bypass`: the rules, for targets and networks, that leave the gateway as the only path."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from hoopgw.cli.configured import configured
from hoopgw.model.escaping import escaped
from hoopgw.model.target import TlsMode

if TYPE_CHECKING:
    from hoopgw.model.target import Role, Target

DATABASES = "all,replication"  # `all` is every database, and not physical replication
Addresses = tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]


class _Address(click.ParamType):  # type: ignore[type-arg]  # generic in newer stubs only
    name = "address"

    def convert(
        self, value: str, parameter: click.Parameter | None, context: click.Context | None
    ) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        try:
            return ipaddress.ip_address(value)
        except ValueError:
            self.fail(f"{value!r} is not an IP address", parameter, context)


gateway_option = click.option(
    "--gateway",
    "gateways",
    type=_Address(),
    multiple=True,
    required=True,
    help="Address that the gateway's connections come from; once for each.",
)


@click.group()
def bypass() -> None:
    """Print rules that let only the gateway reach the targets.

    Nothing is changed: the rules are for the targets' machines, or the router before them.
    """


@bypass.command("pg-hba")
@gateway_option
@click.pass_obj
def pg_hba(settings: dict[str, str], gateways: Addresses) -> None:
    """Lines for the top of each PostgreSQL target's pg_hba.conf.

    The users of the gateway's roles may log in from the gateway, as it does (over TLS, unless the target has `tls =
    "disable"`), and from nowhere else. Other users are not spoken of.
    """
    for target in configured(settings).targets.values():
        if target.protocol == "postgresql":
            for line in hba_lines(target, gateways):
                click.echo(line)


def hba_lines(target: Target, gateways: Addresses) -> Iterator[str]:
    places = ", ".join(f"{each.host}:{each.port}" for each in target.addresses)
    yield f"# target {escaped(target.name)}: {escaped(places)}"
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


@bypass.command()
@gateway_option
@click.pass_obj
def nft(settings: dict[str, str], gateways: Addresses) -> None:
    """A table for nftables on the targets' machines: their ports are open to the gateway, and to nobody else.

    It rejects what comes over loopback from other addresses than the gateway's, too. `nft -f FILE` loads it.
    """
    ports = sorted({each.port for target in configured(settings).targets.values() for each in target.addresses})
    if not ports:
        raise click.ClickException("no target is named: there is nothing to close")
    for line in nft_lines(ports, gateways):
        click.echo(line)


def nft_lines(ports: list[int], gateways: Addresses) -> Iterator[str]:
    yield "table inet hoopgw {"
    yield "    chain input {"
    yield "        type filter hook input priority filter; policy accept;"
    for address in gateways:
        family = "ip" if address.version == 4 else "ip6"
        yield f"        {family} saddr {address} accept"
    yield f"        tcp dport {{ {', '.join(map(str, ports))} }} reject with tcp reset"
    yield "    }"
    yield "}"

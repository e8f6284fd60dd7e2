"""The commands of `hoopgw bypass`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from hoopgw.cli.bypass import aws, kubernetes
from hoopgw.cli.bypass.addresses import Addresses, gateway_option, some_gateway_option
from hoopgw.cli.bypass.nft import nft_lines
from hoopgw.cli.bypass.pg_hba import hba_lines
from hoopgw.cli.bypass.probing import OPEN, UNTOLD, Place, place, probed, report, shown, status
from hoopgw.cli.bypass.sshd import sshd_lines
from hoopgw.cli.configured import configured
from hoopgw.cli.output import json_option, print_json

if TYPE_CHECKING:
    from hoopgw.model.target import Target

target_option = click.option(
    "--target", "names", multiple=True, help="Only this target; once for each.  [default: all of the protocol]"
)


@click.group()
def bypass() -> None:
    """Print rules that let only the gateway reach the targets, and try whether they are in force.

    Nothing is changed: the rules are for the targets' machines, or what stands before them.
    """


@bypass.command("pg-hba")
@gateway_option
@target_option
@click.pass_obj
def pg_hba(settings: dict[str, str], gateways: Addresses, names: tuple[str, ...]) -> None:
    """Lines for the top of each PostgreSQL target's pg_hba.conf.

    The users of the gateway's roles may log in from the gateway, as it does (over TLS, unless the target has `tls =
    "disable"`), and from nowhere else. Other users are not spoken of.
    """
    for target in _targets(settings, names, "postgresql"):
        for line in hba_lines(target, gateways):
            click.echo(line)


@bypass.command()
@gateway_option
@target_option
@click.pass_obj
def sshd(settings: dict[str, str], gateways: Addresses, names: tuple[str, ...]) -> None:
    """Lines for the end of each SSH target's sshd_config.

    The users of the gateway's roles may log in from the gateway, and from nowhere else. `sshd -t` checks the file,
    `systemctl reload ssh` uses it.
    """
    for target in _targets(settings, names, "ssh"):
        for line in sshd_lines(target, gateways):
            click.echo(line)


@bypass.command()
@gateway_option
@target_option
@click.pass_obj
def nft(settings: dict[str, str], gateways: Addresses, names: tuple[str, ...]) -> None:
    """A table for nftables on the targets' machines: their ports are open to the gateway, and to nobody else.

    Those of HTTP targets by UDP too, where HTTP/3 is.

    It rejects what comes over loopback from other addresses than the gateway's, too. `nft -f FILE` loads it, in the
    place of what an earlier load left. It looks at what is for the machine itself: not at ports of containers that
    the machine passes on, nor on a router before the targets.
    """
    targets = _targets(settings, names)
    for line in nft_lines(_ports(targets), gateways, _quic(targets)):
        click.echo(line)


@bypass.command()
@click.option("--namespace", required=True, help="Where the targets' pods run.")
@click.option("--pods", multiple=True, metavar="LABEL=VALUE", help="Labels of these pods.  [default: every pod there]")
@click.option("--gateway-pods", multiple=True, metavar="LABEL=VALUE", help="Labels of the gateway's pods.")
@click.option("--gateway-namespace", default="hoopgw", show_default=True, help="Where the gateway's pods run.")
@some_gateway_option
@target_option
@click.pass_obj
def networkpolicy(
    settings: dict[str, str],
    namespace: str,
    pods: tuple[str, ...],
    gateway_pods: tuple[str, ...],
    gateway_namespace: str,
    gateways: Addresses,
    names: tuple[str, ...],
) -> None:
    """A NetworkPolicy of Kubernetes: the targets' ports are open to the gateway, and to nobody else.

    The ports are those of the configuration; where a Service maps them, put those of the pods. It works where the
    cluster's network enforces policies: `hoopgw bypass probe` tells.
    """
    if not gateways and not gateway_pods:
        raise click.UsageError("who is the gateway? --gateway-pods, or --gateway where it is outside the cluster")
    ports = _ports(_targets(settings, names))
    policy = kubernetes.network_policy(
        namespace, _labels(pods), ports, gateways, gateway_namespace, _labels(gateway_pods)
    )
    for line in kubernetes.yaml(policy):
        click.echo(line)


@bypass.command("security-group")
@click.argument("group")
@click.option("--gateway-group", default="", help="The gateway's own security group.")
@some_gateway_option
@target_option
@click.pass_obj
def security_group(
    settings: dict[str, str], group: str, gateway_group: str, gateways: Addresses, names: tuple[str, ...]
) -> None:
    """Commands of the AWS CLI: in GROUP, the targets' security group, their ports are open to the gateway alone."""
    if not gateways and not gateway_group:
        raise click.UsageError("who is the gateway? --gateway-group, or --gateway with its address")
    for given in (group, gateway_group):
        if given and aws.GROUP.fullmatch(given) is None:
            raise click.UsageError(f"{given!r} is not the id of a security group: sg-...")
    targets = _targets(settings, names)
    for line in aws.commands(group, _ports(targets), gateways, gateway_group, _quic(targets)):
        click.echo(line)


@bypass.command()
@click.argument("places", nargs=-1, required=True, metavar="HOST:PORT...", type=place)
@click.option("--report", "gateway", default="", metavar="URL", help="Tell the gateway, by the token of HOOPGW_TOKEN.")
@click.option("--ca", type=click.Path(exists=True, dir_okay=False), help="Certificates that --report trusts.")
@click.option("--seconds", default=5.0, show_default=True, type=click.FloatRange(0.1, 60), help="For one address.")
@json_option
def probe(places: tuple[Place, ...], gateway: str, ca: str | None, seconds: float, as_json: bool) -> None:
    """From an agent's host: can these targets be reached directly?

    Needs no configuration. Exit status 0: none can be; 1: one can, so the gateway is not the only path; 3: none was
    found open, and one could not be tried (its name is not known here), which proves nothing. With --report
    https://GATEWAY the result is an event there, bypass.open, bypass.closed or bypass.unknown; 4: none was found open,
    and the gateway could not be told.
    """
    found = [probed(each, seconds) for each in places]
    if as_json:
        print_json([each.fields() for each in found])
    else:
        for each in found:
            click.echo(shown(each))
    if gateway:
        try:
            report(gateway, ca, found)
        except click.UsageError:
            raise
        except click.ClickException as error:
            error.show()
            sys.exit(OPEN if status(found) == OPEN else UNTOLD)
        click.echo("the gateway was told", err=True)
    sys.exit(status(found))


def _targets(settings: dict[str, str], names: tuple[str, ...], protocol: str = "") -> list[Target]:
    """Raises ClickException for a name that is none, and where nothing is left to speak of."""
    targets = configured(settings).targets
    for name in names:
        if name not in targets or (protocol and targets[name].protocol != protocol):
            raise click.ClickException(f"there is no {protocol + ' ' if protocol else ''}target {name!r}")
    found = [
        target
        for target in targets.values()
        if target.name in (names or targets) and target.protocol == (protocol or target.protocol) and target.addresses
    ]
    if not found:  # `egress` has no address: rules without a port would be none, or open all of them
        kind = f"{protocol} target" if protocol else "target with an address"
        raise click.ClickException(f"the configuration names no {kind}: there is nothing to close")
    return found


def _ports(targets: Iterable[Target]) -> list[int]:
    return sorted({each.port for target in targets for each in target.addresses})


def _quic(targets: Iterable[Target]) -> list[int]:
    """Where HTTP/3 may be spoken as well, which goes by UDP."""
    return _ports(target for target in targets if target.protocol == "http")


def _labels(given: tuple[str, ...]) -> dict[str, str]:
    labels = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not name or not equals:
            raise click.UsageError(f"{each!r} is not LABEL=VALUE")
        labels[name] = value
    return labels

"""Lines of sshd_config that let the users of the gateway's roles in from the gateway alone (sshd_config(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from hoopgw.cli.bypass.addresses import Addresses
from hoopgw.model.escaping import escaped
from hoopgw.model.target import Target

USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@$-]*")  # nothing that is a pattern or a separator there


def sshd_lines(target: Target, gateways: Addresses) -> Iterator[str]:
    """A Match block.  Raises ClickException for a user that no pattern can name."""
    users = sorted({role.user for role in target.roles.values()})
    for user in users:
        if USER.fullmatch(user) is None:
            raise click.ClickException(f"the user {escaped(user)} cannot stand in sshd_config")
    places = ", ".join(map(str, target.addresses))
    yield f"# target {escaped(target.name)}: {escaped(places)}"
    others = ",".join(["*", *(f"!{address}/{address.max_prefixlen}" for address in gateways)])
    yield f"Match User {','.join(users)} Address {others}"
    yield "    DenyUsers *"
    yield "Match all"

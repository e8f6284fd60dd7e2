"""For `hoopgw doctor`: SSH hosts that show themselves by key or certificate, and that trust the gateway's authority."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from hoopgw.auth.ssh_keys import fingerprint
from hoopgw.cli.finding import Finding
from hoopgw.cli.scanning import accepted
from hoopgw.config_secrets import read_for_service
from hoopgw.config_signing import SigningKeys
from hoopgw.model.errors import HoopgwError, SecretUnavailable, TargetUnavailable
from hoopgw.model.settings import Settings
from hoopgw.model.target import Address, Role, Target
from hoopgw.wire import sshcertificates

SOON = 86400.0  # seconds: a host certificate that ends within this is to be renewed
FOREVER = 253_402_300_800  # the year 10 000: ssh-keygen's own "forever" is 2^64 - 1
Roles = list[tuple[Target, Role]]


def certified(targets: dict[str, Target]) -> Roles:
    """Those that log in by a certificate of the gateway's own authority."""
    every = [(target, role) for target in targets.values() for role in target.roles.values()]
    return [(target, role) for target, role in every if role.certified]


def host(target: Target, address: Address, now: float) -> Finding:
    """Whether it shows what the configuration names, or a certificate that one of its authorities signed."""
    name = f"host {target.name}"
    try:
        blob = accepted(target, address, now)
    except TargetUnavailable as error:
        return Finding(name, str(error), f"`hoopgw targets scan {target.name}`, beside what its own console shows")
    if not sshcertificates.is_certificate(blob):
        return Finding(name, f"{address} shows {fingerprint(blob)}, which is configured")
    found = sshcertificates.read(blob)
    said = f"{address} shows a certificate of {fingerprint(found.authority)}, which is configured"
    if found.before >= FOREVER:
        return Finding(name, f"{said}; it does not end")
    until = datetime.fromtimestamp(found.before, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    fix = "sign its host key anew: ssh-keygen -h -s CA" if found.before - now < SOON else ""
    return Finding(name, f"{said}, until {until}", fix)


def authority(settings: Settings, roles: Roles, keys: SigningKeys) -> Iterator[Finding]:
    """The key that certifies these roles' logins; nothing where there are none."""
    reference = settings.ssh.target_authority
    if not roles or reference is None:
        return
    names = ", ".join(dict.fromkeys(target.name for target, _ in roles))
    try:
        signer = keys.ssh(reference, read_for_service)
    except SecretUnavailable as error:
        yield Finding("authority", str(error), "as root; the gateway makes it at its first start")
    except HoopgwError as error:
        yield Finding("authority", str(error), "`target_authority` of [ssh]")
    else:
        yield Finding("authority", f"{fingerprint(signer.blob)} certifies the logins to {names}")


def logged_in(settings: Settings, roles: Roles, keys: SigningKeys) -> list[Finding]:
    """And HTTP targets asked for a page; by the gateway's own code, once in a process."""
    from hoopgw.cli.setup.trying import Asked, tried

    return tried(Asked((), tuple(roles), settings.ssh.target_authority, keys)) if roles else []

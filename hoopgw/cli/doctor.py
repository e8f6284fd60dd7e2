"""`hoopgw doctor`: looks from outside at what the gateway needs, and names the fix for what is wrong."""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from hoopgw.cli.certificates import certificates
from hoopgw.cli.finding import Finding
from hoopgw.cli.for_service import not_for_the_service
from hoopgw.cli.hosts import Roles, authority, certified, host, logged_in
from hoopgw.cli.output import json_option, print_json
from hoopgw.cli.possessions import descriptors, handed_over, key_modes, keys_in_tokens
from hoopgw.cli.reaching import fetched, place, reached
from hoopgw.cli.running import running
from hoopgw.cli.units import credential_sources, units
from hoopgw.cli.vaults import token_endpoints, vaults
from hoopgw.config_signing import SigningKeys
from hoopgw.model.escaping import escaped
from hoopgw.model.settings import OidcSettings, Settings
from hoopgw.model.target import Target

MAX_APART = 5.0  # seconds between this clock and an issuer's; its Date has whole seconds


def findings(
    settings: Settings, targets: dict[str, Target], admin: str, now: float, keys: SigningKeys
) -> Iterator[Finding]:
    """One of each thing that was looked at; asks the network, and changes nothing.  `keys` try a wrong PIN once;
    the gateway itself answers at `admin`."""
    yield from units(settings)
    yield from descriptors(admin, settings.limits.max_sessions)
    yield from key_modes(Path(settings.state))
    yield from keys_in_tokens(settings, keys)
    sources = credential_sources()
    yield from handed_over(sources)
    if settings.tls.certificate:
        yield from certificates(settings.tls, sources, now)
    yield _disk(Path(settings.recordings.directory), settings.recordings.min_free)
    if not settings.issuers:
        yield Finding("issuer", "none is named: nobody is admitted", "[oidc.NAME] in hoopgw.toml")
    for issuer in settings.issuers:
        yield from _issuer(issuer, now)
    yield from vaults(settings)
    yield from token_endpoints(targets.values())
    if not targets:
        yield Finding("target", "none is named", "a file in targets.d/, as the commented example")
    for target in targets.values():
        for address in target.addresses:
            there = reached(f"target {target.name}", address.host, address.port)
            yield there
            if target.protocol == "ssh" and not there.fix:
                yield host(target, address, now)
    if settings.listen.ssh:
        yield from authority(settings, certified(targets), keys)


def _disk(directory: Path, least: int) -> Finding:
    try:
        place = next(path for path in (directory, *directory.parents) if path.exists())
        free = shutil.disk_usage(place).free
    except PermissionError:
        return Finding("disk", f"{directory} may not be looked at by you: root may")
    said = f"{free / 2**30:.1f} GiB free at {place}, {least / 2**30:.1f} needed"
    return Finding("disk", said, "" if free > 2 * least else "make room, or a larger disk: below it nobody is admitted")


def _issuer(issuer: OidcSettings, now: float) -> Iterator[Finding]:
    name = f"issuer {issuer.name}"
    there = reached(name, *place(issuer.issuer))
    if there.fix:
        yield there
        return
    try:
        status, date, body = fetched(issuer.issuer.rstrip("/") + "/.well-known/openid-configuration", issuer.ca)
    except ssl.SSLError as error:
        yield Finding(name, f"its certificate: {error}", "`ca` of [oidc.NAME], if its authority is a private one")
        return
    except (OSError, http.client.HTTPException) as error:
        yield Finding(
            name, f"{issuer.issuer}: {error}", "from this machine, as the gateway reaches it: proxy, firewall"
        )
        return
    yield _discovery(name, issuer.issuer, status, body)
    if (then := _posix(date)) is not None:
        apart = now - then
        fix = "" if abs(apart) <= MAX_APART else "systemctl status systemd-timesyncd (or chrony): tokens are timed"
        yield Finding("clock", f"{abs(apart):.0f} s from that of issuer {issuer.name}", fix)


def _posix(date: str | None) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None


def _discovery(name: str, issuer: str, status: int, body: bytes) -> Finding:
    try:
        said = json.loads(body).get("issuer") if status == 200 else None
    except (ValueError, AttributeError):
        said = None
    if said is None:
        return Finding(name, f"answers {status} without a discovery document", f"is {issuer} its address?")
    if said != issuer:
        return Finding(name, f"says it is {said}", "`issuer` of [oidc.NAME] must be that, to the letter")
    return Finding(name, "its keys can be found")


def _services(targets: dict[str, Target], found: list[Finding]) -> Roles:
    """Roles of HTTP targets that can be asked: what is not reached was told already."""
    wrong = {each.what for each in found if each.fix}
    asked = [each for each in targets.values() if each.protocol == "http" and not each.egress]
    return [(each, role) for each in asked if f"target {each.name}" not in wrong for role in each.roles.values()]


@click.command()
@json_option
@click.pass_obj
def doctor(settings: dict[str, str], as_json: bool) -> None:
    """Look at what the gateway needs, and say what to do where something is wrong.

    Configuration, the running gateway and whether it goes by it, its units, what drop-ins made of them, and limits,
    keys, tokens, secrets and who may read them, certificate, disk, issuers, vaults, targets and their host keys, clock.
    It changes nothing; a key in a token is asked for a signature, by its PIN, once; roles that are `certified` log in
    to their hosts, as that is what shows whether those trust the gateway's authority; HTTP targets are asked `GET /` as
    each of their roles, with its credential where that can be read here.

    Exit status 0 when all is well; 1 otherwise.
    """
    from hoopgw import config

    try:
        loaded = config.load_whole(settings["config"])
    except config.ConfigurationMistakes as error:
        found = [Finding("configuration", str(mistake), "hoopgw check") for mistake in error.mistakes]
        found += running(settings["socket"], named=settings["named"])
    else:
        found = [Finding("configuration", "no mistakes")]
        found += not_for_the_service(loaded, settings["config"])
        keys, targets = SigningKeys.for_a_look(loaded.settings), dict(loaded.targets)
        found += running(settings["socket"], loaded.digest, settings["named"])
        found += findings(loaded.settings, targets, settings["socket"], time.time(), keys)
        found += logged_in(loaded.settings, certified(targets) + _services(targets, found), keys)
    if as_json:
        print_json([_shape(each) for each in found])
    else:
        _print(found)
    sys.exit(1 if any(each.fix for each in found) else 0)


def _shape(one: Finding) -> dict[str, Any]:
    return {"what": one.what, "said": one.said, "fix": one.fix, "good": not one.fix}


def _print(found: list[Finding]) -> None:
    for each in found:
        click.echo(f"{'WRONG' if each.fix else 'good '}  {escaped(each.what)}: {escaped(each.said)}")
        if each.fix:
            click.echo(f"       fix: {each.fix}")

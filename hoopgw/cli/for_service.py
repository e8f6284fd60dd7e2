"""What root finds good and the service cannot have: files that its user may not read, credentials of no unit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hoopgw.cli.backup.contents import references
from hoopgw.cli.finding import Finding
from hoopgw.cli.units import credential_names, goes_by

if TYPE_CHECKING:
    from hoopgw.config import Config

CREDENTIALS = "/etc/hoopgw/credentials"


def not_for_the_service(loaded: Config, path: str) -> Iterator[Finding]:
    """Of the configuration at `path`, as far as who asks can see it: root can."""
    yield from unreadable(loaded)
    if os.geteuid() == 0 and (unit := goes_by(path)):
        yield from not_handed_over(loaded, credential_names(unit))


def not_handed_over(loaded: Config, names: frozenset[str] | None) -> Iterator[Finding]:
    """Credentials that are not among `names`, those of the unit; None where nobody can tell those."""
    for reference in references(loaded) if names is not None else ():
        if reference.kind == "credential" and names is not None and reference.name not in names:
            name = reference.name.removeprefix("target_")
            place = f"a file {CREDENTIALS}/{name}, for credential:target_{name}"
            fix = f"{place}, or LoadCredential= by `systemctl edit hoopgw`; then systemctl restart hoopgw"
            yield Finding("secret", f"the unit hands over no {reference}", fix, str(reference))


def unreadable(loaded: Config) -> Iterator[Finding]:
    """Files that root finds good and the service's own user cannot read.  It is whom `state` belongs to."""
    try:
        owner = Path(loaded.settings.state).stat().st_uid
    except OSError:  # nothing was started yet
        return
    private = [Path(each.name) for each in references(loaded) if each.kind == "file"]
    for path, bits in [*((path, 0o000) for path in private), *((path, 0o044) for path in _public(loaded))]:
        try:
            if not _readable(path, owner, bits):
                fix = f"chmod go+r {path}" if bits else f"chown --reference={loaded.settings.state} {path}"
                yield Finding(
                    "secret" if not bits else "file", f"the gateway's user may not read {path}", fix, str(path)
                )
            yield from _not_passed(path, owner)
        except OSError:  # one that is not there is a mistake that `check` names; or who asks may not look
            continue


def _public(loaded: Config) -> list[Path]:
    settings = loaded.settings
    found = [settings.tls.certificate, *(issuer.ca for issuer in settings.issuers)]
    found += [*(vault.ca for vault in settings.vaults), *(aws.ca for aws in settings.aws)]
    found += [one.path for authority in settings.ssh.authorities for one in authority.lists]
    for target in loaded.targets.values():
        for role in target.roles.values():
            found += [target.ca, role.certificate, role.oauth.ca if role.oauth is not None else ""]
    return [Path(each) for each in dict.fromkeys(found) if each]


def _readable(path: Path, owner: int, bits: int) -> bool:
    status = path.stat()
    return status.st_uid == owner or owner == 0 or bool(status.st_mode & bits)


def _not_passed(path: Path, owner: int) -> Iterator[Finding]:
    """Directories above it that the service's user cannot go through.  Of its groups nothing is known here."""
    for above in path.absolute().parents:
        status = above.stat()
        if owner not in (0, status.st_uid) and not status.st_mode & 0o011:
            said = f"the gateway's user may not go through {above} to {path.name}"
            yield Finding("secret", said, f"chmod go+x {above}", str(path))

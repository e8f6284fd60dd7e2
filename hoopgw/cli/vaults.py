"""For `hoopgw doctor`: where roles' secrets and tokens come from."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterable, Iterator

from hoopgw.cli.finding import Finding
from hoopgw.cli.reaching import fetched, place, reached
from hoopgw.model.settings import Settings, VaultSettings
from hoopgw.model.target import Target

# of /v1/sys/health, which needs no login (HashiCorp Vault and OpenBao, HTTP API)
_STATES = {
    200: ("is unsealed", ""),
    429: ("is a standby, and passes on", ""),
    473: ("is a standby for reading", ""),
    472: ("is a secondary for disasters, and serves nobody", "the address of the primary"),
    501: ("is not initialised", "bao operator init (vault operator init)"),
    503: ("is sealed", "bao operator unseal (vault operator unseal)"),
}


def vaults(settings: Settings) -> Iterator[Finding]:
    """Whether each one is there; what the gateway may read in it the events `vault.unavailable` say."""
    for each in settings.vaults:
        yield vault(each)
    for aws in settings.aws:
        yield reached(f"aws {aws.name}", *place(aws.endpoint))


def token_endpoints(targets: Iterable[Target]) -> Iterator[Finding]:
    """Whether each one is there; what it says to the gateway's secret the events `credential.unavailable` say."""
    for target in targets:
        for role in target.roles.values():
            if role.oauth is not None:
                key = f"`ca` of [target.{target.name}.role.{role.name}.oauth]"
                yield _endpoint(f"oauth {target.name}/{role.name}", role.oauth.token_endpoint, role.oauth.ca, key)


def _endpoint(name: str, address: str, ca: str, key: str) -> Finding:
    found = reached(name, *place(address))
    if found.fix:
        return found
    try:
        fetched(address, ca)  # a GET gets no token; that there is an answer is enough
    except ssl.SSLError as error:
        return Finding(name, f"its certificate: {error}", f"{key}, if its authority is private")
    except (OSError, http.client.HTTPException) as error:
        return Finding(name, f"{address}: {error}", "is that its address; a proxy or firewall between?")
    return Finding(name, f"{address} answers")


def vault(settings: VaultSettings) -> Finding:
    """Whether it is there, and open."""
    name = f"vault {settings.name}"
    found = reached(name, *place(settings.address))
    if found.fix:
        return found
    try:
        status, _, _ = fetched(f"{settings.address}/v1/sys/health", settings.ca)
    except ssl.SSLError as error:
        return Finding(
            name, f"its certificate: {error}", f"`ca` of [vault.{settings.name}], if its authority is private"
        )
    except (OSError, http.client.HTTPException) as error:
        return Finding(name, f"{settings.address}: {error}", "is that its address; a proxy or firewall between?")
    said, fix = _STATES.get(status, (f"answers {status} when asked for its health", "is that the address of a vault?"))
    return Finding(name, said, fix)

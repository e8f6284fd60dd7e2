"""Where tunnels may lead: a host and a port, as a grant lists them and as a client asks for one."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

_PLACE = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([^\s:/\[\]@]{1,254})):([0-9]{1,5})")
_LABELS = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,62}[a-z0-9_])?)*")


@dataclass(frozen=True, slots=True)
class Destination:
    """`host` is a name in lower case or an address; of a grant also "*.example.com": any name below that one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def covers(self, asked: Destination) -> bool:
        """Whether `asked` is this one, or one of these."""
        if self.port != asked.port:
            return False
        if not self.host.startswith("*."):
            return asked.host == self.host
        return asked.host.endswith(self.host[1:]) and not asked.host[-1].isdigit()  # no domain ends so, addresses do


def read_destination(text: str, several: bool = False) -> Destination:
    """`HOST:PORT`; with `several` also `*.DOMAIN:PORT`.  Raises ValueError in words."""
    found = _PLACE.fullmatch(text)
    if found is None or not 0 < int(found[3]) < 65536:
        raise ValueError(f"{text!r} is not host:port")
    return Destination(_host(found[1] or found[2], text, several), int(found[3]))


def _host(written: str, text: str, several: bool) -> str:
    try:
        return str(ipaddress.ip_address(written))
    except ValueError:
        host = written.lower().removesuffix(".")
    name = host.removeprefix("*.") if several else host
    if not _LABELS.fullmatch(name):
        raise ValueError(f"{text!r} has no host name")
    if host != name and "." not in name:
        raise ValueError(f"{text!r} would be every host of a whole domain of the first level")
    return host

"""Whether a target can be reached past the gateway: tried from where an agent runs."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Any

import click

from hoopgw.cli.https_gateway import post
from hoopgw.model.escaping import escaped
from hoopgw.model.target import Address

Place = Address
PATH = "/.well-known/hoopgw/probes"


@dataclass(frozen=True, slots=True)
class Probed:
    place: Place
    open: bool  # something answered there
    detail: str

    def fields(self) -> dict[str, Any]:
        return {"address": str(self.place), "open": self.open, "detail": self.detail}


def place(value: str) -> Place:
    """HOST:PORT, [IPv6]:PORT.  Raises BadParameter."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/\[\]@]+)):([0-9]{1,5})", value)
    if found is None or not 0 < int(found[3]) < 65536:
        raise click.BadParameter(f"{value!r} is not HOST:PORT")
    return Address(found[1] or found[2], int(found[3]))


def probed(where: Place, seconds: float) -> Probed:
    """A TCP connection to each of its addresses, closed at once: that one stands is enough to say so."""
    try:
        found = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)
    except OSError as error:
        why = f"the name is not known here ({error.strerror or error}), which closes nothing: probe its address too"
        return Probed(where, False, why)
    why = ""
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as tried:
            tried.settimeout(seconds)
            try:
                tried.connect(address)
            except TimeoutError:
                why = f"no answer within {seconds:g} s"
            except OSError as error:
                why = (error.strerror or str(error)).lower()
            else:
                return Probed(where, True, f"{address[0]} takes connections")
    return Probed(where, False, why)


def shown(found: Probed) -> str:
    state = "OPEN  " if found.open else "closed"
    return f"{state}  {escaped(str(found.place))}: {escaped(found.detail)}"


def report(gateway: str, ca: str | None, found: list[Probed]) -> None:
    """POST to the gateway's own page (servers/http/own.py).  Raises ClickException."""
    body = {"host": socket.gethostname(), "probed": [each.fields() for each in found]}
    post(gateway, PATH, body, ca, "--report")

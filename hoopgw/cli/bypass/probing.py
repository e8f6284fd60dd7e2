"""Whether a target can be reached past the gateway: tried from where an agent runs."""

from __future__ import annotations

import errno
import re
import socket
from dataclasses import dataclass
from enum import Enum
from typing import Any

import click

from hoopgw.cli.https_gateway import post
from hoopgw.model.escaping import escaped
from hoopgw.model.target import Address

Place = Address
PATH = "/.well-known/hoopgw/probes"
# Exit statuses of the command
OPEN = 1
UNSURE = 3
UNTOLD = 4  # nothing is open, but the gateway does not know


# What a network or a machine says of a place that it does not let one reach; any other error is this host's own
_CLOSED = frozenset(
    (
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.ETIMEDOUT,
        errno.EPERM,  # a firewall of this host's own
        errno.EACCES,
    )
)


class State(Enum):
    """What is known of a place."""

    OPEN = "OPEN"  # something answered there
    CLOSED = "closed"
    UNKNOWN = "unknown"  # it was not tried, so that nothing is proven of it


_IS_OPEN = {State.OPEN: True, State.CLOSED: False, State.UNKNOWN: None}


@dataclass(frozen=True, slots=True)
class Probed:
    place: Place
    state: State
    detail: str

    def fields(self) -> dict[str, Any]:
        """`open` is None where nobody can say."""
        return {"address": str(self.place), "open": _IS_OPEN[self.state], "detail": self.detail}


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
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that DNS cannot have
        said = error.strerror if isinstance(error, OSError) else None
        why = f"the name is not known here ({said or error}), which closes nothing: probe its address too"
        return Probed(where, State.UNKNOWN, why)
    state, why = State.CLOSED, ""
    for family, _, _, _, address in found:
        one, said = _tried(family, address, seconds)
        if one is State.OPEN:
            return Probed(where, one, said)
        if state is State.CLOSED:
            state, why = one, said
    return Probed(where, state, why)


def _tried(family: int, address: Any, seconds: float) -> tuple[State, str]:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.settimeout(seconds)
            tried.connect(address)
    except TimeoutError:
        return State.CLOSED, f"no answer within {seconds:g} s"
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        if error.errno in _CLOSED:
            return State.CLOSED, why
        return State.UNKNOWN, f"{address[0]} could not be tried from here: {why}"
    return State.OPEN, f"{address[0]} takes connections"


def status(found: list[Probed]) -> int:
    """The command's: OPEN where one is, UNSURE where nobody can say of one, 0 where all are closed."""
    states = {each.state for each in found}
    return OPEN if State.OPEN in states else UNSURE if State.UNKNOWN in states else 0


def shown(found: Probed) -> str:
    return f"{found.state.value:7}  {escaped(str(found.place))}: {escaped(found.detail)}"


def report(gateway: str, ca: str | None, found: list[Probed]) -> None:
    """POST to the gateway's own page (servers/http/own.py).  Raises ClickException."""
    body = {"host": socket.gethostname(), "probed": [each.fields() for each in found]}
    post(gateway, PATH, body, ca, "--report")

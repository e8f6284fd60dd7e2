"""Which target a request is for, and by what token: read from its head, before there is a session."""

from __future__ import annotations

from dataclasses import dataclass

from hoopgw.auth.credentials import BearerToken, ClientCertificate
from hoopgw.model.destination import Destination, read_destination
from hoopgw.model.errors import MalformedFrame
from hoopgw.model.http import OWN_PATHS
from hoopgw.model.secret import Secret
from hoopgw.relay.http_scope import TOKEN, Route, proof_in, route_of
from hoopgw.relay.postgres_addresses import target_of_host
from hoopgw.wire.httpfields import Block
from hoopgw.wire.httphead import Request

MAX_NAME = 128  # bytes of a target's name in a path


@dataclass(frozen=True, slots=True)
class Named:
    """`prefix` is of the path, b"" where the host names the target.  Without a target: the gateway's own `path`, or the
    `destination` of a tunnel."""

    target: str
    prefix: bytes
    path: tuple[str, ...] = ()
    destination: Destination | None = None


def tunnel_to(read: Request) -> Named:
    """What a CONNECT asks for.  Raises MalformedFrame."""
    if read.host.lower() != read.target.lower():  # RFC 9112, 3.2.3: the same; else which one counts?
        raise MalformedFrame("Host is not the destination of the CONNECT")
    try:
        return Named("", b"", (), read_destination(read.target.decode("ascii")))
    except ValueError as error:
        raise MalformedFrame(str(error)) from error


def proxy_route(block: Block) -> Route:
    """As `route_of`, of a CONNECT: an Authorization there is none for the gateway."""
    host, role, name, value = route_of(block)
    return (host, role, b"", b"") if name == b"authorization" else (host, role, name, value)


def named(host: bytes, target: bytes, domain: str) -> Named | None:
    """None: nothing is named.  `host` and `target` are those of the request."""
    by_host = target_of_host(_without_port(host), domain)
    if by_host:
        return Named(by_host, b"")
    path = target.partition(b"?")[0].decode("ascii", "replace")
    first, *rest = path.lstrip("/").split("/") if path.startswith("/") and not path.startswith("//") else [""]
    if first in OWN_PATHS:
        return Named("", b"", (first, *rest))
    if not first or len(first) > MAX_NAME or "%" in first or "." in (first, first[:1]):
        return None
    return Named(first, b"/" + first.encode("ascii", "replace"))


def _without_port(host: bytes) -> str:
    text = host.decode("ascii", "replace").lower()
    return text.rpartition(":")[0] if text.rpartition(":")[2].isdigit() and ":" in text else text


def credentials_of(route: Route, chain: tuple[bytes, ...], address: str) -> BearerToken | ClientCertificate | None:
    """What a request shows: its token where there is one, else the certificate of its connection, if any."""
    token = token_of(route)
    if token is not None:
        return BearerToken(token, address, chain[0] if chain else b"")
    return ClientCertificate(chain, address) if chain and not route[2] else None


def token_of(route: Route) -> Secret | None:
    """What proves who sends it: a token alone only in X-Hoopgw-Token.  None where there is none."""
    _, _, name, value = route
    proof = proof_in(value)
    alone = b" " not in value.strip(b" ")
    return Secret(proof) if proof and (name == TOKEN or not alone) else None

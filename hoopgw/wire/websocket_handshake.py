"""The handshake of WebSocket over HTTP/1.1 (RFC 6455, 4): what both sides may say, and what is passed on of it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final, final

from hoopgw.model.errors import MalformedFrame, ProtocolViolation
from hoopgw.wire.websocket_deflate import Terms, agreed, passed_offers, written

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # 1.3
MAX_PROTOCOLS: Final = 32  # subprotocols that one client offers
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
KEY: Final = "sec-websocket-key"
VERSION: Final = "sec-websocket-version"
PROTOCOL: Final = "sec-websocket-protocol"
EXTENSIONS: Final = "sec-websocket-extensions"
ACCEPT: Final = "sec-websocket-accept"


@final
class Opening:
    """What a client asked for, as it goes on to the target.

    key         of the gateway's own: the target's proof is then of what the gateway sent, not of a replay
    protocols   subprotocols in the client's order
    offers      extensions that the gateway reads itself; others are left out
    """

    __slots__ = ("_offers", "client_key", "extensions", "key", "protocols")

    def __init__(self, client_key: str, key: str, protocols: list[str], extensions: str) -> None:
        self.client_key = client_key
        self.key = key
        self.protocols = protocols
        self._offers = passed_offers(extensions)
        self.extensions = written(self._offers)

    def fields(self) -> list[tuple[str, str]]:
        """Of the request to the target, beside `connection: upgrade` and `upgrade: websocket`."""
        found = [(KEY, self.key), (VERSION, "13")]
        if self.protocols:
            found.append((PROTOCOL, ", ".join(self.protocols)))
        if self.extensions:
            found.append((EXTENSIONS, self.extensions))
        return found

    def accepted(self, fields: list[tuple[str, str]]) -> "Accepted":
        """What the 101 of the target means (4.1).  Raises ProtocolViolation or MalformedFrame."""
        given = _one_each(fields)
        if _tokens(given.get("upgrade", "")) != ["websocket"] or "upgrade" not in _tokens(given.get("connection", "")):
            raise ProtocolViolation("the target switches to something that is not WebSocket")
        if given.get(ACCEPT) != accept(self.key):
            raise ProtocolViolation("the target's Sec-WebSocket-Accept is of another key")
        protocol = given.get(PROTOCOL, "")
        if protocol and protocol not in self.protocols:
            raise ProtocolViolation("the target chose a subprotocol that was not offered")
        extensions = given.get(EXTENSIONS, "")
        return Accepted(self.client_key, protocol, extensions, agreed(self._offers, extensions))


@final
class Accepted:
    """An agreed WebSocket; `terms` None: without compression."""

    __slots__ = ("_client_key", "extensions", "protocol", "terms")

    def __init__(self, client_key: str, protocol: str, extensions: str, terms: Terms | None) -> None:
        self._client_key = client_key
        self.protocol = protocol
        self.extensions = extensions
        self.terms = terms

    def fields(self) -> list[tuple[str, str]]:
        """Of the 101 to the client, beside `connection: upgrade` and `upgrade: websocket`."""
        found = [(ACCEPT, accept(self._client_key))]
        if self.protocol:
            found.append((PROTOCOL, self.protocol))
        if self.terms is not None:
            found.append((EXTENSIONS, self.extensions))
        return found


def opening(fields: list[tuple[str, str]], nonce: bytes) -> Opening:
    """A client's request (names in lower case); `nonce` is 16 random bytes for the gateway's own key.

    That it is a GET of HTTP/1.1 without a body, its caller has seen.  Raises ProtocolViolation or MalformedFrame.
    """
    given = _one_each(fields)
    if _tokens(given.get("upgrade", "")) != ["websocket"] or "upgrade" not in _tokens(given.get("connection", "")):
        raise ProtocolViolation("an upgrade to something that is not WebSocket")
    if given.get(VERSION) != "13":
        raise ProtocolViolation("a version of WebSocket that is not 13")
    if ACCEPT in given:
        raise ProtocolViolation("a request with Sec-WebSocket-Accept")
    key = given.get(KEY, "")
    if not _is_key(key):
        raise MalformedFrame("Sec-WebSocket-Key is not 16 bytes in base64")
    protocols = _tokens(given.get(PROTOCOL, ""), lower=False)
    if len(protocols) > MAX_PROTOCOLS or len(set(protocols)) < len(protocols):
        raise MalformedFrame("too many subprotocols, or one twice")
    if not all(map(_TOKEN.match, protocols)):
        raise MalformedFrame("a subprotocol is not a token")
    return Opening(key, base64.b64encode(nonce).decode(), protocols, given.get(EXTENSIONS, ""))


def accept(key: str) -> str:
    """The proof that a server read this key (4.2.2)."""
    digest = hashlib.sha1(key.encode("ascii") + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def _is_key(text: str) -> bool:
    try:
        return len(text) == 24 and len(base64.b64decode(text.encode("ascii"), validate=True)) == 16
    except (UnicodeEncodeError, binascii.Error):
        return False


def _one_each(fields: list[tuple[str, str]]) -> dict[str, str]:
    """Lists that stand in several fields are joined (RFC 9110, 5.3); of key, version and proof there is one."""
    found: dict[str, str] = {}
    for name, value in fields:
        if name not in found:
            found[name] = value
        elif name in (KEY, VERSION, ACCEPT):
            raise ProtocolViolation(f"{name} is there twice")
        else:
            found[name] += ", " + value
    return found


def _tokens(value: str, lower: bool = True) -> list[str]:
    found = [part.strip(" \t") for part in value.split(",")]
    return [part.lower() if lower else part for part in found if part]

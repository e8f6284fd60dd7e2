"""An HTTP/1.1 request that asks for a WebSocket, and the answer that makes it one."""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.answer import Meter
from hoopgw.model.errors import ProtocolViolation
from hoopgw.model.http import HttpRequest
from hoopgw.model.verdict import IBodyMasks
from hoopgw.relay.http_heads import is_concerned, recorded_line
from hoopgw.relay.http_scope import HttpScope
from hoopgw.relay.http_secrets import starred_protocols
from hoopgw.relay.websocket import WebSocketRelay, WebSocketScope
from hoopgw.wire.httpfields import NO_BODY, Field
from hoopgw.wire.httphead import Request, Response
from hoopgw.wire.websocket_deflate import Terms
from hoopgw.wire.websocket_handshake import Opening, opening
from hoopgw.wire.websocket_messages import Keys

WEBSOCKET: Final = b"websocket"
NONCE: Final = 16  # bytes of a key (RFC 6455, 4.1)
_ASKS: Final = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"


def opened(read: Request, scope: HttpScope) -> Opening:
    """What the client asks for.  Raises WireError."""
    if read.method != b"GET" or read.minor != 1 or read.block.framing != NO_BODY:
        raise ProtocolViolation("a WebSocket begins with a GET of HTTP/1.1 without a body")
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in read.block.fields]
    return opening(fields, scope.token_bytes(NONCE))


def asking(opened: Opening) -> bytes:
    """Lines for the target, each with its CR LF: of the client's request these are left out."""
    return _ASKS + _lines(opened.fields())


@final
class Switch:
    """A 101 as the client gets it.  `terms`: of compression; None: there is none."""

    __slots__ = ("head", "recorded", "terms")

    def __init__(self, head: bytes, recorded: bytes, terms: Terms | None) -> None:
        self.head = head
        self.recorded = recorded
        self.terms = terms


def switched(read: Response, fields: tuple[Field, ...], opened: Opening, scope: HttpScope) -> Switch:
    """`fields` are what the client may see of the target's.

    Raises WireError where the target's 101 is not the answer to this request.
    """
    accepted = opened.accepted([(name.decode("latin-1"), value.decode("latin-1")) for name, value in read.block.fields])
    kept = [(name, name + b": " + value + b"\r\n") for name, value in fields if not is_concerned(name)]
    first = b"HTTP/1.1 101 Switching Protocols\r\n" + _ASKS + _lines(accepted.fields())
    shown = first + b"".join([line for _, line in kept]) + b"\r\n"
    told, chosen = starred_protocols(asking(opened), scope.named), accepted.protocol.encode("latin-1")
    if chosen and chosen not in told:  # the target has chosen what is a token
        first = first.replace(chosen, b"*" * len(chosen))
    hidden = first + b"".join([recorded_line(name, line, scope) for name, line in kept]) + b"\r\n"
    return Switch(shown, hidden, accepted.terms)


def websocket(
    scope: HttpScope,
    request: HttpRequest,
    number: int,
    masks: IBodyMasks | None,
    meter: Meter | None,
    switch: Switch,
) -> WebSocketRelay:
    """What goes on in its place, judged and bounded as the request was."""
    what = WebSocketScope(
        request=request,
        number=number,
        judged=scope.messages(request),
        bodies=masks,
        meter=meter,
        keys=Keys(scope.token_bytes),
        words=scope.words(),
        named=scope.named,
    )
    return WebSocketRelay(what, switch.terms)


def _lines(fields: list[tuple[str, str]]) -> bytes:
    return b"".join([f"{name}: {value}\r\n".encode("latin-1") for name, value in fields])

"""Heads of HTTP/2 <-> heads of HTTP/1.1 (RFC 9113, 8.2 and 8.3): one judge reads what either version brings.

Where a name or value could become something else on the other side, it is refused: never repaired, never left out.
"""

from __future__ import annotations

import base64
import re
from typing import Final, final

from hoopgw.model.errors import MalformedFrame, ProtocolViolation
from hoopgw.wire.httpfields import CHUNKED, LENGTH, MAX_LENGTH_DIGITS, NO_BODY, UNTIL_CLOSE, Field, field_of
from hoopgw.wire.httphead import request_line
from hoopgw.wire.httpmessage import Start

Headers = list[Field]

MAX_KNOWN: Final = 64  # fields of a connection whose lines are remembered
MAX_KNOWN_BYTES: Final = 512  # of one of them

_CRLF: Final = b"\r\n"
# What belongs to a connection of HTTP/1.1 alone (RFC 9113, 8.2.2)
_OF_CONNECTIONS: Final = frozenset(
    (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade")
)
# h2-settings only upgrades in clear, which nobody here does
_LEFT_BEHIND: Final = _OF_CONNECTIONS | {b"http2-settings"}
_REASONS: Final = {
    100: b"Continue", 103: b"Early Hints", 200: b"OK", 201: b"Created", 202: b"Accepted", 204: b"No Content",
    206: b"Partial Content", 301: b"Moved Permanently", 302: b"Found", 303: b"See Other", 304: b"Not Modified",
    307: b"Temporary Redirect", 308: b"Permanent Redirect", 400: b"Bad Request", 401: b"Unauthorized",
    403: b"Forbidden", 404: b"Not Found", 405: b"Method Not Allowed", 409: b"Conflict", 429: b"Too Many Requests",
    500: b"Internal Server Error", 502: b"Bad Gateway", 503: b"Service Unavailable", 504: b"Gateway Timeout",
}  # fmt: skip


def _pseudo(headers: Headers, known: frozenset[bytes]) -> tuple[dict[bytes, bytes], Headers]:
    """The fields with a colon, each once and before all others; and the others."""
    found: dict[bytes, bytes] = {}
    here = 0
    while here < len(headers) and headers[here][0][:1] == b":":
        name, value = headers[here]
        if name in found or name not in known:
            raise ProtocolViolation("a pseudo-header that is unknown, or there twice")
        found[name] = value
        here += 1
    return found, headers[here:]


@final
class Lines:
    """Fields as lines of HTTP/1.1.  A connection's few are made once: MAX_KNOWN of MAX_KNOWN_BYTES at most."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[Field, bytes] = {}

    def of(self, field: Field) -> bytes:
        """Raises what `_line` raises."""
        found = self._known.get(field)
        if found is None:
            found = _line(field[0], field[1])
            if len(found) <= MAX_KNOWN_BYTES:
                if len(self._known) >= MAX_KNOWN:
                    self._known.clear()
                self._known[field] = found
        return found


def _line(name: bytes, value: bytes) -> bytes:
    """A field as a line.  Raises MalformedFrame for what would read back as anything else."""
    line = name + b": " + value
    if name in _OF_CONNECTIONS or (name == b"te" and value.lower() != b"trailers"):
        raise ProtocolViolation("a field of HTTP/1.1's connections in HTTP/2")
    if b"\r" in line or b"\n" in line or b"\0" in line or field_of(line) != (name, value):
        raise MalformedFrame("a field that HTTP/1.1 would read as something else")
    return line


_DIGITS: Final = re.compile(rb"[0-9]+\Z")
_ASKED: Final = frozenset((b":method", b":scheme", b":authority", b":path", b":protocol"))
_PROTOCOL: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}\Z")
# HTTP/1.1 needs one, and HTTP/2 has none (RFC 8441, 5.1): nothing depends on it, for the gateway asks by its own
_ANY_KEY: Final = base64.b64encode(bytes(16))


@final
class Asked:
    """A request's head in HTTP/1.1, and what follows it.

    length    bytes of the body, where they were said; else -1
    switches  it wants its stream to carry another protocol (RFC 8441, 4)
    ended     nothing follows
    """

    __slots__ = ("ended", "framing", "head", "length", "method", "switches")

    def __init__(self, method: bytes, lines: list[bytes], framing: int, length: int, ended: bool) -> None:
        self.method = method
        self.head = _CRLF.join(lines) + _CRLF + _CRLF
        self.framing = framing
        self.length = length
        self.ended = ended
        self.switches = False


def request_head(headers: Headers, ended: bool, lines: Lines) -> Asked:
    """A request's head in HTTP/1.1; `ended`: nothing follows.  Raises ProtocolViolation or MalformedFrame."""
    given, fields = _pseudo(headers, _ASKED)
    method, authority = given.get(b":method", b""), given.get(b":authority", b"")
    hosts = [value for name, value in fields if name == b"host"]
    if len(hosts) > 1 or (authority and hosts and hosts[0] != authority) or not (authority or hosts):
        raise ProtocolViolation("Host and :authority are not the same, or not there")
    fields = _one_cookie(fields)
    protocol = given.get(b":protocol")
    if protocol is not None:
        return _upgrade(given, fields, protocol, ended)
    if method == b"CONNECT":
        if b":path" in given or b":scheme" in given or not authority:
            raise ProtocolViolation("a CONNECT that names more than host and port")
        target = authority
    else:
        target = given.get(b":path", b"")
        if given.get(b":scheme") not in (b"https", b"http"):
            raise ProtocolViolation("a scheme that is not HTTP's")
    start = method + b" " + target + b" HTTP/1.1"
    request_line(start)
    found = [start, lines.of((b"host", authority or hosts[0]))]
    found += [lines.of(field) for field in fields if field[0] != b"host"]
    framing, length = (UNTIL_CLOSE, -1) if method == b"CONNECT" else _framing(fields, ended)
    if framing == CHUNKED:
        found = [line for line in found if not line.startswith(b"content-length:")]
        found.append(b"transfer-encoding: chunked")
    return Asked(method, found, framing, length, ended)


def _one_cookie(fields: Headers) -> Headers:
    """HTTP/2 may send each part by itself; HTTP/1.1 has one field (RFC 9113, 8.2.3)."""
    cookies = [value for name, value in fields if name == b"cookie"]
    if len(cookies) < 2:
        return fields
    return [field for field in fields if field[0] != b"cookie"] + [(b"cookie", b"; ".join(cookies))]


def _upgrade(given: dict[bytes, bytes], fields: Headers, protocol: bytes, ended: bool) -> Asked:
    """An extended CONNECT as the upgrade that it is in HTTP/1.1 (RFC 8441, 5)."""
    authority, scheme = given.get(b":authority", b""), given.get(b":scheme", b"")
    if given.get(b":method") != b"CONNECT" or scheme not in (b"https", b"http") or not authority or ended:
        raise ProtocolViolation("another protocol begins with a CONNECT that names scheme, host and path, and goes on")
    if _PROTOCOL.match(protocol) is None:
        raise MalformedFrame("the name of a protocol is a token")
    if any(name in (b"host", b"content-length", b"sec-websocket-key") for name, _ in fields):
        raise ProtocolViolation("a field that has no place in a CONNECT to another protocol")
    start = b"GET " + given.get(b":path", b"") + b" HTTP/1.1"
    request_line(start)
    lines = [start, _line(b"host", authority), b"connection: upgrade", b"upgrade: " + protocol]
    lines += [b"sec-websocket-key: " + _ANY_KEY, *[_line(name, value) for name, value in fields]]
    asked = Asked(b"GET", lines, UNTIL_CLOSE, -1, False)
    asked.switches = True
    return asked


def _framing(fields: Headers, ended: bool) -> tuple[int, int]:
    """Chunked where no length is said, and where trailers are announced: a body of known length has none.

    And the length, where it was said; else -1.
    """
    lengths = [value for name, value in fields if name == b"content-length"]
    if len(lengths) > 1 or (ended and lengths and lengths[0] != b"0"):
        raise ProtocolViolation("a Content-Length that is not the body's")
    if lengths and (len(lengths[0]) > MAX_LENGTH_DIGITS or _DIGITS.match(lengths[0]) is None):
        raise MalformedFrame("a Content-Length that is no number")
    if ended:
        return NO_BODY, -1
    length = int(lengths[0]) if lengths else -1
    return CHUNKED if not lengths or any(name == b"trailer" for name, _ in fields) else LENGTH, length


_ANSWERED: Final = frozenset((b":status",))


def response_head(headers: Headers, ended: bool, method: bytes, known: Lines) -> tuple[bytes, int, int]:
    """The head of a response to `method` in HTTP/1.1, its framing, and the length that it says; -1 for none.

    Raises ProtocolViolation or MalformedFrame.
    """
    given, fields = _pseudo(headers, _ANSWERED)
    status = given.get(b":status", b"")
    if len(status) != 3 or not status.isdigit() or not b"100" <= status <= b"599" or status == b"101":
        raise MalformedFrame("a status that is none of HTTP/2")
    lines = [b"HTTP/1.1 " + status + b" " + _REASONS.get(int(status), b"")]
    lines += [known.of(field) for field in fields]
    framing, length = NO_BODY, -1  # of these: what comes then can only be the stream's empty end
    if method == b"CONNECT" and status[:1] == b"2":
        framing = UNTIL_CLOSE
    elif status[:1] != b"1" and status not in (b"204", b"304") and method != b"HEAD":
        framing, length = _framing(fields, ended)
        if ended and not any(name == b"content-length" for name, _ in fields):
            lines.append(b"content-length: 0")  # else HTTP/1.1 reads on until the connection closes
    if framing == CHUNKED:
        lines = [line for line in lines if not line.startswith(b"content-length:")]
        lines.append(b"transfer-encoding: chunked")
    return _CRLF.join(lines) + _CRLF + _CRLF, framing, length


def trailer_lines(headers: Headers) -> bytes:
    """The fields behind a body's last chunk, each with its CR LF.  Raises ProtocolViolation or MalformedFrame."""
    if any(name[:1] == b":" for name, _ in headers):
        raise ProtocolViolation("a pseudo-header in trailers")
    return b"".join([_line(name, value) + _CRLF for name, value in headers])


def request_headers(start: Start, scheme: bytes) -> Headers:
    """A request's head in HTTP/2."""
    host = start.block.one(b"host")
    headers = [(b":method", start.method), (b":authority", host)]
    if start.method != b"CONNECT":
        headers = [(b":method", start.method), (b":scheme", scheme), (b":authority", host), (b":path", start.target)]
    headers += fields_of(start, also=b"host")
    if any(is_grpc(value) for value in start.block.values(b"content-type")):
        headers.append((b"te", b"trailers"))  # it ends at each hop, and gRPC asks for it on each
    return headers


def response_headers(start: Start) -> Headers:
    """A response's head in HTTP/2."""
    # A status of gRPC in a head stands alone: a length beside it is one that HTTP/1.1 needed
    if start.status == 101:  # RFC 8441, 5: a 200, and nothing is to be proven
        return [(b":status", b"200"), *fields_of(start, b"sec-websocket-accept")]
    also = b"content-length" if start.empty and start.block.values(b"grpc-status") else b""
    return [(b":status", b"%d" % start.status), *fields_of(start, also)]


def fields_of(start: Start, also: bytes = b"") -> Headers:
    """The fields that mean something in HTTP/2: neither framing nor what ends at this connection."""
    block = start.block
    return [
        (name, value)
        for name, value in block.fields
        if name not in _LEFT_BEHIND and name not in block.hops and name not in (also, b"te")
    ]


def trailers(fields: list[Field]) -> Headers:
    """Trailers in HTTP/2, without what ends at this connection."""
    return [(name, value) for name, value in fields if name not in _LEFT_BEHIND]


def is_grpc(kind: bytes) -> bool:
    """Whether a Content-Type is gRPC's; not that of gRPC-Web, which has its status in the body."""
    kind = kind.partition(b";")[0].strip().lower()
    return kind == b"application/grpc" or kind.startswith(b"application/grpc+")

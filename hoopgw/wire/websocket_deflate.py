"""permessage-deflate of WebSocket (RFC 7692): its terms in a handshake, and messages out of and into DEFLATE."""

from __future__ import annotations

import re
import zlib
from typing import Final, final

from hoopgw.model.errors import MalformedFrame, ProtocolViolation, TooLarge

NAME: Final = "permessage-deflate"
MAX_OFFER: Final = 4096  # bytes of Sec-WebSocket-Extensions; browsers send 50
WIDEST: Final = 15
NARROWEST: Final = 9  # of what is compressed here: zlib has no window of 256 bytes, so such messages go as they are
# What a message may become: so much whatever it was, and beyond that so many times its size.  DEFLATE reaches 1030
# times; texts that people send stay below 50.
FREE: Final = 4 << 20
RATIO: Final = 128
_TAIL: Final = b"\x00\x00\xff\xff"  # left off at the end of each message (7.2.1)
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_BITS: Final = re.compile(r"(?:8|9|1[0-5])\Z")
_CLIENT_FRESH: Final = "client_no_context_takeover"
_SERVER_FRESH: Final = "server_no_context_takeover"
_CLIENT_BITS: Final = "client_max_window_bits"
_SERVER_BITS: Final = "server_max_window_bits"


@final
class Terms:
    """What both sides agreed on.  `bits`: the window's size; `fresh`: each message is compressed by itself."""

    __slots__ = ("client_bits", "client_fresh", "server_bits", "server_fresh")

    def __init__(self, client_bits: int, server_bits: int, client_fresh: bool, server_fresh: bool) -> None:
        self.client_bits = client_bits
        self.server_bits = server_bits
        self.client_fresh = client_fresh
        self.server_fresh = server_fresh


def read_extensions(value: str) -> list[tuple[str, dict[str, str]]]:
    """Name and parameters of each extension in a Sec-WebSocket-Extensions field (RFC 6455, 9.1).

    A parameter without a value has "".  Raises MalformedFrame; also for a parameter that is given twice.
    """
    if len(value) > MAX_OFFER:
        raise MalformedFrame(f"more than {MAX_OFFER} bytes of extensions")
    return [_extension(part) for part in value.split(",") if part.strip(" \t")]


def _extension(text: str) -> tuple[str, dict[str, str]]:
    parts = [part.strip(" \t") for part in text.split(";")]
    parameters: dict[str, str] = {}
    for part in parts[1:]:
        name, equals, given = part.partition("=")
        if len(given) > 1 and given[0] == given[-1] == '"':
            given = given[1:-1]
        if not _TOKEN.match(name) or (equals and not _TOKEN.match(given)) or name in parameters:
            raise MalformedFrame("a parameter of a WebSocket extension cannot be read")
        parameters[name] = given
    if not _TOKEN.match(parts[0]):
        raise MalformedFrame("the name of a WebSocket extension cannot be read")
    return parts[0], parameters


def _known(parameters: dict[str, str]) -> bool:
    """An offer that can be accepted as it stands (7.1)."""
    for name, value in parameters.items():
        if name in (_CLIENT_FRESH, _SERVER_FRESH):
            if value:
                return False
        elif name == _SERVER_BITS or (name == _CLIENT_BITS and value):
            if not _BITS.match(value):
                return False
        elif name != _CLIENT_BITS:
            return False
    return True


def passed_offers(value: str) -> list[tuple[str, dict[str, str]]]:
    """Of what a client offers, what the gateway reads itself.  Raises MalformedFrame."""
    return [offer for offer in read_extensions(value) if offer[0] == NAME and _known(offer[1])]


def written(extensions: list[tuple[str, dict[str, str]]]) -> str:
    """The field's value; "" for none: then there is no field."""
    return ", ".join(
        "; ".join([name, *(f"{key}={value}" if value else key for key, value in parameters.items())])
        for name, parameters in extensions
    )


def agreed(offers: list[tuple[str, dict[str, str]]], answer: str) -> Terms | None:
    """What a server's answer to these offers means; None: no extension.

    Raises ProtocolViolation where it takes what was not offered (7.1), MalformedFrame where it cannot be read.
    """
    taken = read_extensions(answer)
    if not taken:
        return None
    name, parameters = taken[0]
    bits = parameters.get(_CLIENT_BITS)
    if len(taken) > 1 or name != NAME or not _known(parameters) or bits == "":
        raise ProtocolViolation("the target answers with an extension that was not offered")
    if not any(_answers(offer, parameters) for _, offer in offers):
        raise ProtocolViolation("the target's answer fits no offer of permessage-deflate")
    return Terms(
        int(bits or WIDEST),
        int(parameters.get(_SERVER_BITS) or WIDEST),
        _CLIENT_FRESH in parameters,
        _SERVER_FRESH in parameters,
    )


def _answers(offer: dict[str, str], answer: dict[str, str]) -> bool:
    if _CLIENT_BITS in answer and _CLIENT_BITS not in offer:
        return False
    most = offer.get(_SERVER_BITS)
    if most is not None and int(answer.get(_SERVER_BITS) or WIDEST + 1) > int(most):
        return False
    return _SERVER_FRESH not in offer or _SERVER_FRESH in answer


@final
class Inflater:
    """The messages of one direction out of DEFLATE, in the pieces in which they come."""

    __slots__ = ("_bits", "_fresh", "_in", "_out", "_zlib")

    def __init__(self, bits: int, fresh: bool) -> None:
        self._bits = max(bits, NARROWEST)  # a wider window reads the same
        self._fresh = fresh
        self._zlib = zlib.decompressobj(-self._bits)
        self._in = 0
        self._out = 0

    def piece(self, data: bytes, last: bool) -> bytes:
        """What the next bytes of the message stand for.

        Raises TooLarge where it is more than FREE and RATIO allow; MalformedFrame where it is no DEFLATE, or a block
        says that nothing follows it (7.2.3.4 allows that; implementations differ in what they do with what follows).
        """
        self._in += len(data)
        room = FREE + RATIO * self._in - self._out
        try:
            found = self._zlib.decompress(data + _TAIL if last else data, room + 1)
        except zlib.error as error:
            raise MalformedFrame("a compressed message is no DEFLATE") from error
        if len(found) > room:
            raise TooLarge(f"a compressed message becomes more than {RATIO} times as large")
        if self._zlib.eof:
            raise MalformedFrame("a compressed message ends inside itself")
        self._out += len(found)
        if last:
            self._in = self._out = 0
            if self._fresh:
                self._zlib = zlib.decompressobj(-self._bits)
        return found


@final
class Deflater:
    """Messages of one direction into DEFLATE.  `bits` from NARROWEST on."""

    __slots__ = ("_bits", "_fresh", "_zlib")

    def __init__(self, bits: int, fresh: bool) -> None:
        self._bits = bits
        self._fresh = fresh
        self._zlib = _compressor(bits)

    def piece(self, data: bytes, last: bool) -> bytes:
        """Without the tail that the reader adds; may be empty before the last piece."""
        squeezed = self._zlib.compress(data)
        if not last:
            return squeezed
        squeezed += self._zlib.flush(zlib.Z_SYNC_FLUSH)
        if self._fresh:
            self._zlib = _compressor(self._bits)
        return squeezed[: -len(_TAIL)] or b"\x00"  # zlib says nothing where there is nothing to flush (7.2.3.6)


def _compressor(bits: int) -> "zlib._Compress":
    """64 KiB for each direction: a gateway has many connections."""
    return zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -bits, 5)

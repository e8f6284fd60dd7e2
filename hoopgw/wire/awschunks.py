"""Bodies in the coding `aws-chunked` of S3: what they hold, over any cut; and how the gateway writes its own.

"Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" (S3 API reference), and
"Including Trailing Headers".  No I/O.
"""

from __future__ import annotations

import re
from typing import Final, final

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.httpfields import Field, field_of
from hoopgw.wire.sigv4 import NOTHING, Signature, hashed, signed

SIGNED: Final = b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER: Final = SIGNED + b"-TRAILER"
UNSIGNED_TRAILER: Final = b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"
KINDS: Final = (SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER)
LENGTH: Final = b"x-amz-decoded-content-length"
CODING: Final = b"aws-chunked"
TRAILER_SIGNATURE: Final = b"x-amz-trailer-signature"

CHUNK: Final = 64 * 1024  # bytes of each chunk that the gateway writes: S3 wants 8 KiB at least
MAX_TRAILERS: Final = 4096  # bytes of the fields behind the last chunk: checksums, of 100 bytes each
MAX_LINE: Final = 256  # bytes of a chunk's first line: a size, and a signature of 64 digits

_CHUNK_KIND: Final = b"AWS4-HMAC-SHA256-PAYLOAD"
_TRAILER_KIND: Final = b"AWS4-HMAC-SHA256-TRAILER"
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;chunk-signature=[0-9a-f]{64})?\Z")
# Trailers, with the length of their values: checksums in base64
_CHECKSUMS: Final = {
    b"x-amz-checksum-crc32": 8,
    b"x-amz-checksum-crc32c": 8,
    b"x-amz-checksum-crc64nvme": 12,
    b"x-amz-checksum-sha1": 28,
    b"x-amz-checksum-sha256": 44,
}
_OVERHEAD: Final = len(b";chunk-signature=") + 64 + 4  # bytes around a chunk's data, beside its size in hex

_AT_SIZE: Final = 0
_IN_DATA: Final = 1
_BEHIND_DATA: Final = 2
_IN_TRAILERS: Final = 3
_ENDED: Final = 4
_LONGEST: Final = (MAX_LINE, 0, 2, MAX_TRAILERS, 0)


@final
class AwsChunks:
    """Follows one body.  The signatures in it are of a key that the client made up: nobody checks them.

    trailers   the fields behind the last chunk, without a signature over them
    """

    __slots__ = ("_state", "_left", "_kept", "_count", "trailers")

    def __init__(self) -> None:
        self._state = _AT_SIZE
        self._left = 0
        self._kept = b""  # the begin of a line, bounded by what a line may hold
        self._count = 0
        self.trailers: list[Field] = []

    @property
    def ended(self) -> bool:
        return self._state == _ENDED

    def take(self, data: bytes, content: list[bytes]) -> None:
        """What the chunks in `data` hold is appended to `content`.  Raises MalformedFrame."""
        here = 0
        while here < len(data):
            if self._state == _IN_DATA:
                step = min(self._left, len(data) - here)
                content.append(data[here : here + step])
                here += step
                self._left -= step
                if self._left == 0:
                    self._state = _BEHIND_DATA
            elif self._state == _ENDED:
                raise MalformedFrame("something behind the end of an aws-chunked body")
            else:
                here = self._line(data, here)

    def finish(self) -> None:
        """No more comes: a body without trailers may leave out the empty line.  Raises MalformedFrame."""
        if self._state == _ENDED or (self._state == _IN_TRAILERS and not self._kept):
            self._state = _ENDED
            return
        raise MalformedFrame("an aws-chunked body that is not whole")

    def _line(self, data: bytes, here: int) -> int:
        longest = _LONGEST[self._state] - len(self._kept)
        end = data.find(b"\n", here, here + longest)
        if end < 0:
            if len(data) - here >= longest:
                raise MalformedFrame("a line that is too long for an aws-chunked body")
            self._kept += data[here:]
            return len(data)
        line = self._kept + data[here : end + 1]
        self._kept = b""
        if line[-2:-1] != b"\r" and self._state != _IN_TRAILERS:  # some SDKs end trailers with LF alone
            raise MalformedFrame("a line of an aws-chunked body that does not end in CR LF")
        self._lined(line[:-1].removesuffix(b"\r"))
        return end + 1

    def _lined(self, line: bytes) -> None:
        if self._state == _AT_SIZE:
            found = _SIZE.match(line)
            if found is None:
                raise MalformedFrame("an aws-chunked body without the size of a chunk")
            self._left = int(found[1], 16)
            self._state = _IN_DATA if self._left else _IN_TRAILERS
        elif self._state == _BEHIND_DATA:
            if line:
                raise MalformedFrame("an aws-chunked chunk that is longer than its size")
            self._state = _AT_SIZE
        elif line:
            self._trailer(line)
        else:
            self._state = _ENDED

    def _trailer(self, line: bytes) -> None:
        self._count += len(line)
        if self._count > MAX_TRAILERS:
            raise MalformedFrame("more trailers than an aws-chunked body may have")
        field = field_of(line)
        if not field[0].startswith(b"x-amz-"):
            raise MalformedFrame("a trailer of an aws-chunked body that is none of S3's")
        if field[0] != TRAILER_SIGNATURE:
            self.trailers.append(field)


def length_of(content: int) -> int:
    """Of the body that `SignedChunks` makes of so many bytes, without trailers."""
    whole, rest = divmod(content, CHUNK)
    size = whole * (len(b"%x" % CHUNK) + _OVERHEAD + CHUNK)
    if rest:
        size += len(b"%x" % rest) + _OVERHEAD + rest
    return size + 1 + _OVERHEAD


def values_length(names: list[bytes]) -> int:
    """Bytes of these trailers, without what stands around names and values; -1 where one is no checksum, or twice."""
    size = 0
    for name in names:
        length = _CHECKSUMS.get(name)
        if length is None or names.count(name) > 1:
            return -1
        size += len(name) + length
    return size


def trailers_length(names: list[bytes]) -> int:
    """Bytes that these trailers, and the signature over them, add to a body; 0 for none, -1 as above."""
    size = values_length(names)
    return size + 3 * len(names) + len(TRAILER_SIGNATURE) + 67 if size > 0 else size


@final
class SignedChunks:
    """Writes one body in signed chunks; at most a chunk of it is kept."""

    __slots__ = ("_signature", "_before", "_kept")

    def __init__(self, signature: Signature) -> None:
        """`signature` of the request, whose payload is SIGNED or SIGNED_TRAILER."""
        self._signature = signature
        self._before = signature.value
        self._kept = bytearray()  # no list: a client may send each byte by itself

    def take(self, content: list[bytes]) -> bytes:
        """The chunks that are full now."""
        for piece in content:
            self._kept += piece
        if len(self._kept) < CHUNK:
            return b""
        data = bytes(self._kept)
        whole = len(data) // CHUNK * CHUNK
        self._kept = bytearray(data[whole:])
        return b"".join([self._chunk(data[begin : begin + CHUNK]) for begin in range(0, whole, CHUNK)])

    def finish(self, trailers: list[Field] | None = None) -> bytes:
        """The rest, the last chunk, and `trailers` where the request has announced some."""
        rest = bytes(self._kept)
        last = (self._chunk(rest) if rest else b"") + self._chunk(b"")
        if trailers is None:
            return last
        lines = b"".join([name + b":" + value + b"\n" for name, value in trailers])
        signature = self._signature
        value = signed(signature.key, _TRAILER_KIND, signature.scope, (self._before, hashed(lines)))
        sent = b"".join([name + b":" + value + b"\r\n" for name, value in (*trailers, (TRAILER_SIGNATURE, value))])
        return last.removesuffix(b"\r\n") + sent + b"\r\n"

    def _chunk(self, data: bytes) -> bytes:
        signature = self._signature
        parts = (self._before, NOTHING, hashed(data))
        self._before = signed(signature.key, _CHUNK_KIND, signature.scope, parts)
        return b"".join((b"%x;chunk-signature=%s\r\n" % (len(data), self._before), data, b"\r\n"))

"""Content codings of HTTP (RFC 9110, 8.4) -> the bytes that they stand for, as they come and with bounds."""

from __future__ import annotations

import zlib
from typing import Any, Final, final

import brotli
import zstandard

from hoopgw.model.errors import Unmaskable
from hoopgw.wire.httpfields import Field

MAX_CODINGS: Final = 3  # on one another; more is nothing but an attack
MAX_RATIO: Final = 500  # times that a body may grow, once it has grown to
GRACE: Final = 8 << 20  # this many bytes
MAX_DECODED: Final = 8 << 30  # bytes of one body
SLICE: Final = 1024  # bytes that are decoded at a time: what they can become is bounded before the next
MAX_WINDOW: Final = 8 << 20  # bytes that zstd may look back (RFC 9659)
_BROTLI_STEP: Final = 64 * 1024
# `none` is no coding (RFC 9110, 8.4.1): servers say it of event streams, to keep proxies from compressing them
_AS_IT_IS: Final = (b"", b"identity", b"none")


def codings_of(fields: tuple[Field, ...]) -> tuple[bytes, ...]:
    """Of a body, in the order in which they were applied, in lower case."""
    values = [value for name, value in fields if name == b"content-encoding"]
    if not values:
        return ()
    said = b",".join(values).lower().split(b",")
    return tuple([each for each in [word.strip(b" \t") for word in said] if each not in _AS_IT_IS])


@final
class Decoding:
    """One body.  `codings` in the order of Content-Encoding; raises Unmaskable for one that is not known."""

    __slots__ = ("_in", "_out", "_steps")

    def __init__(self, codings: tuple[bytes, ...]) -> None:
        if len(codings) > MAX_CODINGS:
            raise Unmaskable("a body that is compressed more than three times")
        self._steps: list[Any] = [_step(coding) for coding in reversed(codings)]
        self._in = 0
        self._out = 0

    def feed(self, data: bytes) -> bytes:
        """What `data` stands for.  Raises Unmaskable for what is not of the coding, and for what grows too much."""
        found: list[bytes] = []
        for start in range(0, len(data), SLICE):
            piece = data[start : start + SLICE]
            self._in += len(piece)
            for step in self._steps:
                piece = step.feed(piece)
            self._out += len(piece)
            if self._out > GRACE and (self._out > self._in * MAX_RATIO or self._out > MAX_DECODED):
                raise Unmaskable("a compressed body that grows without measure")
            found.append(piece)
        return b"".join(found)

    def finish(self) -> None:
        """Raises Unmaskable where the body's end is missing."""
        if self._in and not all(step.whole for step in self._steps):
            raise Unmaskable("a compressed body that ends too early")


def _step(coding: bytes) -> Any:
    if coding in (b"gzip", b"x-gzip", b"deflate"):
        return _Zlib(coding == b"deflate")
    if coding == b"br":
        return _Brotli()
    if coding == b"zstd":
        return _Zstd()
    raise Unmaskable(f"a body in the coding {coding.decode('ascii', 'backslashreplace')}, which is not known here")


@final
class _Zlib:
    """gzip of any number of members (RFC 1952), or deflate with zlib's frame or, as some servers send it, without."""

    def __init__(self, deflate: bool) -> None:
        self._deflate = deflate
        self._first = b""
        self._inner: Any = None if deflate else zlib.decompressobj(31)
        self.whole = False

    def feed(self, data: bytes) -> bytes:
        if self._inner is None:
            self._first += data
            if len(self._first) < 2:
                return b""
            framed = self._first[0] & 15 == 8 and int.from_bytes(self._first[:2], "big") % 31 == 0
            self._inner, data = zlib.decompressobj(15 if framed else -15), self._first
        found: list[bytes] = []
        try:
            while data:
                if self._inner.eof:
                    if self._deflate:
                        raise Unmaskable("bytes behind a compressed body")
                    self._inner = zlib.decompressobj(31)
                found.append(self._inner.decompress(data))
                data = self._inner.unused_data
        except zlib.error as error:
            raise Unmaskable("a body that is not in the coding that it names") from error
        self.whole = bool(self._inner.eof)
        return b"".join(found)


@final
class _Brotli:
    def __init__(self) -> None:
        self._inner = brotli.Decompressor()

    @property
    def whole(self) -> bool:
        return bool(self._inner.is_finished())

    def feed(self, data: bytes) -> bytes:
        found: list[bytes] = []
        size = 0
        try:
            if data and self._inner.is_finished():
                raise Unmaskable("bytes behind a compressed body")
            found.append(self._inner.process(data, output_buffer_limit=_BROTLI_STEP))
            while not self._inner.can_accept_more_data() and size <= GRACE:
                found.append(self._inner.process(b"", output_buffer_limit=_BROTLI_STEP))
                size += len(found[-1])
        except brotli.error as error:
            raise Unmaskable("a body that is not in the coding that it names") from error
        if size > GRACE:
            raise Unmaskable("a compressed body that grows without measure")
        return b"".join(found)


@final
class _Zstd:
    """Any number of frames (RFC 8878)."""

    def __init__(self) -> None:
        self._maker = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
        self._inner: Any = self._maker.decompressobj()
        self.whole = False

    def feed(self, data: bytes) -> bytes:
        found: list[bytes] = []
        try:
            while data:
                if self._inner.eof:
                    self._inner = self._maker.decompressobj()
                found.append(self._inner.decompress(data))
                data = self._inner.unused_data
        except zstandard.ZstdError as error:
            raise Unmaskable("a body that is not in the coding that it names") from error
        self.whole = bool(self._inner.eof)
        return b"".join(found)

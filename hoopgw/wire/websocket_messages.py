"""WebSocket messages <-> frames: what both ends of one direction mean, with compression and UTF-8 dealt with."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Final, final

from librt.strings import read_i32_le
from mypy_extensions import i64

from hoopgw.model.errors import NotText, TooLarge, WireError
from hoopgw.wire import websocket as ws
from hoopgw.wire.websocket_deflate import NARROWEST, Deflater, Inflater, Terms

KEYS: Final = 256  # that are drawn at once
SMALL: Final = 64  # bytes: a shorter message is not compressed, it would grow


@final
class MessageReader:
    """Frames of one direction -> pieces of messages: unmasked, inflated, text in valid UTF-8.

    `terms` None: permessage-deflate was not agreed on.
    """

    __slots__ = ("_frames", "_inflater", "_text")

    def __init__(self, from_client: bool, terms: Terms | None) -> None:
        self._frames = ws.FrameReader(from_client, terms is not None)
        self._inflater: Inflater | None = None
        if terms is not None and from_client:
            self._inflater = Inflater(terms.client_bits, terms.client_fresh)
        elif terms is not None:
            self._inflater = Inflater(terms.server_bits, terms.server_fresh)
        self._text = codecs.getincrementaldecoder("utf-8")()

    @property
    def closed(self) -> bool:
        """A Close has come; what follows is not read."""
        return self._frames.closed

    @property
    def between(self) -> bool:
        """All that came was whole messages, and more may come."""
        return self._frames.between

    def read(self, data: bytes) -> list[ws.Piece]:
        """Raises WireError; `close_code` says with what code the connection then closes."""
        pieces: list[ws.Piece] = []
        for piece in self._frames.read(data):
            if piece.kind == ws.CLOSE:
                ws.read_close(piece.data)
            elif piece.kind in (ws.TEXT, ws.BINARY):
                if piece.squeezed and self._inflater is not None:
                    plain = self._inflater.piece(piece.data, piece.last)
                    piece = ws.Piece(piece.kind, plain, piece.first, piece.last)
                if piece.kind == ws.TEXT:
                    self._check(piece)
            pieces.append(piece)
        return pieces

    def _check(self, piece: ws.Piece) -> None:
        try:
            self._text.decode(piece.data, piece.last)
        except UnicodeDecodeError as error:
            raise NotText("a text message is not UTF-8 (RFC 6455, 8.1)") from error


def close_code(error: WireError) -> int:
    """With what code a connection closes that failed in this way (RFC 6455, 7.4.1)."""
    if isinstance(error, NotText):
        return ws.NOT_TEXT
    return ws.TOO_BIG if isinstance(error, TooLarge) else ws.PROTOCOL_ERROR


@final
class Keys:
    """Masking keys (RFC 6455, 10.3), of `random` bytes that are drawn for many at once: a call of the kernel for each
    costs as much as the rest of a small message."""

    __slots__ = ("_drawn", "_here", "_random")

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._random = random
        self._drawn = b""
        self._here = 0

    def next(self) -> bytes:
        if self._here == len(self._drawn):
            self._drawn, self._here = self._random(4 * KEYS), 0
        self._here += 4
        return self._drawn[self._here - 4 : self._here]

    def next_word(self) -> i64:
        """The next one as a number, its first byte the lowest."""
        if self._here == len(self._drawn):
            self._drawn, self._here = self._random(4 * KEYS), 0
        self._here += 4
        return i64(read_i32_le(self._drawn, self._here - 4))


@final
class MessageWriter:
    """Pieces of messages -> frames of one direction.

    key   gives a fresh masking key of four bytes (RFC 6455, 10.3); None: towards a client, where nothing is masked
    """

    __slots__ = ("_deflater", "_key", "_opened", "_squeezed")

    def __init__(self, key: Callable[[], bytes] | None, terms: Terms | None) -> None:
        self._key = key
        self._deflater: Deflater | None = None
        if terms is not None:
            bits, fresh = terms.server_bits, terms.server_fresh
            if key is not None:
                bits, fresh = terms.client_bits, terms.client_fresh
            if bits >= NARROWEST:
                self._deflater = Deflater(bits, fresh)
        self._squeezed = False  # the open message is compressed
        self._opened = False  # a frame of the open message was written

    def write(self, piece: ws.Piece) -> bytes:
        """A frame; b"" where the compressor keeps the piece for now."""
        key = b"" if self._key is None else self._key()
        if piece.kind >= ws.CLOSE:
            return ws.frame(piece.kind, piece.data, key)
        if piece.first:
            self._opened = False
            self._squeezed = self._deflater is not None and not (piece.last and len(piece.data) < SMALL)
        data = piece.data
        if self._squeezed and self._deflater is not None:
            data = self._deflater.piece(data, piece.last)
        if not data and not piece.last:
            return b""
        begins = not self._opened
        self._opened = True
        return ws.frame(piece.kind if begins else ws.CONTINUATION, data, key, piece.last, self._squeezed and begins)


def plain(piece: ws.Piece) -> bytes:
    """The piece as a frame without mask and compression: what a journal keeps of it."""
    return ws.frame(piece.kind if piece.first else ws.CONTINUATION, piece.data, b"", piece.last)

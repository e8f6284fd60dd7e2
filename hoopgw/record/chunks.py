"""Chunks: what a journal is stored as.  Each names the one before it by its digest, so none can be changed or left out.

The layout is part of the recording format (docs/recording-format.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from struct import error as StructError
from typing import NamedTuple

import zstandard

from hoopgw.model.errors import MalformedFrame

MAGIC = b"HGC1"
DATA, SEAL = 0, 1
MAX_RAW = 64 << 20  # bytes of one chunk's entries: a round of the writer takes at most 16 MiB of the spool
GATEWAY = bytes(16)  # the gateway journal's session
CHECK = 8  # bytes of the chunk's own digest behind its body
NO_DIGEST = bytes(32)  # in place of the digest before the first chunk
_HEADER = Struct("<4sHH16sQ32sQQQQQQII")
HEADER_SIZE = _HEADER.size
ENTRY = Struct("<IBBHQQ")  # payload length, kind, flags, number of the piece, sequence, time in ns
LAST_PIECE = 1  # flag of an entry: the payload ends here
UNLOCKS = 2048  # bytes from which on a hash is made beside other threads (Python: HASHLIB_GIL_MINSIZE)
ALONE = 64 * 1024  # bytes of which a hash is worth that: 40 us
PIECES = 1 << 16  # numbers of pieces start over


class Header(NamedTuple):
    """`first` and `last` of entries, operations and times (ns since 1970) that the chunk holds."""

    kind: int
    session: bytes
    number: int
    before: bytes
    first_entry: int
    last_entry: int
    first_operation: int
    last_operation: int
    first_time: int
    last_time: int
    raw: int
    stored: int

    def packed(self) -> bytes:
        return _HEADER.pack(MAGIC, 1, *self)


@dataclass(frozen=True, slots=True)
class Chunk:
    header: Header
    body: bytes  # as stored: zstd of entries, or a seal
    check: bytes = b""  # as read: tells which chunk was damaged, where the chain tells only that one was

    def stored(self) -> bytes:
        """As it was read, byte for byte; of a new one, as it will be."""
        return self.header.packed() + self.body + (self.check or self.digest()[:CHECK])

    @property
    def whole(self) -> bool:
        """Nothing of it was damaged by accident; against design the chain and its seals stand."""
        return self.check == self.digest()[:CHECK]

    def digest(self) -> bytes:
        return hashlib.sha256(self.header.packed() + self.body).digest()

    def raw(self) -> bytes:
        """The entries' bytes.  Raises MalformedFrame for a body that is not what the header says."""
        if self.header.raw > MAX_RAW:
            raise MalformedFrame("a chunk larger than any that is written")
        try:
            # Before anything is decompressed: max_output_size counts only for a frame that does not say its own size.
            if zstandard.frame_content_size(self.body) != self.header.raw:
                raise MalformedFrame("a chunk that is not as long as it says")
            raw = zstandard.ZstdDecompressor().decompress(
                self.body, max_output_size=self.header.raw, allow_extra_data=False
            )
        except zstandard.ZstdError as error:
            raise MalformedFrame(f"a chunk that cannot be decompressed: {error}") from error
        if len(raw) != self.header.raw:
            raise MalformedFrame("a chunk that is not as long as it says")
        return raw


def written(header: Header, body: bytes) -> tuple[bytes, bytes]:
    """(a new chunk as it is stored, its digest)."""
    data = header.packed() + body
    digest = _digest(data)
    return data + digest[:CHECK], digest


def _digest(data: bytes) -> bytes:
    """SHA-256; of few bytes without letting the interpreter go: to have it back costs the threads more than they take.

    hashlib lets it go for each piece of UNLOCKS bytes and more.
    """
    if len(data) > ALONE:
        return hashlib.sha256(data).digest()
    hashed = hashlib.sha256()
    for begin in range(0, len(data), UNLOCKS - 1):
        hashed.update(data[begin : begin + UNLOCKS - 1])
    return hashed.digest()


def read_header(data: bytes) -> Header:
    """Raises MalformedFrame."""
    try:
        magic, version, *fields = _HEADER.unpack_from(data)
    except StructError as error:
        raise MalformedFrame("a chunk that ends inside its header") from error
    if magic != MAGIC or version != 1:
        raise MalformedFrame("not a chunk of a format that is known")
    header = Header(*fields)
    if header.stored > MAX_RAW + 1024 or header.raw > MAX_RAW:
        raise MalformedFrame("a chunk larger than any that is written")
    return header


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a file where chunks should be, and are not.

    `torn`: they are the beginning of a chunk, at the file's end, as a crash leaves it or a writer that is at it.
    """

    offset: int
    size: int
    torn: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    kind: int
    sequence: int
    time: int  # ns since 1970
    payload: bytes
    missing: int = 0  # bytes of the payload behind those that were kept


def entries(raw: bytes) -> Iterator[tuple[int, int, int, int, int, bytes]]:
    """(kind, flags, number of the piece, sequence, time, payload) of each.  Raises MalformedFrame."""
    here = 0
    while here < len(raw):
        if here + ENTRY.size > len(raw):
            raise MalformedFrame("an entry that ends inside its header")
        length, kind, flags, piece, sequence, time = ENTRY.unpack_from(raw, here)
        here += ENTRY.size
        if here + length > len(raw):
            raise MalformedFrame("an entry that is longer than its chunk")
        yield kind, flags, piece, sequence, time, raw[here : here + length]
        here += length


class Joined:
    """Entries whose pieces are joined again, over the chunks of one session.

    An entry whose last piece never came was not completed: what it would have recorded did not happen.  One of which
    another piece is not there is left out.
    """

    def __init__(self, most: int | None = None) -> None:
        """`most`: bytes of one payload that are kept; what is behind them is counted."""
        self._most = most
        self._pieces: list[bytes] = []
        self._sequence = -1  # of the entry whose pieces these are
        self._next = 0  # number of the piece that must come
        self._kept = self._missing = 0  # bytes

    def of(self, raw: bytes) -> Iterator[Entry]:
        """Entries that end in these bytes of a chunk.  Raises MalformedFrame."""
        for kind, flags, piece, sequence, time, payload in entries(raw):
            if piece == 0 and sequence != self._sequence:
                self._begin(sequence)
            elif sequence != self._sequence or piece != self._next:
                self._sequence = -1  # a piece is missing: none of the rest is taken
                continue
            self._next = (piece + 1) % PIECES
            self._add(payload)
            if flags & LAST_PIECE:
                whole = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
                missing, self._pieces, self._sequence = self._missing, [], -1
                yield Entry(kind, sequence, time, whole, missing)

    def _begin(self, sequence: int) -> None:
        self._pieces, self._sequence = [], sequence
        self._kept = self._missing = 0

    def _add(self, payload: bytes) -> None:
        kept = payload if self._most is None else payload[: self._most - self._kept]
        self._pieces.append(kept)
        self._kept += len(kept)
        self._missing += len(payload) - len(kept)

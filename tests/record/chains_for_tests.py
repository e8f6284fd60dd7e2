"""A session's chunks as a gateway writes them, for tests of what reads them."""

from __future__ import annotations

import orjson
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hoopgw.model.operation import QUERY, Operation
from hoopgw.record.chunks import DATA, ENTRY, LAST_PIECE, NO_DIGEST, SEAL, Chunk, Header, read_header
from hoopgw.record.entries import Kind, asked
from hoopgw.record.seals import Seal, key_id, signed

HEADER = len(Header(0, bytes(16), 0, NO_DIGEST, *[0] * 8).packed())


def as_read(chunk: Chunk) -> Chunk:
    """As from a file: with the bytes behind the body that its digest gives."""
    stored = chunk.stored()
    header = read_header(stored)
    end = HEADER + header.stored
    return Chunk(header, stored[HEADER:end], stored[end:])


class Maker:
    """One session's chain; `note` makes the gateway journal's."""

    def __init__(self, key: Ed25519PrivateKey, name: str, raw: bytes) -> None:
        self.key, self.name, self.raw = key, name, raw
        self.chunks: list[Chunk] = []
        self.digest = NO_DIGEST
        self.entry = self.operation = 0

    def pieces(self, kind: Kind, pieces: list[tuple[int, bytes]]) -> None:
        """One entry, a chunk for each piece of it: its number, and what it holds."""
        self.entry += 1
        for place, (number, payload) in enumerate(pieces):
            flags = LAST_PIECE if place == len(pieces) - 1 else 0
            packed = ENTRY.pack(len(payload), kind, flags, number, self.entry, 1000 + self.entry) + payload
            self.stored(packed, self.entry, (self.operation, self.operation))

    def data(self, *entries: tuple[Kind, bytes], operations: tuple[int, int] | None = None) -> Chunk:
        packed = b""
        first = self.entry + 1
        for kind, payload in entries:
            self.entry += 1
            packed += ENTRY.pack(len(payload), kind, LAST_PIECE, 0, self.entry, 1000 + self.entry) + payload
        covers = operations or (self.operation, self.operation)
        self.operation = covers[1]
        return self.stored(packed, first, covers)

    def stored(self, packed: bytes, first: int, covers: tuple[int, int]) -> Chunk:
        body = zstandard.ZstdCompressor(level=1).compress(packed)
        header = Header(DATA, self.raw, len(self.chunks), self.digest, first, self.entry, *covers, 1, 2,
                        len(packed), len(body))  # fmt: skip
        return self.add(Chunk(header, body))

    def ask(self, number: int, *behind: tuple[Kind, bytes]) -> Chunk:
        operation = Operation("postgresql", QUERY, b"SELECT 1", number=number)
        payload = b"".join(asked((operation,), [0], [0], b"Q\0\0\0\rSELECT 1\0"))
        opening = () if self.chunks else ((Kind.OPEN, orjson.dumps({"protocol": operation.protocol})),)
        return self.data(*opening, (Kind.ASKED, payload), *behind, operations=(number, number))

    def note(self, **fields: object) -> Chunk:
        return self.data((Kind.NOTE, orjson.dumps(fields)))

    def seal(self, *, final: bool = False) -> Chunk:
        number = len(self.chunks)
        made = Seal(self.name, number, self.digest.hex(), 7, key_id(self.key.public_key()), final)
        body = signed(made, self.key)
        at = self.entry, self.entry, self.operation, self.operation, 7, 7
        return self.add(Chunk(Header(SEAL, self.raw, number, self.digest, *at, 0, len(body)), body))

    def add(self, chunk: Chunk) -> Chunk:
        chunk = as_read(chunk)
        self.chunks.append(chunk)
        self.digest = chunk.digest()
        return chunk


def session(key: Ed25519PrivateKey, name: str, raw: bytes) -> Maker:
    """Ten operations, a seal behind every second, the last one final."""
    maker = Maker(key, name, raw)
    for number in range(1, 11):
        maker.ask(number)
        if number % 2 == 0:
            maker.seal(final=number == 10)
    return maker


def chained_anew(chunks: list[Chunk], start: int) -> list[Chunk]:
    """Digests put right from chunk `start` on, as somebody can who has no key; the seals stay what they were."""
    out = list(chunks)
    for index in range(start, len(out)):
        before = out[index - 1].digest() if index else NO_DIGEST
        out[index] = as_read(Chunk(out[index].header._replace(before=before), out[index].body))
    return out

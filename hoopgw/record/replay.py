"""A session's chunks -> what happened, by the decoder of its protocol; at constant memory, past what is damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orjson

from hoopgw.model.errors import MalformedFrame
from hoopgw.record import covering
from hoopgw.record.chunks import DATA, SEAL, Chunk, Damage, Entry, Joined
from hoopgw.record.covering import Covered
from hoopgw.record.entries import Kind, read_completed
from hoopgw.record.happenings import Happening, IDecoder, Opaque
from hoopgw.record.http import HttpDecoder
from hoopgw.record.postgres import PostgresDecoder
from hoopgw.record.ssh import SshDecoder

DECODERS: Mapping[str, Callable[[], IDecoder]] = {
    "postgresql": PostgresDecoder,
    "ssh": SshDecoder,
    "http": HttpDecoder,
}  # by the OPEN entry's `protocol`
MAX_KEPT = 16 << 20  # bytes of one entry: of a message far less is shown (pgstream.MAX_BODY)
_TOLD = {Kind.NOTE: "note", Kind.GAP: "gap", Kind.CLOSE: "close"}
_PASSED = (Kind.TO_CLIENT, Kind.TO_TARGET)
_MISSING = "not here, or damaged beyond recognition"


def replayed(found: Iterable[Chunk | Damage], *, asked_only: bool = False) -> Iterator[Happening]:
    """All of a session; what of it cannot be read is told as `damaged`, and never an error.  `asked_only`: what it
    asked for and what was noted of that, and nothing that passed, of which there may be gigabytes."""
    replay = Replay(asked_only=asked_only)
    for each in found:
        yield from replay.of(each)
    yield from replay.end()


class Replay:
    """Takes one session's chunks in order."""

    def __init__(self, *, asked_only: bool = False) -> None:
        self._left_out = _PASSED if asked_only else ()
        self._joined = Joined(MAX_KEPT)
        self._decoder: IDecoder | None = None  # of the protocol; None before the session's opening
        self._session: bytes | None = None
        self._number = 0  # of the chunk that must come next
        self._operation = 0  # the last one that a chunk was said to cover
        self._time = 0
        self._bytes = 0  # that are no chunk, since the last one

    def of(self, found: Chunk | Damage) -> Iterator[Happening]:
        if isinstance(found, Damage):
            self._bytes += found.size
            return
        header = found.header
        if not found.whole and header.number == self._number:
            seal = header.kind == SEAL and not header.raw
            covered = covering.NONE if seal else covering.damaged(found, self._number, self._operation)
            yield from self._damaged(self._number, covered, "not what its own check says")
        elif not found.whole:
            yield self._named(header.number, "not what its own check says, and not in its place")
        elif self._session not in (None, header.session):
            yield self._named(header.number, "of another session")
        elif header.number < self._number:
            yield self._named(header.number, "here again, or in another place than its own")
        else:
            if header.number > self._number:
                covered = covering.between(self._operation, found)
                yield from self._damaged(self._number, covered, _MISSING, last=header.number - 1)
            yield from self._whole(found)

    def end(self) -> Iterator[Happening]:
        """Behind the last chunk."""
        if self._bytes:
            yield from self._damaged(self._number, (self._operation + 1, covering.ON), "not whole")

    # ---- chunks

    def _whole(self, chunk: Chunk) -> Iterator[Happening]:
        header = chunk.header
        self._session, self._number = header.session, header.number + 1
        self._operation = max(self._operation, header.last_operation)
        self._bytes = 0
        if header.kind != DATA:
            return
        try:
            for entry in self._joined.of(chunk.raw()):
                self._time = entry.time
                yield from self.entry(entry)
        except MalformedFrame as error:
            covers = header.first_operation, header.last_operation
            yield from self._damaged(header.number, covers, str(error))

    def _damaged(self, number: int, operations: Covered, reason: str, *, last: int = -1) -> Iterator[Happening]:
        """Chunk `number`, or those from it to `last`, are lost."""
        self._number = max(self._number, number + 1, last + 1)
        self._operation = max(self._operation, operations[1])
        if self._decoder is None:  # its opening may be what is missing
            self._decoder = PostgresDecoder()
        self._decoder.lost()
        yield self._named(number, reason, max(number, last), operations)

    def _named(self, number: int, reason: str, last: int = -1, operations: Covered = covering.NONE) -> Happening:
        fields: dict[str, Any] = {"chunk": number, "last_chunk": max(number, last), "reason": reason}
        if operations != covering.NONE:
            fields["operations"] = [each for each in operations if each != covering.ON]
        if self._bytes:
            fields["bytes"], self._bytes = self._bytes, 0
        return Happening("damaged", self._time, fields)

    # ---- entries

    def entry(self, entry: Entry) -> Iterator[Happening]:
        """Raises MalformedFrame for what is no entry; bytes of the peers that cannot be read are `opaque`."""
        if entry.kind == Kind.OPEN:
            opening = _json(entry)
            self._decoder = DECODERS.get(str(opening.get("protocol")), Opaque)()
            yield Happening("open", entry.time, opening)
        elif entry.kind == Kind.COMPLETED:
            number, rows, masked, note = read_completed(entry.payload)
            fields = {"operation": number, "rows": rows, "masked": masked, "note": note}
            yield Happening("completed", entry.time, fields)
        elif entry.kind in _TOLD:
            if entry.kind == Kind.GAP and self._decoder is not None:
                self._decoder.lost()
            yield Happening(_TOLD[Kind(entry.kind)], entry.time, _json(entry))
        elif entry.kind not in self._left_out:
            self._decoder = self._decoder or Opaque()
            yield from self._decoder.of(entry)


def _json(entry: Entry) -> dict[str, Any]:
    try:
        found = orjson.loads(entry.payload)
    except ValueError as error:
        raise MalformedFrame(f"entry {entry.sequence} is not JSON") from error
    if not isinstance(found, dict):
        raise MalformedFrame(f"entry {entry.sequence} is no JSON object")
    return found

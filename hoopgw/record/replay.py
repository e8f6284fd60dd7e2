"""A session's entries -> what happened, by the decoder of its protocol; at constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orjson

from hoopgw.model.errors import MalformedFrame
from hoopgw.record.chunks import DATA, Chunk, Entry, Joined
from hoopgw.record.entries import Kind, read_completed
from hoopgw.record.happenings import Happening, IDecoder, Opaque
from hoopgw.record.postgres import PostgresDecoder

DECODERS: Mapping[str, Callable[[], IDecoder]] = {"postgresql": PostgresDecoder}  # by the OPEN entry's `protocol`
_TOLD = {Kind.NOTE: "note", Kind.GAP: "gap", Kind.CLOSE: "close"}


def entries_of(chunks: Iterable[Chunk]) -> Iterator[Entry]:
    """Raises MalformedFrame."""
    joined = Joined()
    for chunk in chunks:
        if chunk.header.kind == DATA:
            yield from joined.of(chunk.raw())


def happenings(entries: Iterable[Entry]) -> Iterator[Happening]:
    """Raises MalformedFrame for what is no entry; bytes of the peers that cannot be read are `opaque` and no error."""
    decoder: IDecoder = Opaque()
    for entry in entries:
        if entry.kind == Kind.OPEN:
            opening = _json(entry)
            decoder = DECODERS.get(str(opening.get("protocol")), Opaque)()
            yield Happening("open", entry.time, opening)
        elif entry.kind == Kind.COMPLETED:
            number, rows, masked, note = read_completed(entry.payload)
            fields = {"operation": number, "rows": rows, "masked": masked, "note": note}
            yield Happening("completed", entry.time, fields)
        elif entry.kind in _TOLD:
            yield Happening(_TOLD[Kind(entry.kind)], entry.time, _json(entry))
            if entry.kind == Kind.GAP:
                yield from decoder.of(entry)
        else:
            yield from decoder.of(entry)


def _json(entry: Entry) -> dict[str, Any]:
    try:
        found = orjson.loads(entry.payload)
    except ValueError as error:
        raise MalformedFrame(f"entry {entry.sequence} is not JSON") from error
    if not isinstance(found, dict):
        raise MalformedFrame(f"entry {entry.sequence} is no JSON object")
    return found

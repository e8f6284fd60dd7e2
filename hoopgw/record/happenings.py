"""What a replay gives: one thing after the other that happened in a session, as values for people and programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from hoopgw.model.errors import MalformedFrame
from hoopgw.record.chunks import Entry
from hoopgw.record.entries import Kind


@dataclass(frozen=True, slots=True)
class Happening:
    """`what` is one of

    open, close, note, gap      the session's own entries: `fields` are theirs
    operation                   number, kind, decision, text; parameters, guardrails, reason, tables, redacted, name,
                                headers (HTTP)
    row, copy                   what was shown of a result (values), or of a COPY (direction, data; binary, not_utf8)
    done                        tag, rows, milliseconds since it was asked
    error, notice               sqlstate, message, and what else the target or the gateway said
    notification                channel, payload
    input, output               SSH: stream (stdin, stdout, stderr), data; bytes, where not all of it is text
    bytes                       SSH: stream, bytes: what went by of a stream that is no text (record/binary.py)
    resize                      SSH: columns, rows of a terminal; what starts on one has `terminal`: type, columns, rows
    exit                        SSH: status, or signal
    answer                      HTTP: status, message, headers; an interim one (1xx) as well
    content                     HTTP: direction, data of a body without its chunks; base64: the data are no text
    message                     HTTP: direction, kind (text, binary, close, ping, pong), data of a WebSocket; base64
    completed                   what only the gateway counted: rows, masked, note
    opaque                      direction, bytes, reason: recorded, and not shown here
    damaged                     chunk, last_chunk, reason, operations (the first, and the last where it is known):
                                recorded, and lost since

    Where it is known, `operation` is the number of the operation it is about.
    """

    what: str
    time: int  # ns since 1970
    fields: dict[str, Any] = field(default_factory=dict)


class IDecoder(Protocol):
    """Reads the entries of one session, in order; keeps no rows."""

    def of(self, entry: Entry) -> Iterator[Happening]:
        """What of the protocol's own the entry tells.  Raises MalformedFrame for an entry that is none."""

    def lost(self) -> None:
        """Entries are missing from here on."""


def limited(happenings: Iterable[Happening], rows: int) -> Iterator[Happening]:
    """At most `rows` rows of each result, of each COPY, and packets of a command; then one `more` with their count."""
    shown, last = 0, 0
    for each in happenings:
        if each.what in ("row", "copy", "input", "output", "content", "message"):
            shown, last = shown + 1, each.time
            if shown <= rows:
                yield each
            continue
        if shown > rows:
            yield Happening("more", last, {"rows": shown - rows})
        shown = 0
        yield each
    if shown > rows:
        yield Happening("more", last, {"rows": shown - rows})


class Opaque:
    """The decoder of a protocol that this version does not know: how much went by, and nothing of what."""

    def of(self, entry: Entry) -> Iterator[Happening]:
        direction = {Kind.ASKED: "to target", Kind.TO_TARGET: "to target", Kind.TO_CLIENT: "to client"}
        if entry.kind not in direction:
            raise MalformedFrame(f"an entry of kind {entry.kind}")
        fields = {"direction": direction[Kind(entry.kind)], "bytes": len(entry.payload) + entry.missing}
        yield Happening("opaque", entry.time, {**fields, "reason": "a protocol that this version does not know"})

    def lost(self) -> None:
        """Nothing was known."""

"""A live session, as its recording arrives -> what a viewer's terminal is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hoopgw.cli.socket_client import Refused
from hoopgw.model.errors import MalformedFrame
from hoopgw.record.binary import summed
from hoopgw.record.chunks import CHECK, HEADER_SIZE, Chunk, read_header
from hoopgw.record.happenings import Happening
from hoopgw.record.harmless import CLEAR, RESET, Harmless
from hoopgw.record.replay import Replay
from hoopgw.record.telling import told
from hoopgw.record.terminals import Start, starts


def arriving(pieces: Iterable[bytes]) -> Iterator[Chunk]:
    """Each chunk as soon as it is whole.  Raises Refused for what is none."""
    data = bytearray()
    for piece in pieces:
        data += piece
        while len(data) >= HEADER_SIZE:
            try:
                header = read_header(bytes(data[:HEADER_SIZE]))
            except MalformedFrame as error:
                raise Refused(f"what the gateway sent is no recording: {error}") from error
            end = HEADER_SIZE + header.stored
            if len(data) < end + CHECK:
                break
            yield Chunk(header, bytes(data[HEADER_SIZE:end]), bytes(data[end : end + CHECK]))
            del data[: end + CHECK]


def happening(pieces: Iterable[bytes]) -> Iterator[Happening]:
    replay = Replay()
    for chunk in arriving(pieces):
        yield from replay.of(chunk)


def shown(happenings: Iterable[Happening], number: int | None, rows: int) -> Iterator[str]:
    """The terminal of operation `number`, else the one that began last; while there is none, lines."""
    start: Start | None = None
    drawn: dict[str, Harmless] = {}
    for each in summed(happenings):
        began = next(starts((each,)), None)
        if began is not None and began.terminal and number in (None, began.number):
            start, drawn = began, {"stdout": Harmless(), "stderr": Harmless()}
            yield CLEAR
        elif start is None or each.what == "close":
            yield RESET if start is not None else ""
            yield from (f"{line}\r\n" for line in told((each,), rows))
        elif each.fields.get("operation") == start.number and each.what == "output":
            yield drawn[each.fields["stream"]].of(each.fields["data"])
        elif each.fields.get("operation") == start.number and each.what == "exit":
            start = None
            yield RESET + "\r\n"

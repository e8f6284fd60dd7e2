"""Streams that are no text, told by their size: what `tar`, git, rsync and SFTP move is nothing to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hoopgw.record.happenings import Happening

MAX_STREAMS = 2048  # that are remembered to be binary: a relay has 256 channels open
PATIENCE = 10 * 1_000_000_000  # ns that a stream goes on before it is told how far it has come: somebody may watch
_Stream = tuple[int, str]


def summed(happenings: Iterable[Happening]) -> Iterator[Happening]:
    """`input` and `output` of a stream become `bytes` from the first NUL in it on; a terminal's stay as they are."""
    terminals: set[int] = set()
    binary: dict[_Stream, None] = {}
    sums: dict[_Stream, int] = {}
    since = last = 0
    for each in happenings:
        stream = _stream(each, terminals)
        if stream is not None and (stream in binary or "\0" in each.fields["data"]):
            binary[stream] = None
            while len(binary) > MAX_STREAMS:
                del binary[next(iter(binary))]
            since = since if sums else each.time
            sums[stream], last = sums.get(stream, 0) + _size(each), each.time
            if last - since > PATIENCE:
                yield from _told(sums, last)
            continue
        yield from _told(sums, last)
        if each.what == "operation" and each.fields.get("terminal"):
            terminals.add(each.fields["number"])
        yield each
    yield from _told(sums, last)


def _stream(each: Happening, terminals: set[int]) -> _Stream | None:
    if each.what not in ("input", "output"):
        return None
    number = each.fields.get("operation", 0)
    return None if number in terminals else (number, each.fields["stream"])


def _size(each: Happening) -> int:
    return int(each.fields.get("bytes", 0)) or len(each.fields["data"].encode("utf-8", "surrogatepass"))


def _told(sums: dict[_Stream, int], time: int) -> Iterator[Happening]:
    """And none of them is left."""
    for (number, stream), size in sums.items():
        yield Happening("bytes", time, {"operation": number, "stream": stream, "bytes": size})
    sums.clear()

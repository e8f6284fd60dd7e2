"""Which operations a chunk covers that is damaged or not there, as far as its header and its neighbours say."""

from __future__ import annotations

from hoopgw.model.errors import MalformedFrame
from hoopgw.record.chunks import DATA, Chunk, entries
from hoopgw.record.entries import Kind

Covered = tuple[int, int]  # the first and the last operation
NONE: Covered = (0, 0)
ON = -1  # as the last: that one, and nobody knows how many behind it


def damaged(chunk: Chunk, number: int, operation: int) -> Covered:
    """What a damaged chunk covers, in the place of chunk `number`, behind `operation`.

    Its header's word counts where it can be true.
    """
    header = chunk.header
    first, last = header.first_operation, header.last_operation
    if header.number == number and operation <= first <= last:
        return first, last
    return operation + 1, ON


def between(operation: int, chunk: Chunk) -> Covered:
    """What those chunks cover that are missing between `operation` and this chunk."""
    last = chunk.header.first_operation
    if _asks(chunk):
        last -= 1
    return (operation + 1, last) if last > operation else NONE


def _asks(chunk: Chunk) -> bool:
    """Whether operations begin in it: else its header has the last one before it as first and last."""
    header = chunk.header
    if header.kind != DATA or header.first_operation != header.last_operation:
        return header.kind == DATA
    try:
        return any(kind == Kind.ASKED and not piece for kind, _, piece, *_ in entries(chunk.raw()))
    except MalformedFrame:
        return False

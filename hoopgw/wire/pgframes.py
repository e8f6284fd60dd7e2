"""PostgreSQL bytes -> where its messages end.  No I/O, no policy, no SQL (PostgreSQL documentation, 55.7)."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from hoopgw.model.errors import MalformedFrame

HEADER: Final = 5  # bytes: a tag, and a length that counts itself but not the tag

# What only passes through, of any size and many: DataRow, CopyData, FunctionCallResponse
BULK_D: Final[i64] = 68
BULK_COPY: Final[i64] = 100
BULK_V: Final[i64] = 86


def message_end(data: bytes, start: int, limit: int) -> int:
    """Where the tagged message that begins at `start` ends; 0 where it is not whole.

    Raises MalformedFrame for a length outside 4..`limit` bytes.
    """
    here: i64 = start
    size: i64 = len(data)
    if here + 5 > size:
        return 0
    length: i64 = (data[here + 1] << 24) | (data[here + 2] << 16) | (data[here + 3] << 8) | data[here + 4]
    if length < 4 or length > limit:
        raise MalformedFrame(f"a message's length {length} is not in 4..{limit}")
    end: i64 = here + 1 + length
    if end > size:  # no expression with `if`: its value would be an object
        return 0
    return end


def needed(data: bytes, start: int, limit: int) -> int:
    """How many bytes the message that begins at `start` has in all; 0 while its header is not there.

    Raises MalformedFrame for a length outside 4..`limit` bytes.
    """
    if start + HEADER > len(data):
        return 0
    length = int.from_bytes(data[start + 1 : start + HEADER], "big")
    if not 4 <= length <= limit:
        raise MalformedFrame(f"a message's length {length} is not in 4..{limit}")
    return 1 + length


@final
class Run:
    """What the last scan of the target's bytes found: a run of one kind of bulk messages, then at most one other.

    tag    of the run's messages
    rows   how many they are
    bulk   where the run ends
    end    where the other message behind it ends; equal to `bulk` where there is none, or it is not whole
    """

    __slots__ = ("bulk", "end", "rows", "tag")

    def __init__(self) -> None:
        self.tag: i64 = 0
        self.rows: i64 = 0
        self.bulk: i64 = 0
        self.end: i64 = 0

    def scan(self, data: bytes, start: i64) -> None:
        """Walk over whole bulk messages of one kind, and one message that is not bulk.

        Raises MalformedFrame for a length that no message has (a target may send up to 1 GiB in one).
        """
        here = start
        size: i64 = len(data)
        rows: i64 = 0
        kind: i64 = 0
        while here + 5 <= size:
            tag: i64 = data[here]
            length: i64 = (data[here + 1] << 24) | (data[here + 2] << 16) | (data[here + 3] << 8) | data[here + 4]
            if length < 4 or length > 0x40000100:
                if rows:
                    break  # what was right before it first; the next scan begins here
                raise MalformedFrame(f"a message's length {length} is not possible")
            end: i64 = here + 1 + length
            if end > size:
                break
            if tag != kind:
                if tag != BULK_D and tag != BULK_COPY and tag != BULK_V:
                    self.tag, self.rows, self.bulk, self.end = kind, rows, here, end
                    return
                if rows:
                    break
                kind = tag
            rows += 1
            here = end
        self.tag, self.rows, self.bulk, self.end = kind, rows, here, here


def after_rows(data: bytes, start: int, rows: int) -> int:
    """Where the first `rows` messages from `start` on end; all of them are whole."""
    here: i64 = start
    left: i64 = rows
    while left > 0:
        length: i64 = (data[here + 1] << 24) | (data[here + 2] << 16) | (data[here + 3] << 8) | data[here + 4]
        here += 1 + length
        left -= 1
    return here

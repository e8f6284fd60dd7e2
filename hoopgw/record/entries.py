"""Journal entries: what a recording is made of, and the bytes they are stored as.

The layout is part of the recording format (docs/recording-format.md): a change here is a new format version.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from struct import error as StructError
from typing import Final

from librt.strings import BytesWriter, write_i32_le, write_i64_le

from hoopgw.model.answer import Decision
from hoopgw.model.errors import MalformedFrame
from hoopgw.model.operation import (
    BIND,
    ENV,
    EXEC,
    EXECUTE,
    FILE,
    FORWARD,
    FUNCTION,
    MESSAGE,
    PARSE,
    PTY,
    QUERY,
    REQUEST,
    SHELL,
    SUBSYSTEM,
    TUNNEL,
    Operation,
)


class Kind(IntEnum):
    """What an entry's payload is."""

    OPEN = 1  # JSON: identity, target, role, client, TLS, policy digest, versions
    ASKED = 2  # operations, their answers, and the client's bytes that hold them
    TO_CLIENT = 3  # bytes as shown to the client
    TO_TARGET = 4  # bytes sent to the target that no ASKED entry holds already
    COMPLETED = 5  # operation number, rows, masked values, note
    NOTE = 6  # JSON: an event that belongs to this session (hold, cancel, kill, setting, opaque stretch)
    VERDICT = 7  # JSON: what the small number in later ASKED entries means
    GAP = 8  # JSON: best-effort only: from when to when, entries and bytes lost
    CLOSE = 9  # JSON: reason, totals, coverage


KINDS: Final[dict[str, int]] = {  # what an ASKED entry calls them
    QUERY: 1,
    PARSE: 2,
    BIND: 3,
    EXECUTE: 4,
    FUNCTION: 5,
    EXEC: 16,
    SUBSYSTEM: 17,
    SHELL: 18,
    PTY: 19,
    ENV: 20,
    FORWARD: 21,
    FILE: 22,
    REQUEST: 32,
    TUNNEL: 33,
    MESSAGE: 34,
}
DECISIONS: Final[dict[Decision, int]] = {  # what an ASKED entry calls them; 0 is "go"
    Decision.REFUSED: 1,
    Decision.HELD: 2,
    Decision.DENIED: 3,
    Decision.EXPIRED: 4,
    Decision.OVER_BUDGET: 5,
    Decision.UNAVAILABLE: 6,
}
_COUNT: Final = Struct("<I")
_ONE: Final = Struct("<QBBI")
_COMPLETED: Final = Struct("<QQQ")


def asked(
    operations: tuple[Operation, ...], codes: list[int], references: list[int], data: bytes
) -> tuple[bytes, bytes]:
    """The payload of an ASKED entry, in two parts.

    u32 count; for each operation u64 number, u8 kind, u8 decision (0 go), u32 number
    of the VERDICT entry (0: allowed, with nothing to say); then the client's bytes.  Little-endian.
    """
    entry = BytesWriter()
    write_i32_le(entry, len(operations))
    for index, operation in enumerate(operations):
        write_i64_le(entry, operation.number)
        entry.append(KINDS[operation.kind])
        entry.append(codes[index])
        write_i32_le(entry, references[index])
    return entry.getvalue(), data


def completed(number: int, rows: int, masked: int, note: str) -> bytes:
    """The payload of a COMPLETED entry: u64 operation number, u64 rows, u64 masked values, the note in UTF-8."""
    return _COMPLETED.pack(number, rows, masked) + note.encode("utf-8", "backslashreplace")


def read_asked(payload: bytes) -> tuple[list[tuple[int, int, int, int]], bytes]:
    """([(number, kind, decision, VERDICT reference)], the client's bytes).  Raises MalformedFrame."""
    try:
        (count,) = _COUNT.unpack_from(payload)
        end = _COUNT.size + count * _ONE.size
        if end > len(payload):
            raise MalformedFrame("an ASKED entry with fewer operations than it says")
        return list(_ONE.iter_unpack(payload[_COUNT.size : end])), payload[end:]
    except StructError as error:
        raise MalformedFrame("an ASKED entry that ends too early") from error


def read_completed(payload: bytes) -> tuple[int, int, int, str]:
    """(operation number, rows, masked values, note).  Raises MalformedFrame."""
    try:
        number, rows, masked = _COMPLETED.unpack_from(payload)
    except StructError as error:
        raise MalformedFrame("a COMPLETED entry that ends too early") from error
    return number, rows, masked, payload[_COMPLETED.size :].decode("utf-8", "backslashreplace")

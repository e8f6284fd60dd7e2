"""Journal entries: what a recording is made of, and the bytes they are stored as.

The layout is part of the recording format (docs/recording-format.md): a change here is a new format version.
"""

from __future__ import annotations

from enum import IntEnum


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

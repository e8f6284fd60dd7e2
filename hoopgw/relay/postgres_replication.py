"""Which texts a walsender reads by its own grammar, and which of them stream (PostgreSQL documentation, 55.4)."""

from __future__ import annotations

from typing import Final

PHYSICAL: Final = "physical"
LOGICAL: Final = "logical"

# Its scanner looks at the first word alone, in any case, and knows no comments.  SHOW is judged as SQL is.
_COMMANDS: Final = frozenset(
    (
        b"IDENTIFY_SYSTEM", b"READ_REPLICATION_SLOT", b"TIMELINE_HISTORY", b"CREATE_REPLICATION_SLOT",
        b"ALTER_REPLICATION_SLOT", b"DROP_REPLICATION_SLOT", b"START_REPLICATION", b"BASE_BACKUP", b"UPLOAD_MANIFEST",
    )
)  # fmt: skip
_STREAMS: Final = frozenset((b"START_REPLICATION", b"UPLOAD_MANIFEST"))  # the client sends data, too
_BLANKS: Final = b" \t\n\r\f"
LONGEST: Final = 32  # bytes of a first word, and more than any has


def command(text: bytes) -> bytes:
    """The replication command that a walsender takes the text for; b"" where it takes it for SQL."""
    begun = text.lstrip(_BLANKS)[:LONGEST].upper()
    end = 0
    while end < len(begun) and (begun[end : end + 1].isalnum() or begun[end] == 95):
        end += 1
    word = begun[:end]
    return word if word in _COMMANDS else b""


def takes_data(text: bytes) -> bool:
    """It may start a stream in which the client sends CopyData."""
    return command(text) in _STREAMS


def wanted(value: str) -> str:
    """What a `replication` parameter asks for: "", PHYSICAL or LOGICAL (55.2.10: a boolean, or `database`).

    Raises ValueError for a word that is neither.
    """
    word = value.lower()
    if word in ("off", "false", "no", "0"):
        return ""
    if word == "database":
        return LOGICAL
    if word in ("on", "true", "yes", "1"):
        return PHYSICAL
    raise ValueError("is not a boolean or `database`")

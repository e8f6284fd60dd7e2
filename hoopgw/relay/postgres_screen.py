"""What of the target's own words (errors, notices, notifications) the client and the record may read."""

from __future__ import annotations

from typing import Any, Final

from hoopgw.relay import postgres_words as words
from hoopgw.relay.postgres_expect import Expect
from hoopgw.wire import pgmessages

Fields = list[tuple[bytes, bytes]]

_KEPT: Final = (b"S", b"V", b"C", b"P")  # severity, SQLSTATE and position stay where the text is withheld
# Whole messages of PostgreSQL in which no value stands (tcop/postgres.c, lmgr/proc.c, tuptable's users): why it stopped
_CONSTANT: Final = frozenset(
    (
        b"canceling statement due to user request",
        b"canceling statement due to statement timeout",
        b"canceling statement due to lock timeout",
        b"canceling statement due to conflict with recovery",
        b"terminating connection due to administrator command",
        b"terminating connection due to idle-in-transaction timeout",
        b"terminating connection due to idle-session timeout",
        b"terminating connection due to transaction timeout",
        b"terminating connection due to conflict with recovery",
        b"terminating connection because of crash of another server process",
        b"the database system is shutting down",
        b"current transaction is aborted, commands ignored until end of transaction block",
        b"deadlock detected",
        b"could not serialize access due to concurrent update",
        b"could not serialize access due to concurrent delete",
        b"could not serialize access due to read/write dependencies among transactions",
        b"cached plan must not change result type",
    )
)


def screened(fields: Fields, masks: Any, withhold: bool) -> Fields:
    """Withheld where the statement reads a masked column; masked by pattern elsewhere."""
    if withhold:
        return withheld(fields)
    if masks is None:
        return fields
    return [(name, value if name in _KEPT else masks.text(value)) for name, value in fields]


def withheld(fields: Fields) -> Fields:
    """Without text, but for a message that is the same whatever the values are."""
    said = [value for name, value in fields if name == b"M" and value in _CONSTANT]
    kept = [(name, value) for name, value in fields if name in _KEPT]
    return [*kept, (b"M", said[0] if said else words.HIDDEN)]


def ends_session(fields: Fields) -> bool:
    """Of an ErrorResponse: FATAL or PANIC, by the severity that is not translated where it has one (9.6 and later)."""
    severity = b""
    for name, value in fields:
        if name == b"V" or (name == b"S" and not severity):
            severity = value
    return severity in (b"FATAL", b"PANIC")


def notification(body: bytes, masks: Any) -> bytes:
    """A NotificationResponse with its payload masked; the channel is a name that the client listens to."""
    here = body.find(b"\0", 4) + 1
    return pgmessages.message(b"A", body[:here] + masks.text(body[here:-1]) + b"\0")


def noticed(body: bytes, head: Expect | None, masks: Any, withhold: bool) -> tuple[bytes | None, bytes | None]:
    """A notice, masked, and the record's form of it; None where nothing changes."""
    if masks is None and not withhold and not (head is not None and head.answer.redact):
        return None, None
    fields = screened(pgmessages.report_fields(body), masks, withhold)
    return pgmessages.report(b"N", fields), without_text(b"N", fields, head)


def without_text(tag: bytes, fields: Fields, head: Expect | None) -> bytes | None:
    """What the record gets of a redacted operation's errors; None: the same."""
    if head is None or not head.answer.redact:
        return None
    return pgmessages.report(tag, withheld(fields))

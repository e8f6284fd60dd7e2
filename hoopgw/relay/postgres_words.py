"""The gateway's own words in PostgreSQL's terms: SQLSTATE class ZG, DETAIL as JSON, HINT in words."""

from __future__ import annotations

import json
from typing import Final

from hoopgw.model.answer import Decision, Denial
from hoopgw.wire import pgmessages

# A class of the gateway's own: classes that begin with I to Z are left to implementations (ISO 9075-2, 24.1).
SQLSTATES: Final[dict[Decision, bytes]] = {
    Decision.REFUSED: b"ZG001",
    Decision.HELD: b"ZG002",
    Decision.DENIED: b"ZG003",
    Decision.EXPIRED: b"ZG004",
    Decision.OVER_BUDGET: b"ZG005",
    Decision.UNAVAILABLE: b"ZG006",
}
SYNTAX_ERROR: Final = b"42601"  # a mistake in the text is what it is to every client, whoever finds it
SYNTAX_HINT: Final = "statements are read here by the grammar of PostgreSQL 17"
ADMIN_SHUTDOWN: Final = b"57P01"
PROTOCOL_VIOLATION: Final = b"08P01"
HIDDEN: Final = b"(the text is withheld: it may quote a masked column)"

_HINTS: Final[dict[Decision, str]] = {
    Decision.REFUSED: "the rules do not let this run; `hoopgw explain` shows which rule, file and line",
    Decision.DENIED: "an approver said no; do not send it again as it is",
    Decision.HELD: "send exactly the same again after it was approved, and it runs once",
    Decision.OVER_BUDGET: "wait until the budget resets",
    Decision.UNAVAILABLE: "try again later",
    Decision.EXPIRED: "send it again to ask anew",
}


def denied(denial: Denial, encoding: str, extra: dict[str, object] | None = None) -> bytes:
    """The ErrorResponse of a denial."""
    return pgmessages.error(b"ERROR", _fields(denial, encoding, extra))


def waiting(notice: Denial, encoding: str) -> bytes:
    """The NoticeResponse that tells of a hold."""
    return pgmessages.notice(_fields(notice, encoding, None))


def fatal(sqlstate: bytes, reason: str, encoding: str, denial: Denial | None) -> bytes:
    """The last message of a session."""
    fields = [(b"C", sqlstate), (b"M", encoded(reason, encoding))]
    if denial is not None:
        fields.append((b"D", _json(denial, None)))
    return pgmessages.error(b"FATAL", fields)


def _fields(denial: Denial, encoding: str, extra: dict[str, object] | None) -> list[tuple[bytes, bytes]]:
    if denial.position:
        place = [(b"P", b"%d" % denial.position)] if denial.position > 0 else []
        return [
            (b"C", SYNTAX_ERROR),
            (b"M", encoded(denial.reason, encoding)),
            (b"D", _json(denial, extra)),
            (b"H", SYNTAX_HINT.encode()),
            *place,
        ]
    hint = denial.would_pass or _HINTS.get(denial.decision, "")
    return [
        (b"C", denial.sqlstate.encode() or SQLSTATES[denial.decision]),
        (b"M", encoded(denial.reason, encoding)),
        (b"D", _json(denial, extra)),
        (b"H", encoded(hint, encoding)),
    ]


def _json(denial: Denial, extra: dict[str, object] | None) -> bytes:
    fields = denial.fields()
    if extra is not None:
        fields.update(extra)
    return json.dumps(fields, ensure_ascii=True).encode()  # ASCII is right in every client encoding


def encoded(text: str, encoding: str) -> bytes:
    """In the client's encoding where that is UTF-8; elsewhere ASCII, the rest by number."""
    if encoding == "UTF8":
        return text.encode("utf-8", "backslashreplace")
    return text.encode("ascii", "backslashreplace")

"""The gateway's own words on an SSH channel: lines for a person on stderr, the last of them JSON for a program."""

from __future__ import annotations

import json
from typing import Any, Final

from hoopgw.model.answer import Decision, Denial
from hoopgw.model.escaping import escaped

REFUSED_STATUS: Final = 126  # of a command that was found and may not run, as shells say it
MAX_STATUS: Final = 200  # bytes of a refusal in an SFTP status
MAX_WORDS: Final = 1000  # characters of a field: two answers fit into the reserve of a channel (ssh_channel, RESERVE)

_HINTS: Final[dict[Decision, str]] = {
    Decision.REFUSED: "the rules do not let this run",
    Decision.DENIED: "an approver said no; do not send it again as it is",
    Decision.HELD: "send exactly the same again after it was approved, and it runs once",
    Decision.OVER_BUDGET: "wait until the budget resets",
    Decision.UNAVAILABLE: "try again later",
    Decision.EXPIRED: "send it again to ask anew",
}


def denied(denial: Denial, terminal: bool) -> bytes:
    """What did not run, why, and what would help; then the JSON line."""
    return lines([_said(denial.decision.value, denial.reason), *_hints(denial), _json(denial)], terminal)


def reason(denial: Denial) -> bytes:
    """The same in one short line, for the STATUS of an SFTP request."""
    return f"{denial.decision.value}: {escaped(denial.reason)}".encode("utf-8", "backslashreplace")[:MAX_STATUS]


def waiting(notice: Denial, terminal: bool) -> bytes:
    """It waits for an approval."""
    return lines([_said("waiting for approval", notice.reason), *_hints(notice), _json(notice)], terminal)


def ended(reason: str, denial: Denial | None, terminal: bool) -> bytes:
    """The session ends."""
    told = [_said("the session ends", reason)]
    return lines(told if denial is None else [*told, _json(denial)], terminal)


def lines(told: list[str], terminal: bool) -> bytes:
    """A terminal in raw mode needs its carriage returns.  Nothing in the words can move its cursor."""
    end = "\r\n" if terminal else "\n"
    return "".join([line + end for line in told]).encode("utf-8", "backslashreplace")


def _said(what: str, reason: str) -> str:
    return f"hoopgw: {what}: {_cut(escaped(reason))}"


def _hints(denial: Denial) -> list[str]:
    hint = denial.would_pass or _HINTS[denial.decision]
    return [f"hoopgw: {_cut(escaped(hint))}"]


def _json(denial: Denial) -> str:
    fields: dict[str, Any] = {
        name: _cut(value) if isinstance(value, str) else value for name, value in denial.fields().items()
    }
    return json.dumps(fields, ensure_ascii=True)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_WORDS else text[: MAX_WORDS - 1] + "…"

"""What of a session was seen exactly, what was inferred, and what passed opaque: one statement.

Only what the gateway itself observed decides it: its own entries (OPEN, NOTE, GAP, CLOSE) and what a replay could not
read.  Nothing that a client or target says has a part in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from hoopgw.record.happenings import Happening

MAX_GAPS = 100  # that are listed one by one; the totals have all of them


class Coverage:
    """Takes a session's happenings in order; constant memory."""

    def __init__(self) -> None:
        self._said: dict[str, Any] | None = None
        self._gaps: list[dict[str, Any]] = []
        self._gap_count = self._lost_entries = self._lost_bytes = 0
        self._gap_since: int | None = None  # ns: one that has begun, and no entry has said its end
        self._opaque = {"to client": 0, "to target": 0}
        self._damaged = 0  # chunks
        self._redacted = self._masked = self._operations = 0
        self._closing: dict[str, Any] | None = None

    def take(self, each: Happening) -> None:
        fields = each.fields
        if each.what == "operation":
            self._operations += 1
            self._redacted += bool(fields.get("redacted"))
        elif each.what == "completed":
            self._masked += fields["masked"]
        elif each.what == "opaque":
            self._opaque[fields["direction"]] += fields["bytes"]
        elif each.what == "damaged":
            self._damaged += fields["last_chunk"] + 1 - fields["chunk"]
        elif each.what == "gap":
            self._gap(fields)
        elif each.what == "close":
            self._closing, self._said = fields, fields.get("coverage")

    def take_all(self, happenings: Iterable[Happening]) -> None:
        for each in happenings:
            self.take(each)

    def _gap(self, fields: dict[str, Any]) -> None:
        if "to" not in fields:
            self._gap_since = int(fields.get("from", 0))
            return
        self._gap_since = None
        self._gap_count += 1
        self._lost_entries += int(fields.get("entries", 0))
        self._lost_bytes += int(fields.get("bytes", 0))
        if len(self._gaps) < MAX_GAPS:
            self._gaps.append({name: fields.get(name) for name in ("from", "to", "entries", "bytes")})

    @property
    def complete(self) -> bool:
        """The session was closed, and nothing of it is missing, inferred or opaque."""
        said = self._said or {}
        whole = self._closing is not None and not self._closing.get("interrupted")
        whole = whole and not self._gap_count and self._gap_since is None and not self._damaged
        return whole and not any(self._opaque.values()) and not said.get("inferred") and not said.get("opaque")

    def statement(self) -> dict[str, Any]:
        """For programs."""
        said = self._said or {}
        closing = self._closing or {}
        found: dict[str, Any] = {
            "complete": self.complete,
            "state": "open" if self._closing is None else "interrupted" if closing.get("interrupted") else "closed",
            "exact": said.get("exact", []),
            "inferred": said.get("inferred", []),
            "opaque": said.get("opaque", []),
            "operations": self._operations,
            "redacted": self._redacted,
            **({"starred": said["starred"]} if said.get("starred") else {}),
            "masked": self._masked,
            "unread_bytes": dict(self._opaque),
            "damaged_chunks": self._damaged,
            "gaps": {"count": self._gap_count, "entries": self._lost_entries, "bytes": self._lost_bytes},
        }
        if self._gaps:
            found["gaps"]["first"] = self._gaps
        if self._gap_since is not None:
            found["gaps"]["since"] = self._gap_since
        if closing.get("missing"):
            found["missing"] = closing["missing"]
        return found

    def words(self) -> list[str]:
        """For people, a line each."""
        found = self.statement()
        exact, inferred, opaque = (", ".join(map(str, found[name])) for name in ("exact", "inferred", "opaque"))
        lines = [f"The session is {found['state']}; {found['operations']} operations are in the record."]
        if exact:
            lines.append(f"Seen exactly: {exact}.")
        if inferred:
            lines.append(f"Inferred: {inferred}.")
        if opaque:
            lines.append(f"Passed opaque: {opaque}.")
        if found["redacted"]:
            lines.append(f"The text of {found['redacted']} operations was replaced before it was written.")
        if "starred" in found:
            lines.append(f"{found['starred']} values of secret fields are stars in the record.")
        if found["masked"]:
            lines.append(f"{found['masked']} values were masked before they were shown and written.")
        if self._gap_count:
            lines.append(
                f"NOT recorded: {self._lost_entries} entries, {self._lost_bytes} bytes, in {self._gap_count} gaps."
            )
        if self._gap_since is not None:
            lines.append(f"NOT recorded: what came after {_second(self._gap_since)}, up to the end of the record.")
        if self._damaged:
            lines.append(f"DAMAGED since: {self._damaged} chunks; what they held is not here.")
        for direction, size in self._opaque.items():
            if size:
                lines.append(f"{size} bytes {direction} are recorded and could not be read as messages.")
        if "missing" in found:
            lines.append(f"At its end something may be missing: {found['missing'].get('reason')}.")
        return lines


def _second(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def with_coverage(happenings: Iterable[Happening]) -> Iterator[Happening]:
    """The same, and at the end the coverage statement: its `fields`, and `words` of them."""
    found, last = Coverage(), 0
    for each in happenings:
        found.take(each)
        last = each.time
        yield each
    yield Happening("coverage", last, {**found.statement(), "words": found.words()})

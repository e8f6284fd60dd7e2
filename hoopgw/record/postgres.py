"""A recorded PostgreSQL session -> what happened, in order.  Frames are read here, at replay, not in the data path."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from struct import Struct
from typing import Any

from hoopgw.model.errors import MalformedFrame
from hoopgw.record.chunks import Entry
from hoopgw.record.entries import Kind

KINDS = {1: "query", 2: "parse", 3: "bind", 4: "execute", 5: "function"}
DECISIONS = {
    0: "allowed", 1: "refused", 2: "held", 3: "denied", 4: "expired", 5: "over-budget", 6: "unavailable",
}  # fmt: skip
MAX_MESSAGE = 1 << 30
_COUNT = Struct("<I")
_ONE = Struct("<QBBI")
_COMPLETED = Struct("<QQQ")


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened.  `what`: open, operation, rows, done, error, notice, copy, note, gap, close."""

    what: str
    time: int  # ns since 1970
    fields: dict[str, Any] = field(default_factory=dict)


class Messages:
    """A stream of tagged messages, cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""

    def of(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        data = self._rest + data if self._rest else data
        here = 0
        while here + 5 <= len(data):
            length = int.from_bytes(data[here + 1 : here + 5], "big")
            if not 4 <= length <= MAX_MESSAGE:
                raise MalformedFrame(f"a recorded message of {length} bytes")
            if here + 1 + length > len(data):
                break
            yield data[here], data[here + 5 : here + 1 + length]
            here += 1 + length
        self._rest = data[here:]


class PostgresReplay:
    """Takes a session's entries in order and gives what happened.  Keeps names of statements, and no rows."""

    def __init__(self) -> None:
        self._from_client = Messages()
        self._from_target = Messages()
        self._verdicts: dict[int, dict[str, Any]] = {}
        self._statements: dict[bytes, tuple[str, list[int]]] = {}
        self._portals: dict[bytes, tuple[str, list[str]]] = {}
        self._columns: list[str] = []
        self._formats: list[int] = []
        self._copying = False
        self._rows = 0

    def happenings(self, entries: Iterable[Entry]) -> Iterator[Happening]:
        for entry in entries:
            yield from self._one(entry)

    def _one(self, entry: Entry) -> Iterator[Happening]:
        kind, time, payload = entry.kind, entry.time, entry.payload
        if kind == Kind.OPEN:
            yield Happening("open", time, json.loads(payload))
        elif kind == Kind.VERDICT:
            verdict = json.loads(payload)
            self._verdicts[verdict["verdict"]] = verdict
        elif kind == Kind.ASKED:
            yield from self._asked(time, payload)
        elif kind == Kind.TO_CLIENT:
            yield from self._shown(time, payload)
        elif kind == Kind.TO_TARGET:
            yield from self._sent(time, payload)
        elif kind == Kind.COMPLETED:
            number, rows, masked = _COMPLETED.unpack_from(payload)
            note = payload[_COMPLETED.size :].decode("utf-8", "replace")
            yield Happening("completed", time, {"number": number, "rows": rows, "masked": masked, "note": note})
        elif kind == Kind.NOTE:
            yield Happening("note", time, json.loads(payload))
        elif kind == Kind.GAP:
            yield Happening("gap", time, json.loads(payload))
        elif kind == Kind.CLOSE:
            yield Happening("close", time, json.loads(payload))

    # ---- the client's side

    def _asked(self, time: int, payload: bytes) -> Iterator[Happening]:
        (count,) = _COUNT.unpack_from(payload)
        asked = deque(_ONE.unpack_from(payload, _COUNT.size + index * _ONE.size) for index in range(count))
        for tag, body in self._from_client.of(payload[_COUNT.size + count * _ONE.size :]):
            found = self._message(tag, body)
            if found is None or not asked:
                continue
            number, kind, decision, reference = asked.popleft()
            fields = {"number": number, "kind": KINDS.get(kind, str(kind)), "decision": DECISIONS.get(decision, "?")}
            verdict = self._verdicts.get(reference, {})
            rules = [rule for part in ("refusals", "holds", "limits") for rule in verdict.get(part, [])]
            fields |= found
            if rules:
                fields["guardrails"] = sorted({rule["guardrail"] for rule in rules})
            if verdict.get("refusals"):
                fields["reason"] = "; ".join(rule["reason"] for rule in verdict["refusals"])
            for name in ("tables", "redacted"):
                if verdict.get(name):
                    fields[name] = verdict[name]
            yield Happening("operation", time, fields)

    def _message(self, tag: int, body: bytes) -> dict[str, Any] | None:
        """The text and parameters of a message that is asked about."""
        if tag == 81:  # Q
            return {"text": _text(body[:-1])}
        if tag == 80:  # P
            name, text, types = body.split(b"\0", 2)
            oids = [int.from_bytes(types[at : at + 4], "big") for at in range(2, len(types), 4)]
            self._statements[name] = _text(text), oids
            return {"text": _text(text), **({"name": _text(name)} if name else {})}
        if tag == 66:  # B
            portal, name, rest = body.split(b"\0", 2)
            words, _ = self._statements.get(name, ("", []))
            values = _parameters(rest)
            self._portals[portal] = words, values
            return {"text": words, "parameters": values}
        if tag == 69:  # E
            words, values = self._portals.get(body.split(b"\0", 1)[0], ("", []))
            return {"text": words, **({"parameters": values} if values else {})}
        if tag == 70:  # F
            return {"text": f"function {int.from_bytes(body[:4], 'big')}"}
        return None

    def _sent(self, time: int, payload: bytes) -> Iterator[Happening]:
        for tag, body in self._from_client.of(payload):
            if tag == 100:  # d
                yield Happening("copy", time, {"direction": "to target", "data": _text(body)})

    # ---- the target's side, as shown

    def _shown(self, time: int, payload: bytes) -> Iterator[Happening]:
        for tag, body in self._from_target.of(payload):
            if tag == 84:  # T
                self._describe(body)
            elif tag == 68:  # D
                self._rows += 1
                yield Happening("row", time, {"values": self._values(body)})
            elif tag == 100:  # d
                yield Happening("copy", time, {"direction": "to client", "data": _text(body)})
            elif tag == 67:  # C
                yield Happening("done", time, {"tag": _text(body[:-1]), "rows": self._rows})
                self._rows = 0
            elif tag in (69, 78):  # E, N
                fields = {part[:1].decode("latin-1"): _text(part[1:]) for part in body.split(b"\0") if part}
                shown = {"sqlstate": fields.get("C", ""), "message": fields.get("M", "")}
                if fields.get("D"):
                    shown["detail"] = fields["D"]
                yield Happening("error" if tag == 69 else "notice", time, shown)
            elif tag == 65:  # A
                channel, _, payload_text = body[4:-1].partition(b"\0")
                yield Happening("notification", time, {"channel": _text(channel), "payload": _text(payload_text)})

    def _describe(self, body: bytes) -> None:
        self._columns, self._formats = [], []
        here = 2
        for _ in range(int.from_bytes(body[:2], "big")):
            end = body.index(b"\0", here)
            self._columns.append(_text(body[here:end]))
            self._formats.append(int.from_bytes(body[end + 17 : end + 19], "big"))
            here = end + 19

    def _values(self, body: bytes) -> dict[str, str | None] | list[str | None]:
        values: list[str | None] = []
        here = 2
        for index in range(int.from_bytes(body[:2], "big")):
            length = int.from_bytes(body[here : here + 4], "big", signed=True)
            here += 4
            if length < 0:
                values.append(None)
                continue
            value = body[here : here + length]
            here += length
            binary = index < len(self._formats) and self._formats[index] == 1
            values.append(f"\\x{value.hex()}" if binary else _text(value))
        if len(values) == len(self._columns) == len(set(self._columns)):
            return dict(zip(self._columns, values, strict=True))
        return values


def _parameters(rest: bytes) -> list[str]:
    """Each in its place: text as it is, binary in hex, NULL by its name."""
    count = int.from_bytes(rest[:2], "big")
    formats = [int.from_bytes(rest[2 + 2 * index : 4 + 2 * index], "big") for index in range(count)]
    here = 2 + 2 * count
    total = int.from_bytes(rest[here : here + 2], "big")
    here += 2
    values: list[str] = []
    for index in range(total):
        length = int.from_bytes(rest[here : here + 4], "big", signed=True)
        here += 4
        if length < 0:
            values.append("NULL")
            continue
        value = rest[here : here + length]
        here += length
        form = formats[0] if len(formats) == 1 else formats[index] if index < len(formats) else 0
        values.append(f"\\x{value.hex()}" if form else _text(value))
    return values


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")

"""A PostgreSQL session's entries, written as a gateway writes them, for tests of what reads them."""

from __future__ import annotations

from typing import Any

import orjson

from hoopgw.model.operation import BIND, EXECUTE, FUNCTION, PARSE, QUERY, Operation
from hoopgw.record.chunks import Entry
from hoopgw.record.entries import Kind, asked, completed
from hoopgw.record.happenings import Happening
from hoopgw.record.replay import Replay

KINDS = {b"Q": QUERY, b"P": PARSE, b"B": BIND, b"E": EXECUTE, b"F": FUNCTION}
MS = 1_000_000  # ns


def message(tag: bytes, body: bytes = b"") -> bytes:
    return tag + (len(body) + 4).to_bytes(4, "big") + body


def query(text: str) -> bytes:
    return message(b"Q", text.encode() + b"\0")


def parse(text: str, name: str = "", types: tuple[int, ...] = ()) -> bytes:
    oids = b"".join(oid.to_bytes(4, "big") for oid in types)
    return message(b"P", name.encode() + b"\0" + text.encode() + b"\0" + len(types).to_bytes(2, "big") + oids)


def values(*given: bytes | None) -> bytes:
    out = len(given).to_bytes(2, "big")
    for value in given:
        out += b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4, "big") + value
    return out


def formats(*given: int) -> bytes:
    return len(given).to_bytes(2, "big") + b"".join(each.to_bytes(2, "big") for each in given)


def bind(
    *given: bytes | None, name: str = "", portal: str = "", forms: tuple[int, ...] = (), results: tuple[int, ...] = ()
) -> bytes:
    head = portal.encode() + b"\0" + name.encode() + b"\0"
    return message(b"B", head + formats(*forms) + values(*given) + formats(*results))


def execute(portal: str = "") -> bytes:
    return message(b"E", portal.encode() + b"\0\0\0\0\0")


def describe(kind: bytes, name: str = "") -> bytes:
    return message(b"D", kind + name.encode() + b"\0")


SYNC = message(b"S")


def columns(*given: tuple[str, int, int]) -> bytes:
    """(name, type OID, format)"""
    out = len(given).to_bytes(2, "big")
    for name, oid, form in given:
        out += name.encode() + b"\0" + bytes(6) + oid.to_bytes(4, "big") + bytes(6) + form.to_bytes(2, "big")
    return message(b"T", out)


def row(*given: bytes | None) -> bytes:
    return message(b"D", values(*given))


def done(tag: str) -> bytes:
    return message(b"C", tag.encode() + b"\0")


READY = message(b"Z", b"I")


def error(sqlstate: str, words: str, **more: str) -> bytes:
    fields = {"S": "ERROR", "C": sqlstate, "M": words, **more}
    return message(b"E", b"".join(code.encode() + word.encode() + b"\0" for code, word in fields.items()) + b"\0")


class Recorded:
    """Entries in order, a millisecond apart."""

    def __init__(self, protocol: str = "postgresql") -> None:
        self.entries: list[Entry] = []
        self._number = 0
        opening = {"protocol": protocol, "session": "s_1", "identity": {"subject": "agent"}, "target": "pay",
                   "database": "pay", "role": "reader"}  # fmt: skip
        self.add(Kind.OPEN, orjson.dumps(opening))

    def add(self, kind: Kind, payload: bytes) -> None:
        number = len(self.entries) + 1
        self.entries.append(Entry(kind, number, number * MS, payload))

    def json(self, kind: Kind, **fields: Any) -> None:
        self.add(kind, orjson.dumps(fields))

    def ask(self, *messages: bytes, codes: tuple[int, ...] = (), references: tuple[int, ...] = ()) -> None:
        """One run of whole messages; an operation for each that is one."""
        operations = []
        for each in messages:
            if each[:1] in KINDS:
                self._number += 1
                operations.append(Operation("postgresql", KINDS[each[:1]], b"", number=self._number))
        given = list(codes or (0,) * len(operations)), list(references or (0,) * len(operations))
        self.add(Kind.ASKED, b"".join(asked(tuple(operations), *given, b"".join(messages))))

    def shown(self, *messages: bytes, cut: int = 0) -> None:
        """To the client; with `cut` in pieces of that many bytes."""
        data = b"".join(messages)
        for start in range(0, len(data), cut or len(data)):
            self.add(Kind.TO_CLIENT, data[start : start + (cut or len(data))])

    def sent(self, *messages: bytes) -> None:
        self.add(Kind.TO_TARGET, b"".join(messages))

    def completed(self, number: int, rows: int, masked: int, note: str = "") -> None:
        self.add(Kind.COMPLETED, completed(number, rows, masked, note))

    def happenings(self) -> list[Happening]:
        replay = Replay()
        return [each for entry in self.entries for each in replay.entry(entry)]

    def told(self, *whats: str) -> list[dict[str, Any]]:
        """The fields of what happened of these kinds."""
        return [each.fields for each in self.happenings() if each.what in whats]

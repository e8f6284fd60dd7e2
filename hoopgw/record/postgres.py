"""A recorded PostgreSQL session -> what happened.  Frames are read here, at replay, not in the data path."""

from __future__ import annotations

from codecs import IncrementalDecoder, getincrementaldecoder
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from hoopgw.model.errors import MalformedFrame
from hoopgw.record.chunks import Entry
from hoopgw.record.entries import Kind, read_asked
from hoopgw.record.happenings import Happening
from hoopgw.record.pgexpect import Columns, Portal, Sent, Statement, Waiting
from hoopgw.record.pgstream import FROM_CLIENT, FROM_TARGET, Message, Stream
from hoopgw.record.pgvalues import Fields, report, shown, words
from hoopgw.record.verdicts import Verdicts, operation

MAX_NAMES = 10_000  # prepared statements, and portals, whose text is kept; the oldest go
MAX_TEXT = 64 << 20  # characters of their text together
_ASKED_TAGS = {1: ord("Q"), 2: ord("P"), 3: ord("B"), 4: ord("E"), 5: ord("F")}
_RENAMES = b"SET application_name"  # of a Parse without a decision: the gateway's, and so all up to its Sync
_BEFORE = "… (the text is further up in the record)"


class Names:
    """What statements, or portals, are called now."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Any] = OrderedDict()
        self._size = 0

    def set(self, name: bytes, value: Any, size: int) -> None:
        self.drop(name)
        self._kept[name] = value, size
        self._size += size
        while len(self._kept) > MAX_NAMES or (self._size > MAX_TEXT and len(self._kept) > 1):
            self.drop(next(iter(self._kept)))

    def get(self, name: bytes) -> Any:
        found = self._kept.get(name)
        return found[0] if found is not None else None

    def drop(self, name: bytes) -> None:
        _, size = self._kept.pop(name, (None, 0))
        self._size -= size


class PostgresDecoder:
    """Implements happenings.IDecoder.  Keeps the names of statements and what is not answered yet, and no rows."""

    def __init__(self) -> None:
        self._from_client = Stream(FROM_CLIENT)
        self._from_target = Stream(FROM_TARGET)
        self._waiting = Waiting()
        self._verdicts = Verdicts()
        self._statements = Names()
        self._portals = Names()
        self._copy_binary = False
        self._copy_text = _utf8()  # of one COPY: a character may begin in one message and end in the next
        self._described_by_gateway: list[bytes] = []  # portals of masked Executes: it asks for their columns
        self._renaming = False
        self._targets_words: dict[int, Callable[[Message, int], Iterator[Happening]]] = {
            ord("T"): self._described,
            ord("n"): self._described,
            ord("t"): self._parameters_described,
            ord("D"): self._row,
            ord("C"): self._done,
            ord("I"): self._done,
            ord("s"): self._done,
            ord("V"): self._function_result,
            ord("E"): self._error,
            ord("N"): self._notice,
            ord("A"): self._notification,
            ord("G"): self._copy_begins,
            ord("H"): self._copy_begins,
            ord("W"): self._copy_begins,
            ord("d"): self._copy_out,
        }

    def of(self, entry: Entry) -> Iterator[Happening]:
        if entry.kind == Kind.ASKED:
            yield from self._asked(entry)
        elif entry.kind == Kind.TO_CLIENT:
            yield from self._shown(entry)
        elif entry.kind == Kind.TO_TARGET:
            yield from self._sent(entry)
        elif entry.kind == Kind.VERDICT:
            self._verdicts.keep(entry)
        else:
            raise MalformedFrame(f"an entry of kind {entry.kind}")

    def lost(self) -> None:
        self._from_client.gap()
        self._from_target.gap()
        self._waiting.clear()

    # ---- the client's side

    def _asked(self, entry: Entry) -> Iterator[Happening]:
        operations, data = read_asked(entry.payload)
        here = 0
        stream = self._from_client
        stream.lost = False  # an ASKED entry begins with a message
        self._described_by_gateway.clear()
        for message in chain(stream.of(data), stream.missing(entry.missing)):
            tag = message.tag
            if tag not in _ASKED_TAGS.values() or here == len(operations):
                yield from self._not_asked(message, entry.time)
                continue
            number, kind, decision, reference = operations[here]
            if _ASKED_TAGS.get(kind) != tag:
                stream.gap()
                break
            here += 1
            fields = operation(number, kind, decision)
            if tag == ord("E") and not decision and self._verdicts.masked(reference):
                self._described_by_gateway.append(b"P" + message.body.partition(b"\0")[0] + b"\0")
            fields |= self._read(message, number, entry.time) | self._verdicts.why(reference)
            yield Happening("operation", entry.time, fields)
        for number, kind, decision, reference in operations[here:]:
            fields = operation(number, kind, decision) | {"text": "… (it cannot be read)"}
            yield Happening("operation", entry.time, fields | self._verdicts.why(reference))
        if stream.lost:
            yield _opaque(entry, "to target", len(data) + entry.missing)

    def _read(self, message: Message, number: int, time: int) -> dict[str, Any]:
        """What an operation's message says; the answer to it is waited for."""
        sent = Sent(message.tag, number, time)
        self._waiting.add(sent)
        readers = {"Q": self._query, "P": self._parse, "B": self._bind, "E": self._execute, "F": self._function}
        try:
            found = readers[chr(message.tag)](message, sent)
        except ValueError:
            found = {"text": "… (it cannot be read)"}
        if message.missing:
            found["cut"] = message.missing
        return found

    def _query(self, message: Message, sent: Sent) -> dict[str, Any]:
        self._statements.drop(b"")
        self._portals.drop(b"")
        return {"text": words(message.body.removesuffix(b"\0"))}

    def _parse(self, message: Message, sent: Sent) -> dict[str, Any]:
        name, _, rest = message.body.partition(b"\0")
        text, ended, types = rest.partition(b"\0")
        oids = Fields(types).numbers(4) if ended and not message.missing else []
        statement = Statement(words(text), oids, cut=message.missing)
        self._statements.set(name, statement, len(text))
        return {"text": statement.text, **_named(name)}

    def _bind(self, message: Message, sent: Sent) -> dict[str, Any]:
        fields = Fields(message.body, message.missing)
        portal_name, name = fields.text(), fields.text()
        statement = self._statements.get(name) or Statement(_BEFORE, [])
        values = fields.values(fields.numbers(2), statement.types)
        results = [] if message.missing else fields.numbers(2)
        portal = Portal(statement, values, results, cut=message.missing or statement.cut)
        self._portals.set(portal_name, portal, sum(len(value or "") for value in values))
        cut = {"cut": statement.cut} if statement.cut else {}
        return {"text": statement.text, "parameters": values, **_named(name), **cut}

    def _execute(self, message: Message, sent: Sent) -> dict[str, Any]:
        name = Fields(message.body).text()
        portal = sent.about = self._portals.get(name)
        if portal is None:
            return {"text": _BEFORE, **_named(name)}
        cut = {"cut": portal.cut} if portal.cut else {}
        return {"text": portal.statement.text, "parameters": portal.values, **_named(name), **cut}

    def _function(self, message: Message, sent: Sent) -> dict[str, Any]:
        fields = Fields(message.body, message.missing)
        text = f"function {fields.number(4)}"
        return {"text": text, "parameters": fields.values(fields.numbers(2), [])}

    def _sent(self, entry: Entry) -> Iterator[Happening]:
        """What no decision is needed for; and what the gateway sends for itself, which is not the client's."""
        stream = self._from_client
        for message in chain(stream.of(entry.payload), stream.missing(entry.missing)):
            if message.tag == ord("P") and message.body.partition(b"\0")[2].startswith(_RENAMES):
                self._renaming = True
            if self._renaming:
                self._renaming = message.tag != ord("S")
            elif message.tag == ord("D") and message.body in self._described_by_gateway:
                self._described_by_gateway.remove(message.body)
            else:
                yield from self._not_asked(message, entry.time)
        if stream.lost:
            yield _opaque(entry, "to target", len(entry.payload) + entry.missing)

    def _not_asked(self, message: Message, time: int) -> Iterator[Happening]:
        tag, body = message.tag, message.body
        if tag == ord("d"):
            yield self._copy(message, time, "to target")
        elif tag == ord("f"):
            yield Happening("copy", time, {**self._about(self._waiting.first), "direction": "to target",
                                           "failed": words(body.removesuffix(b"\0"))})  # fmt: skip
        elif tag == ord("S"):
            self._waiting.add(Sent(tag, 0, time))
        elif tag in b"CD" and len(body) > 1:
            names = self._statements if body[:1] == b"S" else self._portals
            name = body[1:].removesuffix(b"\0")
            self._waiting.add(Sent(tag, 0, time, names.get(name)))
            if tag == ord("C"):
                names.drop(name)

    # ---- the target's side, as the client was shown it

    def _shown(self, entry: Entry) -> Iterator[Happening]:
        stream = self._from_target
        for message in chain(stream.of(entry.payload), stream.missing(entry.missing)):
            told = self._targets_words.get(message.tag)
            if told is None:
                self._waiting.answered(message.tag)
                continue
            try:
                yield from told(message, entry.time)
            except ValueError:
                yield _opaque(entry, "to client", len(message.body), f"a message {chr(message.tag)} that says nothing")
        if stream.lost:
            yield _opaque(entry, "to client", len(entry.payload) + entry.missing)

    def _about(self, sent: Sent | None) -> dict[str, Any]:
        return {"operation": sent.number} if sent is not None and sent.number else {}

    def _described(self, message: Message, time: int) -> Iterator[Happening]:
        sent = self._waiting.answered(message.tag)
        if sent is None:
            return
        sent.columns = _columns(message) if message.tag == ord("T") else Columns()
        if isinstance(sent.about, Statement | Portal):
            sent.about.columns = sent.columns
        yield from ()

    def _parameters_described(self, message: Message, time: int) -> Iterator[Happening]:
        sent = self._waiting.answered(message.tag)
        if sent is not None and isinstance(sent.about, Statement):
            sent.about.types = Fields(message.body).numbers(4)
        yield from ()

    def _row(self, message: Message, time: int) -> Iterator[Happening]:
        sent = self._waiting.answered(message.tag)
        columns = _columns_of(sent)
        values = Fields(message.body, message.missing).values(columns.formats, columns.types)
        if sent is not None:
            sent.rows += 1
        named = len(values) == len(columns.names) == len(set(columns.names))
        shown_as = dict(zip(columns.names, values, strict=True)) if named else values
        yield Happening("row", time, {**self._about(sent), "values": shown_as})

    def _done(self, message: Message, time: int) -> Iterator[Happening]:
        sent = self._waiting.answered(message.tag)
        tags = {ord("I"): "(empty)", ord("s"): "(suspended)"}
        fields = {**self._about(sent), "tag": tags.get(message.tag) or words(message.body.removesuffix(b"\0"))}
        if sent is not None:
            fields |= {"rows": sent.rows, "milliseconds": round((time - sent.time) / 1e6, 3)}
            sent.rows, sent.columns = 0, sent.columns if sent.tag == ord("E") else None
        yield Happening("done", time, fields)

    def _function_result(self, message: Message, time: int) -> Iterator[Happening]:
        sent = self._waiting.answered(message.tag)
        value, left = Fields(message.body, message.missing).value()
        text = None if value is None else shown(value, 1) + (f"… {left} bytes more" if left else "")
        yield Happening("row", time, {**self._about(sent), "values": [text]})

    def _error(self, message: Message, time: int) -> Iterator[Happening]:
        yield Happening("error", time, {**self._about(self._waiting.failed()), **report(message.body)})

    def _notice(self, message: Message, time: int) -> Iterator[Happening]:
        yield Happening("notice", time, {**self._about(self._waiting.first), **report(message.body)})

    def _notification(self, message: Message, time: int) -> Iterator[Happening]:
        channel, _, rest = message.body[4:].partition(b"\0")
        fields = {"channel": words(channel), "payload": words(rest.removesuffix(b"\0"))}
        yield Happening("notification", time, fields)

    def _copy_begins(self, message: Message, time: int) -> Iterator[Happening]:
        self._waiting.answered(message.tag)
        self._copy_binary = message.body[:1] == b"\1"
        self._copy_text = _utf8()
        yield from ()

    def _copy_out(self, message: Message, time: int) -> Iterator[Happening]:
        sent = self._waiting.answered(message.tag)
        if sent is not None:
            sent.rows += 1
        yield self._copy(message, time, "to client", sent)

    def _copy(self, message: Message, time: int, direction: str, sent: Sent | None = None) -> Happening:
        about = self._about(sent or self._waiting.first)
        fields: dict[str, Any] = {**about, "direction": direction}
        if self._copy_binary:
            fields |= {"data": shown(message.body, 1), "binary": True}
        else:
            text = self._copy_text.decode(message.body)
            fields["data"] = words(text.encode("utf-8", "surrogateescape"))
            if fields["data"] != text:
                fields["not_utf8"] = True
        return Happening("copy", time, fields | ({"cut": message.missing} if message.missing else {}))


def _utf8() -> IncrementalDecoder:
    return getincrementaldecoder("utf-8")("surrogateescape")


def _named(name: bytes) -> dict[str, str]:
    return {"name": words(name)} if name else {}


def _opaque(entry: Entry, direction: str, size: int, reason: str = "not at a message's beginning") -> Happening:
    return Happening("opaque", entry.time, {"direction": direction, "bytes": size, "reason": reason})


def _columns(message: Message) -> Columns:
    fields, columns = Fields(message.body), Columns()
    for _ in range(fields.number(2)):
        columns.names.append(words(fields.text()))
        fields.take(6)  # table and attribute number
        columns.types.append(fields.number(4))
        fields.take(6)  # size and modifier
        columns.formats.append(fields.number(2))
    return columns


def _columns_of(sent: Sent | None) -> Columns:
    """Of a row.  Describe of a statement does not know the formats yet: Bind says them."""
    if sent is None:
        return Columns()
    if sent.columns is None and isinstance(sent.about, Portal):
        portal = sent.about
        described = portal.statement.columns or Columns()
        sent.columns = portal.columns or Columns(described.names, described.types, portal.formats)
    return sent.columns or Columns()

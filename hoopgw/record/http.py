"""Entries of an HTTP session -> what happened in it: requests, answers with their content, messages of WebSockets."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from hoopgw.model.errors import MalformedFrame
from hoopgw.record.chunks import Entry
from hoopgw.record.entries import Kind, read_asked
from hoopgw.record.happenings import Happening
from hoopgw.record.http_bodies import Content, Messages
from hoopgw.record.verdicts import Verdicts, operation
from hoopgw.wire.httpfields import Block
from hoopgw.wire.httphead import Blocks, Response, head_end, read_response

MAX_HEAD = 128 * 1024  # bytes of an answer's head that are waited for
SWITCHED = 101


class HttpDecoder:
    """See `happenings.IDecoder`.  A session has one request under way at a time."""

    def __init__(self) -> None:
        self._verdicts = Verdicts()
        self._blocks = Blocks()
        self._forget()

    def _forget(self) -> None:
        self._number = 0
        self._method = b"GET"
        self._asked = 0
        self._answered = False  # what still comes is no answer to it: why the gateway takes nothing more
        self._head = b""  # of an answer, as far as it has come
        self._up: Content | None = None
        self._down: Content | None = None
        self._messages: dict[bool, Messages] | None = None  # of a WebSocket: to the client or not

    def lost(self) -> None:
        self._forget()

    def of(self, entry: Entry) -> Iterator[Happening]:
        if entry.kind == Kind.VERDICT:
            self._verdicts.keep(entry)
        elif entry.kind == Kind.ASKED:
            yield from self._asks(entry)
        elif entry.kind in (Kind.TO_CLIENT, Kind.TO_TARGET):
            yield from self._passes(entry)
        else:
            raise MalformedFrame(f"an entry of kind {entry.kind}")

    # ---- requests

    def _asks(self, entry: Entry) -> Iterator[Happening]:
        operations, data = read_asked(entry.payload)
        for number, kind, decision, reference in operations:
            fields = operation(number, kind, decision) | self._verdicts.why(reference)
            if fields["kind"] == "request":
                yield from self._request(entry.time, fields, data)
            else:
                text = ""
                if fields["kind"] == "tunnel":
                    self._forget()
                    self._number, self._asked, self._method = fields["number"], entry.time, b"CONNECT"
                    text = _text(data.partition(b" HTTP/1.1\r\n")[0].rstrip())
                yield Happening("operation", entry.time, {**fields, "text": text})
        if self._messages is not None:
            yield from self._told(entry.time, data, to_client=False)

    def _request(self, time: int, fields: dict[str, Any], data: bytes) -> Iterator[Happening]:
        if self._head:
            yield _opaque(time, True, len(self._head))
        self._forget()
        self._number, self._asked = fields["number"], time
        line, _, rest = data.partition(b"\r\n")
        method, _, target = line.removesuffix(b" HTTP/1.1").partition(b" ")
        end = head_end(data)
        if end < 0:  # redacted: nothing of it is here
            yield Happening("operation", time, {**fields, "text": _text(data.rstrip())})
            return
        self._method = method
        self._blocks.of(rest[: end - len(line) - 4])
        block = self._blocks.block
        self._up = Content.of_request(block)
        text = f"{_text(method)} {_text(target)}"
        yield Happening("operation", time, {**fields, "text": text, "headers": _headers(block)})
        yield from self._content(time, self._up, data[end:], to_client=False)

    # ---- what passed

    def _passes(self, entry: Entry) -> Iterator[Happening]:
        to_client, data = entry.kind == Kind.TO_CLIENT, entry.payload
        try:
            if self._messages is not None:
                yield from self._told(entry.time, data, to_client)
            elif to_client:
                yield from self._answer(entry.time, data)
            elif self._up is not None:
                yield from self._content(entry.time, self._up, data, to_client=False)
            elif data:
                yield _opaque(entry.time, to_client, len(data))
        except MalformedFrame:
            yield _opaque(entry.time, to_client, len(data))
            self._forget()
        if entry.missing:
            yield _opaque(entry.time, to_client, entry.missing)
            self._forget()

    def _answer(self, time: int, data: bytes) -> Iterator[Happening]:
        while data:
            if self._down is None:
                data = self._head + data
                read = read_response(data, 0, self._method, self._blocks)
                if read is None:
                    if len(data) > MAX_HEAD:
                        raise MalformedFrame("an answer without the end of its head")
                    self._head = data
                    return
                self._head, data = b"", data[read.end :]
                yield self._began(time, read)
                if read.status < 200:
                    if read.status == SWITCHED:
                        self._messages = {True: Messages(), False: Messages()}
                        yield from self._told(time, data, to_client=True)
                        return
                    continue
                self._down = Content.of_answer(read)
            before = len(data)
            rest = yield from self._content(time, self._down, data, to_client=True)
            data = data[before - rest :] if rest else b""
            if self._down.ended:
                yield self._done(time, self._down)
                self._down, self._answered, self._method = None, True, b"GET"

    def _began(self, time: int, read: Response) -> Happening:
        fields = {"status": read.status, "message": _text(read.reason), "headers": _headers(read.block)}
        return Happening("answer", time, self._of(to_client=True) | fields)

    def _done(self, time: int, content: Content) -> Happening:
        took = {"milliseconds": (time - self._asked) // 1_000_000} if self._asked and not self._answered else {}
        return Happening(
            "done", time, self._of(to_client=True) | {"tag": f"{content.size} bytes", "bytes": content.size} | took
        )

    def _content(self, time: int, content: Content, data: bytes, to_client: bool) -> Any:
        """Gives how many bytes of `data` are behind its end."""
        pieces: list[bytes] = []
        rest = content.take(data, pieces)
        found = b"".join(pieces)
        if found:
            yield Happening("content", time, self._of(to_client) | _direction(to_client) | shown(found))
        return rest

    def _told(self, time: int, data: bytes, to_client: bool) -> Iterator[Happening]:
        assert self._messages is not None
        for kind, message in self._messages[to_client].of(data):
            fields = self._of(to_client) | _direction(to_client) | {"kind": kind} | shown(message)
            yield Happening("message", time, fields)

    def _of(self, to_client: bool) -> dict[str, Any]:
        known = self._number and not (to_client and self._answered)
        return {"operation": self._number} if known else {}


def shown(data: bytes) -> dict[str, Any]:
    """As text; in base64 what is none, and says so."""
    try:
        return {"data": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"data": base64.b64encode(data).decode("ascii"), "base64": True}


def _direction(to_client: bool) -> dict[str, str]:
    return {"direction": "to client" if to_client else "to target"}


def _opaque(time: int, to_client: bool, size: int) -> Happening:
    reason = "it cannot be read as HTTP"
    return Happening("opaque", time, {**_direction(to_client), "bytes": size, "reason": reason})


def _headers(block: Block) -> list[list[str]]:
    return [[line.partition(b":")[0].decode("latin-1"), value.decode("latin-1")]
            for line, (_, value) in zip(block.lines, block.fields, strict=True)]  # fmt: skip


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")

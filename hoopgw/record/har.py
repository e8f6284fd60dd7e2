"""What happened in an HTTP session -> an HTTP archive (HAR 1.2), piece by piece.

One request is in memory at a time, with at most MAX_TEXT bytes of either body: what is longer is counted and left out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

from hoopgw import __version__
from hoopgw.model.errors import Unmaskable
from hoopgw.model.events import Code
from hoopgw.record.export import moment
from hoopgw.record.happenings import Happening
from hoopgw.record.http import SWITCHED
from hoopgw.wire.codings import Decoding

MAX_TEXT = 4 << 20  # bytes of a body that are shown
MAX_MESSAGES = 10_000  # of one WebSocket
PIECE = 4096  # bytes of a compressed body that are decoded at a time


def har(happenings: Iterable[Happening]) -> Iterator[str]:
    """Lines that are one JSON document in printable ASCII."""
    creator = json.dumps({"name": "hoopgw", "version": __version__})
    yield '{"log": {"version": "1.2", "creator": ' + creator + ', "pages": [], "entries": ['
    first = True
    for found in _entries(happenings):
        yield ("" if first else ",") + json.dumps(found.entry(), ensure_ascii=True).replace("\x7f", "\\u007f")
        first = False
    yield "]}}"


def _entries(happenings: Iterable[Happening]) -> Iterator[_Exchange]:
    """Each once it is over."""
    opening: dict[str, Any] = {}
    current: _Exchange | None = None
    for each in happenings:
        if each.what == "open":
            opening = each.fields
        elif each.what == "note" and each.fields.get("code") == Code.SESSION_OPENED.value:
            opening = {**opening, "scheme": each.fields.get("scheme", "http")}
        elif each.what == "operation" and each.fields["kind"] in ("request", "tunnel"):
            if current is not None:
                yield current
            current = _Exchange(each, opening)
        elif current is not None:
            current.take(each)
    if current is not None:
        yield current


class _Body:
    def __init__(self) -> None:
        self.size = 0
        self._kept: list[bytes] = []

    def take(self, fields: dict[str, Any]) -> None:
        data = base64.b64decode(fields["data"]) if fields.get("base64") else fields["data"].encode()
        self.size += len(data)
        if self.size <= MAX_TEXT:
            self._kept.append(data)

    def shown(self, codings: str = "") -> dict[str, Any]:
        """As an archive has it: without what it was compressed by (HAR 1.2, content), unless that fails."""
        if self.size > MAX_TEXT:
            return {"comment": f"longer than {MAX_TEXT} bytes: it is in the recording"}
        data = b"".join(self._kept)
        plain = _decoded(data, codings) if codings else None
        if plain is not None:
            return {"size": len(plain), "compression": len(plain) - len(data), **_text(plain)}
        return _text(data)


def _text(data: bytes) -> dict[str, Any]:
    try:
        return {"text": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"text": base64.b64encode(data).decode("ascii"), "encoding": "base64"}


def _decoded(data: bytes, codings: str) -> bytes | None:
    """None where it cannot be, or becomes longer than is shown."""
    words = tuple(each.strip().lower().encode() for each in codings.split(","))
    found: list[bytes] = []
    try:
        decoding = Decoding(words)
        for start in range(0, len(data), PIECE):
            found.append(decoding.feed(data[start : start + PIECE]))
            if sum(map(len, found)) > MAX_TEXT:
                return None
        decoding.finish()
    except Unmaskable:
        return None
    return b"".join(found)


class _Exchange:
    """One request and its answer."""

    def __init__(self, asked: Happening, opening: dict[str, Any]) -> None:
        self._asked = asked
        self._target = str(opening.get("target", ""))
        self._scheme = str(opening.get("scheme", "http"))  # that the target speaks
        self._version = str(opening.get("http", "HTTP/1.1"))  # recordings of before 1.0 do not say it
        self._ending = _Ending("http" in opening, asked.fields["kind"] == "tunnel")
        self._sent = _Body()
        self._received = _Body()
        self._answer: Happening | None = None
        self._end = asked.time
        self._masked = 0
        self._messages: list[dict[str, Any]] = []
        self._notes: list[dict[str, Any]] = []  # how it was sent, where that is not how it was asked

    def take(self, each: Happening) -> None:
        fields = each.fields
        if each.what in ("answer", "content", "done") and "operation" not in fields:
            return  # the gateway's word behind the answer
        self._ending.take(each)
        if each.what in ("answer", "content", "message", "done"):
            self._end = each.time
        if each.what == "answer":
            self._answer = each
        elif each.what == "content":
            (self._received if fields["direction"] == "to client" else self._sent).take(fields)
        elif each.what == "completed":
            self._masked += fields["masked"]
        elif each.what == "note" and fields.get("code") == Code.REQUEST_SENT.value:
            self._notes.append(fields)
        elif each.what == "message" and len(self._messages) < MAX_MESSAGES:
            self._messages.append(_message(each))

    def entry(self) -> dict[str, Any]:
        asked, fields = self._asked, self._asked.fields
        total = (self._end - asked.time) / 1e6
        wait = (self._answer.time - asked.time) / 1e6 if self._answer is not None else total
        found = {
            "startedDateTime": moment(asked.time),
            "time": total,
            "request": self._request(),
            "response": self._response(),
            "cache": {},
            "timings": {"send": 0, "wait": wait, "receive": total - wait},
            "_hoopgw": {
                "operation": fields["number"],
                "decision": fields["decision"],
                "guardrails": fields.get("guardrails", []),
                "masked": self._masked,
                **self._again(),
            },
        }
        return found | ({"_webSocketMessages": self._messages} if self._messages else {})

    def _request(self) -> dict[str, Any]:
        method, _, path = self._asked.fields["text"].partition(" ")
        headers = self._headers()
        place = path if method == "CONNECT" else f"{_header(headers, 'host') or self._target}{path}"
        pairs = parse_qsl(path.partition("?")[2], keep_blank_values=True)  # heads are bounded
        found = {
            "method": method,
            "url": f"{self._scheme}://{place}",
            "httpVersion": self._version,
            "cookies": [],  # no cookie is in the record
            "headers": [{"name": name, "value": value} for name, value in headers],
            "queryString": [{"name": name, "value": value} for name, value in pairs],
            "headersSize": -1,
            "bodySize": self._sent.size,
        }
        if self._sent.size:
            found["postData"] = {"mimeType": _header(headers, "content-type"), "text": "", **self._sent.shown()}
        return found

    def _headers(self) -> list[list[str]]:
        """As they were sent."""
        headers: list[list[str]] = self._asked.fields.get("headers", [])
        for note in self._notes:
            added = [line.partition(": ")[::2] for line in note.get("added", [])]
            gone = {name.lower() for name in (*note.get("left_out", []), *(name for name, _ in added))}
            headers = [[name, value] for name, value in headers if name.lower() not in gone]
            headers += [[name, value] for name, value in added]
        return headers

    def _again(self) -> dict[str, Any]:
        found = [note["again"] for note in self._notes if "again" in note]
        return {"again": found} if found else {}

    def _response(self) -> dict[str, Any]:
        fields = self._answer.fields if self._answer is not None else {}
        headers = fields.get("headers", [])
        kind, coding = _header(headers, "content-type") or "x-unknown", _header(headers, "content-encoding")
        why = self._ending.cut
        return {
            "status": fields.get("status", 0),
            "statusText": fields.get("message", ""),
            "httpVersion": self._version,
            "cookies": [],
            "headers": [{"name": name, "value": value} for name, value in headers],
            "content": {"size": self._received.size, "mimeType": kind, **self._received.shown(coding)},
            "redirectURL": _header(headers, "location"),
            "headersSize": -1,
            "bodySize": self._received.size,
            **({"comment": f"not whole: {why}", "_error": why} if why else {}),
        }


class _Ending:
    """Whether an answer came to its end, and why it did not."""

    def __init__(self, told: bool, tunnel: bool) -> None:
        """`told`: it is noted where an answer that ends with its connection was whole.  What a `tunnel` carries is not
        here, and ends as its two sides like."""
        self._told = told
        self._tunnel = tunnel
        self._whole = False
        self._switched = False  # a WebSocket ends by a message
        self._why = "it was not over when this was exported"
        self._missing = ""

    @property
    def cut(self) -> str:
        """Why it is not whole; "" where it is."""
        return self._missing or ("" if self._whole else self._why)

    def take(self, each: Happening) -> None:
        fields = each.fields
        if each.what == "answer":
            self._switched = fields["status"] == SWITCHED
            self._whole = (self._tunnel or not self._told) and _until_close(fields)
        elif each.what == "message":
            self._whole = self._whole or fields["kind"] == "close"
        elif each.what == "done" or (each.what == "completed" and not (fields["note"] or self._switched)):
            self._whole = True
        elif each.what in ("opaque", "gap", "damaged"):
            self._missing = "the recording does not have all of it, or it cannot be read"
        elif each.what == "close":
            self._why = str(fields.get("reason", "the session ended"))


def _until_close(answer: dict[str, Any]) -> bool:
    names = {name.lower() for name, _ in answer["headers"]}
    return answer["status"] >= 200 and names.isdisjoint(("content-length", "transfer-encoding"))


def _header(headers: list[list[str]], name: str) -> str:
    return next((value for each, value in headers if each.lower() == name), "")


def _message(each: Happening) -> dict[str, Any]:
    """As Chromium's developer tools export them."""
    kind = {"text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}.get(each.fields["kind"], 0)
    way = "receive" if each.fields["direction"] == "to client" else "send"
    return {"type": way, "time": each.time / 1e9, "opcode": kind, "data": each.fields["data"]}

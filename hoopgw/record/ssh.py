"""Entries of an SSH session -> what happened in it: operations, input, output, and how each command ended."""

from __future__ import annotations

import codecs
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from hoopgw.model.errors import MalformedFrame
from hoopgw.record.chunks import Entry
from hoopgw.record.entries import Kind, read_asked
from hoopgw.record.happenings import Happening
from hoopgw.record.verdicts import Verdicts, operation
from hoopgw.wire import sftp, sftppaths
from hoopgw.wire import sshmessages as wire

MAX_CHANNELS = 1024  # that are remembered: a relay has 256 open ones
_STARTS = ("exec", "shell", "subsystem")
_ENDS = (wire.CHANNEL_EOF, wire.CHANNEL_CLOSE)
_SHOWN = (wire.CHANNEL_DATA, wire.CHANNEL_EXTENDED_DATA, wire.CHANNEL_REQUEST, *_ENDS)


class _Channel:
    """`operation` is the number of what runs there; characters may end in another packet than they begin in."""

    def __init__(self) -> None:
        self.operation = 0
        self.terminal: dict[str, Any] = {}
        self.texts: dict[tuple[str, str], codecs.IncrementalDecoder] = {}

    @property
    def about(self) -> dict[str, Any]:
        return {"operation": self.operation} if self.operation else {}

    def text(self, stream: tuple[str, str], data: bytes, final: bool) -> tuple[str, int]:
        """And how many bytes it stands for: the beginning of a character waits for its end, or for that of all."""
        if stream not in self.texts:
            self.texts[stream] = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        decoder = self.texts[stream]
        size = len(decoder.getstate()[0]) + len(data)
        text = decoder.decode(data, final)
        return text, size - len(decoder.getstate()[0])


class SshDecoder:
    """See `happenings.IDecoder`."""

    def __init__(self) -> None:
        self._verdicts = Verdicts()
        self._by_target: OrderedDict[int, _Channel] = OrderedDict()  # by the number that the target gave
        self._by_client: OrderedDict[int, _Channel] = OrderedDict()

    def of(self, entry: Entry) -> Iterator[Happening]:
        if entry.kind == Kind.ASKED:
            yield from self._asked(entry)
        elif entry.kind in (Kind.TO_CLIENT, Kind.TO_TARGET):
            yield from self._passed(entry)
        elif entry.kind == Kind.VERDICT:
            self._verdicts.keep(entry)
        else:
            raise MalformedFrame(f"an entry of kind {entry.kind}")

    def lost(self) -> None:
        self._by_client.clear()
        self._by_target.clear()

    # ---- operations

    def _asked(self, entry: Entry) -> Iterator[Happening]:
        operations, data = read_asked(entry.payload)
        for number, kind, decision, reference in operations:
            fields = operation(number, kind, decision)
            try:
                fields |= self._read(data, fields["kind"], number, decision == 0)
            except MalformedFrame:
                fields["text"] = "… (it cannot be read)"
            yield Happening("operation", entry.time, fields | self._verdicts.why(reference))

    def _read(self, run: bytes, kind: str, number: int, allowed: bool) -> dict[str, Any]:
        (message,) = wire.messages(run) or (b"\0",)
        if message[0] == wire.CHANNEL_OPEN:
            opening = wire.read_open(message)
            return {"name": _text(opening.kind), "text": _text(_said(opening.rest))}
        if kind == "file":
            return _file(message)
        asked = wire.read_request(message)
        if kind in _STARTS:
            channel = self._channel(self._by_target, asked.channel)
            channel.operation = number
            text = b"" if kind == "shell" else wire.read_string(asked.body, 0)[0]
            shown = {"terminal": channel.terminal} if channel.terminal and kind != "subsystem" else {}
            return {"text": _text(text), **shown}
        if kind == "forward":
            return {"name": _text(asked.name), "text": _text(_said(asked.body))}
        text, here = wire.read_string(asked.body, 0)
        if kind == "pty" and allowed:
            terminal = {"type": _text(text), **_size(asked.body, here)}
            self._channel(self._by_target, asked.channel).terminal = terminal
        if kind == "env":
            value, _ = wire.read_string(asked.body, here)
            text += b"=" + value
        return {"text": _text(text)}

    # ---- what passed

    def _passed(self, entry: Entry) -> Iterator[Happening]:
        to_client = entry.kind == Kind.TO_CLIENT
        here, run = 0, entry.payload
        try:
            for end in wire.message_ends(run, 0):
                yield from self._message(run[here + 4 : end], to_client, entry.time)
                here = end
        except MalformedFrame:
            pass  # the rest of the run is told below, as what it is
        if here < len(run) or entry.missing:
            direction = "to client" if to_client else "to target"
            size = len(run) - here + entry.missing
            yield Happening(
                "opaque", entry.time, {"direction": direction, "bytes": size, "reason": "it cannot be read as messages"}
            )

    def _message(self, message: bytes, to_client: bool, time: int) -> Iterator[Happening]:
        number = message[0]
        if number == wire.CHANNEL_OPEN_CONFIRMATION:
            self._opened(message, to_client)
            return
        if number not in _SHOWN:
            return
        table = self._by_client if to_client else self._by_target
        channel = self._channel(table, wire.read_channel(message))
        if number in _ENDS:
            for what, stream in channel.texts:
                if (what == "output") == to_client:
                    yield from _streamed(channel, what, stream, b"", time, final=True)
            return
        if number == wire.CHANNEL_REQUEST:
            yield from _requested(message, channel.about, time)
            return
        at = 5 if number == wire.CHANNEL_DATA else 9
        data, _ = wire.read_string(message, at)
        stream = ("stdout" if to_client else "stdin") if number == wire.CHANNEL_DATA else "stderr"
        yield from _streamed(channel, "output" if to_client else "input", stream, data, time)

    def _opened(self, message: bytes, to_client: bool) -> None:
        recipient, sender, _, _ = wire.read_confirmation(message)
        client, target = (recipient, sender) if to_client else (sender, recipient)
        channel = _Channel()
        for table, key in ((self._by_client, client), (self._by_target, target)):
            table.pop(key, None)
            table[key] = channel
            while len(table) > MAX_CHANNELS:
                table.popitem(last=False)

    @staticmethod
    def _channel(table: OrderedDict[int, _Channel], number: int) -> _Channel:
        """A forward's has no operation; nor has one whose opening is missing."""
        return table.get(number) or table.setdefault(number, _Channel())


def _streamed(
    channel: _Channel, what: str, stream: str, data: bytes, time: int, final: bool = False
) -> Iterator[Happening]:
    """At its end a stream gives what of a character it began, where it did."""
    text, stands_for = channel.text((what, stream), data, final)
    if final and not text:
        return
    size = {"bytes": stands_for} if "\\x" in text and len(text.encode()) != stands_for else {}
    yield Happening(what, time, channel.about | {"stream": stream, "data": text, **size})


def _requested(message: bytes, fields: dict[str, Any], time: int) -> Iterator[Happening]:
    asked = wire.read_request(message)
    if asked.name == b"exit-status":
        yield Happening("exit", time, fields | {"status": wire.read_u32(asked.body, 0)})
    elif asked.name == b"window-change":
        yield Happening("resize", time, fields | _size(asked.body, 0))
    elif asked.name == b"exit-signal":
        yield Happening("exit", time, fields | {"signal": _text(wire.read_string(asked.body, 0)[0])})


def _file(message: bytes) -> dict[str, Any]:
    """A request of SFTP: paths as they were sent; the note of what became of it has them as the target took them."""
    packet, _ = wire.read_string(message, 5)
    if len(packet) < sftp.HEADER or wire.read_u32(packet, 0) + 4 != len(packet):
        return {"text": _text(packet)}  # redacted: the rule's own words are in its place
    request = sftppaths.asked(packet, b"")
    if request is None:
        raise MalformedFrame("an extension of SFTP that is not asked about")
    return {"name": request.action, "text": _text(sftppaths.described(request))}


def _size(body: bytes, start: int) -> dict[str, int]:
    """Of a terminal, in characters (RFC 4254, 6.2 and 6.7)."""
    return {"columns": wire.read_u32(body, start), "rows": wire.read_u32(body, start + 4)}


def _said(fields: bytes) -> bytes:
    """HOST:PORT or a path of a forward; b"" where it says neither."""
    try:
        place, here = wire.read_string(fields, 0)
        return b"%s:%d" % (place, wire.read_u32(fields, here)) if here + 4 <= len(fields) else place
    except MalformedFrame:
        return b""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")

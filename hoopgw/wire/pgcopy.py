"""CopyData payloads of COPY TO STDOUT -> the same rows, masked (PostgreSQL documentation, COPY, "File Formats")."""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.copyrows import EVEN, CopyRows
from hoopgw.wire.masking import PASS, SCAN, Action, ValueMask

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
_UNESCAPE: Final = {98: 8, 102: 12, 110: 10, 114: 13, 116: 9, 118: 11}  # b f n r t v
_ESCAPE: Final = {8: b"\\b", 12: b"\\f", 10: b"\\n", 13: b"\\r", 9: b"\\t", 11: b"\\v", 92: b"\\\\"}


@final
class CopyMask:
    """Masks one COPY.  `actions` one for each field, or one for all (`every`) where fields are not known."""

    def __init__(
        self,
        form: str,
        actions: tuple[Action | None, ...],
        every: Action | None,
        value: ValueMask,
        max_row: int,
        *,
        delimiter: bytes = b"\t",
        quote: bytes = b'"',
        escape: bytes = b'"',
        null: bytes = b"\\N",
        header: bool = False,
    ) -> None:
        self._form = form
        self._actions = actions
        self._every = every
        self._value = value
        self._max_row = max_row
        self._delimiter = delimiter
        self._quote = quote
        self._escape = escape
        self._null_mark = null
        self._header = header
        self._rest = b""
        self._started = False
        self._plain = self._plain_rows(csv=form == "csv") if form != "binary" else None
        self.masked = 0

    def _plain_rows(self, csv: bool) -> CopyRows | None:
        """What masks the plain part of it; None where stars, or values of another length, would not be plain."""
        kinds = [PASS if action is None else action.kind for action in self._actions]
        every = self._every.kind if self._every is not None else -1
        used = kinds if every < 0 else [every]
        marks = self._delimiter + self._quote + self._escape + self._null_mark
        if b"*" in marks or len(self._delimiter) != 1 or not set(used) <= EVEN:
            return None
        if self._value.scanner is None and SCAN in used:  # shown as NULL: see ValueMask
            return None
        special = b"\r" + (self._quote + self._escape if csv else b"")
        return CopyRows(bytes(kinds), every, self._value.scanner, self._delimiter, self._null_mark, special, not csv)

    def apply(self, data: bytes, start: int, end: int) -> tuple[bytes | None, int]:
        """For a run of CopyData messages: what goes on in place of the first ones (None: they do), and up to where.

        The payload of the message there, if there is one, is for `feed`.
        """
        if self._plain is None or self._rest or self._header:
            return None, start
        before = self._plain.masked
        shown = self._plain.apply(data, start, end)
        self.masked += self._plain.masked - before
        return shown

    def feed(self, payload: bytes) -> bytes:
        """Payload bytes that may go on now: whole rows.  Raises MalformedFrame for a row beyond the bound."""
        data = self._rest + payload if self._rest else payload
        if self._form == "binary":
            shown, here = self._binary(data)
        else:
            shown, here = self._lines(data)
        self._rest = data[here:]
        if len(self._rest) > self._max_row:
            raise MalformedFrame(f"a row of more than {self._max_row} bytes cannot be masked")
        return shown

    def finish(self) -> bytes:
        """What is left at the end: a last line without its newline."""
        rest, self._rest = self._rest, b""
        if not rest:
            return b""
        if self._form == "binary":
            raise MalformedFrame("a COPY that ends inside a row")
        return self._row(rest)

    def _action(self, index: int) -> Action | None:
        if self._every is not None:
            return self._every
        return self._actions[index] if index < len(self._actions) else Action(5)

    # ---- text and csv

    def _lines(self, data: bytes) -> tuple[bytes, int]:
        out: list[bytes] = []
        here = 0
        while True:
            end = self._line_end(data, here)
            if end < 0:
                return b"".join(out), here
            line = data[here:end]
            here = end
            if self._header:
                self._header = False
                out.append(line)
            elif self._form == "csv":
                out.append(self._csv_row(line))
            else:
                out.append(self._row(line))

    def _line_end(self, data: bytes, start: int) -> int:
        """Behind the newline of the row that begins at `start`; -1 where it is not there yet."""
        if self._form != "csv":
            return data.find(b"\n", start) + 1 or -1
        quoted = False
        here = start
        quote, escape = self._quote[0], self._escape[0]
        while here < len(data):
            c = data[here]
            if (
                quoted
                and c == escape
                and here + 1 < len(data)
                and data[here + 1] in (quote, escape)
                and escape != quote
            ):
                here += 1
            elif c == quote:
                quoted = not quoted
            elif c == 10 and not quoted:
                return here + 1
            here += 1
        return -1

    def _row(self, line: bytes) -> bytes:
        if self._form == "csv":
            return self._csv_row(line)
        body, ending = _without_ending(line)
        if body == b"\\.":
            return line
        fields = self._split_text(body)
        shown: list[bytes] = []
        for index, field in enumerate(fields):
            action = self._action(index)
            if action is None or field == self._null_mark:
                shown.append(field)
                continue
            value = _unescaped(field)
            masked = self._value.of(action, value)
            if masked is value:
                shown.append(field)
            else:
                self.masked += 1
                shown.append(self._null_mark if masked is None else self._escaped(masked))
        return self._delimiter.join(shown) + ending

    def _split_text(self, body: bytes) -> list[bytes]:
        fields: list[bytes] = []
        begin = here = 0
        delimiter = self._delimiter[0]
        while here < len(body):
            if body[here] == 92:
                here += 2
                continue
            if body[here] == delimiter:
                fields.append(body[begin:here])
                begin = here + 1
            here += 1
        fields.append(body[begin:])
        return fields

    def _escaped(self, value: bytes) -> bytes:
        out = bytearray()
        for c in value:
            if c in _ESCAPE:
                out += _ESCAPE[c]
            elif c == self._delimiter[0]:
                out += b"\\" + self._delimiter
            else:
                out.append(c)
        return bytes(out)

    def _csv_row(self, line: bytes) -> bytes:
        body, ending = _without_ending(line)
        shown: list[bytes] = []
        for index, (field, quoted) in enumerate(self._split_csv(body)):
            action = self._action(index)
            masked: bytes | None = field
            if action is not None and (quoted or field != self._null_mark):
                masked = self._value.of(action, field)
            if masked is not field:
                self.masked += 1
                shown.append(self._null_mark if masked is None else self._quoted(masked, quoted))
            else:  # NULL stays NULL: only without quotes is it one
                shown.append(self._quoted(field, True) if quoted else field)
        return self._delimiter.join(shown) + ending

    def _split_csv(self, body: bytes) -> list[tuple[bytes, bool]]:
        fields: list[tuple[bytes, bool]] = []
        out = bytearray()
        quoted = was_quoted = False
        quote, escape, delimiter = self._quote[0], self._escape[0], self._delimiter[0]
        here = 0
        while here < len(body):
            c = body[here]
            if quoted and c == escape and here + 1 < len(body) and body[here + 1] in (quote, escape):
                out.append(body[here + 1])
                here += 1
            elif c == quote:
                quoted = not quoted
                was_quoted = True
            elif c == delimiter and not quoted:
                fields.append((bytes(out), was_quoted))
                out = bytearray()
                was_quoted = False
            else:
                out.append(c)
            here += 1
        fields.append((bytes(out), was_quoted))
        return fields

    def _quoted(self, value: bytes, was_quoted: bool) -> bytes:
        special = (self._quote, self._delimiter, b"\n", b"\r")
        if not was_quoted and value != self._null_mark and not any(mark in value for mark in special):
            return value
        escaped = value
        if self._escape != self._quote:
            escaped = escaped.replace(self._escape, self._escape * 2)
        return self._quote + escaped.replace(self._quote, self._escape + self._quote) + self._quote

    # ---- binary

    def _binary(self, data: bytes) -> tuple[bytes, int]:
        out: list[bytes] = []
        here = 0
        if not self._started:
            if len(data) < 19:
                return b"", 0
            extension = int.from_bytes(data[15:19], "big")
            if not data.startswith(SIGNATURE) or extension > self._max_row:
                raise MalformedFrame("a binary COPY without its signature")
            if len(data) < 19 + extension:
                return b"", 0
            here = 19 + extension
            out.append(data[:here])
            self._started = True
        while here + 2 <= len(data):
            end = _tuple_end(data, here)
            if end < 0:
                break
            out.append(self._tuple(data, here, end))
            here = end
        return b"".join(out), here

    def _tuple(self, data: bytes, start: int, end: int) -> bytes:
        out = bytearray(data[start : start + 2])
        here, index = start + 2, 0
        while here < end:
            length = int.from_bytes(data[here : here + 4], "big", signed=True)
            size = max(length, 0)
            value = data[here + 4 : here + 4 + size]
            action = self._action(index)
            if length >= 0 and action is not None:
                masked = self._value.of(action, value)
                if masked is not value:
                    self.masked += 1
                if masked is None:
                    out += b"\xff\xff\xff\xff"
                else:
                    out += len(masked).to_bytes(4, "big") + masked
            else:
                out += data[here : here + 4 + size]
            here += 4 + size
            index += 1
        return bytes(out)


def _tuple_end(data: bytes, start: int) -> int:
    """Behind the tuple at `start`; -1 where it is not all there.  The trailer is a tuple of -1 fields."""
    count = int.from_bytes(data[start : start + 2], "big", signed=True)
    here = start + 2
    if count == -1:
        return here
    if count < 0:
        raise MalformedFrame("a binary COPY row of less than no fields")
    for _ in range(count):
        if here + 4 > len(data):
            return -1
        length = int.from_bytes(data[here : here + 4], "big", signed=True)
        if length < -1:
            raise MalformedFrame("a binary COPY field of less than no bytes")
        here += 4 + max(length, 0)
    return here if here <= len(data) else -1


def _without_ending(line: bytes) -> tuple[bytes, bytes]:
    for ending in (b"\r\n", b"\n", b"\r"):
        if line.endswith(ending):
            return line[: -len(ending)], ending
    return line, b""


def _unescaped(field: bytes) -> bytes:
    if b"\\" not in field:
        return field
    out = bytearray()
    here = 0
    while here < len(field):
        c = field[here]
        if c == 92 and here + 1 < len(field):
            here += 1
            out.append(_UNESCAPE.get(field[here], field[here]))
        else:
            out.append(c)
        here += 1
    return bytes(out)

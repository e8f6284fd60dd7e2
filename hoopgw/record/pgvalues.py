"""Values of parameters and rows, in PostgreSQL's formats -> what a person reads."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from struct import error as StructError
from typing import Any

Value = str | None  # None is NULL

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # of dates and times on the wire
_FLOAT4, _FLOAT8 = Struct(">f"), Struct(">d")
_INTEGERS = {21: 2, 23: 4, 20: 8, 26: 4}  # OIDs of pg_type: int2, int4, int8, oid
_UNSIGNED = frozenset((26,))
_TEXTS = frozenset((18, 19, 25, 114, 142, 705, 1042, 1043))  # "char", name, text, json, xml, unknown, bpchar, varchar


def shown(value: bytes, form: int, oid: int = 0) -> str:
    """Text as it is; binary by its type where that is known and simple, else in hex as bytea's output has it."""
    if form == 0:
        return words(value)
    try:
        return _typed(value, oid)
    except (StructError, ValueError, OverflowError):
        return f"\\x{value.hex()}"


def _typed(value: bytes, oid: int) -> str:
    if oid in _TEXTS:
        return words(value)
    if oid in _INTEGERS and len(value) == _INTEGERS[oid]:
        return str(int.from_bytes(value, "big", signed=oid not in _UNSIGNED))
    if oid == 16 and len(value) == 1:
        return "true" if value != b"\0" else "false"
    if oid == 700:
        return repr(_FLOAT4.unpack(value)[0])
    if oid == 701:
        return repr(_FLOAT8.unpack(value)[0])
    if oid == 2950:
        return str(uuid.UUID(bytes=value))
    if oid == 3802 and value[:1] == b"\1":  # jsonb, version 1
        return words(value[1:])
    if oid == 1082 and len(value) == 4:
        return (_EPOCH + timedelta(days=int.from_bytes(value, "big", signed=True))).date().isoformat()
    if oid in (1114, 1184) and len(value) == 8:
        moment = _EPOCH + timedelta(microseconds=int.from_bytes(value, "big", signed=True))
        return moment.isoformat(" ") if oid == 1184 else moment.replace(tzinfo=None).isoformat(" ")
    return f"\\x{value.hex()}"


def format_of(formats: Sequence[int], index: int) -> int:
    """None given: text; one: it is for all (Bind, 55.7)."""
    if len(formats) == 1:
        return formats[0]
    return formats[index] if index < len(formats) else 0


def words(data: bytes) -> str:
    """UTF-8 where it is that; other bytes by their numbers."""
    return data.decode("utf-8", "backslashreplace")


class Fields:
    """Reads numbers and values from a message's body.  Raises ValueError where it ends too early."""

    def __init__(self, body: bytes, missing: int = 0) -> None:
        self._body = body
        self._missing = missing
        self._here = 0

    def number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "big", signed=signed)

    def numbers(self, size: int) -> list[int]:
        """A count of two bytes, and as many numbers."""
        return [self.number(size) for _ in range(self.number(2))]

    def text(self) -> bytes:
        """Up to the next NUL."""
        end = self._body.index(b"\0", self._here)
        found = self._body[self._here : end]
        self._here = end + 1
        return found

    def take(self, size: int) -> bytes:
        found = self._body[self._here : self._here + size]
        if len(found) < size:
            raise ValueError("the message ends too early")
        self._here += size
        return found

    def value(self) -> tuple[bytes | None, int]:
        """(a length of four bytes and its bytes, or None for NULL; how many of them are not at hand)."""
        length = self.number(4, signed=True)
        if length < 0:
            return None, 0
        here, self._here = self._here, self._here + length
        found = self._body[here : self._here]
        if len(found) < length and not self._missing:
            raise ValueError("the message ends too early")
        return found, length - len(found)

    def values(self, formats: Sequence[int], types: Sequence[int]) -> list[Value]:
        """A count, and as many values.  A value too long to be kept ends with how much is left out."""
        found: list[Value] = []
        for index in range(self.number(2)):
            try:
                value, left = self.value()
            except ValueError:
                if not self._missing:
                    raise
                found.append("… not shown")
                continue
            if value is None:
                found.append(None)
                continue
            text = shown(value, format_of(formats, index), types[index] if index < len(types) and not left else 0)
            found.append(f"{text}… {left} bytes more" if left else text)
        return found


def report(body: bytes) -> dict[str, Any]:
    """The fields of an ErrorResponse or NoticeResponse (55.8) that say something to people."""
    given = {part[:1]: words(part[1:]) for part in body.split(b"\0") if part}
    names = {b"S": "severity", b"C": "sqlstate", b"M": "message", b"D": "detail", b"H": "hint", b"P": "position"}
    found = {name: given[code] for code, name in names.items() if code in given}
    return {"sqlstate": "", "message": "", **found}

"""PostgreSQL messages <-> values (PostgreSQL documentation, 55.7).  Builders give messages, readers take bodies."""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i64_le
from mypy_extensions import i64, mypyc_attr

from hoopgw.model.errors import MalformedFrame

NULL: Final = 0xFFFFFFFF  # as a value's length: there is none
WALKED: Final = 512  # bytes in which the end of a text is looked for here, before a search of Python's is called
_ONES: Final = 0x0101010101010101
_NUMBERS: Final = 0x0001020304050607  # of bytes: times the lowest bit of one, its number is in the highest byte
MAX_FIELDS: Final = 1664  # columns of a result: PostgreSQL's own bound (MaxTupleAttributeNumber)


def message(tag: bytes, body: bytes) -> bytes:
    return tag + (len(body) + 4).to_bytes(4, "big") + body


# ---- to the target


def query(text: bytes) -> bytes:
    return message(b"Q", text + b"\0")


def parse(name: bytes, text: bytes, types: bytes = b"\0\0") -> bytes:
    """`types` are the undecoded count and OIDs."""
    return message(b"P", name + b"\0" + text + b"\0" + types)


def bind_nothing(portal: bytes, statement: bytes) -> bytes:
    """A Bind without parameters and result formats."""
    return message(b"B", portal + b"\0" + statement + b"\0" + b"\0\0\0\0\0\0")


def describe_portal(name: bytes) -> bytes:
    return message(b"D", b"P" + name + b"\0")


def execute(portal: bytes) -> bytes:
    return message(b"E", portal + b"\0\0\0\0\0")


def close(kind: bytes, name: bytes) -> bytes:
    """`kind`: S for a statement, P for a portal."""
    return message(b"C", kind + name + b"\0")


FLUSH: Final = message(b"H", b"")
SYNC: Final = message(b"S", b"")
TERMINATE: Final = message(b"X", b"")


# ---- to the client


def error(severity: bytes, fields: list[tuple[bytes, bytes]]) -> bytes:
    """An ErrorResponse.  A NUL cannot stand in a field and is dropped."""
    return _report(b"E", severity, fields)


def notice(fields: list[tuple[bytes, bytes]]) -> bytes:
    """A NoticeResponse."""
    return _report(b"N", b"NOTICE", fields)


def _report(tag: bytes, severity: bytes, fields: list[tuple[bytes, bytes]]) -> bytes:
    body = b"S" + severity + b"\0V" + severity + b"\0"
    for name, value in fields:
        if value:
            body += name + value.replace(b"\0", b"") + b"\0"
    return message(tag, body + b"\0")


def report_fields(body: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of an ErrorResponse or NoticeResponse, known or not, in order; what is not terminated is left out."""
    fields: list[tuple[bytes, bytes]] = []
    here = 0
    while here < len(body) and body[here] != 0:
        end = body.find(b"\0", here + 1)
        if end < 0:
            break
        fields.append((body[here : here + 1], body[here + 1 : end]))
        here = end + 1
    return fields


def report(tag: bytes, fields: list[tuple[bytes, bytes]]) -> bytes:
    """The message of these fields."""
    return message(tag, b"".join([name + value + b"\0" for name, value in fields]) + b"\0")


# ---- what a client asks


@mypyc_attr(acyclic=True, free_list_len=1)
@final
class Parse:
    """name, text, and the undecoded parameter types (count and OIDs)."""

    __slots__ = ("name", "text", "types")

    def __init__(self, name: bytes, text: bytes, types: bytes) -> None:
        self.name = name
        self.text = text
        self.types = types


def read_parse(data: bytes, start: int, end: int) -> Parse:
    """`start` is where the body begins.  Raises MalformedFrame."""
    name_end = _terminator(data, start, end)
    text_end = _terminator(data, name_end + 1, end)
    types = text_end + 1
    if end != types + 2 + 4 * _short(data, types, end):
        raise MalformedFrame("a Parse whose parameter types are not as many as it says")
    return Parse(data[start:name_end], data[name_end + 1 : text_end], data[types:end])


@mypyc_attr(acyclic=True, free_list_len=1)
@final
class Bind:
    """portal, statement, and the undecoded formats and values of the parameters (result formats left out)."""

    __slots__ = ("parameters", "portal", "statement")

    def __init__(self, portal: bytes, statement: bytes, parameters: bytes) -> None:
        self.portal = portal
        self.statement = statement
        self.parameters = parameters


def read_bind(data: bytes, start: int, end: int) -> Bind:
    """Raises MalformedFrame for values that go beyond the message."""
    portal_end = _terminator(data, start, end)
    statement_end = _terminator(data, portal_end + 1, end)
    begin = statement_end + 1
    here = _values_end(data, begin, end)
    if here + 2 > end or here + 2 + 2 * _short(data, here, end) != end:
        raise MalformedFrame("a Bind whose values are not as long as it says")
    return Bind(data[start:portal_end], data[portal_end + 1 : statement_end], data[begin:here])


def _values_end(data: bytes, start: i64, end: i64) -> i64:
    """Behind a Bind's parameter formats and values, which begin at `start`."""
    here = start + 2 + 2 * _short(data, start, end)
    count = _short(data, here, end)
    here += 2
    while count > 0:
        length = _long(data, here, end)
        here += 4
        if length != NULL:
            here += length
        count -= 1
    return here


def without_values(data: bytes, start: int, end: int) -> bytes:
    """The Bind with every value NULL: what a redacted record has."""
    portal_end = _terminator(data, start, end)
    statement_end = _terminator(data, portal_end + 1, end)
    here = statement_end + 1
    here += 2 + 2 * _short(data, here, end)
    count = int(_short(data, here, end))
    nothing = b"\xff\xff\xff\xff" * count
    return message(b"B", data[start : here + 2] + nothing + data[_values_end(data, statement_end + 1, end) : end])


def read_name(data: bytes, start: int, end: int) -> bytes:
    """The NUL-terminated text at `start`."""
    return data[start : _terminator(data, start, end)]


def _terminator(data: bytes, start: i64, end: i64) -> i64:
    here = start
    near = min(end, start + WALKED)
    while here + 8 <= near:
        word = read_i64_le(data, here)
        found: i64 = ((word - _ONES) & ~word) >> 7 & _ONES  # the lowest is exact
        if found:
            return here + ((found & -found) * _NUMBERS >> 56 & 7)
        here += 8
    while here < near:
        if data[here] == 0:
            return here
        here += 1
    far: i64 = data.find(b"\0", here, end)
    if far < 0:
        raise MalformedFrame("a text without its terminator")
    return far


def _short(data: bytes, here: i64, end: i64) -> i64:
    """The two bytes there as a number."""
    if here + 2 > end:
        raise MalformedFrame("a message that ends inside a number")
    return (data[here] << 8) | data[here + 1]


def _long(data: bytes, here: i64, end: i64) -> i64:
    """The four bytes there as a number without sign."""
    if here + 4 > end:
        raise MalformedFrame("a message that ends inside a number")
    return (data[here] << 24) | (data[here + 1] << 16) | (data[here + 2] << 8) | data[here + 3]


# ---- what a target says


Field = tuple[bytes, int, int, int, int]  # name, table OID, attribute number, type OID, format (0 text, 1 binary)


def read_row_description(body: bytes) -> list[Field]:
    """Raises MalformedFrame."""
    count = int(_short(body, 0, len(body)))
    if count > MAX_FIELDS:
        raise MalformedFrame(f"a result of {count} columns")
    here = 2
    fields: list[Field] = []
    for _ in range(count):
        end = _terminator(body, here, len(body))
        if end + 19 > len(body):
            raise MalformedFrame("a RowDescription that ends inside a field")
        table = int.from_bytes(body[end + 1 : end + 5], "big")
        attribute = int.from_bytes(body[end + 5 : end + 7], "big", signed=True)
        kind = int.from_bytes(body[end + 7 : end + 11], "big")
        fields.append((body[here:end], table, attribute, kind, int.from_bytes(body[end + 17 : end + 19], "big")))
        here = end + 19
    if here != len(body):
        raise MalformedFrame("a RowDescription with bytes behind its fields")
    return fields

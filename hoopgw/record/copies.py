"""The data of a COPY FROM STDIN -> one INSERT of the same rows, which fails or succeeds as a whole as the COPY did.

A script could not hold the data itself: where psql's COPY fails to begin, it takes the lines behind it for commands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pgparse

from hoopgw.record.sqltext import literal

MAX_TEXT = 16 << 20  # characters of one COPY that a script takes
_OPTIONS = frozenset(("format", "delimiter", "null", "header", "quote", "escape", "freeze"))
_ESCAPED = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))", re.DOTALL)
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
Row = list[str | None]


@dataclass(frozen=True, slots=True)
class CopyIn:
    """What a COPY FROM STDIN says of its data (PostgreSQL documentation, COPY)."""

    into: str  # the relation and columns, quoted
    form: str
    delimiter: str
    null: str
    quote: str
    escape: str
    header: bool


def copy_in(text: str) -> CopyIn | None:
    """Of a text that is one COPY FROM STDIN whose every option is known here; else None."""
    try:
        trees = pgparse.parse(text)
    except (pgparse.PGQueryError, RecursionError, ValueError):
        return None
    copy = trees[0]["stmt"].get("CopyStmt") if len(trees) == 1 else None
    if not copy or not copy.get("is_from") or copy.get("whereClause") or copy.get("filename") or "relation" not in copy:
        return None
    options = {each["DefElem"]["defname"]: _word(each["DefElem"].get("arg")) for each in copy.get("options", [])}
    form = options.get("format", "text")
    if not _OPTIONS.issuperset(options) or form not in ("text", "csv"):
        return None
    relation, csv = copy["relation"], form == "csv"
    names = [relation[name] for name in ("schemaname", "relname") if relation.get(name)]
    columns = [each["String"]["sval"] for each in copy.get("attlist", [])]
    if not all(name.isprintable() and "\\" not in name for name in (*names, *columns)):
        return None
    into = ".".join(map(_quoted, names)) + (f" ({', '.join(map(_quoted, columns))})" if columns else "")
    quote = options.get("quote", '"')
    return CopyIn(
        into=into,
        form=form,
        delimiter=options.get("delimiter", "," if csv else "\t"),
        null=options.get("null", "" if csv else "\\N"),
        quote=quote,
        escape=options.get("escape", quote),
        header=options.get("header", "false").lower() in ("true", "on", "1", "match"),
    )


def insert(copy: CopyIn, data: str) -> Iterator[str]:
    """Lines of a script; none where there is no row.  Raises ValueError for data that are not what COPY takes."""
    rows = _csv_rows(copy, data) if copy.form == "csv" else _text_rows(copy, data)
    if copy.header:
        next(rows, None)
    line = ""
    for row in rows:
        # COPY sets identity columns without asking.
        yield f"{line}," if line else f"INSERT INTO {copy.into} OVERRIDING SYSTEM VALUE VALUES"
        line = f"  ({', '.join('NULL' if value is None else literal(value) for value in row)})"
    if line:
        yield f"{line};"


def _word(node: Any) -> str:
    """An option's value; an option alone is true."""
    if not node:
        return "true"
    kind, body = next(iter(node.items()))
    if kind == "Boolean":
        return "true" if body.get("boolval") else "false"
    if kind == "Integer":
        return str(body.get("ival", 0))
    return str(body.get("sval", ""))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text_rows(copy: CopyIn, data: str) -> Iterator[Row]:
    """A backslash takes what follows it for data, a newline too."""
    delimiter = re.escape(copy.delimiter)
    field = re.compile(rf"((?:[^\\\n{delimiter}]|\\.)*)(\n|\Z|{delimiter})", re.DOTALL)
    return _rows(copy, data, field, _text_value)


def _text_value(copy: CopyIn, written: str) -> str | None:
    return None if written == copy.null else _ESCAPED.sub(_unescaped, written)


def _unescaped(found: re.Match[str]) -> str:
    octal, digits, char = found.groups()
    if char is not None:
        return _LETTERS.get(char, char)
    code = int(octal, 8) if octal else int(digits, 16)
    if not 0 < code < 0x80:
        raise ValueError("a byte of a character by its number")
    return chr(code)


def _csv_rows(copy: CopyIn, data: str) -> Iterator[Row]:
    quote, delimiter = re.escape(copy.quote), re.escape(copy.delimiter)
    field = re.compile(rf"((?:{_inside(copy)}|[^{quote}\n{delimiter}])*)(\n|\Z|{delimiter})")
    return _rows(copy, data, field, _csv_value)


def _inside(copy: CopyIn) -> str:
    """A quoted stretch, which can be read in one way only; its group is what stands between the quotes."""
    quote, escape = re.escape(copy.quote), re.escape(copy.escape)
    if quote == escape:
        return rf"{quote}((?:{quote}{quote}|[^{quote}])*){quote}(?!{quote})"
    return rf"{quote}((?:{escape}[{quote}{escape}]|{escape}(?![{quote}{escape}])|[^{quote}{escape}])*){quote}"


def _csv_value(copy: CopyIn, written: str) -> str | None:
    if copy.quote not in written:
        return None if written == copy.null else written
    quote, escape = re.escape(copy.quote), re.escape(copy.escape)
    pieces = re.finditer(rf"{_inside(copy)}|([^{quote}]+)", written)
    unescape = re.compile(rf"{escape}([{quote}{escape}])")
    return "".join(unescape.sub(r"\1", piece[1]) if piece[2] is None else piece[2] for piece in pieces)


def _rows(copy: CopyIn, data: str, field: re.Pattern[str], value: Any) -> Iterator[Row]:
    here, row = 0, Row()
    ends_in_returns = "\r\n" in data[: data.find("\n") + 1]
    while here < len(data):
        found = field.match(data, here)
        if found is None:
            raise ValueError("data that COPY would not take")
        written, end = found[1], found[found.lastindex or 0]
        here = found.end()
        last = end != copy.delimiter
        if last and ends_in_returns:
            written = written.removesuffix("\r")
        if last and not row and written == "\\.":
            return
        row.append(value(copy, written))
        if last or here == len(data):
            row += [] if last else [value(copy, "")]
            yield row
            row = Row()

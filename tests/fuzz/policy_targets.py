"""Fuzz targets of policy/ and the configuration: SQL texts, their shapes, and TOML files."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from hoopgw import config
from hoopgw.policy.facts import Facts
from hoopgw.policy.sql import Unreadable, analyse
from hoopgw.policy.sql_shape import INT4, INT8, NUMERIC, STRING, shape
from hoopgw.session.sqlscopes import by_literal
from hoopgw.session.sqlstatements import changes
from tests.fuzz.choices import Choices
from tests.policy.test_sql import CATALOGUE, CONTEXT

MAX_TEXT = 400  # bytes: what is deep enough to exhaust the parser's stack is parsed in a child (policy/sql.py)
WORDS = (
    b"select ", b"from ", b"customers", b"orders", b" where ", b"id", b"email", b" = ", b"1", b"'a'", b"insert into ",
    b" values (", b")", b"(", b",", b"delete from ", b"update ", b" set ", b"limit ", b" union all ", b"interval ",
    b" order by ", b" group by ", b"cast(", b" as ", b"::", b"text", b"int", b"numeric(", b"null", b"with x as (", b"*",
    b" returning ", b"copy ", b" to stdout", b" between ", b" and ", b" or ", b" not ", b" in (", b" like ", b"date ",
    b"substring(", b" for ", b"lower(", b"; ", b"set ", b"explain ", b"prepare s as ", b"execute s(", b"3.5", b"-",
    b"create table t (", b"do ", b"bit(", b"char(", b"timestamp(", b"fetch ", b"move ", b"declare c cursor for ",
)  # fmt: skip
OTHERS = {
    STRING: (b"''", b"'a'", b"'it''s'", b"'; drop table orders; --'", b"'1'", b"'/*'", b"'public'", b"'email'"),
    INT4: (b"0", b"1", b"2", b"9", b"42", b"007", b"999999999"),
    INT8: (b"12345678901", b"999999999999999999"),
    NUMERIC: (b"0.0", b"1.5", b"12345678901234567890"),
}
PLACEHOLDER = re.compile(b"[" + b"".join(OTHERS) + b"]")


def _text(choices: Choices) -> bytes:
    found: list[bytes] = []
    while choices.more and sum(map(len, found)) < MAX_TEXT:
        found.append(choices.some() if choices.number(8) == 7 else choices.pick(WORDS))
    return b"".join(found)[:MAX_TEXT]


def _facts(text: bytes) -> Facts | None:
    try:
        return analyse(text, CATALOGUE, CONTEXT)
    except Unreadable:
        return None


def sql_shape(data: bytes) -> None:
    """Two texts of one shape have the same facts, by PostgreSQL's own grammar; but for those that set what later texts
    mean, whose verdict is not kept, and those in which a literal decides (COPY's file: '' is none to it)."""
    choices = Choices(data)
    literals = choices.piece(8)
    text = _text(choices)
    found = shape(text)
    if found is None:
        return
    chosen = iter(literals + bytes(len(found)))
    other = PLACEHOLDER.sub(lambda mark: OTHERS[mark[0]][next(chosen) % len(OTHERS[mark[0]])], found)
    if shape(other) != found:
        return  # e.g. two literals without a space between
    one, two = _facts(text), _facts(other)
    if one is None or two is None or any(changes(statement) for statement in one.statements):
        return
    if by_literal(one) or by_literal(two):
        return
    assert one == two, (text, other)


def sql(data: bytes) -> None:
    """Whatever a text is, it has facts or is unreadable."""
    choices = Choices(data)
    _facts(choices.rest()[:MAX_TEXT] if choices.flag() else _text(choices))


FILES = ("hoopgw.toml", "targets.d/a.toml", "grants.d/a.toml", "guardrails.d/a.toml")
BETWEEN = b"\n#----\n"
_PLACE = tempfile.TemporaryDirectory(prefix="hoopgw-fuzz-")


def configuration(data: bytes) -> None:
    """Whatever the files hold, they load, or the mistakes are named with a file and a line that there is."""
    place = Path(_PLACE.name)
    parts = data.split(BETWEEN, len(FILES) - 1)
    for name, part in zip(FILES, parts + [b""] * (len(FILES) - len(parts)), strict=True):
        path = place / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(part)
    try:
        config.load(place / FILES[0])
    except config.ConfigurationMistakes as error:
        assert error.mistakes
        for mistake in error.mistakes:
            lines = Path(mistake.file).read_bytes().count(b"\n") + 1 if Path(mistake.file).is_file() else 1
            assert mistake.message and 1 <= mistake.line <= lines, str(mistake)

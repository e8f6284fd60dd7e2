"""The SQL that both providers of the store speak.

Placeholders are `?`; the PostgreSQL provider writes them as `%s`, so no statement here holds another `?` or a `%`.
`{at}` stands before each table's name: nothing in SQLite, the schema `hoopgw.` in PostgreSQL.  `{aside}` stands before
a column by which no index may be chosen: `+` in SQLite, nothing in PostgreSQL, which knows how common each value is.
"""

# ruff: noqa: S608  only names of this module's own lists stand in the texts; every value is a parameter

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from hoopgw.store.interface import HoldState, SessionFilter, SessionRow
from hoopgw.store.rows import HOLD_COLUMNS, SESSION_COLUMNS

VERSION = 3  # of the schema; what leads to it from older ones is in hoopgw/store/migrations.py

_REAL = frozenset(("opened", "closed", "retired", "created", "expires"))
_NULL = frozenset(("closed", "retired"))
_WHOLE = frozenset(("operations", "refused", "held", "rows", "masked", "bytes_in", "bytes_out"))
_FLAGS = frozenset(("interrupted", "in_transaction", "streams"))


def _column(name: str) -> str:
    if name in _REAL:
        kind = "double precision"
    elif name in _WHOLE:
        kind = "bigint"
    elif name in _FLAGS:
        kind = "boolean"
    else:
        kind = "text"
    key = " PRIMARY KEY" if name == "id" else ""
    return f'"{name}" {kind}{"" if name in _NULL else " NOT NULL"}{key}'


_SESSIONS = ", ".join(map(_column, SESSION_COLUMNS))
_HOLDS = ", ".join(map(_column, HOLD_COLUMNS))

# Keyset pages read an index backwards from (opened, id), however filters are combined.  The partial indexes serve those
# that few rows pass, together with a subject or a target too; a protocol, which many share, is read in the index.
_FEW = {"live": "closed IS NULL", "refused": "refused > 0", "held": "held > 0"}
_PARTS = {**_FEW, "masked": "masked > 0"}  # many may pass this one, and none of a target's
SESSION_INDEXES = (
    "CREATE INDEX sessions_opened ON {at}sessions (opened, id)",
    "CREATE INDEX sessions_subject ON {at}sessions (subject, opened, id, protocol)",
    "CREATE INDEX sessions_target ON {at}sessions (target, opened, id, protocol)",
    "CREATE INDEX sessions_both ON {at}sessions (subject, target, opened, id, protocol)",
    "CREATE INDEX sessions_protocol ON {at}sessions (protocol, opened, id)",
    *(
        f"CREATE INDEX sessions_{name} ON {{at}}sessions (opened, id, protocol) WHERE {of}"
        for name, of in _PARTS.items()
    ),
    *(
        f"CREATE INDEX sessions_{name}_{of} ON {{at}}sessions ({of}, opened, id, protocol) WHERE {part}"
        for name, part in _PARTS.items()
        for of in ("subject", "target")
    ),
    "CREATE INDEX sessions_masked_both ON {at}sessions (subject, target, opened, id, protocol) WHERE masked > 0",
    "CREATE INDEX sessions_retired ON {at}sessions (retired) WHERE retired IS NOT NULL",
)
# By what a session touched.  What many share (target, protocol, a busy subject, that something was masked) stands here
# too: a page of a table that one of them has and another has not would else read all sessions of either.
TABLE_INDEXES = (
    "CREATE INDEX session_tables_target ON {at}session_tables (name, target, opened, id, protocol)",
    "CREATE INDEX session_tables_protocol ON {at}session_tables (name, protocol, opened, id)",
)
LATER_TABLE_INDEXES = (  # of version 3
    "CREATE INDEX session_tables_subject ON {at}session_tables (name, subject, opened, id, protocol)",
    "CREATE INDEX session_tables_spoken ON {at}session_tables (name, subject, protocol, opened, id)",
    "CREATE INDEX session_tables_both ON {at}session_tables (name, subject, target, opened, id, protocol)",
    "CREATE INDEX session_tables_masked ON {at}session_tables (name, opened, id, protocol) WHERE masked",
    "CREATE INDEX session_tables_masked_target ON {at}session_tables (name, target, opened, id, protocol) WHERE masked",
    "CREATE INDEX session_tables_masked_subject ON {at}session_tables (name, subject, opened, id, protocol)"
    " WHERE masked",
    "CREATE INDEX session_tables_masked_both ON {at}session_tables (name, subject, target, opened, id, protocol)"
    " WHERE masked",
)
SCHEMA = (
    f"CREATE TABLE {{at}}sessions ({_SESSIONS})",
    *SESSION_INDEXES,
    "CREATE TABLE {at}session_tables (name text NOT NULL, opened double precision NOT NULL, id text NOT NULL,"
    " target text NOT NULL DEFAULT '', protocol text NOT NULL DEFAULT '', subject text NOT NULL DEFAULT '',"
    " masked boolean NOT NULL DEFAULT false, PRIMARY KEY (name, opened, id))",
    "CREATE INDEX session_tables_id ON {at}session_tables (id)",
    *TABLE_INDEXES,
    *LATER_TABLE_INDEXES,
    f"CREATE TABLE {{at}}holds ({_HOLDS}, changed bigint NOT NULL)",
    "CREATE UNIQUE INDEX holds_usable ON {at}holds (digest) WHERE state IN ('waiting', 'approved')",
    "CREATE INDEX holds_created ON {at}holds (state, created)",
    "CREATE INDEX holds_changed ON {at}holds (changed)",
    "CREATE TABLE {at}counters (name text NOT NULL, period text NOT NULL, value bigint NOT NULL,"
    " touched double precision NOT NULL, PRIMARY KEY (name, period))",
)

_names = ", ".join(f'"{name}"' for name in SESSION_COLUMNS)
_marks = ", ".join("?" for _ in SESSION_COLUMNS)
_sets = ", ".join(f'"{name}" = excluded."{name}"' for name in SESSION_COLUMNS if name != "id")
PUT_SESSION = f"INSERT INTO {{at}}sessions ({_names}) VALUES ({_marks}) ON CONFLICT (id) DO UPDATE SET {_sets}"
TABLE_COLUMNS = ("name", "opened", "id", "target", "protocol", "subject", "masked")
PUT_TABLE = (
    f"INSERT INTO {{at}}session_tables ({', '.join(TABLE_COLUMNS)}) VALUES ({', '.join('?' for _ in TABLE_COLUMNS)})"
    " ON CONFLICT DO NOTHING"
)
# of a session that had nothing masked when its tables were written first
PUT_MASKED = "UPDATE {at}session_tables SET masked = true WHERE id = ? AND NOT masked"


def table_values(row: SessionRow) -> Iterator[tuple[Any, ...]]:
    """Of each table that the session touched, in the order of TABLE_COLUMNS."""
    for table in row.tables:
        yield table, row.opened, row.id, row.target, row.protocol, row.subject, row.masked > 0


def masked_tables(rows: Iterable[SessionRow]) -> Iterator[tuple[str]]:
    """The values of PUT_MASKED for each of these sessions that needs it."""
    return ((row.id,) for row in rows if row.masked and row.tables)


ONE_SESSION = f"SELECT {_names} FROM {{at}}sessions WHERE id = ?"

HOLD_NAMES = ", ".join(f'"{name}"' for name in HOLD_COLUMNS)
_hold_marks = ", ".join("?" for _ in HOLD_COLUMNS)
# `changed` numbers the changes of all holds, so that a watcher can ask for what it has not seen.  Two transactions of
# PostgreSQL may take the same number: a watcher there asks from MARGIN before the last one that it saw.
MARGIN = 64
_NEXT = "(SELECT coalesce(max(changed), 0) + 1 FROM {at}holds)"
CREATE_HOLD = f"INSERT INTO {{at}}holds ({HOLD_NAMES}, changed) VALUES ({_hold_marks}, {_NEXT})"
CREATE_HOLD += " ON CONFLICT DO NOTHING RETURNING id"
ONE_HOLD = f"SELECT {HOLD_NAMES} FROM {{at}}holds WHERE id = ?"
USABLE_HOLD = f"SELECT {HOLD_NAMES} FROM {{at}}holds WHERE digest = ? AND state IN ('waiting', 'approved')"
CHANGED_HOLDS = f"SELECT changed, {HOLD_NAMES} FROM {{at}}holds WHERE changed > ? ORDER BY changed"
LAST_CHANGE = "SELECT coalesce(max(changed), 0) FROM {at}holds"
PUT_WORD = f"UPDATE {{at}}holds SET state = ?, decided = ?, changed = {_NEXT} WHERE id = ?"
CLAIM = (
    f"UPDATE {{at}}holds SET state = 'claimed', changed = {_NEXT}"
    f" WHERE digest = ? AND state = 'approved' AND expires > ? RETURNING {HOLD_NAMES}"
)
CLAIM_ONE = (
    f"UPDATE {{at}}holds SET state = 'claimed', changed = {_NEXT}"
    f" WHERE digest = ? AND state = 'approved' AND expires > ? AND id = ? RETURNING {HOLD_NAMES}"
)
WITHDRAW = (
    f"UPDATE {{at}}holds SET state = 'withdrawn', changed = {_NEXT}"
    f" WHERE id = ? AND state = 'waiting' RETURNING {HOLD_NAMES}"
)
EXPIRE = (
    f"UPDATE {{at}}holds SET state = 'expired', changed = {_NEXT}"
    f" WHERE state IN ('waiting', 'approved') AND expires <= ? RETURNING {HOLD_NAMES}"
)
EXPIRE_DIGEST = (
    f"UPDATE {{at}}holds SET state = 'expired', changed = {_NEXT}"
    f" WHERE state IN ('waiting', 'approved') AND expires <= ? AND digest = ? RETURNING {HOLD_NAMES}"
)

RESERVE = (
    "INSERT INTO {at}counters AS mine (name, period, value, touched) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (name, period) DO UPDATE SET value = mine.value + excluded.value, touched = excluded.touched"
    " RETURNING value"
)
GIVE_BACK = (
    "UPDATE {at}counters SET value = CASE WHEN value > ? THEN value - ? ELSE 0 END WHERE name = ? AND period = ?"
)

FORGET = (  # in this order; each takes the bound once
    "DELETE FROM {at}session_tables WHERE id IN (SELECT id FROM {at}sessions WHERE retired < ?)",
    "DELETE FROM {at}sessions WHERE retired < ?",
    "DELETE FROM {at}holds WHERE state NOT IN ('waiting', 'approved') AND expires < ?",
    "DELETE FROM {at}counters WHERE touched < ?",
)

_VERDICTS = {"refused": "s.refused > 0", "held": "s.held > 0", "masked": "s.masked > 0"}
PAGE_LIMIT = 1000  # rows of one page at most: what one admin answer carries


def session_page(wanted: SessionFilter) -> tuple[str, list[Any]]:
    """The statement of one page, newest first, and its values.  Raises ValueError for an unknown verdict."""
    source = "{at}sessions AS s"
    conditions: list[str] = []
    values: list[Any] = []
    key = "s"
    few = bool(wanted.live or wanted.verdict in _FEW)
    if wanted.table and few:  # from the few sessions on, not from all of the table's
        # what stands with the table too says at once where none of its sessions can be meant
        known = [name for name in ("subject", "target") if getattr(wanted, name)]
        same = "".join(f" AND t.{name} = ?" for name in known)
        conditions.append(
            "EXISTS (SELECT 1 FROM {at}session_tables AS t"
            f" WHERE t.name = ? AND t.opened = s.opened AND t.id = s.id{same})"
        )
        values += [wanted.table, *(getattr(wanted, name) for name in known)]
    elif wanted.table:
        source += " JOIN {at}session_tables AS t ON t.id = s.id"
        conditions, values, key = ["t.name = ?"], [wanted.table], "t"
    for name in ("subject", "target", "protocol"):
        if getattr(wanted, name):
            aside = name in _aside(wanted, few)
            column = f"{key}.{name}"
            column = f"{{aside}}{column}" if aside else column
            conditions.append(f"{column} = ?")
            values.append(getattr(wanted, name))
    for bound, condition in ((wanted.since, f"{key}.opened >= ?"), (wanted.until, f"{key}.opened < ?")):
        if bound is not None:
            conditions.append(condition)
            values.append(bound)
    if wanted.verdict:
        if wanted.verdict not in _VERDICTS:
            raise ValueError(f"{wanted.verdict!r} is no verdict of the index: {', '.join(_VERDICTS)}")
        many = wanted.verdict not in _FEW and bool(wanted.live)
        verdict = "t.masked" if wanted.verdict == "masked" and key == "t" else _VERDICTS[wanted.verdict]
        conditions.append(f"{{aside}}{verdict}" if many else verdict)
    if wanted.live is not None:
        conditions.append(f"s.closed IS {'' if wanted.live else 'NOT '}NULL")
    if wanted.before is not None:
        conditions.append(f"({key}.opened, {key}.id) < (?, ?)")
        values += wanted.before
    names = ", ".join(f's."{name}"' for name in SESSION_COLUMNS)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    values.append(max(0, min(wanted.limit, PAGE_LIMIT)))
    return f"SELECT {names} FROM {source}{where} ORDER BY {key}.opened DESC, {key}.id DESC LIMIT ?", values


def _aside(wanted: SessionFilter, few: bool) -> frozenset[str]:
    """Columns by which no index is chosen: others say more.  A protocol is what many share; and where few sessions are
    live, refused or held, those of one subject are fewer than all that it had with one target."""
    aside = set()
    in_table = wanted.table and not few  # there a subject's protocol has an index of its own
    if few or wanted.target or wanted.verdict or (wanted.subject and not in_table):
        aside.add("protocol")
    if few and wanted.subject:
        aside.add("target")
    return frozenset(aside)


def hold_page(states: frozenset[HoldState], limit: int) -> tuple[str, list[Any]]:
    """The statement of the newest holds in these states, and its values."""
    values: list[Any] = sorted(state.value for state in states)
    marks = ", ".join("?" for _ in values) or "NULL"
    statement = f"SELECT {HOLD_NAMES} FROM {{at}}holds WHERE state IN ({marks}) ORDER BY created DESC, id DESC LIMIT ?"
    return statement, [*values, max(0, min(limit, PAGE_LIMIT))]

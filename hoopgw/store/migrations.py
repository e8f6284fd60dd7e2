"""From an older schema of the store to the present one: statements that both providers speak (see `statements`)."""

from __future__ import annotations

from hoopgw.store.statements import LATER_TABLE_INDEXES, SESSION_INDEXES, TABLE_INDEXES, VERSION

SECONDS = 600.0  # for all steps: an index of a million sessions takes some tens of seconds


def _again(index: str) -> tuple[str, str]:
    """An index may be there under its name in an earlier shape."""
    name = index.split()[2]
    return f"DROP INDEX IF EXISTS {{at}}{name}", index


# from the version to the next one
STEPS = {
    1: (
        *(statement for index in SESSION_INDEXES for statement in _again(index)),
        *(
            statement
            for column in ("target", "protocol")
            for statement in (
                f"ALTER TABLE {{at}}session_tables ADD COLUMN {column} text NOT NULL DEFAULT ''",
                f"UPDATE {{at}}session_tables AS t SET {column} ="  # noqa: S608  columns of the line above
                f" coalesce((SELECT s.{column} FROM {{at}}sessions AS s WHERE s.id = t.id), '')",
            )
        ),
        *TABLE_INDEXES,
    ),
    2: (
        "ALTER TABLE {at}session_tables ADD COLUMN subject text NOT NULL DEFAULT ''",
        "ALTER TABLE {at}session_tables ADD COLUMN masked boolean NOT NULL DEFAULT false",
        "UPDATE {at}session_tables AS t SET"
        " subject = coalesce((SELECT s.subject FROM {at}sessions AS s WHERE s.id = t.id), ''),"
        " masked = coalesce((SELECT s.masked > 0 FROM {at}sessions AS s WHERE s.id = t.id), false)",
        *LATER_TABLE_INDEXES,
        *(statement for index in SESSION_INDEXES if "_both" in index for statement in _again(index)),
    ),
}


def steps(version: int) -> tuple[str, ...]:
    """What makes a schema of that version one of VERSION."""
    return tuple(statement for number in range(version, VERSION) for statement in STEPS[number])


def problem(version: int) -> str:
    """Why a schema of that version cannot be used, "" where it can."""
    if version > VERSION:
        return (
            f"the database has schema version {version}, of a newer hoopgw; this one knows versions up to {VERSION} and"
            " leaves it as it is: start the newer one again, or restore a backup from before the upgrade"
        )
    if version < min(STEPS):
        return f"the database has schema version {version}, which no hoopgw has made"
    return ""

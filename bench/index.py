"""`python -m bench.index`: pages of an index of a million sessions, on both stores, by every combination of filters."""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import psycopg

from hoopgw.cli.demo.authority import Authority
from hoopgw.cli.demo.cluster import Cluster
from hoopgw.cli.demo.place import private_directory
from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.surroundings import forget_misleading
from hoopgw.store.interface import SessionFilter, SessionRow
from hoopgw.store.postgresql import PAGE_SETTINGS
from hoopgw.store.rows import SESSION_COLUMNS, session_values
from hoopgw.store.statements import SCHEMA, TABLE_COLUMNS, session_page, table_values

SUBJECTS, TARGETS, LIVE = 1000, 20, 200
ALL_TOUCH, FEW_TOUCH, ONE_TARGETS = "public.orders", "public.rare", "public.third"
FILTERS: dict[str, tuple[Any, ...]] = {
    "subject": ("", "agent7", "busy", "nobody"),  # one of a thousand; the one who has half of all; none
    "target": ("", "t0", "t3", "t9", "t17"),  # masked ones; t9 has no masks, t17 speaks SSH
    "protocol": ("", "postgresql", "ssh"),
    "verdict": ("", "refused", "held", "masked"),
    "table": ("", ALL_TOUCH, FEW_TOUCH, ONE_TARGETS, "public.none"),
    "live": (None, True),
}
TAKEN = 3  # times that each page is read; the quickest counts, as other work of the machine only adds
Page = Callable[[str, list[Any]], list[tuple[Any, ...]]]


def rows(sessions: int) -> Iterator[SessionRow]:
    """Sessions of what a gateway for agents sees: few are refused or held, a quarter of the targets has masks."""
    for number in range(sessions):
        target = number * 7 % TARGETS
        protocol = "postgresql" if target < 15 else "ssh"
        touched = [ALL_TOUCH, f"public.t{number % 100}"]
        touched += [FEW_TOUCH] if number % 10_000 == 0 else []
        touched += [ONE_TARGETS] if target == 3 else []
        yield SessionRow(
            id=f"s_{number:022}",
            gateway="bench",
            protocol=protocol,
            issuer="https://idp.example",
            subject="busy" if number % 2 else f"agent{number * 7919 % SUBJECTS}",
            groups=("agents",),
            target=f"t{target}",
            database="shop",
            role="reader",
            client="127.0.0.1",
            policy="sha256:" + "0" * 64,
            opened=float(number),
            closed=None if number >= sessions - LIVE else number + 60.0,
            operations=10,
            refused=int(number % 500 == 0),
            held=int(number % 2000 == 0),
            masked=int(target < 5 and number % 3 == 0),
            tables=tuple(touched) if protocol == "postgresql" else (),
            digest="0" * 64,
        )


def wanted() -> Iterator[SessionFilter]:
    for values in itertools.product(*FILTERS.values()):
        yield SessionFilter(**dict(zip(FILTERS, values, strict=True)))


def in_sqlite(place: Path, sessions: int) -> tuple[Page, float]:
    """Filled; how pages are read, and how long a thousand rows took to write."""
    connection = sqlite3.connect(place / "index.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for statement in SCHEMA:
        connection.execute(statement.format(at="", aside="+"))
    begun = time.perf_counter()
    connection.execute("BEGIN")
    for row in rows(sessions):
        _insert(connection.execute, "sessions", SESSION_COLUMNS, session_values(row))
        for table in table_values(row):
            _insert(connection.execute, "session_tables", TABLE_COLUMNS, table)
    connection.execute("COMMIT")
    spent = time.perf_counter() - begun

    def page(statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
        return connection.execute(statement.format(at="", aside="+"), values).fetchall()

    return page, spent / sessions * 1e6


def _insert(execute: Callable[..., Any], table: str, columns: tuple[str, ...], values: tuple[Any, ...]) -> None:
    names, marks = ", ".join(f'"{name}"' for name in columns), ", ".join("?" for _ in columns)
    execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)


def in_postgresql(url: str, sessions: int) -> tuple[Page, float]:
    """The same; copied in, then analysed.  Pages are asked for as the store does: each is planned with its values."""
    connection = psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor)
    connection.execute("CREATE SCHEMA hoopgw")
    for statement in SCHEMA:
        connection.execute(statement.format(at="hoopgw.", aside="").encode())
    begun = time.perf_counter()
    for table, columns, found in (
        ("sessions", SESSION_COLUMNS, (session_values(row) for row in rows(sessions))),
        ("session_tables", TABLE_COLUMNS, (values for row in rows(sessions) for values in table_values(row))),
    ):
        names = ", ".join(f'"{name}"' for name in columns)
        with connection.cursor().copy(f"COPY hoopgw.{table} ({names}) FROM STDIN".encode()) as copy:
            for values in found:
                copy.write_row(values)
    spent = time.perf_counter() - begun
    connection.execute("VACUUM ANALYZE")
    for setting in PAGE_SETTINGS:
        connection.execute(setting.encode())

    def page(statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
        text = statement.format(at="hoopgw.", aside="").replace("?", "%s")
        return connection.execute(text.encode(), values).fetchall()

    return page, spent / sessions * 1e6


def slowest(page: Page, shown: int) -> list[tuple[float, SessionFilter, int]]:
    """Milliseconds, the filter, and how many rows it gave."""
    found = []
    for each in wanted():
        statement, values = session_page(each)
        best = float("inf")
        for _ in range(TAKEN):
            begun = time.perf_counter()
            given = len(page(statement, values))
            best = min(best, (time.perf_counter() - begun) * 1000)
        found.append((best, each, given))
    return sorted(found, key=lambda one: -one[0])[:shown]


@click.command()
@click.option("--sessions", default=1_000_000, show_default=True)
@click.option("--store", type=click.Choice(("sqlite", "postgresql")), multiple=True, default=("sqlite", "postgresql"))
@click.option("--shown", default=8, show_default=True, help="How many of the slowest combinations are shown.")
def main(sessions: int, store: tuple[str, ...], shown: int) -> None:
    """The slowest pages of 50 sessions, in milliseconds by the clock, the best of three."""
    forget_misleading()
    with private_directory("hoopgw-bench-") as place:
        for name in store:
            cluster = None
            if name == "postgresql":
                cluster = Cluster(place / "postgresql", Authority(), Programs.find("postgres", "initdb"))
                cluster.start()
            try:
                url = cluster.url("postgres", cluster.password, "postgres") if cluster is not None else ""
                page, written = in_postgresql(url, sessions) if cluster is not None else in_sqlite(place, sessions)
                click.echo(f"{name}: {len(list(wanted()))} combinations; {written:.0f} ms for 1 000 sessions written")
                for spent, each, given in slowest(page, shown):
                    words = {key: getattr(each, key) for key in FILTERS if getattr(each, key)}
                    click.echo(f"  {spent:8.1f} ms  {given:3} rows  {words}")
            finally:
                if cluster is not None:
                    cluster.stop()


if __name__ == "__main__":
    main()

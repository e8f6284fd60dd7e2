"""`python -m bench.relay`: what the relay alone makes of large results.  No socket, no recorder, no server.

Reads of 256 KiB go through `PostgresRelay.from_target` as they come from a socket: rows end anywhere in them.
"""

from __future__ import annotations

import hashlib
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from hoopgw.model.answer import GO, Answer
from hoopgw.policy.masks import SqlMasks
from hoopgw.relay.effects import Ask, Effect, ToClient
from hoopgw.relay.postgres import PostgresRelay
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.wire.pgmessages import message, query

READ = 256 << 10  # bytes: what the pump reads at once
TABLE = 16384  # the OID that the rows' columns come from
INT4, INT8, TEXT, BYTEA, NUMERIC = 23, 20, 25, 17, 1700
SHIPPED = Path(__file__).resolve().parent.parent / "etc/hoopgw/guardrails.d/60-masks.toml"


@dataclass(frozen=True, slots=True)
class Result:
    """One result: its columns (name, type OID), and the text values of its row `number`."""

    columns: tuple[tuple[str, int], ...]
    values: Callable[[int], tuple[str | None, ...]]
    copy: bool = False  # by COPY TO STDOUT

    def description(self) -> bytes:
        if self.copy:
            return message(b"H", b"\0" + len(self.columns).to_bytes(2, "big") + b"\0\0" * len(self.columns))
        fields = b"".join(
            name.encode() + b"\0" + TABLE.to_bytes(4, "big") + number.to_bytes(2, "big") + kind.to_bytes(4, "big")
            + b"\xff\xff\xff\xff\xff\xff\0\0" for number, (name, kind) in enumerate(self.columns, 1)
        )  # fmt: skip
        return message(b"T", len(self.columns).to_bytes(2, "big") + fields)

    def row(self, number: int) -> bytes:
        if self.copy:
            return message(
                b"d", b"\t".join(b"\\N" if each is None else each.encode() for each in self.values(number)) + b"\n"
            )
        body = len(self.columns).to_bytes(2, "big")
        for value in self.values(number):
            data = b"" if value is None else value.encode()
            body += b"\xff\xff\xff\xff" if value is None else len(data).to_bytes(4, "big") + data
        return message(b"D", body)


def _customer(number: int) -> tuple[str, ...]:
    word = hashlib.md5(str(number).encode()).hexdigest()
    return str(number), f"row number {number}", f"customer{number}@example.com", word, str(number * 7)


def _clean(number: int) -> tuple[str, ...]:
    return (str(number), "an order of " + "some words " * 5, f"2026-11-21 {number}", str(number * 7), "shipped")


def _wide(number: int) -> tuple[str | None, ...]:
    return (str(number), None, *[f"{number + column} words" for column in range(28)])


CUSTOMERS = (("id", INT4), ("name", TEXT), ("email", TEXT), ("word", TEXT), ("amount", INT4))
RESULTS: Mapping[str, Result] = {
    "customers": Result(CUSTOMERS, _customer),
    "orders": Result(tuple((name, TEXT) for name in ("id", "note", "day", "sum", "state")), _clean),
    "wide": Result(tuple((f"c{column}", TEXT) for column in range(30)), _wide),
    "numbers": Result(
        (("one", INT4), ("two", INT8), ("three", NUMERIC)), lambda number: (str(number), str(number << 20), "12.50")
    ),
    "bytea": Result((("id", INT4), ("body", BYTEA)), lambda number: (str(number), "\\x" + f"{number * 7919:032x}" * 8)),
    "copy": Result(CUSTOMERS, _customer, copy=True),
    "long": Result((("id", INT4), ("text", TEXT)), lambda number: (str(number), "some words of prose, " * 5000)),
}


def _masks(show: Mapping[int, str], patterns: frozenset[str], custom: frozenset[str] = frozenset()) -> SqlMasks:
    columns = {(TABLE, attribute): how for attribute, how in show.items()}
    return SqlMasks(columns, (), patterns, custom, build=MaskBuilder(b"key of the benchmark"))


def masks() -> Mapping[str, SqlMasks | None]:
    """What results are measured with; the patterns are those of the shipped defaults."""
    rules = tomllib.loads(SHIPPED.read_text())["mask"].values()
    shipped = frozenset(pattern for rule in rules for pattern in rule["patterns"])
    return {
        "no mask": None,
        "column": _masks({3: "none"}, frozenset()),
        "column, last4": _masks({3: "last4"}, frozenset()),
        "column, hash": _masks({3: "hash"}, frozenset()),
        "patterns": _masks({}, shipped),
        "e-mail, card": _masks({}, frozenset(("email", "payment-card"))),
        "column + patterns": _masks({2: "last4", 3: "none"}, shipped),
        "own pattern": _masks({}, frozenset(), frozenset(("ORD-[0-9]{8}",))),
    }


def reads(result: Result, size: int) -> Iterator[bytes]:
    """At least `size` bytes of rows, cut as a socket cuts them."""
    rows, number, total = [], 0, 0
    while total < size:
        number += 1
        rows.append(result.row(number))
        total += len(rows[-1])
    data = b"".join(rows)
    return (data[at : at + READ] for at in range(0, len(data), READ))


def _told(relay: PostgresRelay, effects: list[Effect], answer: Answer) -> None:
    for effect in effects:
        if isinstance(effect, Ask):
            relay.decided(effect.lane, [answer for _ in effect.operations])


def _passes(relay: PostgresRelay, pieces: list[bytes]) -> int:
    """Bytes that came out."""
    size = 0
    for piece in pieces:
        for effect in relay.from_target(piece):
            if isinstance(effect, ToClient):
                size += len(effect.data)
            else:
                raise click.ClickException(f"the relay gave {effect!r}")
    return size


def measured(result: Result, chosen: SqlMasks | None, size: int, rounds: int) -> tuple[float, int, int]:
    """Seconds (the best of `rounds`), bytes and rows of one result."""
    pieces, best, counted = list(reads(result, size)), float("inf"), 0
    for _ in range(rounds):
        relay = PostgresRelay(
            session="s", policy="p", parameters={}, application_name="", max_statement=1 << 20,
            max_masked_row=16 << 20, token_bytes=bytes,
        )  # fmt: skip
        _told(relay, relay.from_client(query(b"SELECT")), Answer(masks=chosen) if chosen is not None else GO)
        relay.from_target(result.description())
        started = time.perf_counter()
        if not _passes(relay, pieces):
            raise click.ClickException("nothing came out")
        best = min(best, time.perf_counter() - started)
        counted = relay.rows_passed
    return best, sum(map(len, pieces)), counted


@click.command()
@click.option("--megabytes", default=16, show_default=True, help="Size of each result.")
@click.option("--rounds", default=5, show_default=True, help="The best counts.")
@click.option("--only", default="", help="Only lines that hold this.")
def main(megabytes: int, rounds: int, only: str) -> None:
    """MB/s, rows/s and nanoseconds a row of the relay on one CPU, by result and mask."""
    import hoopgw.wire.masking as codec

    click.echo("codecs compiled" if str(codec.__file__).endswith(".so") else "codecs NOT compiled")
    for what, result in RESULTS.items():
        for how, chosen in masks().items():
            if only in f"{what}: {how}":
                seconds, size, rows = measured(result, chosen, megabytes << 20, rounds)
                speed = f"{size / seconds / 1e6:9.0f} MB/s {rows / seconds / 1e6:8.2f} M rows/s"
                click.echo(f"{what + ': ' + how:30} {speed} {seconds / rows * 1e9:9.0f} ns a row")


if __name__ == "__main__":
    main()

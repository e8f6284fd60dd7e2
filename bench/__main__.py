"""`python -m bench`: the same work through the gateway, its peers and direct, in alternation."""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import click

from bench import report
from bench.beside import LOADS
from bench.measure import MIN_SECONDS, BenchFailed, disk
from bench.ssh import DIRECTIONS
from bench.taking import Bench
from bench.ways import ways
from bench.weight import NICE, weighed
from hoopgw.cli.demo.children import TAIL, ChildFailed
from hoopgw.cli.demo.surroundings import forget_misleading

HTTP_ROWS = (
    "http.rps.8",
    "http.rps.32",
    "http.tls.rps.32",
    "http.h2.rps",
    "http.websocket",
    "http.bulk.down",
    "http.bulk.up",
)
MODES = ("simple", "extended", "prepared")
CLIENTS = (8, 32)
_USUAL = re.compile(r'"code":"(?:login\.accepted|session\.(?:opened|closed))"')
NEW_SIZES = (100, 5_000, 30_000)  # bytes of a statement: the last is read in a process of its own


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Rounds of each comparison; the median counts.")
@click.option("--seconds", default=5, show_default=True, type=click.IntRange(MIN_SECONDS), help="Length of one burst.")
@click.option("--only", default="", help="Only rows whose name holds this.")
@click.option("--results", type=click.Path(path_type=Path), help="Write the rows here as JSON too.")
def main(rounds: int, seconds: int, only: str, results: Path | None) -> None:
    """Ratios of the gateway to pgbouncer (session mode) and to a direct connection, taken in alternation."""
    forget_misleading()
    try:
        with ways() as (stage, programs, found, web):
            click.echo(f"{os.cpu_count()} CPUs, {platform.machine()}, Linux {platform.release()}; {_build()}")
            click.echo(f"this disk takes {disk(stage.place):.0f} MB/s with fdatasync")
            with weighed([stage.gateway.pid]) as done:
                click.echo(_weight(done))
            try:
                rows = list(_rows(Bench(stage, programs, found, web, rounds, seconds), only))
            except Exception:
                click.echo(_said(stage.gateway.log), err=True)
                raise
    except (ChildFailed, BenchFailed) as error:
        raise click.ClickException(str(error)) from error
    click.echo()
    report.show(rows)
    tps = [row.ratio for row in rows if row.name.startswith("postgresql.tps") and row.peer == "pgbouncer"]
    if tps:
        click.echo(f"\nTPS to pgbouncer, median over {len(tps)} cells: {statistics.median(tps):.2f}")
    if results and not only:  # a part of the rows does not replace all of them
        report.write(rows, results)
        click.echo(f"written: {results}; repeat with: make bench")


def _said(log: Path) -> str:
    """What the gateway had to say, but for sessions that came and went."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if not _USUAL.search(line)]
    return "\n".join(["the gateway's last events:", *lines[-TAIL:]])


def _rows(bench: Bench, only: str) -> Iterator[report.Row]:
    for mode in MODES:
        for clients in CLIENTS:
            if only in f"postgresql.tps.{mode}.{clients} postgresql.cpu.{mode}.{clients}":
                yield from _told(bench.throughput(mode, clients))
    for mode in MODES:
        if only in f"postgresql.tls.tps.{mode}.8 postgresql.tls.cpu.{mode}.8":
            yield from _told(bench.throughput(mode, 8, tls=True))
    if only in "postgresql.p50.added":
        yield from _told(bench.latency())
    for size in NEW_SIZES:
        if only in f"postgresql.p50.new.{size}":
            yield from _told(bench.new(size))
    for name, database in (("recorded", "shop"), ("column-mask", "column"), ("pattern-mask", "pattern")):
        if only in f"postgresql.bulk.{name}":
            yield from _told([bench.bulk(name, database)])
    for direction in ("out", "in"):
        if only in f"postgresql.copy.{direction}":
            yield from _told([bench.copy(direction)])
    for row in HTTP_ROWS:
        if only in row:
            yield from _told(bench.http(row))
    if only in "http.json.masked":
        yield from _told([bench.http_masked()])
    for direction in DIRECTIONS:
        if only in f"ssh.bulk.{direction}":
            yield from _told(bench.ssh(direction))
    if only in "ssh.echo.p50":
        yield from _told(bench.ssh_echo())
    if only in "ssh.setup.cpu":
        yield from _told([bench.ssh_setup()])
    if only in "ssh.many":
        yield from _told(bench.ssh_many())
    for name in LOADS:
        if only in f"postgresql.p99.beside.{name}":
            yield from _told(bench.beside(name))
    if only in "postgresql.idle":  # last: ten thousand sessions that end at once keep the gateway busy for a while
        yield from _told([bench.idle()])


def _told(rows: list[report.Row]) -> list[report.Row]:
    """Progress, as the rows come."""
    for row in rows:
        click.echo(f"  {row.name} to {row.peer}: {row.ratio:.2f}")
    return rows


def _weight(done: bool) -> str:
    if done:
        return f"the gateway and its peers weigh as CPUWeight=300 does for requests and transactions (nice {NICE})"
    return "the gateway and its peers have no weight of their own (root could give them the unit's, CPUWeight=300)"


def _build() -> str:
    import hoopgw.wire.pgframes as codec

    return "codecs compiled" if str(codec.__file__).endswith(".so") else "codecs NOT compiled"


if __name__ == "__main__":
    main()

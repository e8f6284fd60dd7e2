"""`python -m bench.judge`: what judging costs a statement that is allowed, by the shipped rules.  No socket, no server.

A repeated statement is found by its text, or by its shape where only literals differ; a new one is parsed, its names
are looked up, and every rule is asked.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from twisted.internet.defer import fail
from twisted.internet.task import Clock

from hoopgw import config
from hoopgw.auth.access import Access
from hoopgw.model.errors import TargetUnavailable
from hoopgw.model.grant import Grant, Who
from hoopgw.model.identity import Identity
from hoopgw.model.operation import QUERY, Operation
from hoopgw.model.target import Address, Role, Target, TlsMode
from hoopgw.model.verdict import Verdict
from hoopgw.policy.catalogue import Catalogue, Column, Function, Relation
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.session.catalogues import CatalogueCache
from hoopgw.session.parser_process import ParserProcess
from hoopgw.session.sqljudge import SqlJudge
from hoopgw.session.sqlscopes import Scopes

SHIPPED = Path(__file__).resolve().parent.parent / "etc/hoopgw"
TARGET = Target("shop", "postgresql", (Address("localhost", 1),), TlsMode.DISABLE, {"reader": Role("reader", "ro")})
AGENT = Identity("corp", "https://idp.example.com", "agent", frozenset(("agents",)), 1e12)
TABLES = 200  # of the database, ten columns each

# `{}` is another literal each time, or another alias for a text that is new
STATEMENTS = {
    "one row by its key": "SELECT name, total FROM table_7 {} WHERE id = 4711",
    "an UPDATE of one row": "UPDATE table_9 {} SET total = 12, name = 'a name' WHERE id = 4711",
    "a join with a function": "SELECT a.id, count(*) FROM table_1 a JOIN table_2 {0} ON {0}.id = a.id"
    " WHERE a.total > 10 GROUP BY a.id ORDER BY 2 DESC LIMIT 20",
    "through a view": "SELECT name FROM shown {} WHERE id = 3",
}


class _Events:
    def emit(self, code: Any, **fields: Any) -> None:
        """A catalogue that is read again is no matter here."""


def _relation(number: int) -> Relation:
    names = ("id", "name", "total", *(f"c{n}" for n in range(7)))
    columns = tuple(Column(n, name, 25 if name == "name" else 23) for n, name in enumerate(names, 1))
    return Relation(20_000 + number, "public", f"table_{number}", "r", columns)


def _catalogue() -> Catalogue:
    tables = [_relation(number) for number in range(TABLES)]
    view = Relation(
        30_000,
        "public",
        "shown",
        "v",
        tables[3].columns,
        depends=frozenset((tables[3].oid,)),
        definition="SELECT * FROM public.table_3",
    )
    by_oid = {each.oid: each for each in (*tables, view)}
    count = Function(2147, "pg_catalog", "count", "a", "internal", "i")
    return Catalogue(
        1,
        {(each.schema, each.name): each for each in by_oid.values()},
        by_oid,
        {("pg_catalog", "count"): (count,)},
        {count.oid: count},
        ("public",),
    )


def _judge() -> SqlJudge:
    """Of a session that never reads its catalogue again: the clock stands still."""
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(SHIPPED, Path(place, "hoopgw"))
        loaded = config.load(Path(place, "hoopgw", "hoopgw.toml"))
    role = TARGET.roles["reader"]
    selection = loaded.policy.select(AGENT, TARGET, "reader")
    clock = Clock()
    catalogues = CatalogueCache(lambda *_: fail(TargetUnavailable("none")), clock, _Events())  # type: ignore[arg-type]
    access = Access(AGENT, TARGET, role, "shop", Grant("agents", Who(anyone=True)), 1e12)
    judge = SqlJudge(selection, access, catalogues, Scopes(MaskBuilder(b"k" * 32)), ParserProcess(clock))
    entry = catalogues.entry(TARGET, role, "shop")
    entry.current, entry.read_at = _catalogue(), clock.seconds()
    judge.ready()
    return judge


def _best(rounds: int, work: Callable[[], int]) -> float:
    """Microseconds of one statement."""
    best = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        count = work()
        best = min(best, (time.process_time() - begun) / count)
    return best * 1e6


def measured(text: str, count: int, rounds: int) -> tuple[float, float, float]:
    """Microseconds: the same text again, the same but for its literals, and a text that was never seen."""
    judge = _judge()
    same = Operation("postgresql", QUERY, text.format("x").encode())
    literals = [
        Operation("postgresql", QUERY, same.text.replace(b"4711", str(n).encode())) for n in range(1000, 1000 + count)
    ]
    verdict = judge.judge(same)
    if not isinstance(verdict, Verdict) or verdict.refusals or verdict.holds:
        raise click.ClickException(f"not let through: {verdict!r}")
    numbers = iter(range(1 << 30))

    few = range(max(count // 50, 20))
    unseen = [
        [Operation("postgresql", QUERY, text.format(f"x{next(numbers)}").encode()) for _ in few] for _ in range(rounds)
    ]
    return (
        _best(rounds, lambda: _all(judge, [same] * count)),
        _best(rounds, lambda: _all(judge, literals)),
        _best(rounds, lambda: _all(judge, unseen.pop())),
    )


def _all(judge: SqlJudge, operations: list[Operation]) -> int:
    decide = judge.judge
    for each in operations:
        decide(each)
    return len(operations)


@click.command()
@click.option("--count", default=5000, show_default=True, help="Statements of one round.")
@click.option("--rounds", default=7, show_default=True, help="The best of them counts.")
def main(count: int, rounds: int) -> None:
    """Microseconds of the processor for each statement; the first two columns are what a busy session pays."""
    click.echo(f"{'':28}{'again':>10}{'literals':>10}{'new':>10}   us")
    for name, text in STATEMENTS.items():
        figures = measured(text, count, rounds)
        click.echo(f"{name:28}" + "".join(f"{figure:10.2f}" for figure in figures))


if __name__ == "__main__":
    main()

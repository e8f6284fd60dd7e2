"""Runs PostgreSQL's regression scripts by psql as pg_regress does, one after the other."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from hoopgw.cli.demo.cluster import Cluster
from hoopgw.cli.demo.surroundings import surroundings
from tests.regress.rewriting import without_roles

DATABASE = "regression"
SCRIPT = 300.0  # seconds for one of them
# what pg_regress sets for a database and for psql (src/test/regress/pg_regress.c)
SETTINGS = (
    "lc_messages TO 'C'",
    "lc_monetary TO 'C'",
    "lc_numeric TO 'C'",
    "lc_time TO 'C'",
    "bytea_output TO 'hex'",
    "timezone_abbreviations TO 'Default'",
)
ENVIRONMENT = {"PGTZ": "PST8PDT", "PGDATESTYLE": "Postgres, MDY", "PGOPTIONS": "-c intervalstyle=postgres_verbose"}
VARIABLES = ("-v", "HIDE_TABLEAM=on", "-v", "HIDE_TOAST_COMPRESSION=on")


def scheduled(source: Path) -> Iterator[str]:
    """The scripts' names in the order of the schedule, each by itself."""
    for line in (source / "parallel_schedule").read_text().splitlines():
        if line.startswith("test:"):
            yield from line.removeprefix("test:").split()


def make_database(cluster: Cluster) -> None:
    cluster.run(f"CREATE DATABASE {DATABASE} TEMPLATE template0 LOCALE 'C'")
    cluster.run(*(f"ALTER DATABASE {DATABASE} SET {setting}" for setting in SETTINGS))


def output(cluster: Cluster, source: Path, results: Path, name: str, where: str, password: str) -> str:
    """What psql prints of this script, answers and messages in their order.

    `results` stands where scripts write files: both sides' is the same, so that outputs that name it are.
    """
    programs = cluster.programs
    env = ENVIRONMENT | dict(programs.environment) | {"PGPASSWORD": password, "PSQL_HISTORY": "/dev/null"}
    env |= {"PG_ABS_SRCDIR": str(source), "PG_ABS_BUILDDIR": str(results), "PG_LIBDIR": str(results)}
    command = [str(programs["psql"]), "-X", "-a", "-q", *VARIABLES, "-d", where]
    done = subprocess.run(
        command,
        env=surroundings(env | {"PG_DLSUFFIX": ".so"}),
        cwd=results,
        input=without_roles((source / "sql" / f"{name}.sql").read_bytes()),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SCRIPT,
        check=False,
    )
    return done.stdout.decode("utf-8", "replace")

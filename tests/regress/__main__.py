"""`python -m tests.regress [--source DIR] [SCRIPT …]`: each script direct and through the gateway, on a cluster each.

The scripts run in the schedule's order; those that are named run after `test_setup`.  Ends 1 if an output differs that
`KNOWN` does not name; differences are kept as files.
"""

from __future__ import annotations

import argparse
import difflib
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from hoopgw.cli.demo.stage import Options, Stage, on_stage
from hoopgw.cli.demo.surroundings import forget_misleading
from tests.regress.rewriting import as_postgresql
from tests.regress.scripts import DATABASE, make_database, output, scheduled

CACHE = Path(sys.prefix).parent / ".cache/regress"
GRANT = f"""
[grant.regression]
groups = ["agents"]
target = {{ name = "shop" }}
roles = ["writer"]
databases = ["{DATABASE}"]
"""
OPTIONS = Options(
    shipped_guardrails=False,
    target_tls="disable",
    more={"grants.d/regression.toml": GRANT, "hoopgw.toml": '[limits]\nmax_statement = "256 MiB"\n'},
)
# script -> why its output differs; docs/regression.md says more
KNOWN = {
    **dict.fromkeys(("strings", "errors", "rowsecurity", "publication"), "the grammar gives no HINT or DETAIL"),
    **dict.fromkeys(("privileges", "largeobject"), "the OID of a large object"),
    "lock": "LOCK TABLE … NOWAIT met a reading of the catalogue",
    "psql": "a client knows the database as shop/regression, and that is what psql compares names with",
    **dict.fromkeys(("portals", "plpgsql"), "a cursor that a function opened by itself has no statement to judge"),
}


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def stage(stack: ExitStack, options: Options) -> Stage:
    found = stack.enter_context(on_stage(options))
    found.cluster.run("ALTER ROLE shop_rw SUPERUSER")
    make_database(found.cluster)
    return found


def compared(names: list[str], source: Path, place: Path) -> list[str]:
    """The scripts whose outputs differ; `place` has the differences."""
    different: list[str] = []
    place.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        direct = stage(stack, Options(gateway=False, target_tls="disable"))
        through = stage(stack, OPTIONS)
        results = through.place / "results"
        (results / "results").mkdir(parents=True)
        for path in (results, results / "results"):  # the servers write there, as another user
            path.chmod(0o777)
        password = (direct.gateway.config.parent / "secrets/writer").read_text()
        straight = f"host=127.0.0.1 port={direct.cluster.port} user=shop_rw dbname={DATABASE} sslmode=disable"
        trust = f"sslmode=verify-full sslrootcert={through.ca}"
        gateway = f"host=127.0.0.1 port={through.gateway.port} user=writer dbname=shop/{DATABASE} {trust}"
        for name in names:
            started = time.monotonic()
            wanted = output(direct.cluster, source, results, name, straight, password)
            between = time.monotonic()
            found = as_postgresql(output(through.cluster, source, results, name, gateway, through.agent))
            ended = time.monotonic()
            lines = list(
                difflib.unified_diff(wanted.splitlines(), found.splitlines(), "direct", "gateway", lineterm="")
            )
            said = f"{len([line for line in lines if line[:1] in '+-']) - 2} lines differ" if lines else "same"
            say(f"{name:26} {said:24} {between - started:6.1f} s direct {ended - between:6.1f} s gateway")
            if lines:
                different.append(name)
                (place / f"{name}.diff").write_text("\n".join(lines) + "\n")
    return different


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.regress")
    parser.add_argument("--source", type=Path, default=CACHE / "source", help="src/test/regress of PostgreSQL's source")
    parser.add_argument("--results", type=Path, default=CACHE / "differences", help="where differences are kept")
    parser.add_argument("script", nargs="*")
    given = parser.parse_args()
    forget_misleading()
    names = list(dict.fromkeys(["test_setup", *(given.script or scheduled(given.source))]))
    different = compared(names, given.source.resolve(), given.results.resolve())
    for name in different:
        say(f"{name}: {KNOWN.get(name, 'differs, and nobody knows why')}")
    say(f"{len(names) - len(different)} same, {len(different)} different; differences in {given.results}")
    return 1 if set(different) - set(KNOWN) else 0


if __name__ == "__main__":
    sys.exit(main())

"""PostgreSQL's programs for the tests: the machine's, or those that `make test` has fetched into the checkout."""

from __future__ import annotations

import os

from hoopgw.cli.demo.children import ChildFailed
from hoopgw.cli.demo.programs import Programs

SERVER = ("postgres", "initdb")


def found(*names: str) -> Programs | None:
    """Where all of `names` are; None where they are not: the test that needs them is skipped."""
    try:
        return Programs.find(*names)
    except ChildFailed:
        return None


def environment(programs: Programs, **more: str) -> dict[str, str]:
    """For a process of theirs: nothing of the caller's that would mislead it, and what their loader must be told."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL")}
    return {**kept, **programs.environment, **more}

"""The mypyc call, nothing else.  Plain Python unless HOOPGW_COMPILE=1 asks for compiled codecs."""

import os
from pathlib import Path

from setuptools import setup

ROOMS = ("wire", "relay")  # whole; of the others what every read passes through
PATH = (
    "model/http",
    "model/operation",
    "model/verdict",
    "model/answer",
    "policy/guardrails",
    "policy/sql",
    "policy/sql_columns",
    "policy/sql_draft",
    "policy/sql_outputs",
    "policy/sql_relations",
    "policy/sql_settings",
    "policy/sql_shape",
    "policy/sql_statement",
    "policy/sql_tree",
    "policy/touched",
    "record/entries",
    "store/spool",
    "store/rounds",
    "store/journal",
    "session/totals",
    "session/rulings",
    "session/course",
    "session/passes",
    "session/deciding",
    "session/session",
    "session/sqljudge",
    "servers/pump",
)


def compiled():  # type: ignore[no-untyped-def]
    if os.environ.get("HOOPGW_COMPILE") != "1":
        return []
    from mypyc.build import mypycify

    modules = [
        path for room in ROOMS for path in sorted(Path("hoopgw", room).glob("*.py")) if path.name != "__init__.py"
    ]
    modules += [Path("hoopgw", f"{name}.py") for name in PATH]
    # the configuration names the plugin that knows zope.interface
    options = ["--config-file=pyproject.toml", "--follow-imports=silent"]
    return mypycify([*options, *map(str, modules)], opt_level="3")


setup(ext_modules=compiled())

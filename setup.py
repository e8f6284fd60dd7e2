"""The mypyc call, nothing else.  Plain Python unless HOOPGW_COMPILE=1 asks for compiled codecs."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext

# what CPython's own flags have, and CFLAGS of a package's build put aside: no assertions, and integers that wrap
FLAGS = ("-DNDEBUG", "-fwrapv")
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
    "store/batches",
    "store/chains",
    "store/journal",
    "session/approving",
    "session/totals",
    "session/rulings",
    "session/course",
    "session/bind_approvals",
    "session/catalogue_state",
    "session/deciding",
    "session/httpjudge",
    "session/session",
    "session/supervision",
    "session/sqlbuiltin",
    "session/sqljudge",
    "session/sqlnaming",
    "session/sqlscopes",
    "session/sqlstatements",
    "servers/conduit",
    "servers/flow",
    "servers/http_calls",
    "servers/http_carrier",
    "servers/http_streams",
    "servers/outbox",
    "servers/http/identity",
    "servers/http/upstream",
    "servers/http/words",
    "servers/pump",
    "servers/ssh/packets",
    "servers/timers",
    "servers/tls_layer",
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
    # a C file a module: one file of half a million lines takes gcc several times as long, on one processor
    extensions = mypycify([*options, *map(str, modules)], opt_level="3", multi_file=True)
    for extension in extensions:
        extension.extra_compile_args.extend(FLAGS)
    return extensions


class OnAllProcessors(build_ext):
    """setuptools compiles the files of one extension one after the other."""

    def build_extension(self, ext):  # type: ignore[no-untyped-def]
        one_by_one = self.compiler.compile

        def at_once(sources, **options):  # type: ignore[no-untyped-def]
            with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
                compiled = pool.map(lambda source: one_by_one([source], **options), sources)
                return [made for objects in compiled for made in objects]

        self.compiler.compile = at_once
        try:
            super().build_extension(ext)
        finally:
            self.compiler.compile = one_by_one


setup(ext_modules=compiled(), cmdclass={"build_ext": OnAllProcessors})

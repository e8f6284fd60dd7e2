"""The mypyc call, nothing else.  Plain Python unless HOOPGW_COMPILE=1 asks for compiled codecs."""

import os
from pathlib import Path

from setuptools import setup

ROOMS = ("wire", "relay")  # whole; of model/ the values that cross the data path
VALUES = ("operation", "verdict", "answer")


def compiled():  # type: ignore[no-untyped-def]
    if os.environ.get("HOOPGW_COMPILE") != "1":
        return []
    from mypyc.build import mypycify

    modules = [
        path for room in ROOMS for path in sorted(Path("hoopgw", room).glob("*.py")) if path.name != "__init__.py"
    ]
    modules += [Path("hoopgw/model", f"{name}.py") for name in VALUES]
    # what these modules import is checked by `make lint`, with the plugin that knows zope.interface
    options = ["--config-file=", "--strict", "--follow-imports=silent", "--ignore-missing-imports"]
    options.append("--explicit-package-bases")
    return mypycify([*options, *map(str, modules)], opt_level="3")


setup(ext_modules=compiled())

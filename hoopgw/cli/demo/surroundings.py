"""The environment that the demo's programs get: nothing of the caller's that would send them elsewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import hoopgw

# libpq's settings, the caller's trust stores and proxies (the demo has a CA of its own, on loopback), the caller's
# gateway, and notifications that are not for the demo's children
MISLEADING = re.compile(
    r"PG[A-Z]+|PYTHON\w*|HOOPGW_\w+|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|(HTTPS?|ALL|NO)_PROXY|LC_\w+"
    r"|LANG(UAGE)?|NOTIFY_SOCKET|LISTEN_\w+|WATCHDOG_\w+|CREDENTIALS_DIRECTORY|RUNTIME_DIRECTORY|XDG_RUNTIME_DIR|TZ",
    re.IGNORECASE,
)


def tree() -> Path:
    """The directory in which the running `hoopgw` package lies; its children run the same one."""
    return Path(hoopgw.__file__).resolve().parent.parent


def surroundings(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The caller's environment without what misleads, and `extra`."""
    kept = {name: value for name, value in os.environ.items() if not MISLEADING.fullmatch(name)}
    return kept | {"LC_ALL": "C.UTF-8", "PYTHONPATH": str(tree())} | dict(extra or {})


def forget_misleading() -> None:
    """Take what misleads out of this process's own environment: libpq reads it wherever it is loaded."""
    for name in list(os.environ):
        if MISLEADING.fullmatch(name) and not name.startswith("PYTHON"):
            del os.environ[name]

"""Prepares a checkout by the standard library alone: `prepare.py demo|test|bench|fuzz|regress|deb`. Quick once done.

.venv               /usr/bin/python3 with hash-locked wheels
.cache/compiled     the tree once more, with the codecs compiled; .venv runs this one where there is a compiler
.cache/debian       server programs that the machine does not have, unpacked and never installed
.cache/clients      drivers of other languages, for the tests
.cache/servers      PostgreSQL of other versions, for the tests
.cache/regress      PostgreSQL's regression scripts
"""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path

import browser
import clients
import compiled
import debian
import environment
import regression
import servers
from doing import CannotPrepare, say

TREE = Path(__file__).resolve().parent.parent
CACHE = TREE / ".cache"
POSTGRESQL = {"postgres": "postgresql-15", "initdb": "postgresql-15", "psql": "postgresql-client-15"}
TESTED = POSTGRESQL | {
    "pgbench": "postgresql-15",
    "pg_dump": "postgresql-client-15",
    "pg_restore": "postgresql-client-15",
}
SSH = {
    "sshd": "openssh-server",
    "sftp-server": "openssh-sftp-server",
    "libnss_wrapper.so": "libnss-wrapper",
    "ssh": "openssh-client",
    "scp": "openssh-client",
    "sftp": "openssh-client",
    "ssh-keygen": "openssh-client",
}
CLIENTS = {"rsync": "rsync", "plink": "putty-tools", "psftp": "putty-tools", "dbclient": "dropbear-bin"}
X11 = {"xauth": "xauth"}
SERVICES = {"prometheus": "prometheus"}
HSM = {"softhsm2-util": "softhsm2", "softhsm/libsofthsm2.so": "libsofthsm2"}
PROXIES = {"nginx": "nginx", "haproxy": "haproxy", "wrk": "wrk", "h2load": "nghttp2-client"}
POOLER = {"pgbouncer": "pgbouncer"}
PEERS = ({"pgbench": "postgresql-15"}, POOLER, PROXIES)
PURPOSES = ("demo", "test", "bench", "fuzz", "regress", "deb")


def prepare(purpose: str) -> None:
    few = ["runtime", "build"]
    environment.prepare(TREE, {"demo": few, "deb": few, "fuzz": ["test", "fuzz"]}.get(purpose, ["test"]))
    if purpose == "deb":  # it compiles a copy of its own, and its manual pages are of the sources as they are
        environment.link(TREE, TREE)
        return
    tree = compiled.prepare(TREE, CACHE / "compiled", TREE / ".venv/bin/python")
    environment.link(TREE, tree)
    programs = TESTED if purpose == "test" else POSTGRESQL
    debian.prepare(CACHE / "debian", programs, *(PEERS if purpose == "bench" else ()))
    debian.prepare(CACHE / "debian", SSH, *((CLIENTS, HSM, X11, SERVICES, POOLER) if purpose == "test" else ()))
    if purpose == "test":
        clients.prepare(TREE, CACHE)
        servers.prepare(TREE, CACHE)
        browser.prepare(CACHE)
    if purpose == "regress":
        regression.prepare(CACHE)


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] not in PURPOSES:
        sys.stderr.write(f"usage: prepare.py {'|'.join(PURPOSES)}\n")
        return 2
    CACHE.mkdir(exist_ok=True)
    try:
        with (CACHE / "lock").open("w") as lock:  # a second `make` waits for the first
            fcntl.flock(lock, fcntl.LOCK_EX)
            prepare(sys.argv[1])
    except CannotPrepare as error:
        say(f"cannot go on: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

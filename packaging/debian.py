"""Unpacks Debian packages into a cache: nothing is installed, no root is needed, no service is touched."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from doing import CannotPrepare, Stamp, attempt, digest, run, say

TRIPLET = f"{os.uname().machine}-linux-gnu"
SYSTEM = tuple(Path("/usr", path) for path in ("lib/postgresql/15/bin", "bin", "sbin", "lib/openssh", f"lib/{TRIPLET}"))
INSIDE = tuple(Path(str(path).lstrip("/")) for path in SYSTEM)
# Packages that the programs run without here: the machine's own C library must stay the only one; `jit` is off; and
# what only an installed service needs
UNUSED = re.compile(
    r"(libc6|libc-bin|libcrypt1|libgcc-s1|gcc-12-base|libllvm.*|libz3-4|perl.*|libperl.*|libjson-perl|locales.*|debconf.*"
    r"|ucf|ssl-cert|postgresql-common|postgresql-client-common|systemd.*|python3.*|libpython3.*|adduser|logrotate"
    r"|sysvinit-utils|netbase|init-system-helpers|lsb-base|media-types)"
)
WRAPPER = "pg_wrapper"  # /usr/bin/psql of a machine that has postgresql-client-common, and maybe no psql
PLANNED = re.compile(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) ", re.MULTILINE)


def prepare(cache: Path, *groups: Mapping[str, str]) -> None:
    """The programs of each group (name -> its package) are all on the machine, or all in `cache`/root.

    Together, because whoever starts them takes them from one place: psql of the machine does not go with an unpacked
    server.
    """
    for programs in groups:
        if _absent(cache, programs):
            packages = sorted(set(programs.values()))
            say(f"programs: fetching {', '.join(packages)}")
            unpack(cache, "root", packages)
        if still := _absent(cache, programs):
            raise CannotPrepare(f"no {', '.join(still)} on this machine, nor in {', '.join(sorted(programs.values()))}")


def _absent(cache: Path, names: Iterable[str]) -> list[str]:
    """What is missing from the cache; nothing where the machine has them all."""
    inside = tuple(cache / "root" / path for path in INSIDE)
    missing = [[name for name in names if not _is_in(places, name)] for places in (SYSTEM, inside)]
    return missing[1] if missing[0] else []


def _is_in(places: Iterable[Path], name: str) -> bool:
    found = (path / name for path in places)
    return any(path.exists() and path.resolve().name != WRAPPER for path in found)


def unpack(cache: Path, name: str, packages: Iterable[str]) -> Path:
    """The directory in which `packages`, and those they need and the machine lacks, lie unpacked."""
    root, wanted = cache / name, sorted(packages)
    stamp = Stamp(cache / f"{name}-{digest([], *wanted)[:12]}.stamp", " ".join(wanted))
    if stamp.is_current() and root.exists():
        return root
    debs = cache / "debs"
    shutil.rmtree(debs, ignore_errors=True)
    debs.mkdir(parents=True)
    _Apt(cache).fetch(wanted, debs)
    root.mkdir(exist_ok=True)
    for deb in sorted(debs.glob("*.deb")):
        run(["dpkg-deb", "-x", deb, root])
    shutil.rmtree(debs)
    stamp.set()
    return root


def to_download(simulated: str, asked: list[str]) -> list[str]:
    """What of a simulated installation is worth unpacking: whatever was asked for, and what that needs here."""
    planned = dict(PLANNED.findall(simulated))
    used = [f"{name}={version}" for name, version in planned.items() if name in asked or not UNUSED.fullmatch(name)]
    # what is on the machine already, but not where it can run from, is in no plan
    return used + [name for name in asked if name not in planned]


class _Apt:
    """apt-get as whoever runs this: first by the machine's package lists, then by lists of its own."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def fetch(self, packages: list[str], debs: Path) -> None:
        """Raises CannotPrepare with the line that root should type."""
        said = ""
        steps: list[tuple[list[str], Callable[[], None]]] = [
            (self._options(own=False), lambda: None),
            (self._options(own=True), lambda: None),
            (self._options(own=True), self._update_own),
            (self._options(own=False), self._update_machine),
        ]
        for options, update in steps:
            update()
            good, said = self._download(options, packages, debs)
            if good:
                return
        line = f"apt-get update && apt-get install --no-install-recommends {' '.join(packages)}"
        raise CannotPrepare(f"{' '.join(packages)} could not be fetched.  As root:  {line}\n{said}")

    def _download(self, options: list[str], packages: list[str], debs: Path) -> tuple[bool, str]:
        good, printed = attempt(["apt-get", *options, "install", "--simulate", "--no-install-recommends", *packages])
        if not good:
            return False, printed
        return attempt(["apt-get", *options, "download", *to_download(printed, packages)], debs)

    def _options(self, own: bool) -> list[str]:
        state = self._cache / "apt"
        (state / "lists/partial").mkdir(parents=True, exist_ok=True)
        (state / "cache/archives/partial").mkdir(parents=True, exist_ok=True)
        options = [f"Dir::Cache={state}/cache", "Debug::NoLocking=1", "Acquire::Languages=none"]
        options.append("APT::Get::Show-User-Simulation-Note=false")
        if os.geteuid() == 0:
            options.append("APT::Sandbox::User=root")  # apt's own user cannot write here
        if own:
            options.append(f"Dir::State::lists={state}/lists")
        return [word for option in options for word in ("-o", option)]

    def _update_own(self) -> None:
        say("programs: reading package lists into .cache")
        attempt(["apt-get", *self._options(own=True), "update"])  # whether it helped shows in what can be fetched

    def _update_machine(self) -> None:
        root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        attempt([*root, "apt-get", "update"])

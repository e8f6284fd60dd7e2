"""PostgreSQL's regression scripts, out of the source of Debian's package, for `make regress`."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from pathlib import Path

from doing import CannotPrepare, attempt, run, say

PACKAGE = "postgresql-15"
INSIDE = "src/test/regress/"
PARTS = ("sql/", "data/", "parallel_schedule")


def prepare(cache: Path, machine: Path = Path("/etc/apt")) -> None:
    """`cache`/regress/source holds them when this returns.  Raises CannotPrepare."""
    target = cache / "regress/source"
    if target.exists():
        return
    say(f"regression scripts: fetching the source of {PACKAGE}")
    work = cache / "regress/work"
    shutil.rmtree(work, ignore_errors=True)
    for name in ("parts", "lists/partial", "archives/partial"):
        (work / name).mkdir(parents=True)
    _sources(machine, work / "parts")
    options = _options(work)
    run(["apt-get", *options, "update"])
    _download(options, work)
    found = sorted(work.glob("*.orig.tar.*"))
    if len(found) != 1:
        raise CannotPrepare(f"the source of {PACKAGE} has {len(found)} archives")
    _unpack(found[0], work / "unpacked")
    (work / "unpacked").rename(target)
    shutil.rmtree(work)


def _download(options: list[str], work: Path) -> None:
    """The newest version that can be had: a list may name one that a mirror does not hold yet."""
    shown = run(["apt-cache", *options, "showsrc", "--only-source", PACKAGE])
    said = f"no source of {PACKAGE} is listed"
    for version in dict.fromkeys(re.findall(r"(?m)^Version: (\S+)$", shown)[::-1]):
        good, said = attempt(["apt-get", *options, "source", "--download-only", f"{PACKAGE}={version}"], work)
        if good:
            return
    raise CannotPrepare(f"the source of {PACKAGE} could not be fetched:\n{said}")


def _sources(machine: Path, parts: Path) -> None:
    """The machine's own package sources, of source packages: no index is named here."""
    lines = [machine / "sources.list", *sorted(machine.glob("sources.list.d/*.list"))]
    for number, path in enumerate(path for path in lines if path.exists()):
        text = re.sub(r"(?m)^deb\s", "deb-src ", path.read_text())
        (parts / f"{number}.list").write_text(text)
    for path in sorted(machine.glob("sources.list.d/*.sources")):
        text = re.sub(r"(?m)^Types:.*$", "Types: deb-src", path.read_text())
        (parts / path.name).write_text(text)


def _options(work: Path) -> list[str]:
    settings = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": f"{work}/parts",
        "Dir::State::lists": f"{work}/lists",
        "Dir::Cache": str(work),
        "Debug::NoLocking": "1",
        "Acquire::Languages": "none",
    }
    if os.geteuid() == 0:
        settings["APT::Sandbox::User"] = "root"  # apt's own user cannot write here
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _unpack(archive: Path, target: Path) -> None:
    """Plain files of `PARTS` alone; for the servers, which read them as another user."""
    with tarfile.open(archive) as source:
        for member in source:
            name = member.name.partition("/")[2]
            if not (member.isfile() and name.startswith(INSIDE) and ".." not in name):
                continue
            name, data = name.removeprefix(INSIDE), source.extractfile(member)
            if data is not None and name.startswith(PARTS):
                path = target / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data.read())
                path.chmod(0o644)
    for path in (target, *(path for path in target.rglob("*") if path.is_dir())):
        path.chmod(0o755)

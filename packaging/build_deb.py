"""`make deb`: dist/hoopgw_VERSION_amd64.deb.  `--twice` builds a second time and compares; `--lacking` only says what
the machine lacks for it.

The wheels of requirements/runtime.txt are fetched or built once, each checked against its hash.  Nothing more
is fetched.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import compiled
from doing import CannotPrepare, Stamp, digest, run, say

TREE = Path(__file__).resolve().parent.parent
WORK = TREE / ".cache/deb"
# dpkg-buildpackage asks for build-essential, whatever debian/control says
TOOLS = ["build-essential", "debhelper", "fakeroot", "libpq-dev", "python3-dev"]
# the package uses Debian's libpq instead of the one that these wheels carry (requirements/package.in)
REPLACED = re.compile(r"^(psycopg2-binary|psycopg-binary)==")


def locked(text: str) -> str:
    """A lock file without the requirements that the package replaces."""
    kept, skipping = [], False
    for line in text.splitlines():
        if not line.startswith((" ", "#")):
            skipping = bool(REPLACED.match(line))
        if not skipping:
            kept.append(line)
    return "\n".join(kept) + "\n"


def wheels(python: Path) -> Path:
    requirements, place = TREE / "requirements", WORK / "wheels"
    files = [requirements / f"{name}.txt" for name in ("runtime", "package")]
    stamp = Stamp(WORK / "wheels.stamp", digest(files, sys.version))
    if stamp.is_current():
        return place
    say("deb: wheels")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    (WORK / "runtime.txt").write_text(locked(files[0].read_text()))
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--no-build-isolation"]
    own = {"PIP_CACHE_DIR": str(TREE / ".cache/pip"), "CFLAGS": "-O2 -g0 -DNDEBUG -fwrapv", "SOURCE_DATE_EPOCH": "0"}
    for file in (WORK / "runtime.txt", files[1]):
        run([python, "-m", "pip", "wheel", *options, "--wheel-dir", place, "--requirement", file], extra=own)
    stamp.set()
    return place


def source() -> Path:
    """What is built: the checkout's sources, and debian/ beside them."""
    place = WORK / "hoopgw"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    compiled.mirror(TREE, place)
    shutil.copytree(TREE / "packaging/deb", place / "debian")
    suffix = release_suffix(Path("/etc/os-release").read_text())
    if suffix:
        changelog = place / "debian/changelog"
        changelog.write_text(re.sub(r"\((.*?)\)", rf"(\1{suffix})", changelog.read_text(), count=1))
    return place


def release_suffix(release: str) -> str:
    """Of the version: Debian 12 is what the plain one is for; another release has another Python."""
    found = re.search(r'^VERSION_ID="?(\d+)', release, re.MULTILINE)
    if found is None:
        raise CannotPrepare("this is not a release of Debian: /etc/os-release names no VERSION_ID")
    return "" if found[1] == "12" else f"+deb{found[1]}"


def build() -> Path:
    """The package; it lies in dist/ too."""
    python = TREE / ".venv/bin/python"
    extra = {"HOOPGW_PYTHON": str(python), "HOOPGW_WHEELS": str(wheels(python)), "TZ": "UTC"}
    place, started = source(), time.monotonic()
    for old in WORK.glob("hoopgw_*"):
        old.unlink()
    say("deb: building")
    printed = run(["dpkg-buildpackage", "--build=binary", "-us", "-uc"], place, extra)
    (WORK / "build.log").write_text(printed)
    made = next(WORK.glob("hoopgw_*.deb"))
    (TREE / "dist").mkdir(exist_ok=True)
    shutil.copy(made, TREE / "dist" / made.name)
    say(f"deb: dist/{made.name}, {made.stat().st_size / 1e6:.1f} MB, in {time.monotonic() - started:.0f} s")
    return made


def lint(package: Path) -> None:
    """Raises CannotPrepare with what lintian calls an error or a warning."""
    if shutil.which("lintian") is None:
        say("deb: lintian is not installed: the package was not looked at by it")
        return
    done = subprocess.run(
        ["lintian", "--fail-on", "error,warning", "--allow-root", package], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CannotPrepare(f"lintian:\n{done.stdout}{done.stderr}")
    say("deb: lintian has nothing to say")


def lacking() -> list[str]:
    """Debian packages that the build needs and the machine does not have."""
    asked = {tool: subprocess.run(["dpkg", "-s", tool], capture_output=True, check=False).stdout for tool in TOOLS}
    return [tool for tool, said in asked.items() if b"install ok installed" not in said]


def main(words: list[str]) -> int:
    if missing := lacking():
        say(f"cannot go on.  As root:  apt-get install --no-install-recommends {' '.join(missing)}")
        return 1
    if "--lacking" in words:
        return 0
    os.umask(0o022)
    try:
        first = build()
        lint(first)
        if "--twice" in words:
            kept = shutil.copy(first, WORK / "first.deb")  # to look at, where they differ
            one, two = (hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in (kept, build()))
            say(f"deb: built twice: {one}\n                  {two}")
            if one != two:
                raise CannotPrepare("the two builds are not the same")
    except CannotPrepare as error:
        say(f"cannot go on: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

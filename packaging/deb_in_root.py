"""`make deb DEB=--twice` in a clean root of a release of Debian, as root: `deb_in_root.py bookworm|trixie`.

A package goes with the Python of its release: this makes the one for another release than the machine's, from what is
committed.  It lies in dist/ afterwards.  Needs debootstrap and systemd-container.  Only .cache and dist change.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from build_deb import TOOLS
from try_root import CACHE, RELEASES, as_this_machine_reaches_its_mirror
from trying import TREE, Wrong, run, say

MORE = ("ca-certificates", "lintian", "make", "man-db", "python3", "python3-venv")
INSIDE = "/build/hoopgw"


def clean_root(release: str) -> Path:
    root = CACHE / f"build-{release}"
    packages = sorted({*TOOLS, *MORE})
    complete = root / "complete"
    if complete.exists() and complete.read_text() == " ".join(packages):
        return root
    say(f"a clean root of {release} to build in ...")
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    run("debootstrap", "--variant=minbase", release, root)
    as_this_machine_reaches_its_mirror(root)
    # not by debootstrap, which knows nothing of virtual packages: lintian of Debian 13 needs perl-openssl-abi-3
    run("chroot", root, "apt-get", "update", "-q")
    run("chroot", root, "apt-get", "install", "-y", "-q", "--no-install-recommends", *packages)
    complete.write_text(" ".join(packages))
    return root


def built(root: Path) -> None:
    """Raises Wrong."""
    place = root / INSIDE.lstrip("/")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=TREE, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "-x", "-C", place], input=archive, check=True)
    command = ["systemd-nspawn", "-q", "-D", root, "--register=no", "--keep-unit", "--pipe"]
    command += ["--resolv-conf=copy-host", f"--chdir={INSIDE}"]
    for path in ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"):  # as this machine reaches its index
        if Path(path).exists():
            command.append(f"--bind-ro={path}")
    command += [f"--setenv={name}={os.environ[name]}" for name in os.environ if name.startswith("PIP_")]
    if subprocess.run([*command, "make", "deb", "DEB=--twice"], check=False).returncode:
        raise Wrong("the package was not built, see above")
    (TREE / "dist").mkdir(exist_ok=True)
    for package in (place / "dist").glob("*.deb"):
        shutil.copy(package, TREE / "dist" / package.name)
    shutil.rmtree(place)


def main(words: list[str]) -> int:
    if os.geteuid() != 0 or words not in [[release] for release in RELEASES.values()]:
        say("as root:  deb_in_root.py bookworm|trixie")
        return 2
    try:
        built(clean_root(words[0]))
    except Wrong as error:
        say(f"wrong: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Makes .venv from /usr/bin/python3 and the hash-locked wheels of requirements/."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

import debian
from doing import CannotPrepare, Stamp, attempt, digest, run, say

PYTHON = "/usr/bin/python3"  # Debian's own build is 1.25 to 1.5 times faster than a plain one
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
# a path with a space, or of more than 127 characters, cannot stand behind #!
SCRIPT = """#!/bin/sh
'''exec' {python} "$0" "$@"
' '''
from hoopgw.cli.main import main

main()
"""


def prepare(tree: Path, locks: list[str]) -> None:
    """The wheels of these lock files, in this order, in .venv; other versions are replaced."""
    venv, requirements = tree / ".venv", tree / "requirements"
    files = [requirements / f"{name}.txt" for name in locks]
    stamp = Stamp(venv / f"hoopgw-{'-'.join(locks)}.stamp", digest([*files, requirements / "build.txt"], sys.version))
    if stamp.is_current():
        return
    pip = _pip(tree, venv)
    say(f"python: wheels of {', '.join(file.name for file in files)}")
    # first what builds the one source package among them: its build runs in this environment, not in one made of
    # whatever the index has today
    for file in [requirements / "build.txt", *files]:
        _install(tree, pip, file)
    stamp.set()


def link(tree: Path, package: Path) -> None:
    """`.venv/bin/hoopgw`, and every Python of .venv, run the hoopgw of `package`."""
    venv = tree / ".venv"
    (_site_packages(venv) / "hoopgw.pth").write_text(f"{package}\n")
    script = venv / "bin/hoopgw"
    script.write_text(SCRIPT.format(python=shlex.quote(str(venv / "bin/python"))))
    script.chmod(0o755)


def _site_packages(venv: Path) -> Path:
    return next(venv.glob("lib/python3*/site-packages"))


def _pip(tree: Path, venv: Path) -> list[str | Path]:
    """The command that is pip in `venv`, which is made if need be."""
    python = venv / "bin/python"
    pip: list[str | Path] = [python, "-m", "pip"]
    if python.exists() and attempt([*pip, "--version"])[0]:
        return pip
    if venv.exists():
        shutil.rmtree(venv)  # half made, or of a Python that is gone
    if attempt([PYTHON, "-c", "import ensurepip"])[0]:
        say("python: .venv")
        run([PYTHON, "-m", "venv", venv])
        return pip
    say("python: .venv, with pip from a package that is unpacked, not installed (python3-venv is not there)")
    run([PYTHON, "-m", "venv", "--without-pip", venv])
    unpacked = debian.unpack(tree / ".cache/debian", "pip", ["python3-pip-whl"])
    wheels = sorted((unpacked / "usr/share/python-wheels").glob("pip-*.whl"))
    if not wheels:
        raise CannotPrepare("python3-pip-whl holds no wheel of pip")
    # the wheels of clients, of servers and of the package are fetched by it too
    run([python, wheels[-1] / "pip", "install", "--quiet", "--no-index", "--no-deps", wheels[-1]])
    return pip


def _install(tree: Path, pip: list[str | Path], file: Path) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes", "--no-build-isolation"]
    own = {"PIP_CACHE_DIR": str(tree / ".cache/pip")}  # not in the caller's home
    run([*pip, "install", *options, "--requirement", file], extra=own | _trust(tree))


def _trust(tree: Path) -> dict[str, str]:
    """Debian's pip trusts the system's bundle, which a machine without ca-certificates does not have."""
    if BUNDLE.exists() or os.environ.get("PIP_CERT"):
        return {}
    unpacked = debian.unpack(tree / ".cache/debian", "certificates", ["ca-certificates"])
    bundle = tree / ".cache/ca-certificates.crt"
    found = sorted((unpacked / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    bundle.write_text("".join(path.read_text() for path in found))
    return {"PIP_CERT": str(bundle)}

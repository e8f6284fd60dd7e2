"""What the package installs in /usr/lib/hoopgw: `deb_tree.py DIRECTORY WHEELS BUILT`.

A virtual environment of /usr/bin/python3 with wheels and nothing that names the machine it was built on.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import sbom
from doing import run

HOME = "/usr/lib/hoopgw"
SCRIPTS = ("hoopgw", "twistd")
# of every library: what only its makers use.  hoopgw's own modules hold none of these names
NOT_SHIPPED = ("test", "tests", "__pycache__")
NOISE = ("RECORD", "REQUESTED", "INSTALLER", "direct_url.json")  # where and how it was installed, not what


def main(target: Path, wheels: Path, built: Path) -> None:
    run(["/usr/bin/python3", "-m", "venv", "--without-pip", "--symlinks", target])
    found = sorted([*wheels.glob("*.whl"), *built.glob("*.whl")])
    pip = [sys.executable, "-m", "pip", "--python", target / "bin/python", "--quiet", "--disable-pip-version-check"]
    run([*pip, "install", "--no-index", "--no-deps", "--no-compile", "--root-user-action", "ignore", *found])
    site = next(target.glob("lib/python3*/site-packages"))
    (built / "sbom.cdx.json").write_text(json.dumps(sbom.document(site, found), indent=1, sort_keys=True) + "\n")
    _clean(site)
    must_be_quick(site)
    _settle(target)


def _clean(site: Path) -> None:
    for path in sorted(site.rglob("*"), reverse=True):
        if path.is_dir() and path.name in NOT_SHIPPED:
            shutil.rmtree(path)
        elif (
            (path.parent.name.endswith(".dist-info") and path.name in NOISE)
            or path.suffix in {".c", ".h", ".pyx", ".pxd", ".exe"}
            or path.name == ".gitignore"
        ):
            path.unlink()
    for path in site.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o644)
            if path.suffix == ".py" and path.read_bytes().startswith(b"#!"):  # nobody runs it, nor could: see its mode
                path.write_bytes(path.read_bytes().partition(b"\n")[2])


def must_be_quick(site: Path) -> None:
    """The compiled modules have none of the assertions of Python's headers, which each look at a byte would pass."""
    for library in site.glob("*__mypyc*.so"):
        if b"PyBytes_Check(op)" in library.read_bytes():
            raise SystemExit(f"{library.name} was compiled without -DNDEBUG: see FLAGS in setup.py")


def _settle(target: Path) -> None:
    """The environment stands in /usr/lib/hoopgw, and a Python that is asked for nothing else looks only there."""
    for name in ("lib64", ".gitignore"):  # the second one Python 3.13 makes
        (target / name).unlink(missing_ok=True)
    version = re.search(r"^version = .*$", (target / "pyvenv.cfg").read_text(), re.MULTILINE)
    assert version is not None
    (target / "pyvenv.cfg").write_text(f"home = /usr/bin\ninclude-system-site-packages = false\n{version[0]}\n")
    for script in (target / "bin").iterdir():
        if script.name not in SCRIPTS and not script.name.startswith("python"):
            script.unlink()
    for name in SCRIPTS:
        script = target / "bin" / name
        _, _, rest = script.read_text().partition("\n")
        # -I: neither PYTHON… of the caller nor the directory it stands in decide what is imported
        script.write_text(f"#!{HOME}/bin/python -I\n{rest}")
        script.chmod(0o755)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

"""Writes requirements/*.txt: exact versions with the hashes of every file.  Names no index: that is left to pip."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
TOOL = "pip-tools==7.6.2"
QUIET = ["--quiet", "--no-header", "--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host"]
SHAPE = ["--no-emit-options", "--generate-hashes", "--allow-unsafe", "--strip-extras", "--annotation-style=line"]
EARLIER = {
    "runtime": [],
    "package": ["runtime"],
    "build": ["runtime"],
    "test": ["runtime", "build"],
    "fuzz": ["runtime", "build", "test"],
    "clients": [],
}  # one version of each where they meet


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["/usr/bin/python3", "-m", "venv", scratch], check=True)
        subprocess.run([f"{scratch}/bin/pip", "install", "--quiet", TOOL], check=True)
        for name, before in EARLIER.items():
            limits = [word for other in before for word in ("--constraint", f"requirements/{other}.txt")]
            files = ["--output-file", f"requirements/{name}.txt", *limits, f"requirements/{name}.in"]
            subprocess.run([f"{scratch}/bin/pip-compile", *QUIET, *SHAPE, *files], cwd=TREE, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Makes a second tree with the codecs compiled by mypyc, so that the checkout itself stays plain Python."""

from __future__ import annotations

import ast
import filecmp
import shutil
from pathlib import Path

from doing import Stamp, attempt, digest, run, say

COPIED = ("hoopgw", "twisted", "etc", "tests", "bench", "docs", "systemd", "requirements", "packaging")
SINGLE = ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE")
SKIPPED = ("__pycache__", "_trial_temp", ".hypothesis")


def prepare(tree: Path, copy: Path, python: Path) -> Path:
    """The tree to run: `copy`, compiled; or `tree` itself where nothing can compile, and one line says why."""
    lacking = _lacking(copy.parent, python)
    if lacking:
        say(f"codecs: not compiled, {lacking}; all works, slower")
        return tree
    mirror(tree, copy)
    stamp = Stamp(copy / "compiled.stamp", digest([*_sources(copy), copy / "requirements/build.txt"]))
    if not stamp.is_current():
        say("codecs: compiling (some minutes)")
        stamp.clear()
        for old in copy.rglob("*.so"):  # of modules that may be gone
            if "build" not in old.relative_to(copy).parts:
                old.unlink()
        run([python, "setup.py", "--quiet", "build_ext", "--inplace"], copy, {"HOOPGW_COMPILE": "1"})
        stamp.set()
    return copy


def _sources(copy: Path) -> list[Path]:
    """What setup.py compiles, and model/, which it inlines from: a compiled file that is older than its source would
    run in its place."""
    lists = {}
    for node in ast.parse((copy / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            lists[node.targets[0].id] = ast.literal_eval(node.value)
    rooms = [path for room in ("model", *lists["ROOMS"]) for path in sorted((copy / "hoopgw" / room).rglob("*.py"))]
    return list(dict.fromkeys([copy / "setup.py", *rooms, *(copy / "hoopgw" / f"{name}.py" for name in lists["PATH"])]))


def _lacking(cache: Path, python: Path) -> str:
    """What a build would miss, in words; empty if nothing.  Tried, not guessed."""
    probe = cache / "probe.c"
    probe.write_text("#include <Python.h>\nint main(void) { return 0; }\n")
    said, include = attempt([python, "-c", "import sysconfig; print(sysconfig.get_path('include'))"])
    if not said or not attempt(["cc", "--version"])[0]:
        return "there is no C compiler (gcc, libc6-dev)"
    good, _ = attempt(["cc", f"-I{include.strip()}", "-c", probe, "-o", cache / "probe.o"])
    return "" if good else "Python's headers are not there (python3-dev)"


def mirror(tree: Path, copy: Path) -> None:
    """`copy` holds what `tree` holds; files that are the same keep their times, so that little is compiled again."""
    wanted: dict[Path, Path] = {}
    for top in COPIED:
        wanted |= {path.relative_to(tree): path for path in (tree / top).rglob("*") if _is_source(path, tree)}
    wanted |= {Path(name): tree / name for name in SINGLE if (tree / name).exists()}
    for top in COPIED:
        for old in (copy / top).rglob("*"):
            if old.is_file() and old.suffix != ".so" and old.relative_to(copy) not in wanted:
                old.unlink()
    for name, path in wanted.items():
        target = copy / name
        if not target.exists() or not filecmp.cmp(path, target, shallow=False):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)


def _is_source(path: Path, tree: Path) -> bool:
    parts = path.relative_to(tree).parts
    return path.is_file() and path.suffix not in {".so", ".pyc"} and not any(part in SKIPPED for part in parts)

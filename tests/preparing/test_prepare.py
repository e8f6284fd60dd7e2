"""packaging/: what a machine is prepared with, where it goes, and what of the machine's own settings stays."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.demo.host import PROGRAMS, WRAPPER

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
SIMULATED = """\
Inst openssl (3.0.20-1~deb12u2 Debian:12.15/oldstable [amd64])
Inst perl-base [5.36.0-7] (5.36.0-8 Debian:12.15/oldstable [amd64])
Inst ca-certificates (20230311+deb12u1 Debian:12.15/oldstable [all])
Inst python3-pip-whl (23.0.1+dfsg-1 Debian:12.15/oldstable [all])
Conf openssl (3.0.20-1~deb12u2 Debian:12.15/oldstable [amd64])
"""


def module(name: str) -> ModuleType:
    """A module of packaging/, whose files find each other as scripts do."""
    with mock.patch.object(sys, "path", [str(PACKAGING), *sys.path]):
        return importlib.import_module(name)


class Download(SynchronousTestCase):
    def test_what_was_asked_for_is_fetched(self) -> None:
        """Though its name is like those that are not worth unpacking."""
        found = module("debian").to_download(SIMULATED, ["python3-pip-whl"])
        self.assertIn("python3-pip-whl=23.0.1+dfsg-1", found)
        self.assertIn("openssl=3.0.20-1~deb12u2", found)

    def test_what_only_an_installed_service_needs_is_not(self) -> None:
        found = module("debian").to_download(SIMULATED, ["python3-pip-whl"])
        self.assertFalse([word for word in found if word.startswith("perl")])

    def test_what_the_machine_has_installed_is_fetched_all_the_same(self) -> None:
        """It cannot run from where it lies, or it would not have been asked for."""
        self.assertEqual(module("debian").to_download("", ["postgresql-15"]), ["postgresql-15"])


class Together(SynchronousTestCase):
    def fetched_where(self, machine: tuple[str, ...]) -> list[list[str]]:
        """Which packages are unpacked on a machine that has these programs."""
        debian, top, fetched = module("debian"), Path(self.mktemp()).resolve(), []

        def put(place: Path, *names: str) -> None:
            place.mkdir(parents=True, exist_ok=True)
            for name in names:
                (place / name).touch()

        def unpack(cache: Path, name: str, packages: list[str]) -> None:
            fetched.append(packages)
            put(cache / name / "usr/bin", "postgres", "psql")

        put(top / "machine", *machine)
        with (
            mock.patch.object(debian, "SYSTEM", (top / "machine",)),
            mock.patch.object(debian, "unpack", unpack),
            mock.patch.object(debian, "say"),
        ):
            for _ in range(2):
                debian.prepare(top / "cache", {"postgres": "server", "psql": "client"})
        return fetched

    def test_all_of_the_machine(self) -> None:
        self.assertEqual(self.fetched_where(("postgres", "psql")), [])

    def test_a_wrapper_is_no_psql(self) -> None:
        debian, place = module("debian"), Path(self.mktemp()).resolve()
        place.mkdir()
        (place / "pg_wrapper").touch()
        (place / "psql").symlink_to("pg_wrapper")
        self.assertFalse(debian._is_in([place], "psql"))

    def test_a_machine_with_psql_alone(self) -> None:
        """Gets both, once: they are taken from one place."""
        self.assertEqual(self.fetched_where(("psql",)), [["client", "server"]])


class Ssh(SynchronousTestCase):
    def test_a_machine_without_any_of_openssh(self) -> None:
        """Whatever the demo and the tests start of OpenSSH is fetched: the clients as well as sshd."""
        started = {*PROGRAMS, WRAPPER, "scp", "sftp", "ssh-keygen"}
        self.assertEqual(started - set(module("prepare").SSH), set())


class Pip(SynchronousTestCase):
    def installed_with(self, caller: dict[str, str]) -> dict[str, str]:
        """What pip's environment gets on top of the caller's, on a machine without ca-certificates."""
        environment, tree = module("environment"), Path(self.mktemp()).resolve()
        certificates = tree / "unpacked/usr/share/ca-certificates/mozilla"
        certificates.mkdir(parents=True)
        (certificates / "one.crt").write_text("one\n")
        (tree / ".cache").mkdir()
        with (
            mock.patch.dict(os.environ, caller, clear=True),
            mock.patch.object(environment, "BUNDLE", tree / "absent"),
            mock.patch.object(environment.debian, "unpack", return_value=tree / "unpacked"),
            mock.patch.object(environment, "run") as run,
        ):
            environment._install(tree, ["pip"], tree / "runtime.txt")
        extra: dict[str, str] = run.call_args.kwargs["extra"]
        self.assertTrue(extra["PIP_CACHE_DIR"].startswith(f"{tree}/.cache/"), "pip fills the caller's home")
        return extra

    def test_is_in_the_environment_where_the_machine_has_no_ensurepip(self) -> None:
        """Or nothing after the first wheels is installed: drivers, other servers, the package's own."""
        environment, top = module("environment"), Path(self.mktemp()).resolve()
        wheels = top / "unpacked/usr/share/python-wheels"
        wheels.mkdir(parents=True)
        (wheels / "pip-23.0.1-py3-none-any.whl").touch()
        with (
            mock.patch.object(environment, "attempt", return_value=(False, "")),
            mock.patch.object(environment.debian, "unpack", return_value=top / "unpacked"),
            mock.patch.object(environment, "say"),
            mock.patch.object(environment, "run") as run,
        ):
            pip = environment._pip(top, top / ".venv")
        self.assertEqual(pip, [top / ".venv/bin/python", "-m", "pip"])
        self.assertEqual(run.call_args.args[0][2], "install")
        self.assertEqual(run.call_args.args[0][-1], wheels / "pip-23.0.1-py3-none-any.whl")

    def test_trusts_the_unpacked_certificates_where_the_machine_has_none(self) -> None:
        self.assertEqual(Path(self.installed_with({})["PIP_CERT"]).read_text(), "one\n")

    def test_trusts_what_the_caller_names(self) -> None:
        self.assertNotIn("PIP_CERT", self.installed_with({"PIP_CERT": "/etc/corporate.pem"}))


class Npm(SynchronousTestCase):
    def trusts(self, caller: dict[str, str]) -> bool:
        """Whether npm is told of the machine's authorities."""
        clients, top = module("clients"), Path(self.mktemp()).resolve()
        with (
            mock.patch.dict(os.environ, caller, clear=True),
            mock.patch.object(clients, "BUNDLE", PACKAGING),
            mock.patch.object(clients, "_node_and_npm", return_value=("node", "npm")),
        ):
            return f"NODE_EXTRA_CA_CERTS={PACKAGING}" in clients.npm_ci(top, top)

    def test_trusts_the_machines_authorities(self) -> None:
        self.assertTrue(self.trusts({}))

    def test_trusts_what_the_caller_names(self) -> None:
        self.assertFalse(self.trusts({"NODE_EXTRA_CA_CERTS": "/etc/corporate.pem"}))


class Compiled(SynchronousTestCase):
    def test_what_is_compiled_is_compiled_again_when_it_changes(self) -> None:
        """A stale compiled module would run in place of the edited one, without a word."""
        tree = PACKAGING.parent
        sources = module("compiled")._sources(tree)
        for name in ("wire/pgframes", "relay/postgres", "model/verdict", "session/session", "store/spool"):
            self.assertIn(tree / f"hoopgw/{name}.py", sources)
        self.assertEqual([path for path in sources if not path.exists()], [])

    def test_what_compiles_is_among_the_wheels_of_a_demo(self) -> None:
        """`make demo` installs runtime.txt and build.txt; mypyc reads a configuration that names plugins of mypy."""
        tree = PACKAGING.parent
        plugins = tomllib.loads((tree / "pyproject.toml").read_text())["tool"]["mypy"]["plugins"]
        locked = (tree / "requirements/build.txt").read_text() + (tree / "requirements/runtime.txt").read_text()
        for plugin in plugins:
            self.assertIn(f"\n{plugin.partition(':')[0].replace('_', '-')}==", locked)


class Command(SynchronousTestCase):
    def test_starts_where_the_checkouts_path_has_a_space(self) -> None:
        tree = Path(self.mktemp()).resolve() / "my project's"
        for directory in (tree / ".venv/bin", tree / ".venv/lib/python3.11/site-packages", tree / "hoopgw/cli"):
            directory.mkdir(parents=True)
        (tree / ".venv/bin/python").symlink_to(sys.executable)
        (tree / "hoopgw/cli/main.py").write_text("import sys\ndef main(): print(sys.argv[1:])\n")
        module("environment").link(tree, tree)
        command = [tree / ".venv/bin/hoopgw", "demo", "a b"]
        done = subprocess.run(command, env={"PYTHONPATH": str(tree)}, capture_output=True, text=True, check=False)
        self.assertEqual((done.stdout, done.stderr), ("['demo', 'a b']\n", ""))

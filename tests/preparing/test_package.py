"""The Debian package's parts that need no build: what is locked, listed, written in manual pages, and started."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from twisted.trial.unittest import SynchronousTestCase

from hoopgw import __version__
from hoopgw.cli.main import COMMANDS
from hoopgw.config_schema import SECTIONS
from tests.documented_events import examples
from tests.preparing.test_prepare import PACKAGING, module

TREE = PACKAGING.parent
UNITS = sorted(path for kind in ("service", "socket", "timer") for path in (TREE / "systemd").glob(f"*.{kind}"))
LOCK = """\
psycopg==3.3.9 \\
    --hash=sha256:aa
    # via x
psycopg2-binary==2.9.13 \\
    --hash=sha256:bb \\
    --hash=sha256:cc
    # via y
pyjwt==2.15.0 \\
    --hash=sha256:dd
"""


class Package(SynchronousTestCase):
    def test_version_is_the_programs(self) -> None:
        first = (PACKAGING / "deb/changelog").read_text().splitlines()[0]
        self.assertIn(f"({__version__})", first)

    def test_what_a_bare_machine_lacks_is_named(self) -> None:
        """Whoever types the line that `make deb` prints can build: dpkg-buildpackage's own demand is in it."""
        tools = set(module("build_deb").TOOLS)
        wanted = re.search(r"^Build-Depends: (.*)$", (PACKAGING / "deb/control").read_text(), re.MULTILINE)
        assert wanted is not None
        brought = {"debhelper-compat (= 13)": "debhelper", "gcc": "build-essential", "libc6-dev": "build-essential"}
        self.assertEqual({brought.get(name, name) for name in wanted[1].split(", ")} - tools, set())
        self.assertIn("build-essential", tools)

    def test_what_the_package_replaces_is_not_fetched(self) -> None:
        """psycopg2 comes from source for Debian's libpq; its hashes go with it, its neighbours stay."""
        kept = module("build_deb").locked(LOCK)
        self.assertNotIn("psycopg2", kept)
        self.assertNotIn("sha256:bb", kept)
        self.assertNotIn("sha256:cc", kept)
        self.assertEqual(re.findall("^[a-z0-9]+==", kept, re.MULTILINE), ["psycopg==", "pyjwt=="])
        self.assertIn("sha256:aa", kept)
        self.assertIn("sha256:dd", kept)

    def test_each_release_has_its_suffix(self) -> None:
        suffix = module("build_deb").release_suffix
        self.assertEqual(suffix('ID=debian\nVERSION_ID="12"\n'), "")
        self.assertEqual(suffix('VERSION_ID="13"\n'), "+deb13")
        self.assertRaises(module("doing").CannotPrepare, suffix, "ID=other\n")

    def test_an_upgrade_over_mistakes(self) -> None:
        """Refused where the gateway runs and `check` finds any; a program that another Python broke says nothing, and
        stops no upgrade."""
        place = Path(self.mktemp()).resolve()
        place.mkdir()
        for runs, active, mistakes, status in ((0, 0, 1, 1), (0, 0, 0, 0), (1, 0, 1, 0), (0, 3, 1, 0)):
            checks = f'[ "$1" = check ] || exit {runs}\necho hoopgw.toml:1: wrong >&2\nexit {mistakes}'
            for name, script in (("systemctl", f"exit {active}"), ("hoopgw", checks), ("dpkg", "exit 1")):
                (place / name).write_text(f"#!/bin/sh\n{script}\n")
                (place / name).chmod(0o755)
            command = ["/bin/sh", str(PACKAGING / "deb/preinst"), "upgrade", "0.1.0", "0.2.0"]
            ran = subprocess.run(command, env={"PATH": str(place)}, capture_output=True, text=True, check=False)
            self.assertEqual((ran.returncode, "is not upgraded" in ran.stderr), (status, bool(status)), ran.stderr)

    def test_scripts_find_programs_by_their_path(self) -> None:
        """As Debian's policy wants it (6.1), and lintian, without which there is no package."""
        for name in ("preinst", "postinst", "prerm", "postrm"):
            self.assertNotRegex((PACKAGING / "deb" / name).read_text(), r"/usr/s?bin/", name)

    def test_compiled_code_with_assertions_is_not_shipped(self) -> None:
        site = Path(self.mktemp())
        site.mkdir()
        library = site / "0a__mypyc.cpython-311-x86_64-linux-gnu.so"
        library.write_bytes(b"\x7fELF PyBytes_Check(op)\0")
        self.assertRaises(SystemExit, module("deb_tree").must_be_quick, site)
        library.write_bytes(b"\x7fELF")
        module("deb_tree").must_be_quick(site)

    def test_links_of_the_documents(self) -> None:
        """They lie in one directory of the package, the front page among them: each link leads to a file there."""
        patterns = (PACKAGING / "deb/hoopgw.docs").read_text().split()
        documents = {path.name: path for pattern in patterns for path in TREE.glob(pattern) if path.suffix == ".md"}
        self.assertIn("'s|](docs/|](|g'", (PACKAGING / "deb/rules").read_text())
        for name, path in documents.items():
            text = path.read_text().replace("](docs/", "](") if name == "README.md" else path.read_text()
            for link in re.findall(r"\]\((?!http)([^)#\s]+)", text):
                self.assertIn(link, documents, name)

    def test_the_list_of_libraries(self) -> None:
        """Name, version, licence and hash of each wheel; the same again for the same wheels."""
        place = Path(self.mktemp())
        info = place / "site/lib_x-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Name: lib.x\nVersion: 1.2\nLicense-Expression: MIT\n")
        own = place / "site/hoopgw-0.1.0.dist-info"
        own.mkdir()
        (own / "METADATA").write_text("Name: hoopgw\nVersion: 0.1.0\nLicense: Apache-2.0\n")
        wheels = [place / "lib_x-1.2-py3-none-any.whl", place / "hoopgw-0.1.0-cp311.whl"]
        for wheel in wheels:
            wheel.write_text("")
        made = module("sbom").document(place / "site", wheels)
        self.assertEqual(made, module("sbom").document(place / "site", wheels))
        [library] = made["components"]
        self.assertEqual((library["purl"], library["licenses"]), ("pkg:pypi/lib-x@1.2", [{"expression": "MIT"}]))
        self.assertEqual(library["hashes"][0]["content"][:8], "e3b0c442")
        self.assertEqual(made["metadata"]["component"]["name"], "hoopgw")


class Manual(SynchronousTestCase):
    pages: ClassVar[dict[str, str]] = {}

    def setUp(self) -> None:
        """As the package's build has them made: in this process click may remember options of other tests."""
        if not self.pages:
            place = Path(self.mktemp()).resolve()
            around = {**os.environ, "PYTHONPATH": str(TREE)}
            subprocess.run([sys.executable, PACKAGING / "manual.py", place], check=True, cwd=TREE, env=around)
            self.pages.update({path.name: path.read_text() for path in (place / "man").iterdir()})

    def test_every_command_has_a_page_and_every_key_stands_in_one(self) -> None:
        self.assertLessEqual({f"hoopgw-{name}.1" for name in COMMANDS}, set(self.pages))
        for name in COMMANDS:
            self.assertIn(".B \\-h, \\-\\-help\n", self.pages[f"hoopgw-{name}.1"])
        schema = self.pages["hoopgw.toml.5"] + self.pages["hoopgw-guardrails.5"]
        for section, keys in SECTIONS.items():
            for key in keys:
                self.assertIn(f".B {module('manual').roff(key)}\n", schema, (section, key))

    def test_completion_in_fish(self) -> None:
        """A description goes as far as it is, commas and all."""
        script = module("manual").completions()["complete.fish"]
        self.assertIn('string split --max 1 "," $completion', script)

    def test_text_is_never_a_request(self) -> None:
        """A line that begins with a dot or a quote is text, as is a backslash."""
        roff = module("manual").roff
        self.assertEqual(roff(".de x\n'y \\z"), "\\&.de x\n\\&'y \\ez")

    def test_paragraphs_flow(self) -> None:
        """An indented line would begin anew, in the middle of its sentence."""
        for name, page in self.pages.items():
            self.assertEqual([line for line in page.splitlines() if line.startswith(" ")], [], name)

    def test_pages_are_without_warnings(self) -> None:
        if shutil.which("man") is None:
            self.skipTest("man is not installed here")
        place = Path(self.mktemp())
        place.mkdir()
        for name, text in self.pages.items():
            (place / name).write_text(text)
            ran = subprocess.run(
                ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", place / name],
                capture_output=True,
                check=False,
            )
            self.assertEqual((ran.returncode, ran.stderr), (0, b""), name)


class Units(SynchronousTestCase):
    def test_systemd_finds_no_mistake(self) -> None:
        """Sections, keys and values, as systemd itself reads them; what the units start is not installed here."""
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd is not installed here")
        ran = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *UNITS], capture_output=True, text=True, check=False
        )
        wrong = [line for line in ran.stderr.splitlines() if "hoopgw" in line and "/usr/lib/hoopgw/bin" not in line]
        self.assertEqual(wrong, [])

    def test_what_sends_events_on_knows_them(self) -> None:
        """The name by which rsyslog picks them in docs/hardening.md is the unit's."""
        [name] = re.findall("^SyslogIdentifier=(.*)$", (TREE / "systemd/hoopgw.service").read_text(), re.M)
        self.assertIn(f'if $programname == "{name}" then', (TREE / "docs/hardening.md").read_text())

    def test_what_is_open_to_attack(self) -> None:
        """`systemd-analyze security` gives less than 1.5 of 10."""
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd is not installed here")
        unit = TREE / "systemd/hoopgw.service"
        command = ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", unit]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout[-400:] + ran.stderr)

    def test_an_issuer_can_be_reached(self) -> None:
        """Under MemoryDenyWriteExecute pyOpenSSL has no callbacks, no issuer's keys are fetched, and nobody gets in."""
        self.assertIn("\nMemoryDenyWriteExecute=no\n", (TREE / "systemd/hoopgw.service").read_text())

    def test_a_start_brings_all_of_it(self) -> None:
        """After `systemctl stop 'hoopgw*'` one start is enough: the sockets, and the timer of retention."""
        [wants] = re.findall("^Wants=(.*)$", (TREE / "systemd/hoopgw.service").read_text(), re.MULTILINE)
        beside = {path.name for path in UNITS if path.suffix != ".service"}
        self.assertLessEqual(beside, set(wants.split()))

    def test_every_unit_is_installed_started_and_removed(self) -> None:
        """By the package's scripts, all that an [Install] names; a unit that was forgotten there would never run."""
        wanted = {path.name for path in UNITS if "[Install]" in path.read_text()}
        for name in ("postinst", "postrm"):
            [units] = re.findall(r'^UNITS="(.*)"$', (PACKAGING / "deb" / name).read_text(), re.M)
            self.assertEqual(set(units.split()), wanted, name)
        for name in ("postinst", "prerm"):  # started there, and stopped
            script = re.sub("^UNITS=.*$", "", (PACKAGING / "deb" / name).read_text(), flags=re.M)
            self.assertEqual([unit for unit in sorted(wanted) if unit not in script], [], name)
        [also] = re.findall(r"^Also=(.*)$", (TREE / "systemd/hoopgw.service").read_text(), re.M)
        self.assertEqual(set(also.split()) | {"hoopgw.service"}, wanted)

    def test_the_socket_is_the_one_that_the_configuration_names(self) -> None:
        for socket in (TREE / "systemd").glob("*.socket"):
            [name] = re.findall(r"^FileDescriptorName=(.*)$", socket.read_text(), re.M)
            self.assertIn(f':name={name}"', (TREE / "etc/hoopgw/hoopgw.toml").read_text())
            self.assertIn(socket.name, (TREE / "systemd/hoopgw.service").read_text())


class Pages(SynchronousTestCase):
    def test_troubleshooting_has_a_line_for_every_event(self) -> None:
        """And for none that there is not: who finds a code in the journal finds there what to do."""
        text = (TREE / "docs/troubleshooting.md").read_text()
        rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
        named = {code for row in rows for code in re.findall(r"`([a-z]+\.[a-z]+)`", row)}
        self.assertEqual(named ^ set(examples()), set())

    def test_scripts_are_shell(self) -> None:
        """dpkg runs them as root: each can at least be read."""
        for name in ("preinst", "postinst", "prerm", "postrm"):
            script = PACKAGING / "deb" / name
            ran = subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False)
            self.assertEqual((ran.returncode, ran.stderr), (0, ""), name)

    def test_an_older_version_is_refused(self) -> None:
        """By the script that dpkg asks first, with the words that dpkg gives it."""
        for old, new, status in (("1.0", "0.9", 1), ("0.9", "1.0", 0), ("1.0", "1.0", 0)):
            script = (PACKAGING / "deb/preinst").read_text()
            ran = subprocess.run(["sh", "-c", script, "preinst", "upgrade", old, new], capture_output=True, check=False)
            self.assertEqual(ran.returncode, status, (old, new))
            self.assertEqual(b"is not replaced by the older" in ran.stderr, bool(status))

"""Tries the package on a systemd that was really booted: `try_systemd.py PACKAGE.deb`, as root.

In a clean root of Debian (debootstrap) in a container (systemd-nspawn) with a network of its own: install, first start,
reload, restart, watchdog, kill, upgrade, refused downgrade, boot again, remove, purge.  Only .cache changes.
Needs debootstrap, systemd-container and iproute2.  MemoryMax and TasksMax are not in force in such a container.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
CACHE = TREE / ".cache/try-systemd"
PACKAGES = "systemd,systemd-sysv,dbus,ca-certificates,iproute2,procps"
RELEASE = "bookworm"
READY = 60.0  # seconds
SSL_REQUEST = bytes.fromhex("0000000804d2162f")
NAME = f"hoopgw{os.getpid()}"


class Wrong(Exception):
    """What was expected, and what was found."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run(*words: str | Path, good: bool = True) -> str:
    """What it printed.  Raises Wrong if it fails, or does not where it should."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        words, env=environment, stdin=subprocess.DEVNULL, stdout=-1, stderr=subprocess.STDOUT, text=True, check=False
    )
    if (done.returncode == 0) is not good:
        raise Wrong(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout


def expect(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise Wrong(f"{what}: {found!r} instead of {wanted!r}")


def until(question: Callable[[], bool], what: str, seconds: float = READY) -> float:
    """How long it took."""
    started = time.monotonic()
    while not question():
        if time.monotonic() - started > seconds:
            raise Wrong(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)
    return time.monotonic() - started


def clean_root() -> Path:
    base, root = CACHE / "base", CACHE / "root"
    if not (base / "etc/debian_version").exists():
        say(f"a clean root of {RELEASE} ...")
        shutil.rmtree(base, ignore_errors=True)
        base.parent.mkdir(parents=True, exist_ok=True)
        run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, base)
    shutil.rmtree(root, ignore_errors=True)
    run("cp", "-a", "--reflink=auto", base, root)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    for path in Path("/etc/apt/apt.conf.d").glob("*proxy*"):  # as this machine reaches its mirror
        shutil.copy(path, root / "etc/apt/apt.conf.d")
    (root / "etc/machine-id").write_text("")
    return root


class Machine:
    """The booted container."""

    def __init__(self, root: Path) -> None:
        self.root = root
        run("ip", "netns", "add", NAME)
        run("ip", "-n", NAME, "link", "set", "lo", "up")

    def boot(self) -> None:
        self._log = (CACHE / "nspawn.log").open("ab")
        words = ["systemd-nspawn", "-D", self.root, "--boot", "--register=no", "--keep-unit", f"--machine={NAME}"]
        words += ["--console=pipe", f"--network-namespace-path=/run/netns/{NAME}"]
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        until(lambda: bool(children.read_text().split()), "the container's first process")
        self._first = children.read_text().split()[0]
        until(lambda: self.system("is-system-running") in ("running", "degraded"), "the container is up")

    def inside(self, *words: str, good: bool = True) -> str:
        return run("nsenter", "-t", self._first, "-a", *words, good=good).strip()

    def system(self, *words: str) -> str:
        """systemctl's answer, whatever its status."""
        done = subprocess.run(
            ["nsenter", "-t", self._first, "-a", "systemctl", *words], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    def shown(self, name: str, unit: str = "hoopgw.service") -> str:
        return self.system("show", "--value", "-p", name, unit)

    def journal(self) -> str:
        return self.inside("journalctl", "-u", "hoopgw.service", "-o", "cat", "--no-pager")

    def active(self) -> bool:
        return self.system("is-active", "hoopgw.service") == "active"

    def off(self) -> None:
        with suppress(Wrong):
            self.inside("systemctl", "poweroff")
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def gone(self) -> None:
        run("ip", "netns", "del", NAME)


class Knocking:
    """Connects all the time, from inside the container's network, and counts who was refused."""

    def __init__(self, port: int) -> None:
        self._port, self._over = port, threading.Event()
        self.served, self.refused, self.longest = 0, 0, 0.0
        self._thread = threading.Thread(target=self._knock)

    def __enter__(self) -> Knocking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _knock(self) -> None:
        with open(f"/run/netns/{NAME}") as network:  # of this thread alone
            os_setns(network.fileno())
        while not self._over.is_set():
            started = time.monotonic()
            try:
                with socket.create_connection(("127.0.0.1", self._port), timeout=60) as client:
                    client.sendall(SSL_REQUEST)
                    if client.recv(1) != b"S":
                        raise ConnectionError
                self.served += 1
            except OSError:
                self.refused += 1
            self.longest = max(self.longest, time.monotonic() - started)
            time.sleep(0.02)


def os_setns(descriptor: int) -> None:
    """setns(2), which Python has from 3.12 on."""
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, 0x40000000):  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


def installed(root: Path, package: Path) -> None:
    shutil.copy(package, root / "root" / package.name)
    run("chroot", root, "apt-get", "update", "-q")
    run("chroot", root, "apt-get", "install", "-y", "-q", "--no-install-recommends", f"/root/{package.name}")
    expect((root / "etc/hoopgw/tls/gateway.key").stat().st_mode & 0o777, 0o600, "mode of the key")
    expect(run("chroot", root, "hoopgw", "check").strip(), "No mistakes.", "hoopgw check")
    size = run("chroot", root, "du", "-sm", "/usr/lib/hoopgw").split()[0]
    say(f"installed: {package.stat().st_size / 1e6:.1f} MB, {size} MB unpacked")


def first_start(machine: Machine) -> None:
    took = until(machine.active, "hoopgw.service is active")
    expect(machine.shown("NRestarts"), "0", "restarts before the first start succeeded")
    began, ready = (
        int(machine.shown(name)) for name in ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    )
    say(f"first start: ready {(ready - began) / 1e6:.2f} s after its process began ({took:.1f} s after the boot)")
    score = re.search(r"exposure level for hoopgw.service: ([0-9.]+)", machine.inside(*ANALYZE))
    if score is None or float(score[1]) >= 1.5:
        raise Wrong(f"systemd-analyze security: {score}")
    say(f"systemd-analyze security: {score[1]}")
    for path, wanted in {"/var/lib/hoopgw": "700 hoopgw", "/run/hoopgw": "750 hoopgw"}.items():
        expect(machine.inside("stat", "-c", "%a %U", path), wanted, path)


ANALYZE = ("systemd-analyze", "security", "--no-pager", "hoopgw.service")


def reload(machine: Machine) -> None:
    before = machine.shown("MainPID")
    machine.inside("systemctl", "reload", "hoopgw.service")
    until(lambda: "configuration.reloaded" in machine.journal(), "the event of the reload")
    expect(machine.shown("MainPID"), before, "the process after a reload")
    say("reload: the same process, the new configuration")


def restart(machine: Machine) -> None:
    with Knocking(5432) as knocking:
        time.sleep(0.5)
        machine.inside("systemctl", "restart", "hoopgw.service")
        until(machine.active, "active after the restart")
        time.sleep(0.5)
    expect(knocking.refused, 0, f"refused during a restart, of {knocking.served}")
    say(f"restart: {knocking.served} connections, none refused; the longest waited {knocking.longest:.1f} s")


def watchdog(machine: Machine) -> None:
    drop_in = machine.root / "etc/systemd/system/hoopgw.service.d"
    drop_in.mkdir(parents=True)
    (drop_in / "try.conf").write_text("[Service]\nWatchdogSec=4s\n")
    machine.inside("systemctl", "daemon-reload")
    machine.inside("systemctl", "restart", "hoopgw.service")
    before = machine.shown("MainPID")
    time.sleep(6)  # more than the watchdog's time: it is fed
    expect(machine.shown("MainPID"), before, "the process while it feeds the watchdog")
    machine.inside("kill", "-STOP", before)
    took = until(lambda: machine.active() and machine.shown("MainPID") not in (before, "0"), "started again")
    shutil.rmtree(drop_in)
    machine.inside("systemctl", "daemon-reload")
    say(f"watchdog: a gateway that stands still is replaced after {took:.1f} s (of 4)")


def killed(machine: Machine) -> None:
    before = machine.shown("MainPID")
    machine.inside("kill", "-KILL", before)
    took = until(lambda: machine.active() and machine.shown("MainPID") not in (before, "0"), "started after a kill")
    say(f"killed: runs again after {took:.1f} s")


def other_version(package: Path, version: str) -> Path:
    place, made = CACHE / "other", CACHE / f"hoopgw_{version}_amd64.deb"
    shutil.rmtree(place, ignore_errors=True)
    run("dpkg-deb", "-R", package, place)
    control = place / "DEBIAN/control"
    control.write_text(re.sub("^Version: .*$", f"Version: {version}", control.read_text(), flags=re.MULTILINE))
    run("dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "-b", place, made)
    shutil.rmtree(place)
    return made


def upgrade(machine: Machine, package: Path) -> None:
    changed = machine.root / "etc/hoopgw/hoopgw.toml"
    changed.write_text(changed.read_text().replace('name = "hoopgw"', 'name = "changed"'))
    key = (machine.root / "etc/hoopgw/tls/gateway.key").read_bytes()
    shutil.copy(other_version(package, "99.0.0"), machine.root / "root/new.deb")
    before = machine.shown("MainPID")
    with Knocking(5432) as knocking:
        machine.inside("dpkg", "-i", "/root/new.deb")
        until(machine.active, "active after the upgrade")
        time.sleep(0.5)
    expect(knocking.refused, 0, f"refused during an upgrade, of {knocking.served}")
    if machine.shown("MainPID") == before:
        raise Wrong("the old gateway still runs after the upgrade")
    expect('name = "changed"' in changed.read_text(), True, "a changed conffile is kept")
    expect((machine.root / "etc/hoopgw/tls/gateway.key").read_bytes() == key, True, "the key is kept")
    say(f"upgrade: {knocking.served} connections, none refused; the longest waited {knocking.longest:.1f} s")
    shutil.copy(package, machine.root / "root/old.deb")
    before = machine.shown("MainPID")
    said = machine.inside("dpkg", "-i", "/root/old.deb", good=False)
    expect("is not replaced by the older" in said, True, f"a downgrade is refused in words: {said}")
    expect((machine.active(), machine.shown("MainPID")), (True, before), "the gateway after a refused downgrade")
    say("downgrade: refused, and the gateway runs on")


def again(machine: Machine) -> None:
    machine.off()
    machine.boot()
    until(machine.active, "active after the next boot")
    # nobody was admitted, so there is nothing to verify but the key: a journal without a chunk is not said to be whole
    said = machine.inside("hoopgw", "sessions", "verify", "/var/lib/hoopgw/recordings", good=False)
    expect(said.splitlines()[0], "gateway  the session: there is no chunk", "verify, where nothing is recorded")
    expect("Unable to write" in machine.journal(), False, "the plugin cache is up to date")
    say("boot again: active, and nothing was lost that anybody had recorded")


def removed(machine: Machine) -> None:
    machine.inside("dpkg", "-r", "hoopgw")
    expect(machine.system("is-active", "hoopgw-postgresql.socket"), "inactive", "the socket after a removal")
    expect((machine.root / "etc/hoopgw/hoopgw.toml").exists(), True, "conffiles after a removal")
    machine.inside("dpkg", "-P", "hoopgw")
    left = [str(path) for path in (machine.root / "etc/hoopgw", machine.root / "usr/lib/hoopgw") if path.exists()]
    expect(left, [], "what a purge leaves")
    expect((machine.root / "var/lib/hoopgw/recordings").exists(), True, "recordings after a purge")
    say("remove and purge: nothing left but recordings, index and their keys")


@contextmanager
def machine_of(root: Path) -> Iterator[Machine]:
    machine = Machine(root)
    try:
        machine.boot()
        try:
            yield machine
        finally:
            machine.off()
    finally:
        machine.gone()


def main(package: Path) -> int:
    if os.geteuid() != 0:
        say("as root: a container is booted")
        return 2
    try:
        root = clean_root()
        installed(root, package)
        with machine_of(root) as machine:
            try:
                for part in (first_start, reload, restart, watchdog, killed):
                    part(machine)
                upgrade(machine, package)
                again(machine)
                removed(machine)
            except Wrong:
                with suppress(Wrong):
                    say(machine.journal()[-4000:])
                raise
    except Wrong as error:
        say(f"wrong: {error}")
        return 1
    finally:
        shutil.rmtree(CACHE / "root", ignore_errors=True)
    say("all of it as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

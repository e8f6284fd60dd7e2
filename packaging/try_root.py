"""A clean root of Debian with the package in it, for the trials: made once in .cache, copied for each."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from trying import TREE, Wrong, contains, expect, run, say

CACHE = TREE / ".cache/try"
# what a target, an issuer and a client need is there beside the gateway; the gateway needs none of it
PACKAGES = (
    "systemd,systemd-sysv,dbus,ca-certificates,iproute2,procps"
    ",postgresql,postgresql-client,openssh-server,openssh-client,softhsm2,opensc"
)
TARGET_PORT = 5433  # the gateway has 5432
RELEASES = {"12": "bookworm", "13": "trixie"}
PACKAGE = "/root/hoopgw.deb"  # in the machine
PEER = "try_peer.py"
# What only some configurations use (vaults, tokens, OAuth, a shared store) has its libraries as well
EVERY_MODULE = """\
import importlib, pkgutil, hoopgw
for module in pkgutil.walk_packages(hoopgw.__path__, "hoopgw."):
    importlib.import_module(module.name)
"""
PEER_UNIT = f"""\
[Unit]
Description=an issuer of tokens, for this trial
Before=hoopgw.service
[Service]
ExecStart=/usr/lib/hoopgw/bin/python -I /root/try/{PEER} /root/try
[Install]
WantedBy=multi-user.target
"""


def release_of(package: Path) -> str:
    """The release whose Python it is made for."""
    found = re.search(r"\+deb(\d+)", package.name)
    return RELEASES[found[1] if found else "12"]


def base_root(release: str, more: str = "") -> Path:
    """Without the package.  `more` are other packages, by commas."""
    base = CACHE / f"base-{release}{'-' + more.replace(',', '-') if more else ''}"
    include = f"{PACKAGES},{more}" if more else PACKAGES
    complete = base / "complete"
    if complete.exists() and complete.read_text() == include:
        return base
    say(f"a clean root of {release} ...")
    shutil.rmtree(base, ignore_errors=True)
    base.parent.mkdir(parents=True, exist_ok=True)
    run("debootstrap", "--variant=minbase", f"--include={include}", release, base)
    complete.write_text(include)
    return base


def root_with(package: Path, name: str, more: str = "") -> Path:
    """A copy with the package installed and, beside it, the peers of this trial ready to start."""
    root = CACHE / name
    shutil.rmtree(root, ignore_errors=True)
    run("cp", "-a", "--reflink=auto", base_root(release_of(package), more), root)
    as_this_machine_reaches_its_mirror(root)
    (root / "etc/machine-id").write_text("")
    (root / "etc/hosts").write_text("127.0.0.1 localhost hoop\n::1 localhost hoop\n")
    (root / "etc/hostname").write_text("hoop\n")
    _installed(root, package)
    _peers(root)
    return root


def as_this_machine_reaches_its_mirror(root: Path) -> None:
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    for path in Path("/etc/apt/apt.conf.d").glob("*proxy*"):
        shutil.copy(path, root / "etc/apt/apt.conf.d")


def _installed(root: Path, package: Path) -> None:
    shutil.copy(package, root / PACKAGE.lstrip("/"))
    run("chroot", root, "apt-get", "update", "-q")
    run("chroot", root, "apt-get", "install", "-y", "-q", "--no-install-recommends", PACKAGE)
    expect((root / "etc/hoopgw/tls/gateway.key").stat().st_mode & 0o777, 0o600, "mode of the key")
    expect(run("chroot", root, "hoopgw", "check").strip(), "No mistakes.", "hoopgw check")
    contains(run("chroot", root, "hoopgw", "--version"), "0.", "hoopgw --version")
    run("chroot", root, "/usr/lib/hoopgw/bin/python", "-I", "-c", EVERY_MODULE)
    size = run("chroot", root, "du", "-sm", "/usr/lib/hoopgw").split()[0]
    say(f"installed: {package.stat().st_size / 1e6:.1f} MB, {size} MB unpacked")


def _peers(root: Path) -> None:
    place = root / "root/try"
    place.mkdir()
    shutil.copy(TREE / "packaging" / PEER, place / PEER)
    (root / "etc/systemd/system/try-issuer.service").write_text(PEER_UNIT)
    run("chroot", root, "systemctl", "enable", "try-issuer.service")
    [configured] = (root / "etc/postgresql").glob("*/main/postgresql.conf")
    with configured.open("a") as file:
        file.write(f"port = {TARGET_PORT}\nssl = on\n")
        file.write("ssl_cert_file = '/etc/postgresql/try.pem'\nssl_key_file = '/etc/postgresql/try.key'\n")
    run("chroot", root, "/usr/lib/hoopgw/bin/python", "-I", f"/root/try/{PEER}", "/root/try", "make")
    if not (root / "etc/postgresql/try.key").exists():
        raise Wrong("the peers' certificates were not made")

"""For `hoopgw doctor`: systemd's units, and what somebody's drop-in has made of them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from hoopgw.cli.finding import Finding
from hoopgw.model.settings import Settings

PATIENCE = 5.0  # seconds for each question to systemd
SERVICE = "hoopgw.service"
SOCKETS = ("hoopgw-postgresql.socket", "hoopgw-ssh.socket", "hoopgw-https.socket")
AT_BOOT = (SERVICE, "hoopgw-retention.timer")  # a socket of a protocol that nobody uses may well be disabled
UNITS = (SERVICE, *SOCKETS, "hoopgw-retention.timer")
SYSTEMCTL, ANALYZE = "/usr/bin/systemctl", "/usr/bin/systemd-analyze"
SHOWN = (
    "LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,DropInPaths,User"
    ",RuntimeDirectoryPreserve,TimeoutStopUSec,MemoryMax,MemorySwapMax"
)
EXPOSED = 1.5  # of `systemd-analyze security`; the unit as it is shipped has 1.1
BESIDE_SPOOL = 128 * 2**20  # bytes of memory that the gateway takes, with nobody there, beside its spool
EDIT = "`systemctl edit hoopgw`, and restart"
_SECONDS = {"y": 31557600, "month": 2629800, "w": 604800, "d": 86400, "h": 3600, "min": 60, "s": 1, "ms": 1e-3}
_SPAN = re.compile(r"(\d+)(y|month|w|d|h|min|s|ms)")
_CREDENTIAL = re.compile(r"^LoadCredential=([^:\s]+):(\S+)$", re.MULTILINE)
_GIVEN = re.compile(r"^(LoadCredential|SetCredential|ImportCredential)(?:Encrypted)?=(.*)$", re.MULTILINE)
_EXPOSURE = re.compile(r"exposure level for \S+: ([0-9.]+)")


def units(settings: Settings) -> Iterator[Finding]:
    """Of those that are installed; nothing where systemd does not run."""
    if not Path("/run/systemd/system").is_dir():
        return
    for unit in UNITS:
        state = _shown(unit)
        if state.get("LoadState") == "loaded":
            yield _active(unit, state)
            yield from _taken_up(unit, state)
            if unit == SERVICE:
                yield from overridden(state, settings)
                yield from exposed(_ran(ANALYZE, "security", "--no-pager", SERVICE))


def _active(unit: str, state: Mapping[str, str]) -> Finding:
    active = state.get("ActiveState", "")
    fix = "" if active == "active" else f"systemctl status {unit}"
    if fix and unit in SOCKETS:
        fix += f"; if another service has its port: that one elsewhere, then systemctl restart {SERVICE}"
    drop_ins = state.get("DropInPaths", "")
    said = f"{active} ({state.get('SubState', '')})"
    return Finding(unit, f"{said}, changed by {drop_ins}" if drop_ins else said, fix)


def _taken_up(unit: str, state: Mapping[str, str]) -> Iterator[Finding]:
    if state.get("NeedDaemonReload") == "yes":
        yield Finding(unit, "its files are newer than what systemd goes by", "systemctl daemon-reload, and restart it")
    if unit in AT_BOOT and state.get("UnitFileState") == "disabled":
        yield Finding(unit, "is disabled: the next boot does not start it", f"systemctl enable {unit}")


def overridden(state: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """What a drop-in may have changed so that a promise no longer holds.  `state` is as `systemctl show` has it."""
    stop, drain = seconds(state.get("TimeoutStopUSec", "infinity")), settings.limits.drain
    if stop <= drain:
        said = f"systemd kills it {stop:g} s after the wish to stop, and [limits] drain is {drain:g} s"
        yield Finding(SERVICE, said, f"TimeoutStopSec= well above that, by {EDIT}")
    most = state.get("MemoryMax", "infinity")
    if most.isdigit() and int(most) < settings.recordings.spool + BESIDE_SPOOL:
        said = f"may have {int(most) / 2**20:.0f} MiB of memory, and the spool alone takes "
        said += f"{settings.recordings.spool / 2**20:.0f} MiB"
        yield Finding(SERVICE, said, f"MemoryMax= by {EDIT}, or a smaller [recordings] spool")
    if state.get("MemorySwapMax", "0") != "0":
        yield Finding(SERVICE, "may be swapped out: results and credentials on the disk", f"MemorySwapMax=0 by {EDIT}")
    if state.get("RuntimeDirectoryPreserve", "yes") != "yes" and not settings.recordings.spool_directory:
        said = "/run/hoopgw goes with the service, and with it what a killed gateway had not yet written"
        yield Finding(SERVICE, said, f"RuntimeDirectoryPreserve=yes by {EDIT}")
    if state.get("User", "hoopgw") in ("", "root", "0"):
        yield Finding(SERVICE, "runs as root", f"User=hoopgw by {EDIT}")


def exposed(said: str) -> Iterator[Finding]:
    """What `systemd-analyze security` says; nothing where it says nothing."""
    found = _EXPOSURE.search(said)
    if found is not None:
        fix = f"systemctl cat {SERVICE} shows which drop-in opens it" if float(found[1]) >= EXPOSED else ""
        yield Finding(SERVICE, f"systemd-analyze security: {found[1]}, less than {EXPOSED} is wanted", fix)


def seconds(span: str) -> float:
    """Of a time span as systemd writes it, as "1min 30s"; what is none of them is for ever."""
    parts = _SPAN.findall(span)
    return sum(int(number) * _SECONDS[unit] for number, unit in parts) if parts else float("inf")


def credential_sources() -> dict[str, Path]:
    """What systemd hands over: the name of each LoadCredential= -> its file, or a directory of such files."""
    if not Path("/run/systemd/system").is_dir():
        return {}
    return sources_in(_ran(SYSTEMCTL, "cat", SERVICE))


def sources_in(unit: str) -> dict[str, Path]:
    return {name: Path(path) for name, path in _CREDENTIAL.findall(unit) if path.startswith("/")}


def goes_by(path: str) -> str:
    """The service's unit with its drop-ins; "" where there is none that starts with the configuration at `path`."""
    if not Path("/run/systemd/system").is_dir():
        return ""
    unit = _ran(SYSTEMCTL, "cat", SERVICE)
    return unit if re.search(rf"^ExecStart=.* --config {re.escape(path)}\s*$", unit, re.MULTILINE) else ""


def starts(path: str) -> bool:
    """Whether systemd runs the gateway of the configuration at `path`, or will any moment: also between two tries."""
    return bool(goes_by(path)) and _shown(SERVICE).get("ActiveState") not in (None, "inactive", "failed")


def credential_names(unit: str) -> frozenset[str] | None:
    """Of all that the service gets (systemd.exec(5), Credentials); None where `unit` alone does not say it."""
    names: dict[str, set[str]] = {}
    for kind, given in _GIVEN.findall(unit):
        name, _, place = given.partition(":")
        if kind == "ImportCredential" or set(given) & set("%\"'\\"):  # a pattern, or what only systemd can read
            return None
        source = Path(place)
        if not name:  # takes back what was said before
            names[kind] = set()
        elif kind == "LoadCredential" and source.is_absolute() and source.is_dir():
            found = {f"{name}_{'_'.join(each.relative_to(source).parts)}" for each in source.rglob("*")}
            names.setdefault(kind, set()).update(found)
        else:
            names.setdefault(kind, set()).add(name)
    return frozenset().union(*names.values())


def port_of(unit: str) -> int | None:
    """Where a socket unit listens; None where no systemd says it."""
    return port_in(_ran(SYSTEMCTL, "show", "-p", "Listen", unit))


def port_in(shown: str) -> int | None:
    found = re.search(r"^Listen=\S*:(\d+) \(Stream\)", shown, re.MULTILINE)
    return int(found[1]) if found is not None else None


def _shown(unit: str) -> dict[str, str]:
    said = _ran(SYSTEMCTL, "show", "-p", SHOWN, unit)
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)


def _ran(*command: str) -> str:
    """What it printed; nothing where it could not be asked."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout

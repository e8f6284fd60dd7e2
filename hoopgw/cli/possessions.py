"""For `hoopgw doctor`: the gateway's own keys, and how much the running gateway may take."""

from __future__ import annotations

import os
import re
import socket
import stat
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from hoopgw.auth.pkcs11_uri import key_uri
from hoopgw.cli.finding import Finding
from hoopgw.config_signing import SigningKeys, tokens_of
from hoopgw.model.errors import OperatorError, PinRefused, SecretUnavailable
from hoopgw.model.settings import Settings

PER_SESSION = 2  # descriptors: one to the client, one to the target
PATIENCE = 5.0  # seconds for the admin socket


def key_modes(state: Path) -> Iterator[Finding]:
    """Every file below `state`/keys: private, and of the user whom `state` belongs to."""
    try:
        owner = state.stat().st_uid
        found = [(path, path.lstat()) for path in sorted((state / "keys").rglob("*")) if not path.is_dir()]
    except FileNotFoundError:  # nothing was started yet
        return
    except PermissionError:
        yield Finding("keys", f"{state}/keys may not be looked at by you: root may")
        return
    wrong = [*_wrong(state, state.stat(), owner)]
    for path, status in found:
        if path.suffix != ".pub":
            wrong += _wrong(path, status, owner)
    yield from wrong
    if not wrong:
        yield Finding("keys", f"{len(found)} files in {state}/keys, each for its owner alone")


def handed_over(sources: Mapping[str, Path]) -> Iterator[Finding]:
    """The files that systemd reads as root and hands to the service: nobody else needs them."""
    for source in sources.values():
        try:
            found = [each for each in (source, *_inside(source)) if stat.S_IMODE(each.stat().st_mode) & 0o077]
        except OSError:  # the service does not start without it, and says so; or who asks may not look
            continue
        for path in found:
            yield Finding("credentials", f"{path} is open to others", f"chmod go= {path}")


def _inside(source: Path) -> list[Path]:
    return sorted(path for path in source.iterdir() if path.is_file()) if source.is_dir() else []


def keys_in_tokens(settings: Settings, keys: SigningKeys) -> Iterator[Finding]:
    """Each has signed, or says why not.  A PIN that was wrong once is not tried again."""
    for reference in dict.fromkeys(tokens_of(settings)):
        uri = key_uri(str(reference))
        name = f"token {uri.token or uri.serial}"
        try:
            keys.token_key(reference)
        except PinRefused as error:
            yield Finding(name, str(error), f"the right PIN in {uri.pin}; the token may have locked itself by now")
        except SecretUnavailable as error:
            yield Finding(name, str(error), "as root, or as the user of the service, who may read its PIN")
        except OperatorError as error:
            yield Finding(name, str(error), "is it there, does the service reach it, do the names fit? docs/secrets.md")
        else:
            yield Finding(name, f"key {uri.object or uri.id.hex()} signs")


def _wrong(path: Path, status: os.stat_result, owner: int) -> Iterator[Finding]:
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        yield Finding("keys", f"{path} is open to others (mode {mode:03o})", f"chmod go= {path}")
    if status.st_uid != owner:
        yield Finding("keys", f"{path} belongs to user {status.st_uid}, not {owner}", f"chown {owner} {path}")


def descriptors(admin: str, max_sessions: int) -> Iterator[Finding]:
    """Whether the process behind the admin socket may open what [limits] max_sessions needs."""
    try:
        limit = _limit(admin)
    except (OSError, ValueError):  # no gateway, which is a finding of its own, or one in another container
        return
    needed = PER_SESSION * max_sessions
    fix = "" if limit >= needed else "LimitNOFILE= by `systemctl edit hoopgw`, or fewer [limits] max_sessions"
    yield Finding("limits", f"{limit} descriptors for {max_sessions} sessions, which need {needed}", fix)


def _limit(admin: str) -> int:
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(PATIENCE)
        channel.connect(admin)
        pid, _, _ = struct.unpack("3i", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    found = re.search(r"^Max open files\s+(\d+)", Path(f"/proc/{pid}/limits").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError("no such line")
    return int(found[1])

"""For `hoopgw doctor`: the gateway that runs, and whether it goes by what the files say."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from hoopgw import __version__
from hoopgw.cli.finding import Finding
from hoopgw.cli.reaching import MAX_BODY, PATIENCE
from hoopgw.config_secrets import AT_START

RELOAD, RESTART = "systemctl reload hoopgw", "systemctl restart hoopgw"
SHOWN = 400  # characters of why a reload was refused; the event has all


def running(path: str, policy: str = "", named: str = "") -> Iterator[Finding]:
    """`path` is that of the admin socket, `named` the one in the files; `policy` the digest of the files, "" where they
    have mistakes."""
    try:
        said = health(path)
    except PermissionError:
        yield Finding("gateway", f"{path} may not be opened by you", "as root, or as a member of the group hoopgw")
        return
    except (OSError, ValueError, http.client.HTTPException) as error:
        yield Finding("gateway", f"does not answer at {path}: {error}", "systemctl status hoopgw; journalctl -u hoopgw")
        return
    if not said.get("healthy"):
        yield Finding("gateway", f"is not well: {said.get('reason', '')}", "docs/troubleshooting.md")
    elif said.get("version") != __version__:
        yield Finding("gateway", f"is still {said.get('version')}, and {__version__} is installed", RESTART)
    else:
        yield Finding("gateway", f"{said.get('version')}, {said.get('sessions')} sessions")
    for what, why in said.get("behind", {}).items():
        yield Finding(what, f"cannot be written, and is written later: {why}", "docs/troubleshooting.md")
    if "retention" in said:
        yield Finding("retention", str(said["retention"]), "timedatectl; docs/operations.md, Retention")
    if named and path != named:
        words = f"the gateway still answers at {path}; {named} of the files is taken up by a start only"
        yield Finding("admin socket", words, RESTART)
    yield from in_force(said, policy)


def in_force(said: Mapping[str, Any], policy: str) -> Iterator[Finding]:
    """Of what `/v1/health` says."""
    refused, waiting = said.get("refused"), said.get("restart")
    if isinstance(refused, dict):
        why = " ".join(str(refused.get("reason", "")).split())
        mended = f"the files have no mistakes now: {RELOAD}" if policy else f"hoopgw check; then {RELOAD}"
        mended = RESTART if policy and AT_START in why else mended
        why = f"{why[:SHOWN]} …" if len(why) > SHOWN else why
        words = f"the last one was refused at {refused.get('at')}, and the configuration before it is in force"
        yield Finding("reload", f"{words}: {why}", mended)
    elif policy and said.get("policy") != policy:
        yield Finding("reload", "targets, grants or rules of the files are not those in force", RELOAD)
    elif policy:
        yield Finding("reload", "targets, grants and rules in force are those of the files")
    if waiting:
        keys = ", ".join(map(str, waiting))
        yield Finding("restart", f"changed in the files, and taken up by a start only: {keys}", RESTART)


def health(path: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection("admin", timeout=PATIENCE)
    with socket.socket(socket.AF_UNIX) as admin:
        admin.settimeout(PATIENCE)
        admin.connect(path)
        connection.sock = admin
        connection.request("GET", "/v1/health")
        body = json.loads(connection.getresponse().read(MAX_BODY))
    if not isinstance(body, dict):
        raise ValueError("its answer is no object")
    return body

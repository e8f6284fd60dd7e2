"""Makes the running gateway take up what was written, and looks whether it did."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import struct
import time
from typing import Any

from hoopgw.cli.finding import Finding
from hoopgw.config_secrets import AT_START

PATIENCE = 5.0  # seconds for one answer
TAKEN = 30.0  # seconds until a reload is done: secrets and certificates are read again
MAX_BODY = 1 << 20
START = "systemctl start hoopgw, or twistd --nodaemon hoopgw --config FILE"


def reload_gateway(admin: str, known: int = 0) -> Finding:
    """By SIGHUP to whoever listens at the admin socket; good when it says that it has loaded once more.

    `known` is the gateway's process, 0 where that is to be found out: it is told also where the socket is elsewhere, so
    that what came of it cannot be seen.
    """
    try:
        pid, before = _asked(admin)
    except PermissionError:
        return Finding("reload", f"{admin} may not be opened by you", "as root: systemctl reload hoopgw")
    except (OSError, ValueError, http.client.HTTPException) as error:
        if known:
            words = f"the gateway was told; what came of it says its journal, for none answers at {admin} ({error})"
            return _told(known) or Finding("reload", words)
        return Finding("reload", f"no gateway answers at {admin} ({error})", START)
    if "loaded" not in before or pid <= 0 or known not in (0, pid):
        return Finding("reload", "the running gateway is of another version or container", "systemctl restart hoopgw")
    return _told(pid) or _taken(admin, before)


def _told(pid: int) -> Finding | None:
    """None: it was."""
    try:
        os.kill(pid, signal.SIGHUP)
    except PermissionError:
        return Finding("reload", f"the gateway, process {pid}, is another user's", "as root: systemctl reload hoopgw")
    except ProcessLookupError:
        return Finding("reload", f"the gateway, process {pid}, has just ended", START)
    return None


def _taken(admin: str, before: dict[str, Any]) -> Finding:
    deadline = time.monotonic() + TAKEN
    while time.monotonic() < deadline:
        try:
            _, now = _asked(admin)
        except TimeoutError:  # it takes its files up on a busy machine
            continue
        except (OSError, ValueError, http.client.HTTPException) as error:
            return Finding("reload", f"the gateway does not answer any more ({error})", "journalctl -u hoopgw")
        if now["loaded"] != before["loaded"]:
            waiting = ", ".join(map(str, now.get("restart", ())))
            more = f"; a start only takes up: {waiting}" if waiting else ""
            return Finding("reload", f"the running gateway has taken it up{more}")
        if now["kept"] != before["kept"]:
            why = now.get("refused", {}).get("reason", "")
            fix = "systemctl restart hoopgw" if AT_START in why else "mend that: hoopgw check"
            return Finding("reload", f"the gateway keeps its old configuration: {why}", fix)
        time.sleep(0.1)
    return Finding("reload", f"the gateway did not take it up within {TAKEN:g} s", "journalctl -u hoopgw")


def _asked(admin: str) -> tuple[int, dict[str, Any]]:
    """Who listens there, and what it says of its health."""
    connection = http.client.HTTPConnection("admin", timeout=PATIENCE)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(admin)
        pid, _, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        connection.sock = sock
        connection.request("GET", "/v1/health")
        body = json.loads(connection.getresponse().read(MAX_BODY))
    if not isinstance(body, dict):
        raise ValueError("its answer is no object")
    return pid, body

"""For `hoopgw doctor`: whether an address is reached, and what is there at a URL."""

from __future__ import annotations

import http.client
import socket
import ssl
from urllib.parse import urlsplit

from hoopgw.cli.finding import Finding

PATIENCE = 5.0  # seconds for each question to the network
MAX_BODY = 1 << 20  # bytes of an answer


def place(url: str) -> tuple[str, int]:
    """(host, port)."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def reached(name: str, host: str, port: int) -> Finding:
    where = f"{host}:{port}"
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return Finding(name, f"{host} has no address: {error.strerror}", "DNS (/etc/resolv.conf), or the spelling")
    try:
        socket.create_connection((host, port), PATIENCE).close()
    except OSError as error:
        return Finding(name, f"{where}: {error.strerror or error}", "does it run; a firewall between here and there?")
    return Finding(name, f"{where} is reached")


def fetched(url: str, ca: str) -> tuple[int, str | None, bytes]:
    """(status, Date, body) of a GET.  Follows no redirect, as the gateway does not.  Raises OSError, HTTPException."""
    host, port = place(url)
    parts = urlsplit(url)
    connection: http.client.HTTPConnection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=ca or None)
        connection = http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=context)
    try:
        connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""))
        answer = connection.getresponse()
        return answer.status, answer.getheader("Date"), answer.read(MAX_BODY)
    finally:
        connection.close()

"""Talks to a running gateway over its admin socket: HTTP/1.1 on a UNIX socket, with the caller's own token."""

from __future__ import annotations

import http.client
import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

import click

DEADLINE = 60.0  # seconds for one answer's next bytes
PIECE = 256 * 1024
MAX_TOKEN = 64 * 1024  # bytes: more than the gateway takes


class Refused(click.ClickException):
    """The gateway said no; exit status 1."""

    exit_code = 1


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=DEADLINE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(self._path)


def read_token() -> str:
    """The caller's token: HOOPGW_TOKEN, itself or as `file:PATH` (a file that only its owner may read)."""
    value = os.environ.get("HOOPGW_TOKEN", "")
    if not value:
        raise click.UsageError(
            "this needs a token: set HOOPGW_TOKEN to one of a configured issuer, or to file:PATH of a file with it"
        )
    if not value.startswith("file:"):
        return _token(value, "HOOPGW_TOKEN")
    path = Path(value.removeprefix("file:"))
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise click.UsageError(f"{path} holds a token and others may read it: chmod 600 {path}")
        with path.open("rb") as file:
            return _token(file.read(MAX_TOKEN + 1).decode("latin-1"), str(path))
    except OSError as error:
        raise click.UsageError(f"the token file {path} cannot be read: {error.strerror}") from error


def _token(text: str, place: str) -> str:
    """Raises UsageError for what cannot be one; its words never show it: it may be another secret."""
    token = text.strip()
    if len(token) > MAX_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise click.UsageError(f"what {place} holds is not a token: one line of base64url and dots")
    return token


def segment(text: str) -> str:
    """A name of the caller's as one part of a path: it names nothing else, whatever is in it."""
    return quote(text, safe="")


class Gateway:
    """One running gateway, named by its admin socket."""

    def __init__(self, path: str) -> None:
        self._path = path

    def get(self, path: str, **query: str | int | float | None) -> Any:
        given = {name: value for name, value in query.items() if value not in (None, "")}
        return self._json("GET", f"{path}?{urlencode(given)}" if given else path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._json("POST", path, json.dumps(body).encode())

    def stream(self, path: str) -> Iterator[bytes]:
        """The answer's body, piece by piece; the caller need not hold it whole."""
        response = self._ask("GET", path, None)
        while piece := self._read(response, PIECE):
            yield piece

    def follow(self, path: str) -> Iterator[bytes]:
        """The same as it comes, which may take as long as it likes: a gateway that dies closes its socket."""
        response = self._ask("GET", path, None)
        cast(Any, response.fp).raw._sock.settimeout(None)
        while piece := self._came(response):
            yield piece

    @staticmethod
    def _came(response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read1(PIECE)
        except (OSError, http.client.HTTPException) as error:
            raise Refused("the gateway's answer ended early: what came of it is not whole") from error

    def _json(self, method: str, path: str, body: bytes | None) -> Any:
        return json.loads(self._read(self._ask(method, path, body)))

    def _read(self, response: http.client.HTTPResponse, size: int | None = None) -> bytes:
        try:
            return response.read(size)
        except (OSError, http.client.HTTPException) as error:
            raise Refused("the gateway's answer ended early: what came of it is not whole") from error

    def _ask(self, method: str, path: str, body: bytes | None) -> http.client.HTTPResponse:
        headers = {"Authorization": f"Bearer {read_token()}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = _UnixConnection(self._path)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise Refused(
                f"the gateway's admin socket {self._path} does not answer ({_why(error)}): is it running, "
                "and may you open it?"
            ) from error
        if response.status >= 400:
            raise Refused(_said(response))
        return response


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _said(response: http.client.HTTPResponse) -> str:
    try:
        return cast(str, json.loads(response.read(64 * 1024))["error"])
    except (ValueError, KeyError, TypeError):
        return f"the gateway answered {response.status} {response.reason}"

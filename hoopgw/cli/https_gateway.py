"""Asks a gateway's own pages over HTTPS, with the caller's own token: from a host that is not the gateway's."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from typing import Any

import click

from hoopgw.cli.socket_client import Refused, read_token
from hoopgw.model.escaping import escaped

DEADLINE = 30.0  # seconds for the connection, and for each read of the answer
MAX_ANSWER = 256 * 1024  # bytes: a certificate that says all that a token can say is a quarter of it


def post(gateway: str, path: str, body: dict[str, Any], ca: str | None, option: str = "--gateway") -> dict[str, Any]:
    """The answer's object.  `ca` is a file of the certificates that are trusted, None for the system's.

    Raises Refused with the gateway's own words, ClickException where it cannot be asked, UsageError for an address
    to which no token goes (`option` is where it was given).
    """
    if not gateway.startswith("https://"):
        raise click.UsageError(f"{option} wants https://GATEWAY: a token goes there")
    headers = {"Authorization": f"Bearer {read_token()}", "Content-Type": "application/json"}
    try:
        context = ssl.create_default_context(cafile=ca)
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _NoRedirect())
        request = urllib.request.Request(  # noqa: S310  # https, as was looked at
            gateway.rstrip("/") + path, json.dumps(body).encode(), headers, method="POST"
        )
        with opener.open(request, timeout=DEADLINE) as answer:
            return _object(gateway, answer.read(MAX_ANSWER + 1))
    except urllib.error.HTTPError as error:
        with error:
            raise Refused(f"{gateway} says no: {_why(error)}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        why = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise click.ClickException(f"{gateway} cannot be asked: {escaped(why)}") from error


def _object(gateway: str, text: bytes) -> dict[str, Any]:
    """Raises ClickException: something else may answer at this address."""
    try:
        found = json.loads(text) if len(text) <= MAX_ANSWER else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise click.ClickException(f"what answers at {gateway} is no gateway")
    return found


def _why(error: urllib.error.HTTPError) -> str:
    """The `detail` of a problem (RFC 9457), or the bare status of what is no gateway."""
    try:
        said = json.loads(error.read(MAX_ANSWER))["detail"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, http.client.HTTPException):
        said = error.reason
    return f"{error.code} {escaped(said)}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token goes to the gateway alone."""

    def redirect_request(self, *_: Any) -> None:
        return None

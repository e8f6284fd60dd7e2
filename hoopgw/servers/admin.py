"""The admin interface: HTTP and JSON on a UNIX socket.  Opening the socket proves no identity; each call has a token.

====================================  ======  =========================================================
path                                  right   what
====================================  ======  =========================================================
GET  /v1/health                       none    whether the gateway takes sessions; 503 where it does not
GET  /metrics                         none    Prometheus text
GET  /v1/sessions?...                 list    the index, newest first
GET  /v1/sessions/ID                  list    one session
GET  /v1/sessions/ID/recording        view    its journal, as stored; of a live session: up to now
GET  /v1/sessions/ID/watch            view    the same of a live session, and what comes until it ends
POST /v1/sessions/ID/kill             kill    ends it: {"reason": "..."}
GET  /v1/approvals?state=             (own)   holds that the caller made or may decide; with `view`: all
GET  /v1/approvals/ID                 (own)   one of them
POST /v1/approvals/ID/approve         (rule)  {"reason": "..."}; the rule's `approvers` decide who may
POST /v1/approvals/ID/deny            (rule)  the same
POST /v1/ssh-cert                     (own)   {"key": "ssh-ed25519 AAAA…"} -> its certificate for the token's owner
====================================  ======  =========================================================

Errors are {"error": "..."} with 400, 401, 403, 404, 413 or 503.
"""

# mypy: allow-untyped-calls
# (methods of Twisted's own resources are untyped)

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, cast

from prometheus_client import generate_latest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from zope.interface import implementer

from hoopgw.model.errors import LoginRefused, NotAllowed, OperatorError
from hoopgw.model.secret import Secret
from hoopgw.servers.admin_calls import Admin, BadRequest, NotFound

MAX_BODY = 64 * 1024  # bytes: a reason, and room
LOOK = 0.2  # seconds between looks for what a live recording has more


# ---- HTTP


class BoundedRequest(Request):
    """Refuses a body before it is read."""

    def gotLength(self, length: int | None) -> None:
        if length is None or length > MAX_BODY:
            self.channel.loseConnection()  # nothing of ours sends such a body
            length = 0
        super().gotLength(length)


class AdminResource(Resource):
    """Every path of the interface."""

    isLeaf = True
    _log = Logger()

    def __init__(self, admin: Admin) -> None:
        super().__init__()
        self._admin = admin

    def render(self, request: Request) -> Any:
        Deferred.fromCoroutine(self._answer(request)).addErrback(
            lambda failure: self._log.failure("the admin interface failed", failure=failure)
        )
        return NOT_DONE_YET

    async def _answer(self, request: Request) -> None:
        gone: list[Any] = []
        request.notifyFinish().addErrback(gone.append)
        try:
            status, body = 200, await self._route(request)
        except (BadRequest, LoginRefused, NotAllowed, NotFound, OperatorError) as error:
            status, body = _status(error), {"error": str(error)}
        except Exception as error:
            self._log.failure("the admin interface failed")
            status, body = 500, {"error": f"the gateway failed: {type(error).__name__}"}
        if gone:
            return
        if isinstance(body, dict):
            request.setHeader(b"content-type", b"application/json")
            request.setResponseCode(status)
            request.write(json.dumps(body).encode())
            request.finish()
        elif isinstance(body, bytes):
            request.write(body)
            request.finish()
        else:
            request.setHeader(b"content-type", b"application/octet-stream")
            Pieces(request, body).start()

    async def _route(self, request: Request) -> dict[str, Any] | bytes | Iterator[bytes]:
        admin, method = self._admin, request.method.decode("ascii", "replace")
        parts = request.path.decode("ascii", "replace").strip("/").split("/")
        given = cast(Any, request.args).items()
        query = {name.decode("utf-8", "replace"): values[-1].decode("utf-8", "replace") for name, values in given}
        if method == "GET" and parts == ["v1", "health"]:
            healthy, body = admin.health()
            request.setResponseCode(200 if healthy else 503)
            request.setHeader(b"content-type", b"application/json")
            return json.dumps(body).encode()
        if method == "GET" and parts == ["metrics"]:
            request.setHeader(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
            return generate_latest(admin.metrics)
        access = await admin.access(_token(request))
        match method, parts:
            case "GET", ["v1", "sessions"]:
                return await admin.sessions(access, query)
            case "GET", ["v1", "sessions", id]:
                return await admin.session(access, id)
            case "GET", ["v1", "sessions", id, "recording"]:
                return await admin.recording(access, id)
            case "GET", ["v1", "sessions", id, "watch"]:
                return await admin.watch(access, id)
            case "POST", ["v1", "sessions", id, "kill"]:
                return await admin.kill(access, id, _reason(request))
            case "GET", ["v1", "approvals"]:
                return await admin.approvals(access, query)
            case "GET", ["v1", "approvals", id]:
                return await admin.approval(access, id)
            case "POST", ["v1", "approvals", id, "approve" | "deny" as word]:
                return await admin.decide(access, id, word, _reason(request))
            case "POST", ["v1", "ssh-cert"]:
                return await admin.certificate(access, _said(request, "key"))
        raise NotFound("there is no such address")


@implementer(IPushProducer)
class Pieces:
    """Sends an iterator's pieces as the client takes them; one piece a turn of the reactor.

    An empty piece: there will be more, and not now.
    """

    _log = Logger()

    def __init__(self, request: Request, pieces: Iterator[bytes]) -> None:
        self._request = request
        self._pieces = pieces
        self._paused = False
        self._scheduled = False
        self._ended = False

    def start(self) -> None:
        self._request.registerProducer(self, True)
        self._schedule()

    def _schedule(self, seconds: float = 0) -> None:
        if not (self._paused or self._scheduled or self._ended):
            self._scheduled = True
            cast(Any, self._request.channel).transport.reactor.callLater(seconds, self._next)

    def _next(self) -> None:
        self._scheduled = False
        if self._ended:
            self._close()
            return
        try:
            piece = next(self._pieces, None)
        except Exception:  # an answer without its end tells the client that it is not whole
            self._log.failure("a recording could not be read to its end")
            self._ended = True
            self._request.unregisterProducer()
            cast(Any, self._request.channel).loseConnection()
            return
        if piece is None:
            self._ended = True
            self._request.unregisterProducer()
            self._request.finish()
            return
        if piece:
            self._request.write(piece)
        self._schedule(0 if piece else LOOK)

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._schedule()

    def stopProducing(self) -> None:
        self._ended = True
        if not self._scheduled:
            self._close()

    def _close(self) -> None:
        """The viewer has gone: files are closed now, and not when the garbage is collected."""
        if isinstance(self._pieces, Generator):
            self._pieces.close()


def _token(request: Request) -> Secret | None:
    values = request.requestHeaders.getRawHeaders(b"authorization") or []
    if len(values) != 1 or values[0][:7].lower() != b"bearer ":
        return None
    return Secret(values[0][7:].strip())


def _reason(request: Request) -> str:
    return _said(request, "reason")


def _said(request: Request, name: str) -> str:
    """One text of the body; "" where it is not there."""
    try:
        said = json.loads(cast(Any, request.content).read(MAX_BODY) or b"{}")
    except ValueError:
        raise BadRequest("the body is not JSON") from None
    text = said.get(name, "") if isinstance(said, dict) else None
    if not isinstance(text, str):
        raise BadRequest(f'the body is {{"{name}": "..."}}')
    return text


def _status(error: Exception) -> int:
    kinds = ((BadRequest, 400), (LoginRefused, 401), (NotAllowed, 403), (NotFound, 404))
    return next((status for kind, status in kinds if isinstance(error, kind)), 503)


class AdminSite(Site):
    """Keeps no access log: what is done here is an event; a second log of another form would only mix with it."""

    noisy = False
    displayTracebacks = False

    def log(self, request: Any) -> None:
        """Takes the place of twisted.web's own."""


def admin_site(admin: Admin) -> Site:
    return AdminSite(AdminResource(admin), requestFactory=BoundedRequest)


def remove_stale_socket(endpoint: str) -> None:
    """A socket that a killed gateway left; one that somebody listens on is not touched."""
    path = endpoint.removeprefix("unix:").rpartition(":mode=")[0].replace("\\:", ":")
    Path(path).parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    if not (os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode)):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        else:
            raise OperatorError(f"somebody listens on {path} already: is another gateway running?")

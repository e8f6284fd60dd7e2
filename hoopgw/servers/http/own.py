"""What the gateway answers itself over HTTPS: the state of holds, words of approvers, the keys of its identity tokens.

====================================  =======================================================================
path                                  what
====================================  =======================================================================
GET  /holds/ID                        a hold that the caller made or may decide; anybody else learns nothing
POST /holds/ID/approve                {"reason": "..."}; the rule's `approvers` decide who may.  409: it came too late
POST /holds/ID/deny                   the same
GET  /.well-known/hoopgw/jwks.json    keys that verify X-Hoopgw-Identity (RFC 7517); needs no token
POST /.well-known/hoopgw/probes       what `hoopgw bypass probe` found on the caller's host: it becomes an event
POST /.well-known/hoopgw/ssh-cert     {"key": "ssh-ed25519 AAAA…"} -> its certificate for the token's owner, and its end
====================================  =======================================================================
"""

from __future__ import annotations

import json
from typing import Any, Final, cast

from twisted.cred.portal import Portal
from twisted.logger import Logger

from hoopgw.auth.access import AdminAccess, IAdminAccess
from hoopgw.auth.credentials import BearerToken, ClientCertificate
from hoopgw.auth.identity_tokens import IdentityTokens
from hoopgw.auth.penalties import Penalties
from hoopgw.model.answer import rfc3339
from hoopgw.model.errors import LoginRefused, NotAllowed, OperatorError, ProtocolViolation
from hoopgw.model.events import Code
from hoopgw.model.verdict import TAKEN
from hoopgw.relay import http_words as words
from hoopgw.relay.http_body import Body
from hoopgw.relay.http_origin import is_unasked, of_page
from hoopgw.relay.http_scope import route_of
from hoopgw.servers.certifying import Certifying
from hoopgw.session.holds import RETRY_AFTER, Holds
from hoopgw.session.interfaces import IEvents
from hoopgw.store.interface import Hold, HoldState
from hoopgw.wire.httphead import Request

MAX_BODY: Final = 64 * 1024  # bytes: a reason, and room
MAX_PROBES: Final = 64  # addresses in one event
MAX_NAME: Final = 256  # characters: a DNS name has 253
Shown = BearerToken | ClientCertificate | None  # by who asks
JSON: Final = b"application/json"
PROXY_CHALLENGE: Final = b'Proxy-Authenticate: Bearer realm="hoopgw"\r\nProxy-Authenticate: Basic realm="hoopgw"\r\n'


class OwnRequest:
    """One of them, until it is whole."""

    def __init__(self, read: Request, path: tuple[str, ...]) -> None:
        self.method = read.method.decode("ascii")
        self.route = route_of(read.block)
        self.path = path
        self._block = read.block
        self._framed = Body(read.block.framing, read.block.length)
        self._content = bytearray()

    def take(self, data: bytes) -> bool:
        """True: nothing of it is missing.  Raises WireError."""
        pieces: list[bytes] = []
        self._framed.take(data, 0, pieces)
        self._content += b"".join(pieces)
        if len(self._content) > MAX_BODY:
            raise ProtocolViolation(f"a body of more than {MAX_BODY} bytes")
        return self._framed.ended

    @property
    def body(self) -> bytes:
        return bytes(self._content)

    @property
    def of_page(self) -> bool:
        """A browser sends it for a page, whoever that is of, with a proof that nobody was asked for."""
        return self.method == "POST" and is_unasked(self.route) and of_page(self._block)


class OwnPages:
    """One for the gateway."""

    _log = Logger()

    def __init__(
        self,
        portal: Portal,
        holds: Holds,
        events: IEvents,
        penalties: Penalties,
        tokens: IdentityTokens,
        certifying: Certifying,
    ) -> None:
        self._portal = portal
        self._holds = holds
        self._events = events
        self._penalties = penalties
        self._tokens = tokens
        self._certifying = certifying

    async def answer(self, method: str, path: tuple[str, ...], shown: Shown, body: bytes, address: str) -> bytes:
        """A whole answer, after which the connection ends."""
        head = method == "HEAD"
        try:
            status, found = await self._route("GET" if head else method, path, shown, body, address)
        except LoginRefused as error:
            return words.failed(401, str(error), close=True, head=head, more=words.CHALLENGE)
        except NotAllowed as error:  # in the same words, whether it exists or not
            return words.failed(404 if method == "GET" else 403, str(error), close=True, head=head)
        except OperatorError as error:
            return words.failed(503, str(error), close=True, head=head)
        except ValueError as error:
            return words.failed(400, str(error), close=True, head=head)
        except Exception:
            self._log.failure("a page of the gateway's own failed")
            return words.failed(500, "the gateway failed", close=True, head=head)
        if not found:
            return words.failed(status, words.REASONS[status], close=True, head=head)
        more = b"Retry-After: %d\r\n" % RETRY_AFTER if found.get("state") == HoldState.WAITING.value else b""
        return words.answer(status, JSON, json.dumps(found).encode() + b"\n", more=more, close=True, head=head)

    async def _route(
        self, method: str, path: tuple[str, ...], credentials: Shown, body: bytes, address: str
    ) -> tuple[int, dict[str, Any]]:
        if path == (".well-known", "hoopgw", "jwks.json"):
            return (200, self._tokens.keys()) if method == "GET" else (405, {})
        if path == (".well-known", "hoopgw", "probes"):
            return await self._probed(credentials, body, address) if method == "POST" else (405, {})
        if path == (".well-known", "hoopgw", "ssh-cert"):
            return await self._certified(credentials, body, address) if method == "POST" else (405, {})
        if path[0] != "holds" or len(path) not in (2, 3):
            return 404, {}
        access = await self._access(credentials, address)
        if len(path) == 2:
            return (200, shown(await self._holds.one(path[1], access))) if method == "GET" else (405, {})
        if path[2] not in ("approve", "deny"):
            return 404, {}
        if method != "POST":
            return 405, {}
        decide = self._holds.approve if path[2] == "approve" else self._holds.deny
        hold = await decide(path[1], access, _reason(body))
        return 200 if hold.state.value in TAKEN[path[2]] else 409, shown(hold)

    async def _probed(self, credentials: Shown, body: bytes, address: str) -> tuple[int, dict[str, Any]]:
        access = await self._access(credentials, address)
        host, found = _probes(body)
        reached, unreachable, unknown = found[True], found[False], found[None]
        code = Code.BYPASS_OPEN if reached else Code.BYPASS_UNKNOWN if unknown else Code.BYPASS_CLOSED
        who = {"issuer": access.identity.issuer, "subject": access.identity.subject, "client": address, "host": host}
        self._events.emit(code, **who, reached=reached, unreachable=unreachable, unknown=unknown)
        return 200, {"reached": len(reached), "unreachable": len(unreachable), "unknown": len(unknown)}

    async def _certified(self, credentials: Shown, body: bytes, address: str) -> tuple[int, dict[str, Any]]:
        access = await self._access(credentials, address)
        said = _json(body)
        line = said.get("key") if isinstance(said, dict) else None
        if not isinstance(line, str):
            raise ValueError('the body is {"key": "ssh-ed25519 AAAA…"}')
        certificate, until = await self._certifying.certificate(access.identity, line, address)
        return 200, {"certificate": certificate, "expires": rfc3339(until)}

    async def _access(self, credentials: Shown, address: str) -> AdminAccess:
        """Raises LoginRefused, which is an event as on every other way in."""
        try:
            if credentials is None:
                raise LoginRefused("a token is needed: Authorization: Bearer", detail="no token")
            _, access, _ = await self._portal.login(credentials, None, IAdminAccess)
        except LoginRefused as error:
            if credentials is not None:
                self._penalties.failed(address)
            said = {"reason": str(error), "detail": error.detail}
            self._events.emit(Code.LOGIN_REFUSED, protocol="http", client=address, **said)
            raise
        self._penalties.succeeded(address)
        return cast(AdminAccess, access)


def shown(hold: Hold) -> dict[str, Any]:
    """What whoever asked, or may decide, reads of it."""
    return {
        "hold": hold.id,
        "state": hold.state.value,
        "target": hold.target,
        "role": hold.role,
        "subject": hold.subject,
        "guardrails": list(hold.guardrails),
        "reason": hold.reason,
        "operation": hold.shown,
        "kind": hold.details.get("kind", ""),
        "terminal": hold.details.get("terminal", False),
        "streams": hold.streams,
        "created": rfc3339(hold.created),
        "expires": rfc3339(hold.expires),
        "decided": [
            {"subject": word.subject, "approved": word.approved, "reason": word.reason, "at": rfc3339(word.at)}
            for word in hold.decided
        ],
    }


def _json(body: bytes) -> Any:
    """Raises ValueError."""
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("JSON of too many levels") from None


def _probes(body: bytes) -> tuple[str, dict[bool | None, list[str]]]:
    """Who says so; what could be reached, what could not, and (None) what could not be tried.  Raises ValueError."""
    said = _json(body)
    found: dict[bool | None, list[str]] = {True: [], False: [], None: []}
    try:
        host = said["host"]
        for each in said["probed"]:
            found[_truth(each["open"])].append(each["address"])
    except (KeyError, TypeError) as error:
        raise ValueError('the body is {"host": "...", "probed": [{"address": "HOST:PORT", "open": false}]}') from error
    names = [host, *found[True], *found[False], *found[None]]
    if len(names) > MAX_PROBES or not all(isinstance(name, str) and len(name) <= MAX_NAME for name in names):
        raise ValueError(f"at most {MAX_PROBES} names of at most {MAX_NAME} characters")
    return host, found


def _truth(said: object) -> bool | None:
    if said is not None and not isinstance(said, bool):  # 1 is no word for it, though Python says that it is True
        raise TypeError(said)
    return said


def _reason(body: bytes) -> str:
    said = _json(body or b"{}")
    reason = said.get("reason", "") if isinstance(said, dict) else None
    if not isinstance(reason, str):
        raise ValueError('the body is {"reason": "..."}')
    return reason

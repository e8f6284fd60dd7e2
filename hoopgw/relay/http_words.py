"""The gateway's own answers in HTTP: problem details (RFC 9457) that carry the object of a denial."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from hoopgw.model.answer import Decision, Denial
from hoopgw.model.errors import HeadTooLong, TargetTooLong, WireError
from hoopgw.model.escaping import escaped
from hoopgw.relay import http_grpc

TIMED_OUT: Final = "timed out"  # how a `target_gone` begins whose cause is time
RESET: Final = "reset"  # and one where the target did not end the connection, but broke it
STATUSES: Final[dict[Decision, int]] = {
    Decision.REFUSED: 403,
    Decision.DENIED: 403,
    Decision.EXPIRED: 403,
    Decision.HELD: 403,  # 202 for who does not want to wait: to anybody else a 2xx would say that it was done
    Decision.OVER_BUDGET: 429,
    Decision.UNAVAILABLE: 503,
}
REASONS: Final[dict[int, str]] = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    409: "Conflict",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Content Too Large",
    414: "URI Too Long",
    417: "Expectation Failed",
    421: "Misdirected Request",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
TITLES: Final[dict[Decision, str]] = {
    Decision.REFUSED: "refused by a rule",
    Decision.DENIED: "an approver said no; do not send it again as it is",
    Decision.HELD: "waits for approval: send exactly the same again after it was approved, and it runs once",
    Decision.OVER_BUDGET: "over budget",
    Decision.UNAVAILABLE: "not available now; try again later",
    Decision.EXPIRED: "not approved in time; send it again to ask anew",
}
HOLD_FIELD: Final = "X-Hoopgw-Hold"  # by which the same request resumes a hold
MISNAMED: Final = "the hold that X-Hoopgw-Hold names does not let this run"
MAX_WORDS: Final = 2000  # characters of a reason


def status_of(error: WireError) -> int:
    """Of the answer to a request that cannot be read (RFC 9112, 3; RFC 6585, 5)."""
    if isinstance(error, TargetTooLong):
        return 414
    return 431 if isinstance(error, HeadTooLong) else 400


def unopened(denial: Denial) -> bytes:
    """Of a tunnel.  Any 2xx would say that it is open (RFC 9110, 9.3.6)."""
    return denied(replace(denial, accepted=False), patient=False, close=True, head=False)


def denied(denial: Denial, *, patient: bool, close: bool, head: bool, grpc: bool = False) -> bytes:
    """The whole answer.  `patient`: who sent it prefers to be told at once that it waits; `head`: to a HEAD."""
    if grpc:
        return http_grpc.denied(denial, resuming(denial))
    held = denial.decision is Decision.HELD and (patient or denial.accepted)
    status = 202 if held else 409 if denial.code else STATUSES[denial.decision]
    more = b""
    if denial.retry_after is not None:
        more += b"Retry-After: %d\r\n" % denial.retry_after
    if held and denial.status:
        more += b"Location: " + denial.status.encode() + b"\r\n"
    title = MISNAMED if denial.code else TITLES[denial.decision]
    body = {"title": title, "status": status, "detail": _short(denial.reason), **denial.fields(), **resuming(denial)}
    return problem(status, body, more=more, close=close, head=head)


def resuming(denial: Denial) -> dict[str, Any]:
    """What the same request has to say to run by this hold and no other."""
    held = denial.decision is Decision.HELD and denial.hold
    return {"resume": {HOLD_FIELD: denial.hold}} if held else {}


# What a login may be by (RFC 9110, 11.6.1)
CHALLENGE: Final = b'WWW-Authenticate: Bearer realm="hoopgw"\r\nWWW-Authenticate: Basic realm="hoopgw"\r\n'


def failed(
    status: int,
    reason: str,
    *,
    close: bool,
    head: bool = False,
    more: bytes = b"",
    session: str = "",
    grpc: bool = False,
) -> bytes:
    """An answer that is no decision of a rule: a request that cannot be read, a target that cannot be reached."""
    if grpc:
        return http_grpc.failed(status, reason)
    body: dict[str, Any] = {"title": REASONS[status], "status": status, "detail": _short(reason)}
    if session:
        body["session"] = session
    return problem(status, body, more=more, close=close, head=head)


def problem(status: int, body: dict[str, Any], *, more: bytes = b"", close: bool = False, head: bool = False) -> bytes:
    """An answer with a problem object.  Its `type` is left out: "about:blank" (RFC 9457, 4.2.1)."""
    text = json.dumps(body, ensure_ascii=True).encode() + b"\n"
    return answer(status, b"application/problem+json", text, more=more, close=close, head=head)


def answer(
    status: int, kind: bytes, body: bytes, *, more: bytes = b"", close: bool = False, head: bool = False
) -> bytes:
    """A whole answer of the gateway's own.  `more` are lines with their CR LF."""
    start = f"HTTP/1.1 {status} {REASONS[status]}\r\n".encode()
    fields = b"Content-Type: %s\r\nContent-Length: %d\r\nCache-Control: no-store\r\n" % (kind, len(body))
    end = b"Connection: close\r\n\r\n" if close else b"\r\n"
    return start + fields + more + end + (b"" if head else body)


def _short(text: str) -> str:
    shown = escaped(text)
    return shown if len(shown) <= MAX_WORDS else shown[: MAX_WORDS - 1] + "…"

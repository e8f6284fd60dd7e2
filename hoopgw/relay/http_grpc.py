"""The gateway's own answers in gRPC, and ends of others: a status, with details that programs can read.

Shapes: "gRPC over HTTP2" (grpc/grpc, doc/PROTOCOL-HTTP2.md) and google/rpc/status.proto, error_details.proto.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from hoopgw.model.answer import Decision, Denial

INVALID: Final = 13  # INTERNAL: what gRPC itself makes of a 400 (doc/http-grpc-status-mapping.md)
DENIED: Final = 7  # PERMISSION_DENIED
STATUSES: Final[dict[Decision, int]] = {
    Decision.REFUSED: DENIED,
    Decision.DENIED: DENIED,
    Decision.EXPIRED: DENIED,
    Decision.HELD: 9,  # FAILED_PRECONDITION: not to be sent again before something has changed
    Decision.OVER_BUDGET: 8,  # RESOURCE_EXHAUSTED
    Decision.UNAVAILABLE: 14,
}
OF_HTTP: Final[dict[int, int]] = {
    400: INVALID,
    401: 16,
    403: DENIED,
    404: 12,
    408: 4,
    414: INVALID,
    431: INVALID,
    500: INVALID,  # its target has done it: UNAVAILABLE would have clients send it again
    501: 12,
}
UNAVAILABLE: Final = 14  # of what else may fail between client and target
DOMAIN: Final = "hoopgw"
MAX_WORDS: Final = 500  # characters of one field: clients take 8 KiB of metadata in all (gRPC's own default)

_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n"
_INFO: Final = b"type.googleapis.com/google.rpc.ErrorInfo"
_RETRY: Final = b"type.googleapis.com/google.rpc.RetryInfo"
_AS_THEY_ARE: Final = frozenset(range(0x20, 0x7F)) - {0x25}


def denied(denial: Denial, more: dict[str, Any] | None = None) -> bytes:
    """The whole answer, in HTTP/1.1; `more` fields stand beside the object's own."""
    return _ANSWER + denied_lines(denial, more) + b"\r\n"


def denied_lines(denial: Denial, more: dict[str, Any] | None = None) -> bytes:
    """Its status as fields, which may stand behind messages."""
    code = STATUSES[denial.decision]
    details = [_any(_INFO, _error_info(denial, more or {}))]
    if denial.retry_after is not None:
        details.append(_any(_RETRY, _field(1, _number(1, denial.retry_after))))
    return _lines(code, f"{denial.decision.value}: {denial.reason}", details)


def failed(status: int, reason: str) -> bytes:
    """The same as `denied` for what is no decision of a rule; `status` is HTTP's."""
    return _ANSWER + failed_lines(status, reason) + b"\r\n"


def failed_lines(status: int, reason: str) -> bytes:
    return _lines(OF_HTTP.get(status, UNAVAILABLE), reason, [])


def _lines(code: int, reason: str, details: list[bytes]) -> bytes:
    words = _short(reason).encode("utf-8", "backslashreplace")
    status = _number(1, code) + _field(2, words) + b"".join([_field(3, each) for each in details])
    lines = [
        b"grpc-status: %d" % code,
        b"grpc-message: " + percent(words),
        b"grpc-status-details-bin: " + base64.b64encode(status).rstrip(b"="),
    ]
    return b"\r\n".join(lines) + b"\r\n"


def percent(words: bytes) -> bytes:
    """UTF-8 as a grpc-message has it."""
    return b"".join([bytes((code,)) if code in _AS_THEY_ARE else b"%%%02X" % code for code in words])


def _error_info(denial: Denial, more: dict[str, Any]) -> bytes:
    """ErrorInfo: the decision as its reason, and the whole object as its metadata, whose values are text."""
    reason = denial.decision.value.upper().replace("-", "_")
    entries = [_entry(name, _text(value)) for name, value in (denial.fields() | more).items()]
    return _field(1, reason.encode()) + _field(2, DOMAIN.encode()) + b"".join([_field(3, entry) for entry in entries])


def _entry(name: str, value: str) -> bytes:
    return _field(1, name.encode()) + _field(2, value.encode("utf-8", "backslashreplace"))


def _text(value: Any) -> str:
    return _short(value if isinstance(value, str) else json.dumps(value))


def _short(text: str) -> str:
    return text if len(text) <= MAX_WORDS else text[: MAX_WORDS - 1] + "…"


# ---- protobuf (protobuf.dev, "Encoding"): the two shapes that these messages have


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(tag: int, value: int) -> bytes:
    return _varint(tag << 3) + _varint(value)


def _field(tag: int, value: bytes) -> bytes:
    return _varint(tag << 3 | 2) + _varint(len(value)) + value


def _any(url: bytes, value: bytes) -> bytes:
    return _field(1, url) + _field(2, value)

"""What a PostgreSQL client is told at the end of its login."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hoopgw.model.errors import (
    HoopgwError,
    IssuerUnavailable,
    LoginRefused,
    RecordingFailed,
    SpoolFull,
    StoreUnavailable,
    TargetUnavailable,
    WireError,
)
from hoopgw.wire import pglogin

_NOT_NOW: Final = "the gateway cannot take this connection now"
# PostgreSQL documentation, appendix A; no words here: the error's own
_SQLSTATES: Final[dict[type[HoopgwError], tuple[str, str]]] = {
    LoginRefused: ("28000", ""),
    WireError: ("08P01", ""),
    **dict.fromkeys((RecordingFailed, SpoolFull, StoreUnavailable), ("57P03", f"{_NOT_NOW}: try again later")),
    IssuerUnavailable: ("57P03", "tokens cannot be checked at the moment: try again later"),
    TargetUnavailable: ("08001", "the target cannot be reached at the moment"),
}


def welcome(parameters: Mapping[str, str], process: int, key: bytes) -> bytes:
    """AuthenticationOk, the target's ParameterStatus, the gateway's own cancel key, ReadyForQuery (idle)."""
    shown = [
        pglogin.message(b"S", f"{name}\0{value}\0".encode("utf-8", "surrogateescape"))
        for name, value in parameters.items()
    ]
    key_data = pglogin.message(b"K", process.to_bytes(4, "big") + key)
    return pglogin.authentication(pglogin.OK) + b"".join(shown) + key_data + pglogin.message(b"Z", b"I")


def fatal(error: HoopgwError) -> bytes:
    """The FATAL ErrorResponse for an error that ends a login.  Only LoginRefused and WireError speak in their own
    words: an operator's error may name what the client must not know."""
    code, words = "58000", _NOT_NOW
    for kind, (its_code, its_words) in _SQLSTATES.items():
        if isinstance(error, kind):
            code, words = its_code, its_words or str(error)
    return fatal_error(code, words)


def fatal_error(code: str, words: str) -> bytes:
    """The FATAL ErrorResponse of this SQLSTATE, in words for the client."""
    fields = (b"S", b"FATAL"), (b"V", b"FATAL"), (b"C", code.encode()), (b"M", words.replace("\0", "").encode())
    return pglogin.message(b"E", b"".join([name + value + b"\0" for name, value in fields]) + b"\0")

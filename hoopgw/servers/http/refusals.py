"""Why a client has no session -> what it is told of that, and whether its address pays for it.  No I/O."""

from __future__ import annotations

from typing import Final

from hoopgw.model.errors import HeadTooLong, HoopgwError, LoginRefused, NotGranted, OperatorError, TargetTooLong
from hoopgw.relay import http_words as words
from hoopgw.servers.http.own import PROXY_CHALLENGE

UNSHOWN: Final = "no token"  # detail of a refusal
# What is no guess at anything: programs try places that are not granted, browsers /favicon.ico; load balancers look at
# / whether the gateway is there; and what is too long is somebody's cookies
_NO_GUESS: Final = (NotGranted, TargetTooLong, HeadTooLong)


def counts(error: HoopgwError) -> bool:
    """Against its address.  Nobody guesses who shows no token."""
    return not isinstance(error, _NO_GUESS) and getattr(error, "detail", "") != UNSHOWN


def status_of(error: HoopgwError) -> int:
    """Of a login that failed."""
    if isinstance(error, NotGranted):
        return 403
    return 401 if isinstance(error, LoginRefused) else 503


def answer(error: HoopgwError, status: int, wait: int, *, tunnel: bool, head: bool) -> bytes:
    """The last one on its connection.  `wait`: seconds after which its address may try again; `tunnel`: one was asked
    for; `head`: the answer has no body."""
    told = str(error) if not isinstance(error, OperatorError) else "not available now; try again later"
    if status == 401 and tunnel:
        status = 407
    more = words.CHALLENGE if status == 401 else PROXY_CHALLENGE if status == 407 else b""
    if status == 429:
        more = b"Retry-After: %d\r\n" % wait
    return words.failed(status, told, close=True, head=head, more=more)

"""A client at the door, whatever it speaks: penalties of its address, the login's deadline, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hoopgw.model.errors import (
    HoopgwError,
    IssuerUnavailable,
    LoginRefused,
    RevocationsUnavailable,
    TargetUnavailable,
    WireError,
)
from hoopgw.model.events import Code
from hoopgw.servers.gateway import Gateway

ABORTS = 2.0  # seconds in which a refused client may read why
_CODES: tuple[tuple[type[HoopgwError], Code], ...] = (
    (WireError, Code.PROTOCOL_VIOLATED),
    (IssuerUnavailable, Code.ISSUER_UNAVAILABLE),
    (TargetUnavailable, Code.TARGET_UNAVAILABLE),
)


def code_of(error: HoopgwError) -> Code:
    """Of the event that tells why a client was refused."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return Code.LOGIN_REFUSED


class Entrance:
    """Of one connection.  `leave` when it is in, or gone."""

    def __init__(self, gateway: Gateway, protocol: str, address: str) -> None:
        self._gateway = gateway
        self._protocol = protocol
        self._address = address
        self._deadline: Any = None
        self._entered = False

    def enter(self, refuse: Callable[[HoopgwError], None]) -> LoginRefused | None:
        """Why it may not try at all.  `refuse` is called where the login takes too long."""
        reason = self._gateway.penalties.enter(self._address)
        if reason:
            return LoginRefused(reason, detail="penalty")
        self._entered = True
        limit = self._gateway.settings.limits.login_seconds
        late = LoginRefused(f"the login took longer than {limit:g} s", detail="deadline")
        self._deadline = self._gateway.reactor.callLater(limit, refuse, late)
        return None

    def has(self, seconds: float) -> None:
        """From now on: somebody has to be waited for."""
        if self._deadline is not None and self._deadline.active():
            self._deadline.reset(seconds)

    def leave(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        if self._entered:
            self._entered = False
            self._gateway.penalties.leave(self._address)

    def failed(self, error: HoopgwError) -> None:
        """What counts against its address: a bad login, or bytes that no client sends."""
        fault = isinstance(error, LoginRefused | WireError) and not isinstance(error, RevocationsUnavailable)
        if self._entered and fault:
            self._gateway.penalties.failed(self._address)

    def told(self, error: HoopgwError) -> Code:
        """The event of a refusal."""
        code, detail = code_of(error), getattr(error, "detail", "")
        self._gateway.events.emit(code, protocol=self._protocol, client=self._address, reason=str(error), detail=detail)
        return code

    def close(self, session: Any, code: Code, reason: str) -> None:
        """A session that was never open for its client."""
        session.close(code, reason).addBoth(lambda _: self._gateway.registry.remove(session))

    def abort_later(self, transport: Any) -> None:
        """Whatever the peer makes of the words that it is sent."""
        self._gateway.reactor.callLater(ABORTS, _abort, transport)


def _abort(transport: Any) -> None:
    if not transport.disconnected:
        transport.abortConnection()

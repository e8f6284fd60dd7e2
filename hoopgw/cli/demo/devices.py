"""The demo issuer's device authorization grant (RFC 8628): codes, and what becomes of them."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
INTERVAL = 1.0  # seconds between questions; more after `slow_down`
LIFETIME = 60.0
FORGIVEN = 0.2  # seconds that a question may be early: timers are not that exact


@dataclass
class _Device:
    code: str
    interval: float
    asked: float
    until: float
    polls: int = 0
    decided: bool = False
    token: str | None = None


class Devices:
    def __init__(self) -> None:
        self._devices: dict[str, _Device] = {}

    def authorize(self, url: str) -> tuple[int, dict[str, Any]]:
        """RFC 8628, 3.2."""
        now, device = time.monotonic(), secrets.token_urlsafe(16)
        code = secrets.token_hex(3).upper()
        self._devices[device] = _Device(code, INTERVAL, now, now + LIFETIME)
        said = {"device_code": device, "user_code": code, "verification_uri": f"{url}/enter"}
        return 200, {**said, "expires_in": LIFETIME, "interval": INTERVAL}

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """RFC 8628, 3.5."""
        found = self._devices.get(form.get("device_code", ""))
        if form.get("grant_type") != GRANT or found is None or not form.get("client_id"):
            return 400, {"error": "invalid_grant"}
        early = time.monotonic() < found.asked + found.interval - FORGIVEN
        found.asked, found.polls = time.monotonic(), found.polls + 1
        if early:
            return 400, {"error": "slow_down"}
        if found.asked > found.until:
            return 400, {"error": "expired_token"}
        if not found.decided:
            return 400, {"error": "authorization_pending"}
        if found.token is None:
            return 400, {"error": "access_denied"}
        return 200, {"access_token": found.token, "token_type": "Bearer"}

    def confirm(self, code: str, token: str | None) -> int:
        """How often the device has asked; -1: there is no such code."""
        found = self._of(code)
        if found is not None:
            found.decided, found.token = True, token
        return self.polls(code)

    def polls(self, code: str) -> int:
        """The same, and nothing is decided."""
        found = self._of(code)
        return found.polls if found is not None else -1

    def _of(self, code: str) -> _Device | None:
        return next((each for each in self._devices.values() if each.code == code), None)

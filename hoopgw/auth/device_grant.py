"""The device authorization grant (RFC 8628): somebody confirms a code in a browser, and the issuer gives a token."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater

from hoopgw.auth.fetch import Fetch, Post, may_fetch
from hoopgw.model.errors import IssuerUnavailable, LoginRefused
from hoopgw.model.escaping import escaped
from hoopgw.model.secret import Secret
from hoopgw.model.settings import OidcSettings

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
LONGEST = 300.0  # seconds that somebody has, whatever the issuer gives
INTERVAL, SHORTEST, RAREST = 5.0, 1.0, 60.0  # seconds between questions: where nothing is said, and bounds
SLOWER = 5.0  # seconds more after `slow_down` (RFC 8628, 3.5)
MAX_WORDS = 500  # characters of an address that is shown, or a code
MAX_WAITING = 64  # people at a time: each costs the issuer a question every few seconds


@dataclass(frozen=True, slots=True)
class Begun:
    """What is shown, and what is asked for.  `until` is a time of the clock."""

    address: str
    code: str
    device: Secret
    token_address: str
    interval: float
    until: float


class DeviceGrant:
    """Of one issuer whose settings have a `client_id`."""

    def __init__(self, settings: OidcSettings, fetch: Fetch, post: Post, clock: Any) -> None:
        self._settings = settings
        self._fetch = fetch
        self._post = post
        self._clock = clock
        self._waiting = 0

    @inlineCallbacks
    def begin(self) -> Generator[Deferred[Any], Any, Begun]:
        """Fails with IssuerUnavailable, or LoginRefused where too many wait already."""
        if self._waiting >= MAX_WAITING:
            raise LoginRefused("too many people are logging in with a browser: try again later", detail="device grant")
        issuer = self._settings.issuer
        discovery = yield self._fetch(issuer.removesuffix("/") + "/.well-known/openid-configuration")
        place, token_address = _addresses(discovery, issuer)
        form = {"client_id": self._settings.client_id, "scope": self._settings.scope}
        status, body = yield self._post(place, form)
        said = _object(body)
        if status != 200:
            raise IssuerUnavailable(f"{place}: {_error(said)}")
        return self._begun(said, place, token_address)

    def _begun(self, said: dict[str, Any], place: str, token_address: str) -> Begun:
        try:
            address, code, device = (str(said[name]) for name in ("verification_uri", "user_code", "device_code"))
            seconds, interval = float(said["expires_in"]), float(said.get("interval", INTERVAL))
        except (KeyError, TypeError, ValueError) as error:
            raise IssuerUnavailable(f"{place}: an answer that lacks something") from error
        if not may_fetch(address) or not code.isprintable() or max(len(address), len(code)) > MAX_WORDS:
            raise IssuerUnavailable(f"{place}: nothing that can be shown")
        until = self._clock.seconds() + min(max(seconds, 0.0), LONGEST)
        return Begun(address, code, Secret(device.encode()), token_address, _bounded(interval), until)

    @inlineCallbacks
    def token(self, begun: Begun) -> Generator[Deferred[Any], Any, Secret]:
        """When it was confirmed.  Fails with LoginRefused when it was not; asks no more once it is cancelled."""
        self._waiting += 1
        interval = begun.interval
        try:
            while self._clock.seconds() + interval < begun.until:
                yield deferLater(self._clock, interval)
                try:
                    said = yield self._ask(begun)
                except IssuerUnavailable:  # RFC 8628, 3.5: less often, each time
                    interval = _bounded(interval * 2)
                    continue
                token = _token(said)
                if token is not None:
                    return token
                if said.get("error") == "slow_down":
                    interval = _bounded(interval + SLOWER)
                elif said.get("error") != "authorization_pending":
                    raise LoginRefused("the login in the browser was not confirmed", detail=_error(said))
            raise LoginRefused("nobody confirmed the login in the browser in time", detail="device grant")
        finally:
            self._waiting -= 1

    @inlineCallbacks
    def _ask(self, begun: Begun) -> Generator[Deferred[Any], Any, dict[str, Any]]:
        device = begun.device.reveal().decode()
        form = {"grant_type": GRANT, "device_code": device, "client_id": self._settings.client_id}
        _, body = yield self._post(begun.token_address, form)
        return _object(body)


def _token(said: dict[str, Any]) -> Secret | None:
    """The access token where it is a JWT, else the one of OpenID Connect."""
    given = [said.get(name) for name in ("access_token", "id_token")]
    found = next((text for text in given if isinstance(text, str) and text.count(".") == 2), None)
    if found is None and isinstance(given[0], str):
        raise LoginRefused("the token was not accepted", detail="device grant: neither token is a JWT")
    return None if found is None else Secret(found.encode())


def _addresses(document: bytes, issuer: str) -> tuple[str, str]:
    """(of the device authorization, of the token).  Raises IssuerUnavailable."""
    said = _object(document)
    found = said.get("device_authorization_endpoint"), said.get("token_endpoint")
    if said.get("issuer") != issuer:
        raise IssuerUnavailable(f"the discovery document of {issuer} is another issuer's")
    if not all(isinstance(each, str) and may_fetch(each) for each in found):
        raise IssuerUnavailable(f"{issuer} has no device authorization grant")
    return str(found[0]), str(found[1])


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise IssuerUnavailable("an answer that is no JSON") from error
    if not isinstance(said, dict):
        raise IssuerUnavailable("an answer that is no JSON object")
    return said


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _error(said: dict[str, Any]) -> str:
    return "device grant: " + escaped(str(said.get("error", "an error without a name")))[:100]


def _bounded(interval: float) -> float:
    return min(max(interval, SHORTEST), RAREST)

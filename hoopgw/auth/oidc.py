"""An OpenID Connect issuer whose tokens are passwords here."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.interfaces import IReactorTime

from hoopgw.auth.claims import identity_of
from hoopgw.auth.fetch import Fetch, may_fetch
from hoopgw.auth.keyring import Keyring
from hoopgw.auth.keys import FITS
from hoopgw.auth.tokens import Presented, refuse, verified_claims
from hoopgw.model.errors import OperatorError
from hoopgw.model.identity import Identity
from hoopgw.model.settings import OidcSettings


class Issuer:
    """Verifies tokens of one `[oidc.NAME]`."""

    def __init__(self, settings: OidcSettings, clock: IReactorTime, failed: Callable[[str], None]) -> None:
        """`failed(why)` is told of each fetch of keys that failed.  Raises OperatorError for settings that would let
        a token choose how it is verified."""
        check_settings(settings)
        self.settings = settings
        self._clock = clock
        self._keyring = Keyring(settings, clock, failed)

    def use(self, fetch: Fetch) -> None:
        """Fetch keys this way: to be called once before `identify`, and whenever the configuration was read again."""
        self._keyring.use(fetch)

    @inlineCallbacks
    def identify(self, presented: Presented, certificate: bytes = b"") -> Generator[Deferred[Any], Any, Identity]:
        """`certificate` is the client's, that it has the key of (DER).

        Fails with LoginRefused, or with IssuerUnavailable where the keys cannot be had."""
        settings = self.settings
        if presented.algorithm not in settings.algorithms:
            refuse("`alg` is not one that the configuration allows")
        key = yield self._keyring.key(presented.key_id, presented.algorithm)
        if key is None:
            refuse("the issuer has no key for this token")
        claims = verified_claims(presented, key.public, settings.issuer, settings.audience)
        return identity_of(claims, settings, self._clock.seconds(), certificate)


def check_settings(settings: OidcSettings) -> None:
    """Raises OperatorError."""
    if not settings.algorithms or not set(settings.algorithms) <= FITS.keys():
        raise OperatorError(f"oidc.{settings.name}: algorithms must be of {', '.join(FITS)}")
    if not settings.audience:
        raise OperatorError(f"oidc.{settings.name}: audience is empty")
    if not may_fetch(settings.issuer):
        raise OperatorError(f"oidc.{settings.name}: issuer must be an https address")

"""Whether a token is good, and whose it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from hoopgw.auth.credentials import IBearerToken
from hoopgw.auth.fetch import Fetch
from hoopgw.auth.local import LocalTokens
from hoopgw.auth.oidc import Issuer
from hoopgw.auth.tokens import refuse, take_apart
from hoopgw.model.errors import LoginRefused, OperatorError
from hoopgw.model.identity import Identity
from hoopgw.model.settings import OidcSettings

MAX_TOKEN = 16 * 1024  # bytes, `limits.max_token`'s default: issuers that list hundreds of groups come close


@implementer(ICredentialsChecker)
class TokenChecker:
    """The one checker of every protocol."""

    credentialInterfaces = (IBearerToken,)

    def __init__(self, clock: IReactorTime, failed: Callable[[str, str], None], max_token: int = MAX_TOKEN) -> None:
        """`failed(issuer, why)` is told of each fetch of keys that failed: an event, not an error."""
        self._clock = clock
        self._failed = failed
        self._max_token = max_token
        self._issuers: dict[str, Issuer] = {}
        self._local: LocalTokens | None = None

    def configure(
        self, issuers: tuple[OidcSettings, ...], fetch_for: Callable[[OidcSettings], Fetch], local: LocalTokens | None
    ) -> None:
        """Take the configuration, at start and on each reload.  Raises OperatorError with nothing changed.

        An issuer whose settings did not change keeps its keys, and asks for them again before their next use.
        """
        made = {settings.issuer: (self._issuer(settings), fetch_for(settings)) for settings in issuers}
        if len(made) != len(issuers):
            raise OperatorError("two [oidc.NAME] have the same issuer: its tokens would be either's")
        for issuer, fetch in made.values():
            issuer.use(fetch)
        self._issuers = {name: issuer for name, (issuer, _) in made.items()}
        self._local = local

    def _issuer(self, settings: OidcSettings) -> Issuer:
        known = self._issuers.get(settings.issuer)
        if known is not None and known.settings == settings:
            return known
        return Issuer(settings, self._clock, lambda why: self._failed(settings.issuer, why))

    def requestAvatarId(self, credentials: Any) -> Deferred[Identity]:  # type: ignore[override]  # Twisted: bytes
        """The identity.  Fails with LoginRefused, or IssuerUnavailable (then it is not the client's fault)."""
        try:
            return self._identify(credentials)
        except LoginRefused as refused:
            return fail(refused)

    def _identify(self, credentials: Any) -> Deferred[Identity]:
        presented = take_apart(credentials.token, self._max_token)
        if self._local is not None and presented.issuer == self._local.issuer:
            return succeed(self._local.identify(presented, self._clock.seconds()))
        issuer = self._issuers.get(presented.issuer)
        if issuer is None:
            refuse("`iss` is not a configured issuer")
        return issuer.identify(presented, credentials.certificate)

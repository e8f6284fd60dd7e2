"""The signing keys of one issuer, kept as long as the configuration says.

Younger than `keys_fresh`: used.  Older: fetched again before use, and while that fails used until `keys_stale`; after
that tokens cannot be checked.  A key that nobody knows causes one fetch, at most one in REFETCH_PAUSE.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from hoopgw.auth.fetch import Fetch, may_fetch
from hoopgw.auth.keys import Key, parse_keys
from hoopgw.model.errors import HoopgwError, IssuerUnavailable
from hoopgw.model.settings import OidcSettings

REFETCH_PAUSE = 10.0  # seconds between two attempts: strangers' tokens must not make the gateway hammer the issuer


class Keyring:
    """Single flight: however many logins wait, one fetch is under way."""

    def __init__(
        self,
        settings: OidcSettings,
        clock: IReactorTime,
        failed: Callable[[str], None],
    ) -> None:
        """`failed(why)` is called once for each fetch that failed."""
        self._settings = settings
        self._fetch: Fetch | None = None
        self._clock = clock
        self._failed = failed
        self._keys: tuple[Key, ...] = ()
        self._fetched: float | None = None  # when the keys at hand came
        self._tried: float | None = None
        self._recheck = False
        self._waiting: list[Deferred[None]] = []

    def use(self, fetch: Fetch) -> None:
        """Fetch this way from now on, and once before the next use: the configuration was read (again)."""
        self._fetch = fetch
        self._recheck = True
        self._tried = None

    @inlineCallbacks
    def key(self, identifier: str | None, algorithm: str) -> Generator[Deferred[Any], Any, Key | None]:
        """The key for a token's header, or None if the issuer has none such.

        Without an identifier: the only key that fits, if it is the only one.  Fails with IssuerUnavailable.
        """
        if not self._fresh() and self._may_try():
            yield self._refresh()
        found = self._find(identifier, algorithm)
        if found is None and self._may_try():
            yield self._refresh()
            found = self._find(identifier, algorithm)
        if self._age() >= self._settings.keys_stale:
            raise IssuerUnavailable(f"the keys of {self._settings.issuer} cannot be fetched")
        return found

    def _find(self, identifier: str | None, algorithm: str) -> Key | None:
        fitting = [key for key in self._keys if key.fits(algorithm)]
        if identifier is None:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.id == identifier), None)

    def _age(self) -> float:
        return float("inf") if self._fetched is None else self._clock.seconds() - self._fetched

    def _fresh(self) -> bool:
        """A clock that was set back makes the keys old, not new."""
        return not self._recheck and 0 <= self._age() < self._settings.keys_fresh

    def _may_try(self) -> bool:
        if self._waiting or self._tried is None:
            return True
        return not 0 <= self._clock.seconds() - self._tried < REFETCH_PAUSE

    # ---- fetching

    def _refresh(self) -> Deferred[None]:
        """Fires when the fetch that is under way has ended, well or not; never fails."""
        waiter: Deferred[None] = Deferred()
        self._waiting.append(waiter)
        if len(self._waiting) == 1:
            self._tried = self._clock.seconds()
            self._documents().addCallbacks(self._came, self._did_not_come).addBoth(self._tell)
        return waiter

    @inlineCallbacks
    def _documents(self) -> Generator[Deferred[Any], Any, tuple[Key, ...]]:
        issuer, fetch = self._settings.issuer, self._fetch
        if fetch is None:
            raise IssuerUnavailable("not configured yet")
        found = yield fetch(issuer.removesuffix("/") + "/.well-known/openid-configuration")
        document = yield fetch(keys_address(found, issuer))
        return parse_keys(document)

    def _came(self, keys: tuple[Key, ...]) -> None:
        self._keys, self._fetched, self._recheck = keys, self._clock.seconds(), False

    def _did_not_come(self, failure: Failure) -> None:
        known = failure.check(HoopgwError)
        self._failed(failure.getErrorMessage() if known else f"unexpected {type(failure.value).__name__}")

    def _tell(self, _: object) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(None)


def keys_address(document: bytes, issuer: str) -> str:
    """`jwks_uri` of a discovery document (OpenID Connect Discovery 1.0, sections 4.2 and 4.3).

    Raises IssuerUnavailable where it is another issuer's, or points to where nothing may be fetched.
    """
    try:
        found = json.loads(document)
        named, address = found["issuer"], found["jwks_uri"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise IssuerUnavailable(f"the discovery document of {issuer} lacks `issuer` or `jwks_uri`") from error
    if named != issuer:
        raise IssuerUnavailable(f"the discovery document of {issuer} is another issuer's")
    if not isinstance(address, str) or not may_fetch(address):
        raise IssuerUnavailable(f"`jwks_uri` of {issuer} is neither https nor on this machine")
    return address

"""Keeps what the configuration names of vaults: read before it is needed, read or renewed again before it ends."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from hoopgw.auth.vault import Leased, Vault
from hoopgw.model.errors import SecretUnavailable
from hoopgw.model.events import Code
from hoopgw.model.secret import Secret
from hoopgw.model.target import SecretReference

LOOK_AGAIN = 60.0  # seconds after which what has no lease is read again: a rotation is noticed so soon
RETRY = 5.0  # seconds between tries of a vault that does not answer
SHARE = 2 / 3  # of a lease, after which it is renewed
SHORTEST = 1.0  # seconds between looks, however short a lease is
FIRST = 10.0  # seconds that a start waits for the first answers; sessions wait for none


class IEvents(Protocol):
    def emit(self, code: Code, **fields: object) -> None: ...


_log = Logger("hoopgw.auth.vault_secrets")


class VaultSecrets:
    """`events` gets vault.unavailable and vault.changed.  `configure` at start and with each reload."""

    def __init__(self, clock: IReactorTime, events: IEvents) -> None:
        self._clock = clock
        self._events = events
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._vaults: Mapping[str, Vault] = {}

    def configure(self, vaults: Mapping[str, Vault], references: Iterable[SecretReference]) -> Deferred[None]:
        """Fires when each was read, could not be read, or FIRST seconds are over.  What stays named stays as it is."""
        wanted = {place(reference)[:2] for reference in references}
        changed = {name for name, vault in vaults.items() if not _same(self._vaults.get(name), vault)}
        for key in [key for key in self._kept if key not in wanted or key[0] in changed]:
            self._kept.pop(key).stop()
        self._vaults = {name: vault if name in changed else self._vaults[name] for name, vault in vaults.items()}
        for key in wanted - set(self._kept):
            self._kept[key] = _Kept(self._vaults[key[0]], key[1], self._clock, self._events)
        waiting = [kept.first for kept in self._kept.values() if not kept.first.called]
        return Deferred.fromCoroutine(_all(waiting, self._clock))

    def get(self, reference: SecretReference) -> Secret:
        """As it is now.  Raises SecretUnavailable."""
        name, path, field = place(reference)
        kept = self._kept.get((name, path))
        if kept is None:
            raise SecretUnavailable(f"{reference} is not named by the configuration")
        fields = kept.fields()
        if field not in fields:
            raise SecretUnavailable(f"vault:{name}/{path} has no field {field!r}")
        return fields[field]

    async def stop(self) -> None:
        for kept in self._kept.values():
            kept.stop()
        self._kept.clear()
        for vault in self._vaults.values():
            try:
                await vault.leave()
            except SecretUnavailable as error:  # its leases end by themselves
                _log.warn("a vault could not be told that the gateway stops: {why}", why=str(error))


class _Kept:
    """One path of one vault."""

    def __init__(self, vault: Vault, path: str, clock: IReactorTime, events: IEvents) -> None:
        self._vault = vault
        self._path = path
        self._name = f"vault:{vault.settings.name}/{path}"
        self._clock = clock
        self._events = events
        self._leased: Leased | None = None
        self._ends = math.inf  # when it must not be used any more
        self._why = "was not read yet"
        self.first: Deferred[None] = Deferred()
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(self._stopped)

    def fields(self) -> Mapping[str, Secret]:
        if self._leased is None or self._clock.seconds() >= self._ends:
            raise SecretUnavailable(f"{self._name} {self._why}")
        return self._leased.fields

    def stop(self) -> None:
        self._running.cancel()

    def _stopped(self, failure: Any) -> None:
        if not failure.check(CancelledError):
            _log.failure("a secret of a vault is not kept any more", failure=failure)
        self._tried()

    def _tried(self) -> None:
        if not self.first.called:
            self.first.callback(None)

    async def _run(self) -> None:
        while True:
            try:
                pause = await self._look()
            except SecretUnavailable as error:
                if str(error) != self._why:
                    self._events.emit(Code.VAULT_UNAVAILABLE, secret=self._name, reason=str(error))
                self._why = str(error)
                pause = RETRY
            self._tried()
            await deferLater(self._clock, max(pause, SHORTEST))

    async def _look(self) -> float:
        """Reads, or renews; gives the seconds until the next look."""
        now, leased = self._clock.seconds(), self._leased
        if leased is not None and leased.renewable and now < self._ends:
            lasts = await self._lasts(leased)
            if lasts >= leased.seconds * SHARE:
                self._ends = now + lasts
                return lasts * SHARE
        found = await self._vault.read(self._path)
        if leased is not None and _revealed(found) != _revealed(leased):
            self._events.emit(Code.VAULT_CHANGED, secret=self._name)
        self._leased, self._why = found, "has ended"
        self._ends = now + found.seconds if found.lease else math.inf
        return found.seconds * SHARE if found.lease else LOOK_AGAIN

    async def _lasts(self, leased: Leased) -> float:
        try:
            return await self._vault.renewed(leased)
        except SecretUnavailable:
            return 0.0  # a new one is read, and what is wrong with the vault is said by that


def in_vault(reference: SecretReference) -> bool:
    return reference.kind == "vault"


def place(reference: SecretReference) -> tuple[str, str, str]:
    """(vault, path, field) of `vault:NAME/PATH#FIELD`."""
    name, _, rest = reference.name.partition("/")
    path, _, field = rest.partition("#")
    return name, path, field


def _same(before: Vault | None, now: Vault) -> bool:
    return before is not None and before.settings == now.settings


def _revealed(leased: Leased) -> dict[str, bytes]:
    return {name: value.reveal() for name, value in leased.fields.items()}


async def _all(waiting: list[Deferred[None]], clock: IReactorTime) -> None:
    late: Deferred[Any] = deferLater(clock, FIRST)
    for each in waiting:
        both: Deferred[None] = Deferred()

        def once(_: object, both: Deferred[None] = both) -> None:
            if not both.called:
                both.callback(None)

        each.addCallback(once)
        late.addCallback(once)
        await both
    late.addErrback(lambda failure: failure.trap(CancelledError))
    late.cancel()

"""Keeps what the configuration names of vaults and the like, so that no session waits for one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from hoopgw.auth.kept_secret import KeptSecret
from hoopgw.auth.secret_source import IEvents, ISource
from hoopgw.model.errors import SecretUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.target import SecretReference

FIRST = 10.0  # seconds that a start waits for the first answers; sessions wait for none
YOUNG = 3.0  # seconds in which a value that is not taken is not to blame: another one is not looked for
PATIENCE = 10.0  # seconds that a request waits for another value
FETCHED = "oauth"  # the kind of references to tokens that the gateway fetches
KINDS = ("vault", "aws", FETCHED)

_log = Logger("hoopgw.auth.kept_secrets")


class KeptSecrets:
    """`events` gets what their sources say of them.  `configure` at start and with each reload."""

    def __init__(self, clock: IReactorTime, events: IEvents) -> None:
        self._clock = clock
        self._events = events
        self._kept: dict[tuple[str, str], KeptSecret] = {}
        self._sources: Mapping[str, ISource] = {}

    def configure(self, given: Iterable[ISource], references: Iterable[SecretReference]) -> Deferred[None]:
        """Fires when each was read, could not be read, or FIRST seconds are over.  What stays named stays as it is."""
        sources = {source.name: source for source in given}
        wanted = {place(reference)[:2] for reference in references}
        changed = {name for name, source in sources.items() if not _same(self._sources.get(name), source)}
        for key in [key for key in self._kept if key not in wanted or key[0] in changed]:
            self._kept.pop(key).stop()
        self._sources = {name: source if name in changed else self._sources[name] for name, source in sources.items()}
        for key in wanted - set(self._kept):
            self._kept[key] = KeptSecret(self._sources[key[0]], key[1], self._clock, self._events)
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
            raise SecretUnavailable(f"{name}/{path} has no field {field!r}")
        return fields[field]

    def ripe(self, reference: SecretReference) -> bool:
        """Whether it was read so long ago that there may be another one."""
        kept = self._kept.get(place(reference)[:2])
        return kept is not None and self._clock.seconds() - kept.since >= YOUNG

    def another(self, reference: SecretReference, used: Secret) -> Deferred[None]:
        """Looks for another one than `used` now, unless that is here or `used` is young; never fails."""
        kept = self._kept.get(place(reference)[:2])
        if kept is None or not self.ripe(reference) or self._differs(reference, used):
            return succeed(None)
        looked = kept.look()
        looked.addTimeout(PATIENCE, self._clock)
        return looked.addErrback(lambda failure: failure.trap(TimeoutError) and None)

    def _differs(self, reference: SecretReference, used: Secret) -> bool:
        try:
            return self.get(reference) != used
        except SecretUnavailable:
            return False

    async def stop(self) -> None:
        for kept in self._kept.values():
            kept.stop()
        self._kept.clear()
        for source in self._sources.values():
            try:
                await source.leave()
            except SecretUnavailable as error:  # its leases end by themselves
                _log.warn("a vault could not be told that the gateway stops: {why}", why=str(error))


def is_kept(reference: SecretReference) -> bool:
    return reference.kind in KINDS


def place(reference: SecretReference) -> tuple[str, str, str]:
    """(source, path, field) of `vault:NAME/PATH#FIELD`: "vault:NAME", "PATH", "FIELD"."""
    name, _, rest = reference.name.partition("/")
    path, _, field = rest.partition("#")
    return f"{reference.kind}:{name}", path, field


def _same(before: ISource | None, now: ISource) -> bool:
    return before is not None and before.settings == now.settings


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

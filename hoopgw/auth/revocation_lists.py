"""What is revoked counts from the next login on: each looks at the files of `krl`, and reads what was changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredLock, fail, inlineCallbacks, succeed
from twisted.internet.threads import deferToThread

from hoopgw.auth.revocation_files import read_list, settled, state
from hoopgw.model.errors import OperatorError, RevocationsUnavailable
from hoopgw.model.events import Code
from hoopgw.model.revocation import RevocationList
from hoopgw.model.settings import SshAuthority, SshSettings


class IEvents(Protocol):
    def emit(self, code: Code, **fields: object) -> None: ...


@dataclass(frozen=True, slots=True)
class _Broken:
    """A file that is no list now.  `state` as in RevocationList."""

    path: str
    why: str
    state: tuple[int, ...]


_Place = tuple[SshAuthority, str]  # whose, and the file's path
_Found = dict[tuple[str, str], RevocationList | _Broken]  # by the authority's name, and path


class RevocationLists:
    """Of the configuration in force.  Reading is done by a thread: a look costs the reactor one stat for each file."""

    def __init__(self, events: IEvents, changed: Callable[[SshSettings], None], time: Callable[[], float]) -> None:
        """`changed` gets `settings` with the lists as they are now, where files say something else than before.

        `time` is that of day, as files have it.
        """
        self._time = time
        self._events = events
        self._changed = changed
        self._lock = DeferredLock()
        self._begun = self._good = 0  # how many readings; which of them was the last one that went well
        self._broken: dict[tuple[str, str], _Broken] = {}
        self.settings = SshSettings()

    def configure(self, settings: SshSettings) -> None:
        """At start and on each reload: their lists were read just now."""
        self.settings = settings
        self._broken = {}

    def look(self) -> Deferred[None]:
        """Fires once `settings` says what the files say, as of now or later.

        Fails with RevocationsUnavailable while one of them cannot be read: doubt denies.
        """
        if not self._lock.locked and not self._stale():
            return self._outcome()
        waiting: Deferred[None] = Deferred()  # a client that goes ends its own wait, and nobody else's
        self._lock.run(self._read_anew, self._begun).addBoth(_passed_on, waiting)
        return waiting

    def _outcome(self) -> Deferred[None]:
        if not self._broken:
            return succeed(None)
        why = "; ".join(sorted({broken.why for broken in self._broken.values()}))
        return fail(RevocationsUnavailable("keys cannot be checked now: use a token", detail=f"krl: {why}"))

    def _stale(self) -> list[_Place]:
        """What says something else than was read."""
        each = ((authority, one) for authority in self.settings.authorities for one in authority.lists)
        return [(authority, one.path) for authority, one in each if not self._is_read(authority.name, one)]

    def _is_read(self, name: str, one: RevocationList) -> bool:
        known = self._broken.get((name, one.path), one).state
        try:
            return known != () and state(one.path) == known
        except OSError:
            return False

    @inlineCallbacks
    def _read_anew(self, asked: int) -> Generator[Deferred[Any], Any, None]:
        """`asked`: how many readings had begun when the look was asked for.  A later one has seen what it would see."""
        while self._good <= asked:
            self._begun += 1
            number, settings = self._begun, self.settings
            found = yield deferToThread(_read, self._stale(), self._time)
            if self.settings is settings:  # else a reload brought others
                self._take(found)
                self._good = number
        yield self._outcome()

    def _take(self, found: _Found) -> None:
        before = {(each.name, one.path): one for each in self.settings.authorities for one in each.lists}
        news = {place[1] for place, now in found.items() if self._is_news(place, before[place], now)}
        for place, now in found.items():
            self._broken.pop(place, None)
            if isinstance(now, _Broken):
                self._broken[place] = now
        self.settings = _with(self.settings, found)
        for path in sorted(news):
            self._events.emit(Code.REVOCATIONS_CHANGED, path=path)
        if news:
            self._changed(self.settings)

    def _is_news(self, place: tuple[str, str], before: RevocationList, now: RevocationList | _Broken) -> bool:
        """Whether it says something else; what is broken is told once."""
        broken = self._broken.get(place)
        if isinstance(now, _Broken):
            if broken is None or broken.why != now.why:
                self._events.emit(Code.REVOCATIONS_UNAVAILABLE, path=now.path, reason=now.why)
            return False
        return broken is not None or now.revocations != before.revocations


def _passed_on(result: Any, waiting: Deferred[None]) -> None:
    if not waiting.called:  # else it was cancelled
        waiting.callback(result)


def _with(settings: SshSettings, found: _Found) -> SshSettings:
    """What is broken stays as it was: sessions that are open go on by it."""
    return replace(settings, authorities=tuple(_renewed(each, found) for each in settings.authorities))


def _renewed(authority: SshAuthority, found: _Found) -> SshAuthority:
    now = [(one, found.get((authority.name, one.path))) for one in authority.lists]
    return replace(authority, lists=tuple(new if isinstance(new, RevocationList) else one for one, new in now))


def _read(stale: list[_Place], time: Callable[[], float]) -> _Found:
    """In a thread."""
    found: _Found = {}
    for authority, path in stale:
        now = time()
        was = _settled(path, now)  # of before the reading: what changes meanwhile is looked at again
        try:
            found[authority.name, path] = read_list(path, authority.keys, now)
        except OperatorError as error:
            found[authority.name, path] = _Broken(path, str(error), was)
    return found


def _settled(path: str, now: float) -> tuple[int, ...]:
    try:
        return settled(os.stat(path), now)
    except OSError:
        return ()

"""What names mean in each database of each target, read by the gateway's own connection and kept fresh."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.interfaces import IReactorTime

from hoopgw.model.events import Code
from hoopgw.model.target import Role, Target
from hoopgw.policy.catalogue import Catalogue
from hoopgw.policy.catalogue_queries import PATH, QUERIES, catalogue, with_path
from hoopgw.session.catalogue_state import CatalogueState
from hoopgw.session.interfaces import IEvents

FRESH = 60.0  # seconds after which a catalogue that is used is read again, in the background
DEADLINE = 15.0  # seconds for one reading
MOST = 256  # databases whose catalogue is kept; the one used least lately goes
PAUSE = 2.0  # seconds between readings that unknown names ask for

Run = Callable[[Target, Role, str, tuple[str, ...]], "Deferred[Any]"]  # of the rows of each query


@dataclass(slots=True, eq=False, weakref_slot=True)
class Entry:
    """One database as one role sees it.  `reader` reads it: the target's `catalogue_role`, or that role itself."""

    target: Target
    role: Role
    database: str
    reader: Role
    read_at: float = float("-inf")
    reading: Deferred[None] | None = None
    waiting: list[Deferred[None]] = field(default_factory=list)
    again: bool = False  # asked for while it was being read: that reading may be too old
    state: CatalogueState = field(default_factory=CatalogueState)
    changes: int = 0  # that were seen
    read_of: int = 0  # how many of them when the last reading began
    readers: list[Deferred[None]] = field(default_factory=list)  # who waits for the one under way

    @property
    def current(self) -> Catalogue | None:
        return self.state.current

    @current.setter
    def current(self, catalogue: Catalogue | None) -> None:
        self.state.current = catalogue

    @property
    def behind(self) -> bool:
        return self.state.behind

    @behind.setter
    def behind(self, behind: bool) -> None:
        self.state.behind = behind


@inlineCallbacks
def read(run: Run, target: Target, role: Role, database: str) -> Generator[Deferred[Any], Any, Any]:
    """The rows of QUERIES, as this role sees the database: another that reads for it has another search path."""
    reader = target.roles[target.catalogue_role] if target.catalogue_role else role
    results = yield run(target, reader, database, QUERIES)
    if reader == role:
        return results
    (path,) = yield run(target, role, database, (PATH,))
    return with_path(results, path)


class CatalogueCache:
    """`run` executes queries in one read-only transaction on a connection of its own."""

    def __init__(self, run: Run, clock: IReactorTime, events: IEvents) -> None:
        self._run = run
        self._clock = clock
        self._events = events
        self._entries: OrderedDict[tuple[str, str, str, str], Entry] = OrderedDict()
        self._every: WeakSet[Entry] = WeakSet()  # those that sessions still use among them
        self._generation = 0

    def entry(self, target: Target, role: Role, database: str) -> Entry:
        """Of this database; nothing is read yet where it is new."""
        reader = target.roles[target.catalogue_role] if target.catalogue_role else role
        key = target.name, database, reader.name, role.name
        found = self._entries.get(key)
        if found is None or found.target != target or found.role != role or found.reader != reader:
            found = self._entries[key] = Entry(target, role, database, reader)
            self._every.add(found)
            if len(self._entries) > MOST:
                self._entries.popitem(last=False)
        self._entries.move_to_end(key)
        return found

    def fresh(self, entry: Entry) -> Deferred[None]:
        """Fires when there is a catalogue to judge by; at once where there is one, which is read again if it is old."""
        age = self._clock.seconds() - entry.read_at
        if entry.current is None:
            return self.refresh(entry)
        if not 0 <= age <= FRESH and entry.reading is None:
            self.refresh(entry)
        return succeed(None)

    def refresh(self, entry: Entry) -> Deferred[None]:
        """Read again; fires when a reading that began after this call has ended, well or not."""
        done: Deferred[None] = Deferred()
        entry.waiting.append(done)
        if entry.reading is None:
            self._begin(entry)
        else:
            entry.again = True
        return done

    def changed(self, entry: Entry) -> None:
        """A session has changed the schema: what every role knows of this database is behind until it is read again."""
        for each in self._every:
            if each.target.name == entry.target.name and each.database == entry.database:
                each.changes += 1
                each.behind = True

    def caught_up(self, entry: Entry) -> Deferred[None]:
        """Fires when a reading has ended, well or not, that began after the last change that is known now."""
        if entry.reading is None or entry.read_of != entry.changes:
            return self.refresh(entry)
        done: Deferred[None] = Deferred()
        entry.readers.append(done)
        return done

    def may_ask(self, entry: Entry) -> bool:
        """Whether an unknown name may cause another reading now."""
        return not 0 <= self._clock.seconds() - entry.read_at <= PAUSE  # a clock that was set back says nothing

    def _begin(self, entry: Entry) -> None:
        entry.again = False
        entry.readers, entry.waiting = entry.waiting, []
        entry.read_of = entry.changes
        reading = entry.reading = self._read(entry)

        def ended(_: Any) -> None:
            entry.reading = None
            entry.behind = entry.read_of != entry.changes
            readers, entry.readers = entry.readers, []
            for done in readers:
                done.callback(None)
            if entry.reading is None and (entry.again or entry.waiting):  # who waited may have begun one
                self._begin(entry)

        reading.addBoth(ended)

    @inlineCallbacks
    def _read(self, entry: Entry) -> Generator[Deferred[Any], Any, None]:
        where = {"target": entry.target.name, "database": entry.database, "role": entry.reader.name}
        try:
            reading = read(self._run, entry.target, entry.role, entry.database)
            results = yield reading.addTimeout(DEADLINE, self._clock)
            self._generation += 1
            entry.current = catalogue(results, self._generation, entry.target.trusted_extensions)
        except Exception as error:  # whatever it is: what names mean is not known, and the event says why
            entry.current = None  # rules and masks that name tables refuse
            self._events.emit(Code.CATALOGUE_UNAVAILABLE, **where, reason=f"{type(error).__name__}: {error}")
        else:
            self._events.emit(Code.CATALOGUE_REFRESHED, **where, relations=len(entry.current.by_oid))
        entry.read_at = self._clock.seconds()

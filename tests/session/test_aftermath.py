"""What becomes of sessions that are over reaches their index rows, once their own last row is there."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import StoreUnavailable
from hoopgw.session.aftermath import Aftermath
from hoopgw.store.interface import SessionRow
from tests.session.fakes import row
from tests.session.memory_store import MemoryStore

ID = "s_0000000000000000000000"


class Over(SynchronousTestCase):
    def setUp(self) -> None:
        self.store = MemoryStore(Clock())
        self.aftermath = Aftermath(self.store)

    def write(self, *busy: str) -> None:
        self.successResultOf(Deferred.fromCoroutine(self.aftermath.write(lambda id: id in busy)))

    def found(self) -> SessionRow:
        found = self.successResultOf(self.store.session(ID))
        assert found is not None
        return found

    def test_sealed_and_retired(self) -> None:
        """The final seal's digest and the retirement are added to the row; nothing of a busy session before its own."""
        self.store.put_sessions((row(ID),))
        self.aftermath.sealed(ID, "ab" * 32)
        self.write(ID)
        self.assertEqual(self.found().digest, "")
        self.write()
        self.assertEqual(self.found().digest, "ab" * 32)
        self.aftermath.retired([ID], 7.0)
        self.write()
        self.assertEqual((self.found().digest, self.found().retired), ("ab" * 32, 7.0))

    def test_store_away(self) -> None:
        """What could not be written is written the next time."""
        self.store.put_sessions((row(ID),))
        self.aftermath.sealed(ID, "cd" * 32)
        self.store.down = True
        self.failureResultOf(Deferred.fromCoroutine(self.aftermath.write(lambda id: False)), StoreUnavailable)
        self.store.down = False
        self.write()
        self.assertEqual(self.found().digest, "cd" * 32)

    def test_unknown_sessions_are_forgotten(self) -> None:
        """A session of another index is no reason to ask again and again."""
        self.aftermath.sealed(ID, "ef" * 32)
        self.write()
        calls = self.store.calls
        self.write()
        self.assertEqual(self.store.calls, calls)

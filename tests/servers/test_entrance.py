"""A client at the door: what counts against its address, and what is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import (
    HoopgwError,
    IssuerUnavailable,
    LoginRefused,
    MalformedFrame,
    ProtocolViolation,
    TargetUnavailable,
)
from hoopgw.model.events import Code
from hoopgw.servers.entrance import ABORTS, Entrance, code_of
from tests.session.fakes import Emitted


class Penalties:
    def __init__(self) -> None:
        self.inside, self.failures, self.barred = 0, 0, ""

    def enter(self, address: str) -> str:
        self.inside += not self.barred
        return self.barred

    def leave(self, address: str) -> None:
        self.inside -= 1

    def failed(self, address: str) -> None:
        self.failures += 1


class Entering(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.penalties, self.events = Clock(), Penalties(), Emitted()
        limits = SimpleNamespace(limits=SimpleNamespace(login_seconds=30.0))
        gateway: Any = SimpleNamespace(
            reactor=self.clock, penalties=self.penalties, events=self.events, settings=limits
        )
        self.entrance = Entrance(gateway, "ssh", "10.0.0.7")
        self.refused: list[HoopgwError] = []

    def test_late(self) -> None:
        """A login has its time; who is in, or gone, is not late, and leaves once."""
        self.assertIsNone(self.entrance.enter(self.refused.append))
        self.clock.advance(29)
        self.entrance.leave()
        self.entrance.leave()
        self.clock.advance(2)
        self.assertEqual((self.refused, self.penalties.inside), ([], 0))
        self.entrance.enter(self.refused.append)
        self.clock.advance(30)
        self.assertEqual([str(error) for error in self.refused], ["the login took longer than 30 s"])

    def test_longer(self) -> None:
        """A person who logs in elsewhere meanwhile has more time."""
        self.entrance.enter(self.refused.append)
        self.entrance.has(100)
        self.clock.advance(99)
        self.assertEqual(self.refused, [])
        self.clock.advance(1)
        self.assertEqual(len(self.refused), 1)

    def test_barred(self) -> None:
        """An address with too many failures does not get in: there is nothing to leave, and no failure more."""
        self.penalties.barred = "too many failed logins"
        barred = self.entrance.enter(self.refused.append)
        assert barred is not None
        self.entrance.failed(barred)
        self.entrance.leave()
        self.assertEqual((self.penalties.inside, self.penalties.failures), (0, 0))
        self.assertEqual(str(barred), "too many failed logins")

    def test_told(self) -> None:
        """Each refusal is one event, by whose fault it is; only the client's own count against its address."""
        self.entrance.enter(self.refused.append)
        for error, code, counts in (
            (LoginRefused("no", detail="token"), Code.LOGIN_REFUSED, True),
            (ProtocolViolation("x"), Code.PROTOCOL_VIOLATED, True),
            (MalformedFrame("x"), Code.PROTOCOL_VIOLATED, True),
            (IssuerUnavailable("x"), Code.ISSUER_UNAVAILABLE, False),
            (TargetUnavailable("x"), Code.TARGET_UNAVAILABLE, False),
        ):
            before = self.penalties.failures
            self.entrance.failed(error)
            self.assertEqual((self.entrance.told(error), code_of(error)), (code, code))
            self.assertEqual(self.penalties.failures - before, int(counts), error)
        fields = {"protocol": "ssh", "client": "10.0.0.7", "reason": "no", "detail": "token"}
        self.assertEqual(self.events.events[0], (Code.LOGIN_REFUSED, fields))
        self.assertEqual(len(self.events.events), 5)

    def test_aborted(self) -> None:
        """Who does not go after the words is put out."""
        put_out = []
        for gone in (False, True):
            transport = SimpleNamespace(disconnected=gone, abortConnection=lambda: put_out.append(1))
            self.entrance.abort_later(transport)
        self.clock.advance(ABORTS)
        self.assertEqual(put_out, [1])

"""hoopgw.servers.http.patience"""

from __future__ import annotations

from dataclasses import dataclass

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.servers.http.patience import IDLE_SECONDS, UNTAKEN_SECONDS, Late, Patience, Terms

TERMS = Terms(head=30.0, body=60.0, rate=500, silent=300.0, longest=3600.0)
TURN = 5  # seconds between looks


@dataclass
class Relay:
    moved: int = 0
    requests: int = 1
    idle: bool = False
    in_head: bool = False
    paces: bool = False
    busy: bool = False


class Looks(SynchronousTestCase):
    def setUp(self) -> None:
        self.patience = Patience(TERMS, 0.0)
        self.now = 0

    def until(self, relay: Relay, seconds: int, rate: float = 0.0, held_back: bool = False) -> tuple[int, Late] | None:
        """When something took too long, and what, of a session in which `rate` bytes a second move."""
        for _ in range(0, seconds, TURN):
            self.now += TURN
            relay.moved += int(rate * TURN)
            late = self.patience.look(relay, float(self.now), held_back)
            if late is not None:
                return self.now, late
        return None

    def test_idle(self) -> None:
        """A connection without a request is not kept for ever."""
        self.assertEqual(self.until(Relay(idle=True), 1000), (TURN + IDLE_SECONDS + TURN, Late.IDLE))

    def test_a_head_byte_by_byte(self) -> None:
        """All of it has one time, however often something comes."""
        self.assertEqual(self.until(Relay(in_head=True), 1000, rate=1000), (35, Late.HEAD))

    def test_heads_one_after_the_other(self) -> None:
        """Each has its own time."""
        relay = Relay()
        for _ in range(20):
            relay.in_head = True
            self.assertIsNone(self.until(relay, 25, rate=1))
            relay.in_head = False
            self.assertIsNone(self.until(relay, TURN))

    def test_a_body_that_stops(self) -> None:
        """Nothing of it for a while."""
        relay = Relay(paces=True)
        self.assertIsNone(self.until(relay, 100, rate=10_000))
        self.assertEqual(self.until(relay, 1000), (165, Late.BODY))

    def test_a_body_in_drops(self) -> None:
        """Each drop would keep it alive; all of them together are too few."""
        self.assertEqual(self.until(Relay(paces=True), 10_000, rate=1), (70, Late.SLOW))
        self.setUp()
        self.assertIsNone(self.until(Relay(paces=True), 100_000, rate=500))
        self.setUp()
        found = self.until(Relay(paces=True), 100_000, rate=400)
        assert found is not None
        self.assertEqual(found[1], Late.SLOW)

    def test_a_credit_is_used_up(self) -> None:
        """What came fast is no licence to be slow for ever: it buys the time that it would have taken."""
        relay = Relay(paces=True)
        self.assertIsNone(self.until(relay, 10, rate=50_000))
        found = self.until(relay, 100_000, rate=1)
        assert found is not None
        self.assertEqual(found[1], Late.SLOW)
        self.assertLess(found[0], 60 + 500_000 / 500 + 100)

    def test_one_request_after_the_other(self) -> None:
        """Time and bytes are those of one request, even where each look finds one with a body that is not whole."""
        relay = Relay(paces=True)
        for _ in range(100):
            self.assertIsNone(self.until(relay, 2 * TURN, rate=1))
            relay.requests += 1

    def test_the_gateway_holds_the_client_back(self) -> None:
        """Its target is slow: nobody blames the client, then or later."""
        relay = Relay(paces=True)
        self.assertIsNone(self.until(relay, 50, rate=1))
        self.assertIsNone(self.until(relay, 5000, held_back=True))
        self.assertIsNone(self.until(relay, 10, rate=1))
        found = self.until(relay, 100, rate=1)
        assert found is not None
        self.assertEqual(found[1], Late.SLOW)

    def test_the_gateway_decides(self) -> None:
        """A hold has a clock of its own."""
        relay = Relay(paces=True, in_head=True)
        for _ in range(1000):
            self.patience.waiting(float(self.now))
            self.now += TURN
        self.assertIsNone(self.until(relay, 25, rate=1))

    def test_a_stream_may_take_its_time(self) -> None:
        """Where the answer comes at the same time."""
        self.assertIsNone(self.until(Relay(busy=True), 280))

    def test_a_target_that_is_silent(self) -> None:
        """It owes an answer."""
        self.assertEqual(self.until(Relay(busy=True), 1000), (310, Late.SILENT))

    def test_a_client_that_takes_nothing(self) -> None:
        """Is no silence of the target, however little time that has; one that takes some is waited for."""
        patience, relay = Patience(Terms(silent=10.0), 0.0), Relay(busy=True)
        for now in range(0, 600, TURN):
            self.assertIsNone(patience.look(relay, float(now), False, 1000 - now, True))
        found = [patience.look(relay, 600.0 + now, False, 400, True) for now in range(0, 200, TURN)]
        self.assertEqual(found.index(Late.UNTAKEN) * TURN, UNTAKEN_SECONDS + TURN)

    def test_a_rest_that_is_not_taken(self) -> None:
        """Nothing is under way, and the connection is not idle as long as its client reads."""
        patience, relay = Patience(TERMS, 0.0), Relay(idle=True)
        for now in range(0, 600, TURN):
            self.assertIsNone(patience.look(relay, float(now), False, 1000 - now))
        self.assertIsNone(patience.look(relay, 600 + IDLE_SECONDS - TURN, False))
        self.assertEqual(patience.look(relay, 600 + IDLE_SECONDS + TURN, False), Late.IDLE)

    def test_an_answer_in_drops(self) -> None:
        """However much moves, one answer has an end; the next one has as long."""
        relay = Relay(busy=True)
        self.assertIsNone(self.until(relay, 3600, rate=1))
        relay.requests += 1
        self.assertIsNone(self.until(relay, 3600, rate=1))
        found = self.until(relay, 100, rate=1)
        assert found is not None
        self.assertEqual(found[1], Late.LONG)

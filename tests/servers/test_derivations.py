"""What SCRAM derives of a password is made once."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.secret import Secret
from hoopgw.servers.derivations import MOST, Derivations
from hoopgw.wire.scram import MIN_ITERATIONS, salted_password

PASSWORD = Secret(b"tall pine, cold lake")
SALT = b"salt of sixteen b"


class Deriving(SynchronousTestCase):
    def setUp(self) -> None:
        self.made: list[tuple[bytes, bytes, int]] = []
        self.pending: list[Callable[[], None]] = []
        self.derivations = Derivations(self.in_thread)

    def in_thread(
        self, function: Callable[..., Secret], password: Secret, salt: bytes, iterations: int
    ) -> Deferred[Secret]:
        self.assertIs(function, salted_password)
        self.made.append((password.reveal(), salt, iterations))
        done: Deferred[Secret] = Deferred()
        self.pending.append(lambda: done.callback(Secret(b"of " + password.reveal() + salt)))
        return done

    def finish(self) -> None:
        pending, self.pending = self.pending, []
        for each in pending:
            each()

    def derived(self, password: Secret = PASSWORD, salt: bytes = SALT, iterations: int = MIN_ITERATIONS) -> bytes:
        wanted = self.derivations.salted_password(password, salt, iterations)
        self.finish()
        return self.successResultOf(wanted).reveal()

    def test_is_what_scram_says(self) -> None:
        derivations = Derivations(lambda function, *arguments: succeed(function(*arguments)))
        for _ in range(2):
            made = self.successResultOf(derivations.salted_password(PASSWORD, SALT, MIN_ITERATIONS))
            self.assertEqual(made, salted_password(PASSWORD, SALT, MIN_ITERATIONS))

    def test_once(self) -> None:
        self.assertEqual(self.derived(), self.derived(Secret(PASSWORD.reveal())))
        self.assertEqual(len(self.made), 1)

    def test_each_its_own(self) -> None:
        """Another password, salt or number of iterations is another key."""
        others = (Secret(b"other"), SALT, 4096), (PASSWORD, b"other salt", 4096), (PASSWORD, SALT, 5000)
        for password, salt, iterations in others:
            self.derived(password, salt, iterations)
        self.derived()
        self.assertEqual(len(self.made), 4)
        self.assertEqual(self.derived(Secret(b"other"), SALT), b"of other" + SALT)

    def test_many_at_once(self) -> None:
        """Who asks while it is made waits for it."""
        asked = [self.derivations.salted_password(PASSWORD, SALT, MIN_ITERATIONS) for _ in range(40)]
        self.assertEqual(len(self.made), 1)
        self.finish()
        self.assertEqual({self.successResultOf(each).reveal() for each in asked}, {b"of " + PASSWORD.reveal() + SALT})

    def test_failure(self) -> None:
        """It is told to all who wait, and is not kept."""
        waits: Deferred[Secret] = Deferred()
        answers = [waits, fail(ValueError("again"))]
        derivations = Derivations(lambda function, *arguments: answers.pop(0))
        both = [derivations.salted_password(PASSWORD, SALT, MIN_ITERATIONS) for _ in range(2)]
        waits.errback(ValueError("no"))
        for each in (*both, derivations.salted_password(PASSWORD, SALT, MIN_ITERATIONS)):
            self.failureResultOf(each, ValueError)

    def test_bound(self) -> None:
        """A target that sends another salt each time does not grow it; what is used stays."""
        self.derived()
        for number in range(MOST + 10):
            self.derived(salt=b"%d" % number)
            self.derived()
        self.assertEqual(len(self.made), 1 + MOST + 10)
        self.assertEqual(len(self.derivations._known), MOST)

    def test_forgotten(self) -> None:
        self.derived()
        self.derivations.forget()
        self.derived()
        self.assertEqual(len(self.made), 2)

    def test_no_password_in_it(self) -> None:
        self.derived()
        self.assertNotIn(PASSWORD.reveal(), repr(vars(self.derivations)).encode())

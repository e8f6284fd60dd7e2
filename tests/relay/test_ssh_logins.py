"""Both logins of SSH: what may come when, and what proves who it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import ProtocolViolation, WireError
from hoopgw.model.secret import Secret
from hoopgw.relay import ssh_client_login as client
from hoopgw.relay import ssh_target_login as target
from hoopgw.wire.sshmessages import string, u32

SERVICE = b"\x05" + string(b"ssh-userauth")


def asked(user: bytes, method: bytes, rest: bytes = b"") -> bytes:
    return b"\x32" + string(user) + string(b"ssh-connection") + string(method) + rest


def password(user: bytes, word: bytes) -> bytes:
    return asked(user, b"password", b"\0" + string(word))


def key(user: bytes, blob: bytes, signature: bytes | None = None) -> bytes:
    rest = (b"\0" if signature is None else b"\1") + string(b"ssh-ed25519") + string(blob)
    return asked(user, b"publickey", rest + (string(signature) if signature is not None else b""))


def begun() -> client.ClientLogin:
    login = client.ClientLogin(b"session", 100)
    login.from_client(SERVICE)
    return login


def messages(steps: list[client.Step]) -> list[bytes]:
    return [step.message for step in steps if isinstance(step, client.Reply)]


class Clients(SynchronousTestCase):
    def test_token(self) -> None:
        """A password is handed on as a Secret that no repr shows."""
        (step,) = begun().from_client(password(b"web1", b"token"))
        assert isinstance(step, client.TokenGiven)
        self.assertEqual((step.user, step.token), ("web1", Secret(b"token")))
        self.assertNotIn("token'", repr(step.token))

    def test_offer_is_no_login(self) -> None:
        """must-survive 27: an offered key gets KEY_OK, never SUCCESS; what is signed is this whole request."""
        login = begun()
        (offer,) = login.from_client(key(b"web1", b"mine"))
        self.assertIsInstance(offer, client.KeyOffered)
        self.assertEqual(messages(login.offer_judged(True)), [b"\x3c" + string(b"ssh-ed25519") + string(b"mine")])
        (used,) = login.from_client(key(b"web1", b"other", b"sig"))
        assert isinstance(used, client.KeyUsed)
        self.assertEqual((used.blob, used.signature), (b"other", b"sig"))
        self.assertEqual(used.signed, string(b"session") + key(b"web1", b"other", b"sig")[: -len(string(b"sig"))])

    def test_browser(self) -> None:
        """keyboard-interactive: one question whose answer is not shown; a token in it is a password,
        nothing in it leads to a code that the client shows."""
        login = client.ClientLogin(b"session", 100, True)
        login.from_client(SERVICE)
        interactive = asked(b"web1", b"keyboard-interactive", string(b"") * 2)
        (question,) = messages(login.from_client(interactive))
        self.assertEqual(question, b"\x3c" + string(b"") * 3 + u32(1) + string(client.PROMPT) + b"\0")
        (given,) = login.from_client(b"\x3d" + u32(1) + string(b"token"))
        assert isinstance(given, client.TokenGiven)
        self.assertEqual(given.token, Secret(b"token"))
        failure = messages(login.refused("no"))[-1]
        self.assertIn(b"keyboard-interactive", failure)
        login.from_client(interactive)
        (person,) = login.from_client(b"\x3d" + u32(1) + string(b""))
        assert isinstance(person, client.PersonAsked)
        self.assertEqual(person.user, "web1")
        (shown,) = messages(login.show("words"))
        self.assertEqual(shown, b"\x3c" + string(b"") + string(b"words") + string(b"") + u32(0))
        self.assertIsInstance(login.from_client(b"\x3d" + u32(0))[0], client.PersonWaits)
        self.assertRaises(ProtocolViolation, login.from_client, interactive)

    def test_answers(self) -> None:
        """must-survive 26: another number of answers than of questions, 2^30 of them, or answers to nothing; and where
        nobody logs in with a browser the method is refused by name."""
        for message in (u32(0), u32(2) + string(b"") * 2, u32(1 << 30), u32(1) + string(b"x") + b"x", u32(1), b""):
            login = client.ClientLogin(b"session", 100, True)
            login.from_client(SERVICE)
            login.from_client(asked(b"web1", b"keyboard-interactive", string(b"") * 2))
            self.assertRaises(WireError, login.from_client, b"\x3d" + message)
        login = begun()
        self.assertRaises(ProtocolViolation, login.from_client, b"\x3d" + u32(0))
        (refused,) = messages(begun().from_client(asked(b"web1", b"keyboard-interactive", string(b"") * 2)))
        self.assertEqual(refused, b"\x33" + string(b"publickey,password") + b"\0")

    def test_phases(self) -> None:
        """must-survive 22: what a login may hold, one request at a time: no SUCCESS of a client's, no channel."""
        for message in (b"\x34", b"\x33", b"\x3c", b"\x3d", SERVICE, b"\x50", b"\x5a", b"\x06"):
            self.assertRaises(ProtocolViolation, begun().from_client, message)
        login = begun()
        login.from_client(password(b"web1", b"x"))
        self.assertRaises(ProtocolViolation, login.from_client, password(b"web1", b"y"))
        self.assertRaises(ProtocolViolation, client.ClientLogin(b"", 10).from_client, password(b"web1", b"x"))

    def test_one_user(self) -> None:
        """must-survive 27: who it began as is who it is to the end."""
        login = begun()
        login.from_client(asked(b"web1", b"none"))
        self.assertRaises(ProtocolViolation, login.from_client, asked(b"web2", b"none"))

    def test_names(self) -> None:
        """must-survive 36: names with NUL, newline, escapes or hidden marks are refused before anything is done."""
        for user in (b"a\nb", b"a\0", b"\x1b[2J", "\u202ea".encode(), b"\xff", b"a" * 193):
            self.assertRaises(WireError, begun().from_client, asked(user, b"none"))

    def test_tries(self) -> None:
        """must-survive 32: failures and offers have a bound."""
        login = begun()
        for _ in range(client.MAX_FAILURES - 1):
            login.from_client(password(b"web1", b"x"))
            self.assertEqual([message[0] for message in messages(login.refused("no"))], [53, 51])
        login.from_client(password(b"web1", b"x"))
        self.assertRaises(ProtocolViolation, login.refused, "no")
        login = begun()
        for _ in range(client.MAX_OFFERS):
            login.from_client(key(b"web1", b"k"))
            login.offer_judged(False)
        self.assertRaises(ProtocolViolation, login.from_client, key(b"web1", b"k"))

    def test_interactive(self) -> None:
        """must-survive 26: keyboard-interactive is not offered, and its answers (2^30 of them) are no message here."""
        login = begun()
        (failure,) = messages(login.from_client(asked(b"web1", b"keyboard-interactive", string(b"") + string(b""))))
        self.assertEqual(failure, b"\x33" + string(b"publickey,password") + b"\0")
        self.assertRaises(ProtocolViolation, login.from_client, b"\x3d" + u32(1 << 30))

    @given(st.lists(st.tuples(st.sampled_from([5, 50, 61, 80]), st.binary(max_size=60)), max_size=4))
    def test_junk(self, junk: list[tuple[int, bytes]]) -> None:
        """Junk raises only WireError."""
        login = begun()
        try:
            for number, rest in junk:
                login.from_client(bytes((number,)) + rest)
        except WireError:
            return


class Targets(SynchronousTestCase):
    SIGNER = target.Signer(b"ssh-ed25519", b"blob", lambda data: b"signed " + data[-4:])

    def login(self, signer: target.Signer | None, word: Secret | None) -> target.TargetLogin:
        login = target.TargetLogin(b"session", "www", signer, word)
        (step,) = login.start()
        assert isinstance(step, target.Send)
        self.assertEqual(step.message, SERVICE)
        return login

    def test_key_then_password(self) -> None:
        """The key signs the session and the request; refused, the password is tried; then it is over."""
        login = self.login(self.SIGNER, Secret(b"word"))
        (step,) = login.from_target(b"\x06" + string(b"ssh-userauth"))
        assert isinstance(step, target.Send)
        self.assertEqual(step.message, key(b"www", b"blob", b"signed blob"))
        (step,) = login.from_target(b"\x33" + string(b"publickey,password") + b"\0")
        assert isinstance(step, target.Send)
        self.assertEqual(step.message, password(b"www", b"word"))
        (failed,) = login.from_target(b"\x33" + string(b"publickey,password") + b"\0")
        self.assertIsInstance(failed, target.Failed)
        self.assertRaises(ProtocolViolation, login.from_target, b"\x34")

    def test_in(self) -> None:
        """SUCCESS is believed where something was shown, and not before."""
        login = self.login(self.SIGNER, None)
        self.assertRaises(ProtocolViolation, login.from_target, b"\x34")
        login.from_target(b"\x06")
        (ready,) = login.from_target(b"\x34")
        self.assertIsInstance(ready, target.Ready)

    def test_talks(self) -> None:
        """must-survive 31: a target that sends banners and no answer does not go on for ever."""
        login = self.login(self.SIGNER, None)
        for _ in range(target.MAX_BANNERS):
            self.assertEqual(login.from_target(b"\x35"), [])
        self.assertRaises(ProtocolViolation, login.from_target, b"\x35")

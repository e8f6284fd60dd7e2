"""How a target is logged in to, move by move, and what a hostile one may not do."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import given
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import ProtocolViolation
from hoopgw.model.secret import Secret
from hoopgw.relay.postgres_target_effects import DeriveKey, Failed, Ready, Send, StartTls, TargetEffect
from hoopgw.relay.postgres_target_login import MAX_MESSAGE, MAX_MESSAGES, TargetLogin, application_name
from hoopgw.wire import pglogin
from hoopgw.wire.pglogin import authentication, message
from hoopgw.wire.scram import salted_password
from tests.wire.test_scram import RANDOM, SALT, Server

PASSWORD = Secret(b"s3cret-of-the-role")
SETTINGS = {"client_encoding": "UTF8"}
SASL = authentication(pglogin.SASL, b"SCRAM-SHA-256\0\0")
SASL_PLUS = authentication(pglogin.SASL, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
OK = authentication(pglogin.OK)
PINNED = message(b"S", b"standard_conforming_strings\0on\0") + message(b"S", b"client_encoding\0UTF8\0")
KEY = message(b"K", b"\0\0\0\x07abcd")
IDLE = message(b"Z", b"I")


def target(password: Secret | None = PASSWORD, tls: bool = False) -> TargetLogin:
    return TargetLogin("pay_ro", "paydb", password, SETTINGS, "hoopgw:s_1 alice", tls=tls, random=RANDOM)


def started(password: Secret | None = PASSWORD, binding: bytes | None = None) -> TargetLogin:
    login = target(password, binding is not None)
    login.start()
    if binding is not None:
        login.from_target(b"S")
        login.tls_started(binding)
    return login


def error(**fields: str) -> bytes:
    return message(b"E", b"".join(name.encode() + value.encode() + b"\0" for name, value in fields.items()) + b"\0")


def only(effects: list[TargetEffect], kind: type[Any]) -> Any:
    (effect,) = effects
    assert isinstance(effect, kind), effect
    return effect


def to_final(login: TargetLogin, offered: bytes = SASL) -> tuple[bytes, Server]:
    """Play the server up to the client's proof: (the proof's message, the server)."""
    first = only(login.from_target(offered), Send).data
    _, _, rest = first[5:].partition(b"\0")
    server = Server(rest[4:], PASSWORD)
    asked = only(login.from_target(authentication(pglogin.SASL_CONTINUE, server.first)), DeriveKey)
    salted = salted_password(asked.password, asked.salt, asked.iterations)
    return only(login.derived(salted), Send).data[5:], server


class Moves(SynchronousTestCase):
    def test_scram(self) -> None:
        """SCRAM both ways, settings, key, idle: a session, with the bytes behind it."""
        login = started()
        final, server = to_final(login)
        signed = authentication(pglogin.SASL_FINAL, server.accept(final, b""))
        ready = only(login.from_target(signed + OK + PINNED + KEY + IDLE + b"rest"), Ready)
        self.assertEqual((ready.process, ready.key, ready.rest), (7, b"abcd", b"rest"))
        self.assertEqual(ready.parameters, {"standard_conforming_strings": "on", "client_encoding": "UTF8"})

    def test_scram_plus(self) -> None:
        """Over TLS, where it is offered, the exchange is bound to the target's certificate."""
        login = started(binding=b"digest")
        final, server = to_final(login, SASL_PLUS)
        self.assertEqual(server.header, b"p=tls-server-end-point,,")
        signed = authentication(pglogin.SASL_FINAL, server.accept(final, b"digest"))
        only(login.from_target(signed + OK + PINNED + KEY + IDLE), Ready)

    def test_what_is_sent(self) -> None:
        """StartupMessage carries user, database, settings, the name and the pinned setting; nothing of the client's."""
        (hello,) = target().start()
        assert isinstance(hello, Send)
        said = pglogin.read_parameters(hello.data[8:])
        self.assertEqual(
            said,
            {
                "user": "pay_ro",
                "database": "paydb",
                "client_encoding": "UTF8",
                "application_name": "hoopgw:s_1 alice",
                "standard_conforming_strings": "on",
            },
        )

    def test_tls_first(self) -> None:
        """With TLS the first bytes are SSLRequest, and StartupMessage goes out only after the handshake."""
        login = target(tls=True)
        self.assertEqual(only(login.start(), Send).data, pglogin.request(pglogin.SSL_REQUEST))
        only(login.from_target(b"S"), StartTls)
        self.assertEqual(only(login.tls_started(b"digest"), Send).name, "StartupMessage")

    def test_trust(self) -> None:
        """A role without password may be let in without one; one with a password may not."""
        only(started(None).from_target(OK + PINNED + IDLE), Ready)
        failed = only(started().from_target(OK + PINNED + IDLE), Failed)
        self.assertIn("did not ask", failed.detail)

    def test_no_cancel_key(self) -> None:
        """must-survive 12: a target without BackendKeyData is one that cannot be cancelled, not an error."""
        self.assertEqual(only(started(None).from_target(OK + PINNED + IDLE), Ready).key, b"")

    def test_long_cancel_key(self) -> None:
        """must-survive 12: keys of up to 256 bytes are kept; shorter than 4 or longer are refused."""
        for size, kind in ((256, Ready), (4, Ready), (257, Failed), (3, Failed), (0, Failed)):
            only(started(None).from_target(OK + PINNED + message(b"K", bytes(4 + size)) + IDLE), kind)

    def test_version(self) -> None:
        """3.2 is asked for; an older target says 3.0, once, and before anything else."""
        (hello,) = target().start()
        assert isinstance(hello, Send)
        self.assertEqual(hello.data[4:8], b"\0\3\0\2")
        older = pglogin.negotiate_protocol_version(pglogin.PROTOCOL_3_0, [])
        only(started(None).from_target(older + OK + PINNED + KEY + IDLE), Ready)
        for wrong in (
            older + older,
            OK + older,
            pglogin.negotiate_protocol_version(pglogin.PROTOCOL_3_2, []),
            pglogin.negotiate_protocol_version(3 << 16 | 1, []),
            pglogin.negotiate_protocol_version(2 << 16, []),
            pglogin.negotiate_protocol_version(pglogin.PROTOCOL_3_0, ["_pq_.x"]),
            message(b"v", b"\0\3\0\0"),
        ):
            only(started(None).from_target(wrong + OK + PINNED + KEY + IDLE), Failed)

    def test_notices_are_nobodys(self) -> None:
        """A notice during the login is dropped."""
        notice = message(b"N", b"SNOTICE\0Mhello\0\0")
        only(started(None).from_target(notice + OK + notice + PINNED + IDLE), Ready)

    def test_application_name(self) -> None:
        """must-survive 67: session and subject come first and the whole has 63 bytes of ASCII, whatever is said."""
        name = application_name("s_" + "x" * 22, "alice@example.com", "psql" * 50)
        self.assertTrue(name.startswith("hoopgw:s_" + "x" * 22 + " alice@example.com psql"))
        self.assertEqual(len(name), 63)
        self.assertEqual(application_name("s_1", "b\u00f6b\n\x00", ""), "hoopgw:s_1 b?b??")


class Hostile(SynchronousTestCase):
    def fails(self, login: TargetLogin, data: bytes) -> Failed:
        failed = [effect for effect in login.from_target(data) if isinstance(effect, Failed)]
        self.assertEqual(len(failed), 1)
        self.assertEqual(login.from_target(OK + PINNED + IDLE), [])
        self.assertEqual(login.target_closed(), [])
        return failed[0]

    def test_bytes_behind_the_answer(self) -> None:
        """must-survive 1: anything behind S in the same segment, or before TLS stands, ends the connection."""
        for data in (b"S" + OK, b"SS", b"S\0", b"X", b"\x15"):
            login = target(tls=True)
            login.start()
            self.fails(login, data)
        login = target(tls=True)
        login.start()
        login.from_target(b"S")
        self.fails(login, OK)
        with self.assertRaises(ProtocolViolation):
            login.tls_started(b"")

    def test_words_before_tls(self) -> None:
        """must-survive 11: an error in the clear, in place of S, is not shown to anybody as the target's."""
        login = target(tls=True)
        login.start()
        failed = self.fails(login, error(S="FATAL", C="28000", M="send your password to evil.example"))
        self.assertNotIn("evil", failed.message + failed.detail)
        self.assertEqual(failed.sqlstate, "08001")

    def test_no_tls(self) -> None:
        """A target that answers N is not spoken to in the clear."""
        login = target(tls=True)
        login.start()
        self.assertIn("TLS", self.fails(login, b"N").message)

    def test_downgrade(self) -> None:
        """must-survive 10: -PLUS is not given up: over a certificate without binding the login fails."""
        self.fails(started(binding=b""), SASL_PLUS)
        self.fails(started(), SASL_PLUS)

    def test_methods_that_show_the_password(self) -> None:
        """Clear text, MD5, Kerberos, GSSAPI and SSPI are refused by name; the password is never sent."""
        methods = (
            (pglogin.CLEARTEXT, "clear text"),
            (pglogin.MD5, "MD5"),
            (pglogin.GSS, "GSSAPI"),
            (pglogin.SSPI, "SSPI"),
        )
        for code, named in (*methods, (pglogin.KERBEROS, "Kerberos")):
            effects = started().from_target(authentication(code, b"salt"))
            self.assertIn(named, only(effects, Failed).message)

    def test_ok_without_proof(self) -> None:
        """must-survive 7: AuthenticationOk before the server's signature proves nothing and fails."""
        login = started()
        login.from_target(SASL)
        self.fails(login, OK)
        login = started()
        to_final(login)
        self.fails(login, OK + PINNED + IDLE)
        login = started()
        to_final(login)
        self.fails(login, authentication(pglogin.SASL_FINAL, b"v=" + base64.b64encode(bytes(32))))

    def test_iterations(self) -> None:
        """must-survive 6: 2^31 iterations are refused before anything is derived."""
        login = started()
        first = only(login.from_target(SASL), Send).data
        nonce = first.rpartition(b"r=")[2]
        asked = b"r=" + nonce + b"x,s=" + SALT + b",i=2147483648"
        self.fails(login, authentication(pglogin.SASL_CONTINUE, asked))

    def test_out_of_turn(self) -> None:
        """must-survive 3 (the target's side): every message in a state that does not allow it ends the login."""
        for data in (
            IDLE,
            PINNED,
            KEY,
            authentication(pglogin.SASL_CONTINUE, b"x"),
            authentication(pglogin.SASL_FINAL, b"x"),
        ):
            self.fails(started(), data)
            self.fails(started(None), data)
        for data in (
            SASL,
            OK,
            message(b"T", b""),
            message(b"G", b""),
            authentication(pglogin.GSS_CONTINUE),
            authentication(99),
        ):
            self.fails(started(None), OK + data)
        login = started()
        login.from_target(SASL)
        self.fails(login, SASL)

    def test_key_that_was_not_asked_for(self) -> None:
        """The edge cannot answer what was not asked; after an end it may, and nothing comes of it."""
        with self.assertRaises(ProtocolViolation):
            started().derived(Secret(b"x"))
        login = started()
        login.from_target(error(C="57P03", M="starting"))
        self.assertEqual(login.derived(Secret(b"x")), [])

    def test_what_text_means_is_pinned(self) -> None:
        """must-survive 16: a target (a pooler) that reports other strings or another encoding, or none, is not used."""
        strings, encoding = b"standard_conforming_strings\0", b"client_encoding\0"
        for said in (
            [strings + b"off\0", encoding + b"UTF8\0"],
            [strings + b"on\0", encoding + b"SJIS\0"],
            [strings + b"on\0", encoding + b"LATIN1\0"],
            [strings + b"on\0"],
            [encoding + b"UTF8\0"],
            [],
        ):
            parameters = b"".join(message(b"S", body) for body in said)
            self.fails(started(None), OK + parameters + IDLE)

    def test_status_of_a_new_session(self) -> None:
        """A session that begins inside a transaction is somebody else's."""
        for status in (b"T", b"E", b"", b"II"):
            self.fails(started(None), OK + PINNED + message(b"Z", status))

    def test_lengths(self) -> None:
        """must-survive 5: lengths 0..3, beyond the bound, huge and wrapping ones are refused by the header."""
        for tag in b"RSKZENv":
            for length in (0, 1, 2, 3, MAX_MESSAGE + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
                self.fails(started(), bytes([tag]) + length.to_bytes(4, "big"))

    def test_endless_login(self) -> None:
        """A target that sends notices or settings for ever is given up, and nothing of it is kept."""
        notice = message(b"N", b"Mx\0\0")
        self.fails(started(None), notice * (MAX_MESSAGES + 1))
        settings = b"".join(message(b"S", b"a%d\0x\0" % number) for number in range(300))
        self.fails(started(None), OK + settings)


class Words(SynchronousTestCase):
    def failed(self, **fields: str) -> Failed:
        effect: Failed = only(started().from_target(error(**fields)), Failed)
        return effect

    def test_sqlstate_is_kept_where_it_helps(self) -> None:
        """A full or starting target, and a missing database, are told by SQLSTATE in our words."""
        for sqlstate in ("53300", "57P03", "3D000", "28P01"):
            failed = self.failed(S="FATAL", C=sqlstate, M='no entry for "pay_ro" from 10.0.0.7')
            self.assertEqual(failed.sqlstate, sqlstate)
            self.assertNotIn("pay_ro", failed.message)
            self.assertIn("pay_ro", failed.detail)

    def test_words_about_a_setting(self) -> None:
        """must-survive 11: what the target says of a setting is told once it let us in, and not before."""
        words = {"C": "42704", "M": 'unrecognized configuration parameter "no_such_thing"'}
        self.assertNotIn("no_such_thing", self.failed(**words).message)
        effects = started(None).from_target(OK + error(**words))
        failed: Failed = only(effects, Failed)
        self.assertEqual((failed.sqlstate, failed.message), ("42704", words["M"]))

    def test_errors_of_any_shape(self) -> None:
        """must-survive 8: an error without SQLSTATE, with unknown fields or with none is a failure like any other."""
        for fields in ({}, {"M": "x"}, {"?": "y", "C": "XX000"}, {"C": "Z" * 5000}):
            self.assertEqual(self.failed(**fields).sqlstate, "08001")
        for body in (b"", b"\0", b"C", b"\0\0\0", b"C28000"):
            only(started().from_target(message(b"E", body)), Failed)

    def test_credential_is_not_echoed(self) -> None:
        """must-survive 71: a target that shows the credential in its error shows it to nobody."""
        failed = self.failed(C="28P01", M="wrong: " + PASSWORD.reveal().decode())
        self.assertNotIn("s3cret", failed.message + failed.detail)

    def test_words_are_harmless(self) -> None:
        """must-survive 36: the detail for the log is short and printable."""
        failed = self.failed(M="\x1b]0;x\x07\n" + "y" * 10_000)
        self.assertTrue(failed.detail.isprintable())
        self.assertLess(len(failed.detail), 600)

    def test_target_that_closes(self) -> None:
        """A target that closes in the middle gives one failure."""
        login = started()
        only(login.target_closed(), Failed)
        self.assertEqual(login.target_closed(), [])


class AnyCut(SynchronousTestCase):
    @given(some.lists(some.integers(0, 500), max_size=12))
    def test_any_cut_gives_the_same(self, cuts: list[int]) -> None:
        """However the bytes come in, the same session comes out."""
        stream = message(b"N", b"Mx\0\0") + OK + PINNED + KEY + IDLE
        login, effects, here = started(None), [], 0
        for cut in [*sorted(cut % len(stream) for cut in cuts), len(stream)]:
            effects += login.from_target(stream[here:cut])
            here = cut
        self.assertEqual(only(effects, Ready).process, 7)

    @given(some.lists(some.binary(max_size=60), max_size=6), some.sampled_from([b"", SASL, OK, OK + PINNED]))
    def test_junk_fails(self, pieces: list[bytes], before: bytes) -> None:
        """Junk never raises, and never gives a session."""
        login = started(None if before.startswith(OK) else PASSWORD)
        login.from_target(before)
        effects: list[TargetEffect] = []
        for piece in pieces:
            effects += login.from_target(piece)
        kinds = [type(effect) for effect in effects]
        self.assertNotIn(Ready, kinds)
        self.assertLessEqual(kinds.count(Failed), 1)

"""What a client says before its first query, move by move."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import (
    IssuerUnavailable,
    LoginRefused,
    NotGranted,
    OperatorError,
    ProtocolViolation,
    RecordingFailed,
    SpoolFull,
    StoreUnavailable,
    WireError,
)
from hoopgw.relay.postgres_client_effects import Cancel, Login, LoginEffect, Refuse, Reply, StartTls
from hoopgw.relay.postgres_client_login import CERTIFICATE_LOGIN, ClientLogin
from hoopgw.relay.postgres_client_words import fatal, welcome
from hoopgw.relay.postgres_discovery import Discovery
from hoopgw.wire import pglogin
from hoopgw.wire.pglogin import GSSENC_REQUEST, SSL_REQUEST, cancel_request, request, startup_message

TOKEN = b"eyJh.eyJz.c2ln"
ASK = pglogin.authentication(pglogin.CLEARTEXT)
HELLO = startup_message([("user", "reader"), ("database", "pay")])


def password(token: bytes = TOKEN) -> bytes:
    return pglogin.message(b"p", token + b"\0")


def shown(effects: list[LoginEffect]) -> list[Any]:
    """Effects as plain values."""
    plain: list[Any] = []
    for effect in effects:
        if isinstance(effect, Reply):
            plain.append(effect.data)
        elif isinstance(effect, StartTls):
            plain.append("tls")
        elif isinstance(effect, Cancel):
            plain.append((effect.process, effect.key))
        elif isinstance(effect, Refuse):
            plain.append(("refused", fields(effect.data).get("C")))
        elif isinstance(effect, Login):
            settings = tuple(sorted(effect.settings.items()))
            plain.append((effect.role, effect.target, effect.database, settings, effect.token.reveal()))
    return plain


def fields(error: bytes) -> dict[str, str]:
    return {part[:1].decode(): part[1:].decode() for part in error[5:].split(b"\0") if part}


def login(*, encrypted: bool = True, tls_offered: bool = True, tls_required: bool = True, **limits: int) -> ClientLogin:
    return ClientLogin(tls_offered=tls_offered, tls_required=tls_required, encrypted=encrypted, **limits)


LOGGED_IN = ("reader", "pay", "", (("client_encoding", "UTF8"),), TOKEN)


class Certified(SynchronousTestCase):
    def started(self, *more: tuple[str, str]) -> list[Any]:
        client = login(encrypted=False)
        client.from_client(request(SSL_REQUEST))
        client.tls_started("", CERTIFICATE_LOGIN)
        return shown(client.from_client(startup_message([("user", "reader"), ("database", "pay"), *more])))

    def test_nothing_is_asked_for(self) -> None:
        """TLS has shown who it is; a client that speaks a newer protocol is told of it all the same."""
        self.assertEqual(self.started(), [(*LOGGED_IN[:4], b"")])
        greeting, asked = self.started(("_pq_.x", "1"))
        self.assertEqual((greeting[:1], asked), (b"v", (*LOGGED_IN[:4], b"")))

    def test_a_token_beside_it(self) -> None:
        """Where the client says that it wants to show one."""
        self.assertEqual(self.started(("options", "-c hoopgw.login=password")), [ASK])

    def test_security_no_empty_token_without_it(self) -> None:
        """An empty password is no way to the login that a certificate has."""
        client = login()
        client.from_client(HELLO)
        self.assertEqual(shown(client.from_client(password(b"")))[0][0], "refused")


class Moves(SynchronousTestCase):
    def test_over_tls(self) -> None:
        """SSLRequest, TLS, StartupMessage, password: a login."""
        client = login(encrypted=False)
        self.assertEqual(shown(client.from_client(request(SSL_REQUEST))), [b"S", "tls"])
        client.tls_started()
        self.assertEqual(shown(client.from_client(HELLO)), [ASK])
        self.assertEqual(shown(client.from_client(password())), [LOGGED_IN])

    def test_direct_tls(self) -> None:
        """must-survive 2: on a connection that began with TLS the first packet is StartupMessage."""
        client = login()
        self.assertEqual(shown(client.from_client(HELLO) + client.from_client(password())), [ASK, LOGGED_IN])

    def test_gss_then_tls(self) -> None:
        """GSSENCRequest is answered N, and TLS may follow."""
        client = login(encrypted=False)
        self.assertEqual(shown(client.from_client(request(GSSENC_REQUEST))), [b"N"])
        self.assertEqual(shown(client.from_client(request(SSL_REQUEST))), [b"S", "tls"])

    def test_without_tls(self) -> None:
        """Where the operator allows it, a login in the clear; a gateway without certificate answers N."""
        client = login(encrypted=False, tls_offered=False, tls_required=False)
        self.assertEqual(shown(client.from_client(request(SSL_REQUEST))), [b"N"])
        self.assertEqual(shown(client.from_client(HELLO) + client.from_client(password())), [ASK, LOGGED_IN])

    def test_tls_is_required_before_anything_is_asked(self) -> None:
        """must-survive 10: a client without TLS is told so before it is asked for its token."""
        (effect,) = login(encrypted=False).from_client(HELLO)
        assert isinstance(effect, Refuse)
        self.assertIn("TLS is required", fields(effect.data)["M"])

    def test_newer_protocols(self) -> None:
        """3.0 and 3.2 are spoken; a newer minor version and unknown `_pq_.` options are negotiated down, and never to
        more than was asked for (documentation, 55.2.1)."""
        plain, odd = [("user", "reader"), ("database", "pay")], [("_pq_.x", "1")]
        none, one = b"\0\0\0\0", b"\0\0\0\1_pq_.x\0"
        for minor, options, spoken in (
            (0, [], b""),
            (2, [], b""),
            (1, [], b"\0\3\0\0" + none),
            (3, [], b"\0\3\0\2" + none),
            (9999, odd, b"\0\3\0\2" + one),
            (0, odd, b"\0\3\0\0" + one),
        ):
            negotiated = pglogin.message(b"v", spoken) if spoken else b""
            packet = startup_message(plain + options, 3 << 16 | minor)
            self.assertEqual(shown(login().from_client(packet)), [negotiated + ASK], minor)
        self.assertEqual(shown(login().from_client(startup_message(plain, 4 << 16))), [("refused", "28000")])

    def test_key_of_a_version(self) -> None:
        """must-survive 12: who speaks 3.2 gets a key of 32 bytes; who speaks 3.0 has room for four."""
        for minor, length in ((0, 4), (1, 4), (2, 32), (9999, 32)):
            client = login()
            client.from_client(startup_message([("user", "reader"), ("database", "pay")], 3 << 16 | minor))
            self.assertEqual(client.key_bytes, length)

    def test_database_of_a_target(self) -> None:
        """`TARGET/DATABASE`, or with %2F, names another database; half a name is refused."""
        for said, wanted in (("pay/h", ("pay", "h")), ("pay%2Fh", ("pay", "h")), ("pay%2fa/b", ("pay%2fa", "b"))):
            client = login()
            client.from_client(startup_message([("user", "r"), ("database", said)]))
            (effect,) = client.from_client(password())
            assert isinstance(effect, Login)
            self.assertEqual((effect.target, effect.database), wanted)
        for said in ("pay/", "/h", "/"):
            client = login()
            client.from_client(startup_message([("user", "r"), ("database", said)]))
            self.assertEqual(shown(client.from_client(password())), [("refused", "28000")])

    def test_cancel(self) -> None:
        """must-survive 13: CancelRequest is taken in the clear and by TLS, before any login, with long keys too."""
        for client in (login(encrypted=False), login()):
            self.assertEqual(shown(client.from_client(cancel_request(7, b"abcd"))), [(7, b"abcd")])
        long_key = bytes(256)
        self.assertEqual(shown(login().from_client(cancel_request(2**32 - 1, long_key))), [(2**32 - 1, long_key)])

    def test_cancel_keys_of_no_version(self) -> None:
        """must-survive 12: keys of 0 to 3 and of more than 256 bytes are refused."""
        for size in (0, 3, 257, 9000):
            self.assertEqual(shown(login().from_client(cancel_request(1, bytes(size)))), [("refused", "08P01")])

    def test_welcome(self) -> None:
        """AuthenticationOk, settings, the gateway's own key, ReadyForQuery; a value that is not UTF-8 as it came."""
        odd = b"\xff".decode("utf-8", "surrogateescape")
        expected = pglogin.authentication(0) + b"S\0\0\0\x08a\0\xff\0" + b"K\0\0\0\x0c\0\0\0\x07abcd" + b"Z\0\0\0\5I"
        self.assertEqual(welcome({"a": odd}, 7, b"abcd"), expected)

    def test_words_of_errors(self) -> None:
        """Only errors meant for the client speak in their own words."""
        self.assertEqual(fields(fatal(LoginRefused("no grant", detail="secret detail")))["M"], "no grant")
        for error in (OperatorError("/etc/x is broken"), IssuerUnavailable("idp is at 10.0.0.1")):
            self.assertNotIn(str(error), fields(fatal(error))["M"])
        for passing in (IssuerUnavailable, RecordingFailed, SpoolFull, StoreUnavailable):  # libpq tries its next host
            self.assertEqual(fields(fatal(passing("x")))["C"], "57P03")
        self.assertEqual(fields(fatal(OperatorError("x")))["C"], "58000")

    def test_token_is_not_shown(self) -> None:
        """must-survive 46: the login's token has no repr."""
        client = login()
        client.from_client(HELLO)
        (effect,) = client.from_client(password())
        assert isinstance(effect, Login)
        self.assertEqual(repr(effect.token), "Secret()")


class Bearer(SynchronousTestCase):
    """OAUTHBEARER in the password's place."""

    ask = pglogin.authentication(pglogin.SASL, b"OAUTHBEARER\0\0")
    refusal = pglogin.authentication(pglogin.SASL_CONTINUE, b'{"status": "invalid_token"}')
    issuers = ("corp", "https://corp.example", "openid"), ("partner", "https://partner.example", "db")

    def client(self, **limits: Any) -> ClientLogin:
        client = ClientLogin(tls_offered=True, tls_required=True, encrypted=True, login="oauthbearer", **limits)
        self.assertEqual(shown(client.from_client(HELLO)), [self.ask])
        return client

    def said(self, token: bytes) -> bytes:
        return pglogin.sasl_initial_response(b"OAUTHBEARER", b"n,,\1auth=" + token + b"\1\1")

    def test_token(self) -> None:
        """The token is the same login as one that comes as password, however it is cut."""
        stream = self.said(b"Bearer " + TOKEN)
        for cut in range(len(stream)):
            client = self.client()
            effects = client.from_client(stream[:cut]) + client.from_client(stream[cut:])
            self.assertEqual(shown(effects), [LOGGED_IN])
            self.assertTrue(client.by_bearer)

    def test_discovery(self) -> None:
        """Without a token: where to get one, then an error, once the client has taken note."""
        client = self.client()
        self.assertEqual(shown(client.from_client(self.said(b""))), [self.refusal])
        (effect,) = client.from_client(pglogin.sasl_response(b"\1"))
        assert isinstance(effect, Refuse) and isinstance(effect.error, LoginRefused)
        self.assertEqual((fields(effect.data)["C"], effect.error.detail), ("28000", "discovery"))

    def test_refused_token(self) -> None:
        """A token that is no good: JSON, the client's note, and then why in words; a second token is not heard."""
        for answer, code in ((b"\1", "28000"), (b"", "08P01"), (b"n,,\1auth=Bearer x\1\1", "08P01")):
            client = self.client()
            client.from_client(self.said(b"Bearer " + TOKEN))
            self.assertEqual(shown(client.token_refused(LoginRefused("it has expired"))), [self.refusal])
            self.assertEqual(shown(client.from_client(pglogin.sasl_response(answer))), [("refused", code)])
            self.assertEqual(client.from_client(self.said(b"Bearer " + TOKEN)), [])

    def answered(self, client: ClientLogin, error: LoginRefused | None = None) -> tuple[str, str]:
        """(status, where tokens are to be had) of the JSON that a client gets."""
        effects = client.token_refused(error) if error is not None else client.from_client(self.said(b""))
        (effect,) = effects
        assert isinstance(effect, Reply)
        said = json.loads(effect.data[9:])
        return said["status"], said["openid-configuration"].removesuffix("/.well-known/openid-configuration")

    def test_good_token_without_a_grant(self) -> None:
        """RFC 7628, 3.2.2: it lacks a right; only of a token that is no good is it said that it is none."""
        for error, status in (
            (NotGranted("no grant"), "insufficient_scope"),
            (LoginRefused("it has expired"), "invalid_token"),
        ):
            client = self.client(discovery=Discovery(self.issuers))
            client.from_client(self.said(b"Bearer " + TOKEN))
            self.assertEqual(self.answered(client, error), (status, "https://corp.example"))

    def test_several_issuers(self) -> None:
        """Named is the issuer that the token says it is of, or the client, or the first; no other than are there."""
        hello = [("user", "reader"), ("database", "pay"), ("options", "-c hoopgw.issuer=partner")]
        for said, where in ((hello[:2], "https://corp.example"), (hello, "https://partner.example")):
            client = ClientLogin(
                tls_offered=True,
                tls_required=True,
                encrypted=True,
                login="oauthbearer",
                discovery=Discovery(self.issuers),
            )
            client.from_client(startup_message(said))
            self.assertEqual(self.answered(client), ("invalid_token", where))
        for claims, where in (
            (b'{"iss": "https://partner.example"}', "https://partner.example"),
            (b'{"iss": "https://elsewhere.example"}', "https://corp.example"),
            (b'{"iss": ["https://partner.example"]}', "https://corp.example"),
            (b"[" * 5000, "https://corp.example"),
            (b"\xff", "https://corp.example"),
        ):
            client = self.client(discovery=Discovery(self.issuers))
            token = b"e30." + base64.urlsafe_b64encode(claims).rstrip(b"=") + b".x"
            client.from_client(self.said(b"Bearer " + token))
            self.assertEqual(self.answered(client, LoginRefused("no")), ("invalid_token", where))
        hello[2] = ("options", "-c hoopgw.issuer=other")
        self.assertEqual(shown(login().from_client(startup_message(hello))), [("refused", "28000")])

    def test_out_of_turn(self) -> None:
        """must-survive 3: another mechanism, a password, a second start-up, bytes behind, a token too long: refused."""
        for data, code in (
            (pglogin.sasl_initial_response(b"SCRAM-SHA-256", b"n,,\1auth=Bearer x\1\1"), "08P01"),
            (password(), "08P01"),
            (HELLO, "08P01"),
            (self.said(b"Bearer " + TOKEN) + b"p", "08P01"),
            (self.said(b"Bearer " + b"x" * 2000), "28000"),
        ):
            self.assertEqual(shown(self.client(max_token=1500).from_client(data)), [("refused", code)])
        too_long = pglogin.message(b"p", bytes(5000))
        self.assertEqual(shown(self.client(max_token=1500).from_client(too_long[:5])), [("refused", "08P01")])

    def test_client_chooses(self) -> None:
        """`options=-c hoopgw.login=` beats the configuration, both ways; what is neither is refused by name."""
        for default, said, asked in (("password", "oauthbearer", self.ask), ("oauthbearer", "password", ASK)):
            client = ClientLogin(tls_offered=True, tls_required=True, encrypted=True, login=default)
            options = ("options", f"-c hoopgw.login={said}")
            hello = startup_message([("user", "reader"), ("database", "pay"), options])
            self.assertEqual(shown(client.from_client(hello)), [asked])
        hello = startup_message([("user", "reader"), ("database", "pay"), ("options", "-c hoopgw.login=trust")])
        self.assertEqual(shown(login().from_client(hello)), [("refused", "28000")])


class OutOfTurn(SynchronousTestCase):
    def refused(self, client: ClientLogin, data: bytes) -> None:
        effects = client.from_client(data)
        self.assertEqual(shown(effects)[-1], ("refused", "08P01"))
        self.assertEqual(client.from_client(HELLO + password()), [])  # nothing comes after

    def test_bytes_behind_ssl_request(self) -> None:
        """must-survive 1: whatever stands behind SSLRequest or GSSENCRequest in the same segment ends it, and no S or N
        is sent."""
        for code in (SSL_REQUEST, GSSENC_REQUEST):
            for rest in (HELLO, b"\x16", b"\0"):
                effects = login(encrypted=False).from_client(request(code) + rest)
                self.assertEqual(shown(effects), [("refused", "08P01")])

    def test_bytes_before_tls_stands(self) -> None:
        """must-survive 1: nothing is taken between S and the end of the handshake."""
        client = login(encrypted=False)
        client.from_client(request(SSL_REQUEST))
        self.refused(client, HELLO)
        with self.assertRaises(ProtocolViolation):
            client.tls_started()

    def test_ssl_request_with_a_body(self) -> None:
        """An SSLRequest that is longer than it is, is none."""
        self.refused(login(encrypted=False), b"\0\0\0\x0c" + SSL_REQUEST.to_bytes(4, "big") + b"abcd")

    def test_encryption_is_asked_for_once(self) -> None:
        """must-survive 3: a second request for encryption, or one inside TLS, is refused."""
        for code in (SSL_REQUEST, GSSENC_REQUEST):
            self.refused(login(), request(code))
            client = login(encrypted=False, tls_offered=False, tls_required=False)
            client.from_client(request(code))
            self.refused(client, request(code))
        client = login(encrypted=False)
        client.from_client(request(SSL_REQUEST))
        client.tls_started()
        self.refused(client, request(SSL_REQUEST))

    def test_second_startup(self) -> None:
        """must-survive 3: a second StartupMessage, in place of the password or behind it, ends the login."""
        client = login()
        client.from_client(HELLO)
        self.refused(client, startup_message([("user", "writer"), ("database", "pay")]))
        client = login()
        client.from_client(HELLO)
        self.refused(client, password() + HELLO)
        client = login()
        client.from_client(HELLO)
        self.assertEqual(shown(client.from_client(password())), [LOGGED_IN])
        self.refused(client, HELLO)

    def test_query_before_login(self) -> None:
        """must-survive 34: a query in place of the password, or while the login is decided, ends it."""
        query = pglogin.message(b"Q", b"select 1\0")
        client = login()
        client.from_client(HELLO)
        self.refused(client, query)
        client = login()
        client.from_client(HELLO)
        client.from_client(password())
        self.refused(client, query)

    def test_passwords_that_are_none(self) -> None:
        """An empty, unterminated or double password, or two messages, are refused."""
        for body in (b"", b"abc", b"a\0b\0", b"a\0\0"):
            client = login()
            client.from_client(HELLO)
            self.refused(client, pglogin.message(b"p", body))
        client = login()
        client.from_client(HELLO)
        self.assertEqual(shown(client.from_client(password(b""))), [("refused", "28000")])


class Lengths(SynchronousTestCase):
    def test_lengths_before_login(self) -> None:
        """must-survive 5: lengths 0..7, huge and wrapping ones in the first packet are refused by the header alone."""
        for length in (0, 1, 2, 3, 4, 7, 10_001, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
            self.assertEqual(shown(login().from_client(length.to_bytes(4, "big"))), [("refused", "08P01")], length)

    def test_lengths_of_the_password(self) -> None:
        """must-survive 5: lengths 0..3, beyond the token's bound, huge and wrapping ones are refused by the header."""
        for length in (0, 1, 2, 3, 16 * 1024 + 6, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
            client = login()
            client.from_client(HELLO)
            self.assertEqual(
                shown(client.from_client(b"p" + length.to_bytes(4, "big"))), [("refused", "08P01")], length
            )

    def test_largest_token(self) -> None:
        """A token of exactly the bound passes."""
        client = login(max_token=100)
        client.from_client(HELLO)
        self.assertEqual(shown(client.from_client(password(b"x" * 100)))[0][-1], b"x" * 100)
        client = login(max_token=100)
        client.from_client(HELLO)
        self.assertEqual(shown(client.from_client(password(b"x" * 101))), [("refused", "08P01")])

    def test_other_protocols(self) -> None:
        """What speaks HTTP, SSH or TLS to the port is refused at once."""
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n", b"\x16\x03\x01\x02\x00\x01", b"\0" * 64):
            self.assertEqual(shown(login(encrypted=False).from_client(data)), [("refused", "08P01")])

    def test_parameters_that_are_none(self) -> None:
        """Parameters unterminated, odd, doubled, nameless, not UTF-8 or too many are refused."""
        for body in (
            b"",
            b"user\0r",
            b"user\0r\0",
            b"user\0\0",
            b"user\0r\0database\0\0",
            b"user\0r\0user\0w\0database\0pay\0\0",
            b"\0x\0user\0r\0\0",
            b"user\0\xff\0database\0pay\0\0",
            b"".join(b"a%d\0x\0" % number for number in range(65)) + b"\0",
        ):
            packet = (len(body) + 8).to_bytes(4, "big") + (3 << 16).to_bytes(4, "big") + body
            self.assertEqual(shown(login().from_client(packet))[0][0], "refused", body)


class Settings(SynchronousTestCase):
    def ask(self, *parameters: tuple[str, str]) -> dict[str, str] | str:
        """The settings for the target, or the refusal's words."""
        client = login()
        (effect,) = client.from_client(startup_message([("user", "r"), ("database", "pay"), *parameters]))
        if isinstance(effect, Refuse):
            return fields(effect.data)["M"]
        (wanted,) = client.from_client(password())
        assert isinstance(wanted, Login)
        return wanted.settings

    def test_what_drivers_send(self) -> None:
        """JDBC's, asyncpg's, libpq's and node's usual parameters pass; the encoding by PostgreSQL's name."""
        utf8 = {"client_encoding": "UTF8"}
        self.assertEqual(
            self.ask(
                ("client_encoding", "UTF8"), ("DateStyle", "ISO"), ("TimeZone", "UTC"), ("extra_float_digits", "2")
            ),
            utf8 | {"datestyle": "ISO", "timezone": "UTC", "extra_float_digits": "2"},
        )
        self.assertEqual(self.ask(("client_encoding", "'utf-8'"), ("jit", "off")), utf8 | {"jit": "off"})
        self.assertEqual(self.ask(("application_name", "psql"), ("replication", "off")), utf8)
        self.assertEqual(self.ask(("client_encoding", "iso-8859-15")), {"client_encoding": "LATIN9"})

    def test_settings_that_are_judged(self) -> None:
        """What is on no list is told to the edge as it was said, which has it judged as a SET."""
        for name in ("search_path", "role", "row_security", "default_transaction_read_only", "app.tenant"):
            wanted = {"client_encoding": "UTF8", name: "x"}
            for said in (
                (name.upper(), "x"),
                ("options", f"-c {name}=x"),
                ("options", f"--{name.replace('_', '-')}=x"),
            ):
                self.assertEqual(self.ask(said), wanted, said)

    def test_names_that_are_the_logins_own(self) -> None:
        """must-survive 9: in other letters, or in `options`, what the login says itself would be another user or
        database to the target; libraries are loaded before a statement is judged; and a name is a name."""
        for name in (
            "User",
            "Database",
            "OPTIONS",
            "Replication",
            "Application_name",
            "_PQ_.x",
            "hoopgw.login",
            "session_preload_libraries",
            "local_preload_libraries",
            "session authorization",
            'x" TO y; --',
            "a..b",
            "caf\u00e9",
        ):
            words = self.ask((name, "x"))
            assert isinstance(words, str), name
            self.assertIn("parameter", words)
            option = name.replace(" ", "\\ ")
            if name != "Application_name":
                self.assertIsInstance(self.ask(("options", f"-c {option}=x")), str, name)
        self.assertIn("not ASCII", str(self.ask(("search_path", "stra\u00dfe"))))

    def test_encodings_with_ascii_in_their_tails(self) -> None:
        """must-survive 16: encodings in which a quote can be half a character are refused, however they are written."""
        for encoding in (
            "SJIS",
            "sjis",
            "BIG5",
            "GBK",
            "gb18030",
            "JOHAB",
            "UHC",
            "shift_jis_2004",
            "mskanji",
            "",
            "x",
        ):
            self.assertIn("encoding", str(self.ask(("client_encoding", encoding))))

    def test_replication(self) -> None:
        """What is asked for is told to the edge, which asks the grant; what is no word for it is refused."""
        for value, wanted in (
            ("true", "physical"), ("1", "physical"), ("ON", "physical"), ("Database", "logical"), ("off", ""),
        ):  # fmt: skip
            client = login()
            client.from_client(startup_message([("user", "r"), ("database", "pay"), ("replication", value)]))
            (effect,) = client.from_client(password())
            assert isinstance(effect, Login)
            self.assertEqual(effect.replication, wanted)
        for value in ("x", "", "of", "physical"):
            self.assertIn("replication", str(self.ask(("replication", value))))

    def test_target_of_physical_replication(self) -> None:
        """pg_basebackup's database is always `replication`: its target stands in `options`.  Others have their own
        place for it, and may not say it twice."""
        where = [("user", "r"), ("database", "replication"), ("options", "-c hoopgw.target=pay")]
        client = login()
        client.from_client(startup_message([*where, ("replication", "true")]))
        (effect,) = client.from_client(password())
        assert isinstance(effect, Login)
        self.assertEqual(effect.target, "pay")
        for more in ([], [("replication", "database")]):
            self.assertEqual(shown(login().from_client(startup_message(where + more))), [("refused", "28000")])

    def test_host_of_physical_replication(self) -> None:
        """Where the host is a target's, pg_basebackup's `replication` is no database of it, which no grant lists."""
        for more, place in (([("replication", "true")], ""), ([], "replication")):
            client = ClientLogin(tls_offered=True, tls_required=True, encrypted=True, host="pay")
            client.from_client(startup_message([("user", "r"), ("database", "replication"), *more]))
            (effect,) = client.from_client(password())
            assert isinstance(effect, Login)
            self.assertEqual((effect.target, effect.database), ("pay", place))

    def test_options(self) -> None:
        """`options` may hold settings from the same list, in each spelling that PostgreSQL takes."""
        for said in (
            "-c statement_timeout=5s",
            "-cstatement_timeout=5s",
            "  --statement-timeout=5s ",
            "-c statement\\_timeout=5s",
        ):
            self.assertEqual(self.ask(("options", said)), {"client_encoding": "UTF8", "statement_timeout": "5s"}, said)
        self.assertEqual(
            self.ask(("options", "-c datestyle=ISO,\\ MDY")), {"client_encoding": "UTF8", "datestyle": "ISO, MDY"}
        )
        for said in ("-E", "-c", "-c x", "--", "-S 1", "-d 5", "-c jit=off -c JIT=on", "postgres", "-ojit=off"):
            self.assertIsInstance(self.ask(("options", said)), str, said)
        self.assertIsInstance(self.ask(("jit", "on"), ("options", "-c jit=off")), str)

    def test_missing_names(self) -> None:
        """Without role or target nobody is asked for a token."""
        for said in ([("database", "pay")], [("user", "r")], [("user", ""), ("database", "x")], []):
            self.assertEqual(shown(login().from_client(startup_message(said))), [("refused", "28000")])
        self.assertEqual(
            shown(login().from_client(startup_message([("user", "x" * 300), ("database", "p")]))),
            [("refused", "28000")],
        )


class AnyCut(SynchronousTestCase):
    @given(some.lists(some.integers(0, 200), max_size=12))
    def test_any_cut_gives_the_same(self, cuts: list[int]) -> None:
        """However the bytes come in, the same login comes out."""
        stream = startup_message([("user", "reader"), ("database", "pay"), ("jit", "off")]) + password()
        client, effects, here = login(), [], 0
        for cut in [*sorted(cut % len(stream) for cut in cuts), len(stream)]:
            effects += client.from_client(stream[here:cut])
            here = cut
        settings = (("client_encoding", "UTF8"), ("jit", "off"))
        self.assertEqual(shown(effects), [ASK, ("reader", "pay", "", settings, TOKEN)])

    @given(some.lists(some.binary(max_size=60), max_size=5), some.booleans())
    def test_junk_ends_in_a_refusal(self, pieces: list[bytes], started: bool) -> None:
        """Junk never raises, and ends at most in one refusal; never in a login."""
        client = login()
        if started:
            client.from_client(HELLO)
        effects: list[LoginEffect] = []
        for piece in pieces:
            effects += client.from_client(piece)
        refusals = [effect for effect in effects if isinstance(effect, Refuse)]
        self.assertLessEqual(len(refusals), 1)
        for refusal in refusals:
            self.assertIsInstance(refusal.error, WireError | LoginRefused)
        if not started:
            self.assertEqual([effect for effect in effects if isinstance(effect, Login)], [])

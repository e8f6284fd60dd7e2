"""SCRAM: the example of RFC 7677, and what a server may not say."""

from __future__ import annotations

import base64
import contextlib

from hypothesis import given
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import ProtocolViolation, WireError
from hoopgw.model.secret import Secret
from hoopgw.wire import scram
from hoopgw.wire.scram import SCRAM, SCRAM_PLUS, ScramClient, chosen_mechanism, salted_password

RANDOM = bytes(range(18))
OURS = base64.b64encode(RANDOM)
SALT = base64.b64encode(b"0123456789abcdef")


def server_first(nonce: bytes = OURS + b"theirs", salt: bytes = SALT, count: bytes = b"4096") -> bytes:
    return b"r=" + nonce + b",s=" + salt + b",i=" + count


class Exchange(SynchronousTestCase):
    def test_example_of_rfc_7677(self) -> None:
        """RFC 7677, section 3: with its nonce, salt and password our proof and our check are its own.

        PostgreSQL leaves the user name empty, so the proof is computed here with the same formulae from the example's
        derived keys: SaltedPassword for `pencil` is what makes the example's ServerSignature.
        """
        salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
        salted = salted_password(Secret(b"pencil"), salt, 4096)
        client_first = b"n=user,r=rOprNGfwEbeRWgbNEkqO"
        nonce = b"rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
        signed = client_first + b",r=" + nonce + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=" + nonce
        signature = scram._hmac(scram._hmac(salted.reveal(), b"Server Key"), signed)
        self.assertEqual(base64.b64encode(signature), b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")

    def test_both_sides_prove(self) -> None:
        """A server that computes the RFC's formulae accepts our proof, and we accept its signature."""
        for mechanism, binding in ((SCRAM, None), (SCRAM, b"digest"), (SCRAM_PLUS, b"digest")):
            client = ScramClient(mechanism, RANDOM, binding)
            server = Server(client.first(), Secret(b"pencil"))
            asked = client.server_first(server.first)
            final = client.final(salted_password(Secret(b"pencil"), asked.salt, asked.iterations))
            client.server_final(server.accept(final, binding if mechanism == SCRAM_PLUS else b""))
            self.assertTrue(client.verified)

    def test_header_says_what_the_client_could_do(self) -> None:
        """RFC 5802, section 6: `n` without TLS, `y` where the server did not offer binding, `p` with binding."""
        heads = [
            ScramClient(SCRAM, RANDOM, None),
            ScramClient(SCRAM, RANDOM, b"x"),
            ScramClient(SCRAM_PLUS, RANDOM, b"x"),
        ]
        firsts = [client.first().partition(b"n=")[0] for client in heads]
        self.assertEqual(firsts, [b"n,,", b"y,,", b"p=tls-server-end-point,,"])

    def test_server_that_does_not_know_the_password(self) -> None:
        """must-survive 7: a wrong server signature ends the exchange, and it stays unverified."""
        client = ScramClient(SCRAM, RANDOM, None)
        client.first()
        client.server_first(server_first())
        client.final(Secret(b"x" * 32))
        with self.assertRaises(ProtocolViolation):
            client.server_final(b"v=" + base64.b64encode(bytes(32)))
        self.assertFalse(client.verified)
        with self.assertRaises(ProtocolViolation):
            client.server_final(b"v=" + base64.b64encode(bytes(32)))


class Hostile(SynchronousTestCase):
    def refused(self, message: bytes) -> None:
        client = ScramClient(SCRAM, RANDOM, None)
        client.first()
        with self.assertRaises(WireError):
            client.server_first(message)
        with self.assertRaises(ProtocolViolation):  # and the exchange is over
            client.final(Secret(b"x" * 32))

    def test_iterations_are_capped(self) -> None:
        """must-survive 6: 2^31 iterations, none, few, signed, spaced or huge numbers are refused before any work."""
        for count in (
            b"2147483648",
            b"0",
            b"1",
            b"4095",
            b"1000001",
            b"-4096",
            b"+4096",
            b" 4096",
            b"",
            b"9" * 5000,
            b"\xb2",
        ):
            self.refused(server_first(count=count))

    def test_nonce_must_extend_ours(self) -> None:
        """must-survive 7: a nonce that is ours alone, another, 64 kB long or not printable is refused."""
        for nonce in (
            OURS,
            b"",
            b"else",
            b"x" + OURS,
            OURS + b"x" * 65536,
            OURS + b"x" * 1500,
            OURS + b"\x00",
            OURS + b" ",
        ):
            self.refused(server_first(nonce=nonce))

    def test_salt_is_base64_of_sane_length(self) -> None:
        """must-survive 7: an empty, broken or oversized salt is refused."""
        for salt in (b"", b"%%%", b"QQ", base64.b64encode(bytes(2000))):
            self.refused(server_first(salt=salt))

    def test_other_attributes_are_refused(self) -> None:
        """RFC 5802, 5.1: `m=` must fail; what PostgreSQL never sends is refused as well."""
        for message in (b"m=ext," + server_first(), server_first() + b",x=1", b"r=" + OURS + b"x", b"e=no", b"", b","):
            self.refused(message)

    def test_final_without_signature(self) -> None:
        """must-survive 7: `e=`, a missing `v=`, and anything else in the final message end the exchange."""
        for message in (b"e=other-error", b"", b"v=", b"v=%%%", b"v=QQ==", b"x=1", b"v=QQ==,x=1"):
            client = ScramClient(SCRAM, RANDOM, None)
            client.first()
            client.server_first(server_first())
            client.final(Secret(b"x" * 32))
            with self.assertRaises(WireError):
                client.server_final(message)
            self.assertFalse(client.verified)

    def test_messages_out_of_turn(self) -> None:
        """A server-final before the proof, or a second server-first, is refused."""
        client = ScramClient(SCRAM, RANDOM, None)
        client.first()
        with self.assertRaises(ProtocolViolation):
            client.server_final(b"v=QQ==")
        client = ScramClient(SCRAM, RANDOM, None)
        client.first()
        client.server_first(server_first())
        with self.assertRaises(ProtocolViolation):
            client.server_first(server_first())

    @given(some.lists(some.binary(max_size=80), max_size=3))
    def test_junk_raises_only_wire_errors(self, messages: list[bytes]) -> None:
        """Whatever a server sends, only WireError comes of it, and never a verified exchange."""
        client = ScramClient(SCRAM, RANDOM, None)
        client.first()
        with contextlib.suppress(WireError):
            client.server_first(b"r=" + OURS + messages[0] if messages else b"")
            client.final(Secret(b"x" * 32))
            client.server_final(messages[-1])
        self.assertFalse(client.verified)


class Mechanism(SynchronousTestCase):
    def test_plus_is_never_given_up(self) -> None:
        """must-survive 10 (towards the target): with TLS and -PLUS offered, -PLUS is used, wherever it stands."""
        self.assertEqual(chosen_mechanism([SCRAM, SCRAM_PLUS], b"digest"), SCRAM_PLUS)
        self.assertEqual(chosen_mechanism([SCRAM], b"digest"), SCRAM)
        self.assertEqual(chosen_mechanism([SCRAM], None), SCRAM)
        self.assertEqual(chosen_mechanism([b"OAUTHBEARER"], b"digest"), b"")

    def test_plus_that_cannot_be(self) -> None:
        """-PLUS without TLS, or over a certificate that gives nothing to bind to, is refused instead of downgraded."""
        for binding in (None, b""):
            with self.assertRaises(ProtocolViolation):
                chosen_mechanism([SCRAM, SCRAM_PLUS], binding)

    def test_nothing_is_shown(self) -> None:
        """A derived key's repr shows nothing."""
        self.assertEqual(repr(salted_password(Secret(b"pencil"), b"salt", 4096)), "Secret()")


class Server:
    """The other side, from the RFC's formulae."""

    def __init__(self, client_first: bytes, password: Secret) -> None:
        header, _, bare = client_first.partition(b"n=")
        self.header, self.bare = header, b"n=" + bare
        self.nonce = bare.partition(b"r=")[2] + b"theirs"
        self.salted = salted_password(password, b"0123456789abcdef", 4096).reveal()
        self.first = server_first(self.nonce)

    def accept(self, final: bytes, bound: bytes | None) -> bytes:
        import hashlib
        import hmac

        without_proof, _, proof = final.rpartition(b",p=")
        assert without_proof == b"c=" + base64.b64encode(self.header + (bound or b"")) + b",r=" + self.nonce
        signed = self.bare + b"," + self.first + b"," + without_proof
        stored = hashlib.sha256(hmac.digest(self.salted, b"Client Key", "sha256")).digest()
        signature = hmac.digest(stored, signed, "sha256")
        key = bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature, strict=True))
        assert hashlib.sha256(key).digest() == stored
        return b"v=" + base64.b64encode(
            hmac.digest(hmac.digest(self.salted, b"Server Key", "sha256"), signed, "sha256")
        )

"""The handshake of WebSocket: who asks for what, and that the answer is of that."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame, ProtocolViolation, WireError
from hoopgw.wire.websocket_deflate import agreed, passed_offers, read_extensions, written
from hoopgw.wire.websocket_handshake import EXTENSIONS, Opening, accept, opening

SAMPLE = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455, 1.3
BROWSER = "permessage-deflate; client_max_window_bits"
NONCE = bytes(range(16))
Fields = list[tuple[str, str]]


def asked(**changed: str) -> Fields:
    """A browser's request; a name that is given replaces its value, "" takes the field away."""
    fields = {
        "upgrade": "websocket",
        "connection": "keep-alive, Upgrade",
        "sec-websocket-key": SAMPLE,
        "sec-websocket-version": "13",
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    return [(name, value) for name, value in fields.items() if value]


def answered(opened: Opening, **changed: str) -> Fields:
    fields = {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-accept": accept(opened.key),
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    return [(name, value) for name, value in fields.items() if value]


class Handshake(SynchronousTestCase):
    def test_the_sample(self) -> None:
        """The key and proof that the RFC shows; the target gets a key of the gateway's own."""
        self.assertEqual(accept(SAMPLE), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        opened = opening(asked(sec_websocket_protocol="chat, superchat"), NONCE)
        self.assertEqual(
            opened.fields(),
            [
                ("sec-websocket-key", "AAECAwQFBgcICQoLDA0ODw=="),
                ("sec-websocket-version", "13"),
                ("sec-websocket-protocol", "chat, superchat"),
            ],
        )
        agreed = opened.accepted(answered(opened, sec_websocket_protocol="superchat"))
        self.assertEqual(
            agreed.fields(),
            [("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), ("sec-websocket-protocol", "superchat")],
        )
        self.assertIsNone(agreed.terms)

    def test_what_was_agreed_is_said_to_the_client(self) -> None:
        """A subprotocol in its own letters, from whichever field; an extension; nothing that was not chosen."""
        fields = [*asked(sec_websocket_protocol="a", sec_websocket_extensions=BROWSER, connection="keep-alive")]
        opened = opening([*fields, ("connection", "Upgrade"), ("sec-websocket-protocol", "Chat")], NONCE)
        self.assertEqual(opened.protocols, ["a", "Chat"])
        self.assertEqual(opened.fields()[2:], [("sec-websocket-protocol", "a, Chat"), (EXTENSIONS, BROWSER)])
        proof = ("sec-websocket-accept", accept(SAMPLE))
        for changed, said in (
            ({}, []),
            ({"sec_websocket_protocol": "Chat"}, [("sec-websocket-protocol", "Chat")]),
            ({"sec_websocket_extensions": "permessage-deflate"}, [(EXTENSIONS, "permessage-deflate")]),
        ):
            self.assertEqual(opened.accepted(answered(opened, **changed)).fields(), [proof, *said])

    def test_what_is_no_opening(self) -> None:
        """Another version, another protocol, a key that is none, what only a server says."""
        for changed in (
            {"sec_websocket_version": "8"},
            {"sec_websocket_version": ""},
            {"upgrade": "h2c"},
            {"upgrade": "websocket, h2c"},
            {"connection": "keep-alive"},
            {"sec_websocket_accept": accept(SAMPLE)},
        ):
            self.assertRaises(ProtocolViolation, opening, asked(**changed), NONCE)
        for key in (
            "",
            "x",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZSE=",
            "dGhlIHNhbXBsZSBub25jZ===",
            "é" * 24,
        ):
            self.assertRaises(MalformedFrame, opening, asked(sec_websocket_key=key), NONCE)
        self.assertRaises(ProtocolViolation, opening, [*asked(), ("sec-websocket-key", SAMPLE)], NONCE)
        for protocols in ("a, a", "a b", ", ".join(f"p{i}" for i in range(33))):
            self.assertRaises(MalformedFrame, opening, asked(sec_websocket_protocol=protocols), NONCE)

    def test_what_is_no_answer(self) -> None:
        """The proof of another key, a subprotocol or an extension that nobody offered."""
        opened = opening(asked(sec_websocket_protocol="chat", sec_websocket_extensions=BROWSER), NONCE)
        for changed in (
            {"sec_websocket_accept": accept(SAMPLE)},
            {"sec_websocket_accept": ""},
            {"sec_websocket_protocol": "other"},
            {"sec_websocket_protocol": "chat, chat"},
            {"sec_websocket_extensions": "x-secret"},
            {"sec_websocket_extensions": "permessage-deflate; client_max_window_bits"},
            {"sec_websocket_extensions": "permessage-deflate, permessage-deflate"},
            {"upgrade": "h2c"},
            {"connection": "close"},
        ):
            self.assertRaises(ProtocolViolation, opened.accepted, answered(opened, **changed))


class Extensions(SynchronousTestCase):
    def test_only_what_is_read_is_offered(self) -> None:
        """Other extensions, and offers of permessage-deflate with words that are unknown, do not reach the target."""
        offers = passed_offers(f"x-webkit-deflate-frame, {BROWSER}, permessage-deflate; zstd, permessage-deflate")
        self.assertEqual(written(offers), f"{BROWSER}, permessage-deflate")
        for value in ("7", "16", "010", "x", "08"):
            self.assertEqual(passed_offers(f"permessage-deflate; server_max_window_bits={value}"), [])
        self.assertEqual(passed_offers("permessage-deflate; server_no_context_takeover=1"), [])
        self.assertEqual(passed_offers("permessage-deflate; server_max_window_bits"), [])

    def test_what_cannot_be_read(self) -> None:
        """A parameter twice, without a name, with a value that is no token; too much of it."""
        for value in ("a; b; b", "a; =x", "a; b=", 'a; b="c d"', 'a; b="', "a b", "; a", "a;", "x" * 5000):
            self.assertRaises(MalformedFrame, read_extensions, value)
        self.assertEqual(read_extensions('a; b="10" , c'), [("a", {"b": "10"}), ("c", {})])

    def test_terms(self) -> None:
        """RFC 7692, 7.1: what an answer may say to what offer."""
        for offer, answer, terms in (
            (BROWSER, "permessage-deflate", (15, 15, False, False)),
            (BROWSER, "permessage-deflate; client_max_window_bits=10", (10, 15, False, False)),
            (BROWSER, "permessage-deflate; server_max_window_bits=9", (15, 9, False, False)),
            (BROWSER, "permessage-deflate; server_no_context_takeover", (15, 15, False, True)),
            (
                "permessage-deflate; server_max_window_bits=12",
                "permessage-deflate; server_max_window_bits=12",
                (15, 12, 0, 0),
            ),
            ("permessage-deflate", "permessage-deflate; client_no_context_takeover", (15, 15, True, False)),
            (
                "permessage-deflate; server_no_context_takeover",
                "permessage-deflate; server_no_context_takeover",
                (15, 15, False, True),
            ),
        ):
            found = agreed(passed_offers(offer), answer)
            assert found is not None
            self.assertEqual(
                (found.client_bits, found.server_bits, found.client_fresh, found.server_fresh), terms, answer
            )
        for offer, answer in (
            ("permessage-deflate", "permessage-deflate; client_max_window_bits=10"),
            ("permessage-deflate; server_max_window_bits=12", "permessage-deflate"),
            ("permessage-deflate; server_max_window_bits=12", "permessage-deflate; server_max_window_bits=13"),
            ("permessage-deflate; server_no_context_takeover", "permessage-deflate"),
            (BROWSER, "permessage-deflate; zstd"),
            ("", "permessage-deflate"),
        ):
            self.assertRaises(ProtocolViolation, agreed, passed_offers(offer), answer)

    @given(st.text(max_size=80) | st.from_regex(r"(permessage-deflate|;|,|=| |client_max_window_bits|\"|1|0|8)*"))
    def test_junk(self, text: str) -> None:
        """Junk raises only WireError; what is passed on reads as what it was."""
        with contextlib.suppress(WireError):
            offers = passed_offers(text)
            self.assertEqual(passed_offers(written(offers)), offers)
            agreed(offers, text)

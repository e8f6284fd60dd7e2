"""OAUTHBEARER messages: what is a token, and nothing but WireError for junk."""

from __future__ import annotations

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame, WireError
from hoopgw.wire.oauthbearer import INSUFFICIENT, INVALID, bearer_token, refusal, sasl_initial

TOKEN = b"eyJh.eyJz.c2l-_~+/n=="


class Codec(SynchronousTestCase):
    def test_token(self) -> None:
        """With host and port or without them, the scheme in any case, after one blank or more (RFC 7628, 4.1)."""
        for before, header, scheme in (
            (b"", b"n,,", b"Bearer "),
            (b"host=db\x01port=5432\x01", b"y,,", b"bearer  "),
        ):
            said = header + b"\x01" + before + b"auth=" + scheme + TOKEN + b"\x01\x01"
            self.assertEqual(bearer_token(said), TOKEN)

    def test_discovery(self) -> None:
        """An empty `auth` only asks where to get a token (RFC 7628, 4.3)."""
        self.assertEqual(bearer_token(b"n,,\x01auth=\x01\x01"), b"")

    def test_what_is_none(self) -> None:
        """Another identity to act as, channel binding, no end, no token, two of them, another scheme: refused."""
        for said in (
            b"n,a=root,\x01auth=Bearer x\x01\x01",
            b"p=tls-server-end-point,,\x01auth=Bearer x\x01\x01",
            b"n,,auth=Bearer x\x01\x01",
            b"n,,\x01auth=Bearer x\x01",
            b"n,,\x01auth=Bearer x\x01\x01\x01",
            b"n,,\x01host=x\x01\x01",
            b"n,,\x01auth=Bearer x\x01auth=Bearer y\x01\x01",
            b"n,,\x01auth=Basic x\x01\x01",
            b"n,,\x01auth=Bearer \x01\x01",
            b"n,,\x01auth=Bearer x y\x01\x01",
            b"n,,\x01auth=Bearer x\0\x01\x01",
            b"",
        ):
            self.assertRaises(MalformedFrame, bearer_token, said)

    def test_initial(self) -> None:
        """Mechanism and message; a length that is not that of the rest is refused, also -1 (no message)."""
        self.assertEqual(sasl_initial(b"OAUTHBEARER\0\0\0\0\2ab"), (b"OAUTHBEARER", b"ab"))
        for body in (b"", b"X", b"X\0", b"X\0\0\0\0\1", b"X\0\0\0\0\1ab", b"X\0\xff\xff\xff\xff"):
            self.assertRaises(MalformedFrame, sasl_initial, body)

    def test_refusal(self) -> None:
        """JSON with where to get a token, where that is known (RFC 7628, 3.2.2)."""
        said = json.loads(refusal(INVALID, "https://idp.example.com/", "openid groups"))
        self.assertEqual(
            said,
            {
                "status": "invalid_token",
                "openid-configuration": "https://idp.example.com/.well-known/openid-configuration",
                "scope": "openid groups",
            },
        )
        self.assertEqual(json.loads(refusal(INSUFFICIENT, "", "")), {"status": "insufficient_scope"})

    @given(some.binary(max_size=200))
    def test_junk_raises_only_wire_errors(self, junk: bytes) -> None:
        """must-survive 5: whatever comes is a token or a WireError: nothing else is raised."""
        for read in (bearer_token, sasl_initial):
            with contextlib.suppress(WireError):
                read(junk)
            with contextlib.suppress(WireError):
                read(b"n,,\x01" + junk + b"\x01\x01")

"""hoopgw.relay.http_scope"""

from __future__ import annotations

from base64 import b64encode

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.relay.http_scope import in_scope, is_proof, proof_in


class Targets(SynchronousTestCase):
    def test_what_the_target_reads(self) -> None:
        """Below the prefix, and nothing that only begins with the same letters."""
        for target, prefix, read in (
            (b"/shop", b"/shop", b"/"),
            (b"/shop/", b"/shop", b"/"),
            (b"/shop/a?b", b"/shop", b"/a?b"),
            (b"/shop?b", b"/shop", b"/?b"),
            (b"/shopping", b"/shop", None),
            (b"/shop%2fa", b"/shop", None),
            (b"/", b"/shop", None),
            (b"*", b"/shop", None),
            (b"/a", b"", b"/a"),
            (b"*", b"", b"*"),
        ):
            self.assertEqual(in_scope(target, prefix), read, target)


class Proofs(SynchronousTestCase):
    def test_tokens(self) -> None:
        """In each way that a client may show one; of another scheme none."""
        basic = b64encode(b"any:to:ken")
        for value, token in (
            (b"token", b"token"),
            (b"Bearer token", b"token"),
            (b"bearer  token ", b"token"),
            (b"Basic " + basic, b"to:ken"),
            (b"bASIC " + basic, b"to:ken"),
            (b"Basic " + b64encode(b"token"), b""),
            (b"Basic %%%%" + basic, b""),
            (b"Digest " + basic, b""),
            (b"", b""),
        ):
            self.assertEqual(proof_in(value), token, value)
        for value, found in ((b"Bearer a", True), (b"a", True), (b"Bearer b", False), (b"", False)):
            self.assertEqual(is_proof(value, (b"gw", b"", b"x-hoopgw-token", b"a")), found)
        self.assertFalse(is_proof(b"", (b"gw", b"", b"", b"")))

"""Which target a request is for, and by what token."""

from __future__ import annotations

from base64 import b64encode

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.servers.http.address import Named, named, token_of


class Targets(SynchronousTestCase):
    def test_by_host(self) -> None:
        """TARGET.DOMAIN names it, whatever the port and the case; the path is the target's own then."""
        for host in (b"shop.gw.example.com", b"shop.gw.example.com:8443", b"SHOP.gw.Example.com"):
            self.assertEqual(named(host, b"/holds/x", "gw.example.com"), Named("shop", b""))

    def test_by_path(self) -> None:
        """Elsewhere the first part of the path does."""
        for host in (b"gw.example.com", b"127.0.0.1:8443", b"[::1]:8443", b"shop.gw.example.org"):
            for path in (b"/shop", b"/shop/", b"/shop/a?b=/c", b"/shop?a"):
                self.assertEqual(named(host, path, "gw.example.com"), Named("shop", b"/shop"))

    def test_own_pages(self) -> None:
        """What is the gateway's own is no target's."""
        self.assertEqual(named(b"gw", b"/holds/h_1/approve?x", ""), Named("", b"", ("holds", "h_1", "approve")))

    def test_nothing_is_guessed(self) -> None:
        """A name that could be read in two ways names nothing."""
        for path in (b"/", b"//shop/", b"/%73hop/", b"/./shop/", b"/../shop/", b"*", b"/" + b"x" * 200):
            self.assertIsNone(named(b"gw", path, ""), path)


class Tokens(SynchronousTestCase):
    def token(self, value: bytes, name: bytes = b"authorization") -> bytes | None:
        found = token_of((b"gw", b"", name, value))
        return found.reveal() if found is not None else None

    def test_ways(self) -> None:
        """Bearer, the token alone in a field of its own, the password of Basic."""
        self.assertEqual(self.token(b"Bearer abc"), b"abc")
        self.assertEqual(self.token(b"bearer  abc"), b"abc")
        self.assertEqual(self.token(b"Basic " + b64encode(b"git:abc")), b"abc")
        self.assertEqual(self.token(b"abc", b"x-hoopgw-token"), b"abc")
        self.assertEqual(self.token(b"Bearer abc", b"proxy-authorization"), b"abc")

    def test_everything_else_is_none(self) -> None:
        """What is no token is not taken for one."""
        for value in (b"", b"abc", b"Bearer", b"Bearer ", b"Digest abc", b"Basic !", b"Basic " + b64encode(b"abc")):
            self.assertIsNone(self.token(value), value)

"""hoopgw.model.destination"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.destination import Destination, read_destination


class Destinations(SynchronousTestCase):
    def test_read(self) -> None:
        """Names in lower case, without the root's dot; addresses as they are written most shortly."""
        for text, host, shown in (
            ("PyPI.org:443", "pypi.org", "pypi.org:443"),
            ("pypi.org.:443", "pypi.org", "pypi.org:443"),
            ("127.0.0.1:80", "127.0.0.1", "127.0.0.1:80"),
            ("[0:0::1]:80", "::1", "[::1]:80"),
            ("my_host-1:1", "my_host-1", "my_host-1:1"),
        ):
            found = read_destination(text)
            self.assertEqual((found.host, str(found)), (host, shown))

    def test_mistakes(self) -> None:
        """No port, no host, more than both; a glob only where several are meant, and none over a whole top domain."""
        for text in (
            "pypi.org", "pypi.org:0", "pypi.org:65536", ":443", "a b:1", "http://a:1", "a:1/x", "u@a:1", "::1:80",
            "a..b:1", "-a:1", "[pypi.org]:443", "*.pypi.org:443", "\u0131.org:1", "a:1\n",
        ):  # fmt: skip
            self.assertRaises(ValueError, read_destination, text)
        for text in ("*:443", "*.org:443", "a*.org:443", "*.*.org:1", "*.:1"):
            self.assertRaises(ValueError, read_destination, text, several=True)

    def test_security_what_is_covered(self) -> None:
        """The very one; of a domain what is below it, and never an address."""
        listed = read_destination("*.example.org:443", several=True)
        for text, covered in (
            ("a.example.org:443", True),
            ("a.b.example.org:443", True),
            ("A.EXAMPLE.ORG.:443", True),
            ("example.org:443", False),
            ("badexample.org:443", False),
            ("a.example.org:80", False),
            ("a.example.org.evil.com:443", False),
        ):
            self.assertEqual(listed.covers(read_destination(text)), covered, text)
        self.assertFalse(Destination("*.0.0.1", 80).covers(Destination("127.0.0.1", 80)))
        self.assertTrue(Destination("a.b", 80).covers(Destination("a.b", 80)))

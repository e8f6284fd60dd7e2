"""hoopgw.relay.http_query_secret"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.relay.http_query_secret import brings, shown, with_query, without

QUERY = b"api_key=hid%2Bden"


class Credentials(SynchronousTestCase):
    def test_what_a_target_tells_of_it(self) -> None:
        """An address goes on without the parameter; elsewhere the value is redacted, encoded or not."""
        for value, told in (
            (b"https://h/a?api_key=hid%2Bden", b"https://h/a"),
            (b"https://h/a?api_key=hid%2Bden&b=1", b"https://h/a?b=1"),
            (b"https://h/a?b=1&api_key=hid%2Bden&c=2", b"https://h/a?b=1&c=2"),
            (b"the key is hid+den", b"the key is (redacted)"),
            (b"the key is hid%2Bden", b"the key is (redacted)"),
            (b"https://h/a?api_key=other", b"https://h/a?api_key=other"),
        ):
            self.assertEqual(without(value, QUERY), told)
        for query in (b"flag", b"flag="):
            self.assertEqual(without(b"https://h/a?flag", query), b"https://h/a?flag")

    def test_what_a_client_brings(self) -> None:
        """A parameter of its name, in any way in which targets read names."""
        for target in (b"/?api_key=1", b"/?a=1&api_key", b"/?a=1;API_Key=1", b"/?api%5fkey=1", b"/?+api_key=1"):
            self.assertTrue(brings(target, QUERY), target)
        for target in (b"/", b"/api_key=1", b"/?a=api_key", b"/?api_key2=1"):
            self.assertFalse(brings(target, QUERY), target)

    def test_where_it_stands(self) -> None:
        """Behind what the client asks; the record has its name alone."""
        self.assertEqual(with_query(b"GET /a", QUERY), b"GET /a?" + QUERY)
        self.assertEqual(with_query(b"GET /a?b=1", QUERY), b"GET /a?b=1&" + QUERY)
        self.assertEqual(shown(b"GET /a", QUERY), b"GET /a?api_key=(redacted)")

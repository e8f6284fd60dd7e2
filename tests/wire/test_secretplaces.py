"""hoopgw.wire.secretplaces"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.secretnames import SecretNames, secret_names
from hoopgw.wire.secretplaces import assigned, behind, indent, is_quote, mentions, mentions_within, signs_of

NAMES = secret_names()


class Places(SynchronousTestCase):
    def test_names(self) -> None:
        """Before a colon or an equals sign, with a type between, in whatever spelling."""
        for data in (
            b'"token":1', b"token:1", b"'token' : 1", b'\\"token\\" : 1', b"\\u0022token\\u0022:1", b"to\\u006ben: 1",
            b'{"aaaaaaaaato_ke_n": 1}', b'{"aaa": 1, "bbb": 2, "secret": 3}', b"aaaaaaaaa:b:token:",
            b"token=1", b"'token'\t=1", b"password = x:", b"$password: String! = 1", b"$token : [Text!] = 1",
            b"failed: password=1", b"run: mysql --password=1", b"a: b: token = 1", b"a=1 token=2",
        ):  # fmt: skip
            self.assertTrue(mentions(data, NAMES), data)
        for data in (
            b"", b":", b" :", b"=", b" =", b": =", b": String =", b"String! = token:"[:-1], b"token", b"a: b", b"a=b",
            b"$a: String! = 1", b"'secret', 'next_token': 1", b'"token" x: 1', b"token, a: String = 1",
        ):  # fmt: skip
            self.assertFalse(mentions(data, NAMES), data)

    def test_names_whose_last_letters_say_nothing(self) -> None:
        names = SecretNames(("*pw", "id"))
        for data in (b'{"xxxxxxxdbxpw": 1}', b'{"xxxxxxxxxx": 1, "id": 2}', b"dbpw=1"):
            self.assertTrue(mentions(data, names), data)
        self.assertFalse(mentions(b'{"xxxxxxxdbxpx": 1, "ida": 2}', names))

    def test_no_name_begins_before_what_is_looked_at(self) -> None:
        for data, start in ((b"token: 1", 5), (b"token   = 1", 6), (b'"token": 1', 6), (b"token: String = 1", 6)):
            self.assertFalse(mentions_within(data, start, len(data), NAMES, signs_of(data)), data)
            self.assertTrue(mentions_within(data, 0, len(data), NAMES, signs_of(data)), data)
            self.assertFalse(mentions_within(data, 0, 5, NAMES, signs_of(data)), data)

    def test_where_the_sign_is(self) -> None:
        """Of the first of several; and from a place on."""
        data = b"a: 1, token: 2, a=1, key: 3, secret=4"
        self.assertEqual(behind(data, 0, len(data), NAMES, False), 11)
        self.assertEqual(behind(data, 12, len(data), NAMES, False), -1)
        self.assertEqual(assigned(data, 0, len(data), NAMES), 35)
        self.assertEqual(assigned(data, 36, len(data), NAMES), -1)

    def test_indent(self) -> None:
        """Of a name, with the dash of its list; -1 where something is before it in its line."""
        for data, columns in (
            (b"a", 0), (b" a", 1), (b"  abc", 2), (b"x\n - a", 3), (b"x: 1\na", 0), (b"x: a", -1), (b"x: 1\n\ta", 1),
            (b"{a", -1), (b"", 0),
        ):  # fmt: skip
            self.assertEqual(indent(data, len(data)), columns, data)

    def test_quotes_that_are_written_as_escapes(self) -> None:
        self.assertTrue(is_quote(b"\\u0022", 6) and is_quote(b"a\\u0022b", 7))
        self.assertFalse(is_quote(b"\\u0022", 5) or is_quote(b"\\u0027", 6) or is_quote(b"", 0))

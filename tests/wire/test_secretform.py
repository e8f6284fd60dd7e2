"""hoopgw.wire.secretform"""

from __future__ import annotations

from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.secretform import SecretForm, starred_target
from hoopgw.wire.secretnames import NO_NAMES, secret_names

NAMES = secret_names()


def starred(form: bytes, *cuts: int) -> bytes:
    reader = SecretForm(NAMES)
    found = b""
    for a, b in zip((0, *cuts), (*cuts, len(form)), strict=True):
        reader.more = b < len(form)
        found += reader.feed(form[a:b])
    return found


class Forms(SynchronousTestCase):
    def test_by_name(self) -> None:
        """In every spelling; JSON and GraphQL in a value are starred from the name on."""
        for form, expected in (
            (b"user=a&password=hunter2&x=1", b"user=a&password=*******&x=1"),
            (b"client_secret=a%26b", b"client_secret=*****"),
            (b"user[password]=a&user%5Bpassword%5D=b", b"user[password]=*&user%5Bpassword%5D=*"),
            (b"user.token=c", b"user.token=*"),
            (b"pass%77ord=abc&a=b", b"pass%77ord=***&a=b"),
            (b"a=1;token=b;c&d=2", b"a=1;token=***&d=2"),
            (b"payload=%7B%22a%22%3A1%2C%20%22token%22%20%3A%20%22x%22%7D&a=b",
             b"payload=%7B%22a%22%3A1%2C%20%22token%22%20%3A" + b"*" * 13 + b"&a=b"),
            (b'payload={"token": "x"}&a=b', b'payload={"token":' + b"*" * 5 + b"&a=b"),
            (b"payload=%7B%22p%61ssword%22%3A%22x%22%7D", b"payload=%7B%22p%61ssword%22%3A" + b"*" * 10),
            (b"payload=%257B%2522token%2522%253A1&a=b", b"payload=%257B%2522token%2522%253A*&a=b"),
            (b"next=%2Freset%3Ftoken%3Dabc&a=b", b"next=%2Freset%3Ftoken%3D***&a=b"),
            (b"u=a%253Db%2526password%253dabc&a=b", b"u=a%253Db%2526password%253d***&a=b"),
            (b"password[new]=a&b=c&password%5Bnew%5D=a", b"password[new]=*&b=c&password%5Bnew%5D=*"),
            (b"query=mutation{login(password:+%22x%22)}", b"query=mutation{login(password:" + b"*" * 10),
        ):  # fmt: skip
            self.assertEqual(starred(form), expected)
            for cut in range(1, len(form)):
                self.assertEqual(starred(form, cut), expected, (form, cut))

    def test_between_a_name_and_its_colon(self) -> None:
        """Blanks, quotes and backslashes, as they are or encoded, some of them twice; nothing else."""
        for between in (
            b"", b" ", b"\t", b"+", b'"', b"'", b"\\", b"%09", b"%0A", b"%0a", b"%0D", b"%0d", b"%20", b"%22", b"%27",
            b"%5C", b"%5c", b"%2522", b"%255C%2522", b"%252522", b"+%0A%20", b'%22"',
        ):  # fmt: skip
            for colon in (b":", b"%3A", b"%3a", b"%253A", b"%25253a"):
                form = b"p={a,%22token" + between + colon
                self.assertEqual(starred(form + b"hush&a=b"), form + b"****&a=b")
        for other in (b"%0B", b"%21", b"%2A", b"%5B", b"%5D", b"%6C", b"%19", b"%4C", b"!", b"%"):
            for form in (b"p=token" + other + b":x&a=b", b"a=1&b=" + other + b":x"):
                self.assertIs(SecretForm(NAMES).feed(form), form, form)
        for form in (b"p=token%3Bx", b"p=token%3x", b"p=token%25:x", b"p=token%3", b"%22:a", b'":a'):
            self.assertIs(SecretForm(NAMES).feed(form), form, form)

    def test_what_is_no_secret_stays(self) -> None:
        """The same object."""
        for form in (
            b"",
            b"a=b",
            b"a",
            b"=",
            b"next_token=1&page=2",
            b"time=12:30",
            b"a=%7B%22b%22%3A1%7D",
            b"q=token",
            b"next=%2Freset%3Fpage%3Dabc",
        ):
            self.assertIs(SecretForm(NAMES).feed(form), form)

    def test_addresses(self) -> None:
        """Their queries, also behind a question mark that is encoded, and parameters of their paths."""
        for line, expected in (
            (b"GET /a?access_token=b&c=d", b"GET /a?access_token=*&c=d"),
            (b"GET /a;jsessionid=B1?c=d", b"GET /a;jsessionid=**?c=d"),
            (b"GET /a;jsessionid=B1/b;v=1", b"GET /a;jsessionid=**/b;v=1"),
            (b"GET /a%3Ftoken=b", b"GET /a%3Ftoken=*"),
            (b"https://x/y?sig=abc%3D&z=1", b"https://x/y?sig=******&z=1"),
        ):
            self.assertEqual(starred_target(line, NAMES), expected)
        for line in (b"GET /a", b"GET /a?b=c", b"GET /token=", b"GET /a;v=1/%20"):
            self.assertIs(starred_target(line, NAMES), line)
        self.assertEqual(starred_target(b"GET /?token=a", NO_NAMES), b"GET /?token=a")

    @given(
        st.lists(st.tuples(st.sampled_from(["a", "token", "user[pwd]", "ü"]), st.text(max_size=8)), max_size=5),
        st.binary(max_size=40),
        st.data(),
    )
    def test_any_cut(self, pairs: list[tuple[str, str]], junk: bytes, data: st.DataObject) -> None:
        """Any cut gives the same, whatever the form; lengths stay."""
        for form in (urlencode([*pairs, ("password", "hunter2"), *pairs]).encode(), junk):
            cuts = sorted(data.draw(st.sets(st.integers(0, len(form)), max_size=5)))
            shown = starred(form, *cuts)
            self.assertEqual((shown, len(shown)), (starred(form), len(form)))
            self.assertNotIn(b"hunter2", shown)

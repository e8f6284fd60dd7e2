"""hoopgw.policy.http_form"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.http_form import MAX_PART_HEAD, read_multipart
from hoopgw.policy.http_query import MAX_PAIRS

FIELD = b'Content-Disposition: form-data; name="%b"\r\n'
TYPE = b"Content-Type: text/plain; charset=%b\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(b"--xyz\r\n" + part + b"\r\n" for part in parts) + b"--xyz--\r\n"


class Multipart(SynchronousTestCase):
    def test_what_browsers_write(self) -> None:
        """Names with their escapes, files, types; values of any bytes, as many parts as a form may have."""
        for body, pairs in (
            (form(FIELD % b"a" + b"\r\n1", FIELD % b"b" + b"\r\n"), (("a", "1"), ("b", ""))),
            (form(FIELD % b"a%22b%0D%0a%41" + b"\r\n1"), (('a"b\r\n%41', "1"),)),
            (form(FIELD % b"a" + TYPE % b"UTF-8" + b"\r\n\xff"), (("a", "\udcff"),)),
            (form(TYPE % b"utf-8" + FIELD % b'f"; filename="x' + b"\r\na\r\n\r\nb"), (("f", "a\r\n\r\nb"),)),
        ):
            found = read_multipart(body, b"xyz")
            self.assertEqual((found.sure, found.doubt), (pairs, ""), body)
        self.assertEqual(read_multipart(form(*[FIELD % b"a" + b"\r\n"] * (MAX_PAIRS - 1)), b"xyz").doubt, "")

    def test_what_can_be_read_in_several_ways(self) -> None:
        """Is in doubt, whatever fields it seems to have."""
        one = FIELD % b"a" + b"\r\n1"
        for name, body in {
            "words before the first boundary": form(one)
            .replace(b"--xyz", b"abcde", 1)
            .replace(b"\r\n1", b"\r\nx--xyz"),
            "a boundary that goes on": form(one, one).replace(b"1\r\n--xyz", b"1\r\n--xyzz", 1),
            "no empty line": form((FIELD % b"a")[:-2]),
            "a long head": form(FIELD % b"a" + b"Content-Type: " + b"x" * MAX_PART_HEAD + b"\r\n\r\n1"),
            "no name": form(TYPE % b"utf-8" + b"\r\n1"),
            "two names": form(FIELD % b"a" + FIELD % b"b" + b"\r\n1"),
            "a coding": form(FIELD % b"a" + b"Content-Transfer-Encoding: base64\r\n\r\nMQ=="),
            "a character set before the name": form(TYPE % b"utf-16le" + FIELD % b"a" + b"\r\n1"),
            "a backslash in a name": form(FIELD % b"a\\" + b"\r\n1"),
            "a NUL in a name": form(FIELD % b"a\0" + b"\r\n1"),
            "a name of mail": form(FIELD % b"=?x" + b"\r\n1"),
            "a name that is not UTF-8": form(FIELD % b"\xff" + b"\r\n1"),
            "no end": form(one).removesuffix(b"--\r\n"),
            "words behind the end": form(one) + b"x",
            "a boundary behind a bare LF": form(one).replace(b"\r\n1", b"\r\n1\n--xyz"),
            "too many parts": form(*[one] * (MAX_PAIRS + 1)),
        }.items():
            self.assertTrue(read_multipart(body, b"xyz").doubt, name)
        self.assertTrue(read_multipart(form(one).replace(b"xyz", b""), b"").doubt)

"""hoopgw.wire.secretbody"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire import secretbody
from hoopgw.wire.secretbody import (
    FORM,
    LINES,
    MARKUP,
    MAX_LINE,
    NONE,
    PARTS,
    PLAIN,
    ROWS,
    TEXT,
    UNTYPED,
    WITHHELD,
    SecretBody,
    is_table,
    is_wide,
    may_open,
    way_of,
)
from hoopgw.wire.secretnames import secret_names

NAMES = secret_names()
JSON = b'{"token": "hush", "a": 1}'
STARRED = b'{"token": "****", "a": 1}'
MARK = b"\xef\xbb\xbf"


def shown(way: int, body: bytes, *cuts: int) -> bytes:
    reader = SecretBody(way, NAMES)
    found = [reader.feed(body[a:b]) for a, b in zip((0, *cuts), cuts, strict=False)]
    reader.more = False
    return b"".join((*found, reader.feed(body[cuts[-1] :] if cuts else body)))


class Bodies(SynchronousTestCase):
    def test_types(self) -> None:
        """Another character set hides whatever has fields."""
        for told, way in (
            (b"application/x-www-form-urlencoded", FORM),
            (b"multipart/form-data; boundary=b", PARTS),
            (b"application/soap+xml", MARKUP),
            (b"application/xop+xml", WITHHELD),
            (b"text/csv; charset=utf-8", ROWS),
            (b"application/vnd.ms-excel", ROWS),
            (b"application/vnd.ms-excel.sheet.macroenabled.12", NONE),
            (b"application/x-yaml", LINES),
            (b"text/plain;charset=latin1", PLAIN),
            (b"application/vnd.api+json", TEXT),
            (b"text/html", TEXT),
            (b"application/msgpack", WITHHELD),
            (b"image/png", NONE),
            (b"", NONE),
            (b"application/json; charset=utf-16", WITHHELD),
            (b'application/xml; charset="utf-7"', WITHHELD),
            (b"application/octet-stream; charset=utf-16", NONE),
        ):
            self.assertEqual(way_of(told), way, told)

    def test_two_bytes_of_each_character(self) -> None:
        for body, wide in (
            (b"\xff\xfe", True), (b"\xfe\xff", True), (b"\0{", True), (b"{\0", True), (b"\0\0\xfe\xff", True),
            (b"", False), (b"\0", False), (b"{}", False), (b"\xffa", False), (b"a\xff", False), (MARK, False),
        ):  # fmt: skip
            self.assertEqual(is_wide(body), wide, body)

    def test_what_opens(self) -> None:
        """Behind a mark and blanks; what has not begun may."""
        for body in (b"", b" ", b"      ", b"      {", b" [", b"\r\n\t<a>", MARK[:1], MARK[:2], MARK, MARK + b"     {"):
            self.assertTrue(may_open(body), body)
        for body in (b"a", b"PACK{", b"     a{", b"\0{"):
            self.assertFalse(may_open(body), body)

    def test_tables(self) -> None:
        """A first line that has ended, with a secret name among others."""
        for body in (
            b"user,password\n",
            b"token|a\nb",
            MARK + b"'password';x\r\n",
            b"a" * (MAX_LINE - 6) + b",token\n",
        ):
            self.assertTrue(is_table(body, NAMES), body[-20:])
        for body in (
            b"user,password", b"password\nx,y\n", b"user,city\na,password\n", b"[token,password\n", b"", b"\n",
            b"a" * (MAX_LINE - 5) + b",token\n",
        ):  # fmt: skip
            self.assertFalse(is_table(body, NAMES), body[-20:])

    def test_what_is_withheld_stays_so(self) -> None:
        """However it is cut."""
        for way, body in (
            (WITHHELD, JSON),
            (TEXT, JSON.decode().encode("utf-16")),
            (PLAIN, JSON.decode().encode("utf-16-be")),
            (MARKUP, "<token>hush</token>".encode("utf-16-le")),
            (NONE, b"\x80\xa5token\xa9hush"),
            (UNTYPED, b"\x81\xa5token\xa9hush"),
        ):
            for cut in range(1, len(body) - 5):
                reader = SecretBody(way, NAMES)
                found = reader.feed(body[:cut]) + reader.feed(body[cut : cut + 1]) + reader.feed(body[cut + 1 :])
                self.assertEqual(found[12:], b"*" * (len(body) - 12), (way, cut))
                self.assertTrue(reader.withheld)
            self.assertEqual(shown(way, body), b"*" * len(body))

    def test_by_how_it_begins(self) -> None:
        """JSON, whatever its type; a mark before it."""
        for way in (NONE, TEXT, FORM, LINES, UNTYPED, MARKUP, PLAIN):
            self.assertEqual(shown(way, JSON), STARRED, way)
            self.assertEqual(shown(way, MARK + JSON), MARK + STARRED, way)
        for way in (NONE, TEXT, UNTYPED, PLAIN, MARKUP, FORM):
            self.assertEqual(shown(way, b"<token>hush</token>"), b"<token>****</token>", way)
        self.assertEqual(shown(UNTYPED, b"a=1&token=hush"), b"a=1&token=****")

    def test_passwords_of_addresses(self) -> None:
        """In a form they are encoded; in text they are not."""
        for way, body, stars in (
            (FORM, b"a=postgres%3A%2F%2Fann%3Ahush%40h", b"a=postgres%3A%2F%2Fann%3A****%40h"),
            (TEXT, b"a postgres://ann:hush@h", b"a postgres://ann:****@h"),
            (ROWS, b"a,postgres://ann:hush@h\n", b"a,postgres://ann:****@h\n"),
        ):
            self.assertEqual(shown(way, body), stars)
            reader = SecretBody(way, NAMES)
            reader.more = False
            self.assertEqual((reader.found, reader.feed(body), reader.found), (0, stars, 1))

    def test_a_first_line_in_pieces(self) -> None:
        """The names of columns are told behind each piece until it ends."""
        body = b"user,password\nada,hush\n"
        for way in (TEXT, PLAIN, UNTYPED, FORM):
            for cut in range(1, body.index(b"ada")):
                self.assertNotIn(b"hush", shown(way, body, cut))
                self.assertNotIn(b"hush", shown(way, body, cut, body.index(b"ada")))

    def test_what_stays(self) -> None:
        """Lines behind the first name no columns; of what has no fields by its type nothing is looked for."""
        for way, body in (
            (PLAIN, b"hello\nuser,password\nada,x\n"),
            (NONE, b"\0\0PACK\0\0token=x"),
            (NONE, b"user,password\nada,x\n"),
            (NONE, b"token=x"),
            (FORM, b"a=1&b=2"),
        ):
            self.assertEqual(shown(way, body), body)
            for cut in range(1, len(body)):
                self.assertEqual(shown(way, body, cut), body)

    def test_a_line_without_end_is_not_kept(self) -> None:
        """No more than one that may name columns."""
        reader = SecretBody(PLAIN, NAMES)
        for _ in range(64):
            reader.feed(b"a," * secretbody.MAX_LINE)
        self.assertEqual(reader.feed(b"token\nada,x\n"), b"token\nada,x\n")

"""Passwords in addresses."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.relay.http_secrets import BodyKind, BodySecrets, is_clean
from hoopgw.wire.httpfields import LENGTH
from hoopgw.wire.secretaddresses import SecretAddresses, has_password
from hoopgw.wire.secretbody import FORM, PARTS, TEXT
from hoopgw.wire.secretform import starred_target
from hoopgw.wire.secretnames import secret_names

NAMES = secret_names()


def shown(*pieces: bytes, form: bool = False) -> bytes:
    reader = SecretAddresses(form)
    last = len(pieces) - 1
    return b"".join(reader.star(piece, piece, index < last) for index, piece in enumerate(pieces))


def recorded(way: int, *pieces: bytes) -> bytes:
    secrets = BodySecrets(BodyKind(way, b"xyz"), NAMES, LENGTH)
    last = len(pieces) - 1
    return b"".join(secrets.recorded(piece, [piece], index == last, []) for index, piece in enumerate(pieces))


class Addresses(SynchronousTestCase):
    def test_passwords(self) -> None:
        """As programs write them."""
        for text, expected in (
            (b'{"dsn": "postgresql://u:hunter2@h:5432/db"}', b'{"dsn": "postgresql://u:*******@h:5432/db"}'),
            (rb'{"dsn": "postgresql:\/\/u:hunter2@h\/db"}', rb'{"dsn": "postgresql:\/\/u:*******@h\/db"}'),
            (rb'"{\"dsn\": \"amqp:\\\/\\\/u:hunter2@h\"}"', rb'"{\"dsn\": \"amqp:\\\/\\\/u:*******@h\"}"'),
            (b"redis://:hunter2@h redis://:hunter3@h", b"redis://:*******@h redis://:*******@h"),
            (b"mongodb://u:a:b@c,d&e@h1,h2/x", b"mongodb://u:*********@h1,h2/x"),
            (b"git clone https://ghp_abc@github.com/x", b"git clone https://*******@github.com/x"),
            (b"<url>HTTPS://u:p@h</url>", b"<url>HTTPS://u:*@h</url>"),
        ):
            self.assertEqual(shown(text), expected)
            self.assertTrue(has_password(text))

    def test_a_whole_text(self) -> None:
        """However often it is encoded, where it is whole and where it comes in pieces."""
        text, passed = b"postgresql://u:hunter2@h/db", b""
        for _ in range(4):
            self.assertTrue(has_password(text), text)
            self.assertNotIn(b"hunter2", shown(text))
            self.assertNotIn(b"hunter2", shown(text[:20], text[20:]))
            text = quote(text, safe="").encode()
            self.assertFalse(has_password(passed))
            passed = quote(passed + b"https://h/x", safe="").encode()

    def test_others(self) -> None:
        """What has none goes on as the same object."""
        for text in (
            b"https://h:8443/@u ssh://git@h/x git@h:x/y https://h/a:b@c a@b.de",
            b"redis://:@h",
            b'["http://h:80","a@b.de"] http://h:80\\na@b.de',
            b"[x](https://a.b)[c@d]",
            b"://@:@://",
        ):
            self.assertIs(SecretAddresses().star(text, text, False), text)
            self.assertFalse(has_password(text))

    def test_forms_and_queries(self) -> None:
        """Encoded once or more, and by those that leave slashes, @ and, once, colons as they are."""
        user = quote("p/@%1&x", safe="")
        for safe in ("", "/", "/@", ":/@", "/:"):
            for times in (1, 2, 3):
                if safe == "/:" and times > 1:
                    continue
                coded = f"postgresql://u:{user}@h/db"
                for _ in range(times):
                    coded = quote(coded, safe=safe)
                line = f"/x?a=1&dsn={coded}&b=u@h".encode()
                found = starred_target(line, NAMES)
                self.assertEqual(len(found), len(line))
                self.assertTrue(found.endswith(b"db&b=u@h"), found)
                self.assertIn(b"*" * len(user), found, (safe, times))
                self.assertNotIn(b"p%", found)
        self.assertEqual(starred_target(b"/proxy/http://u:abc@h/x", NAMES), b"/proxy/http://u:***@h/x")
        line = b"/x?u=http://h:80&mail=a@b.de"
        self.assertIs(starred_target(line, NAMES), line)

    def test_letters_of_passwords(self) -> None:
        """A colon as it is before one that is encoded; a backslash that is no escape of JSON."""
        for text, expected, form in (
            (b"dsn=amqp://u%3Ahunter2@h&x=a%3Ab@c", b"dsn=amqp://u%3A*******@h&x=a%3Ab@c", True),
            (b"dsn=amqp://u%3ahunter2%40h", b"dsn=amqp://u%3a*******%40h", True),
            (b"dsn=amqp://u%3Aa@h", b"dsn=amqp://u%3Aa@h", False),
            (b"postgresql://u:p%3Aq@h", b"postgresql://u:*****@h", True),
            (b"u=http://h:80", b"u=http://h:80", True),
            (rb"postgresql://u:a\xb@h", rb"postgresql://u:****@h", False),
            (rb"a@b http://u:a\\", rb"a@b http://u:a\\", False),
            (rb"http://h:80\n a@b", rb"http://h:80\n a@b", False),
        ):
            self.assertEqual(shown(text, form=form), expected)

    def test_count(self) -> None:
        """Of each value once, however many pieces it comes in; what is starred already is none more."""
        text = b"a redis://:hunter2@h and redis://:hunter3@h"
        for pieces in ([text], [text[:14], text[14:]]):
            reader = SecretAddresses()
            for index, piece in enumerate(pieces):
                reader.star(piece, piece, index < len(pieces) - 1)
            self.assertEqual(reader.found, 2)
        reader = SecretAddresses()
        hidden = b"a redis://:*******@h and redis://:*******@h"
        self.assertIs(reader.star(text, hidden, False), hidden)
        self.assertEqual(reader.found, 0)

    def test_bodies(self) -> None:
        """Of every type that is read, also behind names that say nothing."""
        text = b'{"dsn": "postgresql://u:hunter2@h/db", "password": "x"}'
        self.assertEqual(recorded(TEXT, text), b'{"dsn": "postgresql://u:*******@h/db", "password": "*"}')
        form = b"a=1&dsn=postgresql%3A%2F%2Fu%3Ahunter2%40h"
        self.assertEqual(recorded(FORM, form), b"a=1&dsn=postgresql%3A%2F%2Fu%3A*******%40h")
        part = b'--xyz\r\nContent-Disposition: form-data; name="u"\r\n\r\n%s\r\n--xyz--\r\n'
        self.assertEqual(recorded(PARTS, part % b"amqp://u:hunter2@h"), part % b"amqp://u:*******@h")
        self.assertEqual(recorded(PARTS, part % b"http://h:8080"), part % b"http://h:8080")
        for way, body in ((TEXT, text), (FORM, form)):
            self.assertFalse(is_clean(BodyKind(way), body, NAMES))
        self.assertTrue(is_clean(BodyKind(TEXT), b'{"url": "https://h:1/", "mail": "a@b"}', NAMES))

    @given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([TEXT, FORM]))
    def test_cuts(self, first: int, second: int, way: int) -> None:
        """Wherever reads cut it, no letter of the password is shown, and nothing else changes but before a cut."""
        text = b'a=["x", "see postgresql://user:QQQQQQQ@host/db and https://QQQQ@h/"]'
        if way == FORM:
            text = b"a=1&dsn=postgresql%3A%2F%2Fuser%3AQQQQQQQ%40host%2Fdb&x=1"
        cuts = sorted({min(first, len(text)), min(second, len(text))})
        pieces = [text[i:j] for i, j in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        found = recorded(way, *pieces)
        self.assertEqual(len(found), len(text))
        self.assertNotIn(b"Q", found)

    @given(st.lists(st.text('ahtps:/@%2Ff34 \\"&\n').map(str.encode)))
    def test_anything(self, pieces: list[bytes]) -> None:
        """As long as it was."""
        for form in (False, True):
            self.assertEqual(len(shown(*pieces, form=form)), len(b"".join(pieces)))

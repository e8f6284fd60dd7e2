"""hoopgw.relay.http_echoes, and the answers that it is for"""

from __future__ import annotations

import gzip

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import Answer
from hoopgw.model.events import Code
from hoopgw.relay.effects import Observed
from hoopgw.relay.http_echoes import FIRST, LOOKED_AT, SHORTEST, Echo, redacted, spellings
from hoopgw.wire.httpchunks import Chunks
from tests.relay.test_http import GET, Course, Masks

SECRET = b"tok/en+of-the-target=="
WORDS = spellings(SECRET)
WORD = WORDS.each[0]
STARS = b"*" * 20
PIECES = st.lists(
    st.sampled_from([SECRET, SECRET[:FIRST], SECRET[:9], SECRET[9:], SECRET[:3], SECRET[3:], b"x", b"tok", b"\r\n"]),
    max_size=8,
).map(b"".join)


def chunked(pieces: list[bytes]) -> bytes:
    return b"".join([b"%x\r\n%s\r\n" % (len(each), each) for each in pieces if each]) + b"0\r\n\r\n"


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({each % (len(data) + 1) for each in places})
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True)]


def told(seen: bytes, content: bytes) -> int:
    """How many bytes of the credential `seen` has in its place."""
    here = content.index(WORD)
    shown = seen[here : here + len(WORD)]
    return next((n for n, (a, b) in enumerate(zip(shown, WORD, strict=False)) if a != b), len(shown))


def without_chunks(body: bytes) -> bytes:
    """As much of the content as is there."""
    found: list[bytes] = []
    Chunks().take(body, 0, found)
    return b"".join(found)


class Spellings(SynchronousTestCase):
    def test_as_services_write_it(self) -> None:
        """In an address, in JSON, in a page, with or without what fills base64 up; short ones are not looked for."""
        page = (
            b'<p>tok/en&#43;of-the-target {"a":"tok\\/en+of-the-target=="} ?t=tok%2Fen%2Bof-the-target%3D%3D ' + SECRET
        )
        shown = redacted(page, WORDS)
        self.assertNotIn(b"target", shown)
        self.assertEqual(shown.count(b"(redacted)"), 4)
        self.assertEqual(spellings(b"x" * (SHORTEST - 1), b"").each, ())


class Streams(SynchronousTestCase):
    @given(PIECES, st.lists(st.integers(0, 200), max_size=6))
    def test_any_cut(self, body: bytes, places: list[int]) -> None:
        """The credential is starred wherever reads end, nothing else changes, and of it at most 7 bytes go before it is
        known; what waits is at least the begin that nobody guesses."""
        echo = Echo()
        echo.begin(WORDS)
        shown, given = b"", 0
        pieces = cut(body, places)
        for index, piece in enumerate(pieces):
            shown += echo.passed(piece, index == len(pieces) - 1)
            given += len(piece)
            waiting = body[len(shown) : given]
            self.assertLess(len(waiting), len(WORD))
        self.assertEqual(len(shown), len(body))
        if WORD in body:
            self.assertLess(told(shown, body), FIRST)
        else:
            self.assertEqual(shown, body)

    def test_no_guess_is_kept_waiting(self) -> None:
        """What ends with fewer bytes of it than nobody guesses goes on at once."""
        echo = Echo()
        echo.begin(WORDS)
        for guess in range(FIRST):
            self.assertEqual(echo.passed(b"\n" + WORD[:guess], False), b"\n" + WORD[:guess])

    @given(st.lists(PIECES, max_size=4), st.lists(st.integers(0, 300), max_size=6))
    def test_chunks(self, pieces: list[bytes], places: list[int]) -> None:
        """Starred where it is in one chunk; an answer in which chunks split it ends before it is whole."""
        course = Course(words=lambda: WORDS)
        course.send(GET)
        course.reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in cut(chunked(pieces), places):
            course.reply(piece)
        body = course.client.partition(b"\r\n\r\n")[2]
        if WORD in b"".join(pieces):
            self.assertLess(told(without_chunks(body), b"".join(pieces)), FIRST)
        else:
            self.assertEqual(body, chunked(pieces))


class Answers(SynchronousTestCase):
    def answered(self, *pieces: bytes) -> Course:
        course = Course(words=lambda: WORDS)
        course.send(GET)
        for each in pieces:
            course.reply(each)
        return course

    def test_head_and_body(self) -> None:
        """Fields, the words of the status line, and bodies of all framings; the record has no more of it; one event."""
        fields = b"X-Asked: Bearer %s\r\nLocation: /login?was=%s\r\n" % (SECRET, b"tok%2Fen%2Bof-the-target%3D%3D")
        for framing, body in (
            (b"Content-Length: 24\r\n", b"<" + SECRET + b">"),
            (b"Transfer-Encoding: chunked\r\n", chunked([b"<" + SECRET + b">"])),
            (b"", b"<" + SECRET + b">"),
        ):
            course = self.answered(b"HTTP/1.1 401 no " + SECRET + b"\r\n" + fields + framing + b"\r\n" + body)
            course.do(course.relay.target_gone("closed"))
            for seen in (course.client, b"".join(course.journal)):
                self.assertNotIn(b"the-target", seen)
            self.assertIn(b"<" + STARS + b"==>", course.client)
            self.assertIn(b"\r\nX-Asked: Bearer (redacted)\r\n", course.client.replace(b"==", b""))
            self.assertIn(b"was=(redacted)", course.client)
            told = [each for each in course.others if isinstance(each, Observed)]
            self.assertEqual([each.code for each in told], [Code.CREDENTIAL_ECHOED])

    def test_early_hints(self) -> None:
        """Their fields as those of any answer: the credential is said to be echoed, and cookies are not recorded."""
        hints = b"HTTP/1.1 103 Early Hints\r\nX-Asked: %s\r\nSet-Cookie: sid=of-the-client\r\n\r\n" % SECRET
        course = self.answered(hints, hints, b"HTTP/1.1 200 OK\r\nX-B: %s\r\nContent-Length: 0\r\n\r\n" % SECRET)
        for seen in (course.client, b"".join(course.journal)):
            self.assertNotIn(b"the-target", seen)
        self.assertIn(b"\r\nSet-Cookie: sid=of-the-client;", course.client)
        self.assertNotIn(b"of-the-client", b"".join(course.journal))
        told = [each for each in course.others if isinstance(each, Observed)]
        self.assertEqual([each.code for each in told], [Code.CREDENTIAL_ECHOED])

    def test_nothing_else_changes(self) -> None:
        """An answer without it goes on byte for byte."""
        for answer in (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
        ):
            course = self.answered(answer)
            self.assertEqual((course.client, course.others), (answer, []))

    def test_the_begin_of_it_at_the_end(self) -> None:
        """What waited for the rest of the credential goes on when the body ends, or the connection."""
        body = b"<" + SECRET[:12]
        for framing in (b"Content-Length: 13\r\n", b""):
            course = self.answered(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n", body)
            course.do(course.relay.target_gone("closed"))
            self.assertTrue(course.client.endswith(b"\r\n\r\n" + body), course.client)

    def test_compressed(self) -> None:
        """It cannot be starred there: such an answer is not shown, in one piece or in its middle."""
        body = gzip.compress(b'{"authorization":"Bearer ' + SECRET + b'"}')
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
        course = self.answered(head + body)
        self.assertEqual(course.problem()[0], 502)
        course = self.answered(head, body[:9], body[9:])
        self.assertNotIn(body[9:], course.client)
        self.assertIsNotNone(course.ended)

    def test_behind_masks(self) -> None:
        """A body that is masked is looked through as it goes on, and so are its trailers."""
        secret = b"the-target-s-secret"
        course = Course(Answer(bodies=Masks()), words=lambda: spellings(secret))
        course.send(GET)
        course.reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        course.reply(chunked([b"ok " + secret[:9], secret[9:]])[:-2] + b"x-t: " + secret + b"\r\n\r\n")
        stars = b"*" * len(secret)
        self.assertIn(b"** " + stars + b"\r\n", course.client)
        self.assertIn(b"\r\nx-t: " + stars + b"\r\n", course.client)

    def test_a_coding_that_is_none(self) -> None:
        """Some say that a text is in `utf-8`, or gzip of what is not: it is looked through as it stands."""
        for coding in (b"utf-8", b"gzip"):
            body = b"<" + SECRET + b">"
            course = self.answered(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (coding, len(body)) + body
            )
            self.assertTrue(course.client.endswith(b"\r\n\r\n<" + STARS + b"==>"), coding)

    def test_a_large_compressed_body(self) -> None:
        """Passes; it is not decoded to its end."""
        body = gzip.compress(b"x" * (LOOKED_AT * 3), 1)
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
        self.assertEqual(self.answered(head, *cut(body, list(range(0, len(body), 999)))).client, head + body)

    def test_a_token_that_is_renewed(self) -> None:
        """What is looked for is what the request had that is answered."""
        current = [WORDS]
        course = Course(words=lambda: current[0])
        other = b"another-token-altogether"
        for words, secret in ((WORDS, SECRET), (spellings(other), other)):
            current[0] = words
            course.client = b""
            course.send(GET)
            course.reply(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(secret), secret))
            self.assertIn(b"****", course.client)
            self.assertNotIn(secret[:12], course.client)

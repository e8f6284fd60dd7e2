"""aws-chunked bodies: read over any cut, and written with the signatures that AWS publishes."""

from __future__ import annotations

import contextlib
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame, WireError
from hoopgw.wire.awschunks import MAX_TRAILERS, SIGNED, SIGNED_TRAILER, AwsChunks, SignedChunks, length_of
from hoopgw.wire.sigv4 import Field, Signature, sign
from tests.wire.test_httpchunks import cut
from tests.wire.test_sigv4 import EXAMPLE, EXAMPLE_SCOPE

REFUSED = {
    "no size": b"\r\nhello",
    "a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "another extension": b"5;name=value\r\nhello\r\n0\r\n\r\n",
    "a short signature": b"5;chunk-signature=abc\r\nhello\r\n0\r\n\r\n",
    "a size that ends in LF": b"5\nhello\r\n0\r\n\r\n",
    "more data than said": b"5\r\nhello!\r\n0\r\n\r\n",
    "an endless size": b"5;chunk-signature=" + b"a" * 300,
    "a trailer that authenticates": b"0\r\nAuthorization:x\r\n\r\n",
    "long trailers": b"0\r\n" + (b"x-amz-a:" + b"x" * 1000 + b"\r\n") * 5 + b"\r\n",
    "an endless trailer": b"0\r\nx-amz-a:" + b"x" * MAX_TRAILERS,
    "something behind": b"0\r\n\r\nGET / HTTP/1.1\r\n",
    "no end": b"5\r\nhello\r\n",
    "the middle": b"5\r\nhel",
}


def signature(payload: bytes, more: list[Field]) -> Signature:
    """Of the examples in the S3 API reference."""
    fields = [
        (b"host", b"s3.amazonaws.com"),
        (b"content-encoding", b"aws-chunked"),
        (b"x-amz-content-sha256", payload),
        (b"x-amz-date", b"20130524T000000Z"),
        (b"x-amz-decoded-content-length", b"66560"),
        (b"x-amz-storage-class", b"REDUCED_REDUNDANCY"),
        *more,
    ]
    return sign(EXAMPLE, EXAMPLE_SCOPE, b"PUT", b"/examplebucket/chunkObject.txt", fields, payload, True)


def written(signed: Signature, pieces: list[bytes], trailers: list[Field] | None = None) -> bytes:
    chunks = SignedChunks(signed)
    return b"".join([chunks.take([piece]) for piece in pieces]) + chunks.finish(trailers)


def read(pieces: list[bytes]) -> tuple[bytes, list[Field]]:
    chunks, content = AwsChunks(), list[bytes]()
    for piece in pieces:
        chunks.take(piece, content)
    chunks.finish()
    return b"".join(content), chunks.trailers


class Writing(SynchronousTestCase):
    def test_the_published_signatures(self) -> None:
        """Each chunk's goes on from the one before; the length is known before."""
        signed = signature(SIGNED, [(b"content-length", b"66824")])
        self.assertEqual(signed.value, b"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")
        data = written(signed, [b"a" * 66560])
        found = [
            b"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            b"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            b"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ]
        self.assertEqual(re.findall(rb"chunk-signature=([0-9a-f]+)", data), found)
        self.assertEqual(len(data), 66824)

    def test_the_published_trailer(self) -> None:
        """The same with a checksum behind it."""
        signed = signature(SIGNED_TRAILER, [(b"x-amz-trailer", b"x-amz-checksum-crc32c")])
        data = written(signed, [b"a" * 65000, b"a" * 1560], [(b"x-amz-checksum-crc32c", b"sOO8/Q==")])
        trailer = b"d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
        ending = b"\r\nx-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:" + trailer + b"\r\n\r\n"
        self.assertTrue(data.endswith(ending))

    def test_lengths(self) -> None:
        """As long as was announced, for every length."""
        signed = signature(SIGNED, [])
        for size in (0, 1, 15, 16, 65535, 65536, 65537, 200000):
            self.assertEqual(len(written(signed, [b"x" * size])), length_of(size), size)


class Reading(SynchronousTestCase):
    @settings(deadline=None)
    @given(st.binary(max_size=300), st.booleans(), st.lists(st.integers(0, 900), max_size=8))
    def test_any_cut(self, content: bytes, trailer: bool, places: list[int]) -> None:
        """However it is cut, it holds the same; and what was written is what is read."""
        trailers: list[Field] = [(b"x-amz-checksum-crc32", b"AAAAAA==")]
        data = written(signature(SIGNED, []), cut(content, places), trailers if trailer else None)
        self.assertEqual(read(cut(data, places)), (content, trailers if trailer else []))

    @given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
    def test_junk(self, data: bytes, places: list[int]) -> None:
        """Raises nothing but WireError."""
        with contextlib.suppress(WireError):
            read(cut(b"5\r\nhello" + data, places))

    def test_what_is_refused(self) -> None:
        """Each, whole and byte by byte."""
        taken = []
        for name, data in REFUSED.items():
            for pieces in ([data], [data[here : here + 1] for here in range(len(data))]):
                try:
                    taken.append((name, read(pieces)))
                except MalformedFrame:
                    continue
        self.assertEqual(taken, [])

    def test_unsigned_chunks(self) -> None:
        """As SDKs send them: without signatures, lines of trailers in either manner, no empty line at the end."""
        self.assertEqual(read([b"5\r\nhello\r\n0\r\nx-amz-a:b\n\r\n"]), (b"hello", [(b"x-amz-a", b"b")]))
        self.assertEqual(read([b"5\r\nhello\r\n0\r\n"]), (b"hello", []))

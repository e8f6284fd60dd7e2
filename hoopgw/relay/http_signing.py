"""Requests that are signed for AWS on their way: which hash or framing their bodies get, and the lines that say so.

=================================  =======================================================================
the client's X-Amz-Content-Sha256  the target gets
=================================  =======================================================================
a hash                             that hash: the target looks whether the body is that
aws-chunked, unsigned, over TLS    the same; of S3 alone, as all below
aws-chunked otherwise              its content in chunks that the gateway signs, with its trailers
none, or UNSIGNED-PAYLOAD          over TLS UNSIGNED-PAYLOAD, else chunks that the gateway signs
(a service that is not S3)         the hash of the body, which is read first, up to MAX_HASHED
=================================  =======================================================================
"""

from __future__ import annotations

import re
from typing import Final, final

from hoopgw.model.errors import MalformedFrame
from hoopgw.relay.http_heads import RequestHead
from hoopgw.relay.http_scope import SigningTerms
from hoopgw.wire import awschunks, sigv4
from hoopgw.wire.awschunks import AwsChunks, SignedChunks
from hoopgw.wire.httpfields import CHUNKED, LENGTH, NO_BODY, Field

MAX_HASHED: Final = 4 << 20  # bytes of a body that is read before it goes on, for its hash
S3: Final = ("s3", "s3-object-lambda", "s3-outposts", "s3express")
# What the gateway sets, or leaves out: the client's copies are dropped
REPLACED: Final = frozenset((b"authorization", sigv4.DATE, sigv4.CONTENT, sigv4.SESSION_TOKEN))

_HASH: Final = re.compile(rb"[0-9a-f]{64}\Z")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}\Z")
_SIGNED: Final = frozenset((b"content-type", b"content-md5", b"range"))  # of the client's fields, beside X-Amz-*
_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding", b"content-encoding", awschunks.LENGTH))
# Addresses that carry a signature of their own: a target takes one way only
_PRESIGNED: Final = re.compile(
    rb"(?:^|&)(?:x-amz-(?:algorithm|credential|signature|security-token)|awsaccesskeyid|signature)=", re.IGNORECASE
)

# What the body is for the signature
PLAIN: Final = 0  # it goes on as it comes
WHOLE: Final = 1  # the same, and its hash has to be known before
CODED: Final = 2  # the gateway writes its chunks


@final
class Signing:
    """Follows one request at a time.

    way       PLAIN, WHOLE or CODED
    """

    __slots__ = ("way", "_terms", "_s3", "_payload", "_coded", "_chunks", "_given", "_size", "_passed", "_trailers")

    def __init__(self, terms: SigningTerms) -> None:
        self._terms = terms
        self._s3 = terms.service in S3
        self.way = PLAIN
        self._payload = sigv4.NOTHING
        self._coded: AwsChunks | None = None  # the client's own framing, which is taken off
        self._chunks: SignedChunks | None = None
        self._given = False  # the client has said the payload's hash
        self._size = 0  # of the content of a body that is CODED
        self._passed = 0  # of it so far
        self._trailers: list[bytes] = []

    def begin(self, target: bytes, head: RequestHead, framing: int, length: int) -> tuple[int, str]:
        """Another request.  Gives (status, reason) where it cannot be signed, else (0, "")."""
        self.way, self._coded, self._chunks, self._passed, self._trailers = PLAIN, None, None, 0, []
        said = head.content
        self._given = _HASH.match(said) is not None
        if _PRESIGNED.search(target.partition(b"?")[2]) is not None:
            return 400, "the address carries a signature; the gateway signs: ask without it"
        if self._given:
            self._payload = said
        elif said in awschunks.KINDS and self._s3:
            return self._framed(head, said)
        elif said and said != sigv4.UNSIGNED:
            return 400, "X-Amz-Content-Sha256 says what the gateway cannot sign"
        elif framing == NO_BODY or (framing == LENGTH and length == 0):
            self._payload = sigv4.NOTHING
        elif not self._s3:
            self.way = WHOLE
            if framing == LENGTH and length > MAX_HASHED:
                return 413, f"a body of more than {MAX_HASHED >> 20} MiB is signed by its X-Amz-Content-Sha256 only"
        elif self._terms.encrypted:
            self._payload = sigv4.UNSIGNED
        elif framing == CHUNKED:
            return 411, "a body for this target needs its Content-Length"
        else:
            self.way, self._payload, self._size = CODED, awschunks.SIGNED, length
        return 0, ""

    def _framed(self, head: RequestHead, said: bytes) -> tuple[int, str]:
        """The client's body is aws-chunked."""
        if said == awschunks.UNSIGNED_TRAILER and self._terms.encrypted:
            self._payload = said
            return 0, ""
        lengths = [value for name, value in head.fields if name == awschunks.LENGTH]
        if len(lengths) != 1 or _LENGTH.match(lengths[0]) is None:
            return 411, "an aws-chunked body needs its X-Amz-Decoded-Content-Length"
        names = [value for name, value in head.fields if name == b"x-amz-trailer"]
        self._trailers = [each.strip(b" \t").lower() for value in names for each in value.split(b",")]
        if awschunks.trailers_length(self._trailers) < 0:
            return 400, "X-Amz-Trailer names what is no checksum"
        self.way, self._coded, self._size = CODED, AwsChunks(), int(lengths[0])
        self._payload = awschunks.SIGNED_TRAILER if self._trailers else awschunks.SIGNED
        return 0, ""

    def hashed(self, content: list[bytes]) -> None:
        """The whole body, for its hash."""
        self._payload = sigv4.hashed(b"".join(content))

    def lines(self, method: bytes, target: bytes, host: bytes, head: RequestHead) -> tuple[bytes, bytes]:
        """(the client's lines as they go on, the gateway's own), each with CR LF.  Raises SecretUnavailable."""
        terms = self._terms
        keys = terms.keys()
        scope = sigv4.Scope(terms.region, terms.service, terms.now())
        own: list[Field] = [(sigv4.DATE, scope.stamp)]
        if self._s3 or self._given:
            own.append((sigv4.CONTENT, self._payload))
        if keys.token.reveal():
            own.append((sigv4.SESSION_TOKEN, keys.token.reveal()))
        bound = head.lines
        framing: list[Field] = []
        if self.way == CODED:
            bound, framing = self._reframed(head)
        of_client = [field for field in head.fields if field[0] in _SIGNED or field[0].startswith(b"x-amz-")]
        if self.way == CODED:
            of_client = [field for field in of_client if field[0] not in _FRAMING]
        fields = [(b"host", host), *of_client, *framing, *own]
        signature = sigv4.sign(keys, scope, method, target, fields, self._payload, self._s3)
        if self.way == CODED:
            self._chunks = SignedChunks(signature)
        own = [*framing, *own, (b"authorization", signature.authorization)]
        return bound, b"".join([name + b": " + value + b"\r\n" for name, value in own])

    def _reframed(self, head: RequestHead) -> tuple[bytes, list[Field]]:
        kept = [line for line in head.lines.split(b"\r\n") if line and _name(line) not in _FRAMING]
        codings = [value for name, value in head.fields if name == b"content-encoding"]
        others = [each.strip(b" \t") for value in codings for each in value.split(b",")]
        coding = b",".join([awschunks.CODING, *(each for each in others if each.lower() != awschunks.CODING)])
        length = awschunks.length_of(self._size) + awschunks.trailers_length(self._trailers)
        framing: list[Field] = [
            (b"content-encoding", coding),
            (b"content-length", b"%d" % length),
            (awschunks.LENGTH, b"%d" % self._size),
        ]
        return b"".join([line + b"\r\n" for line in kept]), framing

    def coded(self, content: list[bytes], ended: bool) -> bytes:
        """More of a body that is CODED, after `lines`.

        Raises MalformedFrame where it is not as long as was said: what is behind it would be read as a request.
        """
        chunks = self._chunks
        assert chunks is not None
        plain = content
        if self._coded is not None:
            plain = []
            for piece in content:
                self._coded.take(piece, plain)
        self._passed += sum([len(piece) for piece in plain])
        if self._passed > self._size or (ended and self._passed != self._size):
            raise MalformedFrame("a body that is not as long as X-Amz-Decoded-Content-Length says")
        data = chunks.take(plain)
        if not ended:
            return data
        if self._coded is None:
            return data + chunks.finish()
        self._coded.finish()
        found = self._coded.trailers
        if sorted([name for name, _ in found]) != sorted(self._trailers):
            raise MalformedFrame("trailers that are not those which X-Amz-Trailer names")
        if sum([len(name) + len(value) for name, value in found]) != awschunks.values_length(self._trailers):
            raise MalformedFrame("a checksum that is not as long as its kind is")
        return data + chunks.finish(found if self._trailers else None)


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()

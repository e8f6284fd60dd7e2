"""Signature Version 4, by the values that AWS publishes: its test suite, and the examples of the S3 API reference."""

from __future__ import annotations

import calendar
from urllib.parse import quote

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.secret import Secret
from hoopgw.wire.sigv4 import (
    NOTHING,
    Field,
    Keys,
    Scope,
    canonical_fields,
    canonical_path,
    canonical_query,
    decoded,
    encoded,
    hashed,
    sign,
)

_VALUES = st.text(alphabet='abc ,;=/"', max_size=10)
# The suite's own key, which opens nothing
SUITE = Keys(b"AKIDEXAMPLE", Secret(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), Secret(b""))
SUITE_SCOPE = Scope("us-east-1", "service", calendar.timegm((2015, 8, 30, 12, 36, 0)))
SUITE_FIELDS: list[Field] = [(b"host", b"example.amazonaws.com"), (b"x-amz-date", b"20150830T123600Z")]
# That of the S3 API reference
EXAMPLE = Keys(b"AKIAIOSFODNN7EXAMPLE", Secret(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), Secret(b""))
EXAMPLE_SCOPE = Scope("us-east-1", "s3", calendar.timegm((2013, 5, 24, 0, 0, 0)))


def of_suite(method: bytes, target: bytes, more: list[Field] | None = None, payload: bytes = NOTHING) -> str:
    return sign(SUITE, SUITE_SCOPE, method, target, SUITE_FIELDS + (more or []), payload, False).value.decode()


def of_s3(method: bytes, target: bytes, payload: bytes, more: list[Field]) -> str:
    fields = [(b"host", b"examplebucket.s3.amazonaws.com"), (b"x-amz-date", b"20130524T000000Z"), *more]
    fields.append((b"x-amz-content-sha256", payload))
    return sign(EXAMPLE, EXAMPLE_SCOPE, method, target, fields, payload, True).value.decode()


class Published(SynchronousTestCase):
    def test_the_whole_line(self) -> None:
        """get-vanilla: what Authorization says."""
        said = sign(SUITE, SUITE_SCOPE, b"GET", b"/", SUITE_FIELDS, NOTHING, False).authorization
        signature = b"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        credential = b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        self.assertEqual(said, credential + b"SignedHeaders=host;x-amz-date, Signature=" + signature)

    def test_paths_and_queries(self) -> None:
        """Equal requests have one signature, whatever their dots, slashes and the order of parameters."""
        vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        for target in (b"/", b"//", b"/./", b"/example/..", b"/example1/example2/../.."):
            self.assertEqual(of_suite(b"GET", target), vanilla, target)
        ordered = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
        self.assertEqual(of_suite(b"GET", b"/?Param2=value2&Param1=value1"), ordered)
        self.assertEqual(of_suite(b"POST", b"/"), "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")

    def test_s3(self) -> None:
        """GET of a range, PUT with a character that is encoded, and a parameter without a value."""
        ranged = [(b"range", b"bytes=0-9")]
        wanted = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        self.assertEqual(of_s3(b"GET", b"/test.txt", NOTHING, ranged), wanted)
        more = [(b"date", b"Fri, 24 May 2013 00:00:00 GMT"), (b"x-amz-storage-class", b"REDUCED_REDUNDANCY")]
        wanted = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        for target in (b"/test$file.text", b"/test%24file.text"):
            self.assertEqual(of_s3(b"PUT", target, hashed(b"Welcome to Amazon S3."), more), wanted)
        wanted = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        self.assertEqual(of_s3(b"GET", b"/?lifecycle", NOTHING, []), wanted)
        wanted = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        self.assertEqual(of_s3(b"GET", b"/?prefix=J&max-keys=2", NOTHING, []), wanted)


class Oracle(SynchronousTestCase):
    """botocore, which AWS writes."""

    @settings(deadline=None, max_examples=150)
    @given(
        st.booleans(),
        st.sampled_from(("GET", "PUT", "POST", "DELETE")),
        st.lists(st.text(max_size=8), max_size=4),
        st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), max_size=4),
        st.dictionaries(st.sampled_from(("x-amz-meta-a", "x-amz-acl", "content-type")), _VALUES),
    )
    def test_the_same_signature(
        self, s3: bool, method: str, parts: list[str], pairs: dict[str, str], more: dict[str, str]
    ) -> None:
        """Of any request that is written as SDKs write it."""
        path = "/" + "/".join(quote(part, safe="/~" if s3 else "~") for part in parts)
        query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs.items())
        target = f"{path}?{query}" if query else path
        fields = {"host": "h.example.com", "x-amz-date": "20150830T123600Z", **more}
        if s3:
            fields["x-amz-content-sha256"] = NOTHING.decode()
        request = AWSRequest(method, "https://h.example.com" + target, headers=dict(fields), data=b"")
        request.context["timestamp"] = "20150830T123600Z"
        keys = Credentials("AKIDEXAMPLE", SUITE.secret.reveal().decode())
        auth = (S3SigV4Auth if s3 else SigV4Auth)(keys, "service", "us-east-1")
        expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        given = [(name.encode(), value.encode()) for name, value in fields.items()]
        ours = sign(SUITE, SUITE_SCOPE, method.encode(), target.encode(), given, NOTHING, s3)
        self.assertEqual(ours.value.decode(), expected, (target, fields, auth.canonical_request(request)))


class Canonical(SynchronousTestCase):
    def test_paths(self) -> None:
        """S3 has a name as it is, dots and slashes included; for other services what is encoded is encoded again."""
        for path, s3, other in (
            (b"/a%20b", b"/a%20b", b"/a%2520b"),
            (b"/a//b/./c", b"/a//b/./c", b"/a/b/c"),
            (b"/a/../..//b/", b"/a/../..//b/", b"/b/"),
            (b"/%c3%a4+(1)", b"/%C3%A4%2B%281%29", b"/%25c3%25a4%2B%281%29"),
            (b"/100%", b"/100%25", b"/100%25"),
        ):
            self.assertEqual((canonical_path(path, True), canonical_path(path, False)), (s3, other), path)

    def test_queries(self) -> None:
        """Sorted by what is sent, not by what is meant; a plus is a blank."""
        self.assertEqual(canonical_query(b"uploads&b=2&a=1&a=0&c=x+y/%7e"), b"a=0&a=1&b=2&c=x%20y%2F~&uploads=")
        self.assertEqual(canonical_query(b""), b"")

    def test_fields(self) -> None:
        """Those of one name are one, in their order; blanks inside are one."""
        fields = [(b"x-amz-b", b" two   blanks "), (b"host", b"h"), (b"x-amz-b", b"1")]
        self.assertEqual(canonical_fields(fields), (b"host:h\nx-amz-b:two blanks,1\n", b"host;x-amz-b"))

    @given(st.binary(max_size=60))
    def test_encoding_is_undone(self, data: bytes) -> None:
        """Whatever it is."""
        self.assertEqual(decoded(encoded(data)), data)
        self.assertTrue(encoded(data).isascii())


class Secrecy(SynchronousTestCase):
    def test_no_repr_shows_a_key(self) -> None:
        """Neither that of keys nor what an error would print of a scope."""
        self.assertNotIn("wJalr", repr(SUITE))
        self.assertEqual(repr(SUITE), "Keys()")

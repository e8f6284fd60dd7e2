"""Masks of the policy -> what masks the responses of HTTP: their fields, and their bodies as they come.

======================================  ==========================================  =============================
a response                              by name (`json`)                            by pattern
======================================  ==========================================  =============================
JSON, NDJSON, JSON sequences            its members; what is not JSON is refused    texts, names, numbers
server-sent events                      the JSON of their data                      the same; other data, lines
other text                              refused, or passed where a rule says so     its lines
images, sound, fonts, style sheets      passed; refused where they are JSON         passed
archives, PDF, gRPC and the like        refused, or passed where a rule says so     passed
anything else                           the same, unless it begins as JSON          passed, unless it begins as text
======================================  ==========================================  =============================

What is refused is a response of the gateway's own; of an error page (400 and above) only the body is withheld.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final, final

from hoopgw.model.errors import Unmaskable
from hoopgw.model.verdict import IBodyMasks
from hoopgw.policy.http_masks import HttpMask
from hoopgw.policy.mask_table import stricter
from hoopgw.relay.http_masked_body import Bodies, MaskedBody, NoData, Passed, Withheld
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.wire import masking
from hoopgw.wire.codings import Decoding, codings_of
from hoopgw.wire.jsonkeys import KeyRule, KeyTable
from hoopgw.wire.masking import Action

Field = tuple[bytes, bytes]

KINDS: Final = {"none": masking.NONE, "hash": masking.HASH, "last4": masking.LAST4}
# From the strictest on: a table's actions count from 1, and of two the lower one holds
SHOWS: Final = ("none", "hash", "last4")
# What would no longer be true of a masked body (RFC 9110, 8.8.3 and 14.3; RFC 9530), and would tell by its digest
# whether a guess at it is right: fields of services' own too (x-amz-checksum-sha256, x-goog-hash)
STALE: Final = re.compile(
    rb"(?:.*-)?(?:accept-ranges|content-range|signature|signature-input|etag|hash)"
    rb"|.*(?:digest|checksum|md5|sha-?(?:1|224|256|384|512)|crc-?(?:32|64)).*"
)
MAX_NAMES: Final = 1024  # names of fields of which is known whether they are
# Fields that frame, route or date: no pattern is looked for in them
PLAIN: Final = frozenset(
    (b"content-type", b"content-length", b"transfer-encoding", b"date", b"connection", b"keep-alive", b"trailer",
     b"content-encoding", b"vary", b"age", b"expires", b"last-modified", b"cache-control", b"upgrade", b"etag")
)  # fmt: skip
# What the gateway says in the client's place where answers are masked: no part of a body, and not compressed
REPLACED: Final = frozenset((b"range", b"if-range", b"accept-encoding"))
TOLD: Final = b"Accept-Encoding: identity\r\n"
MAX_KNOWN: Final = 256  # sets of masks: one for each selection of rules

_JSON: Final = re.compile(rb"[^/;]+/[^;]*json")  # NDJSON and sequences, AWS's own (application/x-amz-json-1.0)
_SAFE: Final = re.compile(rb"(?:image/(?!svg)|audio/|video/|font/|text/css$)")
_TEXT: Final = re.compile(
    rb"(?:text/|message/|multipart/(?:mixed|form-data|alternative)"
    rb"|[^/]+/(?:[^;]*\+)?(?:xml|yaml|x-yaml|javascript|x-javascript|graphql|sql|csv|x-www-form-urlencoded|toml)$)"
)
# They may begin as text does (git's, packages), and what is taken for a value in one would break it
_BINARY: Final = re.compile(
    rb"application/(?:grpc|pdf|zip|x-zip|gzip|x-gzip|x-tar|x-7z|x-bzip|x-xz|zstd|java-archive|wasm|(?:x-)?protobuf|msword"
    rb"|vnd\.(?:openxmlformats|oasis|ms-|google\.protobuf|debian|docker\.image|oci\.image|android|rar)"
    rb"|x-(?:git|rpm|redhat|debian|rar|executable|sharedlib|iso9660|apple-diskimage|msdownload|java-)|cbor|msgpack|x-msgpack"
    rb"|vnd\.(?:msgpack|amazon\.eventstream|apache\.(?:arrow|parquet|thrift)))"
)
_CHARSETS: Final = (b"", b"utf-8", b"utf8", b"us-ascii", b"ascii", b"iso-8859-1", b"latin1", b"windows-1252")


@final
class HttpMaskBuilder:
    """One for the gateway: sets of masks are made once."""

    def __init__(self, builder: MaskBuilder) -> None:
        self._builder = builder
        self._known: dict[tuple[HttpMask, ...], HttpMasks] = {}

    def build(self, masks: tuple[HttpMask, ...]) -> HttpMasks:
        found = self._known.get(masks)
        if found is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            found = self._known[masks] = HttpMasks(self._builder, masks)
        return found


@final
class HttpMasks:
    """Of one request: everything that the rules which it selected say."""

    def __init__(self, builder: MaskBuilder, masks: tuple[HttpMask, ...]) -> None:
        self._builder = builder
        self._all = masks
        self._headers = tuple((glob.lower(), each.show) for each in masks for glob in each.headers)
        self._named = any(each.json for each in masks)
        self._passes = all(each.passes for each in masks if each.json)
        scanner = builder.scanner(
            frozenset(name for each in masks for name in each.patterns),
            frozenset(text for each in masks for text in each.custom),
        )
        self._scanner = scanner
        rules = tuple(
            KeyRule(pointer.parts, pointer.anywhere, SHOWS.index(each.show) + 1)
            for each in masks
            for pointer in each.json
        )
        actions = tuple(Action(KINDS[show]) for show in SHOWS)
        self._bodies = Bodies(KeyTable(rules), actions, builder.value(scanner), self._named and not self._passes)

    def __and__(self, other: IBodyMasks) -> HttpMasks:
        if not isinstance(other, HttpMasks):
            raise TypeError("masks of another protocol")
        return HttpMasks(self._builder, tuple(dict.fromkeys(self._all + other._all)))

    def response(self, status: int, fields: tuple[Field, ...]) -> MaskedBody | None:
        """None where nothing of it is to be masked.  Raises Unmaskable."""
        empty = status < 200 or status in (204, 304) or _values(fields, b"content-length") == [b"0"]
        fields = _without(fields, b"content-length")
        shown = tuple(self._field(*each) for each in fields)
        if not (self._named or self._scanner is not None):
            return None if shown == fields else MaskedBody(shown, Passed(), None)
        codings = codings_of(fields)
        if empty:
            if self._changes(fields, codings):
                shown = _not_stale(_without(shown, b"content-encoding"))
            return None if shown == fields else MaskedBody(shown, Passed(), None)
        try:
            body = self._body(status, fields, codings)
        except Unmaskable:
            if status < 400:
                raise
            return MaskedBody((*_without(shown, b"content-type"), (b"content-type", b"text/plain")), Withheld(), None)
        if body is None:
            return None if shown == fields else MaskedBody(shown, Passed(), None)
        if isinstance(body, NoData) and not codings:
            return MaskedBody(shown, body, None)
        decoding = Decoding(codings) if codings else None
        return MaskedBody(_not_stale(_without(shown, b"content-encoding")), body, decoding)

    def trailers(self, fields: tuple[Field, ...]) -> tuple[Field, ...]:
        """Masked as fields of the head; what would no longer be true of the body is left out."""
        return tuple(self._field(*each) for each in _not_stale(fields))

    def _changes(self, fields: tuple[Field, ...], codings: tuple[bytes, ...]) -> bool:
        """Whether a body with these fields would be another one: what they say of it is then not true, or tells of
        what is masked (an entity tag is often a digest)."""
        try:
            body = self._body(200, fields, codings)
        except Unmaskable:
            return True
        return body is not None and not isinstance(body, NoData)

    def message(self, data: bytes) -> bytes:
        """One whole message of a WebSocket, masked.  Raises Unmaskable."""
        return self._bodies.message(data)

    def _body(self, status: int, fields: tuple[Field, ...], codings: tuple[bytes, ...]) -> object:
        """What masks this body; None: it is passed."""
        kind, charset = _media(fields)
        if status == 206 or kind == b"multipart/byteranges":
            raise Unmaskable("a part of a body")
        if charset not in _CHARSETS:
            raise Unmaskable(f"a body in the character set {charset.decode('ascii', 'backslashreplace')}")
        Decoding(codings)  # a coding that is not known is told now, not when the head is gone
        if _JSON.match(kind):
            return self._bodies.json()
        if kind == b"text/event-stream":
            return self._bodies.events()
        if _SAFE.match(kind):
            return self._bodies.no_data() if self._named else None
        if not kind or _TEXT.match(kind):
            return self._text(kind)
        if self._named and not self._passes:
            raise Unmaskable(f"a body of type {kind.decode('ascii', 'backslashreplace')}, which cannot be read")
        return None if _BINARY.match(kind) else self._bodies.unknown()

    def _text(self, kind: bytes) -> object:
        """JSON may come as text, or without a type."""
        if self._named and kind in (b"", b"text/plain"):
            return self._bodies.sniffed()
        if self._named and not self._passes:
            raise Unmaskable(f"a body of type {kind.decode('ascii', 'backslashreplace')}, which is not JSON")
        return self._bodies.text()

    def _field(self, name: bytes, value: bytes) -> Field:
        shows = [show for glob, show in self._headers if fnmatchcase(name.decode("latin-1"), glob)]
        if shows:
            show = shows[0]
            for each in shows[1:]:
                show = stricter(show, each)
            return name, self._bodies.hidden(Action(KINDS[show]), value)
        if self._scanner is None or name in PLAIN:
            return name, value
        return name, self._scanner.masked(value)


def _values(fields: tuple[Field, ...], name: bytes) -> list[bytes]:
    return [value for each, value in fields if each == name]


def _without(fields: tuple[Field, ...], *names: bytes) -> tuple[Field, ...]:
    return tuple(each for each in fields if each[0] not in names)


@lru_cache(maxsize=MAX_NAMES)
def _is_stale(name: bytes) -> bool:
    return STALE.fullmatch(name) is not None


def _not_stale(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    return tuple(each for each in fields if not _is_stale(each[0]))


def _media(fields: tuple[Field, ...]) -> tuple[bytes, bytes]:
    """Type and character set, in lower case; raises Unmaskable where there are several."""
    types = _values(fields, b"content-type")
    if len(types) > 1 or b"," in re.sub(rb'"[^"]*"', b"", b"".join(types)):  # of a list browsers take the last
        raise Unmaskable("a body with several types")
    kind, _, rest = (types[0] if types else b"").lower().partition(b";")
    found = re.findall(rb"charset\s*=\s*\"?([^\s;\"]*)", rest)
    if len(found) > 1:
        raise Unmaskable("a body with several character sets")
    return kind.strip(), found[0] if found else b""

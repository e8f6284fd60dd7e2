"""Bodies of requests, and what asks for a WebSocket, as the record has them: values of fields with a secret name are
stars, of the same length."""

from __future__ import annotations

import re
from typing import Final, final

from hoopgw.wire.httpchunks import chunk_of
from hoopgw.wire.httpfields import CHUNKED, Block, Field
from hoopgw.wire.secretaddresses import has_password
from hoopgw.wire.secretbody import (
    FORM,
    LINES,
    NONE,
    PARTS,
    PLAIN,
    ROWS,
    TABULAR,
    TEXT,
    UNTYPED,
    WITHHELD,
    SecretBody,
    is_form,
    is_markup,
    is_table,
    is_wide,
    way_of,
)
from hoopgw.wire.secretform import has_secret
from hoopgw.wire.secretnames import SecretNames
from hoopgw.wire.secretpairs import may_have_pairs
from hoopgw.wire.secretparts import SecretParts
from hoopgw.wire.secretplaces import mentions

_BOUNDARY: Final = re.compile(rb";[ \t]*boundary=(?:\"([^\"]+)\"|([^\"; \t]+))", re.IGNORECASE)
_PROTOCOLS: Final = re.compile(rb"(?im)^(sec-websocket-protocol:)([^\r\n]*)")


@final
class BodyKind:
    """Of the bodies that come with one block of fields."""

    __slots__ = ("boundary", "way")

    def __init__(self, way: int, boundary: bytes = b"") -> None:
        self.way = way
        self.boundary = boundary


_NONE: Final = BodyKind(NONE)
_PLAIN: Final = BodyKind(TEXT)


def kind_of(block: Block) -> BodyKind:
    """By Content-Type and Content-Encoding.  A body without a type, or with several, is text, or a form where it begins
    as one; a text may be XML as well."""
    types = block.values(b"content-type")
    told = types[0].strip(b" \t").lower() if types else b""
    way = way_of(told) if len(types) == 1 and told else UNTYPED
    if way == NONE:
        return _NONE
    boundary = b""
    if way == PARTS:
        found = _BOUNDARY.search(types[0])
        boundary = b"" if found is None else found.group(1) or found.group(2)
    coded = any(each.strip(b" \t").lower() not in (b"", b"identity") for each in block.values(b"content-encoding"))
    if coded or (way == PARTS and not boundary):
        return BodyKind(WITHHELD)
    return _PLAIN if way == TEXT else BodyKind(way, boundary)


def is_clean(kind: BodyKind, body: bytes, names: SecretNames) -> bool:
    """Nothing of a body that is whole is kept out of the record: most bodies need no more than this."""
    way = kind.way
    if way == FORM:
        return is_form(body) and not has_secret(body, names) and not has_password(body)
    if way in (PARTS, WITHHELD, ROWS) or is_markup(body) or (way == UNTYPED and (is_form(body) or body[:1] >= b"\x80")):
        return False
    if way in TABULAR and is_table(body, names):
        return False
    if way == NONE or (way in (LINES, PLAIN) and may_have_pairs(body)):
        return False
    return not mentions(body, names) and not is_wide(body) and not has_password(body)


def starred_protocols(lines: bytes, names: SecretNames) -> bytes:
    """Lines that ask for a WebSocket; the same object where nothing is starred.  Scripts in browsers can set no other
    field: a protocol behind one that is called `bearer`, or has a secret name, is a token, and so is all behind
    `bearer.` in one (Kubernetes)."""
    shown = _PROTOCOLS.sub(lambda found: found[1] + _starred_list(found[2], names), lines) if lines else lines
    return lines if shown == lines else shown


def _starred_list(value: bytes, names: SecretNames) -> bytes:
    shown: list[bytes] = []
    secret = False
    for each in value.split(b","):
        word = each.strip(b" \t")
        begin = 0 if secret else word.lower().find(b"bearer.") + 7
        starred = word[:begin] + b"*" * (len(word) - begin) if secret or begin > 6 else word
        shown.append(each.replace(word, starred) if starred != word else each)
        secret = word.lower() == b"bearer" or names.hides(word)
    return b",".join(shown)


@final
class BodySecrets:
    """Follows one body.

    found     values that were starred so far
    withheld  the record has no more of it than its length
    """

    __slots__ = ("_body", "_chunked", "_parts")

    def __init__(self, kind: BodyKind, names: SecretNames, framing: int) -> None:
        self._chunked = framing == CHUNKED
        self._parts = SecretParts(names, kind.boundary) if kind.way == PARTS else None
        self._body = SecretBody(kind.way, names)

    @property
    def found(self) -> int:
        return self._body.found if self._parts is None else self._parts.found

    @property
    def withheld(self) -> bool:
        return self._body.withheld

    def recorded(self, data: bytes, content: list[bytes], ended: bool, trailers: list[Field]) -> bytes:
        """`data` as the record has it, of which `content` is what is in its chunks; the same object where nothing is
        left out of it.  Chunks are others than the client's: what is left out may have been cut by them."""
        self._body.more = not ended
        if not self._chunked:
            return self._starred(data)
        whole = self._starred(content[0] if len(content) == 1 else b"".join(content))
        framed = chunk_of(whole)
        if ended:
            lines = [name + b": " + value + b"\r\n" for name, value in trailers]
            framed += b"0\r\n" + b"".join(lines) + b"\r\n"
        return framed

    def _starred(self, data: bytes) -> bytes:
        return self._body.feed(data) if self._parts is None else self._parts.feed(data)

"""Values within values: whatever they hold, nothing of it is left, and the whole stays what its type is written as."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.http_json import pointer
from hoopgw.wire import masking
from hoopgw.wire.jsonkeys import KeyRule, KeyTable
from hoopgw.wire.masking import Action, ValueMask
from hoopgw.wire.scanners import Scanner
from hoopgw.wire.showing import Hashes

MASK = ValueMask(Scanner(31), Hashes(b"key"))
STARS = Action(masking.NONE)
ZERO, FALSE = Action(masking.CONSTANT, b"0"), Action(masking.CONSTANT, b"false")
SCAN = Action(masking.SCAN)
# What the values below are made of, and nothing that their types are written with
SECRET = "KLMPQ"
TEXTS = st.text(SECRET + " \",\\{}()<>&;=\t\n'/[]:-", max_size=8)
JUNK = st.text(SECRET + " \",\\{}()<>&;=\n'/[]:-!?", max_size=24).map(str.encode)
COLUMN = {
    masking.TEXT_ARRAY: Action(masking.TEXT_ARRAY, parts=(STARS,)),
    masking.BINARY_ARRAY: Action(masking.BINARY_ARRAY, oid=25, parts=(STARS,)),
    masking.TEXT_ROW: Action(masking.TEXT_ROW, parts=(STARS, ZERO), oids=(25, 23)),
    masking.BINARY_ROW: Action(masking.BINARY_ROW, parts=(STARS, ZERO), oids=(25, 23)),
    masking.TEXT_HSTORE: Action(masking.TEXT_HSTORE, parts=(STARS, STARS)),
    masking.BINARY_HSTORE: Action(masking.BINARY_HSTORE, parts=(STARS, STARS)),
    masking.JSON: Action(masking.JSON, parts=(STARS, ZERO, FALSE)),
    masking.JSONB: Action(masking.JSONB, parts=(STARS, ZERO, FALSE)),
    masking.XML: Action(masking.XML, parts=(STARS, Action(masking.HASH), None)),
    masking.BYTEA: Action(masking.BYTEA, parts=(STARS,)),
}


def shown(action: Action, value: bytes) -> bytes | None:
    return MASK.of(action, value)


def sized(value: bytes | None) -> bytes:
    return b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4, "big") + value


def array(values: list[str | None]) -> bytes:
    """As array_out() writes one dimension."""
    quoted = ("NULL" if each is None else '"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"' for each in values)
    return ("{" + ",".join(quoted) + "}").encode()


class Nothing(SynchronousTestCase):
    """No byte of a value is left of it."""

    @settings(max_examples=400, deadline=None)
    @given(st.sampled_from(sorted(COLUMN)), JUNK)
    @example(masking.XML, b"<?xml version='KLM'?>")
    def test_junk(self, kind: int, junk: bytes) -> None:
        """must-survive 19: what is not laid out as its type says is NULL or all stars, never shown and never an error.
        JSON has its keys left and XML its names: in junk they are no secrets."""
        masked = shown(COLUMN[kind], junk) or b""
        if kind not in (masking.JSON, masking.JSONB, masking.XML):
            self.assertFalse(set(SECRET.encode()) & set(masked), masked)

    @settings(max_examples=200, deadline=None)
    @given(st.sampled_from(sorted(COLUMN)), st.binary(max_size=60), st.integers(0, 60), st.binary(max_size=4))
    def test_any_bytes(self, kind: int, value: bytes, place: int, other: bytes) -> None:
        """Lengths and counts that are not true end in NULL or in stars: nothing is shown, and nothing raised."""
        value += SECRET.encode()
        good = b"\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1" + sized(value)
        for data in (value, good[:place] + other + good[place + len(other) :]):
            masked = shown(COLUMN[kind], data) or b""
            if kind not in (masking.JSON, masking.JSONB, masking.XML):
                self.assertNotIn(SECRET.encode(), masked)

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.none() | TEXTS, max_size=5), st.integers(1, 3))
    def test_arrays(self, values: list[str | None], depth: int) -> None:
        """As many elements, NULL where NULL was, stars of the same length: in text and in binary, nested."""
        text = b"{" * (depth - 1) + array(values) + b"}" * (depth - 1)
        stars = ["NULL" if each is None else "*" * len(each.encode()) or '""' for each in values]
        wanted = "{" * depth + ",".join(stars) + "}" * depth
        self.assertEqual(shown(COLUMN[masking.TEXT_ARRAY], text), wanted.encode())
        self.assertEqual(shown(COLUMN[masking.TEXT_ARRAY], b"[2:9]=" + text), b"[2:9]=" + wanted.encode())
        head = b"\0\0\0\1\0\0\0\1\0\0\0\x19" + len(values).to_bytes(4, "big") + b"\0\0\0\2"
        data = [None if each is None else each.encode() for each in values]
        hidden = [None if each is None else b"*" * len(each) for each in data]
        found = shown(COLUMN[masking.BINARY_ARRAY], head + b"".join(map(sized, data)))
        self.assertEqual(found, head + b"".join(map(sized, hidden)))

    @settings(max_examples=300, deadline=None)
    @given(TEXTS | st.none(), st.integers() | st.none())
    def test_composites(self, one: str | None, two: int | None) -> None:
        """As many fields; NULL stays NULL."""
        quoted = "" if one is None else '"' + one.replace("\\", "\\\\").replace('"', '""') + '"'
        masked = "" if one is None else '"' + "*" * len(one) + '"'
        text = f"({quoted},{'' if two is None else two})".encode()
        wanted = one if one is None or one == "" else "*"
        found = shown(COLUMN[masking.TEXT_ROW], text) or b""
        zero = "" if two is None else '"0"'
        self.assertEqual(found, f"({quoted if not wanted else masked},{zero})".encode())
        for fields in (b"()", b"(,,)", b"(KLM)"):
            self.assertIsNone(shown(COLUMN[masking.TEXT_ROW], fields), "another count of fields")

    def test_composites_in_binary(self) -> None:
        """Fields of other types than were declared show nothing."""
        good = b"\0\0\0\2\0\0\0\x19" + sized(b"KLM") + b"\0\0\0\x17" + sized(b"LMPQ")
        stars = good.replace(b"KLM", b"***").replace(sized(b"LMPQ"), sized(b"0"))
        self.assertEqual(shown(COLUMN[masking.BINARY_ROW], good), stars)
        self.assertIsNone(shown(COLUMN[masking.BINARY_ROW], good.replace(b"\x17", b"\x18")))
        self.assertIsNone(shown(COLUMN[masking.BINARY_ROW], good + b"K"))

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.tuples(TEXTS, TEXTS | st.none()), max_size=4))
    def test_hstore(self, pairs: list[tuple[str, str | None]]) -> None:
        """Values become stars, NULL stays NULL; keys too, where they are asked for."""

        def quoted(text: str | None) -> str:
            return "NULL" if text is None else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

        def stars(text: str | None) -> str:
            return "NULL" if text is None else '"' + "*" * len(text) + '"'

        text = ", ".join(f"{quoted(key)}=>{quoted(value)}" for key, value in pairs).encode()
        wanted = ", ".join(f"{stars(key)}=>{stars(value)}" for key, value in pairs).encode()
        self.assertEqual(shown(COLUMN[masking.TEXT_HSTORE], text), wanted)


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def hidden(document: Any) -> Any:
    """What is shown of JSON, but for the lengths of its strings."""
    if isinstance(document, dict):
        return {key: hidden(value) for key, value in document.items()}
    if isinstance(document, list):
        return [hidden(each) for each in document]
    if isinstance(document, str):
        return "*" * len(document.encode())
    return False if isinstance(document, bool) else None if document is None else 0


def table(*keys: str) -> KeyTable:
    return KeyTable(tuple(KeyRule(each.parts, each.anywhere, 1) for each in map(pointer, keys)))


class Json(SynchronousTestCase):
    @settings(max_examples=300, deadline=None)
    @given(DOCUMENTS, st.booleans(), st.sampled_from((None, 1)))
    def test_shape(self, document: Any, escapes: bool, indent: int | None) -> None:
        """Keys, lengths of arrays and null stay; json and binary jsonb alike."""
        text = json.dumps(document, ensure_ascii=escapes, indent=indent).encode()
        masked = shown(COLUMN[masking.JSON], text)
        assert masked is not None
        self.assertEqual(json.loads(masked), hidden(document))
        self.assertEqual(shown(COLUMN[masking.JSONB], b"\1" + text), b"\1" + masked)
        self.assertIsNone(shown(COLUMN[masking.JSONB], text))

    def masked(self, document: Any, *keys: str) -> Any:
        action = Action(masking.JSON, parts=(STARS, ZERO, FALSE), keys=table(*keys))
        return json.loads(shown(action, json.dumps(document).encode()) or b"")

    def test_keys(self) -> None:
        """By name at any depth, with all that is below; by pointer from the top, with * for one step."""
        document = {"a": {"Email": "KLM", "n": 1}, "list": [{"x": "K", "y": 2}, {"x": "L", "y": 3}], "email/": "M"}
        for keys, change in (
            (("email",), {"a": {"Email": "***", "n": 1}}),
            (("a",), {"a": {"Email": "***", "n": 0}}),
            (("/a/n",), {"a": {"Email": "KLM", "n": 0}}),
            (("/list/1/y",), {"list": [{"x": "K", "y": 2}, {"x": "L", "y": 0}]}),
            (("/list/*/x",), {"list": [{"x": "*", "y": 2}, {"x": "*", "y": 3}]}),
            (("/list/0", "/email~1"), {"list": [{"x": "*", "y": 0}, {"x": "L", "y": 3}], "email/": "*"}),
            (("y",), {"list": [{"x": "K", "y": 0}, {"x": "L", "y": 0}]}),
            (("other", "/x", "/a/email/n"), {}),
        ):
            self.assertEqual(self.masked(document, *keys), document | change, keys)
        self.assertEqual(self.masked([["K"], "L"], "/0"), [["*"], "L"])
        self.assertEqual(self.masked({"\u0061b": "K"}, "ab"), {"ab": "*"})

    def test_keys_written_with_escapes(self) -> None:
        """`"\\u0065mail"` is `email`."""
        action = Action(masking.JSON, parts=(STARS, ZERO, FALSE), keys=table("email"))
        self.assertEqual(shown(action, b'{"\\u0065mail": "K", "b": "L"}'), b'{"\\u0065mail": "*", "b": "L"}')

    def test_patterns_see_through_escapes(self) -> None:
        """must-survive 19: an address whose @ is an escape is an address."""
        action = Action(masking.SCAN_JSON, parts=(SCAN, Action(masking.SCAN_NUMBER, b"0"), None, SCAN))
        self.assertEqual(shown(action, b'{"a": "me\\u0040example.org", "b": 1}'), b'{"a": "**************", "b": 1}')
        self.assertEqual(shown(action, b'{"a\\n": "x"}'), b'{"a\\n": "x"}')

    def test_hstore_keys(self) -> None:
        """Of an hstore only what stands under the named keys."""
        for kind, value, masked in (
            (masking.TEXT_HSTORE, b'"Email"=>"KLM", "b"=>"L"', b'"Email"=>"***", "b"=>"L"'),
            (masking.BINARY_HSTORE, b"\0\0\0\1" + sized(b"email") + sized(b"K"), sized(b"email") + sized(b"*")),
        ):
            action = Action(kind, parts=(None, STARS), keys=table("email", "/x"))
            self.assertTrue((shown(action, value) or b"").endswith(masked))


TAGS = st.sampled_from(("a", "b:c", "d"))
CONTENT = st.text(SECRET + " &<>'\"\n", max_size=8)


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> ElementTree.Element:
    found = ElementTree.Element(draw(TAGS).replace("b:", "b"), {"x": draw(CONTENT)} if draw(st.booleans()) else {})
    found.text = draw(CONTENT)
    for _ in range(draw(st.integers(0, 2)) if depth else 0):
        found.append(draw(elements(depth - 1)))
        found[-1].tail = draw(CONTENT)
    return found


def shape(element: ElementTree.Element) -> Any:
    return element.tag, sorted(element.attrib), [shape(each) for each in element]


class Xml(SynchronousTestCase):
    @settings(max_examples=200, deadline=None)
    @given(elements())
    def test_shape(self, element: ElementTree.Element) -> None:
        """Tags, names of attributes and their nesting stay; of what they hold nothing does."""
        text = b"<?xml version='1.0' encoding='UTF-8'?>" + ElementTree.tostring(element)
        for data in (text, text.replace(b">", b"><!-- KLM --><![CDATA[KLM]]><?t KLM?>", 2)):
            masked = shown(COLUMN[masking.XML], data) or b""
            self.assertFalse(set(SECRET.encode()) & set(masked.replace(b"CDATA", b"")), masked)
            if data is text:
                self.assertEqual(shape(ElementTree.fromstring(masked)), shape(element))

    def test_namespaces_stay_apart(self) -> None:
        """Two prefixes of two names, and two attributes that differ in nothing else."""
        masked = shown(COLUMN[masking.XML], b'<a xmlns:p="K" xmlns:q="L" p:x="M" q:x="M"/>') or b""
        self.assertEqual(len(ElementTree.fromstring(masked).attrib), 2)

    def test_no_document_types(self) -> None:
        """Entities may say anything, and what does not close is no XML: all becomes stars."""
        for bad in (
            b"<!DOCTYPE a [<!ENTITY e 'KLM'>]><a>&e;</a>",
            b"<a",
            b"<a KLM>",
            b"<!-- KLM",
            b"<a x='<'/>",
            b"</",
        ):
            self.assertEqual(shown(COLUMN[masking.XML], bad), b"*" * len(bad))

    def test_patterns(self) -> None:
        """Between tags and in attributes, through references; a name that holds one spoils the whole."""
        action = Action(masking.SCAN_XML, parts=(SCAN, Action(masking.SPOILS), Action(masking.SPOILS)))
        for text, wanted in (
            (b"<a href='me@example.org'>a</a>", b"<a href='**************'>a</a>"),
            (b"<a>me&#64;example.org</a>", b"<a>**************</a>"),
            (b"<a>b&amp;c</a>", b"<a>b&amp;c</a>"),
            (b"<a xmlns='me@example.org'/>", None),
            (b"<a4000001234567899/>", None),
            (b"<a me@example.org", None),
        ):
            self.assertEqual(shown(action, text), wanted, text)


class Others(SynchronousTestCase):
    def test_bytea(self) -> None:
        """Bytes are masked, whatever format shows them: in hex, which every server reads."""
        for text in (b"\\x4b4c4d", b"K\\114M"):
            self.assertEqual(shown(COLUMN[masking.BYTEA], text), b"\\x2a2a2a")
        self.assertEqual(shown(Action(masking.SCAN_BYTEA), b"\\x" + b"me@a.org".hex().encode()), b"\\x" + b"2a" * 8)
        self.assertIsNone(shown(Action(masking.SCAN_BYTEA), b"\\x4000001234567899"))

    def test_bits(self) -> None:
        """As many of them."""
        self.assertEqual(shown(Action(masking.ZEROS), b"1011"), b"0000")
        self.assertEqual(shown(Action(masking.ZERO_BITS), b"\0\0\0\x04\xb0"), b"\0\0\0\x04\0")

    def test_rows_within_rows(self) -> None:
        """Deeper ones than may be looked into are NULL, however they are nested by whoever asks."""
        record = b"\0\0\0\1\0\0\0\x19" + sized(b"x")
        types: dict[int, Action | None] = {25: SCAN}
        action = types[2249] = Action(masking.BINARY_ROW, types=types)
        for depth in range(20):
            found = shown(action, record)
            self.assertEqual(found == record, depth < masking.DEEPEST, depth)
            record = b"\0\0\0\1\0\0\x08\xc9" + sized(record)

"""hoopgw.wire.jsonmask, with hoopgw.wire.jsonkeys"""

from __future__ import annotations

import json
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import Unmaskable
from hoopgw.wire.httpchunks import chunk_of
from hoopgw.wire.jsonkeys import KeyRule, KeyTable
from hoopgw.wire.jsonmask import JsonMask
from hoopgw.wire.jsontoken import MAX_TEXT
from hoopgw.wire.jsonways import NOWHERE, Way
from hoopgw.wire.masking import HASH, LAST4, NONE, Action, Hashes, ValueMask
from hoopgw.wire.scanners import EMAIL, PAYMENT_CARD, Scanner

ACTIONS = (Action(NONE), Action(HASH), Action(LAST4))
PATTERNS = Scanner(EMAIL | PAYMENT_CARD)


def rule(text: str, action: int = 1) -> KeyRule:
    if text.startswith("/") or not text:
        return KeyRule(tuple(text.split("/")[1:]), False, action)
    return KeyRule((text,), True, action)


def maker(*rules: str | KeyRule, scanner: Scanner | None = None) -> Callable[[], JsonMask]:
    """Of walks through one body each: what came in one is known in the next."""
    table = KeyTable(tuple(each if isinstance(each, KeyRule) else rule(each) for each in rules))
    return lambda: JsonMask(table, ACTIONS, ValueMask(scanner, Hashes(b"k")))


def mask(*rules: str | KeyRule, scanner: Scanner | None = None) -> JsonMask:
    return maker(*rules, scanner=scanner)()


def masked(text: bytes, *rules: str | KeyRule, scanner: Scanner | None = None) -> bytes:
    walk = mask(*rules, scanner=scanner)
    return walk.feed(text) + walk.finish()


def in_pieces(text: bytes, cuts: list[int], *rules: str | KeyRule, scanner: Scanner | None = None) -> bytes:
    walk = mask(*rules, scanner=scanner)
    here, out = 0, b""
    for cut in [*sorted(min(cut, len(text)) for cut in cuts), len(text)]:
        out += walk.feed(text[here:cut])
        here = cut
    return out + walk.finish()


class ByPlace(SynchronousTestCase):
    def test_members_by_name_at_any_depth(self) -> None:
        """In whatever letters, with escapes, by globs; everything else as it was."""
        text = b'{ "email" : "a@b.c", "x":[{"EMAIL":"abc","ema\\u0069l":"d"}], "mail":"e" }'
        self.assertEqual(
            masked(text, "email"), b'{ "email" : "*****", "x":[{"EMAIL":"***","ema\\u0069l":"*"}], "mail":"e" }'
        )
        self.assertEqual(masked(b'{"a_key":"1","key_a":"2"}', "*_key"), b'{"a_key":"*","key_a":"2"}')

    def test_members_by_pointer(self) -> None:
        """From the root on; elements by number or any; no other place of that name."""
        text = b'{"u":{"n":"ab","m":"cd"},"n":"ef","l":[{"n":"gh"},{"n":"ij"},[{"n":"kl"}]]}'
        self.assertEqual(masked(text, "/u/n"), text.replace(b"ab", b"**"))
        self.assertEqual(masked(text, "/*/n"), text.replace(b"ab", b"**"))
        self.assertEqual(masked(text, "/l/1/n"), text.replace(b"ij", b"**"))
        self.assertEqual(masked(text, "/l/*/n"), text.replace(b"ij", b"**").replace(b"gh", b"**"))
        self.assertEqual(masked(text, "/l/*/*/n"), text.replace(b"kl", b"**"))
        self.assertEqual(masked(b'[["a","b"],["c","d"]]', "/*/1"), b'[["a","*"],["c","*"]]')

    def test_values_stay_of_their_kind(self) -> None:
        """Clients can still read them."""
        for value, shown in (
            (b'"abc"', b'"***"'),
            (b'""', b'""'),
            (b"-12.5e3", b"0"),
            (b"true", b"false"),
            (b"null", b"null"),
            (b"NaN", b"0"),
            (b'{"a":[1,"x}]"],"b":"\\"}"}', b"{}"),
            (b'[[1],{"a":2}]', b"[]"),
            (b"{}", b"{}"),
        ):
            self.assertEqual(masked(b'{"k":' + value + b',"z":1}', "k"), b'{"k":' + shown + b',"z":1}')
            self.assertEqual(masked(value + b"\n", ""), shown + b"\n")

    def test_last_four_and_hash(self) -> None:
        """Of what a text means, not of how it is written."""
        for first, second in (b'"4111-1111"', b'"4111-\\u00311\\u00311"'), (b'"a\\nb"', b'"a\\u000ab"'):
            self.assertEqual(masked(first, rule("", 3)), masked(second, rule("", 3)))
            self.assertEqual(masked(first, rule("", 2)), masked(second, rule("", 2)))
        self.assertEqual(masked(b'"4111-1111"', rule("", 3)), b'"*****1111"')
        self.assertEqual(masked(b'"abcdef\\"\\n\\\\x"', rule("", 3)), b'"******\\"\\n\\\\x"')

    def test_of_two_rules_the_stricter_counts(self) -> None:
        """As for columns."""
        for rules in ((rule("k", 3), rule("/k", 1)), (rule("/k", 3), rule("*", 1))):
            self.assertEqual(masked(b'{"k":"abcdefgh"}', *rules), b'{"k":"********"}')

    def test_several_texts_are_masked_each(self) -> None:
        """NDJSON, and RFC 7464's."""
        self.assertEqual(masked(b'{"k":"a"}\n{"k":"b"}\n', "/k"), b'{"k":"*"}\n{"k":"*"}\n')
        self.assertEqual(masked(b'\x1e{"k":"a"}\n\x1e12', "/k"), b'\x1e{"k":"*"}\n\x1e12')

    def test_a_mark_of_byte_order_is_passed(self) -> None:
        """In front of UTF-8 some servers write one."""
        text = b'\xef\xbb\xbf{"k":"a"}'
        for cut in range(5):
            self.assertEqual(in_pieces(text, [cut], "k"), b'\xef\xbb\xbf{"k":"*"}')


class ByPattern(SynchronousTestCase):
    def test_what_is_found_is_starred(self) -> None:
        """In texts, in names, behind escapes; a number becomes 0."""
        text = b'{"a":"to x@example.com now","x@example.com":4111111111111111,"b":4111111111111112,"c":"y\\u0040b.com"}'
        shown = b'{"a":"to ************* now","*************":0,"b":4111111111111112,"c":"*******"}'
        self.assertEqual(masked(text, scanner=PATTERNS), shown)

    def test_a_document_that_is_a_number(self) -> None:
        """must-survive 19: a card's number without anything around it stays a number, and is none of a card."""
        for number in (b"4000001234567899", b"-4000001234567899", b"4000001234567899.5", b"4000001234567899e2"):
            self.assertEqual(masked(number, scanner=PATTERNS), b"0")
            self.assertEqual(masked(number, "", scanner=PATTERNS), b"0")
        self.assertEqual(masked(b"4000001234567898", scanner=PATTERNS), b"4000001234567898")

    def test_rules_and_patterns_together(self) -> None:
        """What a rule names is hidden by the rule."""
        self.assertEqual(masked(b'{"k":"ab","j":"x@b.com"}', "k", scanner=PATTERNS), b'{"k":"**","j":"*******"}')


class Refused(SynchronousTestCase):
    def test_what_is_not_json_is_not_masked_but_refused(self) -> None:
        """A lenient parser at the client would read values that were not seen."""
        for text in (
            b"{'k':1}", b"{k:1}", b'{"k" 1}', b'{"k":1,}x', b"[1 2]", b"[1]]", b'{"k":1]', b"}", b'{"k"', b"[", b'"abc',
            b"// x\n{}", b"1,2", b'{"k":,}', b"[,1]", b"undefined ", b"<html>", b"\x00{", b'{"k":1:2}', b'"a":1',
            '{"k":1}'.encode("utf-16-le"), b'{"\\u00zz":1}', b")]}',\n{}", b"-", b"+1 ",
            b"[" * 600, b"9" * 5000,
        ):  # fmt: skip
            self.assertRaises(Unmaskable, masked, text, "k", scanner=PATTERNS)

    def test_a_text_that_must_be_seen_whole_has_a_bound(self) -> None:
        """One that need not goes on as it comes, whatever its length."""
        pieces = [b'{"k":"', *[b"x" * (MAX_TEXT // 16)] * 17, b'"}']
        walk = mask("k")
        with self.assertRaises(Unmaskable):
            for piece in pieces:
                walk.feed(piece)
        walk = mask("other")
        self.assertEqual([walk.feed(piece) for piece in pieces], pieces)


TEXTS = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from('"\\/\n@.b1k')), max_size=12
) | st.sampled_from(["x@example.com", "4111111111111111", "k", "é\\", "\\\\", '\\"'])
NAMES = st.sampled_from(["k", "K", "a", "b", "secret_k", 'q"', "\\", "é"]) | TEXTS
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)
RULES = ("secret_*", rule("k", 2), rule("/a/*", 3), "/b/1/k")


def hidden(value: Any, name: str = "") -> Any:
    """What is to be seen of a value with `k` masked: an other way to say what the walk does."""
    if name.casefold() == "k":
        if isinstance(value, str):
            return "*" * len(value.encode())
        if value is None:
            return None
        return type(value)()
    if isinstance(value, dict):
        return {each: hidden(inner, each) for each, inner in value.items()}
    return [hidden(each) for each in value] if isinstance(value, list) else value


class Properties(SynchronousTestCase):
    @given(VALUES, st.booleans(), st.sampled_from([None, 1]), st.lists(st.integers(0, 200), max_size=6), st.booleans())
    def test_any_cut_gives_the_same(
        self, value: Any, ascii_only: bool, indent: int | None, cuts: list[int], find: bool
    ) -> None:
        """The masked text does not depend on how it came."""
        text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
        scanner = PATTERNS if find else None
        self.assertEqual(in_pieces(text, cuts, *RULES, scanner=scanner), masked(text, *RULES, scanner=scanner))

    @given(VALUES, st.lists(st.integers(0, 400), max_size=6), st.booleans(), st.sampled_from([b"", b"\xef\xbb\xbf"]))
    def test_chunks_hold_what_is_shown(self, value: Any, cuts: list[int], find: bool, mark: bytes) -> None:
        """For any cut, where values get longer or shorter, and where nothing changes."""
        text = mark + json.dumps([value, {"k": 1, "other": "x" * 20, "secret": "y" * 30}] * 2).encode()
        made = maker(*RULES, scanner=PATTERNS if find else None)
        one, other = made(), made()
        here = 0
        for cut in [*sorted(cuts), len(text)]:
            piece = text[here : max(here, cut)]
            self.assertEqual(one.chunk(piece), chunk_of(other.feed(piece)))
            here = max(here, cut)
        self.assertEqual(one.finish(), other.finish())

    @given(VALUES, st.booleans(), st.sampled_from([None, 1]))
    def test_what_is_masked_and_nothing_else(self, value: Any, ascii_only: bool, indent: int | None) -> None:
        """Against another's parser: every value of the name, no other; and the text is still JSON."""
        text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
        self.assertEqual(json.loads(masked(text, "k")), hidden(value))

    @given(VALUES, st.booleans(), st.sampled_from([None, 1]), st.lists(st.integers(0, 200), max_size=6))
    def test_what_no_rule_is_about_is_the_same_byte_for_byte(
        self, value: Any, ascii_only: bool, indent: int | None, cuts: list[int]
    ) -> None:
        """White space, escapes and numbers as the target wrote them."""
        text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
        self.assertEqual(in_pieces(text, cuts, "/no/such"), text)

    @given(
        st.lists(st.sampled_from([b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b"1", b'"k"', b" ", b"true", b"x"]))
    )
    def test_junk_is_refused_and_nothing_else(self, parts: list[bytes]) -> None:
        """Unmaskable, or text in which another's parser finds no value of the name."""
        text = b"".join(parts)
        try:
            shown = masked(text, "k", scanner=PATTERNS)
        except Unmaskable:
            return
        try:
            value = json.loads(shown)
        except ValueError:
            return
        self.assertEqual(value, hidden(value))


class Ways(SynchronousTestCase):
    def test_names_that_are_alike(self) -> None:
        """A name that was seen before is known by its bytes, its length and its place: none of them is enough."""
        names = [
            "email",
            "email\\u0000",
            "emai",
            "emailemail",
            "emailema",
            "emailemb",
            "eMail",
            "e",
            "\\u0065mail",
            "email ",
        ]
        rows = ",".join("{" + ",".join(f'"{name}":"abcd"' for name in names) + "}" for _ in range(3))
        for text in (f"[{rows}]", f'{{"a":{{"list":[{rows}]}},"rows":[{rows}]}}'):
            for rules in (("email",), ("emailema",), ("/rows/*/emailema", "/a/list/*/email"), ("/rows/*/e", "/0/e*")):
                found = json.loads(masked(text.encode(), *rules))
                for cuts in ([7, 20, 33], list(range(0, len(text), 3))):
                    self.assertEqual(json.loads(in_pieces(text.encode(), cuts, *rules)), found)
                self.assertEqual(found, _by_hand(json.loads(text), "", rules))

    def test_names_that_differ_in_any_byte_lead_elsewhere(self) -> None:
        """Of each length, next to one another and apart, as they stand in rows."""
        for size in range(1, 13):
            name = "secretnumber"[:size]
            for place in range(size):
                other = name[:place] + "z" + name[place + 1 :]
                for names in ((other, name), (name, other), (other, "x*", name)):
                    rows = (
                        "[" + ",".join("{" + ",".join(f'"{each}":"abcd"' for each in names) + "}" for _ in "ab") + "]"
                    )
                    for rules in ((f"/*/{name}", "*_x"), (name, "z*_", "x_*")):
                        shown = json.loads(masked(rows.encode() + b" " * 8, *rules))
                        self.assertEqual(shown, [{each: "****" if each == name else "abcd" for each in names}] * 2)

    @given(st.data())
    def test_rows_that_are_nearly_alike(self, data: st.DataObject) -> None:
        """Members that came before are compared by their bytes; a text that comes byte by byte is never compared so."""
        shape = st.sampled_from(
            [("k", "id", "a long name of a member"), ("id", "k"), ("b", "k", "l"), ("x", "secret_y")]
        )
        value = st.sampled_from(["v", 1, -2.5, None, True, [], ["k", 1, "x@example.com"], {}, {"k": 2}, [[{"k": "w"}]]])
        rows = [{name: data.draw(value) for name in data.draw(shape)} for _ in range(data.draw(st.integers(1, 4)))]
        indent, separators = data.draw(st.sampled_from([(None, None), (None, (",", ":")), (1, None)]))
        between = data.draw(st.sampled_from(["", "\n", " ", "\x1e"]))
        texts: list[object] = data.draw(st.sampled_from([[{"b": rows}], [rows], rows, [[rows, rows]]]))
        text = bytearray(
            between.join(json.dumps(each, indent=indent, separators=separators) for each in texts).encode()
        )
        make = maker(*RULES, scanner=data.draw(st.sampled_from([PATTERNS, None])))
        self.assertEqual(_outcome(make(), [bytes(text)]), _outcome(make(), [bytes(text)]))
        for _ in range(data.draw(st.integers(0, 2))):
            at = data.draw(st.integers(0, len(text) - 1))
            text[at : at + data.draw(st.integers(0, 1))] = data.draw(
                st.sampled_from([b",", b'"', b"k", b"{", b"}", b"[", b"]", b" ", b"},{", b"}, {"])
            )
        bytewise = _outcome(make(), [bytes((each,)) for each in text])
        self.assertEqual(_outcome(make(), [bytes(text)]), bytewise)
        self.assertEqual(_outcome(make(), [bytes(text[:40]), bytes(text[40:])]), bytewise)

    def test_reads_that_end_in_a_row_spoil_nothing(self) -> None:
        """Members are known in the order in which they come, wherever reads were cut: rows of all later bodies are
        known by it."""
        names = ("id", "name", "email", "card", "word", "amount", "paid", "tags")
        row = json.dumps({**dict.fromkeys(names, 12345), "email": "a@example.com", "tags": ["a", "b"]}).encode()
        rows = b'{"rows": [' + b", ".join([row] * 3) + b"]}"
        table = KeyTable((rule("email"), rule("/rows/*/card")))
        start = rows.index(row, 30)
        whole = rows.replace(b"a@example.com", b"*" * 13).replace(b'"card": 12345', b'"card": 0')
        for cut in range(start - 4, start + len(row) + 4):
            for after in (1, 3, 9, 14, 20, 40):
                walk = JsonMask(table, ACTIONS, ValueMask(None, Hashes(b"k")))
                pieces = (rows[:cut], rows[cut : cut + after], rows[cut + after :])
                self.assertEqual(b"".join(map(walk.feed, pieces)) + walk.finish(), whole)
        outer = table.ways.begin().within
        assert outer is not None and outer.ahead is not None and outer.ahead.within is not None
        self.assertEqual(_known(outer.ahead.within), [f'{"{" if name == "id" else ", "}"{name}": ' for name in names])

    def test_members_that_change_are_learned_anew(self) -> None:
        """Rows with one name that is always another one, and rows of two shapes by turns: what stays is known still."""
        make = maker("email")
        odd = b",".join(b'{"a": 1, "x%d": 2, "email": "abc", "z": 3}' % number for number in range(2000))
        turns = b",".join([b'{"z": 1, "email": "abc"}', b'{"email": "abc", "b": 2, "z": 3}'] * 500)
        for rows in (odd, turns, odd):
            self.assertEqual(_outcome(make(), [b"[" + rows + b"]"]), b"[" + rows.replace(b"abc", b"***") + b"]")


def _known(brace: Way) -> list[str]:
    """The members of the objects with that brace."""
    found, each = [], brace.ahead
    while each is not NOWHERE:
        found.append(each.text.decode())
        each = each.ahead
    return found


def _outcome(walk: JsonMask, pieces: list[bytes]) -> bytes | None:
    """What is shown; None: it is refused."""
    try:
        return b"".join(map(walk.feed, pieces)) + walk.finish()
    except Unmaskable:
        return None


def _by_hand(value: Any, pointer: str, rules: tuple[str, ...]) -> Any:
    name = pointer.rpartition("/")[2].casefold()
    if isinstance(value, dict):
        return {key: _by_hand(each, f"{pointer}/{key}", rules) for key, each in value.items()}
    if isinstance(value, list):
        return [_by_hand(each, f"{pointer}/{number}", rules) for number, each in enumerate(value)]
    hit = any(fnmatchcase(pointer.casefold(), each) if each[0] == "/" else name == each for each in rules)
    return "*" * len(value) if hit else value

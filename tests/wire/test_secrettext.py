"""hoopgw.wire.secrettext"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.secretnames import SecretNames, secret_names
from hoopgw.wire.secretplaces import mentions
from hoopgw.wire.secrettext import SecretText

NAMES = secret_names()
SECRET = "hunter2"
NAME = st.sampled_from(["a", "user", "password", "apiKey", 'a"b', "x:y", "token:", "token"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.sampled_from(['\\', 'a"', ":", "token\": "]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


def starred(text: bytes, *cuts: int, names: SecretNames = NAMES) -> bytes:
    reader = SecretText(names)
    shown = [reader.feed(text[start:end]) for start, end in zip((0, *cuts), (*cuts, len(text)), strict=True)]
    return b"".join(shown)


class Text(SynchronousTestCase):
    def test_members_of_json(self) -> None:
        """At any depth, in JSON that is a text of JSON as well; what is in them may be anything."""
        for text, expected in (
            (b'{"user": "a", "password": "hunter2"}', b'{"user": "a", "password": "*******"}'),
            (b'[{"a": {"Client-Secret" :\n "x"}}]', b'[{"a": {"Client-Secret" :\n "*"}}]'),
            (b'{"p\\u0061ssword": "x"}', b'{"p\\u0061ssword": "*"}'),
            (b'{"token": "a\\"b\\\\", "b": "c"}', b'{"token": "******", "b": "c"}'),
            (b'{"token": 12345, "b": 1}', b'{"token": 0    , "b": 1}'),
            (b'{"token": null, "auth": true}', b'{"token": null, "auth": true}'),
            (b'{"auth": {"a": "}", "b": [1]}, "c": 1}', b'{"auth": {' + b" " * 18 + b'}, "c": 1}'),
            (b'{"secret": ["a", "]"]}', b'{"secret": [        ]}'),
            (b'{"body": "{\\"token\\": \\"x\\\\\\"y\\"}", "c": 1}', b'{"body": "{\\"token\\": \\"******\\"}", "c": 1}'),
            (b'{"body": "token\\": ", "c": "d"}', b'{"body": "token\\": ", "c": "d"}'),
            (b'{"body": "{\\"token\\": {\\"a\\": 1}}"}', b'{"body": "{\\"token\\": {        }}"}'),
            (b"{'token': 'x'}", b"{'token': '*'}"),
            (b'{"query": "mutation { login(password: \\"x\\") { token } }"}',
             b'{"query": "mutation { login(password: \\"*\\") { token } }"}'),
            (b'{"a": 1}\n{"token": "x"}\n', b'{"a": 1}\n{"token": "*"}\n'),
            (b'{"query": "mutation { login(password: \\"\\"\\"a \\"b\\" \\\\\\"\\"\\"c\\"\\"\\") { token } }", "a": 1}',
             b'{"query": "mutation { login(password: \\"\\"\\"*****************\\"\\"\\") { token } }", "a": 1}'),
            (b'{"token": "", "pin": "x", "auth": ""}', b'{"token": "", "pin": "x", "auth": ""}'),
            (b'{"body": "{\\"token\\":\\"\\"}", "pin": "x"}', b'{"body": "{\\"token\\":\\"\\"}", "pin": "x"}'),
            (b'{"body": "{\\"token\\":\\n\\"x\\"}"}', b'{"body": "{\\"token\\":\\n\\"*\\"}"}'),
            (b'{"body": "{\\u0022pwd\\u0022:\\u0022x\\u0022}", "a": 1}',
             b'{"body": "{\\u0022pwd\\u0022:**************", "a": 1}'),
            (b'{"body": "{\\u0022a\\u0022:\\u0022x\\u0022}", "a": 1}',
             b'{"body": "{\\u0022a\\u0022:\\u0022x\\u0022}", "a": 1}'),
            (b'{"token": "never ends', b'{"token": "**********'),
            (b'{"token"', b'{"token"'),
            (b'{"token": hush, "a": 1}', b'{"token": ****, "a": 1}'),
        ):  # fmt: skip
            self.assertEqual(starred(text), expected)
            self.assertEqual(mentions(text, NAMES), text[-6:] != b'token"' and b"0022a" not in text, text)

    def test_what_is_spoken_of(self) -> None:
        """A name with a colon and no value in quotes is a word of a text."""
        self.assertEqual(starred(b"token: spoken of"), b"token: spoken of")

    def test_blocks_of_graphql(self) -> None:
        """A text that begins with three quotes ends with three, however it is cut."""
        text = b'{ a(token: """hush "hush" \\""" hush""", b: "", c: ":") }'
        shown = b'{ a(token: """' + b"*" * 21 + b'""", b: "", c: ":") }'
        self.assertEqual(starred(text), shown)
        for cut in range(1, len(text)):
            self.assertNotIn(b"ush", starred(text, cut))

    def test_lines(self) -> None:
        """A name at the begin of one has all of it, and of those that are indented deeper."""
        text = b"a: 1\r\nX-Token:  x y\r\n z\r\n\r\nb:\n  - pwd: |\n      x\n\n      y\n    c: 1\nd: {pwd: 'x'}\n"
        shown = b"a: 1\r\nX-Token:  * *\r\n *\r\n\r\nb:\n  - pwd: *\n      *\n\n      *\n    c: 1\nd: {pwd: '*'}\n"
        self.assertEqual(SecretText(NAMES, True).feed(text), shown)
        reader = SecretText(NAMES, True)
        self.assertEqual(b"".join([reader.feed(text[here : here + 1]) for here in range(len(text))]), shown)
        self.assertEqual(reader.found, 3)
        text = b"secrets:\n- x\nb: no token: y\n"
        self.assertEqual(SecretText(NAMES, True).feed(text), b"secrets:\n* *\nb: no token: y\n")

    def test_what_is_no_secret_stays(self) -> None:
        """The same object: nothing is copied."""
        for text in (
            b"",
            b":",
            b'"":',
            b"12:30",
            b'{"a": "password"}',
            b'{"max_tokens": 5}',
            b'":"',
        ):
            self.assertIs(SecretText(NAMES).feed(text), text)
            self.assertFalse(mentions(text, SecretNames(())))

    @given(
        st.text("tokenTOKENpswdSWD_-2 1@[{`éþ", max_size=12),
        st.sampled_from(("", "token", "Key", "api_key", "pwd2", "sig", "next_token")),
        st.sampled_from(("", "longer than eight ")),
    )
    def test_by_its_last_letters(self, begin: str, end: str, before: str) -> None:
        """What a look at the last bytes before a colon says is what the whole name says."""
        name = before + begin + end
        text = b'{"a":1,"%s":"x"}' % name.encode()
        self.assertEqual(mentions(text, NAMES), NAMES.hides(name.encode()), text)

    def test_blanks_without_end_between_name_and_value(self) -> None:
        """However they are cut."""
        text = b'{"token"' + b" " * 1000 + b":" + b"\n" * 1000 + b'"x"}'
        shown = text.replace(b'"x"', b'"*"')
        self.assertEqual(starred(text, *range(1, len(text))), shown)

    @given(VALUES, st.data())
    def test_any_cut(self, value: Any, data: st.DataObject) -> None:
        """Nothing is shown that is not shown of the whole; lengths stay; what is no secret stays as it is."""
        text = json.dumps({"a": value, "password": SECRET, "b": {"api_key": [SECRET, value]}, "c": value}).encode()
        whole = starred(text)
        cuts = sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=5)))
        shown = starred(text, *cuts)
        self.assertNotIn(SECRET.encode(), whole)
        self.assertEqual((len(whole), len(shown)), (len(text), len(text)))
        for here, c in enumerate(shown):
            self.assertTrue(c == whole[here] or c != text[here] or whole[here] == ord("\\"), (here, shown, whole))

    @given(st.binary(max_size=200), st.integers(1, 5))
    def test_junk(self, text: bytes, step: int) -> None:
        """No bytes raise, and none are lost."""
        self.assertEqual(len(starred(text, *range(step, len(text), step))), len(text))

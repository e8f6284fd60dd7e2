"""Shapes: texts that share a verdict differ in nothing but literals."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.sql import Unreadable
from hoopgw.policy.sql_shape import shape
from tests.policy.test_sql import facts

NUMBERS = ["0", "1", "42", "1.5", "007", "12345678901234567890"]
STRINGS = ["''", "'a'", "'it''s'", "'; drop table orders; --'", "'true'", "'1'", "'/*'", "'$$'"]
TEMPLATES = [
    "select * from customers where id = {} and name = {}",
    "select email from customers order by {}",
    "select email, {} from customers group by {}",
    "delete from orders where {} = {}",
    "delete from orders where id + {} = id + {}",
    "delete from orders where id = {} or {} = {}",
    "update orders set total = {} where customer = {}",
    "insert into orders values ({}, {}, {})",
    "select lower({}), {} from customers limit {}",
    "select substring({} from {})",
    "explain delete from orders where id = {}",
    "copy customers to {}",
]


class Shapes(SynchronousTestCase):
    def test_misses(self) -> None:
        """What could begin another kind of token has no shape."""
        for text in (
            b"select $1", b"select $$x$$", b"select E'\\''", b"select U&'x'", b"select b'1'", b"select x'1'",
            b'select "a"', b"select 1 -- x", b"select /* */ 1", b"select 'a\\'", "select 'ä'".encode(), b"select 'a",
            b"select \x01", b"select n'a'",
        ):  # fmt: skip
            self.assertIs(shape(text), None, text)

    def test_kept_apart(self) -> None:
        """Names, keywords, and a string and a number, are not the same."""
        different = [
            b"select a1",
            b"select a2",
            b"select 1",
            b"select '1'",
            b"select 1.5e3",
            b"select 0x1F",
            b"select true",
        ]
        self.assertEqual(len({shape(text) for text in different}), len(different))
        self.assertEqual(shape(b"select 1, 'a'"), shape(b"select 22, 'it''s'"))
        self.assertEqual(shape(b"select '-- no comment'"), shape(b"select 'a1'"))

    def test_numbers_by_their_type(self) -> None:
        """int4, int8 and numeric call different functions: they are not one shape; at a border the digits stay."""
        texts = [b"1", b"999999999999", b"1.5", b"2147483647", b"2147483648"]
        self.assertEqual(len({shape(b"select f(" + text + b")") for text in texts}), len(texts))
        self.assertEqual(shape(b"select 9" * 30 + b"9" * 20), shape(b"select 9" * 30 + b"8" * 20))
        for text in (b"select 1.", b"select 1.e5", b"select 12a", b"select t1.a", b"select .5", b"select 1.2.3"):
            self.assertEqual(shape(text), text)

    @settings(deadline=None, max_examples=400)
    @given(st.sampled_from(TEMPLATES), st.data())
    def test_same_shape_same_facts(self, template: str, data: st.DataObject) -> None:
        """must-survive 80: whatever the literals are, two texts of one shape have the same facts."""
        count = template.count("{}")
        literals = st.lists(st.sampled_from(NUMBERS + STRINGS), min_size=count, max_size=count)
        one, other = (template.format(*data.draw(literals)) for _ in range(2))
        shapes = shape(one.encode()), shape(other.encode())
        if shapes[0] is None or shapes[0] != shapes[1] or template.startswith("copy"):
            return
        found = []
        for text in (one, other):
            with contextlib.suppress(Unreadable):
                found.append(facts(text))
        if len(found) == 2:
            self.assertEqual(found[0], found[1], (one, other))

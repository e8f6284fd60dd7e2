"""hoopgw.policy.http_query"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.http_query import MAX_PAIRS, MAX_QUERY, read_query, read_target

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


class ReadQuery(SynchronousTestCase):
    def test_every_value_of_a_name_is_seen(self) -> None:
        """Targets take the first, the last, or all."""
        self.assertEqual(read_query(b"role=user&x=1&role=admin").values("role"), ("user", "admin"))

    def test_a_semicolon_may_separate(self) -> None:
        """Some targets read it so (HTML 4, B.2.2), others not."""
        found = read_query(b"x=1;role=admin")
        self.assertEqual((found.values("role"), found.values("x")), (("admin",), ("1;role=admin", "1")))

    def test_an_index_may_be_no_part_of_the_name(self) -> None:
        """PHP, Rails and qs make a list of role[] and role[0]."""
        found = read_query(b"role[]=admin&role%5B0%5D=root&filter[role]=x")
        self.assertEqual((found.values("role"), found.values("filter[role]")), (("admin", "root"), ("x",)))

    def test_names_that_are_variables(self) -> None:
        """As PHP and qs have them."""
        for raw, name in (
            (b"a.b=1", "a_b"),
            (b"+a+b=1", "a_b"),
            (b"a.b[c]=1", "a_b"),
            (b"a.b[c=1", "a_b_c"),
            (b"[a]=1", "a"),
            (b"a[=1", "a"),
        ):
            self.assertEqual(read_query(raw).values(name), ("1",), raw)

    def test_an_encoded_question_mark_may_begin_one(self) -> None:
        """To targets that decode first; what is doubtful of either is."""
        found = read_target(b"/x%3Frole=admin&a=%2525?b=1")
        self.assertEqual((found.sure, found.other, found.doubt), ((("b", "1"),), (("role", "admin"), ("a", "%")), ""))
        self.assertEqual(read_target(b"/x%253frole=admin").values("role"), ("admin",))
        for target in (b"/x%3fa=%2500?b=1", b"/x%3fa=1?b=%zz", b"/x?b=%zz"):
            self.assertTrue(read_target(target).doubt, target)

    def test_names_and_values_are_decoded(self) -> None:
        """Percent signs and plus signs; a name without `=` has an empty value."""
        self.assertEqual(read_query(b"%72ole=a+b%2Bc&flag").sure, (("role", "a b+c"), ("flag", "")))

    def test_what_cannot_be_read_is_doubted(self) -> None:
        """Broken encodings, NUL, what is not UTF-8, more than is read."""
        for raw in (b"a=%", b"a=%zz", b"%ff=1", b"a=%00", b"a=" + b"x" * MAX_QUERY, b"a&" * MAX_PAIRS):
            self.assertTrue(read_query(raw).doubt, raw[:20])
        for raw in (b"a" * MAX_QUERY, b"a;" * (MAX_PAIRS - 1)):
            self.assertEqual(read_query(raw).doubt, "")

    def test_names_in_other_letters(self) -> None:
        """Are not the name itself, which some targets do not tell from them."""
        self.assertEqual(read_query(b"role=1&Role=2&ROLE=3&other=4").alike("role"), ("2", "3"))

    def test_case_is_folded_for_targets_that_do(self) -> None:
        """Of names, not of values."""
        self.assertEqual(read_query(b"Role=Admin").folded().values("role"), ("Admin",))

    @given(st.lists(st.tuples(TEXTS.filter(bool), TEXTS), max_size=6))
    def test_what_was_written_is_read(self, pairs: list[tuple[str, str]]) -> None:
        """As another's encoder writes it."""
        found = read_query(urlencode(pairs).encode())
        self.assertEqual((list(found.sure), found.doubt), (pairs, ""))

    @given(st.binary(max_size=60))
    def test_junk_is_read_or_doubted(self, raw: bytes) -> None:
        """Nothing raises; what another parser reads without doubt is among what was read."""
        found = read_query(raw)
        if not found.doubt:
            known = set(found.sure)
            for pair in parse_qsl(raw.decode("latin-1"), keep_blank_values=True, encoding="utf-8", errors="strict"):
                if raw.isascii():
                    self.assertIn(pair, known)

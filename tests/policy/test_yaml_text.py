"""hoopgw.policy.yaml_text"""

from __future__ import annotations

import json
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy import yaml_text
from hoopgw.policy.yaml_text import read_yaml

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=12)
VALUES = st.recursive(
    TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
BOMB = b"a: &a [x,x]\n" + b"".join(b"%c: &%c [*%c,*%c]\n" % (n + 1, n + 1, n, n) for n in range(97, 120))


class ReadYaml(SynchronousTestCase):
    @given(VALUES)
    def test_what_is_written_is_read(self, value: Any) -> None:
        """Of texts, lists and mappings: as blocks, and as JSON, which is YAML too."""
        self.assertEqual(read_yaml(yaml.safe_dump(value, allow_unicode=True).encode()), value)
        self.assertEqual(read_yaml(json.dumps(value, ensure_ascii=False).encode()), value)

    def test_scalars_are_texts(self) -> None:
        """Nothing becomes a number, a date, a truth or nothing at all."""
        found = read_yaml(b"a: 3.10\nb: no\nc: 2027-01-05\nd: 0o17\ne: ~\nf:\n'g': \"x\"\n")
        expected = {"a": "3.10", "b": "no", "c": "2027-01-05", "d": "0o17", "e": "~", "f": "", "g": "x"}
        self.assertEqual(found, expected)

    def test_security_what_could_mean_more_than_it_shows_is_refused(self) -> None:
        """Aliases (and so bombs of them), names given twice, tags, documents behind the first, depth, size."""
        self.patch(yaml_text, "MAX_NODES", 5000)
        for text, words in (
            (BOMB, "an alias in line 2: write out what *a"),
            (b"a: &x {b: c}\nd: {<<: *x}", "an alias"),
            (b"a: 1\na: 2", "there twice in line 2"),
            (b"? [a]\n: b", "no text"),
            (b"a: !!python/object/apply:os.system ['x']", "a tag in line 1: tag:yaml.org,2002:python/object"),
            (b"a: !!binary eA==", "a tag"),
            (b"a: 1\n---\nb: 2", "a second document"),
            (b"[" * 65, "deeper than 64"),
            (b"[" * 100_000, "deeper than 64"),
            (b"- x\n" * 6000, "more than 5000 values"),
            (b"a: [", "neither JSON nor YAML (line"),
            (b"a: \xff", "not UTF-8"),
            (b"\ta: b", "neither JSON nor YAML"),
        ):
            with self.assertRaises(ValueError) as caught:
                read_yaml(text)
            self.assertIn(words, str(caught.exception), text[:40])

    @given(st.text(st.sampled_from("ab:-[]{}&*!?|>%#'\" \n\t,"), max_size=40))
    def test_junk_is_a_mistake_and_nothing_else(self, text: str) -> None:
        """Whatever stands there, it is read or a mistake in words."""
        try:
            read_yaml(text.encode())
        except ValueError as error:
            self.assertTrue(str(error))

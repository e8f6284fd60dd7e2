"""The files that setup writes: TOML that says what was answered, and a mark that a change breaks."""

from __future__ import annotations

import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.setup.answers import Answers, RoleAnswer, TargetAnswer
from hoopgw.cli.setup.files import NotOurs, changed, ours, planned, rendered

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


class Files(SynchronousTestCase):
    @given(TEXT, st.lists(TEXT, max_size=3))
    def test_what_is_said_is_read(self, text: str, texts: list[str]) -> None:
        """Quotes, newlines, escapes, DEL and other planes: what TOML reads is what was given."""
        values = {"oidc": {"a.b": {"issuer": text, "algorithms": texts, "target": {"x y": text}}}}
        self.assertEqual(tomllib.loads(rendered(values).decode()), values)

    def target(self, role: str) -> Answers:
        answer = RoleAnswer(role, "user", "file:/secret")
        return Answers(target=TargetAnswer("pay", "postgresql", ("db:5432",), answer, "pay", groups=("agents",)))

    def test_a_further_role_is_added(self) -> None:
        """The first one stays; the same answers again change nothing."""
        place = Path(self.mktemp())
        for role in ("reader", "writer"):
            files = planned(place, self.target(role))
            for path, content in changed(files).items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        self.assertEqual(set(ours(place / "targets.d/pay.toml")["target"]["pay"]["role"]), {"reader", "writer"})
        self.assertEqual(changed(planned(place, self.target("writer"))), {})
        self.assertEqual(changed(planned(place, self.target("reader"))).keys() - {place / "targets.d/pay.toml"}, set())

    def test_changed_by_somebody(self) -> None:
        """One byte more, one less, or no mark: not ours."""
        path = Path(self.mktemp())
        content = rendered({"local": {"ops": {"may": ["list"]}}})
        for other in (content + b"#", content[:-1], b"", content.partition(b"\n")[2]):
            path.write_bytes(other)
            self.assertRaises(NotOurs, ours, path)
            self.assertRaises(NotOurs, changed, {path: content})

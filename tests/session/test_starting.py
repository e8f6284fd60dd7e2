"""What a client sets as it logs in, judged as the SET that it stands for."""

from __future__ import annotations

import pgparse
from hypothesis import given
from hypothesis import strategies as some
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import LoginRefused
from hoopgw.model.operation import Operation
from hoopgw.model.verdict import ALLOW, HoldTerms, Refusal, Verdict
from hoopgw.policy import search_path
from hoopgw.policy.sql import analyse
from hoopgw.policy.sql_names import NameContext
from hoopgw.session.starting import as_set, judged_settings, started


class Judge:
    """Says `verdict`, at once or later."""

    def __init__(self, verdict: Verdict | Deferred[Verdict]) -> None:
        self.verdict = verdict
        self.asked: list[bytes] = []

    def judge(self, operation: Operation) -> Verdict | Deferred[Verdict]:
        self.asked.append(operation.text)
        return self.verdict


class Starting(SynchronousTestCase):
    def begin(self, verdict: Verdict | Deferred[Verdict], **settings: str) -> dict[str, str]:
        self.judge = Judge(verdict)
        beginning = Deferred.fromCoroutine(started(self.judge, settings))  # type: ignore[arg-type]
        return self.successResultOf(beginning)

    def refused(self, verdict: Verdict) -> str:
        beginning = Deferred.fromCoroutine(started(Judge(verdict), {"work_mem": "1"}))  # type: ignore[arg-type]
        return str(self.failureResultOf(beginning, LoginRefused).value)

    def test_what_is_judged(self) -> None:
        """What drivers send unasked is not; each of the others is one SET."""
        passed = {"client_encoding": "UTF8", "timezone": "UTC", "statement_timeout": "5"}
        self.assertEqual(judged_settings({**passed, "search_path": "a"}), {"search_path": "a"})
        shown = self.begin(succeed(ALLOW), search_path='app, "My\'s"', work_mem="1MB")
        self.assertEqual(shown, {"search_path": 'app, "My\'s"', "work_mem": "1MB"})
        self.assertEqual(self.judge.asked[1:], [b"SET \"work_mem\" TO '1MB'"])

    def test_refused(self) -> None:
        """By its reason; a hold too: nobody waits at login."""
        self.assertIn("work_mem is refused: no", self.refused(Verdict(refusals=(Refusal("r", "no"),))))
        self.assertIn("SET it once", self.refused(Verdict(holds=(HoldTerms("r", "ask", frozenset(("dba",))),))))

    def test_redacted(self) -> None:
        """What a rule keeps out of the record has its words there."""
        self.assertEqual(self.begin(Verdict(redact="r", recorded=b"SET"), work_mem="1"), {"work_mem": "SET"})

    @given(some.text(some.characters(codec="ascii", exclude_characters="\0"), max_size=30))
    def test_path_means_the_same(self, value: str) -> None:
        """Whatever is said, the statement sets every schema that the value may mean, and is one statement."""
        (statement,) = analyse(as_set("search_path", value), None, NameContext()).statements
        ((name, meant),) = statement.settings
        assert meant is not None
        self.assertEqual(name, "search_path")
        self.assertLessEqual(set(search_path.schemas(value)), set(search_path.schemas(meant)))

    @given(some.text(some.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
    def test_any_value(self, value: str) -> None:
        """must-survive 16: no value gets out of its quotes."""
        (tree,) = pgparse.parse(as_set("app.tenant", value).decode())
        stated = tree["stmt"]["VariableSetStmt"]
        self.assertEqual(stated["name"], "app.tenant")
        self.assertEqual(stated["args"][0]["A_Const"]["sval"].get("sval", ""), value)

"""A text that no process can read is refused, and the next one is read again."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.sql import Unreadable
from hoopgw.policy.sql_names import NameContext
from hoopgw.session.parser_process import ParserProcess


class Nothing(SynchronousTestCase):
    def test_no_process_to_be_had(self) -> None:
        """At the unit's TasksMax: the statement is refused, with the reason; its session does not end."""
        asked: list[Any] = []

        def submit(pool: ProcessPoolExecutor, *given: Any) -> Any:
            asked.append(pool)
            raise BlockingIOError(11, "Resource temporarily unavailable")

        self.patch(ProcessPoolExecutor, "submit", submit)
        parser = ParserProcess(Clock())
        for _ in range(2):
            failed = parser.analyse(b"select 1", None, NameContext(), False)
            error = self.failureResultOf(failed, Unreadable).value
            self.assertIn("temporarily unavailable", str(error))
        self.assertIsNot(asked[0], asked[1])

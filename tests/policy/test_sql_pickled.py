"""What the child that reads large texts gives back: facts and errors that came through a pipe are the same."""

from __future__ import annotations

import pickle

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.sql import Unreadable, analyse
from hoopgw.policy.sql_names import context_of

TEXTS = (
    "select a, count(*) from t where b = 1 group by a",
    "insert into t select * from u",
    "prepare p as delete from t",
    "copy t to stdout (format csv)",
    "set search_path = x",
    "create function f() returns int language sql as 'select 1'",
)


class Pickled(SynchronousTestCase):
    def test_facts(self) -> None:
        """Of every kind of statement, compiled or not."""
        for text in TEXTS:
            facts = analyse(text.encode(), None, context_of(None))
            self.assertEqual(pickle.loads(pickle.dumps(facts)), facts, text)

    def test_errors(self) -> None:
        """With their words and their position."""
        with self.assertRaises(Unreadable) as caught:
            analyse(b"select from where", None, context_of(None))
        again = pickle.loads(pickle.dumps(caught.exception))
        self.assertEqual((str(again), again.args), (str(caught.exception), caught.exception.args))

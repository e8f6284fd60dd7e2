"""A session's row and its recording's first entry say the same."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.session.opening import described, new_row, row_of
from tests.session.fakes import access, identity


class Opening(SynchronousTestCase):
    def test_one_from_the_other(self) -> None:
        """The row of a session whose gateway died before it was written is made from the recording's first entry."""
        who = access(identity("agent", "dba", "agents", actors=("bot",)))
        row = new_row("s_0000000000000000000000", "bastion", who, "127.0.0.1", "sha256:one", 7.0)
        opening = json.loads(json.dumps(described(row, who, {"tls": {"version": "TLSv1.3"}})))
        self.assertEqual(row_of(opening), row)
        self.assertEqual((opening["tls"]["version"], opening["grant"]), ("TLSv1.3", "agents"))
        self.assertEqual([actor["subject"] for actor in opening["identity"]["actors"]], ["bot"])
        self.assertIsNone(row_of({}))

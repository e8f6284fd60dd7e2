"""hoopgw.service_reloads: what of a reload waits for a start."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.settings import ListenSettings, RecordingSettings, Settings
from hoopgw.service_reloads import bound_at_start


class Bound(SynchronousTestCase):
    def test_what_was_changed_in_vain_is_named_by_its_table(self) -> None:
        """`[listen]` and `[admin]` are two tables of the file; retention is taken up."""
        before = Settings()
        for listen, named in (
            (ListenSettings(), []),
            (ListenSettings(ssh=("tcp:2222",)), ["listen"]),
            (ListenSettings(admin="unix:/run/other.sock"), ["admin"]),
            (ListenSettings(ssh=("tcp:2222",), admin="unix:/run/other.sock"), ["listen", "admin"]),
        ):
            after = replace(before, listen=listen, recordings=RecordingSettings(retention=1.0))
            merged, needing = bound_at_start(before, after)
            self.assertEqual((needing, merged.listen, merged.recordings.retention), (named, before.listen, 1.0))

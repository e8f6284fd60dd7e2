"""What a walsender takes for its own commands, and the streams of a replication session."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.relay.postgres_replication import command, takes_data, wanted


class Commands(SynchronousTestCase):
    def test_first_word(self) -> None:
        """The first word decides, in any case and behind any blanks; what only begins so is SQL."""
        for text in (b"START_REPLICATION SLOT s 0/0", b"\t\n start_replication;", b"Start_Replication"):
            self.assertEqual(command(text), b"START_REPLICATION")
        for text in (
            b"", b" ", b"START_REPLICATIONS", b"START_REPLICATION2", b"SELECT 1", b"SHOW x", b"/**/BASE_BACKUP",
            b"--\nBASE_BACKUP", b'"BASE_BACKUP"', b"BASE_BACKUP_", b"DROP TABLE x; BASE_BACKUP", b"START REPLICATION",
            b"_" * 100_000,
        ):  # fmt: skip
            self.assertEqual(command(text), b"", text[:40])

    def test_who_takes_data(self) -> None:
        """Behind these the client sends CopyData; behind a backup or a slot's command it does not."""
        self.assertTrue(takes_data(b"START_REPLICATION 0/0") and takes_data(b"UPLOAD_MANIFEST"))
        self.assertFalse(takes_data(b"BASE_BACKUP") or takes_data(b"COPY t FROM STDIN"))

    def test_wanted(self) -> None:
        """A boolean or `database`; PostgreSQL's abbreviations are not taken."""
        self.assertEqual([wanted(word) for word in ("0", "On", "DATABASE")], ["", "physical", "logical"])
        self.assertRaises(ValueError, wanted, "tr")

"""Temporary tables of one session, as its judge knows them: to it alone, and beside what lasts."""

from __future__ import annotations

from tests.session.fakes import ROLE, TARGET, access, identity
from tests.session.test_sqljudge_catalogue import Case, no_reading


class Temporary(Case):
    def test_of_the_session_alone(self) -> None:
        """What a session made is known to it, also after a reload, and to no other; for it no catalogue is read."""
        session, other = self.judge(no_reading(), "contractors"), self.judge(no_reading(), "contractors")
        for text in ("set search_path = app", "create temp table mine as select 1 as id"):
            self.assertFalse(self.refused(session, text), text)
        read = session._entry.current
        session.catalogue_changed()
        self.assertIs(session._entry.current, read)
        self.assertFalse(self.refused(session, "select * from mine, orders"))
        who = identity("agent", "contractors")
        after = session.successor(no_reading(digest="two").select(who, TARGET, ROLE.name), access(who))
        self.assertFalse(self.refused(after, "select * from mine"))
        self.assertTrue(self.refused(other, "select * from mine"))

    def test_what_lasts_is_read(self) -> None:
        """Beside a change that lasts a temporary table hides nothing from the next reading."""
        for text in ("create table app.b (id int)", "create index on app.orders (id)"):
            session = self.judge(no_reading(), "contractors")
            for each in (text, "create temp table mine as select 1 as id"):
                self.assertFalse(self.refused(session, each), each)
            read = session._entry.current
            session.catalogue_changed()
            self.assertIsNot(session._entry.current, read, text)

    def test_what_changes_no_name(self) -> None:
        """Rights, comments, emptied tables and DISCARD look like changes in the target's word for them: nothing is read
        again, nothing is in doubt, and nobody waits."""
        for text in (
            "grant select on app.orders to public",
            "revoke all on app.orders from public",
            "comment on table app.orders is 'x'",
            "security label on table app.orders is 'x'",
            "truncate app.orders",
            "discard all",
            "discard temp",
        ):
            session = self.judge(no_reading(), "contractors")
            self.assertFalse(self.refused(session, text), text)
            self.assertFalse(self.refused(session, "select * from app.orders"), text)
            read = session._entry.current
            session.catalogue_changed()
            self.assertIs(session._entry.current, read, text)
            self.assertFalse(self.refused(session, f"{text}; select * from app.orders"), text)

    def test_a_name_of_two(self) -> None:
        """One that hides the table of a rule is refused by its name and known by its schema, whatever became of it."""
        session = self.judge(no_reading(), "contractors")
        for text in ("set search_path = app", "create temp table pay as select 1 as id", "drop table pg_temp.pay"):
            self.assertFalse(self.refused(session, text), text)
        self.assertTrue(self.refused(session, "select * from pay"))
        self.assertFalse(self.refused(session, "select * from pg_temp.pay"))
        self.assertFalse(self.refused(session, "select * from orders"))

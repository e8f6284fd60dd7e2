"""A catalogue that was read again: nobody keeps the one before, and everybody judges by the new one."""

from __future__ import annotations

import gc
from dataclasses import replace

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.target import Role, Target
from hoopgw.policy.catalogue import Catalogue
from hoopgw.policy.catalogue_queries import PATH, QUERIES
from hoopgw.policy.policyset import Selection
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.session.catalogues import CatalogueCache
from hoopgw.session.parser_process import ParserProcess
from hoopgw.session.sqljudge import SqlJudge
from hoopgw.session.sqlscopes import Scopes
from tests.session.fakes import Emitted, access
from tests.session.test_sqljudge_names import said


def catalogues_in_memory() -> list[Catalogue]:
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, Catalogue)]


class Again(SynchronousTestCase):
    def test_clock_set_back(self) -> None:
        """must-survive 59: a catalogue from before the clock was set back is not fresh until it has caught up."""
        clock, read = Clock(), []
        clock.advance(10_000)

        def run(*_: object) -> Deferred[object]:
            read.append(clock.seconds())
            return succeed(tuple(() for _ in QUERIES))

        catalogues = CatalogueCache(run, clock, Emitted())
        entry = catalogues.entry(access().target, access().role, "pay")
        self.successResultOf(catalogues.fresh(entry))
        self.successResultOf(catalogues.fresh(entry))
        self.assertFalse(catalogues.may_ask(entry))
        clock.rightNow -= 3600
        self.assertTrue(catalogues.may_ask(entry))
        self.successResultOf(catalogues.fresh(entry))
        self.assertEqual(read, [10_000, 6_400])

    def test_read_by_another_role(self) -> None:
        """must-survive 9: where `catalogue_role` reads for others an unqualified name means what it means to the
        session's own role, whose `$user` and search_path are others."""
        asked: list[tuple[str, int]] = []

        def run(target: Target, role: Role, database: str, queries: tuple[str, ...]) -> Deferred[object]:
            asked.append((role.name, len(queries)))
            return succeed(tuple(((role.user.encode(),), (b"public",)) if each == PATH else () for each in queries))

        writer, reader = Role("writer", "pay_rw"), Role("reader", "pay_ro")
        roles = {"writer": writer, "reader": reader}
        target = replace(access().target, catalogue_role="reader", roles=roles)
        catalogues = CatalogueCache(run, Clock(), Emitted())
        for role, queries in (
            (writer, [("reader", len(QUERIES)), ("writer", 1)]),
            (reader, [("reader", len(QUERIES))]),
        ):
            entry = catalogues.entry(target, role, "pay")
            self.assertIs(catalogues.entry(target, role, "pay"), entry)
            self.successResultOf(catalogues.fresh(entry))
            assert entry.current is not None
            self.assertEqual(entry.current.search_path, (role.user, "public"))
            self.assertEqual(asked, queries)
            asked.clear()

    def test_idle_sessions_keep_none(self) -> None:
        """must-survive 76: a hundred readings for one session's DDL, while another is idle: one catalogue is left."""
        before = {id(each) for each in catalogues_in_memory()}
        clock = Clock()
        catalogues = CatalogueCache(lambda *_: succeed(tuple(() for _ in QUERIES)), clock, Emitted())
        scopes, parser, selection = Scopes(MaskBuilder(b"k" * 32)), ParserProcess(clock), Selection((), (), "")
        idle, busy = (SqlJudge(selection, access(), catalogues, scopes, parser) for _ in range(2))
        for session in (idle, busy):
            session.ready()
            self.assertTrue(said(session, "select 1").plain)
        for _ in range(100):
            busy.catalogue_changed()
            self.assertTrue(said(busy, "select 1").plain)
        kept = [each.generation for each in catalogues_in_memory() if id(each) not in before]
        self.assertEqual(len(kept), 1, kept)
        self.assertTrue(said(idle, "select 1").plain)

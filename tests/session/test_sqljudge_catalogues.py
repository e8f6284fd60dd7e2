"""A catalogue that was read again: nobody keeps the one before, and everybody judges by the new one."""

from __future__ import annotations

import gc

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.catalogue import Catalogue
from hoopgw.policy.catalogue_queries import QUERIES
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

"""A parameter of a type with casts of somebody's own is judged by what those casts call."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.operation import EXECUTE, PARSE, Operation
from hoopgw.model.verdict import Verdict
from hoopgw.policy.catalogue import Catalogue, Function
from hoopgw.policy.catalogue_types import Cast, Type, type_system
from hoopgw.policy.guardrails import Action, Conditions, SqlRule
from hoopgw.policy.policyset import Selection
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.session.catalogues import CatalogueCache
from hoopgw.session.parser_process import ParserProcess
from hoopgw.session.sqljudge import SqlJudge
from hoopgw.session.sqlscopes import Scopes
from tests.session.fakes import Emitted, access

MOOD, TO_INT = 20001, 20002
OWN = (
    Function(10, "pg_catalog", "abs", "f", "internal", "i", result=23),
    Function(TO_INT, "app", "to_int", "f", "plpgsql", "i", result=23),
)
CATALOGUE = Catalogue(
    1,
    {},
    {},
    {(each.schema, each.name): (each,) for each in OWN},
    {each.oid: each for each in OWN},
    ("app",),
    type_system(
        (Type(23, "pg_catalog", "int4", "b"), Type(MOOD, "app", "mood", "e")),
        (),
        (Cast(20003, MOOD, 23, TO_INT, "i"),),
    ),
)
RULE = SqlRule("no-to-int", Conditions(functions=("app.to_int",)), Action(refuse=True))


def types(*oids: int) -> bytes:
    return len(oids).to_bytes(2, "big") + b"".join(oid.to_bytes(4, "big") for oid in oids)


class Parameters(SynchronousTestCase):
    def setUp(self) -> None:
        clock, who = Clock(), access()
        catalogues = CatalogueCache(lambda *_: Deferred(), clock, Emitted())
        entry = catalogues.entry(who.target, who.role, who.database)
        entry.current, entry.read_at = CATALOGUE, 0.0
        selection = Selection((RULE,), (), "rules")
        self.judge = SqlJudge(selection, who, catalogues, Scopes(MaskBuilder(b"k" * 32)), ParserProcess(clock))

    def refused(self, parameters: bytes, kind: str = PARSE) -> bool:
        verdict = self.judge.judge(Operation("postgresql", kind, b"select abs($1)", b"", parameters))
        assert isinstance(verdict, Verdict)
        return bool(verdict.refusals)

    def test_declared_type(self) -> None:
        """Whether the same text was judged before, with other types, makes no difference; nor does the kind."""
        self.assertFalse(self.refused(types()))
        self.assertFalse(self.refused(types(23, 0)))
        self.assertTrue(self.refused(types(0, MOOD)))
        self.assertTrue(self.refused(types(MOOD) + b"\0\0\0\1\0\0\0\1x", EXECUTE))
        self.assertFalse(self.refused(types(23)))

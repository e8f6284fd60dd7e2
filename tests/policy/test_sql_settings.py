"""set_config of a setting whose name comes from pg_settings: pg_dump's own form, and what is only like it."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.catalogue import Catalogue
from hoopgw.policy.catalogue_types import Type, type_system
from hoopgw.policy.sql import analyse
from hoopgw.policy.sql_names import NameContext
from hoopgw.policy.temporaries import Temporaries, Temporary
from hoopgw.session.sqlbuiltin import built_in
from tests.policy.test_sql import CATALOGUE, CONTEXT, facts

TEXT = Type(25, "pg_catalog", "text", "b")
TYPED = replace(CATALOGUE, types=type_system((TEXT,), (), ()))
DUMPS = (
    "SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings"
    " WHERE name = 'restrict_nonsystem_relation_kind'"
)


class ByName(SynchronousTestCase):
    def refused(self, text: str, context: NameContext = CONTEXT) -> bool:
        return bool(built_in(facts(text, context)).refusals)

    def test_pg_dump(self) -> None:
        """pg_dump narrows what its session reads before anything else: it may, and the setting is named."""
        self.assertEqual(
            facts(DUMPS).statements[0].settings, (("restrict_nonsystem_relation_kind", "view, foreign-table"),)
        )
        self.assertFalse(self.refused(DUMPS))
        self.assertFalse(self.refused(DUMPS.replace("pg_settings", "pg_catalog.pg_settings")))

    def test_only_like_it(self) -> None:
        """must-survive 9, 16: another setting, another condition, another table, a name of more rows: refused."""
        for old, new in (
            ("'restrict_nonsystem_relation_kind'", "'role'"),
            ("name = 'restrict", "true or name = 'restrict"),
            ("name = 'restrict", "name >= 'restrict"),
            ("WHERE name = ", "WHERE setting = "),
            ("name = 'restrict", "name operator(public.=) 'restrict"),
            ("'view, foreign-table'", "'off'"),
            ("'view, foreign-table'", "setting"),
            ("set_config(name", "set_config(lower(name)"),
            (
                "set_config(name, 'view, foreign-table', false)",
                "set_config(name, 'view', false), set_config(setting, 'view', false)",
            ),
            ("FROM pg_settings", "FROM public.pg_settings"),
            ("FROM pg_settings", "FROM pg_settings, orders"),
            ("FROM pg_settings", ""),
            ("SELECT", "WITH pg_settings AS (SELECT name, 'role' AS other FROM orders) SELECT"),
            ("kind'", "kind' GROUP BY name"),
            ("kind'", "kind' union select set_config(name, 'view', false) from orders"),
        ):
            text = DUMPS.replace(old, new)
            self.assertNotEqual(text, DUMPS, old)
            self.assertTrue(self.refused(text), text)

    def test_hidden_names(self) -> None:
        """A temporary pg_settings, or a path with something before pg_catalog, could mean any setting: refused."""
        for context in (
            replace(CONTEXT, temporary=True),
            replace(CONTEXT, temporaries=Temporaries((Temporary("pg_settings", "v"),))),
            replace(CONTEXT, path_unknown=True),
            replace(CONTEXT, schemas=("public", "pg_catalog")),
        ):
            self.assertTrue(self.refused(DUMPS, context))


class ByParameter(SynchronousTestCase):
    """Which arguments are a parameter of PostgreSQL's own text, so that what is bound is what the server gets."""

    def said(self, text: str, catalogue: Catalogue | None = TYPED, **context: object) -> tuple[object, ...]:
        found = analyse(text.encode(), catalogue, replace(CONTEXT, **context))  # type: ignore[arg-type]
        return tuple(each for each in found.statements for each in each.by_parameter)

    def test_casts(self) -> None:
        both = ((0, 1, 2),)
        for first, parameter in (
            ("$1", True),
            ("$1::text", True),
            ("$1::varchar", True),
            ("cast($1 as pg_catalog.text)", True),
            ("$1::pg_catalog.varchar", True),
            ("$1::text[]", False),
            ("$1::varchar(4)", False),
            ("$1::bpchar", False),
            ("$1::name", False),
            ("$1::app.text", False),
            ("$1::text::text", False),
            ("$1 || ''", False),
            ("lower($1)", False),
        ):
            self.assertEqual(self.said(f"select set_config({first}, $2, false)"), both if parameter else (), first)

    def test_what_text_means(self) -> None:
        """Where something else may have that name, nothing is known of `$1::text`; the quoted and the full name are."""
        hidden = replace(TYPED, types=type_system((TEXT, Type(20001, "public", "text", "e")), (), ()))
        for catalogue, context in (
            (None, {}),
            (CATALOGUE, {}),
            (hidden, {}),
            (TYPED, {"path_unknown": True}),
            (TYPED, {"types": True}),
            (TYPED, {"calls_changing": True}),
        ):
            self.assertEqual(self.said("select set_config('app.x', $1::text, false)", catalogue, **context), ())
            self.assertEqual(
                self.said("select set_config('app.x', $1::pg_catalog.text, false)", catalogue, **context),
                ((0, "app.x", 1),),
            )
        far = {"schemas": ("app", "pg_catalog")}  # where public.text is not found
        self.assertEqual(len(self.said("select set_config('app.x', $1::text, false)", hidden, **far)), 1)

"""set_config of a setting whose name comes from pg_settings: pg_dump's own form, and what is only like it."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.sql_names import NameContext
from hoopgw.session.sqlbuiltin import built_in
from tests.policy.test_sql import CONTEXT, facts

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
            ("kind'", "kind' union select set_config(name, 'view', false) from orders"),
        ):
            text = DUMPS.replace(old, new)
            self.assertNotEqual(text, DUMPS, old)
            self.assertTrue(self.refused(text), text)

    def test_hidden_names(self) -> None:
        """A temporary pg_settings, or a path with something before pg_catalog, could mean any setting: refused."""
        for context in (
            replace(CONTEXT, temporary=True),
            replace(CONTEXT, path_unknown=True),
            replace(CONTEXT, schemas=("public", "pg_catalog")),
        ):
            self.assertTrue(self.refused(DUMPS, context))

"""hoopgw.wire.secretpairs"""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.secretnames import secret_names
from hoopgw.wire.secretpairs import colons, may_have_pairs
from hoopgw.wire.secretplaces import mentions
from tests.wire.test_secrettext import starred

NAMES = secret_names()


class Pairs(SynchronousTestCase):
    def test_by_the_name_beside(self) -> None:
        """Before it or behind it, with others between, in a text of JSON as well."""
        inner = json.dumps({"name": "password", "value": "%s"})
        for text in (
            '{"name": "password", "value": "%s", "x": "y"}',
            '{"Value":"%s","Name":"/prod/db/password"}',
            '{"env": [{"name": "A", "value": "b"}, {"name": "DB_PASSWORD", "value": "%s"}, {"name": "C"}]}',
            '{"op": "replace", "path": "/password", "value": "%s"}',
            '{"type": "password", "value": "%s", "temporary": false}',
            '{"key": "password", "val": "%s"}',
            '{"ParameterKey": "DbPassword", "ParameterValue": "%s"}',
            '{"name": "token", "type": "text", "hidden": true, "value": "%s"}',
            '{"password": "%s", "name": "token", "value": "%s"}',
            json.dumps({"q": inner}),
        ):
            made, wanted = (text.replace("%s", each).encode() for each in ("hunter2", "*******"))
            self.assertTrue(mentions(made, NAMES))
            self.assertEqual(starred(made), wanted)

    def test_in_pieces(self) -> None:
        """A name is known in a later read, too."""
        text = b'{"env": [{"name": "DB_PASSWORD", "value": "hunter2"}]}'
        for cut in range(len(text)):
            self.assertEqual(starred(text, cut), text.replace(b"hunter2", b"*******"))

    def test_what_is_no_secret_stays(self) -> None:
        for text in (b'{"name": "a", "value": "b"}', b'{"a": {"name": "token"}, "b": {"value": "x"}}'):
            self.assertTrue(may_have_pairs(text))
            self.assertEqual(colons(text, NAMES, False), [])

    def test_lines(self) -> None:
        text = b"- name: A\n  value: b\n- name: DB_PASSWORD\n  value: x\n"
        self.assertEqual(colons(text, NAMES, True), [text.rindex(b":")])
        self.assertEqual(colons(text, NAMES, False), [])

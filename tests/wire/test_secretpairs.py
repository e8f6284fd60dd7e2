"""hoopgw.wire.secretpairs"""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.secretnames import secret_names
from hoopgw.wire.secretpairs import lines, may_have_pairs, pairs
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
            self.assertEqual(pairs(text, NAMES), [])

    def test_lines(self) -> None:
        text = b"- name: A\n  value: b\n- name: DB_PASSWORD\n  value: x\n"
        self.assertEqual(lines(text, NAMES), [text.rindex(b":")])
        self.assertEqual(pairs(text, NAMES), [])

    def test_lists(self) -> None:
        """A secret name has what follows it: the words of a command, lists of names and values."""
        for text in (
            '{"argv": ["mysql", "--password", "%s", "-u", "ada"]}',
            '[["user","ada"],["password","%s"],["a","b"]]',
            '{"args": ["--password=%s", "x"], "b": "c"}',
            '{"command": "mysql -u ada --password=%s"}',
            '{"url": "https://x.test/?token=%s", "z": "next=1"}',
            json.dumps({"q": json.dumps(["token", "%s", "z"])}),
        ):
            made, wanted = (text.replace("%s", each).encode() for each in ("hunter2", "*******"))
            self.assertTrue(mentions(made, NAMES), made)
            for cut in range(len(made)):
                shown = starred(made, cut)
                self.assertNotIn(b"hunter2", shown)
                self.assertEqual(len(shown), len(made))
            self.assertEqual(starred(made), wanted)
        for text in ('{"type": "password", "z": 1}', '["a", "password"]', '{"a": "b=c", "sort": "token"}'):
            self.assertEqual(starred(text.encode()), text.encode())

    def test_what_a_variable_is_unless_it_is_given(self) -> None:
        """In GraphQL its type stands between."""
        for text in (
            '{"q": "query($password: String = \\"hunter2\\") { a }"}',
            '{"q": "($a: I = 1, $token: [T!]! = hunter2)"}',
        ):
            self.assertTrue(mentions(text.encode(), NAMES))
            for cut in range(len(text)):
                self.assertNotIn(b"hunter2", starred(text.encode(), cut), (text, cut))

    def test_a_value_that_stands_first(self) -> None:
        """Where a read cuts its object, it is taken for secret, as long as nothing has named it."""
        for text in (
            '{"value": "%s", "name": "password"}',
            '{"value": "%s", "a": {"b": 1}, "name": "password"}',
            '{"name": "password", "meta": {"a": [1, {}]}, "value": "%s"}',
            '{"note": "a { b", "type": "password", "value": "%s"}',
            'mutation { set(value: "%s", key: "DB_PASSWORD") { id } }',
            json.dumps({"q": json.dumps({"value": "%s", "name": "password"})}),
        ):
            made, wanted = (text.replace("%s", each).encode() for each in ("hunter2", "*******"))
            for cut in range(len(made)):
                self.assertNotIn(b"hunter2", starred(made, cut), (made, cut))
            self.assertEqual(starred(made), wanted)
        listed = b'{"value": ["hunter2"], "name": "password"}'
        self.assertEqual(starred(listed), b'{"value": [         ], "name": "password"}')
        named = b'{"name": "a", "value": "b", "c": {"value": [{"d": 1}]}, "e": "f"}'
        for cut in range(named.index(b'"value"'), len(named)):
            self.assertTrue(starred(named, cut) == named or named[:cut].rstrip().endswith((b"[", b":")))

    def test_lines_that_are_set(self) -> None:
        for text, wanted in (
            (b"A=b\npassword = x y\nB=c\n", b"A=b\npassword = ***\nB=c\n"),
            (b"export DB_PASSWORD='x\ny'\nB=c\n", b"export DB_PASSWORD='***'\nB=c\n"),
            (b"curl -d token=abc -u x\nB=c", b"curl -d token=********\nB=c"),
            (b"'password' => 'x', 'a' => 'b'", b"'password' => '*', 'a' => 'b'"),
        ):
            for cut in range(len(text)):
                self.assertEqual(starred(text, cut), wanted)

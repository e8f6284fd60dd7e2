"""hoopgw.wire.secretvalues, as part of `secretform`"""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.secretform import SecretForm
from hoopgw.wire.secretnames import secret_names

NAMES = secret_names()
HUSH = "hunter2"


def starred(form: bytes, cut: int) -> bytes:
    reader = SecretForm(NAMES)
    reader.more = True
    shown = reader.feed(form[:cut]) if cut else b""
    reader.more = False
    return shown + reader.feed(form[cut:])


class Values(SynchronousTestCase):
    def test_pairs_and_xml_in_a_value(self) -> None:
        """Encoded or not, wherever a read cuts."""
        for inner in (
            json.dumps([{"name": "password", "value": HUSH}]),
            json.dumps({"value": HUSH, "name": "password"}),
            json.dumps({"env": ["--password", HUSH], "b": 1}),
            json.dumps({"command": f"mysql --password={HUSH}"}),
            f"<login><password>{HUSH}</password></login>",
            f'<param value="{HUSH}" name="password"/>',
        ):
            for coded in (quote(inner), quote_plus(inner, safe="{}[]<>/")):
                form = f"a=b&payload={coded}&c=d".encode()
                for cut in range(len(form)):
                    shown = starred(form, cut)
                    self.assertEqual(len(shown), len(form))
                    self.assertNotIn(HUSH.encode(), shown, (inner, cut))
                    self.assertTrue(shown.startswith(b"a=b&payload=") and shown.endswith(b"&c=d"), shown)

    def test_pairs_of_fields(self) -> None:
        """The name before the value or behind it."""
        for form in (
            b"name=password&value=hunter2&z=1",
            b"value=hunter2&name=DB%5FPASSWORD&z=1",
            b"env[0][name]=A&env[0][value]=b&env[1][name]=token&env[1][value]=hunter2",
            b"key=api+key&env%5Bval%5D=hunter2",
        ):
            for cut in range(len(form)):
                shown = starred(form, cut)
                self.assertEqual(len(shown), len(form))
                if cut == 0 or not form[:cut].endswith((b"v", b"va", b"val", b"valu")):
                    self.assertNotIn(b"hunter2", shown, (form, cut))

    def test_what_is_no_secret_stays(self) -> None:
        """The same object."""
        for form in (
            b"name=a&value=b",
            b"value=b",
            b"a=%7B%22name%22%3A%22a%22%2C%22value%22%3A%22b%22%7D",
            b"a=%3Cp%3Etoken%3C%2Fp%3E",
            b"interval=5&a=%",
        ):
            self.assertIs(SecretForm(NAMES).feed(form), form)

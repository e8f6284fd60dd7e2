"""AWS Secrets Manager: what is asked, with which signature, and what its answers mean."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import succeed
from twisted.trial.unittest import TestCase

from hoopgw.auth import aws_secrets
from hoopgw.auth.aws_secrets import AwsSecrets
from hoopgw.auth.secret_source import MAX_FIELDS
from hoopgw.model.errors import IssuerUnavailable, SecretUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.settings import AwsSettings
from hoopgw.model.target import SecretReference
from tests.auth.test_vault import Answers
from tests.relay.aws_receiver import KEYS, NOW, received

ENDPOINT = "https://secretsmanager.eu-central-1.amazonaws.com"
ID, SECRET, TOKEN = (SecretReference("env", name) for name in ("ID", "SECRET", "TOKEN"))
BY_KEY = AwsSettings("main", "eu-central-1", ENDPOINT, key_id=ID, secret=SECRET)
BY_MACHINE = AwsSettings("main", "eu-central-1", ENDPOINT, instance_role=True)
VALUES = {ID: KEYS.id, SECRET: KEYS.secret.reveal() + b"\n", TOKEN: b"of-the-session"}
GOOD = (200, {"SecretString": json.dumps({"password": "p", "port": 5432})})


def machine(expires: str) -> dict[str, str]:
    key = {"AccessKeyId": KEYS.id.decode(), "SecretAccessKey": KEYS.secret.reveal().decode(), "Token": "of-the-machine"}
    return {**key, "Expiration": expires}


class Case(TestCase):
    def setUp(self) -> None:
        self.now = NOW
        self.patch(aws_secrets, "deferToThread", lambda call, reference: succeed(call(reference)))  # no thread

    def source(self, ask: Answers, settings: AwsSettings = BY_KEY) -> AwsSecrets:
        return AwsSecrets(settings, ask, lambda reference: Secret(VALUES[reference]), lambda: self.now)


def sent(method: str, address: str, headers: dict[str, str], body: Any) -> bytes:
    """As the service gets it."""
    data = json.dumps(body).encode()
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    host = address.removeprefix("https://").rstrip("/")
    return f"{method} / HTTP/1.1\r\nHost: {host}\r\n{lines}Content-Length: {len(data)}\r\n\r\n".encode() + data


class Reading(Case):
    async def test_the_call(self) -> None:
        """Its signature is what the service computes of it; a session's token goes with it."""
        for settings in (BY_KEY, AwsSettings(**{**_fields(BY_KEY), "session_token": TOKEN})):
            ask = Answers(GOOD)
            await self.source(ask, settings).read("pay/db")
            fields, content = received(sent(*ask.asked[0]), s3=False)
            self.assertEqual(json.loads(content), {"SecretId": "pay/db"})
            said = dict(fields)
            self.assertEqual(said[b"x-amz-target"], b"secretsmanager.GetSecretValue")
            self.assertEqual(said[b"content-type"], b"application/x-amz-json-1.1")
            self.assertEqual(said.get(b"x-amz-security-token"), settings.session_token and b"of-the-session")

    async def test_values(self) -> None:
        """Members of a JSON object by name, and the whole of it without one; text and bytes as they are."""
        for value, expected in (
            (GOOD[1], {"password": b"p", "port": b"5432", "": b'{"password": "p", "port": 5432}'}),
            ({"SecretString": "plain {"}, {"": b"plain {"}),
            ({"SecretString": "[1]"}, {"": b"[1]"}),
            ({"SecretBinary": "AAEC"}, {"": b"\0\1\2"}),
        ):
            found = await self.source(Answers((200, value))).read("x")
            self.assertEqual({name: field.reveal() for name, field in found.fields.items()}, expected)
            self.assertEqual(found.lease, "")

    async def test_what_is_no_answer(self) -> None:
        """Each is SecretUnavailable with the secret's name, in the service's words and without a secret."""
        many = json.dumps({str(number): "x" for number in range(MAX_FIELDS + 1)})
        for answer, words in (
            (
                (400, {"__type": "com.amazonaws#ResourceNotFoundException", "Message": "no such"}),
                "NotFound",
            ),
            ((400, {"__type": "AccessDeniedException", "message": "x" * 900}), "AccessDenied"),
            ((200, b"not json s3cret"), "Expecting"),
            ((200, []), "no object"),
            ((403, b"<html>"), "status 403"),
            ((200, {}), "nothing in it"),
            ((200, {"SecretString": 7}), "nothing in it"),
            ((200, {"SecretBinary": "%%"}), ""),
            ((200, {"SecretString": many}), "fields"),
            (IssuerUnavailable("https://aws: refused"), "refused"),
        ):
            with self.assertRaises(SecretUnavailable) as raised:
                await self.source(Answers(answer)).read("pay")
            said = str(raised.exception)
            self.assertTrue(said.startswith("aws:main/pay: ") and words in said, said)
            self.assertNotIn("s3cret", said)
            self.assertLess(len(said), 600)

    async def test_a_key_is_one_word(self) -> None:
        """A file with something else in it is said, not sent."""
        self.patch(aws_secrets, "deferToThread", lambda call, reference: succeed(Secret(b"two words")))
        with self.assertRaises(SecretUnavailable) as raised:
            await self.source(Answers()).read("pay")
        self.assertNotIn("two words", str(raised.exception))


class Machine(Case):
    async def test_its_role(self) -> None:
        """By a token of the metadata service; kept until shortly before its end, then asked for again."""
        key = (200, machine("2023-11-14T23:13:20Z"))  # an hour after NOW
        ask = Answers(
            (200, b"t1"), (200, b"gateway-role"), key, GOOD, GOOD, (200, b"t2"), (200, b"gateway-role"), key, GOOD
        )
        source = self.source(ask, BY_MACHINE)
        await source.read("x")
        self.assertEqual([method for method, *_ in ask.asked], ["PUT", "GET", "GET", "POST"])
        self.assertTrue(ask.asked[2][1].endswith("/latest/meta-data/iam/security-credentials/gateway-role"))
        self.assertEqual(ask.asked[2][2], {"X-aws-ec2-metadata-token": "t1"})
        self.assertEqual(dict(received(sent(*ask.asked[3]), s3=False)[0])[b"x-amz-security-token"], b"of-the-machine")
        await source.read("x")
        self.assertEqual(len(ask.asked), 5)
        self.now += 3600 - aws_secrets.BEFORE
        await source.read("x")
        self.assertEqual(ask.answers, [])

    async def test_no_role(self) -> None:
        """A machine without one, or metadata that are none, are said."""
        for answers in (
            [(404, b"")],
            [(200, b"t"), (404, b"")],
            [(200, b"t"), (200, b"role"), (200, b"<html>")],
            [(200, b"t"), (200, b"role"), (200, {"AccessKeyId": "x"})],
            [(200, b"t"), (200, b"role"), (200, machine("soon"))],
        ):
            with self.assertRaises(SecretUnavailable):
                await self.source(Answers(*answers), BY_MACHINE).read("x")


def _fields(settings: AwsSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.__slots__}

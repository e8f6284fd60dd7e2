"""Secrets of a server that speaks as AWS Secrets Manager does, and looks at signatures (moto)."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

from hoopgw.auth import kept_secret
from hoopgw.auth.aws_secrets import AwsSecrets
from hoopgw.auth.fetch import https_ask
from hoopgw.auth.kept_secrets import KeptSecrets
from hoopgw.config_secrets import read_secret
from hoopgw.model.errors import SecretUnavailable
from hoopgw.model.events import Code
from hoopgw.model.settings import AwsSettings
from hoopgw.model.target import SecretReference
from tests.live.harness import LiveCase, until_later
from tests.live.s3_servers import REGION, Moto, until


def private(path: Path, text: str) -> SecretReference:
    path.write_text(text)
    path.chmod(0o600)
    return SecretReference("file", str(path))


class Keeping(TestCase):
    """What the gateway has of it, in this process."""

    def setUp(self) -> None:
        self.server = Moto()
        self.addCleanup(self.server.stop)
        self.manager = self.server.service("secretsmanager")
        self.events: list[tuple[Code, dict[str, object]]] = []

    def emit(self, code: Code, **fields: object) -> None:
        self.events.append((code, fields))

    def source(self, secret: str) -> AwsSecrets:
        place = self.server.place
        settings = AwsSettings(
            "main",
            REGION,
            f"http://127.0.0.1:{self.server.port}",
            key_id=private(place / "id", self.server.key_id),
            secret=private(place / "secret", secret),
        )
        return AwsSecrets(settings, https_ask(reactor, ""), read_secret, reactor.seconds)  # type: ignore[attr-defined]

    @inlineCallbacks
    def test_a_rotation_and_an_outage(self) -> Any:
        """The value, its successor, and while the service is away the last one."""
        self.patch(kept_secret, "LOOK_AGAIN", 0.2)
        self.patch(kept_secret, "RETRY", 0.2)
        arn = self.manager.create_secret(Name="pay/db", SecretString='{"password": "one"}')["ARN"]
        kept = KeptSecrets(reactor, self)  # type: ignore[arg-type]
        password, by_arn = SecretReference("aws", "main/pay/db#password"), SecretReference("aws", f"main/{arn}")
        yield kept.configure([self.source(self.server.secret)], [password, by_arn])
        self.assertEqual(kept.get(password).reveal(), b"one")
        self.assertEqual(kept.get(by_arn).reveal(), b'{"password": "one"}')
        self.manager.put_secret_value(SecretId="pay/db", SecretString='{"password": "two"}')
        self.assertTrue((yield until_later(lambda: kept.get(password).reveal() == b"two")))
        self.assertTrue((yield until_later(lambda: (Code.VAULT_CHANGED, {"secret": f"aws:main/{arn}"}) in self.events)))
        self.assertIn((Code.VAULT_CHANGED, {"secret": "aws:main/pay/db"}), self.events)
        self.server.process.kill()
        self.assertTrue((yield until_later(lambda: self.events[-1][0] is Code.VAULT_UNAVAILABLE)))
        self.assertEqual(kept.get(password).reveal(), b"two")
        yield kept.stop()
        self.assertRaises(SecretUnavailable, kept.get, password)

    @inlineCallbacks
    def test_who_may_not(self) -> Any:
        """Another secret key, and a name that there is not: each in words."""
        for secret, said in (("another", "status 403"), (self.server.secret, "ResourceNotFoundException")):
            try:
                yield self.source(secret).read("nothing")
            except SecretUnavailable as error:
                self.assertIn(said, str(error))
                self.assertNotIn(self.server.secret, str(error))
            else:
                self.fail("it was read")


class Logins(LiveCase):
    """A gateway whose role has its user and password there."""

    def setUp(self) -> None:
        super().setUp()
        self.server = Moto()
        self.addCleanup(self.server.stop)
        config = self.stage.gateway.config
        self.targets = next((config.parent / "targets.d").glob("*.toml"))
        self.before = {path: path.read_text() for path in (config, self.targets)}
        self.addCleanup(self.restored)

    def restored(self) -> None:
        for path, text in self.before.items():
            path.write_text(text)
        os.kill(self.stage.gateway.pid, signal.SIGHUP)

    def test_the_password_of_a_role(self) -> None:
        """Sessions log in by what the service has, and the log has none of it."""
        config = self.stage.gateway.config
        secrets = config.parent / "secrets"
        known = {"user": "shop_ro", "word": (secrets / "reader").read_text().strip()}
        self.server.service("secretsmanager").create_secret(Name="shop", SecretString=json.dumps(known))
        owner = os.stat(secrets / "reader").st_uid
        for name, text in (("aws-id", self.server.key_id), ("aws-secret", self.server.secret)):
            private(secrets / name, text)
            os.chown(secrets / name, owner, -1)
        aws = f'\n[aws.main]\nregion = "{REGION}"\nendpoint = "http://127.0.0.1:{self.server.port}"\n'
        aws += f'key_id = "file:{secrets}/aws-id"\nsecret = "file:{secrets}/aws-secret"\n'
        config.write_text(self.before[config] + aws)
        role = f'user = "shop_ro"\npassword = "file:{secrets}/reader"'
        self.assertIn(role, self.before[self.targets])
        named = 'user = "aws:main/shop#user"\npassword = "aws:main/shop#word"'
        self.targets.write_text(self.before[self.targets].replace(role, named))
        log = self.stage.gateway.log
        count = log.read_text().count('"configuration.reloaded"')
        os.kill(self.stage.gateway.pid, signal.SIGHUP)
        until(lambda: log.read_text().count('"configuration.reloaded"') > count)
        self.assertEqual(self.connect().execute("SELECT current_user").fetchone(), ("shop_ro",))
        for secret in (known["word"], self.server.secret):
            self.assertNotIn(secret, log.read_text())

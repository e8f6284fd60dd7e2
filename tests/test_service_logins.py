"""hoopgw.service_logins: what a reload takes up, it takes up whole."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth.pkcs11_pins import RefusedPins
from hoopgw.cli.demo.host import new_key
from hoopgw.config_signing import SigningKeys
from hoopgw.model.errors import OperatorError
from hoopgw.model.secret import Secret
from hoopgw.model.settings import ListenSettings, Settings, SshSettings
from hoopgw.model.target import SecretReference
from hoopgw.service_logins import Logins
from tests.session.fakes import Emitted

AUTHORITY, TARGETS = SecretReference("credential", "authority"), SecretReference("file", "/authority")


class Taking(SynchronousTestCase):
    def test_all_or_nothing(self) -> None:
        """An authority that cannot be used leaves what was in force: no checker knows the new configuration."""
        held = {AUTHORITY: Secret(new_key()[0].encode())}
        logins = Logins(
            Clock(), Emitted(), held.__getitem__, SigningKeys(RefusedPins()), lambda settings: self.fail("no list")
        )
        ssh = SshSettings(login_authority=AUTHORITY)
        settings = Settings(listen=ListenSettings(ssh=("tcp:22",)), ssh=ssh)
        logins.configure(settings)
        before = logins.certifying.authority
        self.assertIsNotNone(before)
        held[AUTHORITY] = Secret(b"no key")
        self.assertRaises(OperatorError, logins.configure, replace(settings, ssh=replace(ssh, certificates=60.0)))
        self.assertEqual(logins.keys.settings, ssh)
        self.assertIs(logins.certifying.authority, before)

    def test_two_authorities(self) -> None:
        """One key under two names is not taken for both: what clients are given must open no target."""
        key, other = new_key()[0].encode(), new_key()[0].encode()
        held = {AUTHORITY: Secret(key), TARGETS: Secret(key)}
        logins = Logins(Clock(), Emitted(), held.__getitem__, SigningKeys(RefusedPins()), lambda settings: None)
        ssh = SshSettings(login_authority=AUTHORITY, target_authority=TARGETS)
        settings = Settings(listen=ListenSettings(ssh=("tcp:22",)), ssh=ssh)
        self.assertIn("one key", str(self.assertRaises(OperatorError, logins.configure, settings)))
        held[TARGETS] = Secret(other)
        logins.configure(settings)

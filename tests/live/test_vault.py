"""Secrets of a real HashiCorp Vault or OpenBao: KV, AppRole, and short-lived users of a real PostgreSQL.

Its program is looked for in PATH as `bao` or `vault`, or at HOOPGW_VAULT; where there is none this is skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

from hoopgw.auth import kept_secret
from hoopgw.auth.fetch import https_ask
from hoopgw.auth.kept_secrets import KeptSecrets
from hoopgw.auth.vault import Vault
from hoopgw.cli.demo.place import free_port
from hoopgw.cli.vaults import vaults
from hoopgw.config_secrets import read_secret
from hoopgw.model.errors import SecretUnavailable
from hoopgw.model.events import Code
from hoopgw.model.settings import Settings, VaultSettings
from hoopgw.model.target import SecretReference
from tests.live.harness import LiveCase, until_later
from tests.live.s3_servers import until

PROGRAM = os.environ.get("HOOPGW_VAULT") or shutil.which("bao") or shutil.which("vault")
LACKING = None if PROGRAM else "neither bao nor vault is installed"
ROOT = "root-of-the-test"
POLICY = """
path "secret/data/*" { capabilities = ["read"] }
path "database/creds/*" { capabilities = ["read"] }
path "sys/leases/renew" { capabilities = ["update"] }
"""


class Server:
    """In development mode: in memory, by TLS of its own authority."""

    def __init__(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="hoopgw-vault-"))
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.ca = self.place / "vault-ca.pem"
        words = [str(PROGRAM), "server", "-dev", "-dev-tls", f"-dev-tls-cert-dir={self.place}", "-dev-no-store-token"]
        words += [f"-dev-root-token-id={ROOT}", f"-dev-listen-address=127.0.0.1:{self.port}"]
        env = {"PATH": os.environ["PATH"], "HOME": str(self.place)}
        self.process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: self.ca.exists() and self._answers())

    def _answers(self) -> bool:
        try:
            return bool(self.call("GET", "sys/health"))
        except OSError:
            return False

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """As root."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/v1/{path}", data, {"X-Vault-Token": ROOT}, method=method)
        context = ssl.create_default_context(cafile=str(self.ca))
        with urllib.request.urlopen(request, timeout=60, context=context) as answer:
            return json.loads(answer.read() or b"{}")

    def put(self, password: str) -> None:
        self.call("POST", "secret/data/pay", {"data": {"password": password}})

    def app_role(self) -> tuple[str, str]:
        """(role id, secret id) of a role that may read."""
        for path, body in (
            ("sys/auth/approle", {"type": "approle"}),
            ("sys/policies/acl/hoopgw", {"policy": POLICY}),
            ("auth/approle/role/hoopgw", {"token_policies": ["hoopgw"], "token_ttl": "1h"}),
        ):
            try:
                self.call("POST", path, body)
            except urllib.error.HTTPError as error:  # it was enabled by the test before
                error.close()
        secret_id = self.call("POST", "auth/approle/role/hoopgw/secret-id", {})["data"]["secret_id"]
        return self.call("GET", "auth/approle/role/hoopgw/role-id")["data"]["role_id"], secret_id

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(10)
        shutil.rmtree(self.place)


class Keeping(TestCase):
    """What the gateway has of it, in this process."""

    skip = LACKING

    def setUp(self) -> None:
        self.server = Server()
        self.addCleanup(self.server.stop)
        self.events: list[tuple[Code, dict[str, object]]] = []

    def emit(self, code: Code, **fields: object) -> None:
        self.events.append((code, fields))

    def secret_file(self, value: str, name: str = "secret-id") -> SecretReference:
        path = self.server.place / name
        path.write_text(value)
        path.chmod(0o600)
        return SecretReference("file", str(path))

    def settings(self, **given: Any) -> VaultSettings:
        return VaultSettings(**{"name": "v", "address": self.server.url, "ca": str(self.server.ca)} | given)

    @inlineCallbacks
    def test_a_rotation_and_an_outage(self) -> Any:
        """By AppRole: the value, its successor, and while the vault is away the last one."""
        self.patch(kept_secret, "LOOK_AGAIN", 0.2)
        self.patch(kept_secret, "RETRY", 0.2)
        self.server.put("one")
        role_id, secret_id = self.server.app_role()
        by_role = self.settings(role_id=role_id, secret_id=self.secret_file(secret_id), mount="approle")
        kept = KeptSecrets(reactor, self)  # type: ignore[arg-type]
        password = SecretReference("vault", "v/secret/data/pay#password")
        yield kept.configure([Vault(by_role, https_ask(reactor, by_role.ca), read_secret)], [password])
        self.assertEqual(kept.get(password).reveal(), b"one")
        self.server.put("two")
        self.assertTrue((yield until_later(lambda: kept.get(password).reveal() == b"two")))
        self.assertEqual(self.events, [(Code.VAULT_CHANGED, {"secret": "vault:v/secret/data/pay"})])
        self.server.process.kill()
        self.assertTrue((yield until_later(lambda: self.events[-1][0] is Code.VAULT_UNAVAILABLE)))
        self.assertEqual(kept.get(password).reveal(), b"two")
        yield kept.stop()
        self.assertRaises(SecretUnavailable, kept.get, password)

    @inlineCallbacks
    def test_who_may_not(self) -> Any:
        """Another authority's certificate, a token that is none, a path that the policy closes: each in words."""
        self.server.put("one")
        role_id, secret_id = self.server.app_role()
        secret = self.secret_file(secret_id)
        good = self.settings(role_id=role_id, secret_id=secret, mount="approle")
        wrong = self.settings(token=self.secret_file("no-token", "wrong"))
        unknown = self.settings(ca="", token=self.secret_file(ROOT, "token"))
        for settings, path, said in (
            (good, "sys/policies/acl/hoopgw", "permission denied"),
            (good, "secret/data/nothing", "404"),
            (wrong, "secret/data/pay", "40"),
            (unknown, "secret/data/pay", "certificate"),
        ):
            reading = Vault(settings, https_ask(reactor, settings.ca), read_secret)
            try:
                yield reading.read(path)
            except SecretUnavailable as error:
                self.assertIn(said, str(error))
                self.assertNotIn(secret_id, str(error))
            else:
                self.fail(f"{path} was read")

    def test_what_the_doctor_says(self) -> None:
        """Of one that serves, of one with an unknown authority, of a sealed one, and of one that is away."""
        unknown = self.settings(ca="", name="u")
        served, untrusted = vaults(Settings(vaults=(self.settings(), unknown)))
        self.assertEqual((served.said, served.fix), ("is unsealed", ""))
        self.assertIn("`ca` of [vault.u]", untrusted.fix)
        self.server.call("PUT", "sys/seal")
        [sealed] = vaults(Settings(vaults=(self.settings(),)))
        self.assertIn("unseal", sealed.fix)
        self.server.process.kill()
        self.server.process.wait()
        [away] = vaults(Settings(vaults=(self.settings(),)))
        self.assertIn("does it run", away.fix)


class Users(LiveCase):
    """A gateway whose role has a short-lived user of the database engine."""

    skip = LACKING
    server: ClassVar[Server | None] = None

    def setUp(self) -> None:
        super().setUp()
        self.server = Server()
        self.addCleanup(self.server.stop)
        self.addCleanup(self.restored, self.stage.gateway.config.parent / "targets.d", self.stage.gateway.config)

    def restored(self, targets: Path, main: Path) -> None:
        for path, text in self.before.items():
            path.write_text(text)
        os.kill(self.stage.gateway.pid, signal.SIGHUP)

    def engine(self, ttl: str, longest: str) -> None:
        """Users that may read the shop, for so long."""
        direct = psycopg.conninfo.conninfo_to_dict(self.stage.direct_url())
        place = f"127.0.0.1:{self.stage.cluster.port}/shop?sslmode=disable"
        server = self.server
        assert server is not None
        with psycopg.connect(self.stage.direct_url(), autocommit=True) as owner:
            owner.execute("CREATE ROLE vault_admin LOGIN SUPERUSER PASSWORD 'of the vault'")
            self.addCleanup(self.dropped)
        server.call("POST", "sys/mounts/database", {"type": "database"})
        connection = {
            "plugin_name": "postgresql-database-plugin",
            "allowed_roles": "shop",
            "connection_url": f"postgresql://{{{{username}}}}:{{{{password}}}}@{place}",
            "username": "vault_admin",
            "password": "of the vault",
            "password_authentication": "scram-sha-256",
        }
        server.call("POST", "database/config/shop", connection)
        made = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE shop_ro"
        role = {"db_name": "shop", "creation_statements": [made], "default_ttl": ttl, "max_ttl": longest}
        server.call("POST", "database/roles/shop", role)
        self.assertEqual(direct["dbname"], "shop")

    def dropped(self) -> None:
        with psycopg.connect(self.stage.direct_url(), autocommit=True) as owner:
            owner.execute("DROP ROLE IF EXISTS vault_admin")

    def test_short_lived_users(self) -> None:
        """Sessions log in as the lease's user; past its longest time there is another, and who is connected stays."""
        self.before: dict[Path, str] = {}
        self.engine("6s", "12s")
        server = self.server
        assert server is not None
        config = self.stage.gateway.config
        token = config.parent / "secrets/vault"
        token.write_text(ROOT)
        token.chmod(0o600)
        os.chown(token, os.stat(config.parent / "secrets/reader").st_uid, -1)
        targets = next((config.parent / "targets.d").glob("*.toml"))
        self.before = {config: config.read_text(), targets: targets.read_text()}
        vault = f'[vault.v]\naddress = "{server.url}"\nca = "{server.ca}"\ntoken = "file:{token}"\n'
        config.write_text(self.before[config] + vault)
        role = f'user = "shop_ro"\npassword = "file:{config.parent}/secrets/reader"'
        self.assertIn(role, self.before[targets])
        names = 'user = "vault:v/database/creds/shop#username"\npassword = "vault:v/database/creds/shop#password"'
        targets.write_text(self.before[targets].replace(role, names))
        server.place.chmod(0o755)
        server.ca.chmod(0o644)
        os.kill(self.stage.gateway.pid, signal.SIGHUP)
        first = until(self.user)
        self.assertTrue(first.startswith("v-"), first)
        standing = self.connect()
        second = until(lambda: (self.user() or first) != first and self.user())
        self.assertTrue(second.startswith("v-"), second)
        self.assertEqual(standing.execute("SELECT 1").fetchone(), (1,))
        log = self.stage.gateway.log.read_text()
        self.assertIn('"code":"vault.changed"', log)
        self.assertNotIn(ROOT, log)

    def user(self) -> str:
        """Who the target sees; "" while that is not one of the vault's."""
        try:
            with psycopg.connect(
                self.stage.gateway_url("reader"), password=self.stage.agent, connect_timeout=60
            ) as ours:
                row = ours.execute("SELECT current_user").fetchone()
        except psycopg.OperationalError:
            return ""
        return str(row[0]) if row is not None and str(row[0]).startswith("v-") else ""

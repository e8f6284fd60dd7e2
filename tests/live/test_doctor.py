"""`hoopgw doctor` on a gateway that runs, and on what is wrong with one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hoopgw.auth.pkcs11_pins import RefusedPins
from hoopgw.cli.demo.gateway import MAIN
from hoopgw.cli.demo.surroundings import surroundings
from hoopgw.cli.doctor import findings
from hoopgw.cli.possessions import descriptors, key_modes
from hoopgw.cli.running import health, running
from hoopgw.config_signing import SigningKeys
from hoopgw.model.settings import OidcSettings, RecordingSettings, Settings, TlsSettings
from hoopgw.model.target import Address, Role, Target, TlsMode
from tests.live.harness import UNTIL, LiveCase


class Doctor(LiveCase):
    def asked(self) -> dict[str, dict[str, Any]]:
        ran = self.hoopgw("doctor", "--json")
        self.assertIn(ran.returncode, (0, 1), ran.stderr)
        return {each["what"]: each for each in json.loads(ran.stdout)}

    def test_all_that_runs_is_well(self) -> None:
        """Issuer, its clock, target, disk and the gateway itself; a certificate of two days is to be renewed."""
        found = self.asked()
        for what in ("configuration", "gateway", "issuer demo", "clock", "target shop", "disk", "keys"):
            self.assertTrue(found[what]["good"], found[what])
        self.assertFalse(found["certificate"]["good"])

    def test_each_thing_that_is_wrong_has_its_fix(self) -> None:
        """A gateway that is not there, a name without address, a port where nobody is, a disk that is too small, and
        an issuer that calls itself otherwise."""
        place = Path(self.mktemp())
        place.mkdir()
        issuer = next(each for each in self._settings().issuers)
        renamed = OidcSettings("other", issuer.issuer + "/", "hoopgw", ca=issuer.ca)
        untrusted = OidcSettings("untrusted", issuer.issuer, "hoopgw")
        addresses = (Address("no-such-host.invalid", 5432), Address("127.0.0.1", 1))
        target = Target("pay", "postgresql", addresses, TlsMode.DISABLE, {"reader": Role("reader", "ro")})
        settings = Settings(
            tls=TlsSettings(str(place / "none.pem")),
            issuers=(renamed, untrusted),
            recordings=RecordingSettings(directory=str(place), min_free=shutil.disk_usage(place).total),
        )
        found = [
            each
            for each in (
                *running(str(place / "none.sock")),
                *findings(settings, {"pay": target}, str(place / "none.sock"), 0.0, SigningKeys(RefusedPins())),
            )
            if "hoopgw" not in each.what
        ]
        said = {each.what for each in found if each.fix}
        wanted = {"gateway", "certificate", "disk", "issuer other", "issuer untrusted", "target pay", "clock"}
        self.assertEqual(said, wanted, found)
        self.assertEqual(len([each for each in found if each.what == "target pay" and each.fix]), 2)

    def test_keys_and_limits(self) -> None:
        """A key that others may read, and a process that may open less than its sessions need."""
        state = Path(self.mktemp())
        (state / "keys").mkdir(parents=True)
        state.chmod(0o700)
        for name, mode in (("recording.key", 0o600), ("host.pub", 0o644)):
            (state / "keys" / name).touch()
            (state / "keys" / name).chmod(mode)
        self.assertEqual([each.fix for each in key_modes(state)], [""])
        (state / "keys/recording.key").chmod(0o640)
        self.assertEqual([each.fix for each in key_modes(state)], [f"chmod go= {state}/keys/recording.key"])
        self.assertEqual(list(key_modes(state / "none")), [])
        admin = str(self.stage.gateway.admin)
        [few], [many] = descriptors(admin, 1), descriptors(admin, 1 << 40)
        self.assertEqual(few.fix, "")
        self.assertIn("LimitNOFILE", many.fix)
        self.assertEqual(list(descriptors(str(state / "none"), 1)), [])

    def _settings(self) -> Settings:
        from hoopgw import config

        return config.load(self.stage.gateway.config).settings

    def test_mistakes_come_first(self) -> None:
        """With a mistake in a file nothing else is asked: what it would be asked about is not known."""
        extra = self.stage.gateway.config.parent / "targets.d/wrong.toml"
        extra.write_text("[target.x]\naddres = 1\n")
        self.addCleanup(extra.unlink)
        ran = self.hoopgw("doctor")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("wrong.toml", ran.stdout)
        self.assertNotIn("target shop", ran.stdout)

    def reloaded(self, counted: str) -> None:
        """Returns when the gateway has counted one more of `loaded` or `kept`."""
        admin, deadline = str(self.stage.gateway.admin), time.monotonic() + 2 * UNTIL
        before = health(admin)[counted]
        os.kill(self.stage.gateway.pid, signal.SIGHUP)
        while health(admin)[counted] == before:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_a_reload_that_was_refused(self) -> None:
        """The gateway runs on with what it had: doctor says so, with the reason and since when, while the mistake is
        there, and when it was mended and nobody has reloaded; and that files were changed without a reload, or in
        vain until a restart."""
        extra = self.stage.gateway.config.parent / "grants.d/wrong.toml"
        main = self.stage.gateway.config.read_text()
        self.addCleanup(self.reloaded, "loaded")  # the last of them
        self.addCleanup(self.stage.gateway.config.write_text, main)
        extra.write_text("[grant.x]\ngroup = 1\n")
        self.addCleanup(extra.unlink, True)
        self.reloaded("kept")
        found = self.asked()["reload"]
        self.assertIn("the configuration before it is in force: ", found["said"])
        self.assertIn("wrong.toml", found["said"])
        self.assertEqual((found["good"], found["fix"]), (False, "hoopgw check; then systemctl reload hoopgw"))
        ran = self.hoopgw("reload")
        self.assertEqual(ran.returncode, 1, ran.stdout)
        self.assertIn("keeps its old configuration: ", ran.stderr)
        self.assertIn("wrong.toml", ran.stderr)
        extra.unlink()
        found = self.asked()["reload"]
        self.assertEqual((found["good"], "no mistakes now" in found["fix"]), (False, True), found)
        self.reloaded("loaded")
        self.assertTrue(self.asked()["reload"]["good"])
        extra.write_text('[grant.more]\ngroups = ["more"]\nmay = ["list"]\n')
        found = self.asked()["reload"]
        self.assertEqual((found["good"], found["fix"]), (False, "systemctl reload hoopgw"), found)
        self.stage.gateway.config.write_text(main + "\n[limits]\nmax_sessions = 77\n")
        ran = self.hoopgw("reload", "--pid", str(self.stage.gateway.pid))
        self.assertEqual((ran.returncode, "a start only takes up: limits" in ran.stdout), (0, True), ran.stderr)
        found = self.asked()
        self.assertTrue(found["reload"]["good"], found["reload"])
        self.assertEqual((found["restart"]["good"], "limits" in found["restart"]["said"]), (False, True))

    def test_another_admin_socket(self) -> None:
        """A start takes it up, and until then all commands find the gateway where it is: a reload with a mistake is not
        taken for one that went well, and doctor and reload name what waits."""
        config = self.stage.gateway.config
        extra, before = config.parent / "grants.d/wrong.toml", config.read_text()
        self.addCleanup(self.reloaded, "loaded")  # the last of them
        self.addCleanup(config.write_text, before)
        self.addCleanup(extra.unlink, True)
        other = str(self.stage.gateway.admin.with_name("other.sock"))
        config.write_text(before.replace(str(self.stage.gateway.admin), other))
        extra.write_text("[grant.x]\ngroup = 1\n")
        ran = self.by_files("reload", "--pid", str(self.stage.gateway.pid))
        self.assertEqual((ran.returncode, "wrong.toml" in ran.stderr), (1, True), ran)
        extra.unlink()
        ran = self.by_files("reload")
        self.assertEqual((ran.returncode, "a start only takes up: admin." in ran.stdout), (0, True), ran)
        found = {each["what"]: each for each in json.loads(self.by_files("doctor", "--json").stdout)}
        said = found["admin socket"]
        self.assertEqual((said["good"], said["fix"], other in said["said"]), (False, "systemctl restart hoopgw", True))
        self.assertTrue(found["gateway"]["good"], found["gateway"])
        self.assertIn(": admin", found["restart"]["said"])
        ran = self.by_files("sessions", "list", "--json")
        self.assertEqual(ran.returncode, 0, ran.stderr)

    def by_files(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command, which finds the gateway by its configuration."""
        start = [sys.executable, "-c", MAIN, "--config", str(self.stage.gateway.config)]
        env = surroundings({"HOOPGW_TOKEN": self.stage.approver})
        return subprocess.run([*start, *words], env=env, capture_output=True, text=True, timeout=240, check=False)

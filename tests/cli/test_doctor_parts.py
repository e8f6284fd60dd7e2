"""What `hoopgw doctor` makes of units and drop-ins, of certificates, and of who may read the gateway's files."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.certificates import certificates
from hoopgw.cli.check import for_root
from hoopgw.cli.doctor import _disk
from hoopgw.cli.for_service import not_handed_over, unreadable
from hoopgw.cli.own_certificate import CERTIFICATE, KEY, ensure
from hoopgw.cli.possessions import handed_over
from hoopgw.cli.running import in_force
from hoopgw.cli.units import credential_names, exposed, overridden, port_in, seconds, sources_in
from hoopgw.config import Config
from hoopgw.config_secrets import AT_START
from hoopgw.model.settings import LimitSettings, RecordingSettings, Settings, TlsSettings
from hoopgw.model.target import Role, SecretReference, Target, TlsMode
from hoopgw.policy.policyset import PolicySet

UNIT = Path(__file__).parent.parent.parent / "systemd/hoopgw.service"
SHIPPED = {
    "TimeoutStopUSec": "1min 30s",
    "MemoryMax": "18957373440",
    "MemorySwapMax": "0",
    "RuntimeDirectoryPreserve": "yes",
    "User": "hoopgw",
}


class Reloads(SynchronousTestCase):
    def test_what_mends_one_that_was_refused(self) -> None:
        """Another reload, where the files are mended; a start, where a credential came after the last one."""
        for reason, policy, fix in (
            ("pay.toml:3: no such role", "", "hoopgw check"),
            ("pay.toml:3: no such role", "sha256:x", "systemctl reload"),
            (f"{'x' * 1000}: {AT_START}", "sha256:x", "systemctl restart"),
        ):
            [found] = in_force({"refused": {"at": "now", "reason": reason}}, policy)
            self.assertEqual((found.what, fix in found.fix, len(found.said) < 600), ("reload", True, True), found)


class Units(SynchronousTestCase):
    def test_a_drop_in_that_breaks_a_promise(self) -> None:
        """The unit as it is has none; each of these has one, with what to do."""
        settings = Settings(limits=LimitSettings(drain=10.0), recordings=RecordingSettings(spool=64 << 20))
        self.assertEqual(list(overridden(SHIPPED, settings)), [])
        for changed, fix in (
            ({"TimeoutStopUSec": "5s"}, "TimeoutStopSec="),
            ({"MemoryMax": str(50 << 20)}, "MemoryMax="),
            ({"MemorySwapMax": "infinity"}, "MemorySwapMax=0"),
            ({"RuntimeDirectoryPreserve": "no"}, "RuntimeDirectoryPreserve=yes"),
            ({"User": "root"}, "User=hoopgw"),
        ):
            [found] = overridden(SHIPPED | changed, settings)
            self.assertIn(fix, found.fix)
        self.assertEqual(list(overridden(SHIPPED | {"MemoryMax": "infinity"}, settings)), [])

    def test_the_figure_of_systemd(self) -> None:
        line = "→ Overall exposure level for hoopgw.service: {} OK 🙂"
        self.assertEqual([bool(each.fix) for each in exposed(line.format("1.1"))], [False])
        self.assertEqual([bool(each.fix) for each in exposed(line.format("1.6"))], [True])
        self.assertEqual(list(exposed("Unknown command verb security.")), [])

    def test_time_spans(self) -> None:
        spans = {"1min 30s": 90.0, "5s": 5.0, "1h 1min 500ms": 3660.5, "infinity": float("inf"), "": float("inf")}
        self.assertEqual({each: seconds(each) for each in spans}, spans)

    def test_where_a_socket_listens(self) -> None:
        """As systemctl shows it; setup prints the line to connect with by that."""
        said = {"[::]:22 (Stream)": 22, "10.0.0.5:6432 (Stream)": 6432, "/run/x (Stream)": None, "": None}
        self.assertEqual({each: port_in(f"Listen={each}\n") for each in said}, said)

    def test_what_systemd_hands_over(self) -> None:
        """By the lines of the unit that is shipped."""
        found = {name: str(path) for name, path in sources_in(UNIT.read_text()).items()}
        self.assertEqual(found, {"gateway.key": "/etc/hoopgw/tls/gateway.key", "target": "/etc/hoopgw/credentials"})

    def test_names_of_credentials(self) -> None:
        """Files of a directory have its name before theirs; a drop-in takes back, adds, or says what only systemd
        knows."""
        place = Path(self.mktemp()).resolve()
        (place / "more").mkdir(parents=True)
        for name in ("pay", "more/web"):
            (place / name).touch()
        unit = UNIT.read_text().replace("/etc/hoopgw/credentials", str(place))
        shipped = {"gateway.key", "target_pay", "target_more", "target_more_web"}
        self.assertEqual(credential_names(unit), shipped)
        more = "LoadCredentialEncrypted=pay_ro:/etc/hoopgw/pay_ro.cred\nSetCredential=x:y\nLoadCredential=boot\n"
        self.assertEqual(credential_names(unit + more), shipped | {"pay_ro", "x", "boot"})
        self.assertEqual(credential_names(f"{unit}{more}LoadCredential=\n"), {"x"})
        for line in ("ImportCredential=pay*", "LoadCredential=a:%d/b", 'LoadCredential="a:/b c"'):
            self.assertEqual(credential_names(f"{unit}{line}\n"), None, line)

    def test_a_credential_that_no_unit_hands_over(self) -> None:
        """The running gateway keeps what it had, the next start fails: `check` has to say so before an upgrade."""
        role = Role("a", "a", password=SecretReference("credential", "target_typo"))
        target = Target("pay", "postgresql", (), TlsMode.VERIFY_FULL, {"a": role})
        loaded = Config(Settings(), {"pay": target}, (), PolicySet())
        [found] = not_handed_over(loaded, frozenset({"target_pay"}))
        self.assertIn("/etc/hoopgw/credentials/typo", found.fix)
        self.assertEqual(list(not_handed_over(loaded, frozenset({"target_typo"}))), [])
        self.assertEqual(list(not_handed_over(loaded, None)), [])


class Certificates(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Path(self.mktemp())
        self.now = datetime.now(UTC)

    def made(self, names: Sequence[str] = ("localhost",), days: int = 0) -> Path:
        self.place.mkdir(exist_ok=True)
        for name in (CERTIFICATE, KEY):
            (self.place / name).unlink(missing_ok=True)
        ensure(self.place, names, self.now + timedelta(days=days))
        return self.place

    def wrong(self, domain: str = "") -> list[str]:
        tls = TlsSettings(str(self.place / CERTIFICATE), SecretReference("credential", "gateway.key"), domain=domain)
        found = certificates(tls, {"gateway.key": self.place / KEY}, self.now.timestamp())
        return [f"{each.said}: {each.fix}" for each in found if each.fix]

    def test_one_that_is_well(self) -> None:
        self.made()
        self.assertEqual(self.wrong(), [])

    def test_times(self) -> None:
        """Over, nearly over, and not yet: a key that systemd hands over is taken up by a restart, not a reload."""
        for days, words in ((-3651, "ended on"), (-3640, "ends in 10 days"), (2, "is valid from")):
            self.made(days=days)
            [said] = self.wrong()
            self.assertIn(words, said)
        self.made(days=-3651)
        self.assertIn("systemctl restart hoopgw", self.wrong()[0])

    def test_the_key_of_another(self) -> None:
        """The gateway's next start fails with it; nothing said so before."""
        first = (self.made() / KEY).read_bytes()
        (self.made() / KEY).write_bytes(first)
        self.assertIn("is not the key of", self.wrong()[0])
        (self.place / KEY).write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
        self.assertIn("unencrypted", self.wrong()[0])

    def test_names(self) -> None:
        """`domain` needs a wildcard; a host that was renamed since has a certificate for another name."""
        self.made()
        self.assertIn("*.gw.example.com", self.wrong("gw.example.com")[0])
        self.made(("*.gw.example.com", "gw.example.com"))
        self.assertEqual(self.wrong("gw.example.com"), [])
        self.assertEqual(self.wrong(), [])  # under which name clients come is theirs to know
        self.made(("image.invalid", "localhost"))
        self.patch(socket, "getfqdn", lambda: "bastion7")
        self.assertIn("another name by now", self.wrong()[0])


class Readers(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="hoopgw-readers-"))  # others may go through what is above it
        self.addCleanup(shutil.rmtree, self.place)
        self.place.chmod(0o755)
        for name, mode in (("state", 0o700), ("secrets", 0o750)):
            (self.place / name).mkdir(mode=mode)
        for name in ("secrets/pay", "ca.pem"):
            (self.place / name).write_text("x")
            (self.place / name).chmod(0o600)

    def loaded(self) -> Config:
        role = Role("a", "a", password=SecretReference("file", str(self.place / "secrets/pay")))
        target = Target("pay", "postgresql", (), TlsMode.VERIFY_FULL, {"a": role}, ca=str(self.place / "ca.pem"))
        return Config(Settings(state=str(self.place / "state")), {"pay": target}, (), PolicySet())

    def test_who_is_not_root_cannot_read_what_root_wrote(self) -> None:
        """`check` as root finds both files good; the gateway, of another user, refuses the configuration."""
        if os.geteuid() != 0:
            self.skipTest("only root gives files away")
        os.chown(self.place / "state", 65534, 65534)
        fixes = {each.fix for each in unreadable(self.loaded())}
        secret = f"chown --reference={self.place}/state {self.place}/secrets/pay"
        self.assertEqual(fixes, {secret, f"chmod go+r {self.place}/ca.pem"})
        self.assertIn(secret, " ".join(map(str, for_root(self.loaded(), "/x.toml"))))  # an upgrade asks `check`
        (self.place / "targets.d").mkdir()
        named = f'# {self.place}/secrets/pay\nx = "{self.place}/secrets/pay2"\ny = "file:{self.place}/secrets/pay"\n'
        (self.place / "targets.d/pay.toml").write_text(named)
        places = {f"{each.file}:{each.line}" for each in for_root(self.loaded(), f"{self.place}/hoopgw.toml")}
        self.assertEqual(places, {f"{self.place}/targets.d/pay.toml:3", f"{self.place}/hoopgw.toml:1"})
        os.chown(self.place / "secrets/pay", 65534, 65534)
        (self.place / "ca.pem").chmod(0o644)
        (self.place / "secrets").chmod(0o700)
        self.assertEqual([each.fix for each in unreadable(self.loaded())], [f"chmod go+x {self.place}/secrets"])
        (self.place / "secrets").chmod(0o711)
        self.assertEqual(list(unreadable(self.loaded())), [])

    def test_a_place_that_who_asks_may_not_look_at(self) -> None:
        """Members of the group `hoopgw` get findings of all else, and no traceback."""
        before = os.geteuid()
        (self.place / "state").chmod(0o700 if before == 0 else 0)
        os.seteuid(65534 if before == 0 else before)
        try:
            found = _disk(self.place / "state/recordings", 1)
        finally:
            os.seteuid(before)
        self.assertEqual((found.fix, "root may" in found.said), ("", True), found)

    def test_what_root_alone_needs(self) -> None:
        """A file that systemd hands over, and each in a directory of such."""
        (self.place / "state").chmod(0o755)
        sources = {"key": self.place / "secrets/pay", "target": self.place / "state", "none": self.place / "none"}
        self.assertEqual([each.fix for each in handed_over(sources)], [f"chmod go= {self.place}/state"])
        (self.place / "secrets/pay").chmod(0o644)
        self.assertEqual(len(list(handed_over(sources))), 2)

"""The demo's SSH host: whose home its sessions begin in."""

from __future__ import annotations

import pwd
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.demo.children import Unprivileged
from hoopgw.cli.demo.host import PROGRAMS, SshHost, found
from hoopgw.cli.demo.programs import Programs


class Home(SynchronousTestCase):
    def test_an_ordinary_users_own_home_is_left_alone(self) -> None:
        """Sessions begin in the demo's directory also where nobody has to be put in root's place."""
        programs = found()
        if programs is None:
            self.skipTest("`make test` unpacks sshd, sftp-server, ssh and libnss-wrapper")
        place = Path(self.mktemp()).resolve()
        with mock.patch.object(Unprivileged, "of_caller", return_value=None):
            host = SshHost(place, programs)
        host._write()
        beside = programs["ssh"].parent
        self.assertIn(f'SetEnv "PATH={beside}:', host._settings())
        told = host._env()
        self.assertEqual(Path(told["LD_PRELOAD"]).name, "libnss_wrapper.so")
        name, _, uid, _, _, home, shell = Path(told["NSS_WRAPPER_PASSWD"]).read_text().strip().split(":")
        self.assertEqual((name, int(uid)), (host.user, pwd.getpwnam(host.user).pw_uid))
        self.assertEqual((home, shell), (f"{place}/home", "/bin/sh"))
        self.assertTrue(Path(home).is_dir())


class Found(SynchronousTestCase):
    def test_a_machine_with_sshd_and_without_the_wrapper(self) -> None:
        """Uses what lies unpacked: it has both."""
        machine, cache = Path(self.mktemp()).resolve(), Path(self.mktemp()).resolve()
        for root in (machine, cache):
            (root / "usr/bin").mkdir(parents=True)
            for name in PROGRAMS:
                (root / "usr/bin" / name).touch(0o755)
        (cache / "usr/lib").mkdir()
        (cache / "usr/lib/libnss_wrapper.so").touch()
        with mock.patch.object(Programs, "everywhere", return_value=iter((Programs(machine), Programs(cache)))):
            self.assertEqual(found(), Programs(cache))

"""An SSH host of one's own on loopback: OpenSSH's sshd as an ordinary user, who is the only one it lets in."""

from __future__ import annotations

import os
import pwd
import socket
import time
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hoopgw.cli.demo.children import ATTEMPTS, READY, Child, ChildFailed, Unprivileged
from hoopgw.cli.demo.place import free_port, write_secret
from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.surroundings import surroundings

PROGRAMS = ("sshd", "sftp-server", "ssh")
# shows sshd its user with a home here and a shell: the caller's own home is not the demo's to write in, and `nobody`,
# whom root runs it as, has neither
WRAPPER = "libnss_wrapper.so"


def new_key() -> tuple[str, str]:
    """(private key in OpenSSH's format, public line)."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), public.decode()


class SshHost:
    """`start`, then `port`, `user`, `public` and `key`, then `stop`.  Everything lies in `directory`."""

    def __init__(self, directory: Path, programs: Programs) -> None:
        self._directory = directory
        self._runner = Unprivileged.of_caller()
        self.user = pwd.getpwuid(self._runner.uid if self._runner else os.geteuid()).pw_name
        directory.mkdir()
        directory.chmod(0o711)
        self.programs = programs.reachable(directory) if self._runner else programs
        self._host_key, self.public = new_key()
        self.key, self._authorized = new_key()  # by which the gateway, and nobody else, logs in
        self.home = directory / "home"
        self.port = 0
        self._child: Child | None = None

    def start(self) -> None:
        """Accepts connections when this returns.  Raises ChildFailed."""
        self._write()
        for attempt in range(ATTEMPTS):
            self.port = free_port()
            config = self._own(write_secret(self._directory / "sshd_config", self._settings()))
            command: list[str | Path] = [self.programs["sshd"], "-D", "-e", "-f", config]
            self._child = Child("sshd", command, self._directory / "sshd.log", self._env(), self._runner, cwd=self.home)
            try:
                self._wait_until_ready(self._child)
                return
            except ChildFailed:
                self.stop()
                if attempt == ATTEMPTS - 1:
                    raise

    @property
    def pid(self) -> int:
        return self._child.pid if self._child is not None else 0

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None

    def known_host(self) -> str:
        """The line by which a client knows it."""
        return f"[127.0.0.1]:{self.port} {self.public}\n"

    def _write(self) -> None:
        self.home.mkdir(mode=0o700)
        self._own(self.home)
        self._own(write_secret(self._directory / "host_key", self._host_key))
        self._own(write_secret(self._directory / "authorized_keys", self._authorized + "\n"))
        uid, gid = (self._runner.uid, self._runner.gid) if self._runner else (os.geteuid(), os.getegid())
        user = f"{self.user}:x:{uid}:{gid}:demo:{self.home}:/bin/sh\n"
        self._own(write_secret(self._directory / "passwd", user))
        self._own(write_secret(self._directory / "group", f"{self.user}:x:{gid}:\n"))

    def _own(self, path: Path) -> Path:
        if self._runner:
            self._runner.owns(path)
        return path

    def _settings(self) -> str:
        """PAM would ask the machine who may come in; only this one user can, by this one key.

        A client's old scp starts `scp` here, which may lie beside ssh alone.
        """
        return f"""Port {self.port}
ListenAddress 127.0.0.1
HostKey {self._directory}/host_key
AuthorizedKeysFile {self._directory}/authorized_keys
AllowUsers {self.user}
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
AcceptEnv LANG LC_* HOOPGW_*
MaxSessions 100
MaxStartups 200
Subsystem sftp {self.programs["sftp-server"]}
SetEnv "PATH={self.programs["ssh"].parent}:/usr/bin:/bin"
"""

    def _env(self) -> dict[str, str]:
        kept = {name: value for name, value in surroundings().items() if name in {"PATH", "LC_ALL", "LD_LIBRARY_PATH"}}
        wrapper = self.programs.library(WRAPPER)
        if wrapper is None:
            raise ChildFailed(f"sshd needs {WRAPPER}: apt-get install libnss-wrapper")
        return (
            kept
            | dict(self.programs.environment)
            | {
                "LD_PRELOAD": str(wrapper),
                "NSS_WRAPPER_PASSWD": f"{self._directory}/passwd",
                "NSS_WRAPPER_GROUP": f"{self._directory}/group",
            }
        )

    def _wait_until_ready(self, child: Child) -> None:
        deadline = time.monotonic() + READY
        while True:
            child.must_live()
            with suppress(OSError), socket.socket() as probe:  # not yet
                probe.settimeout(10)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0 and probe.recv(4) == b"SSH-":
                    return
            if time.monotonic() > deadline:
                raise ChildFailed("sshd does not answer")
            time.sleep(0.05)


def found() -> Programs | None:
    """Where sshd is, what it needs, and a client; None: nowhere, and the demo goes without."""
    return next((each for each in Programs.everywhere(*PROGRAMS) if each.library(WRAPPER) is not None), None)

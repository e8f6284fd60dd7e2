"""A token of SoftHSM for the tests: a directory of files behind a PKCS#11 library."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.programs import environment, found

MODULE = "softhsm/libsofthsm2.so"
CONFIGURATION = "SOFTHSM2_CONF"  # the library reads it where it is initialized
PIN = "2741"


class SoftHsm:
    """In `place`, with one token named `label`.  `begin` sets this process's environment, and its children's."""

    def __init__(self, place: Path, label: str = "hoopgw") -> None:
        programs = found("softhsm2-util")
        assert programs is not None, "`make test` unpacks softhsm2"
        module = programs.library(MODULE)
        assert module is not None
        self.module, self.label, self._programs = module, label, programs
        self.tokens, self.pin, self._keys = place / "tokens", place / "pin", 0
        self.tokens.mkdir(parents=True)
        self._configuration = place / "softhsm2.conf"
        self._configuration.write_text(f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\n")
        self.say(PIN)
        self._run("--init-token", "--free", "--label", label, "--so-pin", "9" * 8)

    def begin(self) -> Callable[[], None]:
        """Gives what sets it back."""
        patched = mock.patch.dict(os.environ, {CONFIGURATION: str(self._configuration)})
        patched.start()
        return patched.stop

    def say(self, pin: str) -> None:
        """What whoever reads the PIN's file is told."""
        self.pin.write_text(pin + "\n")
        self.pin.chmod(0o600)

    def put(self, name: str, key: Ed25519PrivateKey | None = None) -> Ed25519PrivateKey:
        """A key that the token knows by this name from now on."""
        key = key or Ed25519PrivateKey.generate()
        self._keys += 1
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        file = self.tokens.with_name("key.pem")
        file.write_bytes(key.private_bytes(*form))
        self._run("--import", str(file), "--token", self.label, "--label", name, "--id", f"{self._keys:02x}")
        file.unlink()
        return key

    def uri(self, name: str, **more: str) -> str:
        """`more` are attributes of its path."""
        path = ";".join(f"{key}={value}" for key, value in {"token": self.label, "object": name, **more}.items())
        return f"pkcs11:{path}?module-path={self.module}&pin-source=file:{self.pin}"

    def _run(self, *words: str) -> None:
        command = [str(self._programs["softhsm2-util"]), "--module", str(self.module), *words, "--pin", PIN]
        more = {CONFIGURATION: str(self._configuration)}
        done = subprocess.run(
            command, env=environment(self._programs, **more), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

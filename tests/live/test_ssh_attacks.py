"""Hosts that lie, and clients that attack the handshake: the gateway says so, stays small, and serves the others."""

from __future__ import annotations

import json
import re
import socket
from typing import Any, ClassVar

from hoopgw.auth.penalties import MAX_PENDING_EACH
from hoopgw.cli.demo.stage import Options
from hoopgw.servers.ssh.rekeying import REKEY_CREDIT
from hoopgw.wire import sshmessages as wire
from hoopgw.wire.sshpackets import Sealer
from tests.live.harness import UNTIL, until
from tests.live.lying_sshd import Host, LyingSshd
from tests.live.raw_ssh import RawClient
from tests.live.test_ssh_hostile import RawCase
from tests.servers.ssh.legs import ED25519, OTHER

STAGE = Options(more={"hoopgw.toml": '\n[limits]\nlogin = "5m"\n'})


class Forging(Host):
    """Shows the right key and signs by another one."""

    def _getHostKeys(self, keyAlg: bytes) -> tuple[Any, Any]:
        shown, _ = super()._getHostKeys(keyAlg)
        return shown, OTHER


class Lies(RawCase):
    options: ClassVar[Options] = STAGE

    def lying(self, course: Any, make: Any = Host) -> LyingSshd:
        """A target `liar` that behaves so, until the end of the test."""
        sshd = LyingSshd(course, make)
        self.addCleanup(sshd.close)
        directory, config = self.stage.gateway.config.parent, self.stage.gateway.config.read_text()
        secret = directory / "secrets/liar"
        secret.touch(0o600)
        secret.write_text("word")
        (directory / "targets.d/liar.toml").write_text(
            f'[target.liar]\nprotocol = "ssh"\naddress = ["127.0.0.1:{sshd.port}"]\n'
            f'host_keys = ["{ED25519.public().toString("OPENSSH").decode()}"]\n'
            f'[target.liar.role.deploy]\nuser = "x"\npassword = "file:{secret}"\n'
        )
        (directory / "grants.d/liar.toml").write_text(
            '[grant.liar]\ngroups = ["agents"]\ntarget = { name = "liar" }\nroles = ["deploy"]\n'
        )
        self.reloaded(config)
        return sshd

    def why(self, *words: str) -> str:
        """What the event says of a login to the liar that failed; its client learns nothing of it."""
        before = len(self.events("target.unavailable"))
        done = self.ssh("true", user="liar", options=("LogLevel=INFO",))
        self.assertEqual(done.returncode, 255)
        self.assertIn(b"the target cannot be reached", done.stderr)
        found = self.counted("target.unavailable", before + 1)
        self.forgiven()
        return str(json.loads(found[-1])["reason"])

    def test_forged(self) -> None:
        """must-survive 30: the pinned key, and a signature by another one; the password is never shown to it."""
        sshd = self.lying(lambda host: host.until(50), Forging)
        self.assertIn("a signature that is not of the target's host key", self.why())
        self.assertTrue(until(lambda: sshd.outcomes))
        self.assertNotIn(b"word", repr(sshd.outcomes).encode())

    def test_terrapin(self) -> None:
        """must-survive 21: IGNORE before the keys, as who wants to shift the count would send it."""
        self.lying(lambda host: (host.transport.write(Sealer().seal(b"\x02" + wire.string(b""))), host.ended()))
        self.assertIn("message 2 inside a key exchange", self.why())

    def test_banners(self) -> None:
        """must-survive 31: banners without end, each as large as a message may be."""

        def course(host: Host) -> str:
            host.until(5)
            host.send(b"\x06" + wire.string(b"ssh-userauth"))
            host.until(50)
            for _ in range(100):
                host.send(b"\x35" + wire.string(b"x" * 200_000) + wire.string(b""))
            return host.ended()

        before = self.memory()
        self.lying(course)
        self.assertIn("message 53", self.why())
        self.assertLess(self.memory() - before, 30_000)

    def test_early_end(self) -> None:
        """It closes after each of its words: an event each time, and the client is told."""

        def after_service(host: Host) -> None:
            host.until(5)
            host.send(b"\x06" + wire.string(b"ssh-userauth"))
            host.until(50)

        for course in (lambda host: None, lambda host: host.until(5), after_service):
            self.lying(course)
            self.assertTrue(self.why())

    def test_says_success_at_once(self) -> None:
        """must-survive 22: a SUCCESS for what was not asked yet."""
        self.lying(lambda host: (host.until(5), host.send(b"\x34"), host.ended()))
        self.assertIn("message 52", self.why())

    def test_rekeys(self) -> None:
        """must-survive 31: new keys again and again, from the host: the session ends."""

        def course(host: Host) -> str:
            host.letting_in()
            for _ in range(REKEY_CREDIT + 2):
                host.rekey()
                while host._exchanging and host.read():
                    pass
            return host.ended()

        sshd = self.lying(course)
        self.assertEqual(self.ssh("true", user="liar").returncode, 255)
        self.told("session.closed", "too many key exchanges")
        self.forgiven()
        self.assertTrue(until(lambda: sshd.outcomes))

    def test_early_close(self) -> None:
        """must-survive 23: CLOSE, data and windows for channels that nobody opened, from the host: the session ends."""
        for message in (
            wire.simple(wire.CHANNEL_CLOSE, 7),
            wire.channel_data(7, b"x"),
            wire.adjust(7, 1),
            wire.simple(wire.CHANNEL_EOF, 7),
        ):

            def course(host: Host, message: bytes = message) -> str:
                host.letting_in()
                host.send(message)
                return host.ended()

            before = len(self.events("session.closed"))
            self.lying(course)
            self.assertEqual(self.ssh("true", user="liar").returncode, 255)
            self.assertTrue(until(lambda before=before: len(self.events("session.closed")) > before))
            self.forgiven()


class Handshakes(RawCase):
    options: ClassVar[Options] = STAGE

    def connected(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.stage.ssh_port), UNTIL)
        self.addCleanup(connection.close)
        return connection

    def test_repeated(self) -> None:
        """must-survive 22: KEXINIT twice, or the exchange before it."""
        for messages in ((wire.KEXINIT, wire.KEXINIT), (30,), (21,)):
            client = RawClient.open(self.stage.ssh_port, self.host_key())
            self.addCleanup(client.connection.close)
            other = self.connected()
            first = client.ourKexInitPayload
            sent = [
                first if number == wire.KEXINIT else bytes((number,)) + wire.string(b"x" * 32) for number in messages
            ]
            said = b"SSH-2.0-x\r\n" + b"".join(map(Sealer().seal, sent))
            other.sendall(said)
            found = b"".join(iter(lambda other=other: other.recv(65536), b""))
            self.assertIn(b"inside a key exchange", found, messages)
            self.forgiven()

    def host_key(self) -> bytes:
        client = self.raw()
        return next(iter(client.known._pinned))

    def test_rekeys(self) -> None:
        """must-survive 31: new keys again and again, from a client: its session ends, others go on."""
        client = self.logged_in()
        for _ in range(REKEY_CREDIT + 2):
            client.rekey()
            while client._exchanging and not client.closing and client.read():
                pass
        self.assertIn("too many key exchanges", client.ended())
        self.forgiven()

    def test_thousand(self) -> None:
        """must-survive 32: a thousand handshakes that stop half way: what is over the bound of one source is told so at
        once, memory stays, and once they have gone the source is served."""
        before = self.memory()
        told, open_ones = 0, []
        for _ in range(1000):
            connection = socket.create_connection(("127.0.0.1", self.stage.ssh_port), UNTIL)
            open_ones.append(connection)
            connection.sendall(b"SSH-2.0-x\r\n")
        for connection in open_ones:
            connection.settimeout(UNTIL)
            told += connection.recv(100).startswith(b"hoopgw: too many logins are under way")
        self.assertEqual(told, 1000 - MAX_PENDING_EACH)
        self.assertLess(self.memory() - before, 60_000)
        self.assertEqual(self.hoopgw("sessions", "list").returncode, 0)
        for connection in open_ones:
            connection.close()
        self.assertTrue(until(lambda: self.ssh("true").returncode == 0))


class Penalties(RawCase):
    """On a stage of its own: afterwards this address has to wait."""

    options: ClassVar[Options] = STAGE

    def test_penalties(self) -> None:
        """must-survive 32: after some failures a source is refused before it can try, by words and by an event."""
        wrong = self.stage.agent[:-8] + "AAAAAAAA"

        def seconds() -> int:
            """How long this address has to wait, after several more have failed at once: time forgives."""
            for each in [self.start("web1@127.0.0.1", "true", token=wrong) for _ in range(8)]:
                self.assertEqual(each.wait(UNTIL), 255)
            with socket.create_connection(("127.0.0.1", self.stage.ssh_port), UNTIL) as connection:
                told = re.search(rb"hoopgw: too many failed logins from this address: .* (\d+) s", connection.recv(200))
            return int(told[1]) if told else 0

        self.assertTrue(until(lambda: seconds() > 25))
        self.told("login.refused", "too many failed logins")
        self.assertEqual(self.ssh("true").returncode, 255)

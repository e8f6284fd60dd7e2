"""Key exchange and packets of both legs, face to face and against hands that break the protocol."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth.ssh_host_keys import HostKeys
from hoopgw.servers.ssh import algorithms, asides, kexinit, rekeying, transport
from hoopgw.servers.ssh.algorithms import DEFAULT, Algorithms, chosen
from hoopgw.servers.ssh.exchange import begun
from hoopgw.servers.ssh.hostkeys import HostKey
from hoopgw.servers.ssh.leg import Leg
from hoopgw.servers.ssh.packets import TURN
from hoopgw.wire import sshmessages as wire
from hoopgw.wire.sshpackets import Sealer
from tests.servers.ssh.legs import ED25519, OTHER, RSA, Client, Server, Wire, carry, connected, established, gone

DATA = wire.channel_data(0, b"x" * 100)


class Lax:
    """Takes its peer for one without strict-kex."""

    strict = property(lambda self: False, lambda self, value: None)


class LaxServer(Lax, Server):
    pass


class LaxClient(Lax, Client):
    pass


class Exchange(SynchronousTestCase):
    def test_hybrid(self) -> None:
        """Both agree on mlkem768x25519 and AES-GCM, strictly; messages pass both ways."""
        server, client = established()
        self.assertTrue(server.is_secure and client.is_secure and server.strict and client.strict)
        self.assertEqual(client.described["kex"], "mlkem768x25519-sha256")
        self.assertEqual(client.described["cipher"], "aes128-gcm@openssh.com")
        client.send(DATA)
        server.write(wire.framed(DATA) * 2)
        carry(server, client)
        self.assertEqual((server.runs, client.runs), ([wire.framed(DATA)], [wire.framed(DATA) * 2]))

    def test_curve(self) -> None:
        """curve25519 where the peer has no hybrid, by RSA with SHA-2 where that is the host key."""
        client = Client()
        client.signatures, client.known = (b"rsa-sha2-512",), HostKeys((RSA.public().blob(),), (), "here")
        server = Server()
        client.algorithms = Algorithms(exchanges=(b"curve25519-sha256",))
        carry(*connected(server, client))
        self.assertEqual((client.is_secure, client.described["host_key"]), (True, "rsa-sha2-512"))

    def test_compatible(self) -> None:
        """Behind the switch: each NIST curve and each cipher, with new keys in between; without it none of them."""
        for exchange in (*algorithms.CURVE, *algorithms.NIST):
            for cipher in (algorithms.CHACHA, *algorithms.GCM, *algorithms.CTR):
                for mac in algorithms.COMPATIBLE.macs:
                    server, client = Server(), Client()
                    server.algorithms = algorithms.COMPATIBLE
                    client.algorithms = Algorithms((exchange,), (cipher,), (mac,))
                    carry(*connected(server, client), 1000)
                    self.assertEqual(client.described["cipher"], cipher.decode())
                    server.established = client.established = True
                    for leg in (server, client):
                        leg.send(DATA)
                        leg.rekey()
                        leg.send(DATA)
                        carry(server, client)
                    self.assertEqual((b"".join(server.runs), b"".join(client.runs)), (wire.framed(DATA) * 2,) * 2)
        for words, theirs in (
            ("key exchange", Algorithms(exchanges=algorithms.NIST)),
            ("cipher", Algorithms(ciphers=tuple(algorithms.CTR))),
        ):
            server, client = Server(), Client()
            client.algorithms = theirs
            carry(*connected(server, client))
            self.assertEqual((server.is_secure, server.failures), (False, [f"no {words} in common"]))

    def test_post_quantum_only(self) -> None:
        """`kex = "pq-only"` takes the hybrid, and no client without it."""
        for theirs, good in ((algorithms.DEFAULT, True), (Algorithms(exchanges=algorithms.CURVE), False)):
            server, client = Server(), Client()
            server.algorithms, client.algorithms = chosen("pq-only", False), theirs
            carry(*connected(server, client))
            self.assertEqual(server.is_secure, good)

    def test_counting(self) -> None:
        """Packets are counted from 0 by strict-kex, else across keys: AES-CTR with a MAC works with both kinds."""
        for strict in (True, False):
            server, client = (Server(), Client()) if strict else (LaxServer(), LaxClient())
            server.algorithms = client.algorithms = Algorithms(ciphers=tuple(algorithms.CTR))
            carry(*connected(server, client))
            self.assertTrue(server.is_secure)
            # EXT_INFO; KEXINIT, the exchange, NEWKEYS
            self.assertEqual(server._packets.sealer.sequence, 1 if strict else 4)
            client.rekey()
            carry(server, client)
            self.assertEqual((server.failures, client.failures), ([], []))

    def test_chacha_without_strict(self) -> None:
        """must-survive 21 (CVE-2023-48795): ChaCha20-Poly1305 with a peer without strict-kex is refused, both ways."""
        for lax in (Server, Client):
            server, client = Server(), Client()
            client.algorithms = Algorithms(ciphers=(algorithms.CHACHA,))
            connected(server, client)
            there = server if lax is Server else client
            said = there.ourKexInitPayload.replace(kexinit.STRICT[there.isClient], b"kex-strict-x-v00@openssh.com")
            there.transport.written[-1:] = [Sealer().seal(said)]
            here = client if there is server else server
            here.dataReceived(b"".join(there.transport.written))
            self.assertIn("needs strict-kex", here.failures[0])
            self.assertFalse(here.is_secure)

    @settings(max_examples=10)
    @given(st.integers(1, 700))
    def test_any_cut(self, step: int) -> None:
        """However the stream is cut, the exchange ends well and the same messages come."""
        server, client = connected()
        carry(server, client, step)
        server.established = client.established = True
        client.write(wire.framed(DATA) * 3)
        carry(server, client, step)
        self.assertEqual(b"".join(server.runs), wire.framed(DATA) * 3)

    def test_unknown_host_key(self) -> None:
        """A target that shows another key than the pinned one gets nothing of the gateway."""
        client = Client()
        client.known = HostKeys((OTHER.public().blob(),), (), "here")
        server, client = connected(client=client)
        carry(server, client)
        self.assertEqual(client.failures, ["a host key that is not the target's configured one"])
        self.assertFalse(client.is_secure or server.is_secure)

    def test_forged_signature(self) -> None:
        """A target that shows the pinned key and signs with another one is no target."""
        server = Server()
        pinned = Server.host_keys[b"ssh-ed25519"]
        server._getHostKeys = lambda algorithm: (pinned, HostKey(OTHER))  # type: ignore[method-assign]
        server, client = connected(server)
        carry(server, client)
        self.assertEqual(client.failures, ["a signature that is not of the target's host key"])

    def test_guesses(self) -> None:
        """A first message of an exchange, sent on a guess: right only where both prefer the same (RFC 4253, 7);
        dropbear guesses."""
        for exchanges, taken in ((DEFAULT.exchanges, True), (algorithms.CURVE, False), (algorithms.CURVE[1:], False)):
            server, client = Server(), Client()
            client.algorithms = Algorithms(exchanges=exchanges)
            connected(server, client)
            said = client.ourKexInitPayload = client.ourKexInitPayload[:-5] + b"\1" + bytes(4)
            guess = bytes((wire.EXCHANGE_INIT,)) + wire.string(begun(exchanges[0]).share)
            client.transport.written = [b"SSH-2.0-x\r\n", Sealer().seal(said), Sealer().seal(guess)]
            server.dataReceived(b"".join(client.transport.written))
            self.assertEqual((server.failures, server._phase is transport.Phase.NEWKEYS), ([], taken), exchanges)
            server.dataReceived(Sealer().seal(guess))
            self.assertEqual(server.failures, ["message 30 inside a key exchange"] if taken else [])

    def test_changed_host_key(self) -> None:
        """must-survive 30: a target that shows another of its keys in a later exchange is left."""
        server, client = Server(), Client()
        client.known = HostKeys((ED25519.public().blob(), RSA.public().blob()), (), "here")
        client.signatures = (b"ssh-ed25519", b"rsa-sha2-512")
        carry(*connected(server, client))
        server.established = client.established = True
        client.rekey()
        carry(server, client)
        self.assertEqual(client.failures, [])
        server.signatures = (b"rsa-sha2-512",)
        server.rekey()
        carry(server, client)
        self.assertEqual(client.failures, ["another host key than the connection began with"])

    def test_nothing_weak(self) -> None:
        """No SHA-1, no DSS, no CBC, no MD5, no NIST curve, no compression is offered; strict-kex is."""
        server, client = connected()
        for leg in (server, client):
            sent = leg.ourKexInitPayload
            for weak in (b"sha1", b"dss", b"cbc", b"md5", b"3des", b"nistp", b"group", b"zlib", b"ctr", b"ssh-rsa,"):
                self.assertNotIn(weak, sent)
            self.assertIn(b"kex-strict-", sent)


class Turns(SynchronousTestCase):
    """A peer that says more than a turn's worth leaves turns for the others, and nothing of it is lost."""

    def flood(self, count: int) -> tuple[Any, list[bytes]]:
        """A server to which so many messages came in one read."""
        server, client = established()
        said = [wire.channel_data(0, b"%d" % number) for number in range(count)]
        client.write(b"".join(map(wire.framed, said)))
        server.dataReceived(b"".join(client.transport.written))
        return server, said

    def heard(self, server: Any) -> list[bytes]:
        return wire.messages(b"".join(server.runs))

    def test_turn(self) -> None:
        """TURN packets each, in their order; the peer is not read meanwhile, and then is."""
        server, said = self.flood(3 * TURN)
        self.assertEqual(self.heard(server), said[:TURN])
        self.assertFalse(server.transport.reads)
        server.clock.advance(0)
        self.assertEqual(self.heard(server), said)
        self.assertTrue(server.transport.reads)

    def test_whole_read(self) -> None:
        """As many as a turn takes, and no more, wait for nothing."""
        server, said = self.flood(TURN)
        self.assertEqual((self.heard(server), server.transport.reads), (said, True))

    def test_messages_alone(self) -> None:
        """IGNORE ends a run each time, and counts as well; what comes meanwhile stands behind."""
        server, client = established()
        client.write((wire.framed(b"\x02" + wire.string(b"")) + wire.framed(DATA)) * TURN)
        server.dataReceived(b"".join(client.transport.written))
        self.assertEqual(len(self.heard(server)), TURN // 2)
        client.transport.written.clear()
        client.write(wire.framed(wire.channel_data(0, b"last")))
        server.dataReceived(b"".join(client.transport.written))
        self.assertEqual(len(self.heard(server)), TURN // 2)
        server.clock.advance(0)
        self.assertEqual(self.heard(server), [DATA] * TURN + [wire.channel_data(0, b"last")])

    def test_new_keys_between(self) -> None:
        """Keys that change in the middle of it count anew, and nothing is lost."""
        server, client = established()
        for number in range(3 * TURN):
            client.send(wire.channel_data(0, b"%d" % number))
            if number % TURN == 7:
                client.rekey()
                carry(server, client)
        carry(server, client)
        self.assertEqual(self.heard(server), [wire.channel_data(0, b"%d" % number) for number in range(3 * TURN)])

    def test_gone(self) -> None:
        """What a peer said before it went is heard."""
        server, said = self.flood(2 * TURN + 3)
        gone(server)
        self.assertEqual(self.heard(server), said)
        server.clock.advance(0)
        self.assertEqual(self.heard(server), said)

    def test_others_stop_it_too(self) -> None:
        """Whoever else has stopped reading has the say when the turns are over."""
        server, said = self.flood(2 * TURN)
        leg = Leg(server)
        leg.pauseProducing()
        server.clock.advance(0)
        self.assertEqual((self.heard(server), server.transport.reads), (said, False))
        leg.resumeProducing()
        self.assertTrue(server.transport.reads)

    def test_broken_meanwhile(self) -> None:
        """A connection that is given up hears nothing more."""
        server, said = self.flood(2 * TURN)
        server.disconnect("enough")
        server.clock.advance(0)
        self.assertEqual((self.heard(server), server.transport.reads), (said[:TURN], True))


class Rekeying(SynchronousTestCase):
    def test_while_data_flows(self) -> None:
        """New keys on either side's wish, while both send: nothing is lost, nothing comes in another order."""
        server, client = established()
        for number in range(20):
            client.send(wire.channel_data(0, b"%d" % number))
            server.send(wire.channel_data(1, b"%d" % number))
            (client if number % 2 else server).rekey()
            if number % 3:
                carry(server, client)
        carry(server, client)
        for leg, channel in ((server, 0), (client, 1)):
            self.assertEqual(
                wire.messages(b"".join(leg.runs)), [wire.channel_data(channel, b"%d" % each) for each in range(20)]
            )

    def test_by_bytes_and_time(self) -> None:
        """A key is used for so many bytes, and for so long."""
        server, client = established()
        before = server._packets.opener
        server._packets.limit = 1000
        server.write(wire.framed(DATA) * 20)
        carry(server, client)
        self.assertIsNot(server._packets.opener, before)
        before = server._packets.opener
        server.clock.advance(rekeying.REKEY_SECONDS + 1)
        carry(server, client)
        self.assertIsNot(server._packets.opener, before)

    def test_back_pressure(self) -> None:
        """must-survive 31: while keys are exchanged the other side is not read, and what waits has a bound; a peer that
        never finishes is left."""
        server, _client = established()
        server.beside, _peer = established()
        server.rekey()
        self.assertFalse(server.beside.transport.reads)
        server.write(wire.framed(DATA))
        server.clock.advance(rekeying.REKEY_DEADLINE + 1)
        self.assertEqual(server.failures, ["a key exchange that takes too long"])
        other, _ = established()
        other.rekey()
        for _ in range(1 + rekeying.MAX_BLOCKED // 32768):
            other.write(wire.framed(b"\x5e" + b"x" * 32768))
        self.assertEqual(other.failures, ["a key exchange that does not end"])
        self.assertTrue(other.transport.closed)

    def test_flood(self) -> None:
        """must-survive 31: a peer that only ever wants new keys is left."""
        server, client = established()
        for _ in range(rekeying.REKEY_CREDIT + 2):
            client.rekey()
            carry(server, client)
        self.assertEqual(server.failures, ["too many key exchanges"])


class Unread(SynchronousTestCase):
    def test_answers(self) -> None:
        """must-survive 24: who asks and takes no answer is given up before they fill the memory; who takes them is
        not, however much it was."""
        server, client = established()
        ask = wire.framed(b"\x50" + wire.string(b"x") + b"\1")
        server.max_unsent = 4096
        for _ in range(2):
            server.write(wire.framed(b"\x52") * 200)
            self.assertGreater(server.transport.unsent(), server.max_unsent)
            carry(server, client)
            client.write(ask)
            carry(server, client)
        self.assertEqual((server.failures, server.runs), ([], [ask, ask]))
        server.write(wire.framed(b"\x52") * 200)
        client.write(ask)
        server.dataReceived(b"".join(client.transport.written))
        self.assertEqual(server.failures, ["requests, and takes none of the answers"])
        self.assertTrue(server.transport.closed)


class Phases(SynchronousTestCase):
    def first(self, message: bytes) -> Any:
        """A server whose client's first packet is `message`."""
        server, _ = connected()
        server.dataReceived(b"SSH-2.0-x\r\n" + Sealer().seal(message))
        return server

    def test_terrapin(self) -> None:
        """must-survive 21: in the first exchange nothing may come but the exchange: no IGNORE, DEBUG, UNIMPLEMENTED,
        EXT_INFO, before KEXINIT or behind it."""
        for message in (b"\x02" + wire.string(b""), b"\x04", b"\x03" + wire.u32(0), b"\x07" + wire.u32(0), b"\x15"):
            self.assertTrue(self.first(message).failures, message)
            server, client = connected()
            client._write(client._packets.sealer.seal(message))
            carry(server, client)
            self.assertTrue(server.failures, message)
            self.assertFalse(server.is_secure)

    def test_target_too(self) -> None:
        """must-survive 21: the same towards a target."""
        server, client = connected()
        server._write(server._packets.sealer.seal(b"\x02" + wire.string(b"")))
        carry(server, client)
        self.assertEqual(client.failures, ["message 2 inside a key exchange"])

    def test_phases(self) -> None:
        """must-survive 22: channels before the login, logins after it, a second EXT_INFO, an unknown message."""
        for message in (b"\x5a", b"\x50", b"\x1e", b"\x15", b"\xc0"):
            server, client = connected()
            carry(server, client)
            client.send(message)
            carry(server, client)
            self.assertTrue(server.failures, message)
        for message in (b"\x32", b"\x34", b"\x05", b"\x07" + wire.u32(0), b"\x1e"):
            server, client = established()
            client.send(message)
            carry(server, client)
            self.assertTrue(server.failures, message)
        server, client = connected()
        carry(server, client)
        client.send(b"\x07" + wire.u32(0))
        client.send(b"\x07" + wire.u32(0))
        carry(server, client)
        self.assertEqual(server.failures, ["extensions where there can be none"])

    def test_during_rekey(self) -> None:
        """Once its KEXINIT is out, a peer sends nothing of its session until its NEWKEYS (RFC 4253, 7.1)."""
        server, client = established()
        client.rekey()
        client._exchanging = False
        client.send(DATA)
        carry(server, client)
        self.assertEqual(server.failures, ["message 94 inside a key exchange"])

    def test_idle_talk(self) -> None:
        """must-survive 31: IGNORE without end before the login ends it; in a session it costs nothing that stays."""
        server, client = connected()
        carry(server, client)
        for _ in range(asides.MAX_EARLY + 1):
            client.send(b"\x02" + wire.string(b""))
        carry(server, client)
        self.assertEqual(server.failures, ["too many messages that say nothing"])
        server, client = established()
        client.write(wire.framed(b"\x02" + wire.string(b"x" * 100)) * 5000)
        carry(server, client)
        self.assertEqual((server.failures, server._packets.held, server._blocked.taken()), ([], 0, []))

    def test_versions(self) -> None:
        """A client's first line is its version, 2.0 and short; a server may greet for a while before it."""
        for line in (b"GET / HTTP/1.0\r\n", b"SSH-1.5-x\r\n", b"SSH-2.0-" + b"x" * 300, b"\0\0\0"):
            server, _ = connected()
            server.dataReceived(line)
            self.assertTrue(server.failures, line)
        _, client = connected()
        client.dataReceived(b"hello\r\n" * 3)
        self.assertEqual(client.failures, [])
        client.dataReceived(b"hello\r\n" * 2000)
        self.assertTrue(client.failures)

    @settings(max_examples=60)
    @given(st.lists(st.binary(min_size=1, max_size=80), max_size=4))
    def test_junk(self, messages: list[bytes]) -> None:
        """Junk in clear ends the connection or waits, never without keys; nothing is raised."""
        server, _ = connected()
        server.dataReceived(b"SSH-2.0-x\r\n" + b"".join(map(Sealer().seal, messages)))
        self.assertFalse(server.is_secure)

    @settings(max_examples=60)
    @given(st.binary(max_size=200), st.sampled_from([20, 30]))
    def test_junk_exchange(self, rest: bytes, number: int) -> None:
        """The same of what a KEXINIT or an exchange holds."""
        server, client = connected()
        if number == 30:
            server.dataReceived(b"SSH-2.0-x\r\n" + Sealer().seal(client.ourKexInitPayload))
        else:
            server.dataReceived(b"SSH-2.0-x\r\n")
        server.dataReceived(Sealer().seal(bytes((number,)) + rest))
        self.assertIsInstance(server.transport, Wire)
        self.assertFalse(server.is_secure)

"""SFTP through the relay: what passes, what is asked, what is denied; and a real sftp-server at the other end."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from hoopgw.cli.demo.children import ChildFailed
from hoopgw.cli.demo.programs import Programs
from hoopgw.model.answer import GO, Answer, Decision, Denial
from hoopgw.model.errors import WireError
from hoopgw.relay.effects import Observed
from hoopgw.relay.ssh_channel import RESERVE
from hoopgw.relay.ssh_files import MAX_HELD, OWN, OWN_REQUEST, Files
from hoopgw.wire import sftp
from hoopgw.wire import sshmessages as wire
from hoopgw.wire.sftppaths import canonical
from tests.relay.test_ssh import Play

NO = Answer(Denial(Decision.REFUSED, "not here", ("no-etc",)))
INIT = b"\0\0\0\5\1\0\0\0\3"
VERSION = b"\0\0\0\5\2\0\0\0\3"
HOME = sftp.packet(sftp.NAME, OWN, wire.u32(1) + wire.string(b"/home/a") * 2 + wire.u32(0))
READS, CREATES = 1, 0x1A


def opening(id: int, path: bytes, flags: int = READS) -> bytes:
    return sftp.packet(sftp.OPEN, id, wire.string(path) + wire.u32(flags) + wire.u32(0))


def write(id: int, handle: bytes, offset: int, data: bytes) -> bytes:
    return sftp.packet(sftp.WRITE, id, wire.string(handle) + offset.to_bytes(8, "big") + wire.string(data))


def close(id: int, handle: bytes) -> bytes:
    return sftp.packet(sftp.CLOSE, id, wire.string(handle))


def named(kind: int, id: int, *paths: bytes) -> bytes:
    return sftp.packet(kind, id, b"".join(map(wire.string, paths)))


def handle(id: int, name: bytes) -> bytes:
    return sftp.packet(sftp.HANDLE, id, wire.string(name))


def ok(id: int) -> bytes:
    return sftp.status(id, sftp.OK, b"")


class Session(Play):
    """A channel with SFTP, home /home/a, its packets without the messages around them."""

    def __init__(self, refused: tuple[bytes, ...] = ()) -> None:
        super().__init__(lambda operation: NO if operation.text.startswith(refused) else GO)
        self.open()
        self.client(wire.request(7, b"subsystem", False, wire.string(b"sftp")))
        self.sends(INIT)
        self.answers(VERSION + HOME)
        self.took()
        self.operations.clear()

    def sends(self, data: bytes, step: int = 40_000) -> None:
        for here in range(0, len(data), step):
            self.client(wire.channel_data(7, data[here : here + step]))

    def answers(self, data: bytes, step: int = 40_000) -> None:
        for here in range(0, len(data), step):
            self.target(wire.channel_data(0, data[here : here + step]))

    def packets(self) -> tuple[bytes, bytes]:
        """(SFTP bytes that the client got, that the target got)."""
        client, target = self.took()
        data = [b"".join(each[9:] for each in side if each[0] == wire.CHANNEL_DATA) for side in (client, target)]
        return data[0], data[1]

    def texts(self) -> list[bytes]:
        return [operation.text for operation in self.operations]

    def notes(self) -> list[dict[str, object]]:
        return [effect.fields for effect in self.others if isinstance(effect, Observed)]


class Passing(SynchronousTestCase):
    def test_names_of_the_subsystem(self) -> None:
        """A target that takes another spelling for SFTP gets no file that nobody was asked about."""
        for name in (b"SFTP", b"sftp ", b"Sftp\0x"):
            session = Play()
            session.open()
            session.client(wire.request(7, b"subsystem", False, wire.string(name)), wire.channel_data(7, INIT))
            session.client(wire.channel_data(7, opening(1, b"/etc/x")))
            session.target(wire.channel_data(0, VERSION + HOME))
            self.assertEqual([each.text for each in session.operations], [name, b"read /etc/x"])

    def test_servers_by_command(self) -> None:
        """must-survive: `sftp -s PATH` is SFTP as well, on a terminal too: each file is asked about."""
        command, terminal = b"/usr/lib/openssh/sftp-server", wire.string(b"xterm") + bytes(16) + wire.string(b"")
        for before in ([], [wire.request(7, b"pty-req", False, terminal)]):
            session = Play()
            session.open()
            session.client(*before, wire.request(7, b"exec", False, wire.string(command)), wire.channel_data(7, INIT))
            session.client(wire.channel_data(7, opening(1, b"/etc/x")))
            session.target(wire.channel_data(0, VERSION + HOME))
            self.assertEqual([each.text for each in session.operations][-2:], [command, b"read /etc/x"])

    def test_data_before_the_start(self) -> None:
        """Some servers keep it for what is started then: it would be SFTP that nobody was asked about."""
        for kind in (wire.channel_data(7, INIT), b"\x5f" + wire.u32(7) + wire.u32(1) + wire.string(INIT)):
            session = Play()
            session.open()
            session.client(kind, wire.request(7, b"subsystem", False, wire.string(b"sftp")))
            self.assertIn("before anything was started", session.hangup().reason)
            self.assertEqual(session.operations, [])

    def test_data_for_stderr(self) -> None:
        """Some servers take it for more of their input: nobody would be asked about these files."""
        session = Session()
        session.client(b"\x5f" + wire.u32(7) + wire.u32(1) + wire.string(opening(2, b"/etc/x", CREATES)))
        self.assertIn("data for stderr", session.hangup().reason)
        self.assertEqual((session.operations, session.packets()[1]), ([], b""))

    def test_write(self) -> None:
        """What is opened is asked; what was written has its size and digest when it is closed."""
        session = Session()
        data = b"x" * 50_000
        there = [
            opening(2, b"./../a/a b", CREATES),
            write(3, b"h", 0, data),
            write(4, b"h", 50_000, b"end"),
            close(5, b"h"),
        ]
        session.sends(there[0])
        session.answers(handle(2, b"h"))
        session.sends(b"".join(there[1:]))
        session.answers(ok(3) + ok(4) + ok(5))
        client, target = session.packets()
        self.assertEqual(target, b"".join(there))
        self.assertEqual(client, handle(2, b"h") + ok(3) + ok(4) + ok(5))
        self.assertEqual(session.texts(), [b"write '/home/a/a b'"])
        digest = hashlib.sha256(data + b"end").hexdigest()
        self.assertEqual(
            session.notes(), [{"action": "write", "path": "/home/a/a b", "bytes": 50_003, "sha256": digest}]
        )

    def test_home(self) -> None:
        """The gateway asks where relative paths begin, before the client's first request; both windows stay true."""
        session = Play()
        session.open()
        session.client(wire.request(7, b"subsystem", False, wire.string(b"sftp")))
        session.took()
        session.client(wire.channel_data(7, INIT + opening(2, b"x")))
        self.assertEqual(session.took()[1], [wire.channel_data(7, INIT + OWN_REQUEST)])
        session.target(wire.channel_data(0, VERSION + HOME[:9]))
        session.target(wire.channel_data(0, HOME[9:]))
        client, target = session.took()
        self.assertEqual(client, [wire.channel_data(0, VERSION)])
        self.assertEqual(target, [wire.adjust(7, len(HOME)), wire.channel_data(7, opening(2, b"x"))])
        self.assertEqual(session.operations[-1].text, b"read /home/a/x")
        session.target(wire.adjust(0, 10), wire.adjust(0, 100))
        self.assertEqual(session.took()[0], [wire.adjust(0, 110 - len(OWN_REQUEST))])

    def test_no_home(self) -> None:
        """A target that does not say it: relative paths stay as they are."""
        session = Play()
        session.open()
        session.client(wire.request(7, b"subsystem", False, wire.string(b"sftp")))
        session.client(wire.channel_data(7, INIT))
        session.target(wire.channel_data(0, VERSION + sftp.status(OWN, 4, b"no")))
        session.client(wire.channel_data(7, opening(2, b"x")))
        self.assertEqual(session.operations[-1].text, b"read x")

    def test_not_hashed(self) -> None:
        """Content that was not written in sequence, or of which a write failed, has no digest."""
        for second, answer in ((write(4, b"h", 9, b"b"), ok(4)), (write(4, b"h", 1, b"b"), sftp.status(4, 4, b"full"))):
            session = Session()
            session.sends(opening(2, b"/x", CREATES))
            session.answers(handle(2, b"h"))
            session.sends(write(3, b"h", 0, b"a") + second + close(5, b"h"))
            session.answers(ok(3) + answer + ok(5))
            self.assertEqual(session.notes()[0]["sha256"], "not hashed")

    def test_actions(self) -> None:
        """Every request that names a file is one operation, with canonical paths."""
        session = Session()
        for number, (packet, text) in enumerate(
            (
                (named(sftp.REMOVE, 9, b"/a//b/./c"), b"remove /a/b/c"),
                (named(sftp.RENAME, 9, b"x", b"/../y"), b"rename /home/a/x /y"),
                (named(sftp.RMDIR, 9, b"d"), b"rmdir /home/a/d"),
                (named(sftp.MKDIR, 9, b"d") , b"mkdir /home/a/d"),
                (named(sftp.OPENDIR, 9, b""), b"list /home/a"),
                (named(sftp.SYMLINK, 9, b"t", b"/b//l"), b"link t /b/l"),
                (named(sftp.EXTENDED, 9, b"posix-rename@openssh.com", b"a", b"b"), b"rename /home/a/a /home/a/b"),
                (named(sftp.EXTENDED, 9, b"hardlink@openssh.com", b"a", b"b"), b"link /home/a/a /home/a/b"),
            )
        ):  # fmt: skip
            session.sends(packet)
            session.answers(ok(9))
            self.assertEqual(session.texts()[number:], [text])
            self.assertEqual(session.notes()[-1]["done"], True)

    def test_no_byte_ends_a_path_early(self) -> None:
        """A target that reads a path up to a NUL would open another file: what has one is no known request."""
        session = Session()
        session.sends(opening(9, b"/srv/a.key\0.txt"))
        self.assertEqual(session.texts(), [b"unknown"])

    def test_closed_by_the_end(self) -> None:
        """A file that was open when the channel ended is told of, and that it was not closed."""
        session = Session()
        session.sends(opening(2, b"/x", CREATES))
        session.answers(handle(2, b"h"))
        session.sends(write(3, b"h", 0, b"abc"))
        session.target(wire.simple(wire.CHANNEL_CLOSE, 0))
        self.assertEqual(session.notes(), [{"action": "write", "path": "/x", "bytes": 3, "closed": False}])

    @given(st.integers(1, 60), st.integers(1, 60))
    @settings(max_examples=40)
    def test_any_cut(self, there: int, back: int) -> None:
        """However the two streams are cut into messages, the same packets arrive and the same is asked."""
        session = Session((b"remove",))
        requests = opening(2, b"/x", CREATES) + named(sftp.REMOVE, 3, b"/etc/y") + named(sftp.STAT, 4, b"/x")
        session.sends(requests, there)
        session.answers(handle(2, b"h") + sftp.status(3, 8, b"Operation unsupported") + sftp.status(4, 2, b"no"), back)
        session.sends(write(5, b"h", 0, b"abc") + close(6, b"h"), there)
        session.answers(ok(5) + ok(6), back)
        client, target = session.packets()
        expected = opening(2, b"/x", CREATES) + sftp.nothing(3) + named(sftp.STAT, 4, b"/x")
        self.assertEqual(target, expected + write(5, b"h", 0, b"abc") + close(6, b"h"))
        refusal = sftp.status(3, sftp.PERMISSION_DENIED, b"refused: not here")
        self.assertEqual(client, handle(2, b"h") + refusal + sftp.status(4, 2, b"no") + ok(5) + ok(6))
        self.assertEqual(session.texts(), [b"write /x", b"remove /etc/y"])
        self.assertEqual(session.notes()[0]["sha256"], hashlib.sha256(b"abc").hexdigest())


class Denied(SynchronousTestCase):
    def test_window(self) -> None:
        """must-survive 81: a thousand refusals cost the window nothing, and the words stop before the credit does."""
        session = Session((b"write",))
        sent = granted = shown = 0
        for number in range(2, 1002):
            packet = opening(number, b"/etc/" + b"x" * 100, CREATES)
            session.sends(packet)
            session.answers(sftp.status(number, 8, b"unsupported"))
            client, target = session.took()
            sent += len(packet) - sum(len(each) - 9 for each in target if each[0] == wire.CHANNEL_DATA)
            granted += sum(wire.read_adjust(each) for each in client if each[0] == wire.CHANNEL_WINDOW_ADJUST)
            shown += sum(wire.data_size(each) for each in client if each[0] in (94, 95)) - len(
                sftp.status(number, 8, b"unsupported")
            )
            (answer,) = [each[9:] for each in client if each[0] == wire.CHANNEL_DATA]
            self.assertEqual((answer[4], answer[5:9], answer[9:13]), (101, wire.u32(number), wire.u32(3)))
        self.assertEqual(sent, granted)
        self.assertLessEqual(shown, RESERVE)

    def test_unknown(self) -> None:
        """A request that nobody knows is asked about as unknown; a denied one is never carried out unseen."""
        session = Session((b"unknown",))
        session.sends(named(sftp.EXTENDED, 9, b"copy-data", b"x") + sftp.packet(99, 10, b""))
        self.assertEqual(session.texts(), [b"unknown", b"unknown"])
        session.answers(handle(9, b"h"))
        self.assertIn("was carried out", session.hangup().reason)

    def test_hold(self) -> None:
        """An open that waits keeps what follows it, in its order; another channel goes on."""
        session = Session()
        session.decide = lambda operation: None if operation.text.startswith(b"write") else GO
        session.sends(opening(2, b"/x", CREATES) + named(sftp.STAT, 3, b"/x"))
        session.sends(named(sftp.STAT, 4, b"/x"))
        self.assertEqual(session.packets()[1], b"")
        session.answer(GO)
        self.assertEqual(
            session.packets()[1], opening(2, b"/x", CREATES) + named(sftp.STAT, 3, b"/x") + named(sftp.STAT, 4, b"/x")
        )

    def test_by_handle(self) -> None:
        """Attributes that are set by a handle are asked about by its path; an open for both is neither alone."""
        session = Session((b"setstat",))
        session.sends(opening(2, b"/x"))
        session.answers(handle(2, b"h"))
        chmod = [sftp.packet(sftp.FSETSTAT, id, wire.string(name) + wire.u32(0)) for id, name in ((3, b"h"), (4, b"g"))]
        session.sends(chmod[0] + chmod[1] + opening(5, b"/x", READS | CREATES))
        self.assertEqual(session.texts(), [b"read /x", b"setstat /x", b"setstat '?'", b"read-write /x"])
        self.assertNotIn(chmod[0], session.packets()[1])

    def test_copied_on_the_target(self) -> None:
        """What an unknown extension writes is in no digest."""
        session = Session()
        session.sends(opening(2, b"/x", CREATES))
        session.answers(handle(2, b"h"))
        session.sends(named(sftp.EXTENDED, 3, b"copy-data", b"r") + close(4, b"h"))
        session.answers(ok(3) + ok(4))
        self.assertEqual(session.notes()[-1]["sha256"], "not hashed")


class Hostile(SynchronousTestCase):
    def test_guessed_handles(self) -> None:
        """What is written or read by a handle that was not given yet would be missing in what is said of the file."""
        for guess in (write(3, b"h", 0, b"abc"), sftp.packet(sftp.READ, 3, wire.string(b"h") + b"\0" * 12)):
            session = Session()
            session.sends(opening(2, b"/x", CREATES | READS) + guess)
            self.assertIn("has not opened", session.hangup().reason)

    def test_violations(self) -> None:
        """must-survive 25: lengths, handles, ids and versions that are none end the session."""
        for data in (
            b"\0\0\0\4\3\0\0\0\0", b"\xff\xff\xff\xff\3\0\0\0\1", sftp.packet(sftp.OPEN, 2, wire.string(b"x" * 20_000)),
            sftp.packet(sftp.WRITE, 2, b"\0\0\xff\xff" + b"x" * 40), write(2, b"h", 0, b"abc")[:-1],
            named(sftp.STAT, 3, b"a") + named(sftp.STAT, 3, b"b"),
        ):  # fmt: skip
            session = Session()
            if data == write(2, b"h", 0, b"abc")[:-1]:
                data = (len(data) - 4).to_bytes(4, "big") + data[4:]
            session.sends(data)
            self.assertTrue(session.hangup(), data)
        for first in (
            named(sftp.STAT, 1, b"x"),
            INIT + INIT,
            INIT + named(sftp.REMOVE, 1, b"x") * (MAX_HELD // 14 + 1),
        ):
            play = Play()
            play.open()
            play.client(wire.request(7, b"subsystem", False, wire.string(b"sftp")))
            play.client(wire.channel_data(7, first))
            self.assertTrue(play.hangup())
        for answer in (ok(77), b"\0\0\0\5\2\0\0\0\6"):
            session = Session()
            session.answers(answer)
            self.assertTrue(session.hangup())

    @given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=8))
    def test_junk(self, pieces: list[tuple[bool, bytes]]) -> None:
        """Any bytes from either side raise WireError or nothing."""
        files = Files()
        try:
            for from_client, data in pieces:
                if from_client:
                    files.client(data)
                    if files.request is not None:
                        files.allowed()
                else:
                    files.target(data, 100)
        except WireError:
            pass

    def test_canonical(self) -> None:
        """must-survive 37: no spelling of a path is another path."""
        for path, home, expected in (
            (b"/../../etc//passwd", b"", b"/etc/passwd"), (b"/a/../etc", b"", b"/a/../etc"), (b"..", b"/h", b"/"),
            (b"x/..", b"/h", b"/h/x/.."), (b"/var/run/../etc/x", b"/h", b"/var/run/../etc/x"),
            (b"/h/../etc/x", b"/h", b"/etc/x"), (b"/h/i/../h/../etc", b"/h/i", b"/h/i/../h/../etc"),
            (b"x", b"", b"x"),
            (b"", b"/h", b"/h"), (b"/.//", b"", b"/"), (b"./../x", b"/h/i", b"/h/x"),
        ):  # fmt: skip
            self.assertEqual(canonical(path, home), expected)


class RealServer(SynchronousTestCase):
    def test_refused(self) -> None:
        """OpenSSH's sftp-server answers what stands in place of a denied request, and the file stays."""
        try:
            programs = Programs.find("sftp-server")
        except ChildFailed as error:
            raise SkipTest(str(error)) from error
        place = Path(self.mktemp()).resolve()
        place.mkdir()
        (place / "kept").write_text("x")
        path = str(place / "kept").encode()
        files = Files()
        command = [str(programs["sftp-server"])]
        with subprocess.Popen(
            command, env=programs.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        ) as server:
            assert server.stdin is not None and server.stdout is not None
            server.stdin.write(files.client(INIT + named(sftp.REMOVE, 1, path) + named(sftp.STAT, 2, path))[0])
            shown = b""
            while b"i\0\0\0\2" not in shown:  # ATTRS; at the end of its input the server would not wait
                data = server.stdout.read(10_000)
                self.assertTrue(data, shown)
                changed = files.target(data, 1000)
                shown += data if changed is None else changed
                if files.stalled and files.request is None:
                    passed, rest = files.client(b"")
                    server.stdin.write(passed + files.denied(b"refused: no") + files.client(rest)[0])
            server.stdin.close()
        self.assertTrue(files.home.startswith(b"/"))
        self.assertIn(sftp.status(1, sftp.PERMISSION_DENIED, b"refused: no"), shown)
        self.assertTrue((place / "kept").exists())

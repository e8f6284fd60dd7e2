"""What SSH clients are promised: OpenSSH's own, a real sshd, and the gateway between them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import time
from datetime import UTC, datetime
from typing import ClassVar

from hoopgw.cli.demo.place import free_port
from hoopgw.cli.demo.stage import Options
from hoopgw.record.harmless import RESET
from tests.live.harness import UNTIL, command_lines, until
from tests.live.ssh_clients import TIMEOUT, SshCase

RULES = """
[guardrail.test-held-file]
protocol = "ssh"
file = ["write"]
path = ["*.held"]
then = { hold = { approvers = ["dba"], wait = "120s" } }

[guardrail.test-held]
protocol = "ssh"
command = ["echo held"]
operation = ["exec"]
then = { hold = { approvers = ["dba"], wait = "120s" } }
reason = "a test"

[guardrail.test-keys]
protocol = "ssh"
file = ["write", "remove"]
path = ["*.key"]
then = "refuse"
reason = "keys stay"
"""
STAGE = Options(more={"guardrails.d/90-test.toml": RULES})


class Clients(SshCase):
    options: ClassVar[Options] = STAGE

    def test_exec(self) -> None:
        """Output, errors, input and status of a command, each on its own."""
        done = self.ssh("cat; echo err >&2; exit 7", input=b"through\n")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (7, b"through\n", b"err\n"))
        self.assertEqual(self.ssh("kill -9 $$").returncode, 255)

    def test_role(self) -> None:
        """ROLE@TARGET chooses the role; TARGET alone takes the only one; another is refused."""
        for user in ("web1", "deploy@web1"):
            self.assertEqual(self.ssh("true", user=user).returncode, 0, user)
        for user in ("root@web1", "web2", "shop", "deploy@", "@"):
            done = self.ssh("true", user=user, options=("LogLevel=INFO",))
            self.assertEqual(done.returncode, 255, user)
            self.assertIn(b"no grant lets agent@demo reach", done.stderr, user)
            self.forgiven()

    def test_stranger(self) -> None:
        """must-survive 27: no grant, a forged token or an unknown key: no connection, and an event says why."""
        before = len(self.events("login.refused"))
        self.assertEqual(self.ssh("true", token=self.stage.stranger).returncode, 255)
        self.assertEqual(self.ssh("true", token=self.stage.agent[:-8] + "AAAAAAAA").returncode, 255)
        self.forgiven()
        self.counted("login.refused", before + 2)

    def test_terminal(self) -> None:
        """A terminal of the size that the client has, and a shell that reads what is typed."""
        done = self.ssh("-tt", "tty; stty size")
        self.assertIn(b"/dev/pts/", done.stdout)
        done = self.ssh("-tt", input=b"echo $((6*7))\nexit 5\n")
        self.assertEqual(done.returncode, 5)
        self.assertIn(b"42", done.stdout)

    def test_films(self) -> None:
        """What was on a terminal, as asciicast and as text; played on a terminal it draws, sets no title, and is left
        as it was found; a key ends it."""
        program = "stty -echo; echo ready; read word; printf '\\033]0;t\\007\\033[1mbold\\n'; exit 5"
        words = [*self.openssh("ssh"), "-p", str(self.stage.ssh_port), "-tt", "web1@127.0.0.1", program]
        with subprocess.Popen(
            words, env=self.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as running:
            assert running.stdin is not None and running.stdout is not None
            self.assertEqual(running.stdout.readline(), b"ready\r\n")
            out, _ = running.communicate(b"h1dden\n", timeout=UNTIL)
        self.assertIn(b"\x1b]0;t\x07\x1b[1mbold", out)
        id = json.loads(self.events("session.opened")[-1])["session"]
        self.recorded(id, '"x"', "asciicast")
        header, *moments = [json.loads(line) for line in self.export(id, "asciicast").splitlines()]
        self.assertEqual((header["version"], moments[-1][1:]), (3, ["x", "5"]))
        self.assertTrue(all(each[1] in "orx" for each in moments))
        shown = "".join(each[2] for each in moments if each[1] == "o")
        self.assertIn("\x1b[1mbold", shown)
        self.assertNotIn("\x1b]", shown)
        text = self.export(id, "text")
        self.assertIn("\nbold\n", text)
        self.assertNotIn("\x1b", text)
        self.assertNotIn("h1dden", text + shown)
        played = self.on_terminal("sessions", "replay", id, "--speed", "100")
        self.assertIn(b"\x1b[1mbold", played)
        self.assertNotIn(b"\x1b]0", played)
        self.assertTrue(played.rstrip().endswith(RESET.encode()), played)

    def export(self, id: str, form: str) -> str:
        done = self.hoopgw("sessions", "export", id, "--format", form)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def on_terminal(self, *words: str, keys: bytes = b"") -> bytes:
        """All that the command wrote to a terminal of its own."""
        running, reading = self.begun_on_terminal(*words, keys=keys)
        seen = b""
        with contextlib.suppress(OSError), reading:  # EIO: the other end is closed
            while piece := reading.read(65536):
                seen += piece
        self.assertEqual(running.wait(UNTIL), 0, seen)
        return seen

    def test_bytes(self) -> None:
        """64 MiB each way, more than any window and across new keys, come as they went."""
        data = os.urandom(1 << 20) * 64
        digest = hashlib.sha256(data).hexdigest().encode()
        for options in ((), ("RekeyLimit=8M",)):
            up = self.ssh("sha256sum", input=data, options=options)
            self.assertEqual(up.stdout.split()[0], digest, up.stderr)
        there = self.ssh("head -c 67108864 /dev/zero", options=("RekeyLimit=8M",))
        self.assertEqual((len(there.stdout), there.stdout.count(b"\0")), (64 << 20, 64 << 20))

    def test_new_keys(self) -> None:
        """must-survive 31: both legs and the client want new keys all the time while data goes both ways: none is lost,
        and no leg waits for the other."""
        self.reconfigured(("[ssh]\n", '[ssh]\nrekey = "1MiB"\n'))
        data = os.urandom(4 << 20)
        for options in ((), ("RekeyLimit=1M",), ("RekeyLimit=300K",)):
            done = self.ssh("cat", input=data, options=options)
            self.assertEqual((done.returncode, done.stderr), (0, b""), options)
            self.assertEqual(hashlib.sha256(done.stdout).digest(), hashlib.sha256(data).digest(), options)

    def test_copies(self) -> None:
        """scp, sftp, rsync: there and back."""
        data = os.urandom(300_000)
        (self.scratch / "one").write_bytes(data)
        port = str(self.stage.ssh_port)
        up = [*self.openssh("scp"), "-P", port, str(self.scratch / "one"), "web1@127.0.0.1:copied"]
        self.assertEqual(self.ran(up).returncode, 0)
        self.assertEqual((self.home / "copied").read_bytes(), data)
        for old in ((), ("-O",)):
            back = [*self.openssh("scp"), *old, "-P", port, "web1@127.0.0.1:copied", str(self.scratch / "two")]
            self.assertEqual(self.ran(back).returncode, 0, old)
            self.assertEqual((self.scratch / "two").read_bytes(), data)
        batch = self.scratch / "batch"
        batch.write_text(f"put {self.scratch}/one put\nrename put renamed\nget renamed {self.scratch}/three\nls\n")
        done = self.ran([*self.openssh("sftp", "BatchMode=no"), "-P", port, "-b", str(batch), "web1@127.0.0.1"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.scratch / "three").read_bytes(), data)

    def test_files_by_the_old_protocol(self) -> None:
        """Rules on files see what `scp -O` names, and refuse where only the host knows which file that is."""
        (self.scratch / "one").write_bytes(b"x")
        words = [*self.openssh("scp"), "-O", "-P", str(self.stage.ssh_port), str(self.scratch / "one")]
        for place in (f"{self.home}/a.key", f"{self.home}", "relative"):
            done = self.ran([*words, f"web1@127.0.0.1:{place}"])
            self.assertNotEqual(done.returncode, 0, place)
            self.assertIn(b'"test-keys"', done.stderr, place)
        self.assertEqual([each.name for each in self.home.glob("*") if each.name in ("a.key", "relative")], [])

    def test_files(self) -> None:
        """Each file is an event with its size and digest; a path that a rule names is refused, and sftp goes on."""
        self.files()

    def test_files_of_a_server_by_command(self) -> None:
        """`sftp -s PATH` starts the server by a command: that is the same SFTP to rules, events and recordings."""
        self.files("-s", str(self.programs["sftp-server"]))
        done = self.ssh(f"cd / && {self.programs['sftp-server']}", input=b"")
        self.assertEqual(done.returncode, 126, done.stderr)
        self.assertIn(b"ssh:sftp-server", done.stderr)

    def files(self, *more: str) -> None:
        data = os.urandom(100_000)
        (self.scratch / "one").write_bytes(data)
        batch = self.scratch / "batch"
        lines = ("put {0}/one told", "-put {0}/one no/../secret.key", "-rm told.key", "get told {0}/back", "rm told")
        batch.write_text("\n".join(lines).format(self.scratch) + "\n")
        before = len(self.events("file.touched"))
        # Texts are sought in the recordings themselves, and another test's have hundreds of megabytes
        began = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        port = str(self.stage.ssh_port)
        named = [*self.openssh("sftp", "BatchMode=no"), *more, "-P", port, "-b", str(batch), "web1@127.0.0.1"]
        done = self.ran(named)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count(b"ermission denied"), 2, done.stderr)
        self.assertIn(b'"guardrails": ["test-keys"]', done.stderr)
        self.assertFalse((self.home / "secret.key").exists())
        self.assertEqual((self.scratch / "back").read_bytes(), data)
        events = [json.loads(line) for line in self.events("file.touched")[before:]]
        told = [event for event in events if event["path"] == f"{self.home.resolve()}/told"]
        kept = [event for event in told if event["action"] != "setstat"]
        self.assertEqual([event["action"] for event in kept], ["write", "read", "remove"])
        self.assertEqual(kept[0]["sha256"], hashlib.sha256(data).hexdigest())
        self.assertEqual((kept[0]["bytes"], kept[1]["bytes"]), (100_000, 100_000))
        session = kept[0]["session"]
        self.told("session.closed", session)
        self.assertTrue(until(lambda: "close" in self.hoopgw("sessions", "replay", session).stdout))
        replayed = self.hoopgw("sessions", "replay", session).stdout
        self.assertRegex(replayed, r"write refused \[.*test-keys\]: write ")  # `..` may be any path: two rules
        for path in ("SECRET.key", f"{self.home.resolve()}/told"):
            words = ("sessions", "list", "--since", began, "--text", path, "--json")
            self.assertTrue(until(lambda words=words: session in self.hoopgw(*words).stdout), path)

    def test_rsync(self) -> None:
        """rsync's own protocol on both ends."""
        rsync, env = self.program("rsync")
        (self.scratch / "tree").mkdir()
        for number in range(20):
            (self.scratch / f"tree/{number}").write_bytes(os.urandom(5000))
        shell = " ".join([*self.openssh("ssh"), "-p", str(self.stage.ssh_port)])
        loader = " ".join(f"{name}={value}" for name, value in env.items())
        there = f"env {loader} {rsync}" if loader else str(rsync)
        command = [str(rsync), "-a", "-e", shell, f"--rsync-path={there}", f"{self.scratch}/tree", "web1@127.0.0.1:"]
        done = self.ran(command, env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.home / "tree/7").read_bytes(), (self.scratch / "tree/7").read_bytes())

    def test_git(self) -> None:
        """A clone and a push."""
        self.assertEqual(self.ssh("git init -q --bare repository").returncode, 0)
        work, git = (
            self.scratch / "work",
            ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "safe.directory=*"],
        )
        env = {"GIT_SSH_COMMAND": " ".join(self.openssh("ssh"))}
        address = f"ssh://web1@127.0.0.1:{self.stage.ssh_port}{self.home}/repository"
        self.assertEqual(self.ran(["git", "clone", "-q", address, str(work)], env=env).returncode, 0)
        (work / "file").write_text("text")
        for words in (["add", "file"], ["commit", "-qm", "one"], ["push", "-q", "origin", "HEAD:main"]):
            done = self.ran([*git, "-C", str(work), *words], env=env)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"one", self.ssh("git -C repository log --oneline main").stdout)

    def test_refused(self) -> None:
        """126, the reason in words and as the last line in JSON; the event says refused."""
        before = len(self.events("operation.refused"))
        done = self.ssh("rm -rf /")
        self.assertEqual((done.returncode, done.stdout), (126, b""))
        told = done.stderr.decode().splitlines()
        self.assertEqual(told[0], "hoopgw: refused: This removes everything.")
        said = json.loads(told[-1])
        self.assertEqual((said["decision"], said["guardrails"]), ("refused", ["ssh-remove-root"]))
        self.counted("operation.refused", before + 1)

    def test_forwards(self) -> None:
        """must-survive 41: -L, -R, -D, -W, -A and a tunnel are refused, and each refusal is an event."""
        before = len(self.events("operation.refused"))
        done = self.ssh("-W", "127.0.0.1:22", options=("LogLevel=INFO",))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"direct-tcpip is not granted", done.stderr)
        done = self.ssh("-R", "0:127.0.0.1:22", "true", options=("ExitOnForwardFailure=yes",))
        self.assertIn(b"remote port forwarding failed", done.stderr)
        ports = [free_port() for _ in range(3)]
        words = ["-N", "-L", f"{ports[0]}:127.0.0.1:22", "-D", str(ports[1]), "-L", f"{ports[2]}:/run/x.sock"]
        process = self.start(*words, "web1@127.0.0.1")
        socks = b"\5\1\0" + b"\5\1\0\1\x7f\0\0\1\0\x16"
        for port, said in zip(ports, (b"", socks, b""), strict=True):
            self.assertFalse(self.answered(port, said), port)
        process.terminate()
        kinds = [json.loads(line) for line in self.counted("operation.refused", before + 5)[before:]]
        self.assertEqual({each["kind"] for each in kinds}, {"forward"})

    def answered(self, port: int, said: bytes) -> bytes:
        """What a forwarded port gives back, beyond a SOCKS server's greeting, until it closes."""
        deadline = time.monotonic() + UNTIL
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), UNTIL) as connection:
                    connection.sendall(said)
                    found = b"".join(iter(lambda: connection.recv(100), b""))
                    return found.removeprefix(b"\5\0").removeprefix(b"\5\0\0\1\0\0\0\0\0\0")
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            except ConnectionResetError:
                return b""

    def test_variables(self) -> None:
        """LANG and LC_* go through; others do not, whatever the host would accept."""
        done = self.ssh(
            "echo $LC_TEST-$HOOPGW_TEST",
            options=("SendEnv=LC_TEST HOOPGW_TEST",),
            env={"LC_TEST": "a", "HOOPGW_TEST": "b"},
        )
        self.assertEqual(done.stdout, b"a-\n")

    def test_who_it_is(self) -> None:
        """Where the host accepts it, the command's environment says which session and whose it is."""
        session, subject = self.ssh("echo $HOOPGW_SESSION $HOOPGW_SUBJECT").stdout.decode().split()
        self.assertEqual((session[:2], subject), ("s_", "agent@demo"))

    def test_names(self) -> None:
        """must-survive 36: what a user's name holds reaches no log line and no terminal as it is."""
        for user in ("$(id)", "a%20b", "web1;id", "-oProxyCommand=id"):
            done = self.ssh("true", options=(f"User={user}",), user="x")
            self.assertEqual(done.returncode, 255)
            self.forgiven()
        self.assertNotIn("\x1b", self.stage.gateway.log.read_text(errors="replace"))


class Holding(SshCase):
    options: ClassVar[Options] = STAGE

    def hold(self) -> str:
        return str(self.held()["id"])

    def test_approved(self) -> None:
        """must-survive 81: a held command waits and says so; another channel of the same connection goes on; approved
        by somebody else it runs."""
        control = ["-o", f"ControlPath={self.scratch}/control", "web1@127.0.0.1"]
        master = self.start("-o", "ControlMaster=yes", "-N", *control)
        self.assertTrue(until((self.scratch / "control").exists))
        waiting = self.start(*control, "echo held")
        hold = self.hold()
        for number in range(3):
            done = self.ran([*self.openssh("ssh"), "-p", str(self.stage.ssh_port), *control, f"echo {number}"])
            self.assertEqual(done.stdout, b"%d\n" % number)
        self.assertIsNone(waiting.poll())
        own = self.hoopgw("approvals", "approve", hold, "--reason", "mine", token=self.stage.agent)
        self.assertEqual(own.returncode, 1)
        approved = self.hoopgw("approvals", "approve", hold, "--reason", "a test")
        self.assertEqual(approved.returncode, 0, approved.stderr)
        out, err = waiting.communicate(timeout=UNTIL)
        self.assertEqual((waiting.returncode, out), (0, b"held\n"))
        self.assertIn(b"hoopgw: waiting for approval: a test", err)
        self.assertIsNone(master.poll())

    def test_on_a_terminal(self) -> None:
        """Approvers read that whoever asks can type into it."""
        self.start("-tt", "web1@127.0.0.1", "echo held")
        hold = self.hold()
        self.assertIn("exec on a terminal", self.hoopgw("approvals", "list").stdout)
        shown = self.hoopgw("approvals", "show", hold).stdout
        self.assertIn("exec on a terminal", shown)
        self.assertIn("can type into it", shown)
        denied = self.hoopgw("approvals", "deny", hold, "--reason", "a test")
        self.assertEqual(denied.returncode, 0, denied.stderr)

    def test_held_file(self) -> None:
        """A file that is opened for writing waits, and is there when somebody has approved it."""
        (self.scratch / "one").write_bytes(b"data")
        port = str(self.stage.ssh_port)
        names = ["-P", port, str(self.scratch / "one"), "web1@127.0.0.1:test.held"]
        running = subprocess.Popen([*self.openssh("scp"), *names], env=self.env(), stderr=subprocess.PIPE)
        self.addCleanup(running.wait)
        self.addCleanup(running.kill)
        hold = self.hold()
        self.assertFalse((self.home / "test.held").exists())
        self.assertIn("    write ", self.hoopgw("approvals", "show", hold).stdout)
        approved = self.hoopgw("approvals", "approve", hold, "--reason", "a test")
        self.assertEqual(approved.returncode, 0, approved.stderr)
        _, err = running.communicate(timeout=TIMEOUT)
        self.assertEqual((running.returncode, (self.home / "test.held").read_bytes()), (0, b"data"), err)

    def test_taken_back(self) -> None:
        """A client that leaves withdraws what waits."""
        waiting = self.start("web1@127.0.0.1", "echo held")
        self.hold()
        waiting.terminate()
        waiting.wait(UNTIL)
        self.assertTrue(until(lambda: json.loads(self.hoopgw("approvals", "list", "--json").stdout) == []))

    def test_watched(self) -> None:
        """Somebody with `view` sees a live terminal from its beginning on, as it goes on, and its end by `kill`; it is
        an event; nobody else sees it, nor one that is not open."""
        program = "printf '\\033]0;t\\007\\033[1mbegun\\n'; read word; echo got $word; read word"
        words = [*self.openssh("ssh"), "-p", str(self.stage.ssh_port), "-tt", "web1@127.0.0.1", program]
        running = subprocess.Popen(
            words, env=self.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.addCleanup(running.wait)
        self.addCleanup(running.kill)
        assert running.stdin is not None and running.stdout is not None
        self.assertIn(b"begun", running.stdout.readline())
        id = json.loads(self.events("session.opened")[-1])["session"]
        refused = self.hoopgw("sessions", "watch", id, token=self.stage.agent)
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        viewed = len(self.events("recording.viewed"))
        watching, reading = self.begun_on_terminal("sessions", "watch", id)
        with reading:
            seen = self.shown(reading.fileno(), b"begun")
            running.stdin.write(b"this\n")
            running.stdin.flush()
            seen += self.shown(reading.fileno(), b"got this")
            self.counted("recording.viewed", viewed + 1)
            self.assertEqual(self.hoopgw("sessions", "kill", id, "--reason", "a test").returncode, 0)
            running.wait(UNTIL)
            seen += self.shown(reading.fileno(), b"ended by approver@demo: a test")
            self.assertEqual(watching.wait(UNTIL), 0)
        self.assertIn(b"\x1b[1mbegun", seen)
        self.assertNotIn(b"\x1b]", seen)
        over = self.hoopgw("sessions", "watch", id)
        self.assertEqual((over.returncode, "no such live session" in over.stderr), (1, True))

    def test_killed(self) -> None:
        """`hoopgw sessions kill` ends it at once, and what runs with it; the client reads why."""
        running = self.start("web1@127.0.0.1", "echo begun; sleep 10077; true")
        assert running.stdout is not None
        self.assertEqual(running.stdout.readline(), b"begun\n")
        session = json.loads(self.events("session.opened")[-1])["session"]
        done = self.hoopgw("sessions", "kill", session, "--reason", "a test")
        self.assertEqual(done.returncode, 0, done.stderr)
        _, err = running.communicate(timeout=UNTIL)
        self.assertIn(b"ended by approver@demo: a test", err)
        for code in ("session.killed", "session.closed"):
            self.told(code, session)
        left = [b"never looked"]

        def gone() -> bool:
            left[:] = [line for line in command_lines() if line.startswith(b"sleep 10077")]
            return not left

        self.assertTrue(until(gone), left)

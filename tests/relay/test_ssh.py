"""The SSH relay: one client, one target, and somebody who decides."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import GO, Allowance, Answer, Decision, Denial, Meter
from hoopgw.model.events import Code
from hoopgw.model.operation import TERMINAL, Operation
from hoopgw.relay.effects import Ask, Completed, Effect, Hangup, Observed, ToClient, ToTarget, Withdraw
from hoopgw.relay.ssh import SshRelay
from hoopgw.relay.ssh_asking import MAX_VARIABLES
from hoopgw.relay.ssh_channel import KEPT_MESSAGE, MAX_REQUESTS, RESERVE, Channel
from hoopgw.relay.ssh_from_client import KEPT_EACH, MAX_KEPT
from hoopgw.wire import sshmessages as wire
from tests.wire.test_sshagent import login, sign

NO = Answer(Denial(Decision.REFUSED, "not here", ("no-rm",)))
WINDOW = 2 << 20


def opening(sender: int = 0, window: int = WINDOW, kind: bytes = b"session", packet: int = 32768) -> bytes:
    return wire.ChannelOpen(kind, sender, window, packet, b"").encoded()


def execute(channel: int, command: bytes, wants_reply: bool = True) -> bytes:
    return wire.request(channel, b"exec", wants_reply, wire.string(command))


def environment(channel: int, name: bytes, value: bytes, wants_reply: bool = False) -> bytes:
    return wire.request(channel, b"env", wants_reply, wire.string(name) + wire.string(value))


class Play:
    """Both peers by hand.  `decide` gives an Answer at once, or None: `answer` gives it later."""

    def __init__(self, decide: Callable[[Operation], Answer | None] = lambda operation: GO) -> None:
        self.relay = SshRelay(session="s_1", policy="sha256:0")
        self.decide = decide
        self.to_client: list[bytes] = []
        self.to_target: list[bytes] = []
        self.operations: list[Operation] = []
        self.asks: list[Ask] = []
        self.others: list[Effect] = []

    def client(self, *messages: bytes) -> None:
        self.carry_out(self.relay.from_client(b"".join(map(wire.framed, messages))))

    def target(self, *messages: bytes) -> None:
        self.carry_out(self.relay.from_target(b"".join(map(wire.framed, messages))))

    def answer(self, answer: Answer) -> None:
        self.carry_out(self.relay.decided(self.asks.pop(0).lane, (answer,)))

    def carry_out(self, effects: list[Effect]) -> None:
        answered: list[tuple[int, Answer]] = []
        for effect in effects:
            if isinstance(effect, ToClient):
                self.to_client += wire.messages(effect.data)
            elif isinstance(effect, ToTarget):
                self.to_target += wire.messages(effect.data)
            elif isinstance(effect, Ask):
                self.operations += effect.operations
                answer = self.decide(effect.operations[0])
                if answer is None:
                    self.asks.append(effect)
                else:
                    answered.append((effect.lane, answer))
            else:
                self.others.append(effect)
        for lane, answer in answered:
            self.carry_out(self.relay.decided(lane, (answer,)))

    def took(self) -> tuple[list[bytes], list[bytes]]:
        """(what the client got, what the target got) since the last time."""
        found = self.to_client, self.to_target
        self.to_client, self.to_target = [], []
        return found

    def open(self, client: int = 0, target: int = 7, window: int = WINDOW) -> None:
        self.client(opening(client, window))
        self.target(wire.confirmation(client, target, WINDOW, 32768))
        self.took()

    def hangup(self) -> Hangup:
        return next(effect for effect in self.others if isinstance(effect, Hangup))


class Passing(SynchronousTestCase):
    def test_exec(self) -> None:
        """An allowed command and its life pass as they are, but for the reserve that the window is less."""
        play = Play()
        play.client(opening())
        self.assertEqual(play.took(), ([], [opening(window=WINDOW - RESERVE)]))
        play.target(wire.confirmation(0, 7, WINDOW, 32768))
        there = [execute(7, b"id"), wire.channel_data(7, b"in"), wire.simple(wire.CHANNEL_EOF, 7)]
        play.client(*there)
        back = [
            wire.simple(wire.CHANNEL_SUCCESS, 0),
            wire.channel_data(0, b"out"),
            wire.stderr(0, b"err"),
            wire.simple(wire.CHANNEL_EOF, 0),
            wire.exit_status(0, 3),
            wire.simple(wire.CHANNEL_CLOSE, 0),
        ]
        play.target(*back)
        play.client(wire.simple(wire.CHANNEL_CLOSE, 7))
        self.assertEqual(
            play.took(), ([wire.confirmation(0, 7, WINDOW, 32768), *back], [*there, wire.simple(wire.CHANNEL_CLOSE, 7)])
        )
        self.assertEqual([(each.kind, each.text) for each in play.operations], [("exec", b"id")])
        self.assertEqual(play.relay.channels, 0)

    def test_target_is_told(self) -> None:
        """Session and subject go into each session channel's environment, before anything of the client's, with no
        reply that the client could take for its own."""
        play = Play()
        play.relay = SshRelay(session="s_1", policy="sha256:0", subject="ann")
        play.client(opening())
        play.target(wire.confirmation(0, 7, WINDOW, 32768))
        play.client(execute(7, b"id"))
        self.assertEqual(
            play.took()[1][1:],
            [environment(7, b"HOOPGW_SESSION", b"s_1"), environment(7, b"HOOPGW_SUBJECT", b"ann"), execute(7, b"id")],
        )

    def test_terminal_is_told(self) -> None:
        """A command's operation says whether it runs on a terminal: its input is a person's then."""
        play = Play()
        play.open()
        sizes = b"".join(size.to_bytes(4, "big") for size in (80, 24, 0, 0))
        play.client(wire.request(7, b"pty-req", False, wire.string(b"xterm") + sizes + wire.string(b"")))
        play.client(execute(7, b"less x"))
        play.open(1, 8)
        play.client(execute(8, b"less x"))
        self.assertEqual([each.name for each in play.operations if each.kind == "exec"], [TERMINAL, b""])

    def test_environment_is_bound(self) -> None:
        """A command's operation carries the variables that were let through, and not those that were refused."""
        play = Play(lambda operation: NO if operation.text.startswith(b"LD_") else GO)
        play.open()
        play.client(environment(7, b"LANG", b"C"), environment(7, b"LD_PRELOAD", b"/x.so"), execute(7, b"id"))
        self.assertEqual(play.operations[-1].parameters, wire.string(b"LANG") + wire.string(b"C"))
        self.assertEqual(play.took(), ([], [environment(7, b"LANG", b"C"), execute(7, b"id")]))

    def test_masters_keys_stay_out(self) -> None:
        """The target's host keys (hostkeys-00) do not reach the client, who would take them for the gateway's."""
        play = Play()
        play.target(b"\x50" + wire.string(b"hostkeys-00@openssh.com") + b"\0" + wire.string(b"key"))
        play.target(b"\x50" + wire.string(b"keepalive@openssh.com") + b"\1")
        self.assertEqual(play.took(), ([b"\x50" + wire.string(b"keepalive@openssh.com") + b"\1"], []))


class Refusing(SynchronousTestCase):
    def refused(self, *messages: bytes) -> Play:
        play = Play(lambda operation: NO if operation.kind in ("exec", "shell", "subsystem") else GO)
        play.open()
        play.client(*messages)
        return play

    def test_exec(self) -> None:
        """SUCCESS, the reason and JSON on stderr, status 126, EOF; the target never sees it and closes."""
        play = self.refused(execute(7, b"rm -rf /"), wire.channel_data(7, b"input"))
        client, target = play.took()
        self.assertEqual(target, [wire.simple(wire.CHANNEL_CLOSE, 7)])
        self.assertEqual(client[0], wire.simple(wire.CHANNEL_SUCCESS, 0))
        self.assertIn(b"hoopgw: refused: not here\n", client[1])
        self.assertIn(b'{"decision": "refused", "guardrails": ["no-rm"], "reason": "not here"', client[1])
        self.assertEqual(client[2:], [wire.exit_status(0, 126), wire.simple(wire.CHANNEL_EOF, 0)])
        self.assertIsInstance(play.others[0], Completed)
        play.target(wire.simple(wire.CHANNEL_CLOSE, 0))
        play.client(wire.simple(wire.CHANNEL_CLOSE, 7))
        self.assertEqual(play.took(), ([wire.simple(wire.CHANNEL_CLOSE, 0)], []))
        self.assertEqual(play.relay.channels, 0)

    def test_order_of_replies(self) -> None:
        """What the client asked before is answered before the refusal, though the target answers it later."""
        terminal = wire.request(7, b"pty-req", True, wire.string(b"xterm") + b"\0" * 20)
        play = self.refused(terminal, execute(7, b"rm"))
        self.assertEqual(play.took(), ([], [terminal, wire.simple(wire.CHANNEL_CLOSE, 7)]))
        play.target(wire.simple(wire.CHANNEL_FAILURE, 0))
        self.assertEqual(
            [message[0] for message in play.took()[0]],
            [
                wire.CHANNEL_FAILURE,
                wire.CHANNEL_SUCCESS,
                wire.CHANNEL_EXTENDED_DATA,
                wire.CHANNEL_REQUEST,
                wire.CHANNEL_EOF,
            ],
        )

    def test_number_used_anew(self) -> None:
        """The target may give its number to a new channel before the client has closed the refused one: the new one
        is not shown until then, so that the client's late CLOSE closes nothing else."""
        play = self.refused(execute(7, b"rm"))
        play.target(wire.simple(wire.CHANNEL_CLOSE, 0))
        play.client(opening(1))
        play.took()
        play.target(wire.confirmation(1, 7, WINDOW, 32768), wire.adjust(1, 5))
        self.assertEqual(play.took(), ([], []))
        play.client(wire.simple(wire.CHANNEL_CLOSE, 7))
        self.assertEqual(play.took(), ([wire.confirmation(1, 7, WINDOW, 32768), wire.adjust(1, 5)], []))
        there = [environment(7, b"LANG", b"C"), wire.simple(wire.CHANNEL_EOF, 7)]
        play.client(*there)
        self.assertEqual(play.took(), ([], there))

    def test_other_channels_go_on(self) -> None:
        """A refused command ends its own channel and nothing else."""
        play = Play(lambda operation: NO if operation.text == b"rm" else GO)
        play.open(0, 7)
        play.open(1, 8)
        play.client(execute(7, b"rm"), execute(8, b"id"), wire.channel_data(8, b"x"))
        there = [wire.simple(wire.CHANNEL_CLOSE, 7), execute(8, b"id"), wire.channel_data(8, b"x")]
        self.assertEqual(play.took()[1], there)

    def test_small_window(self) -> None:
        """The words are cut to what the client has room for; status and EOF come all the same."""
        play = Play(lambda operation: NO)
        for window in (0, 1, 10):
            play.open(window, 100 + window, window)
            play.client(execute(100 + window, b"rm"))
            client, _ = play.took()
            said = sum(wire.data_size(each) for each in client if each[0] == wire.CHANNEL_EXTENDED_DATA)
            self.assertEqual(said, window // 2)
            self.assertEqual(client[-2:], [wire.exit_status(window, 126), wire.simple(wire.CHANNEL_EOF, window)])

    def test_over_budget(self) -> None:
        """Output beyond a bound of bytes is cut: 126, and the target's rest does not pass."""
        meter = Meter((Allowance("10 bytes a session", None, 10, "budget:g"),))
        play = Play(lambda operation: Answer(meter=meter))
        play.open()
        play.client(execute(7, b"cat"))
        play.target(wire.simple(wire.CHANNEL_SUCCESS, 0))
        play.took()
        play.target(wire.channel_data(0, b"x" * 10), wire.channel_data(0, b"y"), wire.channel_data(0, b"z"))
        client, target = play.took()
        self.assertEqual((client[0], target), (wire.channel_data(0, b"x" * 10), [wire.simple(wire.CHANNEL_CLOSE, 7)]))
        self.assertIn(b"the output is cut: 10 bytes a session", client[1])
        self.assertNotIn(wire.channel_data(0, b"z"), client)


class Holding(SynchronousTestCase):
    def held(self) -> Play:
        play = Play(lambda operation: None if operation.text == b"reboot" else GO)
        play.open(0, 7)
        play.open(1, 8)
        play.client(execute(7, b"reboot"), wire.channel_data(7, b"input"), wire.simple(wire.CHANNEL_EOF, 7))
        return play

    def test_waits_alone(self) -> None:
        """must-survive 81: a held command waits with what its channel sent; the other channel, window adjusts and
        keepalives go on; then it runs with its input."""
        play = self.held()
        self.assertEqual(play.took(), ([], []))
        keepalive = b"\x50" + wire.string(b"keepalive@openssh.com") + b"\1"
        play.client(wire.adjust(7, 100), execute(8, b"id"), wire.channel_data(8, b"x"), keepalive)
        play.target(wire.channel_data(1, b"y"), b"\x52")
        self.assertEqual(
            play.took(),
            (
                [wire.channel_data(1, b"y"), b"\x52"],
                [wire.adjust(7, 100), keepalive, execute(8, b"id"), wire.channel_data(8, b"x")],
            ),
        )
        notice = Denial(Decision.HELD, "a reboot", hold="h_1")
        play.carry_out(play.relay.holding(play.asks[0].lane, notice))
        self.assertIn(b"hoopgw: waiting for approval: a reboot", play.took()[0][0])
        play.answer(GO)
        self.assertEqual(
            play.took()[1], [execute(7, b"reboot"), wire.channel_data(7, b"input"), wire.simple(wire.CHANNEL_EOF, 7)]
        )

    def test_taken_back(self) -> None:
        """A client that closes the channel withdraws what waits; it never runs, whatever is answered."""
        play = self.held()
        play.client(wire.simple(wire.CHANNEL_CLOSE, 7))
        self.assertIsInstance(play.others[0], Withdraw)
        self.assertEqual(play.took(), ([], [wire.simple(wire.CHANNEL_CLOSE, 7)]))
        play.answer(GO)
        self.assertEqual(play.took(), ([], []))

    def test_bounds(self) -> None:
        """More than the target's window, or than MAX_REQUESTS requests, does not wait: the session ends."""
        for flood in (
            [wire.channel_data(7, b"x" * 32768)] * (WINDOW // 32768 + 1),
            [wire.request(7, b"window-change", False)] * (MAX_REQUESTS + 1),
            [environment(7, b"LANG", b"x" * 60_000)] * 5,
        ):
            play = self.held()
            play.client(*flood)
            self.assertEqual(play.hangup().code, Code.PROTOCOL_VIOLATED)

    def test_bound_of_all(self) -> None:
        """Where a target gives many channels large windows, what waits on all of them has a bound as well."""
        play = Play(lambda operation: None)
        for number in range(40):
            play.open(number, number)
            play.client(execute(number, b"x"))
        sent = 0
        for number in range(40):
            for _ in range(WINDOW // 32768):
                if not any(isinstance(effect, Hangup) for effect in play.others):
                    play.client(wire.channel_data(number, b"x" * 32768))
                    sent += 32768
        self.assertIn("wait for decisions", play.hangup().reason)
        self.assertLessEqual(sent, MAX_KEPT + 40 * KEPT_EACH)

    def test_bound_of_small_messages(self) -> None:
        """Data of no bytes takes nothing of any window, and waits in memory all the same: that has a bound too."""
        for size in (0, 1):
            play = Play(lambda operation: None)
            play.open()
            play.client(execute(7, b"reboot"))
            most = MAX_KEPT // (KEPT_MESSAGE + size)
            run = wire.framed(wire.channel_data(7, b"x" * size)) * most
            self.assertEqual(play.relay.from_client(run), [])
            play.client(wire.channel_data(7, b"x" * size))
            self.assertIn("too many messages", play.hangup().reason)

    def test_bound_of_all_requests(self) -> None:
        """Variables that wait on many channels count as data does."""
        play, sent = Play(lambda operation: None), 0
        for number in range(200):
            play.open(number, number)
            play.client(execute(number, b"x"), *[environment(number, b"LANG", b"x" * 60_000)] * 4)
            sent += 240_000
            if any(isinstance(effect, Hangup) for effect in play.others):
                break
        self.assertIn("wait for decisions", play.hangup().reason)
        self.assertLessEqual(sent, MAX_KEPT + 240_000)

    def test_many_variables(self) -> None:
        """A client sends all of them at once, before it knows of any: those beyond the bound are refused, and
        the command runs."""
        play = Play()
        play.open()
        many = [environment(7, b"V%d" % number, b"x", True) for number in range(MAX_VARIABLES + 60)]
        play.client(*many, execute(7, b"id"))
        _, target = play.took()
        self.assertEqual(target, [*many[:MAX_VARIABLES], execute(7, b"id")])
        for _ in many[:MAX_VARIABLES]:
            play.target(wire.simple(wire.CHANNEL_SUCCESS, 0))
        client, _ = play.took()
        self.assertEqual([each[0] for each in client].count(wire.CHANNEL_FAILURE), 60)


class Forwarding(SynchronousTestCase):
    def test_all_are_asked(self) -> None:
        """must-survive 41: every kind of forward is an operation, and refused says so in SSH's own words."""
        address = wire.string(b"db") + wire.u32(5432) + wire.string(b"::1") + wire.u32(9)
        play = Play(lambda operation: NO)
        play.open(9, 70)
        for kind, rest in (
            (b"direct-tcpip", address),
            (b"direct-streamlocal@openssh.com", wire.string(b"/run/x") + wire.string(b"") + wire.u32(0)),
            (b"tun@openssh.com", wire.u32(1) + wire.u32(0)),
            (b"unknown@example.com", b""),
        ):
            play.client(wire.ChannelOpen(kind, 3, WINDOW, 32768, rest).encoded())
            self.assertEqual(play.took(), ([wire.open_failure(3, wire.PROHIBITED, b"not here")], []))
        for name, body in (
            (b"tcpip-forward", wire.string(b"") + wire.u32(80)),
            (b"streamlocal-forward@openssh.com", wire.string(b"/x")),
        ):
            play.client(b"\x50" + wire.string(name) + b"\1" + body)
            self.assertEqual(play.took(), ([b"\x52"], []))
        for name in (b"auth-agent-req@openssh.com", b"x11-req"):
            play.client(wire.request(70, name, True))
            client, target = play.took()
            self.assertEqual((client[-1], target), (wire.simple(wire.CHANNEL_FAILURE, 9), []))
        for kind in (b"forwarded-tcpip", b"x11", b"auth-agent@openssh.com", b"forwarded-streamlocal@openssh.com"):
            play.target(wire.ChannelOpen(kind, 5, WINDOW, 32768, address).encoded())
            self.assertEqual(play.took(), ([], [wire.open_failure(5, wire.PROHIBITED, b"not granted")]))
        self.assertEqual({each.kind for each in play.operations}, {"forward"})
        self.assertEqual(play.operations[0].text, b"db:5432")
        self.assertEqual(play.relay.coverage()["opaque"], [])

    def test_granted(self) -> None:
        """A granted forward passes both ways and is named as opaque."""
        play = Play()
        address = wire.string(b"db") + wire.u32(5432) + wire.string(b"::1") + wire.u32(9)
        opened = wire.ChannelOpen(b"direct-tcpip", 3, WINDOW, 32768, address).encoded()
        play.client(opened)
        play.target(wire.confirmation(3, 4, WINDOW, 32768), wire.channel_data(3, b"x"))
        self.assertEqual(play.took(), ([wire.confirmation(3, 4, WINDOW, 32768), wire.channel_data(3, b"x")], [opened]))
        back = wire.ChannelOpen(b"forwarded-tcpip", 6, WINDOW, 32768, address).encoded()
        play.target(back)
        play.client(wire.confirmation(6, 8, WINDOW, 32768), wire.channel_data(6, b"y"))
        self.assertEqual(play.took(), ([back], [wire.confirmation(6, 8, WINDOW, 32768), wire.channel_data(6, b"y")]))
        self.assertEqual(play.relay.coverage()["opaque"], ["direct-tcpip", "forwarded-tcpip"])

    def test_agent(self) -> None:
        """must-survive 35: a signature is noted, however it is cut; what no login needs ends the channel, and only it,
        before the client's agent has all of it."""
        play = Play()
        play.open(9, 70)
        play.target(wire.ChannelOpen(b"auth-agent@openssh.com", 5, WINDOW, 32768, b"").encoded())
        play.client(wire.confirmation(5, 3, WINDOW, 32768))
        play.took()
        asked = wire.string(b"\x0b") + wire.string(sign(login()))
        play.target(wire.channel_data(3, asked[:40]))
        play.target(wire.channel_data(3, asked[40:]))
        self.assertEqual(play.took(), ([wire.channel_data(3, asked[:40]), wire.channel_data(3, asked[40:])], []))
        play.target(wire.channel_data(3, wire.string(b"\x13")), wire.channel_data(3, wire.string(b"\x0b")))
        self.assertEqual(play.took(), ([], [wire.simple(wire.CHANNEL_CLOSE, 5)]))
        codes = [each.code for each in play.others if isinstance(each, Observed)]
        self.assertEqual(codes[-2:], [Code.AGENT_SIGNS, Code.AGENT_REFUSED])
        play.target(wire.simple(wire.CHANNEL_CLOSE, 3))
        play.client(wire.simple(wire.CHANNEL_CLOSE, 5), wire.simple(wire.CHANNEL_EOF, 70))
        self.assertEqual(play.took(), ([wire.simple(wire.CHANNEL_CLOSE, 3)], [wire.simple(wire.CHANNEL_EOF, 70)]))

    def test_noted(self) -> None:
        """What is let through is noted, with its operation and where it leads; taking it back is not, nor what is
        refused."""
        address = wire.string(b"db") + wire.u32(5432)
        for answer, count in ((GO, 4), (NO, 0)):
            play = Play(lambda operation, answer=answer: answer)  # type: ignore[misc]
            play.open(9, 70)
            before = len(play.others)
            rest = address + wire.string(b"::1") + wire.u32(9)
            play.client(wire.ChannelOpen(b"direct-tcpip", 3, WINDOW, 32768, rest).encoded())
            play.client(b"\x50" + wire.string(b"tcpip-forward") + b"\1" + address)
            play.client(b"\x50" + wire.string(b"cancel-tcpip-forward") + b"\1" + address)
            play.client(wire.request(70, b"x11-req", True))
            play.target(wire.ChannelOpen(b"x11", 5, WINDOW, 32768, wire.string(b"::1") + wire.u32(9)).encoded())
            noted = [each for each in play.others[before:] if isinstance(each, Observed)]
            self.assertEqual({each.code for each in noted} - {Code.FORWARD_GRANTED}, set())
            names = [(each.fields["forward"], each.fields["destination"]) for each in noted]
            wanted = [("direct-tcpip", "db:5432"), ("tcpip-forward", "db:5432"), ("x11-req", ""), ("x11", "")]
            self.assertEqual(names, wanted[:count])
            numbers = [each.number for each in play.operations if not each.name.startswith(b"cancel")]
            self.assertEqual([each.fields["operation"] for each in noted], numbers[-4:][:count])


class Hostile(SynchronousTestCase):
    def ends(self, from_client: bool, *messages: bytes) -> None:
        play = Play()
        play.open()
        (play.client if from_client else play.target)(*messages)
        self.assertEqual(play.hangup().code, Code.PROTOCOL_VIOLATED)
        play.took()
        play.client(wire.channel_data(7, b"x"))
        self.assertEqual(play.took()[1], [])

    def test_states(self) -> None:
        """must-survive 22, 24: messages in a state that does not allow them end the session."""
        self.ends(True, wire.channel_data(99, b"x"))
        self.ends(True, wire.confirmation(7, 1, 1, 1))
        self.ends(True, wire.simple(wire.CHANNEL_SUCCESS, 7))
        self.ends(True, b"\x51")
        self.ends(True, opening(0))
        self.ends(True, b"\x32" + wire.string(b"root"))
        self.ends(False, wire.adjust(99, 1))
        self.ends(False, wire.confirmation(0, 8, 1, 1))
        self.ends(False, wire.simple(wire.CHANNEL_SUCCESS, 0))
        self.ends(False, b"\x34")

    def test_windows(self) -> None:
        """must-survive 24: windows past 2^32 end the session, a maximum packet of 0 gets no channel; a window of 0 may
        be."""
        self.ends(True, *[wire.adjust(7, 2**31)] * 2)
        self.ends(False, *[wire.adjust(0, 2**31)] * 2)
        play = Play()
        play.client(opening(packet=0), opening(sender=1, window=0))
        self.assertEqual(play.took()[0], [wire.open_failure(0, wire.PROHIBITED, b"a maximum packet size of 0")])
        play.target(wire.confirmation(1, 0, 0, 0))
        self.assertEqual(play.hangup().code, Code.PROTOCOL_VIOLATED)

    def test_floods(self) -> None:
        """must-survive 24: rejected channels leave nothing behind, and open ones have a bound."""
        play = Play(lambda operation: NO)
        for sender in range(3000):
            play.client(opening(sender, kind=b"tun@openssh.com" if sender % 2 else b"x"))
        self.assertEqual(play.relay.channels, 0)
        for sender in range(300):
            play.client(opening(sender))
        self.assertEqual(play.relay.channels, 256)

    @settings(max_examples=300)
    @given(st.lists(st.tuples(st.booleans(), st.integers(78, 102), st.binary(max_size=40)), max_size=8))
    def test_junk(self, messages: list[tuple[bool, int, bytes]]) -> None:
        """Junk from either side gives effects, and nothing is raised."""
        play = Play()
        play.open(0, 0)
        for from_client, number, rest in messages:
            (play.client if from_client else play.target)(bytes((number,)) + rest)

    @given(st.binary(max_size=60))
    def test_junk_runs(self, run: bytes) -> None:
        """Of a run that is none nothing is raised either."""
        play = Play()
        play.carry_out(play.relay.from_client(run))

    @given(st.data())
    def test_any_cut(self, data: st.DataObject) -> None:
        """However messages are cut into runs, both peers get the same."""
        messages = [execute(7, b"id"), wire.channel_data(7, b"a"), wire.adjust(7, 9), wire.channel_data(7, b"b")]
        whole, cut = Play(), Play()
        whole.open()
        cut.open()
        whole.client(*messages)
        at = data.draw(st.integers(0, len(messages)))
        cut.client(*messages[:at])
        cut.client(*messages[at:])
        self.assertEqual(sorted(whole.took()[1]), sorted(cut.took()[1]))


class Windows(SynchronousTestCase):
    def test_more_than_the_window(self) -> None:
        """must-survive 24: who sends more than the other side has room for breaks the protocol, to the byte."""
        for more, over in ((0, False), (1, True)):
            play = Play()
            play.open(window=40_000)
            play.client(execute(7, b"id"))
            play.target(wire.channel_data(0, b"x" * (40_000 - RESERVE)), wire.stderr(0, b"x" * more))
            self.assertEqual(any(isinstance(effect, Hangup) for effect in play.others), over and more > 0)
            play = Play()
            play.open()
            play.client(execute(7, b"cat"))
            for _ in range(WINDOW // 32768):
                play.client(wire.channel_data(7, b"x" * 32768))
            play.client(wire.channel_data(7, b"x" * more))
            self.assertEqual(any(isinstance(effect, Hangup) for effect in play.others), over)

    @given(
        st.integers(0, 64 * 1024),
        st.lists(st.tuples(st.sampled_from(["target", "gateway", "client"]), st.integers(0, 20_000)), max_size=40),
    )
    def test_debt(self, window: int, moves: list[tuple[str, int]]) -> None:
        """Whoever speaks when: the client never gets more than it granted, and once it has granted again all that it
        got, the target has its whole window back and the gateway its reserve."""
        channel = Channel(1, 0, 0)
        target = channel.grant(window, 1000)
        granted, got, adjusted = window, 0, 0
        for who, size in moves:
            if who == "target":
                sent = min(size, target)
                target, got = target - sent, got + sent
                channel.to_client -= sent
            elif who == "gateway":
                got += sum(wire.data_size(each) for each in wire.messages(channel.told(b"x" * size)))
            else:
                again = min(size, got - adjusted)
                granted, adjusted = granted + again, adjusted + again
                target += channel.adjusted(again)
            self.assertLessEqual(got, granted)
            self.assertEqual(channel.to_client, target + channel.credit)
        target += channel.adjusted(got - adjusted)
        self.assertEqual((target, channel.credit), (window - channel.reserve, channel.reserve))

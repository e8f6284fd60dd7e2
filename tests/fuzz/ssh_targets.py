"""Fuzz targets of SSH before its connection layer: packets, and both logins."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from itertools import pairwise

from hoopgw.model.errors import WireError
from hoopgw.model.secret import Secret
from hoopgw.relay import ssh_client_login as client
from hoopgw.relay import ssh_target_login as target
from hoopgw.wire import sshcertificates, sshkrl
from hoopgw.wire.sshagent import AgentRequests
from hoopgw.wire.sshciphers import ChaChaOpener, ChaChaSealer, CtrOpener, CtrSealer
from hoopgw.wire.sshmessages import framed, string, u32
from hoopgw.wire.sshpackets import GcmOpener, GcmSealer, Opener, Sealer
from tests.fuzz.choices import Choices, cut
from tests.relay.test_ssh_logins import SERVICE, asked, key, password
from tests.wire.test_sshpackets import IV, KEY

SECRET = bytes(range(128))
KEYED: tuple[tuple[Callable[[], Opener], Callable[[], Sealer]], ...] = (
    (Opener, Sealer),
    (lambda: GcmOpener(KEY, IV), lambda: GcmSealer(KEY, IV)),
    (lambda: ChaChaOpener(SECRET[:64]), lambda: ChaChaSealer(SECRET[:64])),
    (lambda: CtrOpener(KEY, SECRET, SECRET, "sha512"), lambda: CtrSealer(KEY, SECRET, SECRET, "sha512")),
)


def ssh_packets(data: bytes) -> None:
    """What was sealed opens, at any cut; with one byte changed nothing behind it does; junk is a WireError."""
    choices = Choices(data)
    keyed, places, at, bit = choices.number(len(KEYED)), choices.some(), choices.number(65536), choices.number(256)
    messages = [b"x" + choices.some() for _ in range(choices.number(4))]
    stream = KEYED[keyed][1]().seal_run(b"".join(map(framed, messages)))
    assert _opened(keyed, stream, places) == messages
    if stream and bit and keyed:
        changed = bytearray(stream)
        changed[at % len(stream)] ^= bit
        found = _opened(keyed, bytes(changed), places)
        assert len(found) < len(messages) and found == messages[: len(found)], "changed, and it opens"
    _opened(keyed, choices.rest(), places)


def _opened(keyed: int, stream: bytes, places: bytes) -> list[bytes]:
    """Up to what is no packet."""
    opener = KEYED[keyed][0]()
    found: list[bytes] = []
    rest = b""
    with contextlib.suppress(WireError):
        for read in cut(stream, places):
            data, here = rest + read, 0
            while (end := opener.packet_end(data, here)) and end <= len(data):
                found.append(opener.open(data, here, end))
                here = end
            rest = data[here:]
    return found


SAID = (
    SERVICE, password(b"web1", b"token"), password(b"web2", b""), key(b"web1", b"blob"), key(b"web1", b"blob", b"sig"),
    asked(b"web1", b"none"), asked(b"web1", b"keyboard-interactive", string(b"") * 2), asked(b"", b"publickey", b"\1"),
    b"\x3d" + u32(0), b"\x3d" + u32(1) + string(b""), b"\x3d" + u32(1) + string(b"token"), b"\x3d" + u32(1 << 30),
)  # fmt: skip


def ssh_client_login(data: bytes) -> None:
    """A step or WireError; SUCCESS is said only by whoever checks, and to the user that it began with."""
    choices = Choices(data)
    login = client.ClientLogin(b"session", 100, choices.flag())
    users: set[str] = set()
    with contextlib.suppress(WireError):
        while choices.more:
            message = choices.pick(SAID) if choices.flag() else (choices.piece(1) or b"\x32") + choices.some()
            for step in login.from_client(message):
                if isinstance(step, client.Reply):
                    assert step.message[:1] != b"\x34", "SUCCESS without a check"
                elif isinstance(step, client.Attempt):
                    users.add(step.user)
                    assert len(users) == 1, "another user than it began with"
                    if isinstance(step, client.KeyOffered):
                        more = login.offer_judged(choices.flag())
                    elif isinstance(step, client.PersonAsked) and choices.flag():
                        more = login.show("where and what")
                    else:
                        more = login.refused("")
                    assert all(not isinstance(one, client.Reply) or one.message[:1] != b"\x34" for one in more)


TARGETS_WORDS = (
    b"\x06" + string(b"ssh-userauth"),
    b"\x33" + string(b"password") + b"\0",
    b"\x34",
    b"\x35" + string(b"hi") * 2,
)


def ssh_target_login(data: bytes) -> None:
    """A step or WireError; the credential goes out once each way, after the target has accepted the service."""
    choices = Choices(data)
    signer = target.Signer(b"ssh-ed25519", b"blob", lambda signed: b"signature") if choices.flag() else None
    login = target.TargetLogin(b"session", "web", signer, Secret(b"s3cret") if choices.flag() else None)
    sent = [step.message for step in login.start() if isinstance(step, target.Send)]
    with contextlib.suppress(WireError):
        while choices.more:
            known = choices.flag()
            message = choices.pick(TARGETS_WORDS) if known else (choices.piece(1) or b"\x35") + choices.some()
            sent += [step.message for step in login.from_target(message) if isinstance(step, target.Send)]
    assert sum(b"s3cret" in message for message in sent) <= 1 and sum(b"signature" in message for message in sent) <= 1


def ssh_certificate(data: bytes) -> None:
    """A certificate or WireError; what it says, written again, says the same."""
    with contextlib.suppress(WireError):
        found = sshcertificates.read(data)
        assert found.signed + string(found.signature) == data
        again = sshcertificates.read(sshcertificates.unsigned(found, b"nonce") + string(found.signature))
        for name in ("key", "serial", "kind", "id", "principals", "after", "before", "authority", "signature"):
            assert getattr(again, name) == getattr(found, name), name
        assert set(again.extensions) == set(found.extensions)


def ssh_agent(data: bytes) -> None:
    """Whole or in two reads, the same requests or WireError; what passes is the list of keys, a binding or a login."""
    whole: list[tuple[str, str, str]] = []
    for cuts in ((0, len(data)), (0, len(data) // 2, len(data))):
        requests = AgentRequests()
        found: list[tuple[str, str, str]] = []
        with contextlib.suppress(WireError):
            for start, end in pairwise(cuts):
                found += [(each.what, each.refused, each.user) for each in requests.of(data[start:end])]
        assert all(refused or what in ("list", "bind", "query", "sign") for what, refused, _ in found)
        whole = whole if len(cuts) == 3 else found
    assert found[: len(whole)] == whole  # it may be more: what a read had before a length that no request has


def ssh_krl(data: bytes) -> None:
    """A list or WireError; each key that it names is revoked, and it can be asked about anything."""
    with contextlib.suppress(WireError):
        found = sshkrl.read(data, (b"authority",))
        assert all(found.has_key(blob) for blob in found.keys)
        for each in found.certificates:
            for low, high in each.ranges:
                assert each.has(low, b"") and each.has(high, b"")
            for serial in each.serials:
                assert found.has_certificate(each.authority, serial, b"")
        found.has_certificate(b"authority", len(data), data)

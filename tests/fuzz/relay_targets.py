"""Fuzz targets of relay/: whole relays between two peers that say whatever they like, and both logins."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from hoopgw.model.answer import GO, Allowance, Answer, Decision, Denial, Meter
from hoopgw.model.events import Code
from hoopgw.model.operation import Operation
from hoopgw.model.secret import Secret
from hoopgw.relay.effects import Hangup
from hoopgw.relay.postgres_client_effects import Cancel, Login, Refuse
from hoopgw.relay.postgres_client_effects import StartTls as ClientTls
from hoopgw.relay.postgres_planner import UNSEEN
from hoopgw.relay.postgres_target_effects import DeriveKey, Failed, Ready, TargetEffect
from hoopgw.relay.postgres_target_effects import StartTls as TargetTls
from hoopgw.wire import pglogin
from hoopgw.wire import sshmessages as ssh
from hoopgw.wire.pglogin import SSL_REQUEST, request, startup_message
from hoopgw.wire.pgmessages import message
from tests.fuzz.choices import Choices, cut
from tests.relay import pgbytes, test_postgres_client_login, test_postgres_target_login
from tests.relay.pgbytes import (
    Session,
    bind,
    close,
    columns,
    complete,
    describe,
    execute,
    failed,
    known,
    parse,
    query,
    relay,
    row,
)
from tests.relay.test_postgres_results import Masks
from tests.relay.test_ssh import Play

FORBIDDEN = b"drop"  # what is refused: nothing of it may reach a target
NO = Answer(Denial(Decision.REFUSED, "not here", ("no-drop",)))

# ---- PostgreSQL

CLIENT = (
    query(b"select 1"), query(b"drop table t"), query(b"copy t from stdin"), query(b"copy t to stdout"),
    query(b"select masked"), query(b"select few"), query(b"prepare s as drop"), query(b"discard all"), query(b""),
    query(b"begin"), query(b"set application_name = 'x'"), parse(b"s", b"select masked"), parse(b"", b"drop"),
    parse(b"", b"select few"), bind(b"", b"s"), bind(b"p", b""), bind(b"", b"", b"1", None), execute(b""),
    execute(b"p", 5), describe(b"P", b""), describe(b"S", b"s"), close(b"S", b"s"), close(b"P", b"p"), pgbytes.SYNC,
    pgbytes.FLUSH, pgbytes.function(964), pgbytes.copy_data(b"1\t2\n"), pgbytes.COPY_DONE, message(b"f", b"no\0"),
    pgbytes.TERMINATE,
    parse(b"s", b"select 1") + bind(b"", b"s") + describe(b"P", b"") + execute(b"") + pgbytes.SYNC,
    parse(b"", b"drop") + bind(b"", b"") + execute(b"") + pgbytes.SYNC,
)  # fmt: skip
TARGET = (
    columns(b"a"), columns(b"a", b"b"), row(b"1"), row(b"secret") * 3, row(b"1", b"x" * 300), complete(b"SELECT 1"),
    complete(b"SELECT 3") + pgbytes.ready(), pgbytes.ready(), pgbytes.ready(b"T"), pgbytes.ready(b"E"), pgbytes.PARSED,
    pgbytes.BOUND, pgbytes.CLOSED, pgbytes.NO_DATA, pgbytes.SUSPENDED, pgbytes.NO_PARAMETERS, pgbytes.COPY_IN,
    pgbytes.COPY_OUT, pgbytes.SYNTAX_ERROR, pgbytes.SYNTAX_ERROR + pgbytes.ready(), failed(b"57014", b"secret"),
    failed(b"57P01", b"bye", b"FATAL"), pgbytes.notice(b"secret"), pgbytes.parameter(b"client_encoding", b"SJIS"),
    pgbytes.parameter(b"application_name", b"x"), pgbytes.copy_data(b"1\tsecret\n"), pgbytes.copy_data(b"half"),
    pgbytes.COPY_DONE, message(b"V", b"\0\0\0\1x"), message(b"A", b"\0\0\0\1c\0secret\0"), message(b"I", b""),
    message(b"W", b"\0\0\0"),
    columns(b"a") + row(b"1") + complete(b"SELECT 1") + pgbytes.ready(),
    pgbytes.PARSED + pgbytes.BOUND + columns(b"a") + row(b"1") + complete(b"SELECT 1") + pgbytes.ready(),
)  # fmt: skip


def _decided(operation: Operation) -> Answer:
    if FORBIDDEN in operation.text or known(operation) == UNSEEN:  # as the judge does: nobody can read that one
        return NO
    if b"masked" in operation.text:
        return Answer(masks=Masks(errors=True))
    if b"few" in operation.text:
        return Answer(meter=Meter((Allowance("so many", 2, None, "few", resets=1e9),)))
    return GO


def _script(choices: Choices) -> list[tuple[bool, bytes]]:
    """(from the client, bytes) of each read."""
    found: list[tuple[bool, bytes]] = []
    while choices.more and len(found) < 40:
        from_client = choices.flag()
        known = CLIENT if from_client else TARGET
        read = b"".join(choices.pick(known) for _ in range(1 + choices.number(3)))
        if choices.number(8) == 7:
            read += choices.some()
        elif choices.number(8) == 7:
            read = message(choices.piece(1) or b"?", choices.some())
        found.append((from_client, read))
    return found


def pg_relay(data: bytes) -> None:
    """Nothing raises, whoever sends what; nothing that was refused reaches the target, in any message; a hangup is the
    last; and however reads are cut, the same is asked, sent and told."""
    choices = Choices(data)
    places = choices.some()
    script = _script(choices)
    one, other = Session(relay(), _decided), Session(relay(), _decided)
    for from_client, read in script:
        (one.client if from_client else one.target)(read)
        # while bytes of the client wait for the target, it matters when its words come: they are not cut then
        pieces = cut(read, places) if from_client or not other.relay._kept_size else [read]
        for piece in pieces:
            (other.client if from_client else other.target)(piece)
    for each in (one, other):
        _refused_stays_here(pgbytes.to_target(each.effects))
        _one_end(each)
    if not _violated(one) and not _violated(other):  # else what stands before it in the same read may have gone on
        assert _asked(one) == _asked(other), "a cut changes what is asked"
        assert _sent(one) == _sent(other), "a cut changes what is sent"
        assert _told(one) == _told(other), "a cut changes what is told"


def _violated(session: Session) -> bool:
    """Also where its end waits for that of a message that the client has a part of."""
    effects = session.effects + session.relay._ending
    return any(isinstance(each, Hangup) and each.code is Code.PROTOCOL_VIOLATED for each in effects)


def _asked(session: Session) -> list[tuple[str, bytes, bool]]:
    """Kind, name, whether it is refused.  A statement that the target skips because of an error before it is unseen,
    or has its text still where it stands in the same read: refused it is both times."""
    return [(each.kind, each.name, _decided(each) is NO) for each in session.operations]


def _sent(session: Session) -> bytes:
    return pgbytes.to_target(session.effects).replace(pgbytes.FLUSH, b"")


def _told(session: Session) -> bytes:
    return pgbytes.to_client(session.effects)


def _refused_stays_here(sent: bytes) -> None:
    """Walks over the messages as a target would."""
    here = 0
    while here + 5 <= len(sent):
        end = here + 1 + int.from_bytes(sent[here + 1 : here + 5], "big")
        assert here + 5 <= end and (end <= len(sent) or sent[here : here + 1] == b"d"), "half a message for the target"
        if sent[here : here + 1] in (b"Q", b"P"):
            assert FORBIDDEN not in sent[here + 5 : end], "what was refused is at the target"
        here = end


def _one_end(session: Session) -> None:
    ends = [index for index, each in enumerate(session.effects) if isinstance(each, Hangup)]
    assert len(ends) <= 1 and all(index == len(session.effects) - 1 for index in ends), "something comes after the end"


# ---- SSH


def _ssh_message(choices: Choices, from_client: bool) -> bytes:
    channel = choices.number(4)
    kind = choices.number(14)
    size = choices.number(65536)
    made: tuple[Callable[[], bytes], ...] = (
        lambda: ssh.ChannelOpen(
            choices.pick((b"session", b"direct-tcpip", b"x11")), channel, size, size, b""
        ).encoded(),
        lambda: ssh.confirmation(channel, choices.number(4), size, size),
        lambda: ssh.open_failure(channel, 1, b"no"),
        lambda: ssh.request(channel, b"exec", choices.flag(), ssh.string(choices.pick((b"id", b"drop")))),
        lambda: ssh.request(
            channel, b"env", choices.flag(), ssh.string(b"A") + ssh.string(b"drop" * choices.number(2))
        ),
        lambda: ssh.request(
            channel, choices.pick((b"pty-req", b"shell", b"subsystem", b"signal")), choices.flag(), choices.some()
        ),
        lambda: ssh.channel_data(channel, choices.some()),
        lambda: ssh.stderr(channel, choices.some()),
        lambda: ssh.adjust(channel, choices.number(1 << 20)),
        lambda: ssh.simple(choices.pick((ssh.CHANNEL_EOF, ssh.CHANNEL_CLOSE)), channel),
        lambda: ssh.simple(choices.pick((ssh.CHANNEL_SUCCESS, ssh.CHANNEL_FAILURE)), channel),
        lambda: ssh.exit_status(channel, choices.number(256)),
        lambda: bytes((80 + choices.number(24),)) + choices.some(),
        lambda: (choices.piece(1) or b"?") + choices.some(),
    )
    return made[kind]()


def ssh_relay(data: bytes) -> None:
    """Nothing raises, whoever sends what and whenever decisions come; no refused command reaches the target; there is
    one end."""
    choices = Choices(data)
    waits = choices.flag()
    play = Play(lambda operation: None if waits else NO if FORBIDDEN in operation.text else GO)
    for _ in range(60):
        if not choices.more or any(isinstance(each, Hangup) for each in play.others):
            break
        if play.asks and choices.number(3) == 0:
            play.answer(NO if FORBIDDEN in play.asks[0].operations[0].text else GO)
            continue
        from_client = choices.flag()
        (play.client if from_client else play.target)(_ssh_message(choices, from_client))
    for sent in play.to_target:
        with contextlib.suppress(ssh.MalformedFrame):
            asked = ssh.read_request(sent)
            assert asked.name != b"exec" or FORBIDDEN not in asked.body, "what was refused is at the target"
    assert sum(isinstance(each, Hangup) for each in play.others) <= 1


def ssh_run(data: bytes) -> None:
    """The same of runs of bytes that are none."""
    choices = Choices(data)
    play = Play()
    play.open(0, 0)
    while choices.more:
        from_client, run = choices.flag(), choices.some()
        play.carry_out((play.relay.from_client if from_client else play.relay.from_target)(run))


# ---- logins

HELLO = (
    request(SSL_REQUEST), request(pglogin.GSSENC_REQUEST), pglogin.cancel_request(7, b"abcd"),
    startup_message([("user", "reader"), ("database", "pay")]),
    startup_message([("user", "reader"), ("database", "pay"), ("options", "-c search_path=x"), ("replication", "1")]),
    pglogin.message(b"p", b"eyJh.eyJz.c2ln\0"), pglogin.message(b"p", b"\0"),
)  # fmt: skip


def pg_client_login(data: bytes) -> None:
    """Nothing raises; there is one outcome and nothing after it; where TLS is required nothing comes before it."""
    choices = Choices(data)
    login = test_postgres_client_login.login(encrypted=choices.flag(), tls_required=choices.flag())
    over = False
    while choices.more and not over:
        read = choices.pick(HELLO) + choices.some() * choices.number(2) if choices.flag() else choices.some()
        for effect in login.from_client(read):
            assert not over, "something comes after the end"
            if isinstance(effect, ClientTls):
                login.tls_started()
            elif isinstance(effect, Login):
                assert login.encrypted or not login._tls_required, "a login in the clear"
            over = isinstance(effect, Login | Refuse | Cancel)


SAID = (
    test_postgres_target_login.SASL, test_postgres_target_login.SASL_PLUS, test_postgres_target_login.OK,
    test_postgres_target_login.PINNED, test_postgres_target_login.KEY, test_postgres_target_login.IDLE, b"S", b"N",
    b"E", pglogin.authentication(pglogin.MD5, b"salt"), pglogin.authentication(pglogin.CLEARTEXT),
    pglogin.authentication(pglogin.SASL_CONTINUE, b"r=,s=,i=4096"),
    pglogin.authentication(pglogin.SASL_FINAL, b"v=AAAA"),
    test_postgres_target_login.error(S="FATAL", C="28P01", M="no"), pglogin.message(b"v", bytes(8)),
)  # fmt: skip


def pg_target_login(data: bytes) -> None:
    """Nothing raises; a target that does not know the password is never one that is ready, whatever it says."""
    choices = Choices(data)
    login = test_postgres_target_login.target(tls=choices.flag())
    effects: list[TargetEffect] = login.start()
    over = False
    while not over:
        waiting, effects = effects, []
        for effect in waiting:
            if isinstance(effect, TargetTls):
                effects += login.tls_started(choices.pick((b"", b"digest")))
            elif isinstance(effect, DeriveKey):
                effects += login.derived(Secret(b"x" * 32))
            assert not isinstance(effect, Ready), "a target that proved nothing"
            over = over or isinstance(effect, Failed)
        if not effects:
            if not choices.more:
                return
            read = (
                choices.some()
                if choices.number(4) == 3
                else b"".join(choices.pick(SAID) for _ in range(choices.number(4)))
            )
            effects = login.from_target(read)

"""Fuzz targets of wire/: what frames, reads and authenticates.  Whatever the bytes are, values or WireError."""

from __future__ import annotations

import contextlib

from hoopgw.model.errors import WireError
from hoopgw.model.secret import Secret
from hoopgw.wire import pgframes, pglogin, pgmessages, saslprep, scram
from hoopgw.wire import sshmessages as ssh
from tests.fuzz.choices import Choices, cut

LIMIT = 1 << 16  # of a message, where the reader is given one
RANDOM = bytes(range(18))


def pg_frames(data: bytes) -> None:
    """Any cut of a stream gives the same messages, and the same verdict on what is no message."""
    choices = Choices(data)
    places = choices.some()
    stream = choices.rest()
    whole, broken = _scanned([stream])
    pieces, also = _scanned(cut(stream, places))
    assert (whole, broken) == (pieces, also), "a cut changes the messages"
    _by_ends(stream)


def _scanned(reads: list[bytes]) -> tuple[list[tuple[int, bytes]], bool]:
    """(tag, message) of each whole message, as `scan` finds them over these reads; and whether it gave up."""
    found: list[tuple[int, bytes]] = []
    kept, run = b"", pgframes.Run()
    for read in reads:
        kept, here = kept + read, 0
        while True:
            try:
                run.scan(kept, here)
            except WireError:
                return found, True
            if run.end == here:
                break
            if run.rows:
                assert pgframes.after_rows(kept, here, run.rows) == run.bulk
            at = here
            while at < run.end:
                end = pgframes.message_end(kept, at, 0x40000100)
                assert at < end <= run.end and (kept[at] == run.tag or end == run.end)
                found.append((kept[at], kept[at:end]))
                at = end
            here = run.end
        kept = kept[here:]
    return found, False


def _by_ends(stream: bytes) -> None:
    """`needed` and `message_end` agree."""
    here = 0
    with contextlib.suppress(WireError):
        while True:
            wanted, end = pgframes.needed(stream, here, LIMIT), pgframes.message_end(stream, here, LIMIT)
            assert (end == here + wanted) if end else (wanted == 0 or here + wanted > len(stream))
            if not end:
                return
            here = end


def pg_messages(data: bytes) -> None:
    """Readers of bodies; what a Bind is without its values is still that Bind; fields are built as they were read."""
    end = len(data)
    with contextlib.suppress(WireError):
        pgmessages.read_parse(data, 0, end)
    with contextlib.suppress(WireError):
        pgmessages.read_name(data, 0, end)
    with contextlib.suppress(WireError):
        assert len(pgmessages.read_row_description(data)) <= pgmessages.MAX_FIELDS
    fields = pgmessages.report_fields(data)
    again = pgmessages.report(b"E", fields)
    assert pgmessages.report_fields(again[5:]) == fields
    with contextlib.suppress(WireError):
        bound = pgmessages.read_bind(data, 0, end)
        emptied = pgmessages.without_values(data, 0, end)
        other = pgmessages.read_bind(emptied, 5, len(emptied))
        assert (other.portal, other.statement) == (bound.portal, bound.statement)
        assert len(emptied) <= end + 5


def pg_login(data: bytes) -> None:
    """Start-up packets; parameters that were read are those that are written."""
    with contextlib.suppress(WireError):
        stop = pglogin.startup_packet_end(data, LIMIT)
        assert 0 <= stop <= len(data)
        if stop:
            body = pglogin.read_startup_packet(data[:stop]).body
            with contextlib.suppress(WireError):
                pglogin.read_cancel(body)
            named = pglogin.read_parameters(body)
            written = pglogin.startup_message(list(named.items()))
            assert pglogin.read_parameters(written[8:]) == named
    with contextlib.suppress(WireError):
        assert pglogin.message_end(data, LIMIT) <= len(data)


def scram_exchange(data: bytes) -> None:
    """Whatever a server says, it is not verified: it does not know the password."""
    choices = Choices(data)
    offered = [choices.some() for _ in range(choices.number(4))]
    with contextlib.suppress(WireError):
        scram.chosen_mechanism([*offered, scram.SCRAM], choices.pick((None, b"", b"digest")))
    ours = scram.ScramClient(scram.SCRAM, RANDOM, choices.pick((None, b"digest")))
    nonce = ours.first().partition(b"r=")[2]
    with contextlib.suppress(WireError):
        first = choices.some()
        ours.server_first(b"r=" + nonce + first if choices.flag() else first)
        ours.final(Secret(b"x" * 32))
        ours.server_final(choices.some())
    assert not ours.verified


def passwords(data: bytes) -> None:
    """SASLprep never fails, and what it prepared stays as it is."""
    prepared = saslprep.prepared_password(data)
    assert saslprep.prepared_password(prepared) == prepared
    assert bool(prepared) == bool(data)


READERS = (ssh.read_open, ssh.read_confirmation, ssh.read_channel, ssh.read_adjust, ssh.read_request, ssh.data_size)


def ssh_messages(data: bytes) -> None:
    """Any cut of a run gives the same messages; readers of each give values or WireError."""
    choices = Choices(data)
    place = choices.number(65536)
    run = choices.rest()
    with contextlib.suppress(WireError):
        messages = ssh.messages(run)
        assert b"".join(map(ssh.framed, messages)) == run
        ends = ssh.message_ends(run[: place % (len(run) + 1)], 0)
        rest = ends[-1] if ends else 0
        assert ssh.messages(run[:rest]) + ssh.messages(run[rest:]) == messages
        for message in messages:
            _read(message)
    _read(run)


def _read(message: bytes) -> None:
    for read in READERS:
        with contextlib.suppress(WireError):
            read(message)
    with contextlib.suppress(WireError):
        opened = ssh.read_open(message)
        assert opened.encoded()[1:] == message[1:]  # its first byte says which message it is, and is not read

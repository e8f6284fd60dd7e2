"""Fuzz target of SFTP in the relay: packets of a client, judged, and a target's answers."""

from __future__ import annotations

import contextlib

from hoopgw.model.errors import WireError
from hoopgw.relay.ssh_channel import RESERVE
from hoopgw.relay.ssh_files import OWN, OWN_REQUEST, QUIET, Files
from hoopgw.wire import sftp
from hoopgw.wire.sftppaths import asked
from hoopgw.wire.sshmessages import string, u32
from tests.fuzz.choices import Choices, cut

INIT = b"\0\0\0\5\1\0\0\0\3"
VERSION = b"\0\0\0\5\2\0\0\0\3"
HOME = b"/home/a"
NAMED = sftp.packet(sftp.NAME, OWN, u32(1) + string(HOME) * 2 + u32(0))
HANDLE = b"h"
MOST = 40  # packets of one input
PATHS = (b"/etc/passwd", b"../../etc/passwd", b"x", b"", b"a//b/./..", b"/\0", b"\xff")
BY_PATH = (
    sftp.LSTAT, sftp.SETSTAT, sftp.OPENDIR, sftp.REMOVE, sftp.MKDIR, sftp.RMDIR, sftp.REALPATH, sftp.STAT, sftp.RENAME,
    sftp.READLINK, sftp.SYMLINK,
)  # fmt: skip
BY_HANDLE = (sftp.CLOSE, sftp.READ, sftp.FSTAT, sftp.FSETSTAT, sftp.READDIR)
EXTENSIONS = (b"posix-rename@openssh.com", b"hardlink@openssh.com", b"copy-data", b"statvfs@openssh.com", b"other", b"")


def _packet(choices: Choices) -> bytes:
    """One that a client may send, or nearly."""
    form, id = choices.number(6), choices.number(64)
    if form == 0:
        return choices.some()
    if form == 1:
        return sftp.packet(sftp.OPEN, id, string(choices.pick(PATHS)) + u32(choices.number(64)) + u32(0))
    if form == 2:
        place = choices.number(1 << 16).to_bytes(8, "big")
        return sftp.packet(sftp.WRITE, id, string(HANDLE) + place + string(choices.some()))
    if form == 3:
        return sftp.packet(choices.pick(BY_HANDLE), id, string(HANDLE) + choices.some())
    if form == 4:
        name = choices.pick(EXTENSIONS)
        return sftp.packet(sftp.EXTENDED, id, string(name) + string(choices.pick(PATHS)) + string(choices.pick(PATHS)))
    return sftp.packet(choices.pick(BY_PATH), id, string(choices.pick(PATHS)) * 2 + u32(0))


def _passed(packets: list[bytes], places: bytes | None, junk: bytes) -> tuple[bytes, list[bytes]]:
    """(what went to the target behind INIT, what was asked about): up to what is no SFTP."""
    files, went, questions = Files(), b"", list[bytes]()
    files.client(INIT)
    files.target(VERSION + NAMED, RESERVE)
    with contextlib.suppress(WireError):
        for packet in packets:
            begin = len(went)
            for piece in [packet] * bool(packet) if places is None else cut(packet, places):
                passed, behind = files.client(piece)
                went += passed
                while files.request is not None:
                    questions.append(files.packet)
                    went += files.allowed() if files.packet[-1] & 1 else files.denied(b"no")
                    passed, behind = files.client(behind)
                    went += passed
            for each in _whole(went[begin:]):
                files.target(_answer(each), RESERVE)
        files.target(junk, RESERVE)
    return went, questions


def _whole(stream: bytes) -> list[bytes]:
    """Its packets, up to one that is not whole."""
    found: list[bytes] = []
    while len(stream) >= sftp.HEADER:
        size = sftp.read_header(stream).size
        if size > len(stream):
            break
        found.append(stream[:size])
        stream = stream[size:]
    return found


def _answer(packet: bytes) -> bytes:
    header = sftp.read_header(packet)
    if header.kind in (sftp.OPEN, sftp.OPENDIR):
        return sftp.packet(sftp.HANDLE, header.id, string(HANDLE))
    return sftp.status(header.id, sftp.OK, b"")


def sftp_files(data: bytes) -> None:
    """Whatever touches a file was asked about before it passes, and passes if it was let; the same at any cut."""
    choices = Choices(data)
    places, junk, packets = choices.some(), choices.some(), list[bytes]()
    while choices.more and len(packets) < MOST:
        packets.append(_packet(choices))
    went, questions = _passed(packets, None, junk)
    in_pieces = _passed(packets, places, junk)
    assert in_pieces[0].startswith(went) and in_pieces[1][: len(questions)] == questions, "a cut changes what passes"
    for packet in _whole(in_pieces[0]):
        # the second is in place of what was denied
        own = packet == OWN_REQUEST or packet == sftp.nothing(sftp.read_header(packet).id)
        touches = packet[4] not in QUIET and not own
        if touches and (packet[4] == sftp.FSETSTAT or asked(packet, HOME) is not None):
            assert packet in in_pieces[1] and packet[-1] & 1, "nobody was asked, or it was denied"

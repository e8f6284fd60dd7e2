"""One SFTP channel: which packets pass, which have to be asked about, and what became of the files.

Where relative paths begin the gateway asks itself, before anything that the client asks.  What is denied goes to the
target as a request that it answers with a STATUS of its own, so that the order of answers stays the target's; that
STATUS says to the client that permission was denied.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final, final

from hoopgw.model.errors import ProtocolViolation
from hoopgw.model.events import Code
from hoopgw.relay.effects import Observed
from hoopgw.wire import sftp
from hoopgw.wire.sftppaths import QUIET, READ, READ_WRITE, SET, WRITE, FileRequest, asked

OWN: Final = 0xFFFFFFFF  # id of the gateway's own request: clients count from 0
MAX_HELD: Final = 64 * 1024  # bytes of a client that wait for the target's answer to OWN_REQUEST
MAX_ASKED: Final = 16 * 1024  # bytes of a request that names files: two of the longest paths, and attributes
MAX_PENDING: Final = 4096  # requests that wait for an answer: OpenSSH's client has 64
MAX_OPEN: Final = 1024  # handles of one channel
MAX_STATUS: Final = 32 * 1024  # bytes of an answer that is kept whole


OWN_REQUEST: Final = sftp.packet(sftp.REALPATH, OWN, b"\0\0\0\1.")


@final
class Opened:
    """A file that a handle stands for.  `digest` is of what was written in sequence from the beginning, else None."""

    __slots__ = ("path", "writes", "read", "written", "digest")

    def __init__(self, path: bytes, writes: bool) -> None:
        self.path = path
        self.writes = writes
        self.read = 0
        self.written = 0
        self.digest: Any = sha256() if writes else None


@final
class Pending:
    """A request that the target has not answered."""

    __slots__ = ("kind", "file", "request", "denied")

    def __init__(self, kind: int, file: Opened | None, request: FileRequest | None, denied: bytes | None) -> None:
        self.kind = kind
        self.file = file
        self.request = request
        self.denied = denied  # the words for the client


@final
class Files:
    """`client` and `target` take the bytes of the two directions in order; `happened` is drained by the relay."""

    def __init__(self) -> None:
        self.home = b""  # where relative paths begin; b"" where the target did not say
        self.settled = False  # it has answered that
        # Bytes that one side did not send or does not get; the relay settles them with the windows
        self.injected = 0  # of the gateway's own for the target
        self.swallowed = 0  # of the target, not for the client
        self.grown = 0  # of the gateway's own for the client
        self._begun = False
        self.happened: list[Observed] = []
        self.packet = b""  # that is asked about
        self.request: FileRequest | None = None
        self._held = b""  # the beginning of a client's packet that is not whole enough to be known
        self._skip = 0  # bytes of a client's packet that still pass
        self._written: Opened | None = None  # whose content those are
        self._answer = b""  # the beginning of a target's packet
        self._answer_skip = 0
        self._pending: dict[int, Pending] = {}
        self._open: dict[bytes, Opened] = {}

    # ---- from the client

    def client(self, data: bytes) -> tuple[bytes, bytes]:
        """(what passes, what stands behind a request that is to be asked about: `packet` and `request` then).

        Raises ProtocolViolation or MalformedFrame for what is not of the protocol.
        """
        passed: list[bytes] = []
        data, self._held = self._held + data, b""
        while data:
            if self._skip:
                piece, data = data[: self._skip], data[self._skip :]
                self._skip -= len(piece)
                self._hash(piece)
                passed.append(piece)
                continue
            header = sftp.read_header(data) if len(data) >= sftp.HEADER else None
            if header is None or len(data) < self._needed(header, data) or self._waits(header):
                self._held = data
                break
            packet, data = data[: header.size], data[header.size :]
            if header.kind not in QUIET:
                request = self._attributes(packet) if header.kind == sftp.FSETSTAT else asked(packet, self.home)
                if request is not None:
                    self.packet, self.request = packet, request
                    return b"".join(passed), data
            self._passes(header, packet)
            self._skip = header.size - len(packet)
            passed.append(packet)
            if header.kind == sftp.INIT:
                passed.append(OWN_REQUEST)
                self.injected += len(OWN_REQUEST)
        if len(self._held) > MAX_HELD:
            raise ProtocolViolation(f"more than {MAX_HELD} bytes of SFTP before the target has answered")
        return b"".join(passed), b""

    def _attributes(self, packet: bytes) -> FileRequest:
        """What is set by a handle is set on its file; of a handle that the target has not given no path is known."""
        handle, _ = sftp.read_string(packet, sftp.HEADER)
        file = self._open.get(handle)
        return FileRequest(SET, [file.path if file is not None else b"?"])

    def _waits(self, header: sftp.Header) -> bool:
        """For where relative paths begin."""
        if self._begun == (header.kind == sftp.INIT):
            raise ProtocolViolation("an SFTP INIT that is not the first packet, or none before others")
        self._begun = True
        return header.kind not in QUIET and not self.settled

    @property
    def stalled(self) -> bool:
        """Something of the client's waits for what is known now: `client(b"")` goes on."""
        return self.settled and len(self._held) >= sftp.HEADER

    def _needed(self, header: sftp.Header, held: bytes) -> int:
        """How much of a packet must be there before it is known."""
        if header.kind == sftp.WRITE:
            if len(held) < sftp.HEADER + 4:
                return sftp.HEADER + 4
            handle = int.from_bytes(held[sftp.HEADER : sftp.HEADER + 4], "big")
            if handle > sftp.MAX_HANDLE:
                raise ProtocolViolation(f"a handle of {handle} bytes")
            return sftp.HEADER + 4 + handle + 12
        if header.size > MAX_ASKED:
            raise ProtocolViolation(f"an SFTP request of {header.size} bytes")
        return header.size

    def _passes(self, header: sftp.Header, packet: bytes) -> None:
        kind = header.kind
        if kind == sftp.INIT:
            return
        file: Opened | None = None
        if kind in (sftp.CLOSE, sftp.READ, sftp.WRITE, sftp.READDIR):
            handle, here = sftp.read_string(packet, sftp.HEADER)
            file = self._open.get(handle)
            if kind == sftp.READ and file is None:  # as a write: what is read would be missing
                raise ProtocolViolation("an SFTP read of what the target has not opened")
            if kind == sftp.WRITE:
                self._writes(file, packet, here, header.size)
            elif kind == sftp.CLOSE:
                self._open.pop(handle, None)
        self._expect(header.id, Pending(kind, file, None, None))

    def _writes(self, file: Opened | None, packet: bytes, here: int, size: int) -> None:
        offset = int.from_bytes(packet[here : here + 8], "big")
        length = int.from_bytes(packet[here + 8 : here + 12], "big")
        if here + 12 + length != size:
            raise ProtocolViolation("an SFTP write whose length is not that of its packet")
        if file is None:  # handles can be guessed: what is written would be missing in what is said of the file
            raise ProtocolViolation("an SFTP write to what the target has not opened")
        self._written = file
        if offset != file.written:
            file.digest = None
        file.written += length
        self._hash(packet[here + 12 :])

    def _hash(self, piece: bytes) -> None:
        if self._written is not None and self._written.digest is not None:
            self._written.digest.update(piece)

    def _expect(self, id: int, pending: Pending) -> None:
        if len(self._pending) >= MAX_PENDING or id in self._pending or id == OWN:
            raise ProtocolViolation("too many SFTP requests, or one id for two of them")
        self._pending[id] = pending

    # ---- decisions

    def allowed(self) -> bytes:
        """The packet goes on."""
        packet, request = self.packet, self.request
        self.packet, self.request = b"", None
        if request is not None and not request.action:  # it may write: copy-data does
            for file in self._open.values():
                file.digest = None
        self._expect(sftp.read_header(packet).id, Pending(packet[4], None, request, None))
        return packet

    def denied(self, words: bytes) -> bytes:
        """What goes to the target in its place; the answer will say `words`."""
        packet = self.packet
        self.packet, self.request = b"", None
        id = sftp.read_header(packet).id
        self._expect(id, Pending(packet[4], None, None, words))
        return sftp.nothing(id)

    # ---- from the target

    def target(self, data: bytes, room: int) -> bytes | None:
        """What the client gets in place of `data`; None: the same.  `room`: bytes that may be more than `data`.

        Raises ProtocolViolation or MalformedFrame.
        """
        out: list[bytes] = []
        changed = bool(self._answer)
        rest = data
        while rest:
            if self._answer_skip:
                piece, rest = rest[: self._answer_skip], rest[self._answer_skip :]
                self._answer_skip -= len(piece)
                out.append(piece)
                continue
            self._answer += rest
            rest = b""
            answer = self._answer
            if len(answer) < sftp.HEADER:
                break
            header = sftp.read_header(answer)
            if header.kind in (sftp.STATUS, sftp.HANDLE, sftp.VERSION) or header.id == OWN:
                if header.size > MAX_STATUS:
                    raise ProtocolViolation(f"an SFTP answer of {header.size} bytes")
                if len(answer) < header.size:
                    break
            packet, rest, self._answer = answer[: header.size], answer[header.size :], b""
            shown = self._answered(header, packet, room)
            if shown is not packet:
                changed = True
                if shown:
                    self.grown += len(shown) - len(packet)
                    room -= len(shown) - len(packet)
            out.append(shown)
            self._answer_skip = header.size - len(packet)
        return b"".join(out) if changed or self._answer else None

    def _answered(self, header: sftp.Header, packet: bytes, room: int) -> bytes:
        kind = header.kind
        if kind == sftp.VERSION:
            if int.from_bytes(packet[5:9], "big") != 3:
                raise ProtocolViolation("a version of SFTP other than 3, which is not read here")
            return packet
        if header.id == OWN and not self.settled:
            self._resolved(packet)
            return b""
        pending = self._pending.pop(header.id, None)
        if pending is None:
            raise ProtocolViolation("an SFTP answer to what was not asked")
        code = int.from_bytes(packet[9:13], "big") if kind == sftp.STATUS else sftp.OK
        if pending.denied is not None:
            if kind != sftp.STATUS or code == sftp.OK:
                raise ProtocolViolation("an SFTP request that was denied was carried out")
            return self._refusal(header.id, packet, pending.denied, room)
        request, file = pending.request, pending.file
        if kind == sftp.HANDLE:
            self._opens(pending, packet)
        elif kind == sftp.DATA and file is not None:
            file.read += max(0, header.size - sftp.HEADER - 4)
        elif kind == sftp.STATUS and pending.kind == sftp.WRITE and file is not None and code != sftp.OK:
            file.digest = None
        elif kind == sftp.STATUS and pending.kind == sftp.CLOSE and file is not None:
            self._closed(file)
        elif kind == sftp.STATUS and request is not None and request.action not in ("", READ, WRITE, READ_WRITE):
            self._say(request.action, request.paths, {"done": code == sftp.OK})
        return packet

    def _refusal(self, id: int, packet: bytes, words: bytes, room: int) -> bytes:
        """In the client's window there is always room for what the target has sent, so that no refusal waits."""
        shown = sftp.status(id, sftp.PERMISSION_DENIED, words)
        if len(shown) - len(packet) <= room:
            return shown
        return packet[:9] + sftp.PERMISSION_DENIED.to_bytes(4, "big") + packet[13:]

    def _opens(self, pending: Pending, packet: bytes) -> None:
        request = pending.request
        if pending.kind != sftp.OPEN or request is None:
            return
        if len(self._open) >= MAX_OPEN:
            raise ProtocolViolation(f"more than {MAX_OPEN} open files on one channel")
        handle, _ = sftp.read_string(packet, sftp.HEADER)
        self._open[handle] = Opened(request.paths[0], request.action != READ)

    def _resolved(self, packet: bytes) -> None:
        """What the target calls "."; where it does not say, relative paths stay as they are."""
        self.settled = True
        self.swallowed += len(packet)
        if packet[4] == sftp.NAME:
            path, _ = sftp.read_string(packet, sftp.HEADER + 4)
            if path.startswith(b"/"):
                self.home = path

    # ---- what happened

    def _closed(self, file: Opened) -> None:
        if file.writes:
            digest = file.digest.hexdigest() if file.digest is not None else "not hashed"
            self._say(WRITE, [file.path], {"bytes": file.written, "sha256": digest})
        if file.read or not file.writes:
            self._say(READ, [file.path], {"bytes": file.read})

    def ended(self) -> None:
        """The channel is gone: what was open was not closed."""
        for file in self._open.values():
            size = file.written if file.writes else file.read
            self._say(WRITE if file.writes else READ, [file.path], {"bytes": size, "closed": False})
        self._open.clear()

    def _say(self, action: str, paths: list[bytes], more: dict[str, object]) -> None:
        shown = [path.decode("utf-8", "backslashreplace") for path in paths]
        fields: dict[str, object] = {"action": action, "path": shown[0], **more}
        if len(shown) > 1:
            fields["to"] = shown[1]
        self.happened.append(Observed(Code.FILE_TOUCHED, fields))

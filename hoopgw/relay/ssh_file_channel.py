"""SFTP on a channel: its bytes and the channel's windows, and what is asked about on the way (relay/ssh_files.py)."""

from __future__ import annotations

from typing import final

from hoopgw.model.answer import Answer
from hoopgw.model.operation import FILE
from hoopgw.relay import ssh_words as words
from hoopgw.relay.effects import RECORDED, Completed, Effect, ToClient, ToTarget
from hoopgw.relay.ssh_asking import Asking
from hoopgw.relay.ssh_channel import Channel
from hoopgw.relay.ssh_files import Files
from hoopgw.wire import sftp
from hoopgw.wire import sshmessages as wire
from hoopgw.wire.sftppaths import described


@final
class FileChannels:
    """Of one session; `out` gets the effects."""

    __slots__ = ("_asking", "_out")

    def __init__(self, out: list[Effect], asking: Asking) -> None:
        self._asking = asking
        self._out = out

    def data(self, channel: Channel, files: Files, data: bytes) -> bool:
        """Data of the client on an SFTP channel, up to the first request that has to be asked about."""
        passed, rest = files.client(data)
        if files.request is None and passed == data:
            channel.to_target -= len(data)
            return True
        self._to_target(channel, passed)
        channel.owed += files.injected
        files.injected = 0
        request = files.request
        if request is not None:
            text = described(request)
            operation = self._asking.numbered(FILE, text, request.action.encode(), files.packet[sftp.HEADER :])
            self._asking.ask(channel, operation, wire.channel_data(channel.target, files.packet))
            if rest:
                channel.keep_first(wire.channel_data(channel.target, rest))
        return False

    def _to_target(self, channel: Channel, data: bytes) -> None:
        """Data in messages that the target takes."""
        channel.to_target -= len(data)
        step = max(1, channel.target_packet)
        for start in range(0, len(data), step):
            piece = wire.channel_data(channel.target, data[start : start + step])
            self._out.append(ToTarget(wire.framed(piece)))

    def decided(self, channel: Channel, files: Files, answer: Answer) -> None:
        """Denied: less goes to the target than the client has sent, and so the client's window grows by the rest."""
        size = len(files.packet)
        if answer.denial is None:
            channel.to_target -= size
            self._out.append(ToTarget(wire.framed(wire.channel_data(channel.target, files.allowed())), RECORDED))
            return
        told = words.denied(answer.denial, channel.terminal)
        if len(told) <= channel.credit // 2:  # OpenSSH's sftp shows no words of a STATUS
            self._to_client(channel.told(told))
        instead = files.denied(words.reason(answer.denial))
        self._to_target(channel, instead)
        if size > len(instead):
            self._to_client(wire.framed(wire.adjust(channel.client, size - len(instead))))
        self._out.append(Completed(channel.operation, 0, 0, answer.denial.decision.value))

    def answer(self, channel: Channel, files: Files, data: bytes) -> bool:
        shown = files.target(data, channel.credit)
        if files.swallowed:
            channel.to_client += files.swallowed
            self._out.append(ToTarget(wire.framed(wire.adjust(channel.target, files.swallowed))))
            files.swallowed = 0
        channel.grown(files.grown)
        files.grown = 0
        if shown is not None:
            step = max(1, channel.packet)
            for start in range(0, len(shown), step):
                self._to_client(wire.framed(wire.channel_data(channel.client, shown[start : start + step])))
        elif files.happened:
            self._to_client(wire.framed(wire.channel_data(channel.client, data)))
        self.happened(files)
        if files.stalled and not channel.asked:
            self.data(channel, files, b"")
        return shown is None and not self._out

    def happened(self, files: Files) -> None:
        self._out += files.happened
        files.happened = []

    def _to_client(self, run: bytes) -> None:
        if run:
            self._out.append(ToClient(run))

"""A name server of the tests' own on loopback: each name's answers in turn, the last one for good."""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
from collections.abc import Sequence

PLACE = "127.0.0.77"  # port 53: resolv.conf names no other
A, CNAME, AAAA = 1, 5, 28
NAME_ERROR = 3


def wired(name: str) -> bytes:
    return b"".join(bytes([len(each)]) + each.encode() for each in name.split(".")) + b"\0"


def answer(name: str, value: str) -> bytes:
    """One record: an address, or the name that `name` is another one for."""
    try:
        address = ipaddress.ip_address(value)
        kind, data = (A if address.version == 4 else AAAA), address.packed
    except ValueError:
        kind, data = CNAME, wired(value)
    return wired(name) + struct.pack("!HHIH", kind, 1, 0, len(data)) + data


class DnsServer:
    """`names` has for a name the values of its first answer, of its second ...; `asked` is who was asked for."""

    def __init__(self, names: dict[str, Sequence[Sequence[str]]]) -> None:
        self.names = names
        self.asked: list[tuple[str, int]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((PLACE, 53))
        self._serving = threading.Thread(target=self._serve, daemon=True)
        self._serving.start()

    def _serve(self) -> None:
        while True:
            query, sender = self._socket.recvfrom(4096)
            if not query:  # it is stopped
                return
            self._socket.sendto(self._answered(query), sender)

    def _answered(self, query: bytes) -> bytes:
        words, here = [], 12
        while query[here]:
            words.append(query[here + 1 : here + 1 + query[here]].decode())
            here += 1 + query[here]
        name, (kind,) = ".".join(words).lower(), struct.unpack("!H", query[here + 1 : here + 3])
        before = self.asked.count((name, kind))
        self.asked.append((name, kind))
        records = self._records(name, kind, before)
        code = 0 if name in self.names else NAME_ERROR
        head = query[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(records), 0, 0)
        return head + query[12 : here + 5] + b"".join(records)

    def _records(self, name: str, kind: int, before: int) -> list[bytes]:
        turns = self.names.get(name, ((),))
        found: list[bytes] = []
        for value in turns[min(before, len(turns) - 1)]:
            if value in self.names:
                found += [answer(name, value), *self._records(value, kind, before)]
            elif (":" in value) == (kind == AAAA):
                found.append(answer(name, value))
        return found

    def stop(self) -> None:
        self._socket.sendto(b"", (PLACE, 53))
        self._serving.join()
        self._socket.close()

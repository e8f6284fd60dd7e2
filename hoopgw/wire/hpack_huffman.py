"""HPACK's Huffman code -> bytes (RFC 7541, 5.2 and appendix B).  Nothing is written in it."""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from hoopgw.model.errors import MalformedFrame

# Bits of each byte's code, and of the end's, in order.  The code is canonical: they are all that has to be known.
_LENGTHS: Final = (
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28,
    28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15,
    6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20,
    20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23,
    24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22,
    22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27,
    24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26,
    26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
)  # fmt: skip
_END: Final = 256  # EOS: only its first bits may stand at the end, as padding
_NONE: Final = 0
_BYTE: Final = 1
_WRONG: Final = 2


def _codes() -> list[tuple[int, int, int]]:
    """(code, bits, symbol) of each, shortest first."""
    found: list[tuple[int, int, int]] = []
    code = last = 0
    for bits, symbol in sorted([(bits, symbol) for symbol, bits in enumerate(_LENGTHS)]):
        code = (code + 1) << (bits - last) if found else 0
        found.append((code, bits, symbol))
        last = bits
    return found


def _tree() -> list[list[int]]:
    """Nodes with two branches each: another node, or -1 - symbol."""
    nodes = [[0, 0]]
    for code, bits, symbol in _codes():
        node = 0
        for place in range(bits - 1, 0, -1):
            branch = code >> place & 1
            if not nodes[node][branch]:
                nodes[node][branch] = len(nodes)
                nodes.append([0, 0])
            node = nodes[node][branch]
        nodes[node][code & 1] = -1 - symbol
    return nodes


def _stepped(nodes: list[list[int]], node: int, four: int) -> tuple[int, int, int]:
    """Where four bits lead from a node; what they complete, and which byte: no code is shorter than five."""
    kind, symbol = _NONE, 0
    for place in (3, 2, 1, 0):
        node = nodes[node][four >> place & 1]
        if node < 0:
            kind, symbol, node = _BYTE, -1 - node, 0
            if symbol == _END:
                return 0, _WRONG, 0
    return node, kind, symbol


def _tables() -> tuple[bytes, bytes, bytes, bytes]:
    """For each node and four bits: the next node, what is complete, the byte.  And which nodes may be the last."""
    nodes = _tree()
    steps = [_stepped(nodes, node, four) for node in range(len(nodes)) for four in range(16)]
    last, node = bytearray(len(nodes)), 0
    for _ in range(8):  # up to seven ones pad the last byte
        last[node] = 1
        node = nodes[node][1]
    return bytes([s[0] for s in steps]), bytes([s[1] for s in steps]), bytes([s[2] for s in steps]), bytes(last)


_NEXT, _KIND, _SYMBOL, _LAST = _tables()


def unpacked(data: bytes) -> bytes:
    """What the code stands for.  Raises MalformedFrame where it ends inside a symbol, or is padded otherwise."""
    to, kinds, symbols = _NEXT, _KIND, _SYMBOL
    found: list[int] = []
    node: i64 = 0
    here: i64 = 0
    size: i64 = len(data)
    while here < size:
        both: i64 = data[here]
        here += 1
        at: i64 = node * 16 + (both >> 4)
        for _ in range(2):
            kind: i64 = kinds[at]
            if kind == _BYTE:
                found.append(symbols[at])
            elif kind == _WRONG:
                raise MalformedFrame("HPACK: the end of a string inside of it")
            node = to[at]
            at = node * 16 + (both & 15)
    if not _LAST[node]:
        raise MalformedFrame("HPACK: a string that ends inside a symbol")
    return bytes(found)

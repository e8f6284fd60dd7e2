"""bytea in text format, hex or escape (documentation, 8.4) <-> the bytes that it means."""

from __future__ import annotations


def bytea(text: bytes) -> bytes:
    """What a bytea in hex or escape format holds; what is neither is taken as it is."""
    if text.startswith(b"\\x"):
        try:
            return bytes.fromhex(text[2:].decode("ascii"))
        except ValueError:
            return text
    if b"\\" not in text:
        return text
    out = bytearray()
    here = 0
    while here < len(text):
        c = text[here]
        octal = text[here + 1 : here + 4]
        if (
            c == 92
            and len(octal) == 3
            and octal.isdigit()
            and octal < b"400"
            and b"8" not in octal
            and b"9" not in octal
        ):
            out.append(int(octal, 8))
            here += 4
            continue
        out.append(c)
        here += 2 if text[here : here + 2] == b"\\\\" else 1
    return bytes(out)


def hexadecimal(data: bytes) -> bytes:
    """Bytes as bytea in hex format, which every server reads."""
    return b"\\x" + data.hex().encode("ascii")

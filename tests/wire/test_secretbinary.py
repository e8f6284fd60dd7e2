"""hoopgw.wire.secretbinary"""

from __future__ import annotations

import os

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.secretbinary import SecretBinary, is_packed, packs_one
from hoopgw.wire.secretnames import KINDS, MAX_NAME, SecretNames, secret_names

NAMES = secret_names()
PACKED = (
    b"\x82\xa4user\xa3ada\xa8password\xa7hunter2",  # MessagePack
    b"\xde\x00\x01\xd9\x20" + b"x" * 24 + b"password\xa7hunter2",
    b"\xa2\x64user\x63ada\x68password\x67hunter2",  # CBOR
    b"\xd9\xd9\xf7\xbf\x65token\x67hunter2\xff",
    b"\x95\x01\x80\xa1x\xa5login\x91\x81\xa6secret\xa7hunter2",  # of SignalR
    b"\x81\xa4pass\xa7hunter2",
)
PIECES = (
    b"\xa8", b"\x68", b"\xd9\x08", b"\x78\x09", b"\xa4", b"\x64", b"\xa7", b"\xaa", b"\xb0", b"\xa2", b"\0", b"\xff",
    b"password", b"auth", b"pass", b"word", b"2", b"_", b"-", b"api", b"key", b"new[", b"]", b"passwor%64", b"%",
    b"\\", b"x" * 120, b"d", b"pw",
)  # fmt: skip


class Binary(SynchronousTestCase):
    def test_packed(self) -> None:
        """With a secret name in it nothing is shown; the name may be cut."""
        for data in PACKED:
            self.assertTrue(is_packed(data))
            self.assertEqual(SecretBinary(NAMES).feed(data), b"*" * len(data))
            for cut in range(len(data)):
                reader = SecretBinary(NAMES)
                shown = reader.feed(data[:cut]) + reader.feed(data[cut:])
                self.assertNotIn(b"hunter2", shown)
                self.assertEqual((len(shown), reader.found, reader.withheld), (len(data), 1, True))

    def test_lengths_of_names(self) -> None:
        """The last of each kind; of one with another length before it nothing is known."""
        for told, size in (
            (b"\xa5", 5),
            (b"\xbf", 31),
            (b"\x77", 23),
            (b"\x78\x18", 24),
            (b"\xd9\x20", 32),
            (b"\x78\x80", 128),
        ):
            name = b"z" * (size - 5) + b"token"
            self.assertTrue(packs_one(told + name, 0, size + len(told), NAMES), told)
            for other in (told + b"z" + name, told + name[1:]):
                self.assertFalse(packs_one(other, 0, len(other), NAMES), told)
        for name in (b"to_ke_n", b"passwor%64", b"new[password]", b"password2", b"x.token"):
            data = bytes((0xA0 + len(name),)) + name
            self.assertTrue(packs_one(data, 0, len(data), NAMES), name)
        for data in (b"\x08passwordx", b"\x05token", b"\xc0\x05token", b"\x78token"):
            self.assertFalse(packs_one(data, 0, len(data), NAMES), data)
        self.assertFalse(packs_one(b"\xa5token", 1, 6, NAMES) or packs_one(b"\xa5token", 0, 5, NAMES))
        short = SecretNames(("x",))
        self.assertTrue(packs_one(b"\xa1x", 0, 2, short) and packs_one(b"\x61x", 0, 2, short))
        self.assertFalse(packs_one(b"\xa0x", 0, 2, short) or packs_one(b"\x60x", 0, 2, short))

    def test_what_has_none_stays(self) -> None:
        """The same object."""
        for data in (b"", b"\x81\xa4user\xa3ada", b"\xa1\x64user\x63ada", b"\x00\x00\x00\x01abc", bytes(range(256))):
            self.assertIs(SecretBinary(NAMES).feed(data), data)

    def test_text_in_it(self) -> None:
        for data in (b'\x00\x12{"token": "x"}', b"\x80\x02password=x"):
            self.assertEqual(SecretBinary(NAMES).feed(data), b"*" * len(data))

    def test_a_login_of_mqtt(self) -> None:
        """Its password has no name."""
        for version in (b"\x00\x04MQTT\x04", b"\x00\x04MQTT\x05", b"\x00\x06MQIsdp\x03"):
            data = b"\x10\x24" + version + b"\xc2\x00\x3c\x00\x01c\x00\x03ada\x00\x07hunter2"
            self.assertEqual(SecretBinary(NAMES).feed(data), b"*" * len(data))
            reader = SecretBinary(NAMES)
            self.assertEqual(reader.feed(b"\x30") + reader.feed(data), b"\x30" + data)

    def test_what_is_not_packed(self) -> None:
        """Of images, archives and the like nothing is looked for."""
        for data in (b"\x89PNG\r\n\x1a\n\0", b"\xff\xd8\xff\xe0\x00\x10JFIF", b"\x1f\x8b\x08", b"PK\x03\x04", b""):
            self.assertFalse(is_packed(data))
        for data in (
            b"\x7f\xa5token\xa1a",
            b"\xff\xa1\0\0\0\0\0\0\0",
            b"\xff" + bytes(8),
            b"\xff" + bytes(6) + b"\xd9\x05",
        ):
            self.assertFalse(is_packed(data), data)
        for data in (b"\x80\xa5token\xa1a", b"\xff" + bytes(7), b"\xa1\x78\x05token\x61a", b"\xa1\x77" + b"x" * 23):
            self.assertTrue(is_packed(data), data)

    @example(b"\xa8auth22\\\xa8", True)
    @given(st.lists(st.sampled_from(PIECES), max_size=10).map(b"".join), st.booleans())
    def test_names_are_found_by_their_ends(self, data: bytes, every: bool) -> None:
        """As they are where each length is tried."""
        names = SecretNames(("*password", "auth", "api_key", "pw")) if every else NAMES
        found = False
        for here, c in enumerate(data):
            begin = here + 2 if c in (0xD9, 0x78) else here + 1
            size = data[begin - 1] if c in (0xD9, 0x78) and begin <= len(data) else c & 0x1F
            name = data[begin : begin + size]
            told = c in (0xD9, 0x78) or 0xA1 <= c <= 0xBF or 0x61 <= c <= 0x77
            whole = told and 0 < size <= MAX_NAME and len(name) == size and all(b < 0x80 and KINDS[b] for b in name)
            found = found or (whole and names.may_hide(name, size) and names.hides(name))
        self.assertEqual(packs_one(data, 0, len(data), names), found)
        around = b"\x68pass" + data + b"word"
        self.assertEqual(packs_one(around, 5, 5 + len(data), names), found)

    def test_junk(self) -> None:
        for size in range(64):
            data = os.urandom(size)
            is_packed(data)
            self.assertEqual(len(SecretBinary(NAMES).feed(data)), size)

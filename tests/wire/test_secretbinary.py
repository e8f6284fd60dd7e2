"""hoopgw.wire.secretbinary"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.secretbinary import SecretBinary, is_packed
from hoopgw.wire.secretnames import secret_names

NAMES = secret_names()
PACKED = (
    b"\x82\xa4user\xa3ada\xa8password\xa7hunter2",  # MessagePack
    b"\xde\x00\x01\xd9\x20" + b"x" * 24 + b"password\xa7hunter2",
    b"\xa2\x64user\x63ada\x68password\x67hunter2",  # CBOR
    b"\xd9\xd9\xf7\xbf\x65token\x67hunter2\xff",
    b"\x95\x01\x80\xa1x\xa5login\x91\x81\xa6secret\xa7hunter2",  # of SignalR
    b"\x81\xa4pass\xa7hunter2",
)


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

    def test_what_is_not_packed(self) -> None:
        """Of images, archives and the like nothing is looked for."""
        for data in (b"\x89PNG\r\n\x1a\n\0", b"\xff\xd8\xff\xe0\x00\x10JFIF", b"\x1f\x8b\x08", b"PK\x03\x04", b""):
            self.assertFalse(is_packed(data))

    def test_junk(self) -> None:
        for size in range(64):
            data = os.urandom(size)
            is_packed(data)
            self.assertEqual(len(SecretBinary(NAMES).feed(data)), size)

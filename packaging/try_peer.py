"""Runs inside the machine of a trial, by the package's own Python: certificates and an issuer of tokens.

`try_peer.py DIRECTORY make` writes what must outlive a boot; without `make` it is the issuer, and writes `token` anew.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hoopgw.cli.demo.authority import Authority, private_pem
from hoopgw.cli.demo.issuer import DemoIssuer

PORT = 9443
NAMES = ("issuer.pem", "issuer.key", "signing.key", "ca.pem")
A_DAY = 86400.0


def write(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)


def make(place: Path) -> None:
    authority = Authority("a trial's authority")
    write(place / "ca.pem", authority.certificate)
    certificate, key = authority.issue()
    write(place / "issuer.pem", certificate)
    write(place / "issuer.key", key)
    write(place / "signing.key", private_pem(ec.generate_private_key(ec.SECP256R1())))
    certificate, key = authority.issue()
    for name, text in (("try.pem", certificate), ("try.key", key)):
        write(Path("/etc/postgresql") / name, text)
        shutil.chown(Path("/etc/postgresql") / name, "postgres", "postgres")
    shutil.copy(place / "ca.pem", "/etc/hoopgw/tls/trial-ca.pem")
    os.chmod("/etc/hoopgw/tls/trial-ca.pem", 0o644)


class Kept:
    """An authority that has issued already."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def issue(self) -> tuple[str, str]:
        return (self._place / "issuer.pem").read_text(), (self._place / "issuer.key").read_text()


def serve(place: Path) -> None:
    from twisted.internet import reactor

    issuer = DemoIssuer(Kept(place))
    signing = load_pem_private_key((place / "signing.key").read_bytes(), None)
    issuer._keys, issuer._current = {"trial": signing}, "trial"
    issuer.start(reactor, PORT)
    write(place / "token.new", issuer.mint("agent@example.com", ("agents",), A_DAY))
    (place / "token.new").rename(place / "token")
    reactor.run()


if __name__ == "__main__":
    (make if "make" in sys.argv[2:] else serve)(Path(sys.argv[1]))

"""The demo's issuer as a program of its own: `python -m hoopgw.cli.demo.issuing`.  Keys never leave its memory.

A line of JSON in, a line of JSON out.  First line out: {"url": …, "ca": PEM}.  {"subject": …, "groups": […],
"lifetime": seconds, "claims": {…}} gives {"token": …}; {"rotate": keep} gives {"kid": …}; {"confirm": code,
"token": … or null} lets a device have it, or denies it, and gives {"polls": number}, as {"polls": code} does alone.
It ends when its input does.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineOnlyReceiver

from hoopgw.cli.demo.authority import Authority
from hoopgw.cli.demo.issuer import DemoIssuer


class _Requests(LineOnlyReceiver):
    delimiter = b"\n"
    MAX_LENGTH = 64 * 1024  # a request is a name and some claims

    def __init__(self, reactor: Any, issuer: DemoIssuer, authority: Authority) -> None:
        self._reactor, self._issuer, self._authority = reactor, issuer, authority

    def connectionMade(self) -> None:
        self._say({"url": self._issuer.url, "ca": self._authority.certificate})

    def lineReceived(self, line: bytes) -> None:
        asked = json.loads(line)
        if "rotate" in asked:
            self._say({"kid": self._issuer.rotate(bool(asked["rotate"]))})
            return
        if "polls" in asked:
            self._say({"polls": self._issuer.devices.polls(str(asked["polls"]))})
            return
        if "confirm" in asked:
            self._say({"polls": self._issuer.devices.confirm(str(asked["confirm"]), asked["token"])})
            return
        groups, claims = tuple(asked.get("groups", ())), asked.get("claims", {})
        lifetime = float(asked.get("lifetime", 3600.0))
        self._say({"token": self._issuer.mint(str(asked["subject"]), groups, lifetime, **claims)})

    def connectionLost(self, reason: Any = None) -> None:
        self._reactor.stop()

    def _say(self, value: dict[str, Any]) -> None:
        self.sendLine(json.dumps(value).encode())  # type: ignore[no-untyped-call]


def main() -> None:
    from twisted.internet import reactor

    authority = Authority("hoopgw demo issuer CA")
    issuer = DemoIssuer(authority)
    issuer.start(reactor)
    StandardIO(_Requests(reactor, issuer, authority))
    reactor.run()


if __name__ == "__main__":
    main()

"""A table of nftables that opens the targets' ports to the gateway alone (nft(8))."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hoopgw.cli.bypass.addresses import Addresses


def nft_lines(ports: Sequence[int], gateways: Addresses, quic: Sequence[int] = ()) -> Iterator[str]:
    """`quic`: ports where HTTP/3 may be spoken beside HTTP, by UDP (RFC 9114, 3.1)."""
    # `table` makes it where there is none, so that `delete` takes away what an earlier load left: rules only add up
    yield "table inet hoopgw"
    yield "delete table inet hoopgw"
    yield "table inet hoopgw {"
    yield "    chain input {"
    yield "        type filter hook input priority filter; policy accept;"
    for address in gateways:
        family = "ip" if address.version == 4 else "ip6"
        yield f"        {family} saddr {address} accept"
    yield f"        tcp dport {{ {', '.join(map(str, ports))} }} reject with tcp reset"
    if quic:
        yield f"        udp dport {{ {', '.join(map(str, quic))} }} reject"
    yield "    }"
    yield "}"

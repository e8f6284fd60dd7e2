"""Where the gateway's connections come from, as an option."""

from __future__ import annotations

import ipaddress

import click

Addresses = tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]


class _Address(click.ParamType):  # type: ignore[type-arg]  # generic in newer stubs only
    name = "address"

    def convert(
        self, value: str, parameter: click.Parameter | None, context: click.Context | None
    ) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        try:
            return ipaddress.ip_address(value)
        except ValueError:
            self.fail(f"{value!r} is not an IP address", parameter, context)


_COMES_FROM = "Address that the gateway's connections come from; once for each."
gateway_option = click.option("--gateway", "gateways", type=_Address(), multiple=True, required=True, help=_COMES_FROM)
some_gateway_option = click.option("--gateway", "gateways", type=_Address(), multiple=True, help=_COMES_FROM)

"""Commands of the AWS CLI that let a security group's ports be reached from the gateway alone."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from hoopgw.cli.bypass.addresses import Addresses

GROUP = re.compile(r"sg-[0-9a-f]{8,32}")


def permissions(ports: Sequence[int], gateways: Addresses, gateway_group: str) -> list[dict[str, Any]]:
    """As `--ip-permissions` has them (Amazon EC2 API reference, IpPermission)."""
    found: list[dict[str, Any]] = []
    for port in ports:
        permission: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
        four = [{"CidrIp": f"{address}/32", "Description": "hoopgw"} for address in gateways if address.version == 4]
        six = [{"CidrIpv6": f"{address}/128", "Description": "hoopgw"} for address in gateways if address.version == 6]
        if four:
            permission["IpRanges"] = four
        if six:
            permission["Ipv6Ranges"] = six
        if gateway_group:
            permission["UserIdGroupPairs"] = [{"GroupId": gateway_group, "Description": "hoopgw"}]
        found.append(permission)
    return found


def _sources(gateways: Addresses, gateway_group: str) -> Iterator[str]:
    """Who the gateway is, in JMESPath, as a SecurityGroupRule names it."""
    for address in gateways:
        yield f"CidrIpv{address.version}=='{address}/{address.max_prefixlen}'"
    if gateway_group:
        yield f"ReferencedGroupInfo.GroupId=='{gateway_group}'"


def _opening(protocol: str, ports: Sequence[int]) -> str:
    wanted = " || ".join(f"(FromPort<=`{port}` && ToPort>=`{port}`)" for port in ports)
    return f"IpProtocol=='{protocol}' && ({wanted})"


def commands(
    group: str, ports: Sequence[int], gateways: Addresses, gateway_group: str, quic: Sequence[int] = ()
) -> Iterator[str]:
    """`quic`: ports where HTTP/3 may be spoken beside HTTP, by UDP; the gateway does not."""
    yield "# what the gateway needs"
    allowed = shlex.quote(json.dumps(permissions(ports, gateways, gateway_group)))
    yield f"aws ec2 authorize-security-group-ingress --group-id {group} --ip-permissions {allowed}"
    yield "# a group only allows: each of these that opens such a port to others must go, in every group of the targets"
    opens = f"IpProtocol=='-1' || {_opening('tcp', ports)}" + (f" || {_opening('udp', quic)}" if quic else "")
    kept = " || ".join(_sources(gateways, gateway_group))  # by who may come, not by a description that others can write
    query = f"SecurityGroupRules[?!IsEgress && !({kept}) && ({opens})]"
    query += ".SecurityGroupRuleId"
    shown = f"aws ec2 describe-security-group-rules --filters Name=group-id,Values={group} --output text --query"
    yield f"{shown} {shlex.quote(query)} |"
    yield f"    xargs -r aws ec2 revoke-security-group-ingress --group-id {group} --security-group-rule-ids"

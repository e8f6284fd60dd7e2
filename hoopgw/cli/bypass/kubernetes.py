"""A NetworkPolicy that opens the pods of targets to the gateway alone (networking.k8s.io/v1)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hoopgw.cli.bypass.addresses import Addresses


def network_policy(
    namespace: str, pods: Mapping[str, str], ports: Sequence[int], gateways: Addresses, gateway_pods: Mapping[str, str]
) -> dict[str, Any]:
    """`pods` are labels of the targets' pods, none of them for all of the namespace; `gateway_pods` of the gateway's,
    in whatever namespace they run.  A pod that a policy selects takes only what some policy allows."""
    sources: list[dict[str, Any]] = [
        {"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}} for address in gateways
    ]
    if gateway_pods:
        sources.append({"namespaceSelector": {}, "podSelector": {"matchLabels": dict(gateway_pods)}})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "only-hoopgw", "namespace": namespace},
        "spec": {
            "podSelector": {"matchLabels": dict(pods)} if pods else {},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": sources, "ports": [{"protocol": "TCP", "port": port} for port in ports]}],
        },
    }


def yaml(value: Any, indent: str = "") -> list[str]:
    """Lines of YAML 1.2 for what JSON can say."""
    if isinstance(value, dict) and value:
        lines = []
        for key, item in value.items():
            inner = yaml(item, indent + "  ")
            one = len(inner) == 1 and not (isinstance(item, dict | list) and item)
            lines += [f"{indent}{_scalar(key)}: {inner[0].strip()}"] if one else [f"{indent}{_scalar(key)}:", *inner]
        return lines
    if isinstance(value, list) and value:
        lines = []
        for item in value:
            first, *rest = yaml(item, indent + "  ")
            lines += [f"{indent}- {first.strip()}", *rest]
        return lines
    return [indent + _scalar(value)]


def _scalar(value: Any) -> str:
    plain = isinstance(value, str) and value.replace("-", "").replace("/", "").isalpha() and value.lower() not in _WORDS
    return str(value) if plain else json.dumps(value)


_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))

"""A NetworkPolicy that opens the pods of targets to the gateway alone (networking.k8s.io/v1)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hoopgw.cli.bypass.addresses import Addresses


def network_policy(
    namespace: str,
    pods: Mapping[str, str],
    ports: Sequence[int],
    gateways: Addresses,
    gateway_namespace: str,
    gateway_pods: Mapping[str, str],
) -> dict[str, Any]:
    """`pods` are labels of the targets' pods, none of them for all of the namespace; `gateway_pods` of the gateway's.
    A pod that a policy selects takes only what some policy allows."""
    sources: list[dict[str, Any]] = [
        {"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}} for address in gateways
    ]
    if gateway_pods:
        # who may make pods in another namespace gives them whatever labels they like
        there = {"matchLabels": {"kubernetes.io/metadata.name": gateway_namespace}}
        sources.append({"namespaceSelector": there, "podSelector": {"matchLabels": dict(gateway_pods)}})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": _name(pods), "namespace": namespace},
        "spec": {
            "podSelector": {"matchLabels": dict(pods)} if pods else {},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": sources, "ports": [{"protocol": "TCP", "port": port} for port in ports]}],
        },
    }


def _name(pods: Mapping[str, str]) -> str:
    """One for each choice of pods: another policy of the same name would take this one's place."""
    digest = hashlib.sha256(json.dumps(pods, sort_keys=True).encode()).hexdigest()[:8]
    return f"only-hoopgw-{digest}" if pods else "only-hoopgw"


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

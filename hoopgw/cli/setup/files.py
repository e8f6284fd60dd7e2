"""Answers -> the files that say so; and which of those that are there already setup may replace.

Each file begins with a line that names setup and the digest of the rest.  One that somebody wrote or changed has no
such line, or another digest, and is never touched.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hoopgw.cli.setup.answers import Answers, IssuerAnswer, OperatorAnswer, TargetAnswer, VaultAnswer
from hoopgw.model.errors import OperatorError

_MARK = "# Written by `hoopgw setup`, and replaced by it as long as nobody else changes it: "
_BARE = re.compile(r"[A-Za-z0-9_-]+")


class NotOurs(OperatorError):
    """A file that somebody else wrote or changed stands where setup would write."""


def planned(directory: Path, answers: Answers) -> dict[Path, bytes]:
    """The files as they are to be; those that are so already among them.  `directory` is that of hoopgw.toml.

    Raises NotOurs.
    """
    wanted: dict[Path, dict[str, Any]] = {}
    if answers.issuer is not None:
        wanted[directory / "conf.d" / f"oidc-{answers.issuer.name}.toml"] = _issuer(answers.issuer)
    if answers.operator is not None:
        wanted[directory / "conf.d" / f"local-{answers.operator.name}.toml"] = _operator(answers.operator)
    if answers.vault is not None:
        wanted[directory / "conf.d" / f"vault-{answers.vault.name}.toml"] = _vault(answers.vault)
    if answers.target is not None:
        wanted |= _target_files(directory, answers.target)
    return {path: rendered(values) for path, values in wanted.items()}


def _target_files(directory: Path, answer: TargetAnswer) -> dict[Path, dict[str, Any]]:
    path = directory / "targets.d" / f"{answer.name}.toml"
    values = _target(answer)
    table = values["target"][answer.name]
    before = ours(path).get("target", {}).get(answer.name, {})
    table["role"] = {**before.get("role", {}), **table["role"]}  # a further run brings a further role
    found = {path: values}
    if answer.groups:
        name = f"{answer.name}-{answer.role.name}"
        given = {"groups": list(answer.groups), "target": {"name": answer.name}, "roles": [answer.role.name]}
        found[directory / "grants.d" / f"{name}.toml"] = {"grant": {name: given}}
    return found


def _issuer(answer: IssuerAnswer) -> dict[str, Any]:
    given = {
        "issuer": answer.issuer,
        "audience": answer.audience,
        "algorithms": list(answer.algorithms),
        "subject": answer.subject,
        "groups": answer.groups,
        "ca": answer.ca,
    }
    return {"oidc": {answer.name: _given(given)}}


def _operator(answer: OperatorAnswer) -> dict[str, Any]:
    return {"local": {answer.name: {"may": list(answer.may)}}}


def _vault(answer: VaultAnswer) -> dict[str, Any]:
    given = asdict(answer)
    return {"vault": {given.pop("name"): _given(given)}}


def _target(answer: TargetAnswer) -> dict[str, Any]:
    role: dict[str, Any] = {
        "user": answer.role.user,
        "password": answer.role.password,
        "key": answer.role.key,
        "certified": answer.role.certified,
        "bearer": answer.role.bearer,
        "header": answer.role.header,
        "query": answer.role.query,
        "value": answer.role.value,
        "certificate": answer.role.certificate,
        "oauth": _given(asdict(answer.role.oauth)) if answer.role.oauth is not None else {},
        "sigv4": _given(asdict(answer.role.sigv4)) if answer.role.sigv4 is not None else {},
    }
    given = {
        "protocol": answer.protocol,
        "address": list(answer.address),
        "database": answer.database,
        "tls": answer.tls,
        "ca": answer.ca,
        "host": answer.host,
        "host_keys": list(answer.host_keys),
        "host_authorities": list(answer.host_authorities),
    }
    return {"target": {answer.name: {**_given(given), "role": {answer.role.name: _given(role)}}}}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


# ---- as files


def rendered(values: Mapping[str, Any]) -> bytes:
    """TOML of tables by kind and name, below the line that makes it setup's own."""
    lines: list[str] = []
    for kind, tables in values.items():
        for name, table in tables.items():
            lines += _table((kind, name), table)
    body = "\n".join(lines).encode() + b"\n"
    return f"{_MARK}{_digest(body)}\n".encode() + body


def _table(key: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[str]:
    yield f"[{'.'.join(map(_key, key))}]"
    below = {name: value for name, value in table.items() if name == "role"}
    for name, value in table.items():
        if name not in below:
            yield f"{_key(name)} = {_value(value)}"
    for kind, tables in below.items():
        for name, inner in tables.items():
            yield ""
            yield from _table((*key, kind, name), inner)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, str):
        # what JSON escapes TOML escapes in the same way; DEL is the one that TOML forbids and JSON does not
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(name)} = {_value(each)}" for name, each in value.items()) + " }"
    raise TypeError(f"{type(value).__name__} has no place in a file of setup's")


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]


def ours(path: Path) -> dict[str, Any]:
    """The values of a file of setup's own; {} where there is none.  Raises NotOurs, or OSError."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return {}
    first, _, body = raw.partition(b"\n")
    if first != f"{_MARK}{_digest(body)}".encode():
        raise NotOurs(
            f"{path} was written or changed by somebody else, and setup leaves it as it is: "
            "change it there, choose another name, or move it away"
        )
    return tomllib.loads(body.decode())


def changed(files: Mapping[Path, bytes]) -> dict[Path, bytes]:
    """Those that are not so yet.  Raises NotOurs for one that may not be replaced, OSError for one not readable."""
    found = {}
    for path, content in files.items():
        if path.exists() and path.read_bytes() == content:
            continue
        ours(path)
        found[path] = content
    return found

"""What `hoopgw targets scan` shows, and what it writes once somebody has said that it is right."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import click

from hoopgw.auth.ssh_keys import fingerprint
from hoopgw.auth.ssh_signatures import public_line
from hoopgw.cli import host_key_file
from hoopgw.cli.scanning import scanned
from hoopgw.config_files import Document
from hoopgw.config_values import addresses, public_keys
from hoopgw.model.errors import OperatorError
from hoopgw.wire.sshmessages import read_string


@dataclass(frozen=True, slots=True)
class HostKey:
    """`known`: the configuration names it already."""

    fingerprint: str
    kind: str
    line: str
    known: bool


@dataclass(frozen=True, slots=True)
class Found:
    """`document` is the file that names the target; None where an address was asked for."""

    name: str
    document: Document | None
    keys: tuple[HostKey, ...]


def shown(config: Path, asked: str) -> Found:
    """Raises OperatorError, TargetUnavailable."""
    document, known = None, frozenset[bytes]()
    try:
        if ":" in asked:
            (address,) = addresses([asked])
        else:
            document = host_key_file.named(config, asked)
            table = host_key_file.table(document, asked)
            if table.get("protocol") != "ssh":
                raise OperatorError(f"target {asked} is no SSH target")
            address = addresses(table.get("address"))[0]
            known = frozenset(public_keys(table["host_keys"])) if "host_keys" in table else known
    except ValueError as error:
        raise OperatorError(f"{asked}: {error}") from error
    keys = tuple(
        HostKey(fingerprint(blob), read_string(blob, 0)[0].decode(), public_line(blob), blob in known)
        for blob in scanned(address)
    )
    return Found(asked, document, keys)


def confirmed(found: Found, fingerprints: tuple[str, ...]) -> None:
    """Writes the keys that somebody has vouched for.  Raises OperatorError where there is none."""
    if found.document is None:
        raise OperatorError("--write needs the name of a target")
    lines = [each.line for each in found.keys if _vouched(each, fingerprints)]
    if not lines:
        raise OperatorError("no key was confirmed: nothing is written")
    host_key_file.write(found.document, found.name, lines)
    click.echo(f"{found.document.file} has {len(lines)} of them; a reload takes them up.")


def _vouched(key: HostKey, fingerprints: tuple[str, ...]) -> bool:
    if fingerprints:
        return key.fingerprint in fingerprints
    if not sys.stdin.isatty():
        raise OperatorError("without a terminal --write needs --fingerprint")
    return click.confirm(f"Does the host's own console say {key.fingerprint} ({key.kind})?", default=False)

"""Writes docs/configuration.md from the schema: `python -m hoopgw.config_reference > docs/configuration.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from hoopgw.config_kinds import REQUIRED, Key
from hoopgw.config_schema import SECTIONS
from hoopgw.config_titles import TITLES
from hoopgw.policy.facts import ACTIONS, OBJECTS
from hoopgw.policy.masks import BUILT_IN_PATTERNS
from hoopgw.policy.policyset import CONTROLS

HEAD = """# Configuration reference

Made from the code's own schema by `python -m hoopgw.config_reference`; a test holds this page to it.

`hoopgw.toml`, and beside it `targets.d/*.toml`, `grants.d/*.toml`, `guardrails.d/*.toml` and `conf.d/*.toml` (which may
hold `[oidc.NAME]`, `[local.NAME]`, `[vault.NAME]`, `[aws.NAME]`; `hoopgw setup` writes the first three there). Names
are unique over all files.

`hoopgw check` names every mistake with file, line and key; the service does not start on mistakes, and a reload
(SIGHUP) with mistakes keeps what is in force. A reload takes targets, grants, guardrails, masks, issuers, keys and
certificates; `[listen]`, `[admin]`, `[store]`, `[recordings]`, `[limits]`, `mask_key` and `identity_key` are bound at
start.

| a value of | is written |
| --- | --- |
| duration | `"90s"`, `"15m"`, `"12h"`, `"400d"` |
| size | `"512 KiB"`, `"64 MiB"`, `"2 GiB"`, or bytes as a number |
| rate | `"600/min"`, `"100000/session"`, `"1 GiB/day"` (days are UTC) |
| secret | where it is: `"credential:NAME"`, `"file:/PATH"`, `"env:NAME"`; of a role also `"vault:…"`, `"aws:…"` |
| path | absolute, or relative to the file that names it |
"""

NOTES = {
    "tls": "The certificate of the gateway itself, for its clients. Needed where something listens.",
    "target": "PostgreSQL clients name a target as their database, and one of its roles as their user; SSH clients as "
    "`TARGET` or `ROLE@TARGET` before the gateway's name.",
    "ssh_key": "Public keys as a way in, beside tokens.",
    "ssh_ca": "User certificates as a way in. Critical options are honoured: `source-address`, `force-command`, "
    "`verify-required`; any other is refused.",
    "client_ca": "X.509 certificates of HTTPS clients, alone or beside a token; docs/identity.md.",
    "grant": "Who may reach what. No grant, no connection. What is given of `groups`, "
    "`subjects`, `claims` and `provider` must all match.",
    "guardrail": "All conditions that are given must hold. Nothing given about who, target or roles: everybody, "
    "everywhere. Recipes: docs/guardrails.md.",
    "mask": "Recipes: docs/guardrails.md.",
    "sigv4": "AWS Signature Version 4: docs/http-credentials.md.",
    "oauth": "Client credentials (RFC 6749, 4.4): docs/http-credentials.md.",
    "selector": "Of grants, guardrails and masks. One that selects no target is a mistake.",
    "aws": "AWS Secrets Manager: `aws:NAME/SECRET#FIELD`; docs/secrets.md. The key is read again each time.",
    "vault": "Where secrets of roles are read and kept fresh: `vault:NAME/PATH#FIELD`; docs/secrets.md.",
    "oidc": "An issuer whose tokens are passwords here; docs/identity.md.",
}


def shown(key: Key) -> str:
    default = key.default
    if default is REQUIRED:
        return "needed"
    if default in (None, "", (), {}, frozenset()):
        return "-"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, float):
        for seconds, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
            if default % seconds == 0:
                return f'`"{int(default // seconds)}{unit}"`'
    if isinstance(default, int):
        for shift, unit in ((30, "GiB"), (20, "MiB")):
            if default >= 1 << shift and default % (1 << shift) == 0:
                return f'`"{default >> shift} {unit}"`'
    if isinstance(default, tuple | frozenset):
        return "`[" + ", ".join(f'"{item}"' for item in sorted(default)) + "]`"
    return f'`"{default}"`' if isinstance(default, str) else f"`{default}`"


def reference() -> Iterator[str]:
    yield HEAD
    for section, keys in SECTIONS.items():
        yield f"\n## {TITLES[section]}\n"
        if section in NOTES:
            yield NOTES[section] + "\n"
        yield "| key | default | what it does |"
        yield "| --- | --- | --- |"
        for name, key in keys.items():
            yield f"| `{name}` | {shown(key)} | {key.doc} |"
    yield "\n## Effects of a statement\n"
    yield "For `statement` of a guardrail. A statement may have several: `EXPLAIN ANALYZE DELETE` is `explain` and"
    yield "`delete`.\n"
    yield ", ".join(f"`{effect}`" for effect in sorted(ACTIONS)) + ".\n"
    yield "What `create`, `alter`, `drop` and `rename` are about comes beside them: `CREATE SERVER` is `create` and"
    yield "`server`. A rule with `server` is about every statement that makes, changes or removes one.\n"
    yield ", ".join(f"`{effect}`" for effect in sorted(OBJECTS)) + "."
    yield "\n## Built-in patterns\n"
    yield ", ".join(f"`{pattern}`" for pattern in BUILT_IN_PATTERNS) + "."
    yield "\n## What each protocol can enforce\n"
    controls = sorted(frozenset().union(*CONTROLS.values()))
    yield "| protocol | " + " | ".join(controls) + " |"
    yield "| --- |" + " --- |" * len(controls)
    for protocol, has in sorted(CONTROLS.items()):
        yield f"| {protocol} | " + " | ".join("yes" if control in has else "no" for control in controls) + " |"


if __name__ == "__main__":
    sys.stdout.write("\n".join(reference()) + "\n")

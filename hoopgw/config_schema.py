"""Every key of the configuration, in one table: how it is read, what it is when it is not given, what it does.

The loader, the error messages and docs/configuration.md (`python -m hoopgw.config_reference`) come from it.
"""

from __future__ import annotations

from hoopgw import config_values as values
from hoopgw.config_kinds import REQUIRED, Key, names, one_of, rates_of, some_of, table
from hoopgw.config_schema_certificates import CERTIFICATE_SECTIONS
from hoopgw.config_schema_http import (
    GRAPHQL,
    HTTP_CONDITIONS,
    HTTP_LIMITS,
    HTTP_MASKS,
    HTTP_ROLE,
    HTTP_TARGET,
    OAUTH,
    SIGV4,
    destinations,
)
from hoopgw.config_schema_ssh import SSH_SECTIONS
from hoopgw.config_schema_vaults import VAULT_SECTIONS
from hoopgw.model.grant import COPY_MASKED, REPLICATION
from hoopgw.model.operation import TYPED
from hoopgw.policy.policyset import CONTROLS
from hoopgw.policy.ssh_forwards import FEATURES
from hoopgw.policy.ssh_rules import ACTIONS, OPERATIONS
from hoopgw.relay.postgres_hosts import ANY, PREFER_STANDBY, PRIMARY, READ_ONLY, READ_WRITE, STANDBY

MODES = one_of("durable", "strict", "best-effort")
_WHO = {
    "groups": Key(names, frozenset(), "Any of these groups."),
    "subjects": Key(names, frozenset(), "Any of these subjects."),
    "claims": Key(values.table_of_texts, {}, "All of these claims."),
    "provider": Key(values.text, "", "Tokens of this [oidc.NAME] only."),
}
_TARGET = Key(table, None, "Which targets: { name = … } or { labels = … }. Not given: all, but in a grant none.")
_EXCEPT = Key(table, None, "Not these identities: { groups = … }, as in a grant.")
PROTOCOLS = one_of(*CONTROLS)
_PROTOCOL = Key(PROTOCOLS, "postgresql", "The protocol that it is about.")

_TOP = "listen admin tls ssh ssh_key ssh_ca client_ca oidc local vault aws store recordings limits"

SECTIONS: dict[str, dict[str, Key]] = {
    "": {
        "name": Key(values.text, "hoopgw", "The gateway's name in events, recordings and its own tokens."),
        "state": Key(values.text, "/var/lib/hoopgw", "Directory of everything that must outlive a restart."),
        "mask_key": Key(values.secret, None, 'Key of `show = "hash"`. Default: made under `state` at first start.'),
        "identity_key": Key(
            values.signing_key,
            None,
            "Ed25519 key of what HTTP targets are told of who asks (`X-Hoopgw-Identity`); `pkcs11:…`: one in a token. "
            "Default: made under `state` at first start.",
        ),
        **{name: Key(table, {}, f"See [{name}].") for name in _TOP.split()},
    },
    "listen": {
        "postgresql": Key(
            values.texts,
            (),
            "Where PostgreSQL clients connect: Twisted endpoint strings, as `tcp:5432`.",
        ),
        "postgresql_login": Key(
            one_of("password", "oauthbearer"),
            "password",
            "How they show their token: `password`, or `oauthbearer` (libpq 18). A client chooses for itself by "
            "`options=-c hoopgw.login=oauthbearer`, or `=password`.",
        ),
        "ssh": Key(values.texts, (), "Where SSH clients connect, as `tcp:2222`."),
        "https": Key(values.texts, (), "Where HTTP clients connect, by TLS, as `tcp:8443`."),
        "https_url": Key(
            values.text,
            "",
            'How they reach that: "https://gw.example.com:8443". Clients of every protocol are told to '
            "follow their holds there, and approvers can decide them. Targets that a path names are told its host as "
            "`X-Forwarded-Host`, whatever Host a client sends.",
        ),
    },
    "admin": {
        "socket": Key(values.text, "/run/hoopgw/admin.sock", "Path of the admin socket."),
    },
    "tls": {
        "certificate": Key(values.text, "", "PEM file: the gateway's certificate, then its chain."),
        "key": Key(values.secret, None, "Where the certificate's private key (PEM) is, as `credential:gateway.key`."),
        "required": Key(values.boolean, True, "Clients without TLS are refused. Their password is a token: leave it."),
        "domain": Key(
            values.text,
            "",
            'PostgreSQL and HTTP clients of the host `TARGET.DOMAIN` name their target by it: "gw.example.com".',
        ),
    },
    **SSH_SECTIONS,
    **CERTIFICATE_SECTIONS,
    "oidc": {
        "issuer": Key(values.text, REQUIRED, "The issuer's address, exactly as in the tokens' `iss`."),
        "audience": Key(values.text, REQUIRED, "Must be (among) the tokens' `aud`."),
        "algorithms": Key(values.texts, ("RS256", "ES256"), "Signature algorithms that are accepted; no others."),
        "subject": Key(values.text, "sub", "The claim that names the identity."),
        "groups": Key(values.text, "groups", "The claim that lists its groups."),
        "scope": Key(
            values.text,
            "openid",
            "What OAUTHBEARER clients are told to ask for where they get their tokens from this issuer.",
        ),
        "ca": Key(values.text, "", "PEM file that the issuer's certificate is verified by. Default: the system's."),
        "client_id": Key(
            values.text,
            "",
            "Of the device authorization grant (RFC 8628): people log in to SSH with a browser, by the first with one.",
        ),
        "skew": Key(values.duration, 30.0, "How far clocks may be apart."),
        "keys_fresh": Key(values.duration, 300.0, "The issuer's keys are fetched again after this."),
        "keys_stale": Key(values.duration, 86400.0, "While the issuer is down its known keys are used this long."),
    },
    **VAULT_SECTIONS,
    "local": {
        "may": Key(
            some_of("list", "view", "kill"), REQUIRED, "`list`, `view`, `kill`: rights of `hoopgw token --local NAME`."
        ),
    },
    "store": {
        "url": Key(values.text, "", "`sqlite:PATH` or `postgresql://USER@HOST/DATABASE`. Default: SQLite in `state`."),
        "password": Key(values.secret, None, "Password of a postgresql:// store."),
    },
    "recordings": {
        "url": Key(values.text, "", "`file:DIRECTORY`. Default: `recordings` under `state`."),
        "mode": Key(
            MODES,
            "strict",
            "`durable`, `strict`, `best-effort`: what is kept before an operation moves on (docs/recording-format.md).",
        ),
        "min_free": Key(values.size, 2 << 30, "Below this much free space new sessions are refused."),
        "spool": Key(values.size, 64 << 20, "Size of the ring in shared memory."),
        "spool_directory": Key(values.text, "", "Where it lies. Default: the runtime directory."),
        "retention": Key(
            values.duration_or_never,
            400 * 86400.0,
            'Closed recordings older than this go, whatever a wrong clock says (docs/operations.md); or `"never"`.',
        ),
        "signing_key": Key(
            values.signing_key,
            None,
            "Ed25519 key of the seals; `pkcs11:…`: one in a token. Default: made under `state` at first start.",
        ),
        "seal_every": Key(values.duration, 5.0, "Time between seals of a session that writes."),
    },
    "limits": {
        "max_sessions": Key(values.count, 10_000, "Live sessions in all."),
        "max_sessions_per_identity": Key(values.count, 200, "Live sessions of one identity."),
        "login": Key(values.duration, 30.0, "From connecting to the session's start."),
        "drain": Key(values.duration, 10.0, "On a stop, how long sessions may finish what runs and what they began."),
        "max_statement": Key(values.size, 128 << 20, "Largest message of a client that is judged."),
        "max_masked_row": Key(values.size, 16 << 20, "Largest row that is masked; a longer one ends the result."),
        **HTTP_LIMITS,
    },
    "target": {
        "protocol": Key(PROTOCOLS, "postgresql", "What is spoken."),
        "address": Key(
            values.addresses, (), 'Needed: where it is: ["db1:5432"]; the next where one cannot be reached.'
        ),
        "database": Key(values.text, None, "PostgreSQL, needed: the database when a client names only the target."),
        "tls": Key(
            one_of("disable", "require", "verify-ca", "verify-full"),
            "",
            "`verify-full`, `verify-ca`, `require` (encrypted, not verified), `disable` (loopback addresses only). "
            "Default: verify-full; on loopback: disable.",
        ),
        "ca": Key(values.text, "", "PEM file that its certificate is verified by. Default: the system's."),
        "record": Key(MODES, "", "As `mode` of [recordings], for this target."),
        "labels": Key(values.table_of_texts, {}, "What grants, guardrails and masks select targets by."),
        "catalogue_role": Key(
            values.text, "", "The role that reads the catalogue, for each with its own search path. Default: its own."
        ),
        "application_name": Key(values.boolean, True, "The target is told session and subject as application_name."),
        "auth": Key(
            some_of("scram-sha-256", "md5", "password"),
            frozenset(("scram-sha-256",)),
            "PostgreSQL: how passwords may be used: `scram-sha-256`; `md5`, which does not prove who the target is; "
            "`password`, in clear text and over verified TLS only.",
        ),
        "target_session_attrs": Key(
            one_of(ANY, READ_WRITE, READ_ONLY, PRIMARY, STANDBY, PREFER_STANDBY),
            ANY,
            "PostgreSQL: which of its addresses will do, as libpq has it: `any`, `read-write`, `read-only`, `primary`, "
            "`standby`, `prefer-standby`.",
        ),
        "load_balance_hosts": Key(
            values.boolean, False, "PostgreSQL: its addresses are tried in random order, for each connection anew."
        ),
        "connect_timeout": Key(values.duration, 5.0, "PostgreSQL, HTTP: how long one address may take to connect."),
        "max_protocol_version": Key(
            one_of("3.0", "3.2"), "3.2", "PostgreSQL: the newest to ask for; `3.0` for a pooler that cannot negotiate."
        ),
        "shared_servers": Key(
            one_of("refuse", "allow"), "refuse", "PostgreSQL: of a pooler that lends them by turns: docs/judging.md."
        ),
        "trusted_extensions": Key(
            values.texts,
            (),
            "PostgreSQL: extensions whose functions, but the volatile ones, only compute with what they are given: "
            "docs/guardrails.md.",
        ),
        "host_keys": Key(
            values.public_keys,
            (),
            "SSH: its public host keys; no others will do. `hoopgw targets scan` shows them.",
        ),
        "host_authorities": Key(
            values.public_keys, (), "SSH: keys whose host certificates, for a name in `address`, are accepted as well."
        ),
        "compatibility": Key(values.boolean, False, "SSH: as `compatibility` of [ssh], towards this target."),
        "environment": Key(values.texts, ("LANG", "LC_*"), "SSH: globs over variables that clients may set there."),
        "host": Key(values.text, "", "HTTP: what it is told as Host. Default: its first address."),
        "secret_fields": Key(
            values.texts,
            (),
            "HTTP: globs over names of fields (headers, queries, forms, JSON) whose values are kept out of the record, "
            "beside the usual: docs/http-rules.md.",
        ),
        "plain_fields": Key(values.texts, (), "HTTP: the same, of those that are recorded though their name is usual."),
        "identity": Key(
            values.boolean,
            True,
            "HTTP: it is told who asks: `X-Hoopgw-Subject`, and `X-Hoopgw-Identity`, a JWT.",
        ),
        "answer_timeout": Key(values.duration, 300.0, "HTTP: how long it may be silent while it owes an answer."),
        **HTTP_TARGET,
        "role": Key(table, None, "Needed: see [target.NAME.role.ROLE]."),
    },
    "role": {
        "user": Key(
            values.text,
            "",
            "PostgreSQL, SSH, needed: the user that the target knows (PostgreSQL: or a `vault:…`, `aws:…` field). "
            "HTTP: of `password`.",
        ),
        "password": Key(values.role_secret, None, "Its password. HTTP: by basic authentication."),
        **HTTP_ROLE,
        "key": Key(
            values.role_secret,
            None,
            "SSH: its private key (OpenSSH or PEM, without a passphrase). Else: that of `certificate` (PEM).",
        ),
        "certified": Key(
            values.boolean,
            False,
            "SSH: the gateway's own authority certifies a new key for each session (`hoopgw targets authority`).",
        ),
        "certificate": Key(values.text, "", "PostgreSQL, HTTP: PEM file, a certificate that it shows to the target."),
    },
    "sigv4": SIGV4,
    "oauth": OAUTH,
    "selector": {
        "name": Key(names, frozenset(), "One target's name, or a list."),
        "labels": Key(values.table_of_texts, {}, "Every one of these labels."),
    },
    "who": _WHO,
    "grant": {
        **_WHO,
        "target": _TARGET,
        "roles": Key(names, frozenset(), "The roles that may be asked for."),
        "databases": Key(names, frozenset(), "Databases besides the target's own."),
        "budget": Key(table, {}, "See [grant.NAME.budget]."),
        "features": Key(
            some_of(COPY_MASKED, REPLICATION, *FEATURES),
            frozenset(),
            "PostgreSQL: `copy-masked`: masked values may be copied, unseen, into tables and files, and foreign tables "
            "and the server's files read; "
            "`replication`: physical and logical replication, past every rule and mask. SSH: what may be "
            "forwarded: " + ", ".join(f"`{name}`" for name in FEATURES) + ".",
        ),
        "destinations": Key(
            destinations,
            (),
            "HTTP: where tunnels through a target with `egress` may lead: "
            '["pypi.org:443", "*.pythonhosted.org:443"]. Nowhere else.',
        ),
        "until": Key(values.moment, None, "The grant's end: a date (its last day, UTC) or a date-time."),
        "may": Key(
            some_of("list", "view", "kill"), frozenset(), "`list`, `view`, `kill`: rights on the admin interface."
        ),
    },
    "budget": {
        "rows": Key(
            rates_of(values.count, "session", "day"), {}, 'As "100000/session", "1000000/day", or both in a list.'
        ),
        "bytes": Key(
            rates_of(values.size, "session", "day"), {}, 'As "1 GiB/session", "8 GiB/day", or both in a list.'
        ),
        "statements": Key(rates_of(values.count, "min"), {}, 'Of one session, as "600/min".'),
        "identity_statements": Key(rates_of(values.count, "min"), {}, 'Of all its sessions, as "6000/min".'),
        "session": Key(values.duration, None, "A session's length at most."),
        "soft": Key(values.fraction, None, "From this share of a bound on, `soft_action` happens."),
        "soft_action": Key(
            one_of("warn", "hold"), "warn", "`warn` (an event), or `hold` (an approval by `soft_approvers`)."
        ),
        "soft_approvers": Key(names, frozenset(), "Groups that approve what a soft bound holds."),
    },
    "guardrail": {
        "protocol": _PROTOCOL,
        **_WHO,
        "except": _EXCEPT,
        "target": _TARGET,
        "roles": Key(names, frozenset(), "Only sessions as one of these roles."),
        "operation": Key(
            some_of(*OPERATIONS, TYPED),
            frozenset(),
            "SSH: what is asked for: " + ", ".join(f"`{name}`" for name in OPERATIONS) + "; or, alone, `typed`: lines "
            "seen on terminals.",
        ),
        "command": Key(values.texts, (), "SSH: exact command lines."),
        "command_not": Key(values.texts, (), "SSH: every command line but exactly these."),
        "program": Key(values.texts, (), "SSH: globs over the programs that a command line starts, wherever in it."),
        "program_not": Key(values.texts, (), "SSH: a command line that starts any program but these globs."),
        "argument": Key(values.texts, (), "SSH: globs over the words that such a program gets."),
        "file": Key(
            some_of(*ACTIONS), frozenset(), "SFTP: what is done: " + ", ".join(f"`{name}`" for name in ACTIONS) + "."
        ),
        "path": Key(values.texts, (), "SFTP, HTTP: globs over canonical paths; `*` goes over slashes as well."),
        **HTTP_CONDITIONS,
        "statement": Key(names, frozenset(), "What the statement does: any of the effects listed below."),
        "tables": Key(values.texts, (), 'Globs over schema.table: ["pay.*"].'),
        "schemas": Key(values.texts, (), "Globs over schemas."),
        "access": Key(
            one_of("read", "write", "any"), "any", "`read`, `write` or `any`: how tables or schemas are touched."
        ),
        "functions": Key(values.texts, (), 'Globs over schema.function: ["pg_catalog.pg_read_file*"].'),
        "where": Key(
            some_of("missing", "constant"),
            frozenset(),
            "`missing`, `constant` (no row decides it), or both in a list: UPDATE or DELETE whose WHERE is so.",
        ),
        "opaque": Key(
            values.boolean,
            False,
            "Code that cannot be read: DO, functions of one's own whose body is dynamic, or in other languages than "
            "SQL and PL/pgSQL, bodies that CREATE stores ([judging.md](judging.md)).",
        ),
        "secret": Key(values.boolean, False, "Statements whose text carries a password."),
        "temporary": Key(
            values.boolean,
            True,
            "`false`: not about what writes, changes or drops nothing but temporary tables of its session.",
        ),
        "regex": Key(values.text, "", "An RE2 expression over the text. No look-around, no back-references."),
        "then": Key(
            lambda value: value,
            None,
            '"refuse", "redact", { hold = … } or { limit = … }; of `typed`: "warn" or "end".',
        ),
        "record": Key(MODES, "", "`durable`, `strict` or `best-effort`: a stricter recording mode for what matches."),
        "reason": Key(values.text, "", "What the client reads. Default: what was found."),
        "would_pass": Key(values.text, "", "What would pass, in words."),
    },
    "graphql": GRAPHQL,
    "then": {
        "hold": Key(table, None, "An approval is needed; see below."),
        "limit": Key(table, None, "The result is bounded; see below."),
    },
    "hold": {
        "approvers": Key(names, REQUIRED, "Groups whose members may decide; never the requester."),
        "count": Key(values.count, 1, "How many different approvers."),
        "wait": Key(values.duration, 30.0, "How long the client waits."),
        "at_once": Key(
            values.boolean, False, "HTTP: it does not wait: the answer is 202, with the address of the hold's state."
        ),
        "in_transaction": Key(values.duration, 10.0, "The same inside a transaction that has run something."),
        "expires": Key(values.duration, 900.0, "How long it can be decided, and an approval be used."),
    },
    "limit": {
        "rows": Key(values.count, None, "Rows of one statement's results."),
        "bytes": Key(values.size, None, "Bytes of one statement's results."),
    },
    "mask": {
        "protocol": _PROTOCOL,
        "target": _TARGET,
        "columns": Key(values.texts, (), 'Globs: "*.email", "customers.ssn", "public.customers.ssn".'),
        "patterns": Key(values.texts, (), "Built-in patterns, or names of [pattern.NAME]."),
        "show": Key(
            one_of("none", "last4", "hash"), "none", "`none`, `last4` or `hash`: what stays visible of a masked column."
        ),
        "predicates": Key(
            one_of("refuse", "equal", "allow"),
            "refuse",
            "What masked columns may decide: nothing (`refuse`), which rows come by comparing whole values (`equal`: "
            "=, IN, IS NULL, GROUP BY, DISTINCT), or anything (`allow`).",
        ),
        "aggregates": Key(
            some_of("count", "sum", "avg", "min", "max"),
            frozenset(),
            "Aggregates whose result over a masked column is shown: `count`, `sum`, `avg`, `min`, `max`.",
        ),
        "json": Key(
            values.texts,
            (),
            "Of masked columns of json, jsonb and hstore only this is masked: members by name at any depth (`email`, "
            "`*_name`), or by pointer from the top (`/items/*/price`). HTTP: the same in the bodies of responses.",
        ),
        **HTTP_MASKS,
        "except": _EXCEPT,
    },
    "pattern": {
        "regex": Key(values.text, REQUIRED, "An RE2 expression over one value. No look-around, no back-references."),
    },
}

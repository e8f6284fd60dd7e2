"""What is wrong in a configuration is named, with its place; what would silently do nothing is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from hoopgw import config
from hoopgw.model.target import TlsMode
from hoopgw.policy.policyset import CONTROLS
from hoopgw.servers.ssh.hostkeys import make_host_key
from tests.test_config_keys import BASE, KEY, OAUTH, SIGV4

M, T, G, R, *_ = BASE
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP93Pn8kjqU8NgMOm+Rfmh2BVljmSEsoL5cWPH2LJxs0"
API = "target.api.role.user"
PARTNER = "target.partner.role.user.oauth"
HOLD = 'then = { hold = { approvers = ["dba"] } }'

MESH = 'provider = "corp"\nca = "ca.pem"\ntrust_domain = "example.org"\n'
_TYPED = '[guardrail.seen]\nprotocol = "ssh"\nprogram = ["su"]\noperation = {}\nthen = {}\n[mask.mail]'

# (file, text that is there, text in its place, the mistake's key, words of it)
MISTAKES = (
    (M, 'name = "test"', "name = 1", "name", "must be a text"),
    (M, "[listen]", "[lissen]", "lissen", 'did you mean "listen"'),
    (M, "[listen]", "listen = 1\n[oidc.third]", "listen", "must be a table"),
    (M, "tcp:5432", "tpc:5432", "listen.postgresql", 'did you mean "tcp"'),
    (M, "[listen]", f'[admin]\nsocket = "/run/{"x" * 103}"\n[listen]', "admin.socket", "of 108 bytes"),
    (M, "[tls]", '[tls]\ndomain = "*.gw.example.com"', "tls.domain", "is not a domain"),
    (M, "tcp:5432", "tcp:port=many", "listen.postgresql", "is not an endpoint"),
    (M, "tcp:5432", "ssl:5432", "listen.postgresql", "can be listened on"),
    (M, 'key = "env:KEY"', "", "tls", "both certificate and key"),
    (M, 'certificate = "gateway.pem"\nkey = "env:KEY"', "", "listen.postgresql", "names no certificate"),
    (M, 'key = "env:KEY"', 'key = "-----BEGIN PRIVATE KEY-----"', "tls.key", "never the secret"),
    (M, "https://idp.example.com", "http://idp.example.com", "oidc.corp.issuer", "must be an https"),
    (M, "https://idp.example.com", "http://127.0.0.1.example.com", "oidc.corp.issuer", "must be an https"),
    (M, "https://idp.example.com", "http://localhost.example.com", "oidc.corp.issuer", "must be an https"),
    (M, "https://idp.example.com", "https://idp.example.com?a=b", "oidc.corp.issuer", "without user, query"),
    (M, "https://idp.example.com", "https://other.example.com", "oidc.other.issuer", "of another"),
    (M, "[oidc.corp]", '[oidc.corp]\nalgorithms = ["none"]', "oidc.corp.algorithms", "is not accepted"),
    (M, "[oidc.corp]", '[oidc.corp]\nalgorithms = ["HS256"]', "oidc.corp.algorithms", "is not accepted"),
    (M, "[oidc.corp]", '[oidc.corp]\nskew = "1h"', "oidc.corp.skew", "at most 300s"),
    (M, "[oidc.corp]", '[oidc.corp]\nkeys_stale = "1m"', "oidc.corp.keys_stale", "less than keys_fresh"),
    (M, 'audience = "hoopgw"\n[oidc.other]', "[oidc.other]", "oidc.corp", "needs `audience`"),
    (M, "https://vault.internal:8200", "http://vault.internal:8200", "vault.main.address", "must be an https"),
    (M, 'token = "file:/run/token"', "", "vault.main", "one way to log in"),
    (M, 'token = "file:/run/token"', 'token = "env:X"\nrole_id = "x"', "vault.main", "one way to log in"),
    (M, 'token = "file:/run/token"', 'token = "vault:main/a#b"', "vault.main.token", "must say where the secret is"),
    (M, 'token = "file:/run/token"', 'token = "env:X"\nsecret_id = "env:Y"', "vault.main.secret_id", "does nothing"),
    (M, 'token = "file:/run/token"', 'token = "env:X"\nmount = "x"', "vault.main.mount", "does nothing"),
    (M, 'role = "gw"', "", "vault.cluster.role", "goes with `jwt`"),
    (M, 'key = "env:KEY"', 'key = "vault:main/a#b"', "tls.key", "must say where the secret is"),
    (T, 'user = "pay_ro"', 'user = "x"\npassword = "vault:mian/a#b"', "target.pay.role.reader.password", '"main"'),
    (T, 'user = "pay_ro"', 'user = "x"\npassword = "vault:main/a"', "target.pay.role.reader.password", "#FIELD"),
    (T, 'user = "pay_ro"', 'user = "vault:main/a"', "target.pay.role.reader.user", "#FIELD"),
    (T, 'user = "www"', 'user = "vault:main/a#b"', "target.web.role.deploy.user", "PostgreSQL only"),
    (M, 'provider = "corp"\nca', 'provider = "cord"\nca', "client_ca.mesh.provider", '"corp"'),
    (M, '"ca.pem"', '"no.pem"', "client_ca.mesh.ca", "cannot be read"),
    (M, '"ca.pem"', '"api.json"', "client_ca.mesh.ca", "cannot be used"),
    (M, '"ca.pem"', '"crl.pem"', "client_ca.mesh.ca", "cannot be used"),
    (M, '"ca.pem"', '"leaf.pem"', "client_ca.mesh.ca", "is no authority's"),
    (M, '"ca.pem"', '"ca.pem"\ncrl = ["alien.pem"]', "client_ca.mesh.crl", "no certificate of `ca` has signed it"),
    (M, '"ca.pem"', '"ca.pem"\ncrl = ["ca.pem"]', "client_ca.mesh.crl", "cannot be used"),
    (M, '"ca.pem"', '"ca.pem"\ncrl = ["no.pem"]', "client_ca.mesh.crl", "cannot be read"),
    (M, 'trust_domain = "example.org"', "", "client_ca.mesh", "needs `trust_domain`"),
    (M, '"example.org"', '"Example.org"', "client_ca.mesh.trust_domain", "is not a trust domain"),
    (M, '"example.org"', '"x.org"\nsubject = "cn"', "client_ca.mesh.trust_domain", "does nothing"),
    (
        M,
        "alone = true",
        'alone = true\nmembers = { "spiffe://a.org/*" = ["x"] }',
        "client_ca.mesh.members",
        "no workload",
    ),
    (M, "alone = true", 'groups = "ou"', "client_ca.mesh.groups", "does nothing without `alone`"),
    (M, 'https = ["tcp:8443"]', "", "client_ca.mesh", "does nothing without `https`"),
    (M, "[store]", f"[client_ca.twice]\n{MESH}[store]", "client_ca.twice.ca", "[client_ca.mesh] has as well"),
    (M, "[listen]", '[local.root]\nmay = ["approve"]\n[listen]', "local.root.may", "'approve' is not one of"),
    (M, "hoopgw@db", "hoopgw:hush@db", "store.url", "never written in a file"),
    (M, "hoopgw@db/hoopgw", "hoopgw@db/hoopgw?password=hush", "store.url", "never written in a file"),
    (M, "postgresql://", "mysql://", "store.url", "must be sqlite:PATH or postgresql"),
    (M, 'url = "postgresql://hoopgw@db/hoopgw"', 'password = "env:X"', "store.password", "SQLite has none"),
    (M, "[recordings]", '[recordings]\nurl = "s3://bucket"', "recordings.url", "must be file:"),
    (M, "[recordings]", '[recordings]\nspool = "1 MiB"', "recordings.spool", "at least 4 MiB"),
    (M, "[recordings]", '[recordings]\nmode = "lax"', "recordings.mode", '"strict"'),
    (M, "[limits]", "[limits]\nmax_sessions = 0", "limits.max_sessions", "at least 1"),
    (M, "[limits]", "[limits]\nmax_sessions = true", "limits.max_sessions", "whole number"),
    (
        T,
        "[target.pay]\n",
        '[target."pay/roll"]\naddress = ["a:1"]\ndatabase = "x"\n[target.pay]\n',
        "target.pay/roll",
        "not a name",
    ),
    (T, "db1.internal:5432", "db1.internal", "target.pay.address", "host:port"),
    (T, f'host_keys = ["{KEY}"]', "", "target.web", "needs `host_keys`"),
    (T, f'host_keys = ["{KEY}"]', f'host_keys = ["{KEY}"]\ndatabase = "x"', "target.web.database", "does nothing with"),
    (
        T,
        'password = "env:WEB"',
        'certified = true\nkey = "env:WEB"',
        "target.web.role.deploy.key",
        "does nothing beside `certified`",
    ),
    (
        T,
        'user = "pay_ro"',
        'user = "pay_ro"\ncertified = true',
        "target.pay.role.reader.certified",
        "does nothing with",
    ),
    (T, KEY, "ssh-rsa AAAA", "target.web.host_keys", "must be a public key"),
    (T, 'database = "pay"', "", "target.pay", "needs `database`"),
    (T, 'user = "www"\npassword = "env:WEB"', 'user = "www"', "target.web.role.deploy", "has no credential"),
    (T, 'user = "pay_ro"', 'user = "pay_ro"\nkey = "env:X"', "target.pay.role.reader", "both certificate and key"),
    (
        T,
        'user = "www"',
        'user = "www"\nkey = "env:X"\ncertificate = "x.pem"',
        "target.web.role.deploy.certificate",
        "does nothing with",
    ),
    (T, "[target.web]", '[target.web]\nauth = ["md5"]', "target.web.auth", "does nothing with"),
    (T, "[target.pay]", '[target.pay]\nauth = ["md4"]', "target.pay.auth", "is not one of"),
    (T, "[target.pay]", '[target.pay]\ntls = "require"\nauth = ["password"]', "target.pay.auth", "in clear text"),
    (
        T,
        'db1.internal:5432"]\ndatabase = "pay"',
        '127.0.0.1:5432"]\ndatabase = "pay"\nauth = ["password"]',
        "target.pay.auth",
        "in clear text",
    ),
    (
        T,
        "[target.pay]",
        '[target.pay]\ntarget_session_attrs = "primery"',
        "target.pay.target_session_attrs",
        '"primary"',
    ),
    (M, 'provider = "corp"\nsubject', 'provider = "corpse"\nsubject', "ssh_key.bot.provider", 'did you mean "corp"'),
    (
        M,
        "[ssh_ca.users]",
        f'[ssh_key.x]\nprovider = "corp"\nsubject = "x"\nkeys = ["{KEY}"]\n[ssh_ca.users]',
        "ssh_key.x.keys",
        "[ssh_key.bot] has as well",
    ),
    (M, "[oidc.corp]", '[ssh]\nrekey = "1 KiB"\n[oidc.corp]', "ssh.rekey", "at least 1 MiB"),
    (M, "[oidc.corp]", '[ssh]\ncertificates = "2d"\n[oidc.corp]', "ssh.certificates", "at most a day"),
    (
        M,
        "[oidc.corp]",
        '[ssh]\nlogin_authority = "file:/k"\ntarget_authority = "file:/k"\n[oidc.corp]',
        "ssh.login_authority",
        "would open targets",
    ),
    (
        M,
        "[oidc.corp]",
        '[ssh]\nkex = "pq-only"\ncompatibility = true\n[oidc.corp]',
        "ssh.compatibility",
        "contradicts",
    ),
    (M, "tcp:8443", "tpc:8443", "listen.https", "is not an endpoint"),
    (
        M,
        'postgresql = ["tcp:5432"]\nhttps = ["tcp:8443"]\n[tls]\ncertificate = "gateway.pem"\nkey = "env:KEY"',
        'https = ["tcp:8443"]',
        "listen.https",
        "names no certificate",
    ),
    (M, 'https = ["tcp:8443"]', 'https_url = "https://gw"', "listen.https_url", "does nothing without"),
    (M, "[listen]", '[listen]\nhttps_url = "http://gw/x"', "listen.https_url", "is not https://HOST"),
    (T, "[target.api]", '[target.api]\nhost = "a b"', "target.api.host", "is not a host name"),
    (T, "[target.api]", '[target.api]\nsecret_fields = ["/user/pin"]', "target.api.secret_fields", "no pointer"),
    (T, "[target.api]", '[target.api]\nsecret_fields = ["**"]', "target.api.secret_fields", "name of a field"),
    (T, "[target.api]", '[target.api]\nplain_fields = ["a=b"]', "target.api.plain_fields", "name of a field"),
    (T, "[target.api]", "[target.api]\nload_balance_hosts = true", "target.api.load_balance_hosts", "does nothing"),
    (T, "target.api", "target.holds", "target.holds", "the gateway's own"),
    (T, 'bearer = "env:API"', 'bearer = "env:API"\nuser = "x"\npassword = "env:X"', API, "more than one credential"),
    (T, 'bearer = "env:API"', 'user = "x"', API, "both user and password"),
    (T, 'bearer = "env:API"', 'user = "x:y"\npassword = "env:X"', f"{API}.user", "has a colon"),
    (T, 'bearer = "env:API"', 'header = "X-Key"', API, "needs `value`"),
    (T, 'bearer = "env:API"', 'header = "Host"\nvalue = "env:X"', f"{API}.header", "is no header field"),
    (T, 'bearer = "env:API"', 'query = "a&b"\nvalue = "env:X"', f"{API}.query", "is no name"),
    (T, 'bearer = "env:API"', 'bearer = "env:API"\nkey = "env:X"', API, "both certificate and key"),
    (T, 'bearer = "env:API"', f'bearer = "env:API"\n[{API}.sigv4]\n{SIGV4}', API, "more than one credential"),
    (T, 'bearer = "env:API"', f'[{API}.sigv4]\nregion = "x"', f"{API}.sigv4", "needs `secret`"),
    (M, 'key_id = "env:AWS_ID"', "", "aws.main", "both key_id and secret"),
    (M, "instance_role = true", "", "aws.machine", "one way to sign"),
    (M, "instance_role = true", 'instance_role = true\nkey_id = "env:A"\nsecret = "env:B"', "aws.machine", "one way"),
    (
        M,
        "instance_role = true",
        'instance_role = true\nsession_token = "env:A"',
        "aws.machine.session_token",
        "nothing",
    ),
    (M, "[aws.main]", '[aws.main]\nendpoint = "https://h/x"', "aws.main.endpoint", "without path"),
    (M, "[aws.main]", '[aws.main]\nendpoint = "http://h"', "aws.main.endpoint", "must be an https"),
    (T, 'bearer = "env:API"', 'bearer = "aws:man/pay"', f"{API}.bearer", 'did you mean "main"'),
    (T, 'bearer = "env:API"', 'bearer = "aws:main"', f"{API}.bearer", "NAME is that of"),
    (T, 'bearer = "env:API"', f'bearer = "env:API"\n[{API}.oauth]\n{OAUTH}', API, "more than one credential"),
    (T, "https://idp.example.com/token", "http://idp/token", f"{PARTNER}.token_endpoint", "must be an https"),
    (T, 'client_id = "gw"', "", PARTNER, "needs `client_id`"),
    (T, "env:OAUTH", "aws:nowhere/x", f"{PARTNER}.secret", "no [aws.nowhere]"),
    (T, 'client_id = "gw"', 'client_id = "gw"\nauthentication = "none"', f"{PARTNER}.authentication", "must be"),
    (T, 'bearer = "env:API"', 'bearer = "oauth:api/user#x"', f"{API}.bearer", "where the secret is"),
    (T, '"s3"', '"S3 "', "target.bucket.role.user.sigv4.service", "is no name of AWS"),
    (T, '"env:ID"', '"vault:x/aws/creds/a#access_key"', "target.bucket.role.user.sigv4.key_id", "no [vault.x]"),
    (T, '"env:SECRET"', '"AKIA"', "target.bucket.role.user.sigv4.secret", "never the secret"),
    (T, 'user = "pay_ro"', 'user = "pay_ro"\nsigv4 = {}', "target.pay.role.reader.sigv4", "does nothing with"),
    (T, "[target.api]", '[target.api]\ntls = "require"', API, "would show to whoever"),
    (T, 'user = "pay_ro"', 'user = "pay_ro"\nbearer = "env:X"', "target.pay.role.reader.bearer", "does nothing with"),
    (T, 'user = "pay_ro"', "", "target.pay.role.reader", "needs `user`"),
    (R, '["DELETE"]', '["delete"]', "guardrail.requests.method", "is not a method"),
    (R, 'method = ["DELETE"]', "", "guardrail.requests", "has no condition"),
    (R, 'method = ["DELETE"]', 'statement = ["drop"]', "guardrail.requests.statement", "is no condition of"),
    (R, 'method = ["DELETE"]', 'path = ["admin"]', "guardrail.requests.path", "must begin with"),
    (R, 'method = ["DELETE"]', 'path = ["/a/../b"]', "guardrail.requests.path", "canonical"),
    (R, 'method = ["DELETE"]', 'path_not = ["/a%20b"]', "guardrail.requests.path_not", "as they are"),
    (R, 'method = ["DELETE"]', 'operation_id = ["getX"]', "guardrail.requests.operation_id", 'did you mean "getA"'),
    (R, 'method = ["DELETE"]', 'grpc_service = ["/p.U/Get"]', "guardrail.requests.grpc_service", "without slashes"),
    (T, "egress = true", 'egress = true\naddress = ["a:1"]', "target.out.address", "does nothing with `egress`"),
    (T, "egress = true", 'egress = true\nversions = ["h2"]', "target.out.versions", "does nothing with `egress`"),
    (T, "egress = true", 'tunnel_idle = "1s"', "target.out.tunnel_idle", "does nothing without `egress`"),
    (T, "egress = true", "", "target.out", "needs `address`"),
    (T, "[target.pay]", "[target.pay]\negress = true", "target.pay.egress", "does nothing with"),
    (G, 'destinations = ["pypi.org:443"]', "", "grant.out", "give destinations"),
    (G, '"pypi.org:443"', '"pypi.org"', "grant.out.destinations", "is not host:port"),
    (G, '"pypi.org:443"', '"*:443"', "grant.out.destinations", "has no host name"),
    (G, '"pypi.org:443"', '"*.org:443"', "grant.out.destinations", "whole domain"),
    (G, 'roles = ["reader"]', 'roles = ["reader"]\ndestinations = ["a:1"]', "grant.read.destinations", "has `egress`"),
    (R, 'target = { name = "api" }\nmethod', "method", "guardrail.requests", "nobody looks into"),
    (R, 'target = { name = "api" }\njson', "json", "mask.bodies", "nobody looks into"),
    (R, '["DELETE"]', '["CONNECT"]', "guardrail.requests.method", "is about tunnels"),
    (R, '["DELETE"]', '["CONNECT", "PUT"]', "guardrail.requests.method", "stands alone"),
    (R, 'method = ["DELETE"]', 'json = { "/a~" = 1 }', "guardrail.requests.json", "RFC 6901"),
    (R, 'method = ["DELETE"]', "json = { a = { over = 1 } }", "guardrail.requests.json", "is not one of"),
    (R, 'method = ["DELETE"]', 'json = { a = { above = "1" } }', "guardrail.requests.json", "must be numbers"),
    (R, 'method = ["DELETE"]', "query = { a = [] }", "guardrail.requests.query", "empty list"),
    (R, 'method = ["DELETE"]', "query = { a = {} }", "guardrail.requests.query", "says nothing"),
    (R, 'method = ["DELETE"]', "graphql = {}", "guardrail.requests.graphql", "has no condition"),
    (R, 'path = ["/graphql"]', "", "guardrail.graphs.graphql", "needs `path`"),
    (R, "graphql = {", 'buffer = "1 GiB"\ngraphql = {', "guardrail.graphs.buffer", "at most 16 MiB"),
    (R, 'method = ["DELETE"]', 'method = ["PUT"]\nbuffer = "2 MiB"', "guardrail.requests.buffer", "does nothing"),
    (
        R,
        'method = ["DELETE"]\nthen = "refuse"',
        'method = ["PUT"]\nthen = { limit = { rows = 1 } }',
        "guardrail.requests.then.limit.rows",
        "give bytes",
    ),
    (
        R,
        'command = ["reboot"]',
        'command = ["reboot"]\ntemporary = false',
        "guardrail.commands.temporary",
        "is nothing",
    ),
    (R, 'command = ["reboot"]', 'method = ["PUT"]', "guardrail.commands.method", "is no condition of"),
    (R, 'json = ["ssn"]', "", "mask.bodies", "masks nothing"),
    (R, 'json = ["ssn"]', 'header = ["X"]\nother = "pass"', "mask.bodies.other", "does nothing"),
    (R, 'json = ["ssn"]', 'patterns = ["email"]\nshow = "hash"', "mask.bodies.show", "does nothing"),
    (R, '["ssn"]', '["ssn"]\naggregates = ["sum"]', "mask.bodies.aggregates", "is of columns"),
    (R, 'columns = ["*.email"]', 'columns = ["*.email"]\nheader = ["x"]', "mask.mail.header", "does nothing"),
    (R, '["ssn"]', '["/a~"]', "mask.bodies.json", "RFC 6901"),
    (T, "../api.json", "../none.json", "target.api.openapi", "cannot be read"),
    (T, "../api.json", "../hoopgw.toml", "target.api.openapi", "is not an OpenAPI 3"),
    (T, "[target.pay]", '[target.pay]\npath_case = "insensitive"', "target.pay.path_case", "does nothing"),
    (T, "[target.pay]", '[target.pay]\nversions = ["h2"]', "target.pay.versions", "does nothing"),
    (T, "[target.api]", '[target.api]\nversions = ["h3"]', "target.api.versions", "is not one of"),
    (T, "[target.api]", '[target.api]\nversions = ["h2", "h2"]', "target.api.versions", "one twice"),
    (M, "[listen]", '[listen]\nssh = ["tpc:2222"]', "listen.ssh", "is not an endpoint"),
    (G, "[grant.read]", '[grant.read]\nfeatures = ["agents"]', "grant.read.features", "is not one of"),
    (R, 'command = ["reboot"]', 'statement = ["drop"]', "guardrail.commands.statement", "is no condition of"),
    (R, 'statement = ["select"]', 'command = ["x"]', "guardrail.limited.command", "is no condition of"),
    (R, 'command = ["reboot"]', "", "guardrail.commands", "has no condition"),
    (
        R,
        'command = ["reboot"]\nthen = "refuse"',
        'command = ["x"]\nthen = { limit = { rows = 1 } }',
        "guardrail.commands",
        "asks for limit",
    ),
    (T, "db1.internal:5432", "::1:5432", "target.pay.address", "[::1]:5432"),
    (T, "db1.internal:5432", "db1.internal:99999", "target.pay.address", "host:port"),
    (T, 'database = "pay"', 'database = "pay"\ntls = "disable"', "target.pay.tls", "loopback"),
    (T, "db1.internal:5432", '127.0.0.1:1", "127.evil.example:1"]\ntls = "disable"\n#', "target.pay.tls", "loopback"),
    (T, "[target.pay]", '[target.pay]\ntls = "require"\nca = "x.pem"', "target.pay.ca", "does nothing"),
    (T, "[target.pay]", '[target.pay]\ncatalogue_role = "readr"', "target.pay.catalogue_role", 'did you mean "reader"'),
    (T, "[target.pay]", '[target.pay]\nprotocol = "htpp"', "target.pay.protocol", "postgresql"),
    (
        T,
        'user = "pay_ro"',
        'user = "pay_ro"\npassword = "hunter2"',
        "target.pay.role.reader.password",
        "never the secret",
    ),
    (T, 'user = "pay_ro"', 'user = "x"\npassword = "file:rel"', "target.pay.role.reader.password", "absolute path"),
    (G, 'groups = ["agents"]', "", "grant.read", "is for nobody"),
    (G, '{ name = "pay" }', '{ name = "pya" }', "grant.read.target.name", 'did you mean "pay"'),
    (G, '{ name = "pay" }', '{ labels = { env = "prd" } }', "grant.read.target.labels", 'did you mean "env=prod"'),
    (G, '{ name = "pay" }', "{}", "grant.read.target", "selects nothing"),
    (G, '["reader"]', '["raeder"]', "grant.read.roles", 'did you mean "reader"'),
    (G, 'roles = ["reader"]', "", "grant.read", "no roles"),
    (G, 'target = { name = "pay" }', "", "grant.read", "grants nothing"),
    (G, 'target = { name = "pay" }', 'may = ["list"]', "grant.read.roles", "does nothing without `target`"),
    (G, "[grant.read]", '[grant.read]\nprovider = "crop"', "grant.read.provider", 'did you mean "corp"'),
    (G, "[grant.read]", "[grant.read]\nuntil = 2027-06-30T12:00:00", "grant.read.until", "offset"),
    (G, 'soft_approvers = ["dba"]', "", "grant.read.budget", "needs soft_approvers"),
    (G, 'soft_action = "hold"', "", "grant.read.budget.soft_approvers", 'soft_action = "hold"'),
    (G, "soft = 0.5\n", "", "grant.read.budget.soft_action", "does nothing without `soft`"),
    (G, "soft = 0.5", "soft = 1.5", "grant.read.budget.soft", "between 0 and 1"),
    (G, "soft = 0.5", 'rows = ["1/day", "2/day"]\nsoft = 0.5', "grant.read.budget.rows", "twice"),
    (G, "soft = 0.5", 'rows = "1/min"\nsoft = 0.5', "grant.read.budget.rows", "not per 'min'"),
    (G, "soft = 0.5", 'rows = "1 GiB/day"\nsoft = 0.5', "grant.read.budget.rows", "whole number"),
    (R, '["select"]', '["selekt"]', "guardrail.limited.statement", 'did you mean "select"'),
    (R, 'statement = ["select"]', "", "guardrail.limited", "has no condition"),
    (R, '["select"]', '["select"]\naccess = "read"', "guardrail.limited.access", "without tables"),
    (R, '["pay.*"]', '["db.pay.*"]', "guardrail.held.tables", "SCHEMA.NAME"),
    (R, '["select"]', '["select"]\nschemas = ["pay.x"]', "guardrail.limited.schemas", "there is `tables`"),
    (R, '["select"]', '["select"]\nregex = "(?!x)"', "guardrail.limited.regex", "no look-ahead"),
    (R, '["select"]', '["select"]\nregex = "(a)\\\\1"', "guardrail.limited.regex", "back-references"),
    (R, '["select"]', '["select"]\nroles = ["reeder"]', "guardrail.limited.roles", 'did you mean "reader"'),
    (R, '["select"]', '["select"]\nprovider = "x"', "guardrail.limited.provider", "there is no [oidc.x]"),
    (R, '{ groups = ["dba"] }', "{}", "guardrail.held.except", "names nobody"),
    (R, '{ groups = ["dba"] }', '{ group = ["dba"] }', "guardrail.held.except.group", 'did you mean "groups"'),
    (R, '["dba"] } }', "[] } }", "guardrail.held.then.hold.approvers", "list of texts"),
    (R, HOLD, "then = { hold = {} }", "guardrail.held.then.hold", "needs `approvers`"),
    (R, HOLD, HOLD.replace("]", "], at_once = true"), "guardrail.held.then.hold.at_once", "does nothing without"),
    (R, HOLD, 'then = "deny"', "guardrail.held.then", "must be"),
    (R, HOLD, "", "guardrail.held", "must be"),
    (R, HOLD, "then = {}", "guardrail.held.then", "does nothing"),
    (R, '["dba"] } }', '["dba"], wait = "20m" } }', "guardrail.held.then.hold.wait", "longer than expires"),
    (R, "{ rows = 10 }", "{}", "guardrail.limited.then.limit", "limits nothing"),
    (R, "{ rows = 10 }", "{ rows = -1 }", "guardrail.limited.then.limit.rows", "at least 1"),
    (R, '["*.email"]', '["email"]', "mask.mail.columns", "table.column"),
    (R, 'columns = ["*.email"]', "", "mask.mail", "masks nothing"),
    (R, "[mask.mail]", _TYPED.format('["typed"]', '"refuse"'), "guardrail.seen.then", "has run when it is seen"),
    (R, "[mask.mail]", _TYPED.format('["typed"]', '"redact"'), "guardrail.seen.then", "has run when it is seen"),
    (R, "[mask.mail]", _TYPED.format('["typed", "exec"]', '"warn"'), "guardrail.seen.operation", "stands alone"),
    (R, "[mask.mail]", _TYPED.format('["exec"]', '"end"'), "guardrail.seen.then", 'operation = ["typed"]'),
    (R, "[mask.mail]", '[mask.mail]\nprotocol = "ssh"', "mask.mail.columns", "which a command's output has none of"),
    (R, "[mask.badges]", '[mask.badges]\nprotocol = "ssh"\nshow = "last4"', "mask.badges.show", "give patterns"),
    (R, "[mask.mail]", '[mask.mail]\njson = ["/a~b"]', "mask.mail.json", "neither ~0 nor ~1"),
    (R, "[mask.mail]", '[mask.mail]\njson = ["\u00fc"]', "mask.mail.json", "ASCII"),
    (R, "[mask.badges]", '[mask.badges]\njson = ["a"]', "mask.badges.json", "without `columns`"),
    (R, '["badge"]', '["bagde"]', "mask.badges.patterns", 'did you mean "badge"'),
    (R, "B-[0-9]{4}", "[0-9]*", "pattern.badge.regex", "matches the empty text"),
    (R, "B-[0-9]{4}", "[", "pattern.badge.regex", "not an RE2 expression"),
    (R, "[pattern.badge]", '[pattern.email]\nregex = "x"\n[pattern.badge]', "pattern.email", "built-in"),
    (R, "[mask.mail]", "[masks.mail]", "masks", 'did you mean "mask"'),
)


def written(place: Path, changed: dict[str, str]) -> Path:
    for name, text in {**BASE, **changed}.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place / "hoopgw.toml"


class Mistakes(SynchronousTestCase):
    def write(self, **changed: str) -> Path:
        return written(Path(self.mktemp()), changed)

    def test_each_is_named(self) -> None:
        """Every kind of mistake: file, key, words, and a line on which the key or its table stands."""
        for name, there, instead, key, words in MISTAKES:
            self.assertIn(there, BASE[name], key)
            path = self.write(**{name: BASE[name].replace(there, instead, 1)})
            found = config.check(path)
            hits = [each for each in found if each.key == key and words in each.message]
            self.assertTrue(hits, f"{key} {words!r} is not among {found}")
            self.assertTrue(hits[0].file.endswith(name), hits)
            lines = Path(hits[0].file).read_text().splitlines()
            self.assertTrue(1 <= hits[0].line <= len(lines), hits)
            self.assertRaises(config.ConfigurationMistakes, config.load, path)

    def test_a_mistake_does_not_make_others(self) -> None:
        """A target that is wrong, or a file that cannot be read, does not make every grant on it wrong as well."""
        path = self.write(**{T: BASE[T].replace("db1.internal:5432", "db1")})
        self.assertEqual([each.key for each in config.check(path)], ["target.pay.address"])
        path = self.write(**{T: BASE[T] + "[["})
        self.assertEqual([Path(each.file).name for each in config.check(path)], ["a.toml"])

    def test_what_is_wrong_is_not_missing(self) -> None:
        """A value that is there and wrong is one mistake: nobody looks for a key that stands in the file."""
        for name, there, instead, key in (
            (M, 'key = "env:KEY"', 'key = "gateway.key"', "tls.key"),
            (M, 'key_id = "env:AWS_ID"', "key_id = 1", "aws.main.key_id"),
            (T, 'database = "pay"', "database = 7", "target.pay.database"),
            (T, f'["{PUBLIC}"]', '["ssh-ed25519 AAAA"]', "target.web.host_keys"),
            (T, 'user = "pay_ro"', "user = 7", "target.pay.role.reader.user"),
            (T, 'user = "pay_ro"', 'user = "x"\ncertificate = "c.pem"\nkey = "c.key"', "target.pay.role.reader.key"),
        ):
            self.assertIn(there, BASE[name], key)
            found = config.check(self.write(**{name: BASE[name].replace(there, instead, 1)}))
            self.assertEqual([each.key for each in found], [key])

    def test_no_secret_in_a_mistake(self) -> None:
        """A password that somebody wrote into a file is not repeated where mistakes are printed."""
        path = self.write(**{T: BASE[T].replace('user = "pay_ro"', 'user = "pay_ro"\npassword = "hunter2"')})
        self.assertNotIn("hunter2", str(config.check(path)))
        path = self.write(**{M: BASE[M].replace("hoopgw@db", "hoopgw:hunter2@db")})
        self.assertNotIn("hunter2", str(config.check(path)))

    def test_twice_over_files(self) -> None:
        """A name that two files give: both places are named, for targets, grants, guardrails, masks and patterns."""
        more = {name.replace("a.toml", "b.toml"): text for name, text in BASE.items() if name != M}
        found = config.check(self.write(**more))
        twice = [each for each in found if "given twice" in each.message]
        wanted = [
            "grant.out",
            "grant.read",
            "guardrail.commands",
            "guardrail.graphs",
            "guardrail.held",
            "guardrail.limited",
            "guardrail.payments",
            "guardrail.requests",
            "mask.badges",
            "mask.bodies",
            "mask.mail",
            "pattern.badge",
        ]
        targets = ["target.api", "target.bucket", "target.out", "target.partner", "target.pay", "target.web"]
        self.assertEqual(sorted(each.key for each in twice), [*wanted, *targets])
        self.assertTrue(all("b.toml" in each.file and "a.toml:" in each.message for each in twice), twice)

    def test_what_cannot_be_enforced(self) -> None:
        """A rule, mask or budget that asks of a protocol what it cannot do is refused, by name and file."""
        before = CONTROLS["postgresql"]
        for control, key in (
            ("hold", "guardrail.held"),
            ("limit", "guardrail.limited"),
            ("mask", "mask.mail"),
            ("budget", "grant.read.budget"),
        ):
            CONTROLS["postgresql"] = before - {control}
            try:
                found = config.check(self.write())
            finally:
                CONTROLS["postgresql"] = before
            self.assertIn(key, [each.key for each in found], control)
        self.assertEqual(config.check(self.write()), [])


class Files(SynchronousTestCase):
    def test_missing_directories(self) -> None:
        """hoopgw.toml alone is a configuration: nobody may reach anything."""
        path = Path(self.mktemp())
        path.write_text('name = "x"')
        loaded = config.load(path)
        self.assertEqual((loaded.targets, loaded.grants, loaded.policy.guardrails), ({}, (), ()))

    def test_missing_file(self) -> None:
        """No hoopgw.toml is a mistake, not an empty configuration."""
        found = config.check("/nowhere/hoopgw.toml")
        self.assertEqual([(each.file, each.line) for each in found], [("/nowhere/hoopgw.toml", 1)])

    def test_unreadable_directory(self) -> None:
        """A directory of rules that cannot be read is a mistake: it must not be one without rules."""
        place = Path(self.mktemp())
        place.mkdir()
        (place / "hoopgw.toml").write_text("")
        (place / "guardrails.d").write_text("not a directory")
        self.assertIn("cannot be read", config.check(place / "hoopgw.toml")[0].message)

    def test_forbidden_directory(self) -> None:
        """The same where permissions keep the gateway out."""
        if os.geteuid() == 0:
            raise SkipTest("root reads everything")
        place = Path(self.mktemp())
        (place / "guardrails.d").mkdir(parents=True)
        (place / "hoopgw.toml").write_text("")
        (place / "guardrails.d").chmod(0)
        self.addCleanup((place / "guardrails.d").chmod, 0o700)
        self.assertIn("cannot be read", config.check(place / "hoopgw.toml")[0].message)

    def test_keys_that_are_none(self) -> None:
        """The service would not start, or a login by it would fail: said with the place that names the file."""
        place = Path(self.mktemp()).resolve()
        (place / "targets.d").mkdir(parents=True)
        (place / "junk").touch(0o600)
        (place / "junk").write_text("junk\n")
        secret = f'"file:{place}/junk"'
        (place / "hoopgw.toml").write_text(f"[ssh]\nhost_keys = [{secret}]\n[recordings]\nsigning_key = {secret}\n")
        (place / "targets.d/web.toml").write_text(
            f'[target.web]\nprotocol = "ssh"\naddress = ["web:22"]\nhost_keys = ["{PUBLIC}"]\n'
            f'[target.web.role.deploy]\nuser = "www"\nkey = {secret}\n'
        )
        found = self.assertRaises(config.ConfigurationMistakes, config.load_whole, place / "hoopgw.toml").mistakes
        self.assertEqual(
            [(each.line, each.key) for each in found],
            [(2, "ssh.host_keys"), (4, "recordings.signing_key"), (7, "target.web.role.deploy.key")],
        )

    def test_a_place_for_the_admin_socket(self) -> None:
        """The service would not start where nobody makes its directory; below /run systemd does."""
        place = Path(self.mktemp())
        place.mkdir()
        file = place / "hoopgw.toml"
        file.write_text('[admin]\nsocket = "/nowhere/admin.sock"\n')
        [found] = self.assertRaises(config.ConfigurationMistakes, config.load_whole, file).mistakes
        self.assertEqual((found.line, found.key, found.message), (2, "admin.socket", "there is no directory /nowhere"))
        file.write_text('[admin]\nsocket = "/run/of-no-service/admin.sock"\n')
        self.assertEqual(config.load_whole(file).settings.listen.admin_path, "/run/of-no-service/admin.sock")

    def test_keys_in_tokens(self) -> None:
        """A token's library and PIN must be there; the token itself is not asked.  A PIN in the address is a mistake
        that does not repeat it; a password cannot stay in a token."""
        place = Path(self.mktemp()).resolve()
        place.mkdir()
        uri = f"pkcs11:token=t;object=o?module-path={place}/m.so&pin-source=file:{place}/pin"
        file = place / "hoopgw.toml"
        file.write_text(f'[recordings]\nsigning_key = "{uri}"\n[ssh]\nlogin_authority = "{uri}"\n')
        found = self.assertRaises(config.ConfigurationMistakes, config.load_whole, file).mistakes
        self.assertEqual(
            {(each.line, each.key) for each in found}, {(2, "recordings.signing_key"), (4, "ssh.login_authority")}
        )
        self.assertEqual(len(found), 4)
        (place / "m.so").touch()
        (place / "pin").touch(0o600)
        (place / "pin").write_text("2741\n")
        self.assertEqual(str(config.load_whole(file).settings.recordings.signing_key), uri)
        (place / "pin").chmod(0o640)
        self.assertIn("chmod 600", str(self.assertRaises(config.ConfigurationMistakes, config.load_whole, file)))
        file.write_text('[recordings]\nsigning_key = "pkcs11:token=t;object=o?module-path=/m.so&pin-value=2741"\n')
        (mistake,) = config.check(file)
        self.assertIn("must not have the PIN", mistake.message)
        self.assertNotIn("2741", str(mistake))
        file.write_text(f'[store]\nurl = "postgresql://u@h/d"\npassword = "{uri}"\n')
        self.assertEqual([each.key for each in config.check(file)], ["store.password"])
        (place / "pin").chmod(0o600)
        file.write_text(f'identity_key = "{uri}"\n[recordings]\nsigning_key = "{uri}"\n')
        (mistake,) = config.check(file)
        self.assertEqual((mistake.line, mistake.key), (1, "identity_key"))
        self.assertIn("one key, one purpose", mistake.message)

    def test_keys_that_the_first_start_makes(self) -> None:
        """A gateway that was just installed has none yet, and starts; one that is named elsewhere must be there."""
        place = Path(self.mktemp()).resolve()
        place.mkdir()
        (place / "hoopgw.toml").write_text(f'state = "{place}/state"\n[listen]\nssh = ["tcp:2222"]\n')
        made = config.load_whole(place / "hoopgw.toml").settings.ssh.host_keys
        self.assertEqual([Path(each.name).exists() for each in made], [False, False])
        with (place / "hoopgw.toml").open("a") as file:
            file.write(f'[ssh]\nhost_keys = ["file:{place}/state/keys/one", "file:{place}/other"]\n')
        found = self.assertRaises(config.ConfigurationMistakes, config.load_whole, place / "hoopgw.toml").mistakes
        self.assertEqual([(each.line, each.key) for each in found], [(5, "ssh.host_keys")])
        self.assertIn("/other cannot be read", found[0].message)

    def test_keys_of_the_services_user(self) -> None:
        """Root checks what belongs to the gateway: a good host key is no mistake, and junk is one all the same."""
        if os.geteuid() != 0:
            raise SkipTest("only root can give a file away")
        place = Path(self.mktemp()).resolve()
        place.mkdir()
        make_host_key(place / "ssh_host_ed25519")
        (place / "junk").touch(0o600)
        (place / "junk").write_text("junk\n")
        for name in ("ssh_host_ed25519", "junk"):
            os.chown(place / name, 65534, 65534)
        keys = [f'"file:{place}/{name}"' for name in ("ssh_host_ed25519", "junk")]
        (place / "hoopgw.toml").write_text(f"[ssh]\nhost_keys = [{', '.join(keys)}]\n")
        found = self.assertRaises(config.ConfigurationMistakes, config.load_whole, place / "hoopgw.toml").mistakes
        self.assertEqual([each.key for each in found], ["ssh.host_keys"])
        self.assertIn(f"{place}/junk", found[0].message)

    def test_what_is_not_a_file(self) -> None:
        """A FIFO, a directory, a dangling link, a huge file, another encoding, brackets in brackets: one mistake each,
        and no waiting."""
        place = Path(self.mktemp())
        rules = place / "guardrails.d"
        rules.mkdir(parents=True)
        (place / "hoopgw.toml").write_text("")
        os.mkfifo(rules / "fifo.toml")
        (rules / "folder.toml").mkdir()
        (rules / "dangling.toml").symlink_to("nowhere")
        (rules / "huge.toml").write_text("#" * (4 << 20) + "\n")
        (rules / "latin.toml").write_bytes(b'# ok\nx = "\xe9"\n')
        (rules / "marked.toml").write_bytes(b"\xef\xbb\xbfx = 1\n")
        (rules / "deep.toml").write_text("x = " + "[" * 100_000)
        (rules / "digits.toml").write_text("x = " + "9" * 10_000)
        (rules / "50.toml.dpkg-dist").write_text("ignored [")
        (rules / ".hidden.toml").write_text("ignored [")
        found = {Path(each.file).name: (each.line, each.message) for each in config.check(place / "hoopgw.toml")}
        names = {"fifo.toml", "folder.toml", "dangling.toml", "huge.toml", "latin.toml", "deep.toml", "digits.toml"}
        self.assertEqual(set(found), names | {"marked.toml"})
        self.assertIn("byte order mark", found["marked.toml"][1])
        self.assertEqual(found["latin.toml"], (2, "is not UTF-8"))

    def test_lines(self) -> None:
        """The line of a key however it is written: quoted, dotted, inline, after CRLF and multi-line text."""
        text = (
            'x = """\n[mask.y]\n"""\r\n'
            '[guardrail."a.b"]\r\nstatement = [\n  "select",\n]\n"then" = { limit = { row = 1 } }\n'
            'guardrail.c.stament = ["drop"]\n'
        )
        place = Path(self.mktemp())
        (place / "guardrails.d").mkdir(parents=True)
        (place / "hoopgw.toml").write_text("")
        (place / "guardrails.d/a.toml").write_bytes(text.encode())
        found = {each.key: each.line for each in config.check(place / "hoopgw.toml")}
        self.assertEqual(found["x"], 1)
        self.assertEqual(found["guardrail.a.b.then.limit.row"], 8)
        self.assertEqual(found["guardrail.a.b.guardrail"], 9)


class Defaults(SynchronousTestCase):
    def write(self, **changed: str) -> Path:
        return written(Path(self.mktemp()), changed)

    def tls(self, address: str) -> TlsMode:
        text = BASE[T].replace("db1.internal:5432", address)
        return config.load(self.write(**{T: text})).targets["pay"].tls

    def test_tls(self) -> None:
        """Verified off loopback, clear text on it; a second address elsewhere is off loopback."""
        self.assertEqual(self.tls("127.0.0.1:5432"), TlsMode.DISABLE)
        self.assertEqual(self.tls("[::1]:5432"), TlsMode.DISABLE)
        self.assertEqual(self.tls("localhost:5432"), TlsMode.DISABLE)
        self.assertEqual(self.tls("db:5432"), TlsMode.VERIFY_FULL)
        self.assertEqual(self.tls("127.0.0.1.example.com:5432"), TlsMode.VERIFY_FULL)
        self.assertEqual(self.tls('127.0.0.1:5432", "db:5432'), TlsMode.VERIFY_FULL)

    def test_mode(self) -> None:
        """A target records as [recordings] says, unless it says more itself."""
        text = BASE[M].replace("[recordings]", '[recordings]\nmode = "durable"')
        self.assertEqual(config.load(self.write(**{M: text})).targets["pay"].record.value, "durable")

    def test_paths(self) -> None:
        """Relative paths are relative to the file that names them, and absolute once loaded."""
        path = self.write(**{T: BASE[T].replace("[target.pay]", '[target.pay]\nca = "../tls/ca.pem"')})
        loaded = config.load(path)
        self.assertEqual(loaded.targets["pay"].ca, str(path.parent.absolute() / "tls/ca.pem"))
        self.assertEqual(loaded.settings.tls.certificate, str(path.parent.absolute() / "gateway.pem"))

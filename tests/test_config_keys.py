"""must-survive 70: every key of the schema changes what is loaded, and there is no key without a test of that."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw import config
from hoopgw.config_schema import SECTIONS
from tests.auth.certificates_for_tests import Ca, pem

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP93Pn8kjqU8NgMOm+Rfmh2BVljmSEsoL5cWPH2LJxs0"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFo/q1V4jnCjz42i1WXFDL1CxmoIEQTygIoJpLfPIlXU"
BASE = {
    "hoopgw.toml": """
name = "test"
state = "/srv/state"
[listen]
postgresql = ["tcp:5432"]
https = ["tcp:8443"]
[tls]
certificate = "gateway.pem"
key = "env:KEY"
[oidc.corp]
issuer = "https://idp.example.com"
audience = "hoopgw"
[oidc.other]
issuer = "https://other.example.com"
audience = "hoopgw"
[vault.main]
address = "https://vault.internal:8200"
token = "file:/run/token"
[vault.cluster]
address = "https://vault.internal:8200"
role = "gw"
jwt = "file:/run/jwt"
[vault.approle]
address = "https://vault.internal:8200"
role_id = "one"
secret_id = "env:ID"
[aws.main]
region = "eu-central-1"
key_id = "env:AWS_ID"
secret = "env:AWS_SECRET"
[aws.machine]
region = "eu-central-1"
instance_role = true
[ssh_key.bot]
provider = "corp"
subject = "bot"
keys = ["@PUBLIC@"]
[ssh_ca.users]
provider = "corp"
keys = ["@PUBLIC@"]
[client_ca.mesh]
provider = "corp"
ca = "ca.pem"
trust_domain = "example.org"
alone = true
[store]
url = "postgresql://hoopgw@db/hoopgw"
[recordings]
[limits]
""",
    "targets.d/a.toml": """
[target.pay]
address = ["db1.internal:5432"]
database = "pay"
labels = { env = "prod" }
[target.pay.role.reader]
user = "pay_ro"
[target.pay.role.writer]
user = "pay_rw"
[target.web]
protocol = "ssh"
host_keys = ["@PUBLIC@"]
address = ["web:22"]
[target.web.role.deploy]
user = "www"
password = "env:WEB"
[target.api]
protocol = "http"
address = ["api.internal:443"]
openapi = ["../api.json"]
[target.api.role.user]
bearer = "env:API"
[target.bucket]
protocol = "http"
address = ["s3.eu-central-1.amazonaws.com:443"]
[target.bucket.role.user]
[target.bucket.role.user.sigv4]
region = "eu-central-1"
service = "s3"
key_id = "env:ID"
secret = "env:SECRET"
session_token = "env:TOKEN"
[target.out]
protocol = "http"
egress = true
[target.partner]
protocol = "http"
address = ["partner.example.com:443"]
[target.partner.role.user]
[target.partner.role.user.oauth]
token_endpoint = "https://idp.example.com/token"
client_id = "gw"
secret = "env:OAUTH"
""",
    "grants.d/a.toml": """
[grant.read]
groups = ["agents"]
target = { name = "pay" }
roles = ["reader"]
[grant.out]
groups = ["agents"]
target = { name = "out" }
roles = ["connect"]
destinations = ["pypi.org:443"]
[grant.read.budget]
soft = 0.5
soft_action = "hold"
soft_approvers = ["dba"]
""",
    "guardrails.d/a.toml": """
[guardrail.held]
tables = ["pay.*"]
except = { groups = ["dba"] }
then = { hold = { approvers = ["dba"] } }
[guardrail.limited]
statement = ["select"]
then = { limit = { rows = 10 } }
[guardrail.commands]
protocol = "ssh"
command = ["reboot"]
then = "refuse"
[guardrail.requests]
protocol = "http"
target = { name = "api" }
method = ["DELETE"]
then = "refuse"
[guardrail.payments]
protocol = "http"
target = { name = "api" }
method = ["POST"]
then = { hold = { approvers = ["finance"] } }
[guardrail.graphs]
protocol = "http"
target = { name = "api" }
path = ["/graphql"]
graphql = { type = ["mutation"] }
then = "refuse"
[mask.bodies]
protocol = "http"
target = { name = "api" }
json = ["ssn"]
[mask.mail]
columns = ["*.email"]
except = { groups = ["dba"] }
[pattern.badge]
regex = "B-[0-9]{4}"
[mask.badges]
patterns = ["badge"]
""",
}

OAUTH = 'token_endpoint = "https://idp.example.com/t"\nclient_id = "a"\nsecret = "env:B"'
SIGV4 = 'region = "eu-central-1"\nservice = "s3"\nkey_id = "env:A"\nsecret = "env:B"'
M, T, G, R = BASE
BASE["revoked.txt"] = "serial: 7\n"
BASE["api.json"] = '{"openapi": "3.1.0", "paths": {"/a": {"get": {"operationId": "getA"}}}}'
BASE["other.json"] = '{"openapi": "3.1.0", "paths": {"/b": {"get": {"operationId": "getB"}}}}'
ROOT = Ca()
BASE["ca.pem"], BASE["other.pem"], BASE["crl.pem"] = ROOT.pem, ROOT.pem + Ca("other").pem, ROOT.crl()
BASE["leaf.pem"], BASE["alien.pem"] = pem(ROOT.issue()[0]), Ca("other").crl()
BASE = {name: text.replace("@PUBLIC@", KEY) for name, text in BASE.items()}

# (section, key) -> (file, text that is there, text that stands in its place)
CHANGES: dict[tuple[str, str], tuple[str, str, str]] = {
    ("", "name"): (M, 'name = "test"', 'name = "other"'),
    ("", "state"): (M, "/srv/state", "/srv/other"),
    ("", "mask_key"): (M, "[listen]", 'mask_key = "file:/k"\n[listen]'),
    ("", "identity_key"): (M, "[listen]", 'identity_key = "file:/k"\n[listen]'),
    ("", "listen"): (M, 'postgresql = ["tcp:5432"]', ""),
    ("", "admin"): (M, "[listen]", '[admin]\nsocket = "/run/x.sock"\n[listen]'),
    ("", "tls"): (M, "gateway.pem", "other.pem"),
    ("", "ssh"): (M, "[oidc.corp]", '[ssh]\nhost_keys = ["file:/k"]\n[oidc.corp]'),
    ("", "ssh_key"): (M, "[ssh_key.bot]", "[ssh_key.robot]"),
    ("", "ssh_ca"): (M, "[ssh_ca.users]", "[ssh_ca.people]"),
    ("", "client_ca"): (M, "[client_ca.mesh]", "[client_ca.other]"),
    ("client_ca", "provider"): (M, '[client_ca.mesh]\nprovider = "corp"', '[client_ca.mesh]\nprovider = "other"'),
    ("client_ca", "ca"): (M, '"ca.pem"', '"other.pem"'),
    ("client_ca", "crl"): (M, '"ca.pem"', '"ca.pem"\ncrl = ["crl.pem"]'),
    ("client_ca", "subject"): (M, 'trust_domain = "example.org"', 'subject = "cn"'),
    ("client_ca", "trust_domain"): (M, '"example.org"', '"other.org"'),
    ("client_ca", "groups"): (M, '"ca.pem"', '"ca.pem"\ngroups = "ou"'),
    ("client_ca", "members"): (M, '"ca.pem"', '"ca.pem"\nmembers = { "spiffe://example.org/a" = ["agents"] }'),
    ("client_ca", "alone"): (M, "alone = true", ""),
    ("client_ca", "listeners"): (M, '"ca.pem"', '"ca.pem"\nlisteners = ["https", "postgresql"]'),
    ("client_ca", "session"): (M, '"ca.pem"', '"ca.pem"\nsession = "1h"'),
    ("ssh", "host_keys"): (M, "[oidc.corp]", '[ssh]\nhost_keys = ["file:/k2"]\n[oidc.corp]'),
    ("ssh", "rekey"): (M, "[oidc.corp]", '[ssh]\nrekey = "1 MiB"\n[oidc.corp]'),
    ("ssh", "login_authority"): (M, "[oidc.corp]", '[ssh]\nlogin_authority = "file:/k4"\n[oidc.corp]'),
    ("ssh", "host_certificates"): (M, "[oidc.corp]", '[ssh]\nhost_certificates = ["c.pub"]\n[oidc.corp]'),
    ("ssh", "certificates"): (M, "[oidc.corp]", '[ssh]\ncertificates = "1m"\n[oidc.corp]'),
    ("ssh", "target_authority"): (M, "[oidc.corp]", '[ssh]\ntarget_authority = "file:/k3"\n[oidc.corp]'),
    ("ssh", "kex"): (M, "[oidc.corp]", '[ssh]\nkex = "pq-only"\n[oidc.corp]'),
    ("ssh", "compatibility"): (M, "[oidc.corp]", "[ssh]\ncompatibility = true\n[oidc.corp]"),
    ("ssh_key", "provider"): (M, 'provider = "corp"\nsubject', 'provider = "other"\nsubject'),
    ("ssh_key", "subject"): (M, 'subject = "bot"', 'subject = "robot"'),
    ("ssh_key", "groups"): (M, "[ssh_key.bot]", '[ssh_key.bot]\ngroups = ["agents"]'),
    ("ssh_key", "keys"): (M, KEY, OTHER),
    ("ssh_key", "session"): (M, "[ssh_key.bot]", '[ssh_key.bot]\nsession = "1h"'),
    ("ssh_ca", "provider"): (M, '[ssh_ca.users]\nprovider = "corp"', '[ssh_ca.users]\nprovider = "other"'),
    ("ssh_ca", "keys"): (
        M,
        f'[ssh_ca.users]\nprovider = "corp"\nkeys = ["{KEY}"]',
        f'[ssh_ca.users]\nprovider = "corp"\nkeys = ["{OTHER}"]',
    ),
    ("ssh_ca", "revoked"): (M, "[ssh_ca.users]", f'[ssh_ca.users]\nrevoked = ["{OTHER}"]'),
    ("ssh_ca", "krl"): (M, "[ssh_ca.users]", '[ssh_ca.users]\nkrl = ["revoked.txt"]'),
    ("ssh_ca", "session"): (M, "[ssh_ca.users]", '[ssh_ca.users]\nsession = "1h"'),
    ("listen", "ssh"): (M, "[listen]", '[listen]\nssh = ["tcp:2222"]'),
    ("target", "protocol"): (T, f'protocol = "ssh"\nhost_keys = ["{KEY}"]', 'database = "web"'),
    ("target", "host_keys"): (T, KEY, OTHER),
    ("target", "host_authorities"): (T, "[target.web]", f'[target.web]\nhost_authorities = ["{OTHER}"]'),
    ("target", "compatibility"): (T, "[target.web]", "[target.web]\ncompatibility = true"),
    ("target", "environment"): (T, "[target.web]", '[target.web]\nenvironment = ["TZ"]'),
    ("target", "openapi"): (T, '["../api.json"]', '["../api.json", "../other.json"]'),
    ("target", "egress"): (
        T,
        "[target.web]",
        '[target.exit]\nprotocol = "http"\negress = true\n[target.web]',
    ),
    ("target", "tunnel_idle"): (T, "egress = true", 'egress = true\ntunnel_idle = "1m"'),
    ("target", "tunnel_longest"): (T, "egress = true", 'egress = true\ntunnel_longest = "1h"'),
    ("grant", "destinations"): (G, '["pypi.org:443"]', '["*.pypi.org:443"]'),
    ("target", "versions"): (T, "[target.api]", '[target.api]\nversions = ["h2"]'),
    ("target", "path_case"): (T, "[target.api]", '[target.api]\npath_case = "insensitive"'),
    ("guardrail", "method"): (R, '["DELETE"]', '["PUT"]'),
    ("guardrail", "path_not"): (R, 'method = ["DELETE"]', 'path_not = ["/public/*"]'),
    ("guardrail", "operation_id"): (R, 'method = ["DELETE"]', 'operation_id = ["getA"]'),
    ("guardrail", "grpc_service"): (R, 'method = ["DELETE"]', 'grpc_service = ["pay.Users"]'),
    ("guardrail", "grpc_method"): (R, 'method = ["DELETE"]', 'grpc_method = ["Delete*"]'),
    ("guardrail", "operation_id_not"): (R, 'method = ["DELETE"]', 'operation_id_not = ["getA"]'),
    ("guardrail", "query"): (R, 'method = ["DELETE"]', 'query = { role = "admin" }'),
    ("guardrail", "header"): (R, 'method = ["DELETE"]', 'header = { X-Env = ["a", "b"] }'),
    ("guardrail", "form"): (R, 'method = ["DELETE"]', "form = { n = { above = 5, below = 7.5 } }"),
    ("guardrail", "json"): (R, 'method = ["DELETE"]', 'json = { "/n" = { not = [1, true, "x"] } }'),
    ("guardrail", "graphql"): (R, 'graphql = { type = ["mutation"] }', 'json = { a = { is = "b" } }'),
    ("guardrail", "size"): (R, 'method = ["DELETE"]', 'size = "1 MiB"'),
    ("guardrail", "buffer"): (R, "graphql =", 'buffer = "2 MiB"\ngraphql ='),
    ("graphql", "type"): (R, '"mutation"', '"query"'),
    ("graphql", "name"): (R, '"mutation"]', '"mutation"], name = ["x"]'),
    ("graphql", "field"): (R, '"mutation"]', '"mutation"], field = ["deleteUser"]'),
    ("mask", "header"): (R, 'json = ["ssn"]', 'header = ["X-User"]'),
    ("mask", "path"): (R, '["ssn"]', '["ssn"]\npath = ["/users/*"]'),
    ("mask", "path_not"): (R, '["ssn"]', '["ssn"]\npath_not = ["/users/*"]'),
    ("mask", "operation_id"): (R, '["ssn"]', '["ssn"]\noperation_id = ["getA"]'),
    ("mask", "other"): (R, '["ssn"]', '["ssn"]\nother = "pass"'),
    ("listen", "https"): (M, 'https = ["tcp:8443"]', 'https = ["tcp:8444"]'),
    ("listen", "https_url"): (M, "[listen]", '[listen]\nhttps_url = "https://gw:8443"'),
    ("target", "host"): (T, "[target.api]", '[target.api]\nhost = "api.example.com"'),
    ("target", "secret_fields"): (T, "[target.api]", '[target.api]\nsecret_fields = ["X-Pin"]'),
    ("target", "plain_fields"): (T, "[target.api]", '[target.api]\nplain_fields = ["token"]'),
    ("target", "identity"): (T, "[target.api]", "[target.api]\nidentity = false"),
    ("target", "answer_longest"): (T, "[target.api]", '[target.api]\nanswer_longest = "1m"'),
    ("target", "answer_timeout"): (T, "[target.api]", '[target.api]\nanswer_timeout = "1m"'),
    ("role", "sigv4"): (T, 'bearer = "env:API"', f"[target.api.role.user.sigv4]\n{SIGV4}"),
    ("role", "oauth"): (T, 'bearer = "env:API"', f"[target.api.role.user.oauth]\n{OAUTH}"),
    ("oauth", "token_endpoint"): (T, "https://idp.example.com/token", "https://idp.example.com/oauth2"),
    ("oauth", "client_id"): (T, 'client_id = "gw"', 'client_id = "other"'),
    ("oauth", "secret"): (T, "env:OAUTH", "env:OTHER"),
    ("oauth", "scope"): (T, 'client_id = "gw"', 'client_id = "gw"\nscope = "read"'),
    ("oauth", "audience"): (T, 'client_id = "gw"', 'client_id = "gw"\naudience = "api"'),
    ("oauth", "authentication"): (T, 'client_id = "gw"', 'client_id = "gw"\nauthentication = "client_secret_post"'),
    ("oauth", "ca"): (T, 'client_id = "gw"', 'client_id = "gw"\nca = "ca.pem"'),
    ("sigv4", "region"): (T, 'region = "eu-central-1"', 'region = "eu-west-1"'),
    ("sigv4", "service"): (T, 'service = "s3"', 'service = "sqs"'),
    ("sigv4", "key_id"): (T, "env:ID", "env:OTHER"),
    ("sigv4", "secret"): (T, "env:SECRET", "env:OTHER"),
    ("sigv4", "session_token"): (T, 'session_token = "env:TOKEN"', ""),
    ("role", "bearer"): (T, "env:API", "env:OTHER"),
    ("role", "header"): (T, 'bearer = "env:API"', 'header = "X-Key"\nvalue = "env:API"'),
    ("role", "query"): (T, 'bearer = "env:API"', 'query = "key"\nvalue = "env:API"'),
    ("role", "value"): (T, 'bearer = "env:API"', 'query = "key"\nvalue = "env:OTHER"'),
    ("role", "certified"): (T, 'password = "env:WEB"', "certified = true"),
    ("role", "key"): (T, 'password = "env:WEB"', 'key = "env:WEB"'),
    ("grant", "features"): (G, "[grant.read]", '[grant.read]\nfeatures = ["copy-masked"]'),
    ("guardrail", "protocol"): (R, 'protocol = "ssh"\ncommand = ["reboot"]', 'statement = ["drop"]'),
    ("guardrail", "operation"): (R, '["reboot"]', '["reboot"]\noperation = ["exec"]'),
    ("guardrail", "command"): (R, '["reboot"]', '["halt"]'),
    ("guardrail", "command_not"): (R, '["reboot"]', '["reboot"]\ncommand_not = ["halt"]'),
    ("guardrail", "program"): (R, 'command = ["reboot"]', 'program = ["reboot"]'),
    ("guardrail", "program_not"): (R, 'command = ["reboot"]', 'program_not = ["ls"]'),
    ("guardrail", "argument"): (R, 'command = ["reboot"]', 'program = ["reboot"]\nargument = ["-f"]'),
    ("guardrail", "path"): (R, 'command = ["reboot"]', 'path = ["/srv/*"]'),
    ("guardrail", "file"): (R, 'command = ["reboot"]', 'file = ["write"]'),
    ("", "oidc"): (M, "[oidc.other]", "[oidc.another]"),
    ("", "local"): (M, "[listen]", '[local.root]\nmay = ["kill"]\n[listen]'),
    ("", "store"): (M, "hoopgw@db", "hoopgw@db2"),
    ("", "recordings"): (M, "[recordings]", '[recordings]\nmode = "durable"'),
    ("", "limits"): (M, "[limits]", "[limits]\nmax_sessions = 5"),
    ("listen", "postgresql"): (M, "tcp:5432", "tcp:5433"),
    ("admin", "socket"): (M, "[listen]", '[admin]\nsocket = "/run/y.sock"\n[listen]'),
    ("tls", "certificate"): (M, "gateway.pem", "/etc/other.pem"),
    ("tls", "key"): (M, "env:KEY", "credential:gateway.key"),
    ("tls", "domain"): (M, "[tls]", '[tls]\ndomain = "gw.example.com"'),
    ("tls", "required"): (M, "[tls]", "[tls]\nrequired = false"),
    ("oidc", "issuer"): (M, "https://idp.example.com", "https://id.example.com"),
    ("oidc", "audience"): (M, 'audience = "hoopgw"\n[oidc.other]', 'audience = "gw"\n[oidc.other]'),
    ("oidc", "algorithms"): (M, "[oidc.corp]", '[oidc.corp]\nalgorithms = ["ES256"]'),
    ("oidc", "subject"): (M, "[oidc.corp]", '[oidc.corp]\nsubject = "email"'),
    ("oidc", "groups"): (M, "[oidc.corp]", '[oidc.corp]\ngroups = "roles"'),
    ("listen", "postgresql_login"): (M, "[listen]", '[listen]\npostgresql_login = "oauthbearer"'),
    ("oidc", "scope"): (M, "[oidc.corp]", '[oidc.corp]\nscope = "openid groups"'),
    ("oidc", "ca"): (M, "[oidc.corp]", '[oidc.corp]\nca = "ca.pem"'),
    ("oidc", "client_id"): (M, "[oidc.other]", '[oidc.other]\nclient_id = "ssh"'),
    ("oidc", "skew"): (M, "[oidc.corp]", '[oidc.corp]\nskew = "10s"'),
    ("oidc", "keys_fresh"): (M, "[oidc.corp]", '[oidc.corp]\nkeys_fresh = "1m"'),
    ("oidc", "keys_stale"): (M, "[oidc.corp]", '[oidc.corp]\nkeys_stale = "2h"'),
    ("", "vault"): (M, "[vault.main]", "[vault.first]"),
    ("vault", "address"): (M, "https://vault.internal:8200", "https://vault.internal:8201"),
    ("vault", "ca"): (M, "[vault.main]", '[vault.main]\nca = "ca.pem"'),
    ("vault", "namespace"): (M, "[vault.main]", '[vault.main]\nnamespace = "team"'),
    ("vault", "token"): (M, "file:/run/token", "file:/run/other"),
    ("vault", "role_id"): (M, 'role_id = "one"', 'role_id = "two"'),
    ("vault", "secret_id"): (M, "env:ID", "env:OTHER"),
    ("vault", "role"): (M, 'role = "gw"', 'role = "gateway"'),
    ("vault", "jwt"): (M, "file:/run/jwt", "file:/run/other"),
    ("vault", "mount"): (M, "[vault.cluster]", '[vault.cluster]\nmount = "prod"'),
    ("", "aws"): (M, "[aws.main]", "[aws.first]"),
    ("aws", "region"): (M, 'region = "eu-central-1"', 'region = "eu-west-1"'),
    ("aws", "endpoint"): (M, "[aws.main]", '[aws.main]\nendpoint = "https://vpce.internal"'),
    ("aws", "ca"): (M, "[aws.main]", '[aws.main]\nca = "ca.pem"'),
    ("aws", "key_id"): (M, "env:AWS_ID", "env:OTHER"),
    ("aws", "secret"): (M, "env:AWS_SECRET", "env:OTHER"),
    ("aws", "session_token"): (M, "[aws.main]", '[aws.main]\nsession_token = "env:TOKEN"'),
    ("aws", "instance_role"): (M, "instance_role = true", 'key_id = "env:ID"\nsecret = "env:SECRET"'),
    ("local", "may"): (M, "[listen]", '[local.root]\nmay = ["list"]\n[listen]'),
    ("store", "url"): (M, "postgresql://hoopgw@db/hoopgw", "sqlite:x.db"),
    ("store", "password"): (M, "[store]", '[store]\npassword = "env:STORE"'),
    ("recordings", "url"): (M, "[recordings]", '[recordings]\nurl = "file:/srv/r"'),
    ("recordings", "mode"): (M, "[recordings]", '[recordings]\nmode = "best-effort"'),
    ("recordings", "min_free"): (M, "[recordings]", '[recordings]\nmin_free = "1 GiB"'),
    ("recordings", "spool"): (M, "[recordings]", '[recordings]\nspool = "8 MiB"'),
    ("recordings", "spool_directory"): (M, "[recordings]", '[recordings]\nspool_directory = "/dev/shm"'),
    ("recordings", "retention"): (M, "[recordings]", '[recordings]\nretention = "never"'),
    ("recordings", "signing_key"): (M, "[recordings]", '[recordings]\nsigning_key = "file:/k"'),
    ("recordings", "seal_every"): (M, "[recordings]", '[recordings]\nseal_every = "1s"'),
    ("limits", "max_sessions"): (M, "[limits]", "[limits]\nmax_sessions = 7"),
    ("limits", "max_sessions_per_identity"): (M, "[limits]", "[limits]\nmax_sessions_per_identity = 7"),
    ("limits", "login"): (M, "[limits]", '[limits]\nlogin = "5s"'),
    ("limits", "drain"): (M, "[limits]", '[limits]\ndrain = "5s"'),
    ("limits", "max_statement"): (M, "[limits]", '[limits]\nmax_statement = "1 MiB"'),
    ("limits", "max_masked_row"): (M, "[limits]", '[limits]\nmax_masked_row = "1 MiB"'),
    ("limits", "request_head"): (M, "[limits]", '[limits]\nrequest_head = "5s"'),
    ("limits", "request_body"): (M, "[limits]", '[limits]\nrequest_body = "5s"'),
    ("limits", "request_rate"): (M, "[limits]", '[limits]\nrequest_rate = "5 B"'),
    ("target", "address"): (T, "db1.internal:5432", "db2.internal:5432"),
    ("target", "database"): (T, 'database = "pay"', 'database = "pay2"'),
    ("target", "tls"): (T, "[target.pay]", '[target.pay]\ntls = "require"'),
    ("target", "ca"): (T, "[target.pay]", '[target.pay]\nca = "ca.pem"'),
    ("target", "record"): (T, "[target.pay]", '[target.pay]\nrecord = "durable"'),
    ("target", "labels"): (T, '"prod"', '"test"'),
    ("target", "catalogue_role"): (T, "[target.pay]", '[target.pay]\ncatalogue_role = "reader"'),
    ("target", "application_name"): (T, "[target.pay]", "[target.pay]\napplication_name = false"),
    ("target", "auth"): (T, "[target.pay]", '[target.pay]\nauth = ["scram-sha-256", "md5"]'),
    ("target", "target_session_attrs"): (T, "[target.pay]", '[target.pay]\ntarget_session_attrs = "standby"'),
    ("target", "load_balance_hosts"): (T, "[target.pay]", "[target.pay]\nload_balance_hosts = true"),
    ("target", "connect_timeout"): (T, "[target.pay]", '[target.pay]\nconnect_timeout = "2s"'),
    ("target", "max_protocol_version"): (T, "[target.pay]", '[target.pay]\nmax_protocol_version = "3.0"'),
    ("target", "shared_servers"): (T, "[target.pay]", '[target.pay]\nshared_servers = "allow"'),
    ("target", "trusted_extensions"): (T, "[target.pay]", '[target.pay]\ntrusted_extensions = ["postgis"]'),
    ("role", "certificate"): (T, 'user = "pay_ro"', 'user = "pay_ro"\nkey = "env:PAY"\ncertificate = "ro.pem"'),
    ("target", "role"): (T, "[target.pay.role.writer]", "[target.pay.role.editor]"),
    ("role", "user"): (T, "pay_ro", "ro_pay"),
    ("role", "password"): (T, 'user = "pay_ro"', 'user = "pay_ro"\npassword = "env:PAY"'),
    ("selector", "name"): (R, '["select"]', '["select"]\ntarget = { name = "pay" }'),
    ("selector", "labels"): (R, '["select"]', '["select"]\ntarget = { labels = { env = "prod" } }'),
    ("who", "groups"): (R, 'except = { groups = ["dba"] }', 'except = { groups = ["dbas"] }'),
    ("who", "subjects"): (R, 'except = { groups = ["dba"] }', 'except = { subjects = ["x"] }'),
    ("who", "claims"): (R, 'except = { groups = ["dba"] }', 'except = { claims = { a = "b" } }'),
    ("who", "provider"): (R, 'except = { groups = ["dba"] }', 'except = { provider = "corp" }'),
    ("grant", "groups"): (G, '["agents"]', '["people"]'),
    ("grant", "subjects"): (G, "[grant.read]", '[grant.read]\nsubjects = ["x"]'),
    ("grant", "claims"): (G, "[grant.read]", '[grant.read]\nclaims = { a = "b" }'),
    ("grant", "provider"): (G, "[grant.read]", '[grant.read]\nprovider = "corp"'),
    ("grant", "target"): (G, '{ name = "pay" }', '{ labels = { env = "prod" } }'),
    ("grant", "roles"): (G, '["reader"]', '["writer"]'),
    ("grant", "databases"): (G, "[grant.read]", '[grant.read]\ndatabases = ["x"]'),
    ("grant", "budget"): (G, "soft = 0.5", 'session = "1h"\nsoft = 0.5'),
    ("grant", "until"): (G, "[grant.read]", "[grant.read]\nuntil = 2027-06-30T12:00:00Z"),
    ("grant", "may"): (G, "[grant.read]", '[grant.read]\nmay = ["view"]'),
    ("budget", "rows"): (G, "soft = 0.5", 'rows = "9/session"\nsoft = 0.5'),
    ("budget", "bytes"): (G, "soft = 0.5", 'bytes = ["1 MiB/session", "1 GiB/day"]\nsoft = 0.5'),
    ("budget", "statements"): (G, "soft = 0.5", 'statements = "9/min"\nsoft = 0.5'),
    ("budget", "identity_statements"): (G, "soft = 0.5", 'identity_statements = "9/min"\nsoft = 0.5'),
    ("budget", "session"): (G, "soft = 0.5", 'session = "2h"\nsoft = 0.5'),
    ("budget", "soft"): (G, "soft = 0.5", "soft = 0.8"),
    ("budget", "soft_action"): (G, 'soft_action = "hold"\nsoft_approvers = ["dba"]', 'soft_action = "warn"'),
    ("budget", "soft_approvers"): (G, 'soft_approvers = ["dba"]', 'soft_approvers = ["boss"]'),
    ("guardrail", "groups"): (R, '["select"]', '["select"]\ngroups = ["x"]'),
    ("guardrail", "subjects"): (R, '["select"]', '["select"]\nsubjects = ["x"]'),
    ("guardrail", "claims"): (R, '["select"]', '["select"]\nclaims = { a = "b" }'),
    ("guardrail", "provider"): (R, '["select"]', '["select"]\nprovider = "corp"'),
    ("guardrail", "except"): (R, '["select"]', '["select"]\nexcept = { groups = ["x"] }'),
    ("guardrail", "target"): (R, '["select"]', '["select"]\ntarget = { name = ["pay"] }'),
    ("guardrail", "roles"): (R, '["select"]', '["select"]\nroles = ["reader"]'),
    ("guardrail", "statement"): (R, '["select"]', '["insert"]'),
    ("guardrail", "tables"): (R, '["pay.*"]', '["web.*"]'),
    ("guardrail", "schemas"): (R, '["select"]', '["select"]\nschemas = ["pay"]'),
    ("guardrail", "access"): (R, '["pay.*"]', '["pay.*"]\naccess = "write"'),
    ("guardrail", "functions"): (R, '["select"]', '["select"]\nfunctions = ["lower"]'),
    ("guardrail", "where"): (R, '["select"]', '["select"]\nwhere = "missing"'),
    ("guardrail", "opaque"): (R, '["select"]', '["select"]\nopaque = true'),
    ("guardrail", "secret"): (R, '["select"]', '["select"]\nsecret = true'),
    ("guardrail", "temporary"): (R, '["select"]', '["select"]\ntemporary = false'),
    ("guardrail", "regex"): (R, '["select"]', '["select"]\nregex = "x+"'),
    ("guardrail", "then"): (R, "{ limit = { rows = 10 } }", '"refuse"'),
    ("guardrail", "record"): (R, '["select"]', '["select"]\nrecord = "durable"'),
    ("guardrail", "reason"): (R, '["select"]', '["select"]\nreason = "No."'),
    ("guardrail", "would_pass"): (R, '["select"]', '["select"]\nwould_pass = "x"'),
    ("then", "hold"): (R, "{ hold = { approvers", "{ limit = { rows = 1 }, hold = { count = 2, approvers"),
    ("then", "limit"): (R, "{ limit = { rows = 10 } }", "{ limit = { bytes = 10 } }"),
    ("hold", "approvers"): (R, 'approvers = ["dba"]', 'approvers = ["boss"]'),
    ("hold", "count"): (R, 'approvers = ["dba"]', 'approvers = ["dba"], count = 2'),
    ("hold", "wait"): (R, 'approvers = ["dba"]', 'approvers = ["dba"], wait = "5s"'),
    ("hold", "at_once"): (R, 'approvers = ["finance"]', 'approvers = ["finance"], at_once = true'),
    ("hold", "in_transaction"): (R, 'approvers = ["dba"]', 'approvers = ["dba"], in_transaction = "5s"'),
    ("hold", "expires"): (R, 'approvers = ["dba"]', 'approvers = ["dba"], expires = "1h"'),
    ("limit", "rows"): (R, "rows = 10", "rows = 11"),
    ("limit", "bytes"): (R, "rows = 10", 'rows = 10, bytes = "1 MiB"'),
    ("mask", "protocol"): (R, "[mask.badges]", '[mask.badges]\nprotocol = "ssh"'),
    ("mask", "target"): (R, "[mask.mail]", '[mask.mail]\ntarget = { name = "pay" }'),
    ("mask", "columns"): (R, '["*.email"]', '["*.mail"]'),
    ("mask", "patterns"): (R, '["badge"]', '["badge", "email"]'),
    ("mask", "show"): (R, "[mask.mail]", '[mask.mail]\nshow = "hash"'),
    ("mask", "predicates"): (R, "[mask.mail]", '[mask.mail]\npredicates = "equal"'),
    ("mask", "aggregates"): (R, "[mask.mail]", '[mask.mail]\naggregates = ["count"]'),
    ("mask", "json"): (R, "[mask.mail]", '[mask.mail]\njson = ["/a/b"]'),
    ("mask", "except"): (R, '"*.email"]\nexcept = { groups = ["dba"] }', '"*.email"]'),
    ("pattern", "regex"): (R, "{4}", "{5}"),
}


class Keys(SynchronousTestCase):
    def loaded(self, files: dict[str, str]) -> str:
        """The configuration in words, without digest and lines, which any change of a file changes."""
        place = Path(self.mktemp())
        for name, text in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text)
        path = place / "hoopgw.toml"
        self.assertEqual(config.check(path), [])
        found = config.load(path)
        rules = [(each, getattr(each.guardrail, "conditions").pattern) for each in found.policy.guardrails]
        words = repr((found.settings, found.targets, found.grants, rules, found.policy.masks))
        words = words.replace(str(place.absolute()), "").replace(str(place), "")
        return _without_lines(words)

    def test_every_key_has_an_effect(self) -> None:
        """Each key, changed alone, changes the loaded value."""
        base = self.loaded(BASE)
        self.assertEqual(base, self.loaded(BASE))
        for key, (name, there, instead) in CHANGES.items():
            self.assertIn(there, BASE[name], key)
            changed = self.loaded({**BASE, name: BASE[name].replace(there, instead, 1)})
            self.assertNotEqual(base, changed, key)

    def test_every_key_is_tried(self) -> None:
        """A key that is added to the schema and not here fails this."""
        every = {(section, name) for section, keys in SECTIONS.items() for name in keys}
        self.assertEqual(every, set(CHANGES))

    def test_columns_are_postgresqls(self) -> None:
        """A mask of columns is a mistake for a protocol that has none, and so is a protocol that is not there."""
        place = Path(self.mktemp())
        for protocol in ("ssh", "http"):
            for name, text in BASE.items():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                (place / name).write_text(text.replace("[mask.mail]", f'[mask.mail]\nprotocol = "{protocol}"'))
            found = config.check(place / "hoopgw.toml")
            self.assertTrue(found and all(each.key.startswith("mask.mail") for each in found), found)


def _without_lines(words: str) -> str:
    import re

    return re.sub(r"Source\(file='[^']*', line=\d+\)", "", words)

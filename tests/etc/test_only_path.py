"""The rules of docs/hardening.md that make the gateway the only path, in force in a network of their own."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from ipaddress import ip_address
from pathlib import Path

import jmespath
import psycopg
import yaml
from click import ClickException
from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.bypass import aws, kubernetes
from hoopgw.cli.bypass.nft import nft_lines
from hoopgw.cli.bypass.pg_hba import DATABASES, hba_lines
from hoopgw.cli.bypass.sshd import sshd_lines
from hoopgw.cli.main import main
from hoopgw.model.target import Address, Role, SecretReference, Target, TlsMode
from tests.pgcluster import HBA, TIMEOUT, Cluster
from tests.programs import SERVER, found

PAGE = Path(__file__).parent.parent.parent / "docs/hardening.md"
GATEWAY, AGENT = "127.0.0.7", "127.0.0.9"
# a target, and who connects to it from two addresses
TRIED = f"""
import socket
target = socket.create_server(("0.0.0.0", 5432))
for source in ("{GATEWAY}", "{AGENT}"):
    try:
        socket.create_connection(("127.0.0.1", 5432), 20, source_address=(source, 0)).close()
        print(source, "reached")
    except ConnectionRefusedError:
        print(source, "refused")
"""
BY_UDP = f"""
import socket
target = socket.socket(type=socket.SOCK_DGRAM)
target.bind(("127.0.0.1", 443))
target.settimeout(20)
for source in ("{GATEWAY}", "{AGENT}"):
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.bind((source, 0))
        client.connect(("127.0.0.1", 443))
        client.settimeout(20)
        try:
            client.send(b"x")
            if source == "{GATEWAY}":
                target.sendto(b"y", target.recvfrom(1)[1])
            client.recv(1)
            print(source, "heard")
        except ConnectionRefusedError:
            print(source, "refused")
"""
# listens as a target does
LISTENS = 'import socket, time; s = socket.create_server(("0.0.0.0", 5432)); time.sleep(60)'
COMMAND = "from hoopgw.cli.main import main; main()"


def alone(script: str) -> subprocess.CompletedProcess[str]:
    """`script` of sh, as root of a network where nobody else is."""
    command = ["unshare", "--map-root-user", "--net", "sh", "-ec", f"ip link set lo up; {script}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)


class OnlyPath(SynchronousTestCase):
    def setUp(self) -> None:
        if shutil.which("nft") is None or alone("nft list ruleset").returncode != 0:
            self.skipTest("there is no nft here, or no network namespace may be made")
        found = re.search(r"```\n(table inet .*?)```", PAGE.read_text(), re.DOTALL)
        assert found is not None
        self.rules = Path(self.mktemp()).resolve()
        self.rules.write_text(found[1].replace("10.0.2.7", GATEWAY))

    def tried(self, before: str) -> list[str]:
        ran = alone(f"{before}; '{sys.executable}' -I -c '{TRIED}'")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return ran.stdout.splitlines()

    def test_only_the_gateway_reaches_the_target(self) -> None:
        """Without the rules both do; with them the agent's host does not."""
        self.assertEqual(self.tried("true"), [f"{GATEWAY} reached", f"{AGENT} reached"])
        self.assertEqual(self.tried(f"nft -f '{self.rules}'"), [f"{GATEWAY} reached", f"{AGENT} refused"])

    def test_what_the_command_prints_does_the_same(self) -> None:
        self.rules.write_text("\n".join(nft_lines([5432, 6432], (ip_address(GATEWAY), ip_address("::7")))))
        self.assertEqual(self.tried(f"nft -f '{self.rules}'"), [f"{GATEWAY} reached", f"{AGENT} refused"])

    def test_nobody_passes_by_quic(self) -> None:
        """HTTP/3 is the same service by UDP: it is rejected as well, but from the gateway."""
        self.rules.write_text("\n".join(nft_lines([443], (ip_address(GATEWAY),), [443])))
        ran = alone(f"nft -f '{self.rules}'; '{sys.executable}' -I -c '{BY_UDP}'")
        self.assertEqual(ran.stdout.splitlines(), [f"{GATEWAY} heard", f"{AGENT} refused"], ran.stderr)

    def test_a_later_load_takes_the_place_of_an_earlier_one(self) -> None:
        """The gateway has moved: its old address no longer reaches the target, and the new one does."""
        later = Path(self.mktemp()).resolve()
        for path, gateway in ((self.rules, AGENT), (later, GATEWAY)):
            path.write_text("\n".join(nft_lines([5432], (ip_address(gateway),))))
        both = f"nft -f '{self.rules}'; nft -f '{later}'"
        self.assertEqual(self.tried(both), [f"{GATEWAY} reached", f"{AGENT} refused"])

    def test_the_probe_sees_it(self) -> None:
        """From an agent's address it finds the target open without the rules, and closed with them; of a name that
        nobody knows it says that nobody can say."""
        listening = f"'{sys.executable}' -I -c '{LISTENS}' & sleep 1"
        words = "bypass probe 127.0.0.1:5432 --seconds 2 --json"
        command = f"PYTHONPATH='{os.pathsep.join(sys.path)}' '{sys.executable}' -c '{COMMAND}' {words}"
        closed, unknown = f"nft -f '{self.rules}'", "nowhere.invalid:5432"
        for rules, more, status, wanted in (
            ("true", unknown, 1, [True, None]),
            (closed, "", 0, [False]),
            (closed, unknown, 3, [False, None]),
        ):
            ran = alone(f"{rules}; {listening}; set +e; {command} {more}; echo status $?; kill $!")
            said, _, rest = ran.stdout.partition("status ")
            self.assertEqual(int(rest.split()[0]), status, ran.stderr)
            self.assertEqual([each["open"] for each in json.loads(said)], wanted)


class Nothing(SynchronousTestCase):
    def test_a_configuration_without_an_address(self) -> None:
        """A target that is for tunnels alone has no port: rules without one would be none, or open every port."""
        place = Path(self.mktemp())
        (place / "targets.d").mkdir(parents=True)
        (place / "hoopgw.toml").write_text("")
        (place / "targets.d/net.toml").write_text('[target.net]\nprotocol = "http"\negress = true\n')
        for words in (["nft"], ["networkpolicy", "--namespace", "x"], ["security-group", "sg-0a1b2c3d"]):
            command = ["--config", str(place / "hoopgw.toml"), "bypass", *words, "--gateway", "10.0.0.1"]
            ran = CliRunner().invoke(main, command)
            self.assertEqual((ran.exit_code, "nothing to close" in ran.output), (1, True), ran.output)
        command = ["--config", str(place / "hoopgw.toml"), "bypass", "sshd", "--gateway", "10.0.0.1"]
        self.assertIn("no ssh target", CliRunner().invoke(main, command).output)


class PgHba(SynchronousTestCase):
    def test_names_are_names(self) -> None:
        """A user that is called `all`, or has a quote in it, is that user alone; others are rejected after."""
        roles = {"a": Role("a", "all"), "b": Role("b", 'x"y'), "c": Role("c", "z", certificate="/c")}
        target = Target("pay", "postgresql", (Address("db1", 5432),), TlsMode.VERIFY_FULL, roles)
        self.assertEqual(
            [line.split() for line in hba_lines(target, (ip_address("10.0.2.7"), ip_address("fd00::7")))],
            [
                ["#", "target", "pay:", "db1:5432"],
                ["hostssl", DATABASES, '"all"', "10.0.2.7/32", "scram-sha-256"],
                ["hostssl", DATABASES, '"all"', "fd00::7/128", "scram-sha-256"],
                ["host", DATABASES, '"all"', "all", "reject"],
                ["local", DATABASES, '"all"', "reject"],
                ["hostssl", DATABASES, '"x""y"', "10.0.2.7/32", "scram-sha-256"],
                ["hostssl", DATABASES, '"x""y"', "fd00::7/128", "scram-sha-256"],
                ["host", DATABASES, '"x""y"', "all", "reject"],
                ["local", DATABASES, '"x""y"', "reject"],
                ["hostssl", DATABASES, '"z"', "10.0.2.7/32", "cert"],
                ["hostssl", DATABASES, '"z"', "fd00::7/128", "cert"],
                ["host", DATABASES, '"z"', "all", "reject"],
                ["local", DATABASES, '"z"', "reject"],
            ],
        )
        broken = Target("pay", "postgresql", (), TlsMode.DISABLE, {"a": Role("a", "x\nhost all all all trust")})
        self.assertRaises(ClickException, list, hba_lines(broken, (ip_address("10.0.2.7"),)))

    def test_a_user_that_only_the_vault_knows(self) -> None:
        """Its address in the vault is no user's name: a line for that would protect nobody."""
        name = "vault:corp/database/creds/pay-ro#username"
        role = Role("a", name, user_secret=SecretReference("vault", name))
        target = Target("pay", "postgresql", (), TlsMode.REQUIRE, {"a": role})
        self.assertRaises(ClickException, list, hba_lines(target, (ip_address("10.0.2.7"),)))


class Sshd(SynchronousTestCase):
    """What sshd itself makes of the printed lines (`sshd -T -C`)."""

    def target(self, *users: str) -> Target:
        roles = {user: Role(user, user) for user in users}
        return Target("web1", "ssh", (Address("web1", 22),), TlsMode.DISABLE, roles)

    def test_only_from_the_gateway(self) -> None:
        """The roles' users are denied from elsewhere; other users are not spoken of."""
        programs = found("sshd", "ssh-keygen")
        if programs is None:
            self.skipTest("no sshd is installed")
        env = programs.environment
        place = Path(tempfile.mkdtemp(prefix="hoopgw-sshd-"))
        self.addCleanup(shutil.rmtree, place)
        key = [str(programs["ssh-keygen"]), "-q", "-t", "ed25519", "-N", "", "-f", str(place / "key")]
        subprocess.run(key, env=env, check=True, timeout=TIMEOUT)
        as_user = []
        if os.geteuid() == 0:  # as root it wants a user for its own separation of privileges
            as_user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            for path in (place, place / "key"):
                os.chown(path, 65534, 65534)
        gateways = (ip_address("10.0.2.7"), ip_address("fd00::7"))
        lines = [f"HostKey {place}/key", *sshd_lines(self.target("deploy", "ops.1"), gateways)]
        (place / "config").write_text("\n".join(lines) + "\n")
        denied = {}
        for user, address in itertools.product(("deploy", "ops.1", "ann"), ("10.0.2.7", "fd00::7", "10.0.2.8", "::1")):
            shown = [*as_user, str(programs["sshd"]), "-T", "-f", str(place / "config")]
            shown += ["-C", f"user={user},host=somewhere,addr={address}"]
            ran = subprocess.run(shown, env=env, capture_output=True, text=True, timeout=TIMEOUT, check=False)
            self.assertEqual(ran.returncode, 0, ran.stderr)
            denied[user, address] = "denyusers *" in ran.stdout
        wrong = {(user, address) for user in ("deploy", "ops.1") for address in ("10.0.2.8", "::1")}
        self.assertEqual({each for each, is_denied in denied.items() if is_denied}, wrong)

    def test_a_user_that_is_a_pattern(self) -> None:
        """Nothing is printed for a name that would mean others."""
        for user in ("*", "a,b", "a b", "!a", "-x", "a\nMatch all"):
            self.assertRaises(ClickException, list, sshd_lines(self.target(user), (ip_address("10.0.2.7"),)))


class NetworkPolicy(SynchronousTestCase):
    def test_yaml_is_what_was_meant(self) -> None:
        """A reader of YAML finds the same policy, with odd labels too."""
        labels = {"app.kubernetes.io/name": "yes", "n": "1", "x": 'a"b: #c'}
        four, six = (ip_address("10.0.2.7"),), (ip_address("fd00::7"),)
        policy = kubernetes.network_policy("pay", labels, (5432, 22), four, "gw", {"app": "hoopgw"})
        self.assertEqual(yaml.safe_load("\n".join(kubernetes.yaml(policy))), policy)
        every = kubernetes.network_policy("pay", {}, (5432,), six, "gw", {})
        self.assertEqual(yaml.safe_load("\n".join(kubernetes.yaml(every))), every)
        self.assertEqual(every["spec"]["podSelector"], {})
        self.assertEqual(every["spec"]["ingress"][0]["from"], [{"ipBlock": {"cidr": "fd00::7/128"}}])

    def test_one_policy_does_not_undo_another(self) -> None:
        """Of two targets in one namespace each keeps its own; a pod elsewhere is never the gateway."""
        one, two = (
            kubernetes.network_policy("pay", {"app": name}, (5432,), (), "gw", {"app": "hoopgw"}) for name in "ab"
        )
        self.assertNotEqual(one["metadata"]["name"], two["metadata"]["name"])
        [source] = one["spec"]["ingress"][0]["from"]
        self.assertEqual(source["namespaceSelector"], {"matchLabels": {"kubernetes.io/metadata.name": "gw"}})


class SecurityGroup(SynchronousTestCase):
    def test_the_permissions_are_whole(self) -> None:
        """As the shell would hand them to the AWS CLI: each port, from the gateway's addresses and group."""
        lines = aws.commands(
            "sg-0123456789abcdef0", (22, 5432), (ip_address("10.0.2.7"), ip_address("fd00::7")), "sg-1"
        )
        words = shlex.split(next(line for line in lines if line.startswith("aws ec2 authorize")))
        self.assertEqual(words[-4:-1], ["--group-id", "sg-0123456789abcdef0", "--ip-permissions"])
        by = {"Description": "hoopgw"}
        sources = {
            "IpRanges": [{"CidrIp": "10.0.2.7/32"} | by],
            "Ipv6Ranges": [{"CidrIpv6": "fd00::7/128"} | by],
            "UserIdGroupPairs": [{"GroupId": "sg-1"} | by],
        }
        expected = [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port} | sources for port in (22, 5432)]
        self.assertEqual(json.loads(words[-1]), expected)

    def test_what_lets_others_in_by_udp(self) -> None:
        """HTTP/3, at the ports of HTTP targets alone."""
        lines = list(aws.commands("sg-0123456789abcdef0", (22, 443), (ip_address("10.0.2.7"),), "", [443]))
        query = shlex.split(next(line for line in lines if "describe" in line))[-2]
        rules = {(kind, port): {"IpProtocol": kind, "FromPort": port} for kind in ("tcp", "udp") for port in (22, 443)}
        more = {"IsEgress": False, "CidrIpv4": "0.0.0.0/0"}
        given = [
            rule | more | {"ToPort": rule["FromPort"], "SecurityGroupRuleId": f"{kind} {port}"}
            for (kind, port), rule in rules.items()
        ]
        found = jmespath.search(query, {"SecurityGroupRules": given})
        self.assertEqual(found, ["tcp 22", "tcp 443", "udp 443"])

    def test_what_is_revoked(self) -> None:
        """By the CLI's own query language: all that lets others to such a port, whatever its description says."""
        lines = list(aws.commands("sg-0123456789abcdef0", (22, 5432), (ip_address("10.0.2.7"),), "sg-1"))
        query = shlex.split(next(line for line in lines if "describe" in line))[-2]
        tcp = {"IsEgress": False, "IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432}
        rules = {
            "gateway": tcp | {"CidrIpv4": "10.0.2.7/32", "Description": "hoopgw"},
            "its-group": tcp | {"ReferencedGroupInfo": {"GroupId": "sg-1"}},
            "gone-before": tcp | {"CidrIpv4": "10.0.2.6/32", "Description": "hoopgw"},
            "agents": tcp | {"CidrIpv4": "10.0.9.0/24", "FromPort": 1024, "ToPort": 65535},
            "all": {"IsEgress": False, "IpProtocol": "-1", "CidrIpv4": "0.0.0.0/0"},
            "dns": {"IsEgress": False, "IpProtocol": "udp", "FromPort": 1, "ToPort": 65535, "CidrIpv4": "0.0.0.0/0"},
            "web": tcp | {"FromPort": 443, "ToPort": 443, "CidrIpv4": "0.0.0.0/0"},
            "out": {"IsEgress": True, "IpProtocol": "-1", "CidrIpv4": "0.0.0.0/0"},
        }
        given = {"SecurityGroupRules": [rule | {"SecurityGroupRuleId": name} for name, rule in rules.items()]}
        self.assertEqual(jmespath.search(query, given), ["gone-before", "agents", "all"])


class PgHbaInForce(SynchronousTestCase):
    """The printed lines at the top of a PostgreSQL's own, which would let these users in."""

    def setUp(self) -> None:
        programs = found(*SERVER)
        if programs is None:
            self.skipTest("no PostgreSQL server is installed")
        for name in [name for name in os.environ if name.startswith("PG")]:
            self.addCleanup(os.environ.__setitem__, name, os.environ.pop(name))
        self.cluster = Cluster(programs)
        self.addCleanup(self.cluster.stop)
        self.cluster.execute("ALTER ROLE trusted REPLICATION")

    def use(self, gateway: str, user: str, auth: str, tls: TlsMode) -> None:
        target = Target("pay", "postgresql", (), tls, {"a": Role("a", user)}, auth=frozenset((auth,)))
        lines = [*hba_lines(target, (ip_address(gateway),)), HBA, "host replication all 127.0.0.1/32 trust"]
        (self.cluster.directory / "data/pg_hba.conf").write_text("\n".join(lines))
        before = self.loaded()
        self.cluster.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + TIMEOUT
        while self.loaded() == before:
            self.assertLess(time.monotonic(), deadline)

    def loaded(self) -> object:
        """When the server that takes connections read its files."""
        place = f"host=127.0.0.1 port={self.cluster.port} user=postgres dbname=postgres"
        with psycopg.connect(place) as connection:
            return connection.execute("SELECT pg_conf_load_time()").fetchone()

    def refused(self, user: str, **more: str) -> str:
        """Why the server lets nobody in as `user` from loopback; empty if it does."""
        place = {"host": "127.0.0.1", "port": str(self.cluster.port), "dbname": "postgres"}
        try:
            psycopg.connect(**(place | {"user": user, "connect_timeout": "60"} | more)).close()
        except psycopg.OperationalError as error:
            return str(error)
        return ""

    def test_replication_is_no_way_around(self) -> None:
        """`all` does not speak of physical replication."""
        self.use("10.0.2.7", "bound", "scram-sha-256", TlsMode.VERIFY_FULL)
        self.assertEqual(self.refused("trusted", replication="yes"), "")  # of whom nothing is said
        self.use("10.0.2.7", "trusted", "scram-sha-256", TlsMode.VERIFY_FULL)
        for more in ({}, {"replication": "yes"}, {"replication": "database"}):
            self.assertIn("rejects", self.refused("trusted", **more), more)

    def test_the_gateway_comes_in_as_it_does(self) -> None:
        """With md5, or without TLS, where its target says so."""
        self.use("127.0.0.1", "old", "md5", TlsMode.REQUIRE)
        self.assertEqual(self.refused("old", password="old", sslmode="require"), "")
        self.assertIn("rejects", self.refused("old", password="old", sslmode="disable"))
        self.use("127.0.0.1", "reading", "scram-sha-256", TlsMode.DISABLE)
        self.assertEqual(self.refused("reading", password="plain", sslmode="disable"), "")

"""Image, compose file and Kubernetes manifests, as far as they need no engine: they agree with the program."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from hoopgw import __version__, config
from tests.live.harness import LiveCase
from tests.preparing.test_prepare import PACKAGING

CONTAINER, KUBERNETES = PACKAGING / "container", PACKAGING / "kubernetes"
RECIPE = (CONTAINER / "Containerfile").read_text()
PORTS = {5432, 2222, 8443}
USER = 10001


def manifests() -> dict[str, Any]:
    """By kind."""
    return {each["kind"]: each for each in yaml.safe_load_all((KUBERNETES / "hoopgw.yaml").read_text())}


def service() -> Any:
    return yaml.safe_load((CONTAINER / "compose.yaml").read_text())["services"]["gateway"]


class Agreeing(SynchronousTestCase):
    def checked(self, place: Path) -> config.Config:
        """The listeners are those that are exposed, and no tables are left out by mistake."""
        loaded = config.load(place / "hoopgw.toml")
        listen = loaded.settings.listen
        self.assertEqual({int(each.split(":")[1]) for each in (*listen.postgresql, *listen.ssh, *listen.https)}, PORTS)
        self.assertEqual(loaded.settings.recordings.spool_directory, "/var/lib/hoopgw")
        return loaded

    def test_image(self) -> None:
        """Its configuration has no mistake; ports, user and the command are the program's."""
        self.checked(CONTAINER)
        [ports] = re.findall(r"^EXPOSE (.*)$", RECIPE, re.M)
        self.assertEqual(set(map(int, ports.split())), PORTS)
        self.assertIn(f"\nUSER {USER}:{USER}\n", RECIPE)
        unit = (PACKAGING.parent / "systemd/hoopgw.service").read_text()
        [command] = re.findall(r"^ENTRYPOINT \[(.*)\]$", RECIPE, re.M)
        words = re.findall('"([^"]*)"', command)
        self.assertIn(f"ExecStart={' '.join(words)} --config ", unit)

    def test_sources_of_the_image_exist(self) -> None:
        for line in re.findall(r"^COPY (?!--from)(.*)$", RECIPE, re.M):
            *sources, _ = [word for word in line.split() if not word.startswith("--")]
            for source in sources:
                if not source.startswith("dist/"):  # `make deb` makes that
                    self.assertTrue((PACKAGING.parent / source).is_file(), source)

    def test_compose(self) -> None:
        """Not root, nothing writable but the state, time for the sessions' end, and no swap."""
        gateway = service()
        self.assertEqual(gateway["image"], f"hoopgw:{__version__}")
        self.assertEqual({int(each.split(":")[1]) for each in gateway["ports"]}, PORTS)
        self.assertEqual(
            (gateway["user"], gateway["read_only"], gateway["cap_drop"]), (f"{USER}:{USER}", True, ["ALL"])
        )
        self.assertEqual(gateway["mem_limit"], gateway["memswap_limit"])
        self.assertTrue((CONTAINER / gateway["build"]["context"] / gateway["build"]["dockerfile"]).is_file())
        writable = [each for each in gateway["volumes"] if not each.endswith(":ro")]
        self.assertEqual(writable, ["state:/var/lib/hoopgw"])

    def test_kubernetes(self) -> None:
        """As the pod security standard `restricted` wants it; the configuration in the map has no mistake, also with
        its examples uncommented."""
        found = manifests()
        template = found["StatefulSet"]["spec"]["template"]["spec"]
        [gateway] = template["containers"]
        self.assertEqual(gateway["image"], f"hoopgw:{__version__}")
        self.assertEqual({each["containerPort"] for each in gateway["ports"]}, PORTS)
        self.assertEqual({each["port"] for each in found["Service"]["spec"]["ports"]}, PORTS)
        self.assertEqual({each["port"] for each in found["NetworkPolicy"]["spec"]["ingress"][0]["ports"]},
                         {each["name"] for each in gateway["ports"]})  # fmt: skip
        pod, own = template["securityContext"], gateway["securityContext"]
        self.assertEqual((pod["runAsNonRoot"], pod["runAsUser"], pod["fsGroup"]), (True, USER, USER))
        self.assertEqual(pod["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertEqual((own["allowPrivilegeEscalation"], own["readOnlyRootFilesystem"]), (False, True))
        self.assertEqual(own["capabilities"], {"drop": ["ALL"]})
        self.assertEqual(found["StatefulSet"]["spec"]["replicas"], 1)
        labels = found["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
        for kind, path in (("Service", "selector"), ("NetworkPolicy", "podSelector")):
            chosen = found[kind]["spec"][path]
            self.assertEqual(chosen.get("matchLabels", chosen), labels, kind)
        mounts = {each["name"] for each in gateway["volumeMounts"]}
        claims = {each["metadata"]["name"] for each in found["StatefulSet"]["spec"]["volumeClaimTemplates"]}
        self.assertEqual(mounts, {each["name"] for each in template["volumes"]} | claims)

    def test_the_secret_is_nobodys_to_apply(self) -> None:
        """`kubectl create secret` would fail where an empty one is applied first."""
        self.assertNotIn("Secret", manifests())

    def test_configuration_of_the_map(self) -> None:
        """As a volume shows it, behind links; with its examples taken in as well."""
        found = manifests()
        template = found["StatefulSet"]["spec"]["template"]["spec"]
        [volume] = [each for each in template["volumes"] if each["name"] == "configuration"]
        for wanted in (0, 1):
            place = Path(self.mktemp()).resolve()
            (place / "..data").mkdir(parents=True)
            for item in volume["configMap"]["items"]:
                text = found["ConfigMap"]["data"][item["key"]]
                path = place / "..data" / item["path"]
                path.parent.mkdir(exist_ok=True)
                path.write_text(re.sub("^# ?", "", text, flags=re.M) if wanted else text)
            for name in ("hoopgw.toml", "targets.d", "grants.d"):
                (place / name).symlink_to(Path("..data") / name)
            self.assertEqual(len(self.checked(place).targets), wanted)


class Healthy(LiveCase):
    def asked(self, *words: str) -> int:
        return subprocess.run(
            [sys.executable, CONTAINER / "healthy", *words], capture_output=True, check=False
        ).returncode

    def test_probe(self) -> None:
        """It ends 0 for a gateway that is well, and 1 where none answers."""
        admin = str(self.stage.gateway.admin)
        self.assertEqual((self.asked(admin), self.asked("--alive", admin)), (0, 0))
        gone = Path(self.mktemp()).absolute()
        self.assertEqual((self.asked(str(gone)), self.asked("--alive", str(gone))), (1, 1))

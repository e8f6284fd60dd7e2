"""The list of what the package carries, as CycloneDX 1.5: each library with its version, licence and wheel's hash."""

from __future__ import annotations

import hashlib
import re
import uuid
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

SPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 9562's of addresses


def document(site: Path, wheels: list[Path]) -> dict[str, Any]:
    """Of what is installed in `site` from `wheels`.  The same again for the same libraries: it holds no time."""
    hashes = {_canonical(path.name.split("-")[0]): hashlib.sha256(path.read_bytes()).hexdigest() for path in wheels}
    parts = []
    for file in sorted(site.glob("*.dist-info/METADATA")):
        about = HeaderParser().parsestr(file.read_text())
        parts.append(_component(about, hashes[_canonical(about["Name"])], file.parent, site))
    own = next(part for part in parts if part["name"] == "hoopgw")
    libraries = [part for part in parts if part is not own]
    serial = uuid.uuid5(SPACE, "".join(sorted(hashes.values())))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": {**own, "type": "application"}},
        "components": libraries,
        "dependencies": [{"ref": own["bom-ref"], "dependsOn": [part["bom-ref"] for part in libraries]}],
    }


def _component(about: Message, sha256: str, info: Path, site: Path) -> dict[str, Any]:
    name = _canonical(about["Name"])
    purl = f"pkg:pypi/{name}@{about['Version']}"
    part: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": about["Name"],
        "version": about["Version"],
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": sha256}],
    }
    licence = _licence(about)
    if licence:
        part["licenses"] = [licence]
    carried = [path.name for path in sorted(site.glob(f"{name.replace('-', '_')}.libs/*"))]
    if carried:  # libraries of C that the wheel's makers put in it
        part["components"] = [{"type": "library", "bom-ref": f"{purl}#{file}", "name": file} for file in carried]
    return part


def _licence(about: Message) -> dict[str, Any] | None:
    if about["License-Expression"]:
        return {"expression": about["License-Expression"]}
    classes = [
        value.rpartition(" :: ")[2] for value in about.get_all("Classifier", []) if value.startswith("License ::")
    ]
    named = classes[0] if classes else (about["License"] or "").strip().split("\n")[0]
    return {"license": {"name": named}} if named else None


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

"""What an auditor sees afterwards: the list, a replay, the verification, and what one flipped byte does to it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from hoopgw.cli.demo.scene import Scene, until
from hoopgw.cli.demo.telling import Surprise


def session_list(scene: Scene) -> None:
    """The sessions of this demo"""
    until(lambda: True if not any(row["live"] for row in _sessions(scene)) else None, "the sessions' ends")
    ran = scene.hoopgw("approver", scene.stage.approver, "sessions", "list")
    rows = _sessions(scene)
    told = [sum(row[word] for row in rows) for word in ("refused", "held", "masked")]
    scene.tell.expect(
        ran.status == 0 and told[0] >= 1 and told[1] >= 1 and told[2] >= 1,
        f"{len(rows)} sessions; {told[0]} refused, {told[1]} held, {told[2]} values masked",
        f"refused, held, masked are {told}",
    )


def replay(scene: Scene) -> None:
    """A replay of the session with the refusal"""
    refused = [row["id"] for row in _sessions(scene) if row["refused"]]
    if not refused:
        raise Surprise("no session has a refusal")
    ran = scene.hoopgw("approver", scene.stage.approver, "sessions", "replay", refused[0])
    scene.tell.expect(
        ran.status == 0 and "DROP TABLE orders" in ran.out and "SELECT count(*) FROM orders" in ran.out,
        "what was asked, what was decided, what was shown",
        "the replay does not show both statements",
    )


def verification(scene: Scene) -> None:
    """The verification, by the public key alone"""
    ran = _verify(scene, recordings(scene))
    scene.tell.expect(ran.status == 0, "every chain and seal holds", "the recordings do not verify")


def flipped_byte(scene: Scene) -> None:
    """One flipped byte in a copy"""
    copy = scene.stage.place / "copy"
    shutil.copytree(recordings(scene), copy)
    victim = max((path for path in copy.rglob("*") if path.is_file()), key=_journal_size)
    at = victim.stat().st_size // 2
    with victim.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    scene.tell.says(f"bit 0 of byte {at} of {victim.relative_to(copy)} is flipped")
    ran = _verify(scene, copy)
    named = ran.status == 1 and "chunk" in ran.all and "operation" in ran.all
    scene.tell.expect(named, "the verifier names the chunk and the operations it covers", "the verifier did not say")


def recordings(scene: Scene) -> Path:
    return scene.stage.state / "recordings"


def public_key(scene: Scene) -> Path:
    found = sorted(scene.stage.state.rglob("*.pub"))
    if len(found) != 1:
        raise Surprise(f"one exported public key is expected under {scene.stage.state}: {found}")
    return found[0]


def _journal_size(path: Path) -> tuple[bool, int]:
    return path.stem.startswith("s_") or path.parent.name.startswith("s_"), path.stat().st_size


def _verify(scene: Scene, path: Path) -> Any:
    return scene.hoopgw("auditor", "", "sessions", "verify", str(path), "--key", str(public_key(scene)))


def _sessions(scene: Scene) -> list[dict[str, Any]]:
    answer = scene.asked("sessions", "list")
    rows: list[dict[str, Any]] = answer["sessions"] if isinstance(answer, dict) else answer
    return rows


STEPS = (session_list, replay, verification, flipped_byte)

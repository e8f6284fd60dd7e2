"""What an auditor sees afterwards: the list, a replay, the verification, and what one flipped byte does to it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from hoopgw.cli.demo.scene import Ran, Scene, until
from hoopgw.cli.demo.telling import Surprise
from hoopgw.record.chunks import HEADER_SIZE, Chunk
from hoopgw.store.recordings import Recordings, session_bytes


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
    ran = scene.hoopgw("approver", scene.stage.approver, "sessions", "replay", _refused(scene))
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
    """One flipped bit in a copy"""
    copy = scene.stage.place / "copy"
    shutil.copytree(recordings(scene), copy)
    session = _refused(scene)
    chunk = next(each for each in Recordings(copy).chunks(session_bytes(session)) if each.header.last_operation)
    file, at = _place(copy, chunk)
    with file.open("r+b") as opened:
        opened.seek(at)
        byte = opened.read(1)[0]
        opened.seek(at)
        opened.write(bytes([byte ^ 1]))
    scene.tell.says(f"bit 0 of byte {at} of {file.relative_to(copy)}: in that session's chunk {chunk.header.number}")
    ran = _verify(scene, copy)
    named = [line for line in ran.out.splitlines() if session in line and f"chunk {chunk.header.number}" in line]
    scene.tell.expect(
        ran.status == 1 and len(named) == 1 and "operation" in named[0],
        "the verifier names the session, the chunk and the operations it covers",
        "the verifier does not name it",
    )


def _place(copy: Path, chunk: Chunk) -> tuple[Path, int]:
    """The file in which a chunk lies, and the offset of the middle of its body."""
    stored = chunk.stored()
    for file in sorted(path for path in copy.rglob("*") if path.is_file()):
        start = file.read_bytes().find(stored)
        if start >= 0:
            return file, start + HEADER_SIZE + len(chunk.body) // 2
    raise Surprise(f"chunk {chunk.header.number} is in no file")


def _refused(scene: Scene) -> str:
    """The session with the refusal."""
    refused = [row["id"] for row in _sessions(scene) if row["refused"] and row["target"] == "shop"]
    if not refused:
        raise Surprise("no session has a refusal")
    return str(refused[0])


def recordings(scene: Scene) -> Path:
    return scene.stage.state / "recordings"


def public_key(scene: Scene) -> Path:
    found = sorted(scene.stage.state.rglob("*.pub"))
    if len(found) != 1:
        raise Surprise(f"one exported public key is expected under {scene.stage.state}: {found}")
    return found[0]


def _verify(scene: Scene, path: Path) -> Ran:
    return scene.hoopgw("auditor", "", "sessions", "verify", str(path), "--key", str(public_key(scene)))


def _sessions(scene: Scene) -> list[dict[str, Any]]:
    answer = scene.asked("sessions", "list")
    rows: list[dict[str, Any]] = answer["sessions"] if isinstance(answer, dict) else answer
    return rows


STEPS = (session_list, replay, verification, flipped_byte)

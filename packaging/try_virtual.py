"""A root booted as a virtual machine by qemu, from a disk image that outlives a power cut."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from try_root import CACHE
from trying import TREE, Wrong, run, say, until

KERNEL = "linux-image-cloud-amd64,udev"  # beside what every trial's root has
DISK = "6G"
MEMORY = "2G"
BOOT = 1800.0  # seconds: without KVM a boot takes minutes, on a machine that does other work many
ANSWER = 600.0  # seconds for one command
UNIT = """\
[Unit]
Description=the other end of this trial
[Service]
ExecStart=/usr/lib/hoopgw/bin/python -I /root/try/try_agent.py
Restart=always
RestartSec=0.2
StandardOutput=journal
[Install]
WantedBy=multi-user.target
"""


def disk_of(root: Path) -> Path:
    """An image of that root, which is removed: it lies in the image."""
    shutil.copy(TREE / "packaging/try_agent.py", root / "root/try/try_agent.py")
    (root / "etc/systemd/system/try-agent.service").write_text(UNIT)
    run("chroot", root, "systemctl", "enable", "try-agent.service")
    (root / "etc/fstab").write_text("/dev/vda / ext4 errors=remount-ro 0 1\n")
    for name in ("vmlinuz", "initrd.img"):
        shutil.copy(next((root / "boot").glob(f"{name}-*")), CACHE / name)
    image = CACHE / "disk.img"
    image.unlink(missing_ok=True)
    run("mke2fs", "-q", "-t", "ext4", "-d", root, image, DISK)
    shutil.rmtree(root)
    return image


class Virtual:
    """The machine."""

    def __init__(self, image: Path, kvm: bool) -> None:
        self._image = image
        # not tried first: a KVM inside another may be there and run nothing
        self._processor = ["-accel", "kvm", "-cpu", "host"] if kvm else ["-accel", "tcg,thread=multi", "-cpu", "max"]
        self._places = {name: CACHE / f"{name}.{os.getpid()}" for name in ("try", "acks")}
        self.console = CACHE / "console.log"
        self.booted = 0.0
        self._number = 0  # of the last question

    def boot(self) -> None:
        started = time.monotonic()
        words = ["qemu-system-x86_64", *self._processor, "-smp", "2"]
        words += ["-m", MEMORY, "-nodefaults", "-nographic", "-no-reboot", "-nic", "none"]
        words += ["-kernel", str(CACHE / "vmlinuz"), "-initrd", str(CACHE / "initrd.img")]
        words += ["-append", "root=/dev/vda rw console=ttyS0 panic=-1", "-serial", f"file:{self.console}"]
        words += ["-drive", f"file={self._image},if=virtio,format=raw,cache=writeback", "-device", "virtio-rng-pci"]
        words += ["-device", "virtio-serial"]
        for name, place in self._places.items():
            place.unlink(missing_ok=True)
            words += ["-chardev", f"socket,id={name},path={place},server=on,wait=off"]
            words += ["-device", f"virtserialport,chardev={name},name={name}"]
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        until(lambda: self._places["acks"].exists() or self._over(), "qemu is there")
        self._channel = self.port("try")
        until(self._answers, "the machine answers", BOOT)
        up = ("running", "degraded")
        until(lambda: self.system("is-system-running") in up, "the machine is up", BOOT)
        self.booted = time.monotonic() - started

    def port(self, name: str) -> socket.socket:
        channel = socket.socket(socket.AF_UNIX)
        channel.connect(str(self._places[name]))
        channel.settimeout(ANSWER)
        return channel

    def _over(self) -> bool:
        if self._process.poll() is not None:
            raise Wrong(f"qemu ended with {self._process.returncode}")
        return False

    def _answers(self) -> bool:
        self._over()
        self._channel.settimeout(5)
        try:
            return self._asked(("true",), "")[0] == 0
        except TimeoutError:  # what was said before the agent listened is lost, or comes late
            self._channel.close()
            self._channel = self.port("try")
            return False
        finally:
            self._channel.settimeout(ANSWER)

    def _asked(self, words: tuple[str, ...], given: str) -> tuple[int, str]:
        self._number += 1
        asked = {"number": self._number, "words": words, "given": given}
        self._channel.sendall(json.dumps(asked).encode() + b"\n")
        answer = b""
        while True:
            piece = self._channel.recv(1 << 16)
            if not piece:
                raise Wrong("the machine went down")
            *whole, answer = (answer + piece).split(b"\n")
            for line in whole:
                found = json.loads(line)
                if found["number"] == self._number:  # not what a machine that was slow answers to an earlier question
                    return found["status"], found["said"]

    def inside(self, *words: str, good: bool = True, given: str = "") -> str:
        status, said = self._asked(words, given)
        if (status == 0) is not good:
            raise Wrong(f"{' '.join(words)} ended with {status}:\n{said[-3000:]}")
        return said.strip()

    def system(self, *words: str) -> str:
        return self._asked(("systemctl", *words), "")[1].strip()

    def power_cut(self) -> None:
        """What the machine had not flushed to its disk is gone."""
        self._process.kill()
        self._process.wait()
        self._channel.close()

    def off(self) -> None:
        with suppress(Wrong, OSError):
            self.inside("systemctl", "poweroff")
        try:
            self._process.wait(120)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._channel.close()


@contextmanager
def virtual(image: Path, kvm: bool) -> Iterator[Virtual]:
    machine = Virtual(image, kvm)
    try:
        machine.boot()
        say(f"booted in {machine.booted:.0f} s")
        yield machine
    finally:
        machine.off()
        image.unlink(missing_ok=True)
        for place in machine._places.values():
            place.unlink(missing_ok=True)

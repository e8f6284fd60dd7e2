"""Servers that speak S3 and check signatures: versitygw, which looks at those of chunks too, and moto."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import botocore.config

from hoopgw.cli.demo.authority import Authority
from hoopgw.cli.demo.place import free_port
from tests.live.harness import built

VERSITY = os.environ.get("HOOPGW_VERSITYGW") or "".join(built("versitygw")) or shutil.which("versitygw")
REGION = "us-east-1"
LACKING = None if VERSITY else "versitygw could not be built"


def until(true: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not so after {seconds} s")
        time.sleep(0.1)
    return found


class Child:
    """A server in a directory of its own; `stop` leaves nothing."""

    def __init__(self, key_id: str = "AKIDOFTHEGATEWAY", secret: str = "the-secret-of-the-gateway") -> None:
        self.key_id, self.secret = key_id, secret
        self.place = Path(tempfile.mkdtemp(prefix="hoopgw-s3-"))
        self.port = free_port()

    def start(self, words: list[str], **more: str) -> None:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.place)} | more
        with open(self.place / "log", "wb") as log:
            self.process = subprocess.Popen(words, env=env, stdout=log, stderr=log, cwd=self.place)
        until(self._answers)

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError((self.place / "log").read_text())
        with socket.socket() as trying:
            return trying.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        shutil.rmtree(self.place)


class Versity(Child):
    """With TLS by `authority`, or without."""

    def __init__(self, authority: Authority | None) -> None:
        super().__init__()
        (self.place / "data").mkdir()
        words = [str(VERSITY), "--port", f"127.0.0.1:{self.port}", "--region", REGION]
        if authority is not None:
            for name, text in zip(("certificate", "key"), authority.issue(), strict=True):
                (self.place / name).write_text(text)
            words += ["--cert", str(self.place / "certificate"), "--key", str(self.place / "key")]
        self.start(
            [*words, "posix", str(self.place / "data")], ROOT_ACCESS_KEY=self.key_id, ROOT_SECRET_KEY=self.secret
        )


class Moto(Child):
    """S3, Secrets Manager and more; from its fourth request on it looks at signatures and policies."""

    def __init__(self) -> None:
        super().__init__()
        words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self.start(words, INITIAL_NO_AUTH_ACTION_COUNT="3")
        iam = self.service("iam")
        iam.create_user(UserName="gateway")
        allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_user_policy(UserName="gateway", PolicyName="all", PolicyDocument=json.dumps(allowed))
        key = iam.create_access_key(UserName="gateway")["AccessKey"]
        self.key_id, self.secret = key["AccessKeyId"], key["SecretAccessKey"]

    def service(self, name: str) -> Any:
        """A client of it, with the key."""
        return boto3.client(
            name,
            region_name=REGION,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id=self.key_id,
            aws_secret_access_key=self.secret,
            config=botocore.config.Config(proxies={}, retries={"total_max_attempts": 1}),
        )

"""S3 through the gateway: its clients have nothing but its token, its targets see nothing but signed requests."""

from __future__ import annotations

import atexit
import hashlib
import io
import json
import os
import signal
from pathlib import Path
from typing import Any, ClassVar

import boto3
import botocore.config
import botocore.exceptions
from boto3.s3.transfer import TransferConfig

from tests.live.s3_servers import LACKING, Child, Moto, Versity, until
from tests.live.test_http import HttpCase

TARGET = """
[target.s3]
protocol = "http"
address = ["127.0.0.1:{port}"]
{tls}
[target.s3.role.user.sigv4]
region = "us-east-1"
service = "s3"
key_id = "file:{secrets}/s3-id"
secret = "file:{secrets}/s3-secret"

[target.secrets]
protocol = "http"
address = ["127.0.0.1:{port}"]
{tls}
[target.secrets.role.user.sigv4]
region = "us-east-1"
service = "secretsmanager"
key_id = "file:{secrets}/s3-id"
secret = "file:{secrets}/s3-secret"

[target.wrong]
protocol = "http"
address = ["127.0.0.1:{port}"]
{tls}
[target.wrong.role.user.sigv4]
region = "us-east-1"
service = "s3"
key_id = "file:{secrets}/s3-id"
secret = "file:{secrets}/s3-id"
"""
GRANT = """
[grant.s3]
groups = ["agents"]
target = { name = ["s3", "secrets", "wrong"] }
roles = ["user"]
"""
MANY = 20 << 20  # bytes of what goes in parts


class Once:
    """A file that cannot be sought in."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(size)


class Course(HttpCase):
    """What every server is asked."""

    encrypted: ClassVar[bool] = True
    server: Child

    def setUp(self) -> None:
        super().setUp()
        self.server = self.serve()
        self.addCleanup(self.served)
        config = self.stage.gateway.config.parent
        owner = os.stat(config / "secrets/reader").st_uid
        for name, text in (("s3-id", self.server.key_id), ("s3-secret", self.server.secret)):
            path = config / "secrets" / name
            path.write_text(text)
            path.chmod(0o600)
            os.chown(path, owner, -1)
        (config / "tls/s3-ca.pem").write_text(self.stage.authority.certificate)
        tls = f'tls = "verify-full"\nca = "{config}/tls/s3-ca.pem"' if self.encrypted else ""
        self.put(
            config / "targets.d/90-s3.toml", TARGET.format(port=self.server.port, tls=tls, secrets=config / "secrets")
        )
        self.put(config / "grants.d/90-s3.toml", GRANT)
        self.reload()

    def serve(self) -> Child:
        raise NotImplementedError

    def served(self) -> None:
        self.server.stop()

    def put(self, path: Path, text: str) -> None:
        path.write_text(text)
        self.addCleanup(path.unlink)

    def reload(self) -> None:
        before = self.stage.gateway.log.read_text().count('"configuration.reloaded"')
        os.kill(self.stage.gateway.pid, signal.SIGHUP)
        until(lambda: self.stage.gateway.log.read_text().count('"configuration.reloaded"') > before)

    def client(self, target: str = "s3", **more: Any) -> Any:
        """As an agent has it: keys that it made up, and the gateway's token in a field of its own."""
        found = boto3.client(
            "s3",
            region_name="us-west-2",
            endpoint_url=f"https://127.0.0.1:{self.stage.https_port}/{target}",
            aws_access_key_id="MADEUP",
            aws_secret_access_key="made-up",
            verify=str(self.stage.ca),
            config=botocore.config.Config(
                s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, proxies={}, **more
            ),
        )
        found.meta.events.register("before-sign.s3", self._with_token)
        return found

    def _with_token(self, request: Any, **_: Any) -> None:
        request.headers["X-Hoopgw-Token"] = self.stage.agent

    def test_boto3(self) -> None:
        """Buckets, objects with names of every kind, lists, ranges, copies, and 20 MB in parts."""
        s3 = self.client()
        s3.create_bucket(Bucket="papers")
        body = os.urandom(300_000)
        names = ["a", "with blank", "plus+and&and=", "ä/ö (1).txt", "dir/deep", "per%20cent", "~tilde-_.'!*"]
        for name in names:
            s3.put_object(Bucket="papers", Key=name, Body=body[: len(name) * 1000], Metadata={"of": "a  test"})
        for name in names:
            found = s3.get_object(Bucket="papers", Key=name)
            self.assertEqual(found["Body"].read(), body[: len(name) * 1000], name)
        listed = [each["Key"] for each in s3.list_objects_v2(Bucket="papers", MaxKeys=100)["Contents"]]
        self.assertEqual(sorted(listed), sorted(names))
        part = s3.list_objects_v2(Bucket="papers", Prefix="ä/ö (", Delimiter="/")
        self.assertEqual([each["Key"] for each in part["Contents"]], ["ä/ö (1).txt"])
        ranged = s3.get_object(Bucket="papers", Key="with blank", Range="bytes=10-19")
        self.assertEqual(ranged["Body"].read(), body[10:20])
        s3.copy_object(Bucket="papers", Key="copy", CopySource={"Bucket": "papers", "Key": "with blank"})
        self.parts(s3, body * (MANY // len(body)))
        s3.delete_object(Bucket="papers", Key="a")
        log = self.stage.gateway.log.read_text()
        self.assertNotIn(self.server.secret, log)

    def parts(self, s3: Any, body: bytes) -> None:
        upload = s3.create_multipart_upload(Bucket="papers", Key="many")["UploadId"]
        done, size = [], 8 << 20
        for number in range(1, len(body) // size + 2):
            piece = body[(number - 1) * size : number * size]
            put = s3.upload_part(Bucket="papers", Key="many", UploadId=upload, PartNumber=number, Body=piece)
            done.append({"PartNumber": number, "ETag": put["ETag"]})
        s3.complete_multipart_upload(Bucket="papers", Key="many", UploadId=upload, MultipartUpload={"Parts": done})
        found = hashlib.sha256(s3.get_object(Bucket="papers", Key="many")["Body"].read())
        self.assertEqual(found.digest(), hashlib.sha256(body).digest())

    def test_managed(self) -> None:
        """Parts that boto3 sends and asks for side by side, of bodies that can be read once."""
        s3, body = self.client(), os.urandom(MANY)
        s3.create_bucket(Bucket="managed")
        side = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20, max_concurrency=4)
        s3.upload_fileobj(Once(body), "managed", "parts", Config=side)
        found = io.BytesIO()
        s3.download_fileobj("managed", "parts", found, Config=side)
        self.assertTrue(found.getvalue() == body)
        tag = s3.head_object(Bucket="managed", Key="parts")["ETag"]
        with self.assertRaises(botocore.exceptions.ClientError) as unchanged:
            s3.get_object(Bucket="managed", Key="parts", IfNoneMatch=tag)
        self.assertEqual(unchanged.exception.response["Error"]["Code"], "304")

    def test_security_presigned(self) -> None:
        """An address with a signature would be somebody else's right: it is refused, and told how to ask."""
        url = self.client().generate_presigned_url("get_object", Params={"Bucket": "papers", "Key": "a"})
        status, _, said = self.curl(url=url)
        self.assertEqual((status, b"ask without it" in said), (400, True))

    def test_curl(self) -> None:
        """A client that knows nothing of AWS, bodies of known and unknown length."""
        url = f"https://127.0.0.1:{self.stage.https_port}/s3/"
        self.assertEqual(self.curl("-X", "PUT", url=url + "plain")[0], 200)
        with (self.server.place / "sent").open("wb") as file:
            file.write(os.urandom(5 << 20))
        sent = self.server.place / "sent"
        status, _, said = self.curl("-T", str(sent), url=url + "plain/a%20b")
        self.assertEqual(status, 200, said)
        status, _, found = self.curl(url=url + "plain/a%20b")
        self.assertEqual((status, found), (200, sent.read_bytes()))
        self.assertIn(b"<Key>a b</Key>", self.curl(url=url + "plain?list-type=2&prefix=a%20")[2])
        # where the disk is slow the gateway has no room for a new session at times, and says so
        status, _, said = until(lambda: (answer := self.curl("-T", "-", url=url + "plain/x"))[0] != 503 and answer)
        self.assertIn(status, (200, 411, 501) if self.encrypted else (411,), said)
        self.assertEqual(self.curl(url=url + "plain?X-Amz-Signature=abc")[0], 400)

    def test_another_secret(self) -> None:
        """Signatures are looked at: with another secret nothing is answered."""
        with self.assertRaises(botocore.exceptions.ClientError) as refused:
            self.client("wrong").list_buckets()
        self.assertEqual(refused.exception.response["Error"]["Code"], "SignatureDoesNotMatch")


class OverTls(Course):
    """Bodies go on as they come."""

    skip = LACKING

    def serve(self) -> Child:
        return Versity(self.stage.authority)


class InClear(Course):
    """On loopback; bodies go on in chunks that the gateway signs, and the server looks at each."""

    skip = LACKING
    encrypted = False

    def serve(self) -> Child:
        return Versity(None)

    def test_what_sdks_send_in_chunks(self) -> None:
        """A checksum behind a body stays behind it."""
        s3 = self.client()
        s3.create_bucket(Bucket="sums")
        for algorithm in ("CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"):
            try:
                s3.put_object(Bucket="sums", Key=algorithm, Body=b"x" * 200_000, ChecksumAlgorithm=algorithm)
            except botocore.exceptions.MissingDependencyException:
                continue
            found = s3.head_object(Bucket="sums", Key=algorithm, ChecksumMode="ENABLED")
            self.assertIn(f"Checksum{algorithm}", found)


class Others(Course):
    """Where nothing else is installed; it looks at the signature of a request."""

    encrypted = False
    shared: ClassVar[Moto | None] = None  # by all tests: its start is most of their time

    def serve(self) -> Child:
        if Others.shared is None:
            Others.shared = Moto()
            atexit.register(Others.shared.stop)
        return Others.shared

    def served(self) -> None:
        """It stays for the next test."""

    def test_another_service(self) -> None:
        """A call whose body is in its signature, read before it goes on."""
        url = f"https://127.0.0.1:{self.stage.https_port}/secrets/"
        kind = ["-H", "Content-Type: application/x-amz-json-1.1", "-H", "X-Amz-Target: secretsmanager.ListSecrets"]
        status, _, said = self.curl(*kind, "-d", '{"MaxResults": 5}', url=url)
        self.assertEqual((status, json.loads(said)["SecretList"]), (200, []))


del Course

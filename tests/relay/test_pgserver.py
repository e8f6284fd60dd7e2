"""The PostgreSQL of a few statements answers as a real one does: what is proven by it holds of that."""

from __future__ import annotations

import random
import re

import psycopg
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from hoopgw.wire.pgmessages import message, read_parse
from tests.fuzz.choices import Choices
from tests.fuzz.session_targets import a_message
from tests.programs import SERVER, found
from tests.relay.bridge import RawClient
from tests.relay.pgbytes import COPY_DONE, SYNC, messages
from tests.relay.pgserver import Server
from tests.store.cluster import Cluster

if found(*SERVER) is None:
    raise SkipTest("no PostgreSQL server is installed")

DATABASE = "model"
WORDS = (
    (rb"(select|masked|few) (\d)", rb"select \2 from generate_series(1, 3)"),
    (rb"insert", rb"insert into u values (1)"),
    (rb"wrong", rb"do $$ begin raise 'no'; end $$"),
    (rb"named (x|y)", rb"set application_name = '\1'"),
    (rb"declare p ", rb"declare p cursor for "),
    (rb"copy t to stdout", rb"copy (values (1), (1)) to stdout"),
)


def in_sql(data: bytes) -> bytes:
    """The same messages, with texts that a real one knows."""
    said = b""
    for tag, body in messages(data):
        if tag == b"P":
            parse = read_parse(body, 0, len(body))
            body = parse.name + b"\0" + _text(parse.text) + b"\0" + parse.types
        said += message(tag, _text(body) if tag == b"Q" else body)
    return said


def _text(text: bytes) -> bytes:
    for known, real in WORDS:
        text = re.sub(known, real, text)
    return text


def told(answers: list[tuple[bytes, bytes]]) -> list[bytes]:
    """Kinds of messages, and what ReadyForQuery says."""
    return [tag + (body if tag == b"Z" else b"") for tag, body in answers if tag not in (b"N", b"S")]


class Model(SynchronousTestCase):
    def setUp(self) -> None:
        self.cluster = Cluster.running()
        self.cluster.database(DATABASE)
        with psycopg.connect(
            f"host=127.0.0.1 port={self.cluster.port} user=gateway dbname={DATABASE} sslmode=disable", autocommit=True
        ) as link:
            link.execute("CREATE TABLE t (id int); CREATE TABLE u (id int)")

    def test_answers(self) -> None:
        """Whatever a client sends, in one stream; but for what has no place in a COPY, which ends it there."""
        chance = random.Random(55)
        for _ in range(200):
            choices = Choices(chance.randbytes(chance.randrange(40)))
            server, asked, answers = Server(), b"", b""
            while choices.more:
                asked += a_message(choices)
            answers = server.receive(asked)
            ending = COPY_DONE * server.copying + SYNC
            answers += server.receive(ending)
            if server.interrupted:
                continue
            wanted = told(messages(answers))
            client = RawClient(self.cluster.port, "gateway", DATABASE)
            client.send(in_sql(asked + ending))
            real: list[tuple[bytes, bytes]] = []
            for _ in range(sum(tag[:1] == b"Z" for tag in wanted)):
                real += client.until_ready()
            client.close()
            self.assertEqual(told(real), wanted, asked)

"""Functions of extensions that the operator trusts: what they compute with a masked column is masked."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import ClassVar

import psycopg
from twisted.trial.unittest import SkipTest

from bench.ways import GRANT, TARGETS
from hoopgw.cli.demo.stage import Options
from tests.live.harness import LiveCase, until

RULES = """
[mask.homes]
target = { labels = { env = "bench" } }
columns = ["public.places.owner", "public.places.home", "public.places.kept"]
show = "none"
predicates = "allow"
"""
TRUST = 'trusted_extensions = ["postgis", "hstore", "pg_trgm", "tablefunc"]\n'
SCHEMA = """
CREATE EXTENSION hstore; CREATE EXTENSION pg_trgm; CREATE EXTENSION pgcrypto; CREATE EXTENSION tablefunc;
CREATE TABLE places (id int PRIMARY KEY, name text, owner text, tags hstore, kept hstore);
INSERT INTO places VALUES (1, 'Bern', 'KLM', 'a=>b', 'KLM=>KLM');
CREATE FUNCTION svals(int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT owner FROM public.places';
CREATE FUNCTION told() RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT owner FROM public.places';
CREATE FUNCTION copied(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE VIEW owners AS SELECT owner FROM places;
CREATE FUNCTION seen() RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT owner FROM public.owners';
ALTER EXTENSION hstore ADD FUNCTION told(); ALTER EXTENSION hstore ADD FUNCTION seen();
ALTER EXTENSION hstore ADD FUNCTION copied(text);
"""
GEOMETRY = """
CREATE EXTENSION postgis; ALTER TABLE places ADD at geometry, ADD home geometry;
UPDATE places SET at = 'POINT(7 46)', home = 'POINT(77 88)';
"""
REFUSED = "no-unread-code|body is not read"


class Trusted(LiveCase):
    options: ClassVar[Options] = Options(target_tls="disable")
    _geometry: ClassVar[bool] = False
    _made: ClassVar[bool] = False

    def setUp(self) -> None:
        super().setUp()
        if self._made:
            return
        Trusted._made = True
        directory = self.stage.gateway.config.parent
        for name, more in {"trusting": TRUST, "plain": ""}.items():
            text = TARGETS.format(
                name=name, port=self.stage.cluster.port, secret=directory / "secrets/reader", more=more
            )
            (directory / f"targets.d/{name}.toml").write_text(text)
        (directory / "guardrails.d/90-homes.toml").write_text(RULES)
        (directory / "grants.d/bench.toml").write_text(GRANT)
        with psycopg.connect(self.stage.direct_url(), autocommit=True) as direct:
            direct.execute(SCHEMA.encode())
            if direct.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'").fetchone():
                direct.execute(GEOMETRY.encode())
                Trusted._geometry = True
            direct.execute("GRANT SELECT ON places, owners TO shop_ro")
        os.kill(self.stage.gateway.pid, signal.SIGHUP)
        log = Path(self.stage.gateway.log)
        self.assertTrue(until(lambda: "configuration.reloaded" in log.read_text(errors="replace")))

    def at(self, target: str) -> psycopg.Connection[tuple[object, ...]]:
        url = self.stage.gateway_url("reader", target)
        connection = psycopg.connect(url, autocommit=True, password=self.stage.agent, connect_timeout=60)
        self.addCleanup(connection.close)
        return connection

    def shown(self, text: str, *expected: object) -> None:
        """As it is where the extension is trusted; refused where it is not."""
        with self.subTest(text):
            self.assertEqual(self.at("trusting").execute(text.encode()).fetchall(), [expected])
            with self.assertRaisesRegex(psycopg.Error, REFUSED):
                self.at("plain").execute(text.encode())

    def refused(self, text: str, words: str = REFUSED) -> None:
        with self.subTest(text), self.assertRaisesRegex(psycopg.Error, words):
            found = self.at("trusting").execute(text.encode()).fetchall()
            self.fail(f"{text} gave {found}")

    def hidden(self, text: str) -> None:
        found = self.at("trusting").execute(text.encode()).fetchall()
        self.assertEqual({value for row in found for value in row}, {None}, text)

    def test_computes(self) -> None:
        self.shown("select akeys(tags) from places", ["a"])
        self.shown("select name from places where similarity(name, 'Berne') > 0.3", "Bern")
        self.shown("select copied(name) from places", "Bern")
        self.shown("select k from places, skeys(tags) as k", "a")

    def test_beside_a_view(self) -> None:
        """The view leads to a masked column, and the function does not."""
        self.shown("select copied('x') from owners", "x")

    def test_security_masked_stays_masked(self) -> None:
        """must-survive 19: whatever way a masked column takes through such a function."""
        for text in (
            "select akeys(kept) from places",
            "select similarity(owner, 'KLM') from places",
            "select copied(owner) from places",
            "select copied(owner) from owners",
            "select x from (select copied(owner) as x from places) s",
            "select k from places, skeys(kept) as k",
            "select hstore(p) from places p",
            "select hstore(p.*) -> 'owner' from places p",
            "select p #= 'name=>x'::hstore from places p",
            "select (populate_record(p, 'name=>x')).owner from places p",
            "select p.hstore from places p",
        ):
            self.hidden(text)

    def test_security_what_is_not_trusted(self) -> None:
        """Volatile functions, bodies that read tables, functions of its names that are not its own, others' code."""
        for text in (
            "select told()",
            "select seen()",
            "select svals(1)",
            "select gen_salt('md5')",
            "select set_limit(0.5)",
            "select digest('x', 'md5')",
            "select * from crosstab('select owner, owner, owner from places') as x(a text, b text)",
        ):
            self.refused(text, "")

    def test_security_postgis(self) -> None:
        if not self._geometry:
            raise SkipTest("no PostGIS is installed")
        self.shown("select st_astext(at) from places", "POINT(7 46)")
        self.shown("select st_x(st_centroid(st_buffer(at, 1)))::int from places", 7)
        self.shown("select name from places where st_dwithin(at, st_makepoint(7, 46), 1)", "Bern")
        self.shown("select st_astext(st_collect(at)) from places", "MULTIPOINT((7 46))")
        self.shown("select st_asgeojson(at) from places", '{"type":"Point","coordinates":[7,46]}')
        for text in (
            "select st_astext(home) from places",
            "select st_asgeojson(home) from places",
            "select st_asgeojson(p.*) from places p",
            "select st_astext(st_collect(home)) from places",
            "select st_x((st_dump(home)).geom) from places",
            "select st_asmvt(p) from places p",
            "select st_extent(home)::text from places",
        ):
            self.hidden(text)
        self.refused("select st_estimatedextent('places', 'home')", "")
        self.refused("select st_findextent('places', 'home')", "")

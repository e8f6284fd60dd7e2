"""A database of a real PostgreSQL for each class of tests, and what the gateway reads of its catalogue."""

from __future__ import annotations

from typing import ClassVar

import psycopg
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from hoopgw.policy.catalogue import Catalogue
from hoopgw.policy.catalogue_queries import QUERIES, catalogue
from tests.programs import SERVER, found
from tests.store.cluster import Cluster


def read(connection: psycopg.Connection[tuple[object, ...]]) -> Catalogue:
    """As the gateway reads it: rows of text, in one transaction."""
    results = []
    with connection.transaction():
        connection.execute(b"SET LOCAL lock_timeout = '2s'")
        for text in QUERIES:
            cursor = connection.execute(text.encode())
            while cursor.description is None:  # of a text with savepoints around its query
                assert cursor.nextset()
            result = cursor.pgresult
            assert result is not None
            width = range(result.nfields)
            results.append([[result.get_value(row, column) for column in width] for row in range(result.ntuples)])
    return catalogue(results, 1)


class DatabaseCase(SynchronousTestCase):
    """The first test of a class makes its database, by `schema`."""

    schema: ClassVar[str]
    known: ClassVar[Catalogue]
    connection: ClassVar[psycopg.Connection[tuple[object, ...]] | None] = None

    def setUp(self) -> None:
        if found(*SERVER) is None:
            raise SkipTest("no PostgreSQL server is installed")
        own = type(self)
        if own.connection is None:
            place = Cluster.running().database(f"{own.__module__.split('.')[-1]}_{own.__name__}".lower())
            own.connection = psycopg.connect(**place, autocommit=True)  # type: ignore[arg-type]
            own.connection.execute(own.schema.encode())
            own.known = read(own.connection)

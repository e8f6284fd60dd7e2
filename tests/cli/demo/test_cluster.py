from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psycopg
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from hoopgw.cli.demo import children, shop
from hoopgw.cli.demo.authority import Authority
from hoopgw.cli.demo.cluster import Cluster
from hoopgw.cli.demo.place import private_directory
from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.surroundings import forget_misleading


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _stopped(pid: int) -> bool:
    """False where it has ended: the backend of a connection that was closed."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        return True
    return False


def _killed(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class Clusters(SynchronousTestCase):
    def test_a_cluster_of_its_own(self) -> None:
        """It runs unprivileged, speaks TLS by the authority's certificate and SCRAM, holds the shop, and is gone."""
        forget_misleading()
        with private_directory("hoopgw-test-") as place:
            authority = Authority()
            (place / "ca.pem").write_text(authority.certificate)
            cluster = Cluster(place / "postgresql", authority, Programs.find("postgres", "initdb", "psql"))
            self.addCleanup(cluster.stop)
            cluster.start()
            pid = cluster.pid
            self.assertNotEqual(Path(f"/proc/{pid}").stat().st_uid, 0)
            cluster.run("CREATE DATABASE shop")
            cluster.run(*shop.statements("r-secret", "w-secret"), database="shop")
            trust = f"?sslmode=verify-full&sslrootcert={place}/ca.pem"
            with psycopg.connect(cluster.url("shop_ro", "r-secret", "shop") + trust) as connection:
                self.assertEqual(connection.execute("SELECT count(*) FROM customers").fetchone(), (shop.CUSTOMERS,))
                self.assertRaises(psycopg.errors.InsufficientPrivilege, connection.execute, "DELETE FROM orders")
            with self.assertRaises(psycopg.OperationalError):
                psycopg.connect(cluster.url("shop_ro", "w-secret", "shop"))
            cluster.stop()
            self.assertFalse(Path(f"/proc/{pid}").exists())
        self.assertFalse(place.exists())

    def test_nobody_writes_after_stop(self) -> None:
        """A server that does not end in time leaves no process of its own behind: the directory is removed then."""
        forget_misleading()
        with private_directory("hoopgw-test-") as place:
            cluster = Cluster(place / "postgresql", Authority(), Programs.find("postgres", "initdb"))
            cluster.start()
            # as a checkpoint on a slow disk they do not heed the server's end
            family = [pid for pid in _children(cluster.pid) if _stopped(pid)]
            for pid in family:
                self.addCleanup(_killed, pid)
            self.assertGreater(len(family), 2)
            self.patch(children, "PATIENCE", 0.5)
            cluster.stop()
            self.assertEqual([pid for pid in family if Path(f"/proc/{pid}").exists()], [])

    def test_the_data_directory_is_the_servers_own(self) -> None:
        """Where the caller is root, nobody else than the server's user reads the data."""
        if os.geteuid() != 0:
            raise SkipTest("the caller is not root: the server runs as the caller")
        with private_directory("hoopgw-test-") as place:
            cluster = Cluster(place / "postgresql", Authority(), Programs.find("postgres", "initdb"))
            cluster._initialise()
            data = (place / "postgresql/data").stat()
            self.assertEqual(data.st_mode & 0o077, 0)
            self.assertNotEqual(data.st_uid, 0)

    def test_programs_in_a_private_place_are_copied(self) -> None:
        """Programs below a directory that only root passes are copied to where the server's user can run them."""
        with private_directory("hoopgw-test-") as place:
            hidden = place / "hidden"
            (hidden / "usr/lib/postgresql/15/bin").mkdir(parents=True)
            (hidden / "usr/share/postgresql").mkdir(parents=True)
            program = hidden / "usr/lib/postgresql/15/bin/postgres"
            program.write_text("#!/bin/sh\n")
            program.chmod(0o755)
            hidden.chmod(0o700)
            (place / "copied").mkdir(mode=0o711)
            reachable = Programs(hidden).reachable(place / "copied")
            self.assertEqual(reachable["postgres"], place / "copied/usr/lib/postgresql/15/bin/postgres")

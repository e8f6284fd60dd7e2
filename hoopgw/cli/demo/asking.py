"""What an agent does, and what the gateway lets it: the first half of the demo."""

from __future__ import annotations

import json
import threading
import time

import psycopg

from hoopgw.cli.demo import shop
from hoopgw.cli.demo.scene import PATIENCE, Scene, until
from hoopgw.cli.demo.telling import Surprise

QUERY_CANCELED = "57014"


def allowed_query(scene: Scene) -> None:
    """An allowed query"""
    ran = scene.psql("reader", "SELECT count(*) FROM orders")
    expected = str(shop.CUSTOMERS * shop.ORDERS_EACH)
    scene.tell.expect(
        ran.status == 0 and expected in ran.out,
        "the agent's password was its own short-lived token; the database's password never leaves the gateway",
        "the query did not give its one row",
    )


def masked_rows(scene: Scene) -> None:
    """Masked rows"""
    ran = scene.psql("reader", "SELECT id, name, email, card, ssn, notes FROM customers WHERE id <= 3 ORDER BY id")
    hidden = [secret(number) for number in (1, 2, 3) for secret in (shop.email, shop.card, shop.ssn)]
    seen = [text for text in hidden if text in ran.all]
    whole = ran.status == 0 and "Customer 3" in ran.out and not seen
    scene.tell.expect(
        whole, "no address, card or government id came through, nor in the free text of `notes`", f"seen: {seen}"
    )


def refused_statement(scene: Scene) -> None:
    """A refused statement, after which the same connection goes on"""
    with scene.connect("writer") as connection:
        scene.tell.typed("agent", "DROP TABLE orders;   -- by a driver")
        try:
            connection.execute("DROP TABLE orders")
        except psycopg.Error as error:
            scene.tell.shows(
                f"ERROR {error.sqlstate}: {error.diag.message_primary}\nHINT: {error.diag.message_hint or '-'}"
            )
            said = json.loads(error.diag.message_detail or "{}")
        else:
            raise Surprise("the table was dropped")
        scene.tell.shows("DETAIL: " + json.dumps(said, indent=2))
        scene.tell.expect(
            said.get("decision") == "refused", "DETAIL is an object that a program can act on", "no object"
        )
        row = connection.execute("SELECT count(*) FROM orders").fetchone()
    scene.tell.expect(
        row == (shop.CUSTOMERS * shop.ORDERS_EACH,), "the same connection goes on; the table is still there", f"{row}"
    )


def held_statement(scene: Scene) -> None:
    """A held statement: the agent cannot approve it, a second identity can"""
    agent, approver = scene.stage.agent, scene.stage.approver
    waiting = scene.start_psql("writer", "UPDATE products SET price = price * 2")
    try:
        hold = until(lambda: _one_hold(scene), "the hold")
        own = scene.hoopgw("agent", agent, "approvals", "approve", hold, "--reason", "I say so")
        scene.tell.expect(own.status == 1, "the agent can open the admin socket, and approves nothing", "it approved")
        scene.hoopgw("approver", approver, "approvals", "show", hold)
        ran = scene.hoopgw("approver", approver, "approvals", "approve", hold, "--reason", "new price list")
        scene.tell.expect(ran.status == 0, "another identity, of a group that the rule names, approves", ran.err)
        out, err = waiting.communicate("", PATIENCE)
    finally:
        if waiting.poll() is None:
            waiting.kill()
            waiting.communicate()
    scene.tell.says("what psql printed meanwhile:")
    scene.tell.shows(err + out)
    prices = scene.stage.cluster.run("SELECT price FROM products WHERE id = 1", database="shop")
    done = f"UPDATE {len(shop.PRODUCTS)}" in out and str(prices[0][0]) == "7.80"
    scene.tell.expect(done, "then exactly that statement ran, once", f"psql said {out!r}, the price is {prices}")


def _one_hold(scene: Scene) -> str | None:
    waiting = [hold["id"] for hold in scene.asked("approvals", "list")]
    return waiting[0] if waiting else None


def copies(scene: Scene) -> None:
    """COPY, out and in"""
    out = scene.psql("reader", "COPY customers (id, email, card) TO STDOUT")
    seen = [
        number
        for number in range(1, shop.CUSTOMERS + 1)
        if shop.email(number) in out.all or shop.card(number) in out.all
    ]
    lines = len(out.out.splitlines())
    scene.tell.expect(
        out.status == 0 and lines == shop.CUSTOMERS and not seen,
        f"{lines} rows out, each masked like a SELECT's",
        f"{lines} rows, {len(seen)} of them in the clear",
    )
    given = "".join(f"{number}\t{1 + number % 8}\t2\n" for number in range(1, 51))
    copied = scene.psql("writer", "COPY orders (customer, product, pieces) FROM STDIN", given=given)
    scene.tell.expect("COPY 50" in copied.out, "50 rows in", "the rows were not taken")


def prepared_statement(scene: Scene) -> None:
    """A prepared statement, by the extended protocol, with results in binary"""
    sql = "SELECT id, city FROM customers WHERE id = %s"
    scene.tell.typed("agent", f"{sql.replace('%s', '$1')};   -- prepared once, run for 1, 2, 3")
    with scene.connect("reader") as connection:
        rows = [connection.execute(sql, (number,), prepare=True, binary=True).fetchone() for number in (1, 2, 3)]
        named = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
    scene.tell.shows("\n".join(map(str, rows)))
    expected = [(number, shop.CITIES[number % len(shop.CITIES)]) for number in (1, 2, 3)]
    scene.tell.expect(
        rows == expected and named == (1,), "one statement on the server, three answers", f"{rows} {named}"
    )


def cancelled_query(scene: Scene) -> None:
    """A cancelled query"""
    scene.tell.typed("agent", "SELECT pg_sleep(60);   -- and a CancelRequest after half a second")
    with scene.connect("reader") as connection:
        started = time.monotonic()
        cancel = threading.Timer(0.5, connection.cancel)
        cancel.start()
        try:
            connection.execute("SELECT pg_sleep(60)")
        except psycopg.Error as error:
            scene.tell.shows(f"ERROR {error.sqlstate}: {error.diag.message_primary}")
            state = error.sqlstate
        else:
            raise Surprise("the statement ran to its end")
        finally:
            cancel.join()
        took = time.monotonic() - started
        row = connection.execute("SELECT 1").fetchone()
    good = state == QUERY_CANCELED and took < 20 and row == (1,)
    scene.tell.expect(good, f"ended after {took:.1f} s; the connection goes on", f"{state} after {took:.1f} s, {row}")


def stranger_is_turned_away(scene: Scene) -> None:
    """A stranger is turned away"""
    ran = scene.psql("reader", "SELECT 1", token=scene.stage.stranger, who="stranger")
    scene.tell.expect(ran.status == 2, "a good token of the same issuer, but no grant: no connection", "it came in")
    forged = scene.stage.agent[:-8] + "AAAAAAAA"
    ran = scene.psql("reader", "SELECT 1", token=forged, who="forger")
    scene.tell.expect(ran.status == 2, "the agent's token with another signature: no connection", "it came in")


STEPS = (
    allowed_query,
    masked_rows,
    refused_statement,
    held_statement,
    copies,
    prepared_statement,
    cancelled_query,
    stranger_is_turned_away,
)

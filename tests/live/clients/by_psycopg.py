"""The course by psycopg 3 and psycopg 2: what DB-API clients do, and each one's own COPY and cancel."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import psycopg2
import psycopg2.extras
from psycopg.types.json import Jsonb

from tests.live.clients.course import REFUSED, SLEEP, held

VALUES: tuple[Any, ...] = (
    Decimal("12345678901234567890.12345"),
    bytes(range(256)),
    True,
    datetime(2026, 11, 21, 10, 11, 12, 345678, UTC),
    [1, 2, 3],
)
BACK = "select %s::numeric, %s::bytea, %s::bool, %s::timestamptz, %s::int[], %s::jsonb"


# Does it as soon as SLEEP runs, beside what is in the block
WhileAsleep = Callable[[Callable[[], object]], AbstractContextManager[None]]


def by_psycopg3(
    connection: psycopg.Connection[Any], number: int, while_asleep: WhileAsleep, *, binary: bool
) -> dict[str, Any]:
    """`connection` in autocommit."""

    def run(text: str, *parameters: object, **options: Any) -> list[Any]:
        cursor = connection.cursor(binary=binary)
        cursor.execute(text.encode(), parameters or None, **options)
        return list(cursor.fetchall()) if cursor.description else []

    def failed(text: str) -> psycopg.Error:
        try:
            run(text)
        except psycopg.Error as error:
            return error
        raise AssertionError(f"ran: {text}")

    found: dict[str, Any] = {"encrypted": connection.pgconn.ssl_in_use}
    found["plain"] = list(run("select 1, 'one'")[0])
    found["parameters"] = list(run("select %s::int8, %s::text, %s::text, %s::text", number, "it's", None, "ÿ€")[0])
    found["values"] = run(BACK, *VALUES, Jsonb({"a": [1, None]}))[0] == (*VALUES, {"a": [1, None]})
    found["prepared"] = [run("select %s::int + 1", n, prepare=True)[0][0] for n in range(1, 11)]
    found["error"] = failed("select 1 / 0").sqlstate
    found["after_error"] = run("select 1")[0][0]
    found |= _transactions(number, run, lambda text: str(failed(text).sqlstate))
    error = failed(REFUSED)
    found["refused"] = [error.sqlstate, error.diag.message_detail]
    found["after_refused"] = run("select 1")[0][0]
    found["held"] = connection.execute(held(number).encode()).rowcount
    found["masked"] = run("select email from customers where id = 1")[0][0]
    with while_asleep(connection.cancel_safe):
        found["cancelled"] = failed(SLEEP).sqlstate
    how = "(format binary)" if binary else ""
    with connection.cursor().copy(f"copy products (id, name, price) from stdin {how}".encode()) as copy:
        copy.set_types(["int4", "text", "numeric"])
        for row in range(3):
            copy.write_row((number + 10 + row, "a\tb\\", Decimal(1)))
    found["copied_in"] = run(f"select count(*) from products where id between {number + 10} and {number + 19}")[0][0]
    with connection.cursor().copy(
        f"copy (select name from products where id between {number + 10} and {number + 19}) to stdout {how}".encode()
    ) as copy:
        copy.set_types(["text"])
        found["copied_out"] = sum(row == ("a\tb\\",) for row in copy.rows())
    return found


def by_psycopg2(connection: Any, number: int, while_asleep: WhileAsleep) -> dict[str, Any]:
    """`connection` in autocommit."""

    def run(text: str, *parameters: object) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(text, parameters or None)
            return list(cursor.fetchall()) if cursor.description else []

    def failed(text: str) -> psycopg2.Error:
        try:
            run(text)
        except psycopg2.Error as error:
            return error
        raise AssertionError(f"ran: {text}")

    found: dict[str, Any] = {"encrypted": connection.info.ssl_in_use}
    found["plain"] = list(run("select 1, 'one'")[0])
    found["parameters"] = list(run("select %s::int8, %s::text, %s::text, %s::text", number, "it's", None, "ÿ€")[0])
    *rest, document = run(BACK, *VALUES, psycopg2.extras.Json({"a": [1, None]}))[0]
    rest[1] = bytes(rest[1])
    found["values"] = (*rest, document) == (*VALUES, {"a": [1, None]})
    run("prepare again (int) as select $1 + 1")
    found["prepared"] = [run(f"execute again ({n})")[0][0] for n in range(1, 11)]
    found["error"] = failed("select 1 / 0").pgcode
    found["after_error"] = run("select 1")[0][0]
    found |= _transactions(number, run, lambda text: str(failed(text).pgcode))
    error = failed(REFUSED)
    found["refused"] = [error.pgcode, error.diag.message_detail]
    found["after_refused"] = run("select 1")[0][0]
    with connection.cursor() as cursor:
        cursor.execute(held(number))
        found["held"] = cursor.rowcount
    found["masked"] = run("select email from customers where id = 1")[0][0]
    with while_asleep(connection.cancel):
        found["cancelled"] = failed(SLEEP).pgcode
    lines = "".join(f"{number + 10 + row}\ta\\tb\\\\\t1\n" for row in range(3))
    with connection.cursor() as cursor:
        cursor.copy_expert("copy products (id, name, price) from stdin", io.StringIO(lines))
        found["copied_in"] = cursor.rowcount
        out = io.StringIO()
        cursor.copy_expert(
            f"copy (select name from products where id between {number + 10} and {number + 19}) to stdout", out
        )
        found["copied_out"] = out.getvalue().splitlines().count("a\\tb\\\\")
    return found


def _transactions(number: int, run: Callable[..., list[Any]], failed: Callable[[str], str]) -> dict[str, Any]:
    """By BEGIN and ROLLBACK as statements: `failed` gives the SQLSTATE."""
    found: dict[str, Any] = {}
    insert = f"insert into products (id, name, price) values ({number + 1}, 'x', 1)"
    count = f"select count(*) from products where id = {number + 1}"
    for name, text in (("transaction", insert), ("refused_in_transaction", REFUSED)):
        run("begin")
        run(insert)
        states = [failed(text), failed("select 1")]
        run("rollback")
        found[name] = [*states, run(count)[0][0]]
    return found

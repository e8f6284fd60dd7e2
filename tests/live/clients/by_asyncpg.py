"""The course by asyncpg: binary formats, prepared statements under names of its own, pipelined setup."""

from __future__ import annotations

import io
import ssl
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg

from tests.live.clients.course import REFUSED, SLEEP, held

VALUES = (Decimal("1.50"), bytes(range(256)), True, datetime(2026, 11, 21, 10, 11, 12, 345678, UTC), [1, 2, 3])


async def by_asyncpg(number: int, **where: Any) -> dict[str, Any]:
    """`where` is host, port, user, database, password and `ca`, the path that the gateway is verified by."""
    context = ssl.create_default_context(cafile=str(where.pop("ca")))
    connection = await asyncpg.connect(ssl=context, **where)
    try:
        found = await _course(connection, number)
        found["encrypted"] = connection._transport.get_extra_info("ssl_object") is not None
        return found
    finally:
        await connection.close()


async def _failed(connection: Any, text: str) -> asyncpg.PostgresError:
    try:
        await connection.execute(text)
    except asyncpg.PostgresError as error:
        return error
    raise AssertionError(f"ran: {text}")


async def _course(connection: Any, number: int) -> dict[str, Any]:
    found: dict[str, Any] = {"plain": list(await connection.fetchrow("select 1, 'one'"))}
    asked = "select $1::int8, $2::text, $3::text, $4::text"
    found["parameters"] = list(await connection.fetchrow(asked, number, "it's", None, "ÿ€"))
    back = "select $1::numeric, $2::bytea, $3::bool, $4::timestamptz, $5::int[], $6::jsonb"
    row = await connection.fetchrow(back, *VALUES, '{"a": [1, null]}')
    found["values"] = tuple(row) == (*VALUES, '{"a": [1, null]}')
    statement = await connection.prepare("select $1::int + 1")
    found["prepared"] = [await statement.fetchval(n) for n in range(1, 11)]
    found["error"] = (await _failed(connection, "select 1 / 0")).sqlstate
    found["after_error"] = await connection.fetchval("select 1")
    insert = f"insert into products (id, name, price) values ({number + 1}, 'x', 1)"
    for name, text in (("transaction", insert), ("refused_in_transaction", REFUSED)):
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(insert)
        states = [(await _failed(connection, said)).sqlstate for said in (text, "select 1")]
        await transaction.rollback()
        left = await connection.fetchval("select count(*) from products where id = $1", number + 1)
        found[name] = [*states, left]
    error: Any = await _failed(connection, REFUSED)
    found["refused"] = [error.sqlstate, error.detail]
    found["after_refused"] = await connection.fetchval("select 1")
    found["held"] = int((await connection.execute(held(number))).split()[-1])
    found["masked"] = await connection.fetchval("select email from customers where id = $1", 1)
    try:  # cancelled by asyncpg's own request
        await connection.execute(SLEEP, timeout=0.3)
    except TimeoutError:
        found["cancelled"] = "57014"
    rows = [(number + 10 + row, "a\tb\\", Decimal(1)) for row in range(3)]
    copied = await connection.copy_records_to_table("products", records=rows, columns=["id", "name", "price"])
    found["copied_in"] = int(copied.split()[-1])
    out = io.BytesIO()
    text = "select name from products where id between $1 and $2"
    await connection.copy_from_query(text, number + 10, number + 19, output=out)
    found["copied_out"] = out.getvalue().splitlines().count(b"a\\tb\\\\")
    return found

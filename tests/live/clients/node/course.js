// The course by node-pg: PORT, CA, TOKEN and NUMBER in the environment; what it found as JSON on standard output.
"use strict";
const fs = require("fs");
const { pipeline } = require("stream/promises");
const { Readable } = require("stream");
const { Client, Pool } = require("pg");
const Cursor = require("pg-cursor");
const copy = require("pg-copy-streams");

const number = Number(process.env.NUMBER);
const settings = {
  host: "127.0.0.1",
  port: Number(process.env.PORT),
  user: "writer",
  database: "shop",
  password: process.env.TOKEN,
  ssl: { ca: fs.readFileSync(process.env.CA, "utf8") },
};

async function rows(client, text, values, name) {
  return (await client.query({ text, values, name, rowMode: "array" })).rows;
}

async function failed(client, text) {
  try {
    await client.query(text);
  } catch (error) {
    return error;
  }
  throw new Error("ran: " + text);
}

async function inTransaction(client, text) {
  const insert = `insert into products (id, name, price) values (${number + 1}, 'x', 1)`;
  await client.query("begin");
  await client.query(insert);
  const states = [(await failed(client, text || insert)).code, (await failed(client, "select 1")).code];
  await client.query("rollback");
  const left = await rows(client, "select count(*)::int from products where id = $1", [number + 1]);
  return [...states, left[0][0]];
}

// node-pg cancels by a second client, in the clear whatever its settings say
async function cancelled(client) {
  const running = failed(client, process.env.SLEEP);
  await new Promise((done) => setTimeout(done, 2000));
  const other = new Client(settings);
  other.connection.on("error", () => {}); // the gateway closes it once it has read the request
  other.cancel(client, client.activeQuery);
  const error = await running;
  other.connection.stream.destroy();
  return error.code;
}

async function copied(client, found) {
  const lines = [0, 1, 2].map((row) => `${number + 10 + row}\ta\\tb\\\\\t1\n`);
  const into = client.query(copy.from("copy products (id, name, price) from stdin"));
  await pipeline(Readable.from(lines), into);
  found.copied_in = into.rowCount;
  const range = `between ${number + 10} and ${number + 19}`;
  const out = client.query(copy.to(`copy (select name from products where id ${range}) to stdout`));
  let text = "";
  for await (const piece of out) text += piece;
  found.copied_out = text.split("\n").filter((line) => line === "a\\tb\\\\").length;
}

// a pool whose connections share names of statements, errors among them; and a cursor that is read in parts to its end
async function pooled() {
  const pool = new Pool({ ...settings, max: 4 });
  const asked = Array.from({ length: 120 }, (_, n) =>
    n % 10 ? rows(pool, `select $1::int * 10 + ${n % 7}`, [n], `of${n % 7}`) : failed(pool, "select 1 / 0"),
  );
  (await Promise.all(asked)).forEach((found, n) => {
    if (n % 10 ? found[0][0] !== n * 10 + (n % 7) : found.code !== "22012") throw new Error(`the pool: ${n}`);
  });
  const client = await pool.connect();
  const cursor = client.query(new Cursor("select n from generate_series(1, 5000) n"));
  let read = 0;
  for (let part = await cursor.read(700); part.length; part = await cursor.read(700)) read += part.length;
  if (read !== 5000) throw new Error(`the cursor gave ${read} rows`);
  client.release();
  await pool.end();
}

async function main() {
  const client = new Client(settings);
  await client.connect();
  const found = { encrypted: client.connection.stream.encrypted };
  found.plain = (await rows(client, "select 1, 'one'"))[0];
  const asked = "select $1::int8, $2::text, $3::text, $4::text";
  const [first, ...rest] = (await rows(client, asked, [number, "it's", null, "ÿ€"]))[0];
  found.parameters = [Number(first), ...rest];
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
  const moment = new Date("2026-11-21T10:11:12.345Z");
  const back = "select $1::numeric, $2::bytea, $3::bool, $4::timestamptz, $5::int[], $6::jsonb";
  const given = ["12345678901234567890.12345", bytes, true, moment, [1, 2, 3], { a: [1, null] }];
  const seen = (await rows(client, back, given))[0];
  found.values = JSON.stringify(seen) === JSON.stringify(given);
  found.prepared = [];
  for (let n = 1; n < 11; n++) found.prepared.push((await rows(client, "select $1::int + 1", [n], "again"))[0][0]);
  found.error = (await failed(client, "select 1 / 0")).code;
  found.after_error = (await rows(client, "select 1"))[0][0];
  found.transaction = await inTransaction(client, "");
  const error = await failed(client, process.env.REFUSED);
  found.refused = [error.code, error.detail];
  found.after_refused = (await rows(client, "select 1"))[0][0];
  found.refused_in_transaction = await inTransaction(client, process.env.REFUSED);
  found.held = (await client.query(process.env.HELD)).rowCount;
  const cursor = client.query(new Cursor("select email from customers where id < $1 order by id", [4]));
  found.masked = (await cursor.read(1))[0].email;
  await cursor.close();
  found.cancelled = await cancelled(client);
  await copied(client, found);
  await pooled();
  await client.end();
  process.stdout.write(JSON.stringify(found));
}

main().catch((error) => {
  process.stderr.write(String(error.stack) + "\n");
  process.exit(1);
});

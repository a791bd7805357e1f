// The store in PostgreSQL, with a real server.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, afterEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import pg from "pg";
import { AgentAuth, PostgreSQLStore, type PostgreSQLStoreOptions, TallystickError } from "tallystick";
import { agent } from "./agents.js";
import { installInstead } from "./packages.js";
import { inProcessesAndThreads, missing, Server } from "./servers.js";
import { Lines, rejectsWith, runNode, token } from "./support.js";

const newId = () => randomBytes(16).toString("hex");
/** The name of tables that no other test uses. */
const newTable = () => `t${newId().slice(0, 12)}`;
const open: PostgreSQLStore[] = [];

function storeOf(server: string | pg.Pool, options?: PostgreSQLStoreOptions): PostgreSQLStore {
  const store = new PostgreSQLStore(server, options);
  open.push(store);
  return store;
}

afterEach(async () => {
  installInstead({});
  await Promise.all(open.splice(0).map((store) => store.close()));
});

// Most tests do nothing to the server itself.
const server = missing === false ? await Server.start("postgresql") : (undefined as never);
const raw = missing === false ? new pg.Pool({ connectionString: server.url, max: 2 }) : (undefined as never);
raw?.on("error", () => {});
after(() => raw?.end());

/** The URL for another user, password or database. */
const urlOf = (user: string, password = "pass", database = "tally") =>
  `postgresql://${user}:${password}@127.0.0.1:${server.port}/${database}`;

/** A new role that may do nothing yet. */
async function newRole(): Promise<string> {
  const role = `r${newId().slice(0, 12)}`;
  await server.tell(`sql CREATE ROLE ${role} LOGIN PASSWORD 'pass'`);
  return role;
}

/** The refusal of a store that cannot be used, at the start of an agent. */
async function refusal(store: PostgreSQLStore | string): Promise<string> {
  const auth = new AgentAuth({ keys: {}, store, devMode: false, logger: new Lines() });
  const { message } = await rejectsWith("replay_store_unavailable", auth.ready());
  await auth.close().catch(() => {});
  return message;
}

async function isUnavailable(claim: Promise<boolean>): Promise<boolean> {
  try {
    await claim;
    return false;
  } catch (error) {
    if (error instanceof TallystickError && error.code === "replay_store_unavailable") return true;
    throw error;
  }
}

/** Waits until a store answers again. */
async function answers(store: PostgreSQLStore): Promise<void> {
  const end = performance.now() + 20_000;
  while (await isUnavailable(store.claim(newId(), 60))) {
    if (performance.now() > end) await store.claim(newId(), 60);
    await sleep(20);
  }
}

describe("a store in PostgreSQL", { skip: missing }, () => {
  test("claims once, for a duration, in the rows that all languages use", async () => {
    const store = storeOf(server.url);
    const id = newId();
    const claims = await Promise.all(Array.from({ length: 64 }, () => store.claim(id, 100)));
    assert.equal(claims.filter(Boolean).length, 1);
    const { rows } = await raw.query(
      "SELECT extract(epoch FROM expires_at - now())::float8 AS left FROM tallystick_used WHERE id = $1",
      [Buffer.from(id, "hex")],
    );
    const { left } = rows[0] as { left: number };
    assert.ok(left > 90 && left <= 100, String(left));
    assert.equal(await store.claim(newId(), 2 ** 31), true);
    assert.equal(store.lostAt, undefined);
  });

  test("keeps values", async () => {
    const store = storeOf(server.url);
    const id = newId();
    assert.equal(await store.get(id), null);
    await store.put(id, Buffer.from([1]), 100);
    await store.put(id, Buffer.from([0, 255, 92, 39]), 100);
    const { rows } = await raw.query("SELECT value FROM tallystick_values WHERE id = $1", [Buffer.from(id, "hex")]);
    assert.deepEqual((rows[0] as { value: Buffer }).value, Buffer.from([0, 255, 92, 39]));
    assert.deepEqual(await store.get(id), Buffer.from([0, 255, 92, 39]));
    const taken = await Promise.all(Array.from({ length: 8 }, () => store.take(id)));
    assert.equal(taken.filter((value) => value !== null).length, 1);
    assert.equal(await store.claim(id, 10), true, "claims are apart");
    await store.put(id, new Uint8Array(65_536), 1);
    assert.equal((await store.get(id))?.length, 65_536);
    await sleep(1100);
    assert.equal(await store.get(id), null);
    assert.equal(await store.take(id), null);
  });

  test("keeps documents by version", async () => {
    const store = storeOf(server.url);
    const name = `ring-${newId()}`;
    assert.equal(await store.read(name), null);
    assert.equal(await store.write(name, 1, Buffer.from("none")), false);
    const firsts = await Promise.all(
      Array.from({ length: 16 }, (_, index) => store.write(name, 0, Buffer.from([index]))),
    );
    assert.equal(firsts.filter(Boolean).length, 1);
    const first = await store.read(name);
    assert.deepEqual([first?.version, first?.value[0]], [1, firsts.indexOf(true)]);
    const large = randomBytes(8 * 1024 * 1024);
    assert.equal(await store.write(name, 1, large), true);
    assert.equal(await store.write(name, 1, Buffer.from("late")), false);
    const second = await store.read(name);
    assert.equal(second?.version, 2);
    assert.ok(large.equals(second.value));
    for (const wrong of ["", "a/b", "a".repeat(201), "ä", null]) {
      await rejectsWith("invalid_argument", store.read(wrong as string));
    }
    await rejectsWith("invalid_argument", store.write(name, -1, large));
    await rejectsWith("invalid_argument", store.write(name, 2, Buffer.alloc(8 * 1024 * 1024 + 1)));
  });

  test("deletes what expired, in small batches, and nothing else", async () => {
    const table = newTable();
    const store = storeOf(server.url, { table });
    await store.claim(newId(), 1000);
    await raw.query(
      `INSERT INTO ${table}_used SELECT sha256(i::text::bytea), now() - interval '1 second' FROM generate_series(1, 300) AS i`,
    );
    const count = async () =>
      ((await raw.query(`SELECT count(*)::int AS count FROM ${table}_used`)).rows[0] as { count: number }).count;
    for (let claims = 0; claims < 63; claims++) await store.claim(newId(), 1000);
    for (const end = performance.now() + 5000; (await count()) > 108 && performance.now() < end; ) await sleep(20);
    assert.equal(await count(), 300 - 256 + 64);
    for (let claims = 0; claims < 64; claims++) await store.claim(newId(), 1000);
    for (const end = performance.now() + 5000; (await count()) > 128 && performance.now() < end; ) await sleep(20);
    assert.equal(await count(), 128);
    const plan = await raw.query(
      `EXPLAIN SELECT id FROM ${table}_used WHERE expires_at < now() ORDER BY expires_at LIMIT 256`,
    );
    assert.ok(plan.rows.length > 0);
  });

  test("accepts a token once over agents that share nothing else", async () => {
    const agents = [agent({ store: server.url }), agent({ store: server.url.replace("postgresql:", "postgres:") })];
    const facts = { authorization: [`Bearer ${token({ unbound: true })}`], method: "POST", path: "/agent" };
    const results = await Promise.allSettled(
      agents.flatMap((auth) => Array.from({ length: 32 }, () => auth.verify(facts))),
    );
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
    await Promise.all(agents.map((each) => each.close()));
  });

  test("in processes of node:cluster and in worker threads each id is claimed once", async () => {
    await inProcessesAndThreads("PostgreSQLStore", server.url, { table: newTable(), timeout: 20 });
  });

  test("lets a program end that never closes it", async () => {
    const entry = JSON.stringify(new URL("../../dist/index.js", import.meta.url).href);
    const script = `import { PostgreSQLStore } from ${entry};
      const store = new PostgreSQLStore(${JSON.stringify(server.url)}, { timeout: 20 });
      console.log(await store.claim("${newId()}", 5));`;
    const start = performance.now();
    const { stdout, code, stderr } = await runNode(["--input-type=module", "--eval", script]);
    assert.equal(stdout.trim(), "true", stderr);
    assert.equal(code, 0);
    assert.ok(performance.now() - start < 8000);
  });

  test("needs a package, and says which", async () => {
    installInstead({ pg: null });
    const error = await rejectsWith("invalid_argument", storeOf(server.url).claim(newId(), 1));
    assert.match(error.message, /run "npm install pg"/);
  });

  test("can be used again after it was closed", async () => {
    const store = storeOf(server.url);
    const id = newId();
    assert.equal(await store.claim(id, 60), true);
    await store.close();
    await store.close();
    assert.equal(await store.claim(id, 60), false);
  });
});

describe("tables", { skip: missing }, () => {
  /** What anyone may make by hand. */
  const byHand = (name: string) =>
    `CREATE TABLE ${name}_used (id bytea PRIMARY KEY, expires_at timestamptz NOT NULL); ` +
    `CREATE INDEX ON ${name}_used (expires_at); ` +
    `CREATE TABLE ${name}_values (id bytea PRIMARY KEY, value bytea NOT NULL, expires_at timestamptz NOT NULL); ` +
    `CREATE TABLE ${name}_documents (name text PRIMARY KEY, version bigint NOT NULL, value bytea NOT NULL)`;

  test("are made once by many stores at the same time, also in a schema", async () => {
    const schema = newTable();
    await raw.query(`CREATE SCHEMA ${schema}`);
    for (const table of [newTable(), `${schema}.select`, `${schema}.${"a".repeat(41)}`]) {
      const stores = Array.from({ length: 8 }, () => storeOf(server.url, { table, timeout: 20 }));
      const id = newId();
      const claims = await Promise.all(stores.map((store) => store.claim(id, 60)));
      assert.equal(claims.filter(Boolean).length, 1, table);
    }
  });

  test("made by hand serve a role that may make none", async () => {
    const [role, table] = [await newRole(), newTable()];
    const store = storeOf(urlOf(role), { table });
    assert.match(
      await refusal(store),
      /its role may not make "\w+_used"\): make the tables by hand with the documented/,
    );
    await raw.query(byHand(table));
    assert.match(await refusal(store), /its role lacks SELECT, INSERT, UPDATE, DELETE on "\w+_used"\): GRANT SELECT/);
    await raw.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${table}_used, ${table}_values TO ${role}`);
    await raw.query(`GRANT SELECT, INSERT, UPDATE ON ${table}_documents TO ${role}`);
    assert.match(await refusal(store), /its role lacks DELETE on "\w+_documents"\)/);
    await raw.query(`GRANT DELETE ON ${table}_documents TO ${role}`);
    for (let claims = 0; claims < 65; claims++) assert.equal(await store.claim(newId(), 1), true);
    assert.equal(await store.write("a", 0, Buffer.from("b")), true);
  });

  const others: [name: string, change: (table: string) => string, found: RegExp][] = [
    [
      "with other columns",
      (table) => `ALTER TABLE ${table}_used ADD jti text`,
      /"\w+_used" has the columns expires_at timestamp with time zone, id bytea, jti text, not .*\): move it away, or choose other tables with the option table/,
    ],
    ["with another type", (table) => `ALTER TABLE ${table}_used ALTER id TYPE text USING id::text`, /id text, not/],
    [
      "without a primary key",
      (table) => `ALTER TABLE ${table}_used DROP CONSTRAINT ${table}_used_pkey`,
      /with the primary key id/,
    ],
    [
      "with a key of two columns",
      (table) => `ALTER TABLE ${table}_used DROP CONSTRAINT ${table}_used_pkey, ADD PRIMARY KEY (id, expires_at)`,
      /with the primary key id/,
    ],
    [
      "that a crash empties",
      (table) => `ALTER TABLE ${table}_used SET UNLOGGED`,
      /is emptied by a crash: used tokens would pass again\): ALTER TABLE "\w+_used" SET LOGGED/,
    ],
    [
      "of documents that are others",
      (table) => `ALTER TABLE ${table}_documents DROP version`,
      /"\w+_documents" has the columns name text, value bytea, not/,
    ],
  ];
  for (const [name, change, found] of others) {
    test(`${name} are refused`, async () => {
      const table = newTable();
      await raw.query(byHand(table));
      await storeOf(server.url, { table }).claim(newId(), 5);
      await raw.query(change(table));
      assert.match(await refusal(storeOf(server.url, { table })), found);
    });
  }

  test("that were dropped are a refusal until they are made: used tokens are lost", async () => {
    const table = newTable();
    const store = storeOf(server.url, { table });
    await store.claim(newId(), 60);
    await raw.query(`DROP TABLE ${table}_used`);
    for (let times = 0; times < 3; times++) {
      await assert.rejects(store.claim(newId(), 60), /relation .* does not exist\): a table was dropped while in use/);
    }
    await storeOf(server.url, { table }).claim(newId(), 60);
    await answers(store);
  });
});

describe("a server that cannot be used", { skip: missing }, () => {
  test("is named with what is wrong, and secrets are hidden", async () => {
    const role = await newRole();
    const cases: [string, RegExp][] = [
      [
        `postgresql://${role}:s3cret@127.0.0.1:1/tally`,
        /^store postgresql:\/\/127\.0\.0\.1:1\/tally cannot be used \(.*ECONNREFUSED.*\): see whether/,
      ],
      [urlOf(role, "s3cret"), /password authentication failed.*\): correct user and password in its URL$/],
      [urlOf("nobody", "s3cret"), /password authentication failed/],
      [urlOf(role, "pass", "nowhere"), /database "nowhere" does not exist\): correct the name of the database/],
      [`postgresql://${role}@127.0.0.1:${server.port}/tally`, /password.*\): correct user and password/],
      [`${urlOf(role)}?sslmode=require`, /does not support SSL.*\): see whether it speaks TLS/],
      [
        `postgresql://${role}:s3cret@no-such-host.invalid/tally`,
        /(ENOTFOUND|EAI_AGAIN).*\): correct the name of its host$/,
      ],
    ];
    for (const [url, pattern] of cases) {
      const store = storeOf(url, { timeout: 20 });
      const message = await refusal(store);
      assert.match(message, pattern);
      await sleep(300);
      const error = await store.claim(newId(), 5).catch((reason: unknown) => reason);
      for (const shown of [
        message,
        inspect(store, { showHidden: true, depth: 9 }),
        inspect(error, { showHidden: true, depth: 9 }),
      ]) {
        assert.doesNotMatch(shown, /s3cret/);
      }
    }
  });

  test("is refused as a URL that is none, which is not quoted", () => {
    const wrong: unknown[] = [
      "postgresql:tally",
      "mysql://user:s3cret@host/tally",
      "postgresql://user:s3cret@host:99999/tally",
      "postgresql://user:s3/cret@host/tally",
      "postgresql://user:s3?cret@host/tally",
      "postgresql://user:s3%ret@host/tally",
      null,
      42,
      {},
      new pg.Client(),
    ];
    for (const each of wrong) {
      assert.throws(
        () => new PostgreSQLStore(each as string),
        (error) =>
          error instanceof TallystickError && error.code === "invalid_argument" && !/s3|cret/.test(error.message),
        String(each),
      );
    }
    for (const options of [
      { table: "A" },
      { table: "a.b.c" },
      { table: "a".repeat(42) },
      { table: "a;b" },
      { timeout: 0 },
      { max: 5 },
    ]) {
      assert.throws(() => new PostgreSQLStore(server.url, options as never), { code: "invalid_argument" });
    }
  });

  test("is read-only", async () => {
    const role = await newRole();
    await server.tell(`sql ALTER ROLE ${role} SET default_transaction_read_only = on`);
    assert.match(
      await refusal(storeOf(urlOf(role))),
      /it is read-only \(a standby, or default_transaction_read_only\)\): name the primary/,
    );
  });

  test("has another clock", async (context) => {
    const { now } = Date;
    context.mock.method(Date, "now", () => now() - 100_000);
    assert.match(
      await refusal(storeOf(server.url)),
      /its clock is (99|100|101) s ahead of this machine's\): set both clocks by NTP/,
    );
    context.mock.restoreAll();
  });
});

describe("an outage", { skip: missing }, () => {
  test("in the middle of load is over without a restart, and nothing is accepted twice", async () => {
    const own = await Server.start("postgresql");
    const store = storeOf(own.url);
    await store.claim(newId(), 60);
    const accepted: string[] = [];
    let refused = 0;
    let isOver = false;
    const load = Promise.all(
      Array.from({ length: 16 }, async () => {
        while (!isOver) {
          const id = newId();
          const result = await store.claim(id, 600).catch((error: TallystickError) => error.code);
          if (result === true) accepted.push(id);
          else refused += 1;
          if (result !== true) await sleep(10);
        }
      }),
    );
    await sleep(300);
    await own.tell("kill");
    await sleep(300);
    await own.tell("start");
    await answers(store);
    await sleep(300);
    isOver = true;
    await load;
    assert.ok(accepted.length > 0 && refused > 0, `${accepted.length} ${refused}`);
    for (const id of accepted) assert.equal(await store.claim(id, 600), false);
    await own.end();
  });

  test("by a server that hangs ends all 64 claims in time", async () => {
    const own = await Server.start("postgresql");
    const [store, pool] = [storeOf(own.url, { timeout: 0.5 }), new pg.Pool({ connectionString: own.url })];
    const given = storeOf(pool, { timeout: 0.5 });
    await Promise.all([store.claim(newId(), 60), given.claim(newId(), 60)]);
    for (const each of [store, given]) {
      await own.tell("pause");
      const start = performance.now();
      const late: number[] = [];
      const timer = setInterval(() => late.push(performance.now()), 20);
      const ends = await Promise.all(Array.from({ length: 64 }, () => isUnavailable(each.claim(newId(), 60))));
      const again = await Promise.all(Array.from({ length: 64 }, () => isUnavailable(each.claim(newId(), 60))));
      const took = performance.now() - start;
      clearInterval(timer);
      await own.tell("resume");
      assert.ok([...ends, ...again].every(Boolean));
      assert.ok(took >= 450 && took < 3000, String(took));
      const gaps = late.map((at, index) => at - (late[index - 1] ?? at));
      assert.ok(Math.max(...gaps) < 400, `the loop stood still for ${Math.max(...gaps)} ms`);
      await answers(each);
      const { rows } = await pool.query("SELECT count(*)::int AS count FROM pg_stat_activity WHERE usename = 'tally'");
      assert.ok((rows[0] as { count: number }).count <= 40);
    }
    await pool.end();
    await own.end();
  });

  test("while a store is closed ends no program", async () => {
    const own = await Server.start("postgresql");
    const store = storeOf(own.url);
    for (let times = 0; times < 3; times++) {
      await Promise.all(Array.from({ length: 16 }, () => store.claim(newId(), 60)));
      await Promise.all([store.close(), own.tell("stop")]);
      await own.tell("start");
      await answers(store);
    }
    await own.end();
  });

  test("at the start is a warning where the store is not required", async () => {
    const own = await Server.start("postgresql");
    await own.tell("stop");
    const logger = new Lines();
    const store = storeOf(own.url, { required: false });
    const auth = agent({ store, logger });
    await auth.ready();
    const facts = () => ({ authorization: [`Bearer ${token({ unbound: true })}`], method: "POST", path: "/agent" });
    await rejectsWith("replay_store_unavailable", auth.verify(facts()));
    await own.tell("start");
    await answers(store);
    await auth.verify(facts());
    assert.match(logger.warnings[0] ?? "", /^store postgresql:.*ECONNREFUSED/);
    await auth.close();
    await own.end();
  });
});

describe("a pool of the application", { skip: missing }, () => {
  test("is used, and stays open", async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 3 });
    const listeners = pool.listenerCount("error");
    // What an application sets for its own types changes nothing.
    pool.on("connect", (client) => client.setTypeParser(17, () => "parsed"));
    const store = storeOf(pool);
    const id = newId();
    assert.equal(await store.claim(id, 60), true);
    assert.equal(await store.claim(id, 60), false);
    await store.put(id, Buffer.from([1, 2]), 60);
    assert.deepEqual(await store.take(id), Buffer.from([1, 2]));
    await store.close();
    assert.equal(pool.listenerCount("error"), listeners);
    assert.equal((await pool.query("SELECT 1 AS one")).rows.length, 1);
    assert.equal(await storeOf(pool).claim(id, 60), false);
    await pool.end();
    await assert.rejects(storeOf(pool).claim(id, 60), /pool after calling end/);
  });

  test("whose connections break ends no program", async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 2, application_name: "breaks" });
    const store = storeOf(pool);
    await Promise.all([store.claim(newId(), 60), store.claim(newId(), 60)]);
    await raw.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'breaks'");
    await sleep(100);
    await answers(store);
    await pool.end();
  });

  test("with a connection in a transaction is refused: the claim could be undone", async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 1 });
    const store = storeOf(pool);
    await store.claim(newId(), 60);
    const client = await pool.connect();
    await client.query("BEGIN");
    client.release();
    await assert.rejects(
      store.claim(newId(), 60),
      /in a transaction, which could undo a claim\): end each transaction/,
    );
    await answers(store);
    await pool.end();
  });

  test("that is full is a refusal in time", async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 1 });
    const store = storeOf(pool, { timeout: 0.3 });
    await store.claim(newId(), 60);
    const client = await pool.connect();
    const start = performance.now();
    const ends = await Promise.all(Array.from({ length: 64 }, () => isUnavailable(store.claim(newId(), 60))));
    assert.ok(ends.every(Boolean));
    assert.ok(performance.now() - start < 1500);
    client.release();
    await answers(store);
    await pool.end();
  });
});

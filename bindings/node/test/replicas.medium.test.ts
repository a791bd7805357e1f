// Replicas on several machines: one key ring and one list of clients, in a real PostgreSQL.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import pg from "pg";
import { Authority, type AuthorityOptions, AuthSkill, type AuthSkillOptions, PostgreSQLStore } from "tallystick";
import { missing, Server } from "./servers.js";
import { Lines, quiet, rejectsWith, temporaryFolder } from "./support.js";

const KEY = "0f".repeat(32);
const URL_ = "https://agent.example";

const server = missing === false ? await Server.start("postgresql") : (undefined as never);
const raw = missing === false ? new pg.Pool({ connectionString: server.url, max: 2 }) : (undefined as never);
raw?.on("error", () => {});
after(() => raw?.end());

const open: { close(): Promise<void> }[] = [];
let table = "";

/** The store of another test has other tables. */
function newTable(): void {
  table = `t${randomBytes(6).toString("hex")}`;
}
newTable();

afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close().catch(() => {})));
  newTable();
});

function storeOf(): PostgreSQLStore {
  const store = new PostgreSQLStore(server.url, { table });
  open.push(store);
  return store;
}

/** A machine of its own has a folder of its own. */
const machine = () => temporaryFolder();

async function replica(options: AuthSkillOptions = {}): Promise<AuthSkill> {
  const skill = new AuthSkill(
    {},
    {
      baseUrl: URL_,
      keysDir: await machine(),
      store: storeOf(),
      storeKey: KEY,
      logger: quiet,
      ...options,
    },
  );
  open.push(skill);
  return skill;
}

async function authority(options: AuthorityOptions = {}): Promise<Authority> {
  const portal = new Authority("https://portal.example", {
    keysDir: await machine(),
    store: storeOf(),
    storeKey: KEY,
    logger: quiet,
    ...options,
  });
  open.push(portal);
  return portal;
}

async function signedBy(skill: AuthSkill): Promise<string> {
  const [header = ""] = (await skill.generateToken("https://other.example")).split(".");
  return (JSON.parse(Buffer.from(header, "base64url").toString()) as { kid: string }).kid;
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await holds())) {
    assert.ok(performance.now() < end, "it does not happen");
    await sleep(20);
  }
}

const said = ({ warnings, errors }: Lines) => [...warnings, ...errors].join("\n");
const documents = () => raw.query<{ name: string; version: string; value: Buffer }>(`SELECT * FROM ${table}_documents`);

describe("replicas", { skip: missing }, () => {
  test("sign with one ring, one of them rotates, and nothing is lost", async () => {
    const [first, second] = [await replica(), await replica()];
    assert.equal(await signedBy(first), await signedBy(second));
    const rotated = await first.rotateKeys({ force: true });
    assert.equal(await signedBy(first), rotated.active);
    await eventually(async () => (await signedBy(second)) === rotated.active);
    const again = await second.rotateKeys({ force: true });
    assert.deepEqual([...again.retired].sort(), [...rotated.retired, rotated.active].sort());
    await eventually(async () => (await signedBy(first)) === again.active);
    const token = await first.generateToken(URL_, ["read"]);
    assert.equal((await second.verifyToken(token)).agentUrl, URL_);
  });

  test("keep it encrypted, and make no file", async () => {
    const keysDir = await machine();
    const skill = await replica({ keysDir });
    await skill.ready();
    const { rows } = await documents();
    assert.equal(rows.length, 1);
    assert.match(rows[0]?.name ?? "", /^ring-[0-9a-f]{32}$/);
    assert.doesNotMatch(rows[0]?.value.toString("latin1") ?? "", /PRIVATE|kid/);
    assert.deepEqual(await readdir(keysDir), []);
    assert.doesNotMatch(inspect(skill, { depth: 9, showHidden: true }), new RegExp(KEY));
  });

  test("refuse another key, a changed row and a forgotten key; an agent without a ring there starts", async () => {
    await (await replica({ baseUrl: "https://other.example", storeKey: undefined })).ready();
    await (await replica()).ready();
    const { message } = await rejectsWith("invalid_config", (await replica({ storeKey: "0e".repeat(32) })).ready());
    assert.match(message, /the key ring ring-.*give the storeKey that it was encrypted with/);
    assert.doesNotMatch(message, /0e0e/);
    const forgotten = await rejectsWith("invalid_argument", (await replica({ storeKey: undefined })).ready());
    assert.match(forgotten.message, /lies in store postgresql:.*give storeKey/);
    await (await replica()).ready();
    await raw.query(`UPDATE ${table}_documents SET value = value || 'x'::bytea`);
    await rejectsWith("invalid_config", (await replica()).ready());
  });

  test("need a key of 32 bytes, a store in PostgreSQL, and an agent that signs", async () => {
    for (const storeKey of ["short", KEY.slice(2), "correct horse battery staple"]) {
      const { message } = await rejectsWith("invalid_argument", (await replica({ storeKey })).ready());
      assert.match(message, /^storeKey: .*32 bytes/);
      assert.ok(!message.includes(storeKey) || storeKey === "short");
    }
    for (const store of ["memory:", "sqlite:", "redis://127.0.0.1:1", undefined]) {
      const { message } = await rejectsWith("invalid_argument", replica({ store }));
      assert.match(message, /storeKey needs store: a store in PostgreSQL/);
    }
    const portal = { authority: "https://portal.example", clientSecret: "x".repeat(32) };
    const { message } = await rejectsWith("invalid_argument", (await replica(portal)).ready());
    assert.match(message, /storeKey is for the key ring of an agent that signs/);
  });

  test("begin with the ring of their machine", async () => {
    const keysDir = await machine();
    const before = new AuthSkill({ baseUrl: URL_, keysDir }, { store: "memory:", logger: quiet });
    const [kid, token] = [await signedBy(before), await before.generateToken(URL_, ["read"])];
    await before.close();
    const logger = new Lines();
    assert.equal(await signedBy(await replica({ keysDir, logger })), kid);
    assert.match(said(logger), /the key ring .* was moved to ring-/);
    assert.equal((await (await replica()).verifyToken(token)).agentUrl, URL_);
    // The private keys are in the file no more, and nobody goes on with them.
    for (const name of await readdir(keysDir))
      assert.ok(!(await readFile(join(keysDir, name), "utf8")).includes("PRIVATE"));
    const options = { store: "memory:", storeKey: undefined };
    const { message } = await rejectsWith("invalid_config", (await replica({ keysDir, ...options })).ready());
    assert.match(message, /was moved to ring-.*give the options store and storeKey/);
    await raw.query(`DELETE FROM ${table}_documents`);
    const lost = await rejectsWith("invalid_config", (await replica({ keysDir })).ready());
    assert.match(lost.message, /was moved to ring-.*where it is lost there/);
  });

  test("do not take an older ring, nor that there is none", async () => {
    const logger = new Lines();
    const [first, second] = [await replica(), await replica({ logger })];
    await second.ready();
    await first.ready();
    const { rows } = await documents();
    const { active } = await first.rotateKeys({ revoke: true });
    await eventually(async () => (await signedBy(second)) === active);
    const [old] = rows;
    await raw.query(`UPDATE ${table}_documents SET version = $1, value = $2`, [old?.version, old?.value]);
    await eventually(
      async () => (await signedBy(second)) === active && /went back from version 2 to 1/.test(said(logger)),
    );
    await rejectsWith("invalid_config", second.rotateKeys());
    await raw.query(`DELETE FROM ${table}_documents`);
    await eventually(async () => (await signedBy(second)) === active && /it is gone/.test(said(logger)));
    await rejectsWith("invalid_config", second.rotateKeys({ force: true }));
  });

  test("take another document of the same version, as after a fail-over that lost the last one", async () => {
    const [first, idle] = [await replica(), await replica()];
    await first.ready();
    const { rows } = await documents();
    const lost = await first.rotateKeys({ force: true });
    await eventually(async () => (await signedBy(idle)) === lost.active);
    await raw.query(`UPDATE ${table}_documents SET version = $1, value = $2`, [rows[0]?.version, rows[0]?.value]);
    const other = await (await replica()).rotateKeys({ revoke: true });
    await eventually(async () => (await signedBy(idle)) === other.active);
  });

  test("ask before they answer when they were idle, in verifying too", async () => {
    const [first, second] = [await replica(), await replica()];
    const token = await first.generateToken(URL_, ["read"]);
    assert.equal((await second.verifyToken(token)).agentUrl, URL_);
    await first.rotateKeys({ revoke: true });
    await sleep(1100);
    const answers = await Promise.allSettled(Array.from({ length: 8 }, () => second.verifyToken(token)));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set(["rejected"]));
    const fresh = await first.generateToken(URL_, ["read"]);
    assert.equal((await second.verifyToken(fresh)).agentUrl, URL_);
  });

  test("go on while the server hangs, and rotate when it answers again", async () => {
    const skill = await replica();
    const before = await signedBy(skill);
    await server.tell("pause");
    let signed = 0;
    try {
      const end = performance.now() + 4000;
      while (performance.now() < end) {
        assert.equal(await signedBy(skill), before);
        signed += 1;
      }
      await rejectsWith("replay_store_unavailable", skill.rotateKeys({ force: true }));
    } finally {
      await server.tell("resume");
    }
    // A look has 2 s: who waited for each would have signed thrice.
    assert.ok(signed > 10, `${signed}`);
    let active = "";
    await eventually(async () => {
      active = await skill.rotateKeys({ force: true }).then(
        (rotation) => rotation.active,
        () => "",
      );
      return active !== "";
    });
    assert.equal(await signedBy(skill), active);
  });

  test("of an authority have the same clients, which begin with those of the machine", async () => {
    const keysDir = await machine();
    const before = new Authority("https://portal.example", { keysDir, store: "memory:", logger: quiet });
    await before.registerClient({ clientId: "old", scopes: ["read"] });
    await before.close();
    const [first, second] = [await authority({ keysDir }), await authority()];
    await first.ready();
    const names = async (portal: Authority) => (await portal.listClients()).map(({ clientId }) => clientId).sort();
    assert.deepEqual(await names(second), ["old"]);
    await Promise.all([
      ...["a", "b", "c"].map((clientId) => first.registerClient({ clientId })),
      ...["d", "e", "f"].map((clientId) => second.registerClient({ clientId })),
    ]);
    assert.deepEqual(await names(first), ["a", "b", "c", "d", "e", "f", "old"]);
    const { rows: kept } = await documents();
    await raw.query(`DELETE FROM ${table}_documents WHERE name LIKE 'clients-%'`);
    // It would be a list of this client alone, and reading it would forget the others.
    await rejectsWith("invalid_config", first.registerClient({ clientId: "g" }));
    await rejectsWith("invalid_config", first.listClients());
    for (const { name, version, value } of kept.filter((row) => row.name.startsWith("clients-"))) {
      await raw.query(`INSERT INTO ${table}_documents VALUES ($1, $2, $3)`, [name, version, value]);
    }
    assert.equal(await second.removeClient("a"), true);
    assert.deepEqual(await names(first), ["b", "c", "d", "e", "f", "old"]);
    assert.equal((await first.ready()).keyId, (await second.ready()).keyId);
    const { rows } = await documents();
    assert.deepEqual(rows.map(({ name }) => name.split("-")[0]).sort(), ["clients", "ring"]);
    for (const { value } of rows) assert.doesNotMatch(value.toString("latin1"), /old|client_id/);
  });
});

// The store test, with real servers that hang and restart; and stores of both languages together.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { PostgreSQLStore, RedisStore } from "tallystick";
import { checkStore } from "tallystick/testing";
import { REDIS_PACKAGES } from "./packages.js";
import { missing, Server } from "./servers.js";
import { run, temporaryFolder } from "./support.js";

const newId = () => randomBytes(16).toString("hex");
const entry = new URL("../../dist/index.js", import.meta.url).href;
const packages = new URL("./packages.js", import.meta.url).href;

describe("the store test passes", { skip: missing }, () => {
  /** Checks the store that an expression makes, with outages of its server. */
  async function check(server: Server, expression: string, installed: object = {}): Promise<void> {
    const module = join(await temporaryFolder(), "store.mjs");
    await writeFile(
      module,
      `import * as tallystick from ${JSON.stringify(entry)};
       import { installInstead } from ${JSON.stringify(packages)};
       installInstead(${JSON.stringify(installed)});
       export default () => ${expression};`,
    );
    const lines: string[] = [];
    await checkStore(module, {
      pause: () => server.tell("pause"),
      resume: () => server.tell("resume"),
      restart: async () => {
        await server.tell("kill");
        await server.tell("start");
      },
      onProgress: (line) => lines.push(line),
    });
    assert.equal(lines.length, 9, lines.join("\n"));
  }

  for (const [name, installed] of Object.entries(REDIS_PACKAGES)) {
    test(`Redis by ${name}`, async () => {
      const server = await Server.start("redis");
      await check(server, `new tallystick.RedisStore(${JSON.stringify(server.url)})`, installed);
      await server.end();
    });
  }

  test("Redis that keeps its data", async () => {
    const server = await Server.start("redis", "--config", "appendonly yes");
    await check(server, `new tallystick.RedisStore(${JSON.stringify(server.url)})`);
    await server.end();
  });

  test("PostgreSQL", async () => {
    const server = await Server.start("postgresql");
    await check(server, `new tallystick.PostgreSQLStore(${JSON.stringify(server.url)})`);
    await server.end();
  });
});

const python = fileURLToPath(new URL("../../../../build/venv/bin/python", import.meta.url));
const noPython = existsSync(python) ? false : "there is no Python package here (make python)";

describe("stores of Python and Node are the same", { skip: missing || noPython }, () => {
  /** What a program of Python's prints. */
  async function inPython(script: string): Promise<string> {
    const { stdout, stderr, code } = await run(python, ["-c", script]);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  }

  test("in Redis", async () => {
    const server = await Server.start("redis", "--config", "appendonly yes");
    const [ours, theirs] = [newId(), newId()];
    const store = new RedisStore(server.url);
    assert.equal(await store.claim(ours, 60), true);
    await store.put(ours, Buffer.from([0, 255]), 60);
    const open = `from tallystick import RedisStore; store = RedisStore(${JSON.stringify(server.url)})`;
    const said = await inPython(
      `${open}; print(store.claim("${ours}", 60), store.claim("${theirs}", 60), store.take("${ours}").hex(), store.lost_at)
store.put("${theirs}", b"value", 60)`,
    );
    assert.equal(said, "False True 00ff None");
    assert.equal(await store.claim(theirs, 60), false);
    assert.equal(await store.get(ours), null);
    assert.equal(String(await store.take(theirs)), "value");
    await server.tell("kill");
    await server.tell("start");
    for (const end = performance.now() + 10_000; performance.now() < end; ) {
      if (await store.claim(newId(), 60).catch(() => sleep(20, false))) break;
    }
    assert.notEqual(store.lostAt, undefined);
    assert.equal(
      await inPython(`${open}; store.claim("${newId()}", 60); print(int(store.lost_at))`),
      String(store.lostAt),
    );
    await store.close();
    await server.end();
  });

  test("in PostgreSQL, whoever makes the tables", async () => {
    const server = await Server.start("postgresql");
    for (const isFirst of [true, false]) {
      const table = `t${newId().slice(0, 8)}`;
      const [ours, theirs] = [newId(), newId()];
      const store = new PostgreSQLStore(server.url, { table });
      const open = `from tallystick import PostgreSQLStore; store = PostgreSQLStore(${JSON.stringify(server.url)}, table="${table}")`;
      if (!isFirst) await inPython(`${open}; store.claim("${newId()}", 60)`);
      assert.equal(await store.claim(ours, 60), true);
      await store.put(ours, Buffer.from([0, 255]), 60);
      assert.equal(await store.write("ring", 0, Buffer.from([1])), true);
      const said = await inPython(
        `${open}; print(store.claim("${ours}", 60), store.claim("${theirs}", 60), store.take("${ours}").hex(),
  store.read("ring"), store.write("ring", 1, bytes([2])), store.write("ring", 1, bytes([3])))
store.put("${theirs}", b"value", 60)`,
      );
      assert.equal(said, "False True 00ff (1, b'\\x01') True False");
      assert.equal(await store.claim(theirs, 60), false);
      assert.equal(await store.get(ours), null);
      assert.equal(String(await store.take(theirs)), "value");
      assert.deepEqual(await store.read("ring"), { version: 2, value: Buffer.from([2]) });
      await store.close();
    }
    await server.end();
  });
});

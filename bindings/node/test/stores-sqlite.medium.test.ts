import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync } from "node:fs";
import { chmod, copyFile, cp, mkdir, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { SQLiteStore, type SQLiteStoreOptions } from "tallystick";
import { agent } from "./agents.js";
import { rejectsWith, run, runNode, temporaryFolder, token } from "./support.js";

const newId = () => randomBytes(16).toString("hex");
const folder = await temporaryFolder();
let count = 0;
const newPath = () => join(folder, `${count++}.sqlite3`);
const open = (options?: SQLiteStoreOptions) => new SQLiteStore(newPath(), options);
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

/** What node:sqlite and better-sqlite3 have in common. */
interface Connection {
  exec(statements: string): unknown;
  prepare(statement: string): { all(): Record<string, unknown>[]; run(...parameters: unknown[]): unknown };
  close(): void;
}

const driver = await import(new URL("../../dist/cjs/stores/sqlite-driver.js", import.meta.url).href);
const openDatabase: (path: string) => Connection = await driver.sqliteDriver();

/** Another program's connection to the file, with the driver of this Node. */
function raw(path: string): Connection {
  closeSync(openSync(path, "a", 0o600));
  return openDatabase(path);
}

/** Does something in the file, as another program would. */
async function change(path: string, statements: string): Promise<void> {
  const file = raw(path);
  file.exec(statements);
  file.close();
}

const rows = (file: Connection, query: string) =>
  file
    .prepare(query)
    .all()
    .map((row) => ({ ...row }));

describe("SQLiteStore", () => {
  test("claims an id once", async () => {
    const store = open();
    const [id, other] = [newId(), newId()];
    assert.deepEqual(
      [await store.claim(id, 60), await store.claim(id, 60), await store.claim(other, 60)],
      [true, false, true],
    );
    assert.equal(store.lostAt, undefined);
  });

  test("lets one of 64 at once win, over two objects of one file", async () => {
    const one = open();
    const two = new SQLiteStore(one.path);
    const id = newId();
    const won = await Promise.all(Array.from({ length: 64 }, (_, each) => (each % 2 ? one : two).claim(id, 60)));
    assert.equal(won.filter(Boolean).length, 1);
  });

  test("puts, gets and takes values apart from claims", async () => {
    const store = open();
    const id = newId();
    assert.equal(await store.claim(id, 60), true);
    assert.deepEqual([await store.get(id), await store.take(id)], [null, null]);
    await store.put(id, Uint8Array.of(1), 60);
    await store.put(id, Buffer.from([0, 255]), 60);
    assert.deepEqual(await store.get(id), Uint8Array.of(0, 255));
    const taken = await Promise.all(Array.from({ length: 64 }, () => store.take(id)));
    assert.deepEqual(
      taken.filter((value) => value !== null),
      [Uint8Array.of(0, 255)],
    );
    assert.equal(await store.get(id), null);
    const large = randomBytes(65_536);
    await store.put(id, large, 60);
    assert.deepEqual(Buffer.from((await store.take(id)) as Uint8Array), large);
    await store.put(id, new Uint8Array(0), 1);
    assert.deepEqual(await store.get(id), new Uint8Array(0));
    await sleep(2100);
    assert.deepEqual([await store.get(id), await store.take(id)], [null, null]);
  });

  const wrong: [string, (store: SQLiteStore) => unknown, RegExp][] = [
    ["an id in upper case", (store) => store.claim("A".repeat(32), 60), /claim: id must be 32 hex digits/],
    ["a short id", (store) => store.take("ab"), /take: id/],
    ["no seconds", (store) => store.claim(newId(), 0), /claim: seconds must be a whole number of seconds/],
    ["half a second", (store) => store.claim(newId(), 1.5), /claim: seconds/],
    ["too many seconds", (store) => store.put(newId(), Uint8Array.of(1), 2 ** 31 + 1), /put: seconds/],
    ["a text as value", (store) => store.put(newId(), "text" as never, 60), /put: value must be a Uint8Array/],
    ["a large value", (store) => store.put(newId(), new Uint8Array(65_537), 60), /put: value .*64 KiB/],
    ["a path that is none", () => new SQLiteStore(5 as never), /SQLiteStore: path/],
    ["an empty path", () => new SQLiteStore(""), /SQLiteStore: path/],
    ["a small file", () => open({ maxBytes: 16_383 }), /SQLiteStore: maxBytes/],
    ["no time", () => open({ timeout: 0 }), /SQLiteStore: timeout/],
    ["an unknown option", () => open({ busyTimeout: 1 } as never), /unknown option "busyTimeout"/],
  ];
  for (const [name, work, message] of wrong) {
    test(`refuses ${name}`, async () => {
      const { message: said } = await rejectsWith("invalid_argument", async () => work(open()));
      assert.match(said, message);
    });
  }

  test("takes the longest time and the smallest file", async () => {
    const store = open({ maxBytes: 16_384, timeout: 60 });
    assert.equal(await store.claim(newId(), 2 ** 31), true);
  });

  test("has the form that every language reads", async () => {
    const store = open();
    const id = newId();
    await store.claim(id, 100);
    await store.put(id, Buffer.from("value"), 100);
    const file = raw(store.path);
    const pragma = (name: string) => rows(file, `PRAGMA ${name}`)[0]?.[name];
    const pragmas = ["application_id", "user_version", "page_size", "journal_mode"].map(pragma);
    assert.deepEqual(pragmas, [0x54414c59, 1, 1024, "wal"]);
    const [used] = rows(
      file,
      "SELECT hex(id) AS id, expires_at AS until, typeof(expires_at) AS type FROM tallystick_used",
    );
    assert.deepEqual([String(used?.["id"]).toLowerCase(), used?.["type"]], [id, "integer"]);
    assert.ok(Math.abs(Number(used?.["until"]) - inSeconds(101)) <= 1);
    assert.deepEqual(rows(file, "SELECT one, pruned, lost_at, length(born) AS born FROM tallystick_state"), [
      { one: 1, pruned: 0, lost_at: 0, born: 16 },
    ]);
    // What another language writes.
    const taken = newId();
    file.prepare("INSERT INTO tallystick_used VALUES (?, ?)").run(Buffer.from(taken, "hex"), inSeconds(50));
    file
      .prepare("INSERT INTO tallystick_values VALUES (?, ?, ?)")
      .run(Buffer.from(taken, "hex"), Buffer.from("theirs"), inSeconds(50));
    assert.equal(await store.claim(taken, 60), false);
    assert.deepEqual(Buffer.from((await store.take(taken)) as Uint8Array).toString(), "theirs");
    file.close();
  });

  test("makes its file for this user alone, and its folder", async () => {
    const store = new SQLiteStore(join(folder, "new", "folder", "a.sqlite3"));
    await store.claim(newId(), 60);
    assert.equal((await stat(store.path)).mode & 0o777, 0o600);
    assert.equal((await stat(join(folder, "new", "folder"))).mode & 0o777, 0o700);
    for (const beside of ["-wal", "-shm"]) assert.equal((await stat(store.path + beside)).mode & 0o777, 0o600);
  });

  test("opens its file again after it was closed", async () => {
    const store = open();
    const id = newId();
    assert.equal(await store.claim(id, 60), true);
    await store.close();
    await store.close();
    assert.equal(await store.claim(id, 60), false);
    assert.equal(store.lostAt, undefined);
  });

  test("forgets what has expired", async () => {
    const store = open();
    await store.claim(newId(), 60);
    await store.put(newId(), Uint8Array.of(1), 60);
    const file = raw(store.path);
    for (const [table, value] of [
      ["tallystick_used", ""],
      ["tallystick_values", ", x'00'"],
    ]) {
      file.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        INSERT INTO ${table} SELECT randomblob(16)${value}, ${inSeconds(-10)} FROM n`);
    }
    for (let each = 0; each < 400; each++) {
      await store.claim(newId(), 60);
      await store.put(newId(), Uint8Array.of(1), 60);
    }
    for (const table of ["tallystick_used", "tallystick_values"]) {
      const dead = `SELECT count(*) AS n FROM ${table} WHERE expires_at < ${inSeconds(0)}`;
      assert.deepEqual(rows(file, dead), [{ n: 0 }], table);
    }
    assert.deepEqual(rows(file, "SELECT count(*) AS n FROM tallystick_used"), [{ n: 401 }]);
    file.close();
  });
});

describe("a clock that was set back", () => {
  test("makes no used token usable again", async () => {
    const store = open();
    await store.claim(newId(), 60);
    const file = raw(store.path);
    file.prepare("UPDATE tallystick_state SET pruned = ?").run(inSeconds(100));
    const { message } = await rejectsWith("replay_store_unavailable", store.claim(newId(), 60));
    assert.match(message, /has forgotten claims that expire later than this one: the clock of this host was set back/);
    assert.equal(await store.claim(newId(), 200), true);
    file.close();
  });
});

describe("a file that another process has locked", () => {
  test("is waited for, and the event loop goes on", async () => {
    const store = open();
    await store.claim(newId(), 60);
    const file = raw(store.path);
    file.exec("BEGIN IMMEDIATE");
    const claims = Promise.all(Array.from({ length: 64 }, () => store.claim(newId(), 60)));
    await sleep(300);
    file.exec("COMMIT"); // in this process, so it would never come if the claims blocked the loop
    assert.deepEqual(new Set(await claims), new Set([true]));
    file.close();
  });

  test("for longer than its time refuses, all who wait within twice of it", async () => {
    const store = open({ timeout: 1 });
    await store.claim(newId(), 60);
    const file = raw(store.path);
    file.exec("BEGIN IMMEDIATE");
    const started = performance.now();
    const outcomes = await Promise.allSettled(Array.from({ length: 64 }, () => store.claim(newId(), 60)));
    const lasted = performance.now() - started;
    assert.ok(lasted >= 999 && lasted < 2000, `${lasted}`);
    for (const outcome of outcomes) {
      assert.equal(outcome.status, "rejected");
      assert.match(
        String(outcome.reason),
        /^ReplayStoreUnavailableError: store sqlite:.* was locked by another process/,
      );
    }
    file.exec("COMMIT");
    assert.equal(await store.claim(newId(), 60), true);
    file.close();
  });

  test("when it is new is waited for, too", async () => {
    const path = newPath();
    const file = raw(path);
    file.exec("BEGIN EXCLUSIVE");
    const claim = new SQLiteStore(path).claim(newId(), 60);
    await sleep(100);
    file.exec("ROLLBACK");
    assert.equal(await claim, true);
    file.close();
  });
});

describe("a file that is lost while it is used", () => {
  const lose: Readonly<Record<string, (path: string) => Promise<void>>> = {
    "is deleted": async (path) => {
      for (const end of ["", "-wal", "-shm"]) await rm(path + end, { force: true });
    },
    "is replaced by an older copy": async (path) => {
      await copyFile(path, `${path}.copy`);
      for (const end of ["", "-wal", "-shm"]) await rm(path + end, { force: true });
      await rename(`${path}.copy`, path);
    },
    "was replaced while it was closed": async (path) => {
      await copyFile(path, `${path}.copy`);
      await rename(`${path}.copy`, path);
    },
  };
  for (const [name, act] of Object.entries(lose)) {
    test(`${name}: the first call fails, and all processes learn when`, async () => {
      const store = open();
      const used = newId();
      await store.claim(used, 60);
      if (name.includes("copy") || name.includes("closed")) await store.close();
      if (name.includes("copy")) await store.claim(newId(), 60);
      await act(store.path);
      const before = Math.floor(Date.now() / 1000);
      const { message } = await rejectsWith("replay_store_unavailable", store.claim(used, 60));
      assert.match(message, /was deleted or replaced while it was in use: tokens that were issued by \d+ \(seconds/);
      const lostAt = store.lostAt ?? 0;
      assert.ok(lostAt >= before && lostAt <= before + 2, `${lostAt}`);
      assert.equal(await store.claim(newId(), 60), true);
      assert.equal(store.lostAt, lostAt);
      const late = new SQLiteStore(store.path);
      assert.equal(await late.claim(newId(), 60), true);
      assert.equal(late.lostAt, lostAt);
    });
  }

  test("and whose loss another process notes later", async () => {
    const [witness, fresh] = [open(), new SQLiteStore(newPath())];
    await witness.claim(newId(), 60);
    await fresh.claim(newId(), 60);
    await fresh.close();
    for (const end of ["", "-wal", "-shm"]) await rm(witness.path + end, { force: true });
    await rename(fresh.path, witness.path);
    const other = new SQLiteStore(witness.path);
    assert.equal(await other.claim(newId(), 60), true); // it knows of nothing
    await rejectsWith("replay_store_unavailable", witness.claim(newId(), 60));
    await rejectsWith("replay_store_unavailable", other.claim(newId(), 60));
    assert.equal(other.lostAt, witness.lostAt);
    assert.equal(await other.claim(newId(), 60), true);
  });

  test("is no loss where it is only closed", async () => {
    const store = open();
    await store.claim(newId(), 60);
    await store.close();
    await new SQLiteStore(store.path).claim(newId(), 60);
    assert.equal(await store.claim(newId(), 60), true);
    assert.equal(store.lostAt, undefined);
  });

  test("by an agent: its used tokens are refused with 503, never accepted", async () => {
    const store = open();
    const auth = agent({ store, clockSkew: 0 });
    const verify = (text: string) => auth.verify({ authorization: `Bearer ${text}`, method: "POST", path: "/agent" });
    const used = token({ unbound: true });
    await verify(used);
    await rejectsWith("replay_detected", verify(used));
    await rm(store.path);
    for (const text of [used, used, token({ unbound: true })]) {
      await rejectsWith("replay_store_unavailable", verify(text));
    }
    await sleep((store.lostAt as number) * 1000 + 1010 - Date.now());
    await verify(token({ unbound: true }));
  });
});

describe("a file that is none of its own", () => {
  const cases: [string, (path: string) => Promise<unknown>, RegExp][] = [
    ["is a text", (path) => writeFile(path, "no database, and longer than the header of one"), /move it away/],
    ["is another application's", (path) => change(path, "CREATE TABLE a(b)"), /another application/],
    ["has another application's number", (path) => change(path, "PRAGMA application_id = 5"), /another application/],
    [
      "is of another version",
      (path) => change(path, `PRAGMA application_id = ${0x54414c59}; PRAGMA user_version = 2`),
      /its format is version 2, and this package has 1\): move it away/,
    ],
    ["is a folder", (path) => mkdir(path), /it is a folder/],
    ["every user may write to", (path) => writeFile(path, "").then(() => chmod(path, 0o666)), /chmod 600/],
    ["is a symbolic link", (path) => symlink(`${path}.target`, path), /ELOOP/],
  ];
  for (const [name, make, message] of cases) {
    test(`because it ${name} is left alone`, async () => {
      const path = newPath();
      await make(path);
      const store = new SQLiteStore(path);
      for (let again = 0; again < 2; again++) {
        const { message: said } = await rejectsWith("replay_store_unavailable", store.claim(newId(), 60));
        assert.match(said, /^store sqlite:\/\/\/.*\.sqlite3 cannot be used \(/);
        assert.match(said, message);
      }
      assert.equal(existsSync(`${path}-wal`), false);
      assert.equal(existsSync(`${path}.target`), false);
    });
  }

  test("works again once it is moved away", async () => {
    const path = newPath();
    await writeFile(path, "no database, and longer than the header of one");
    const store = new SQLiteStore(path);
    await rejectsWith("replay_store_unavailable", store.claim(newId(), 60));
    await rename(path, `${path}.old`);
    assert.equal(await store.claim(newId(), 60), true);
  });
});

test("a full file refuses and forgets nothing that is alive", async () => {
  const store = open({ maxBytes: 65_536 });
  const ids: string[] = [];
  const { message } = await rejectsWith("replay_store_unavailable", async () => {
    for (;;) {
      const id = newId();
      if (await store.claim(id, 60)) ids.push(id);
    }
  });
  assert.match(message, /full\): free space on that disk, or raise the limit: new SQLiteStore\(path, \{ maxBytes \}\)/);
  assert.ok(ids.length > 500, `${ids.length}`);
  for (const id of ids) assert.equal(await store.claim(id, 60), false);
  // What has expired makes room.
  const file = raw(store.path);
  file.prepare("UPDATE tallystick_used SET expires_at = ?").run(inSeconds(-1));
  file.close();
  assert.equal(await store.claim(newId(), 60), true);
});

const entry = new URL("../../dist/index.js", import.meta.url);
const IMPORTS = `import { SQLiteStore } from ${JSON.stringify(entry.href)};`;

/** Claims the same ids as all others do, in an order of its own. */
const CLAIMANT = `
  const [, , path, first, count] = process.argv;
  const store = new SQLiteStore(path, { timeout: 20 });
  const won = [];
  for (let each = 0; each < count; each++) {
    const number = (Number(first) + each) % count;
    const id = number.toString(16).padStart(32, "0");
    if (await store.claim(id, 300)) won.push(number);
  }
  await store.close();`;

describe("one file, many users: each id is claimed once", () => {
  const COUNT = 2000;
  const all = Array.from({ length: COUNT }, (_, number) => number);

  async function scripts(code: string) {
    const script = join(folder, `${count++}.mjs`);
    await writeFile(script, code);
    return (first: number, path: string) => runNode([script, path, String(first), String(COUNT)]);
  }

  function wonBy(
    outputs: readonly { readonly code: number | null; readonly stdout: string; readonly stderr: string }[],
  ) {
    for (const { code, stderr } of outputs) assert.equal(code, 0, stderr);
    return outputs.flatMap(({ stdout }) => JSON.parse(stdout) as number[]).sort((one, two) => one - two);
  }

  test("processes", async () => {
    const start = await scripts(`${IMPORTS}${CLAIMANT} console.log(JSON.stringify(won));`);
    const path = newPath();
    assert.deepEqual(wonBy(await Promise.all([0, 500, 1000].map((first) => start(first, path)))), all);
  });

  test("workers of node:cluster", async () => {
    const start = await scripts(`import cluster from "node:cluster"; ${IMPORTS}
      if (cluster.isPrimary) {
        const won = [];
        cluster.on("message", (_, each) => won.push(...each));
        cluster.on("exit", () => Object.keys(cluster.workers).length || console.log(JSON.stringify(won)));
        for (let each = 0; each < 4; each++) cluster.fork();
      } else {
        ${CLAIMANT}
        process.send(won, () => process.disconnect());
      }`);
    assert.deepEqual(wonBy([await start(0, newPath())]), all);
  });

  test("worker_threads", async () => {
    const start = await scripts(`import { isMainThread, parentPort, Worker } from "node:worker_threads"; ${IMPORTS}
      if (isMainThread) {
        const threads = Array.from({ length: 4 }, () => new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) }));
        const won = await Promise.all(threads.map((thread) => new Promise((resolve, reject) => {
          thread.on("message", resolve); thread.on("error", reject);
        })));
        console.log(JSON.stringify(won.flat()));
      } else {
        ${CLAIMANT}
        parentPort.postMessage(won);
      }`);
    assert.deepEqual(wonBy([await start(0, newPath())]), all);
  });

  const python = fileURLToPath(new URL("../../../../build/venv/bin/python", import.meta.url));
  const skip = existsSync(python) ? false : "the Python package is not built: make python";
  test("Node and Python", { skip }, async () => {
    const start = await scripts(`${IMPORTS}${CLAIMANT} console.log(JSON.stringify(won));`);
    const script = join(folder, "claimant.py");
    await writeFile(
      script,
      `import json, sys
from tallystick import SQLiteStore
path, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
store = SQLiteStore(path, timeout=20)
numbers = [(first + each) % count for each in range(count)]
print(json.dumps([number for number in numbers if store.claim(f"{number:032x}", 300)]))
store.put("${"a".repeat(32)}", b"python", 300)
`,
    );
    const path = newPath();
    const theirs = run(python, [script, path, "1000", String(COUNT)]);
    assert.deepEqual(wonBy(await Promise.all([start(0, path), start(500, path), theirs])), all);
    const store = new SQLiteStore(path);
    assert.equal(Buffer.from((await store.take("a".repeat(32))) as Uint8Array).toString(), "python");
  });
});

test("what was claimed survives kill -9", async () => {
  const script = join(folder, "killed.mjs");
  await writeFile(
    script,
    `${IMPORTS} const store = new SQLiteStore(process.argv[2]);
     for (let each = 0; each < 100; each++) await store.claim(each.toString(16).padStart(32, "0"), 60);
     process.kill(process.pid, "SIGKILL");`,
  );
  const path = newPath();
  await runNode([script, path]);
  const store = new SQLiteStore(path);
  for (let each = 0; each < 100; each++) {
    assert.equal(await store.claim(each.toString(16).padStart(32, "0"), 60), false);
  }
  assert.equal(await store.claim(newId(), 60), true);
});

describe("the default", () => {
  const CODE = `const { SQLiteStore } = await import(${JSON.stringify(entry.href)}); console.log(new SQLiteStore().path);`;
  const pathWith = async (env: NodeJS.ProcessEnv) => {
    const { stdout, stderr } = await runNode(["--input-type=module", "-e", CODE], { env });
    assert.equal(stderr, "");
    return stdout.trim();
  };

  test("is a file of this user", async () => {
    assert.equal(await pathWith({ XDG_STATE_HOME: "/state", HOME: "/home/a" }), "/state/tallystick/store.sqlite3");
    for (const state of [{}, { XDG_STATE_HOME: "" }, { XDG_STATE_HOME: "relative" }]) {
      assert.equal(await pathWith({ ...state, HOME: "/home/a" }), "/home/a/.local/state/tallystick/store.sqlite3");
    }
    assert.ok((await pathWith({})).startsWith(homedir()));
  });

  const builtIn = (process as { getBuiltinModule?(name: string): unknown }).getBuiltinModule?.("node:sqlite");
  const skip = builtIn === undefined ? false : "this Node has SQLite itself";
  test("without SQLite is the memory of one process, which the log says with what to do", { skip }, async () => {
    const alone = await temporaryFolder();
    const root = fileURLToPath(new URL("../..", import.meta.url));
    await cp(join(root, "dist"), join(alone, "dist"), { recursive: true });
    await copyFile(join(root, "package.json"), join(alone, "package.json"));
    await writeFile(
      join(alone, "main.mjs"),
      `import { AgentAuth, SQLiteStore } from "./dist/index.js";
       for (let again = 0; again < 2; again++) await new AgentAuth({ keys: {}, devMode: false }).ready();
       const said = [];
       await new AgentAuth({ keys: {}, devMode: false, store: "sqlite:", logger: { warn() {}, error() {} } })
         .ready().catch((error) => said.push(error.code, error.message));
       await new SQLiteStore("a.sqlite3").claim("0".repeat(32), 60).catch((error) => said.push(error.code));
       console.log(JSON.stringify(said));`,
    );
    const { stdout, stderr } = await runNode([join(alone, "main.mjs")]);
    assert.equal(stderr.match(/memory of this process alone.*npm install better-sqlite3/g)?.length, 1, stderr);
    const [code, message, another] = JSON.parse(stdout) as string[];
    assert.deepEqual([code, another], ["invalid_argument", "invalid_argument"]);
    assert.match(message ?? "", /Node 22.13 or later, or the package better-sqlite3: run "npm install better-sqlite3"/);
  });
});

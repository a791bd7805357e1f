// How the drivers that start a runtime live and end: node --test conformance/drivers/node
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const { TALLYSTICK_WORKERD, TALLYSTICK_CHROMIUM, TALLYSTICK_RUNTIMES } = process.env;
/** @type {Record<string, string[]>} */
const DRIVERS = {
  workerd: [TALLYSTICK_WORKERD ?? join(ROOT, "build/runtimes/bin/workerd")],
  chromium: [
    TALLYSTICK_CHROMIUM ?? "/usr/bin/chromium",
    join(TALLYSTICK_RUNTIMES ?? join(ROOT, "build/runtimes"), "node_modules/playwright-core"),
  ],
};

/** How long what was ended may still be seen, in milliseconds. */
const GONE_WITHIN = 20_000;

/** @type {Set<Driver>} */
const running = new Set();
after(() => {
  for (const { child } of running) child.kill("SIGKILL");
});

/** A driver in a process group of its own, with a folder of its own for temporary files. */
class Driver {
  /**
   * @param {string} name
   * @param {string[]} flags
   */
  static async start(name, ...flags) {
    const folder = await mkdtemp(join(tmpdir(), "driver-"));
    after(() => rm(folder, { recursive: true, force: true }));
    const program = join(ROOT, "conformance/drivers", name, "driver.mjs");
    const env = { ...process.env, TMPDIR: folder };
    const child = spawn(process.execPath, [program, ...flags], { env, stdio: "pipe", detached: true });
    return new Driver(folder, child);
  }

  printed = "";

  /**
   * @param {string} folder
   * @param {import("node:child_process").ChildProcessWithoutNullStreams} child
   */
  constructor(folder, child) {
    this.folder = folder;
    this.child = child;
    child.stdin.on("error", () => {}); // it may be gone already, which is what some tests are about
    child.stderr.setEncoding("utf8").on("data", (text) => {
      this.printed += text;
    });
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    /** @type {Promise<number | null>} */
    this.ended = new Promise((resolve) => child.on("close", (status) => resolve(status)));
    running.add(this);
    this.ended.then(() => running.delete(this));
  }

  get pid() {
    return /** @type {number} */ (this.child.pid);
  }

  /**
   * The driver's reply, or undefined when it ended instead.
   * @param {string} op
   * @param {string} request
   */
  async ask(op, request, body = "") {
    const texts = { request: Buffer.from(request).toString("base64"), body: Buffer.from(body).toString("base64") };
    this.child.stdin.write(`${JSON.stringify({ id: 1, op, ...texts })}\n`);
    const { value } = await this.lines.next();
    return value && JSON.parse(value);
  }

  /** Every process below the driver, by number. */
  below() {
    const rows = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
    const pairs = rows.map((row) => /** @type {[number, number]} */ (row.trim().split(/\s+/).map(Number)));
    /** @type {(parent: number) => number[]} */
    const children = (parent) => pairs.filter(([, of]) => of === parent).flatMap(([pid]) => [pid, ...children(pid)]);
    return children(this.pid);
  }
}

/** @param {number} pid */
function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** @param {number[]} pids */
async function gone(pids) {
  assert.ok(pids.length > 0, "the driver started something");
  const until = Date.now() + GONE_WITHIN;
  while (pids.some(alive) && Date.now() < until) await sleep(50);
  assert.deepEqual(pids.filter(alive), []);
}

for (const [name, needs] of Object.entries(DRIVERS)) {
  const missing = needs.find((file) => !existsSync(file));
  const skip = missing !== undefined && `there is no ${missing}: run "make setup-runtimes"`;

  describe(`the driver ${name}`, { skip, timeout: 300_000 }, () => {
    test("answers, and ends with its input", async () => {
      const driver = await Driver.start(name);
      const { id, answer } = await driver.ask("digest.body", "{}", "abc");
      assert.equal(id, 1);
      const { ok } = JSON.parse(Buffer.from(answer, "base64").toString("utf8"));
      assert.equal(ok.content_sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
      const below = driver.below();
      driver.child.stdin.end();
      assert.equal(await driver.ended, 0, driver.printed);
      await gone(below);
      assert.deepEqual(await readdir(driver.folder), []);
    });

    /** @type {[string, (driver: Driver) => boolean][]} */
    const ends = [
      ["SIGTERM", ({ child }) => child.kill("SIGTERM")],
      ["SIGKILL", ({ child }) => child.kill("SIGKILL")],
      ["Ctrl-C", ({ pid }) => process.kill(-pid, "SIGINT")],
    ];
    for (const [how, end] of ends) {
      test(`leaves nothing running after ${how}`, async () => {
        const driver = await Driver.start(name);
        assert.ok((await driver.ask("version", "{}")).answer);
        const below = driver.below();
        end(driver);
        await driver.ended;
        await gone(below);
        if (how !== "SIGKILL") assert.deepEqual(await readdir(driver.folder), []);
      });
    }

    test("says that its runtime died", async () => {
      const driver = await Driver.start(name);
      assert.ok((await driver.ask("version", "{}")).answer);
      for (const pid of driver.below()) if (alive(pid)) process.kill(pid, "SIGKILL");
      const reply = await driver.ask("version", "{}");
      assert.ok(reply === undefined || reply.failed, JSON.stringify(reply));
      driver.child.stdin.end();
      await driver.ended;
    });

    test("says which program is missing", async () => {
      const driver = await Driver.start(name, `--${name}`, "/no/such/program");
      assert.equal(await driver.ended, 2);
      assert.match(driver.printed, /no \/no\/such\/program.*setup-runtimes/);
    });
  });
}

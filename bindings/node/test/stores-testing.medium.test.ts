// The store test finds what is wrong with a store.
import assert from "node:assert/strict";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { TallystickError } from "tallystick";
import { checkStore, StoreTestError, type StoreTestOptions } from "tallystick/testing";
import { temporaryFolder } from "./support.js";

const folder = await temporaryFolder();
const QUICK: StoreTestOptions = { processes: 2, claimants: 8, ids: 20 };

/**
 * A store of files, each of which is made in one atomic step, as a user would write one.
 *
 * @param claim - The body of its claim, where it is another one.
 * @param more - Other members.
 */
function moduleOf(name: string, claim = GOOD, more = ""): URL {
  const file = join(folder, `${name}.mjs`);
  const files = JSON.stringify(join(folder, `${name}-`));
  writeFileSync(
    file,
    `import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
     import { setTimeout as sleep } from "node:timers/promises";
     const isDown = () => existsSync(${files} + "down");
     const fileOf = (id) => ${files} + id;
     const make = (id, seconds) => {
       try {
         writeFileSync(fileOf(id), String(Date.now() + seconds * 1000), { flag: "wx" });
         return true;
       } catch (error) {
         if (error.code !== "EEXIST") throw error;
         return false;
       }
     };
     export default () => ({
       async claim(id, seconds) {
         ${claim}
       },
       ${more}
     });`,
  );
  return pathToFileURL(file);
}

const GOOD = `if (isDown()) { await sleep(100); throw new Error("it is down"); }
  return make(id, seconds);`;

/** Outages of the store of a name. */
function outagesOf(name: string): StoreTestOptions {
  const down = join(folder, `${name}-down`);
  return { pause: () => writeFileSync(down, ""), resume: () => rmSync(down), restart: () => {} };
}

/** The check that fails, and why. */
async function failure(module: URL | string, options: StoreTestOptions = QUICK): Promise<string> {
  try {
    await checkStore(module, { ...QUICK, ...options });
  } catch (error) {
    assert.ok(error instanceof StoreTestError, String(error));
    assert.ok(error.message.startsWith(`${error.check}: `));
    return error.message;
  }
  return assert.fail("the store test passed");
}

describe("the store test", { concurrency: 2 }, () => {
  test("passes a good store, and says what it did", async () => {
    const lines: string[] = [];
    await checkStore(moduleOf("good"), { ...QUICK, ...outagesOf("good"), onProgress: (line) => lines.push(line) });
    assert.deepEqual(
      lines.map((line) => line.replace(/: passed in \d+\.\d s$/, "")),
      [
        "wrong arguments are refused",
        "claim: one of many gets an id",
        "claim: other ids are free",
        "claim: kept for its seconds",
        "put, get, take",
        "take: one of many gets a value",
        "put: gone after its seconds",
        "a server that hangs",
        "a server that restarts",
      ],
    );
  });

  const wrong: [name: string, module: () => URL, found: RegExp, options?: StoreTestOptions][] = [
    [
      "of one process",
      () => moduleOf("process", "this.used ??= new Set(); return this.used.size < this.used.add(id).size;"),
      /^claim: one of many gets an id: /,
    ],
    [
      "without an atomic step",
      () => moduleOf("race", "if (existsSync(fileOf(id))) return false; await sleep(1); make(id, 1); return true;"),
      /^claim: one of many gets an id: of 8 claimants of one id, \d+ were told that it was free: claim must be one atomic step/,
    ],
    [
      "that knows ids by their beginning",
      () => moduleOf("short", "return make(id.slice(0, 20), seconds);"),
      /^claim: other ids are free: /,
    ],
    [
      "that forgets early",
      () => moduleOf("early", "setTimeout(() => rmSync(fileOf(id), { force: true }), 1000); return make(id, seconds);"),
      /^claim: kept for its seconds: a call returned true, not false: an id that is claimed for 2 s is taken before that/,
    ],
    [
      "whose time overflows",
      () => moduleOf("overflow", "const made = make(id, seconds); if (seconds > 1e9) rmSync(fileOf(id)); return made;"),
      /^claim: kept for its seconds: .*claimed for a day/,
    ],
    [
      "that returns 1",
      () => moduleOf("number", "return make(id, seconds) ? 1 : 0;"),
      /a call returned number: claim must return true or false/,
    ],
    ["that returns nothing", () => moduleOf("nothing", "make(id, seconds);"), /a call returned undefined/],
    ["that returns null", () => moduleOf("null", "return make(id, seconds) || null;"), /a call returned null/],
    [
      "that throws",
      () => moduleOf("throws", 'throw new Error("no");'),
      /^claim: one of many gets an id: a call threw: no$/,
    ],
    [
      "that passes when it is down",
      () => moduleOf("open", "return isDown() || make(id, seconds);"),
      /^a server that hangs: claim was answered while its server hung: it must throw/,
      outagesOf("open"),
    ],
    [
      "that waits too long",
      () => moduleOf("slow", "if (!isDown()) return make(id, seconds); await sleep(1500); throw new Error();"),
      /^a server that hangs: a call took 1\.\d s, and its timeout is 0\.5 s/,
      { ...outagesOf("slow"), timeout: 0.5 },
    ],
    [
      "that forgets in a restart",
      () => moduleOf("forgets"),
      /^a server that restarts: an id that was claimed around an outage was free once more: .*lostAt/,
      { restart: () => forget("forgets") },
    ],
    [
      "that gives a value to many",
      () =>
        moduleOf(
          "values",
          GOOD,
          `async put(id, value) { writeFileSync(fileOf(id) + "-value", value); },
           async get(id) { return existsSync(fileOf(id) + "-value") ? readFileSync(fileOf(id) + "-value") : null; },
           async take(id) {
             const value = await this.get(id);
             await sleep(1);
             rmSync(fileOf(id) + "-value", { force: true });
             return value;
           },`,
        ),
      /^take: one of many gets a value: \d+ took one value: take must be one atomic step/,
    ],
    [
      "whose module does not open it",
      () => pathToFileURL(join(folder, "none.mjs")),
      /^open: a process with the store ended/,
    ],
  ];
  for (const [name, module, found, options] of wrong) {
    test(`finds a store ${name}`, async () => {
      assert.match(await failure(module(), options), found);
    });
  }

  test("takes back what a store says that it lost", async () => {
    const module = moduleOf(
      "tells",
      GOOD,
      `get lostAt() { return existsSync(fileOf("lost")) ? Number(readFileSync(fileOf("lost"))) : undefined; },`,
    );
    await checkStore(module, { ...QUICK, restart: () => forget("tells", true) });
  });

  test("refuses wrong options", async () => {
    for (const options of [{ processes: 0 }, { claimants: 1 }, { ids: 1.5 }, { restart: "now" }, { threads: 4 }]) {
      await assert.rejects(
        checkStore("store.mjs", options as never),
        (error) => error instanceof TallystickError && error.code === "invalid_argument",
      );
    }
  });
});

/** Removes what a store holds, and may tell that. */
function forget(name: string, tells = false): void {
  if (tells) writeFileSync(join(folder, `${name}-lost`), String(Date.now() / 1000));
  for (const file of readdirSync(folder)) {
    if (file.startsWith(`${name}-`) && file !== `${name}-lost`) rmSync(join(folder, file));
  }
}

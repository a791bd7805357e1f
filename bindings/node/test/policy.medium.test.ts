// The policy of a running agent changes: by its file, or by the program.
import assert from "node:assert/strict";
import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type AuthConfigInput, AuthSkill } from "tallystick";
import { Lines, rejectsWith, temporaryFolder } from "./support.js";

const ME = "https://me.example";
const OTHER = "https://other.example";
const DENY = { deny: [OTHER] };

let folder: string;
let keys: Record<string, string>;
let token: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "policy-"));
  const caller = new AuthSkill(
    { baseUrl: OTHER, keysDir: join(folder, "other") },
    { logger: new Lines(), store: "memory:" },
  );
  after(() => caller.close());
  const answer = await caller.fetchEndpoints()(new Request(`${OTHER}/.well-known/jwks.json`));
  keys = { [OTHER]: await (answer as Response).text() };
  token = await caller.generateToken(ME, ["read"]);
});

after(() => rm(folder, { recursive: true }));

/** Writes a file that counts as settled at once. */
async function write(path: string, more: object): Promise<void> {
  await writeFile(path, JSON.stringify({ base_url: ME, ...more }));
  const past = Date.now() / 1000 - 1;
  await utimes(path, past, past);
}

async function opened(name: string, more: object = {}) {
  const path = join(await temporaryFolder(), `${name}.json`);
  await write(path, more);
  const logger = new Lines();
  const options = { keys, keysDir: join(path, "..", "me"), logger, store: "memory:" };
  const agent = await AuthSkill.fromFile(path, options);
  after(() => agent.close());
  const denied = async () => (await agent.verifyToken(token).catch((error) => error.code)) === "issuer_denied";
  return { agent, path, logger, denied, nameOf: async () => (await agent.verifyToken(token)).name };
}

/** Asks until it is so. The file is looked at twice a second. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 30_000;
  while (!(await holds())) {
    assert.ok(Date.now() < end, "nothing has changed");
    await pause(50);
  }
}

describe("the file of a running agent", () => {
  test("a new deny holds for a token that was verified before", async () => {
    const { path, denied, nameOf } = await opened("deny");
    assert.equal(await nameOf(), "example.other");
    await write(path, DENY);
    await eventually(denied);
    await write(path, {});
    await eventually(async () => !(await denied()));
  });

  test("a version that is wrong is logged once, and the old one stays", async () => {
    const { agent, path, logger, denied, nameOf } = await opened("wrong");
    await write(path, { deny: ["other.example"] });
    await eventually(async () => (await nameOf()) !== "" && logger.errors.join().includes("stays in use"));
    await pause(600);
    assert.equal(await nameOf(), "example.other");
    assert.equal(logger.errors.join().match(/stays in use/g)?.length, 1);
    assert.match(logger.errors.join(), /wrong\.json: deny\[0\]: must begin with @/);
    assert.match((await agent.stats()).policyRefused ?? "", /^wrong\.json: deny\[0\]/);
    assert.match((await agent.ready()).policyRefused ?? "", /^wrong\.json: deny\[0\]/);
    await write(path, DENY);
    await eventually(denied);
    assert.equal((await agent.stats()).policyRefused, "");
  });

  test("one that is gone changes nothing", async () => {
    const { path, logger, nameOf } = await opened("gone");
    await rm(path);
    await eventually(async () => (await nameOf()) !== "" && logger.errors.join().includes("cannot be read"));
    assert.equal(await nameOf(), "example.other");
  });
});

describe("reload", () => {
  const mine = () => ({ baseUrl: ME, keysDir: join(folder, "me") });
  const make = (config: AuthConfigInput = mine()) => {
    const agent = new AuthSkill(config, { keys, logger: new Lines(), store: "memory:" });
    after(() => agent.close());
    return agent;
  };

  const fixed: readonly (readonly [string, unknown])[] = [
    ["baseUrl", OTHER],
    ["agentId", "robert"],
    ["authority", "https://portal.example"],
    ["keysDir", "elsewhere"],
    ["tokenTtl", 60],
    ["devMode", true],
    ["leeway", 1],
    ["maxBuffered", 2 ** 30],
  ];
  for (const [name, value] of fixed) {
    test(`${name} needs a restart`, async () => {
      const agent = make();
      const changed = agent.reload({ ...mine(), ...DENY, [name]: value } as AuthConfigInput);
      assert.match((await rejectsWith("invalid_config", changed)).message, /restart/);
      assert.equal((await agent.verifyToken(token)).name, "example.other");
      await agent.reload({ ...mine(), ...DENY });
      await rejectsWith("issuer_denied", agent.verifyToken(token));
    });
  }

  test("takes a configuration, or the file at once", async () => {
    const { agent, path, nameOf } = await opened("reload");
    await write(path, { accept_from: ["nobody"] });
    await agent.reload();
    await rejectsWith("trust_denied", nameOf());
    await agent.reload({ baseUrl: ME });
    assert.equal(await nameOf(), "example.other");
    await write(path, { denny: [] });
    assert.match(
      (await rejectsWith("invalid_config", agent.reload())).message,
      /^reload\.json: denny: there is no such key/,
    );
    assert.equal(await nameOf(), "example.other");
  });

  test("without a file needs a configuration", async () => {
    const agent = make();
    assert.match((await rejectsWith("invalid_argument", agent.reload())).message, /reload\(config\) needs/);
    await rejectsWith("invalid_argument", agent.reload("auth.yaml" as never));
    await agent.reload({ ...mine(), deny: ["@banned"] });
  });
});

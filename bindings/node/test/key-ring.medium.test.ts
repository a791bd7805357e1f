import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, sign as cryptoSign, type KeyObject } from "node:crypto";
import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { AuthSkill, type AuthSkillOptions, KeyManager } from "tallystick";
import { type Finished, known, Lines, newest, quiet, rejectsWith, runNode, temporaryFolder } from "./support.js";

const here = fileURLToPath(new URL("../..", import.meta.url));

interface Ring {
  readonly version: number;
  readonly keys: readonly { readonly kid: string; readonly state: string; readonly private_pem?: string }[];
}

async function open(keysDir: string, options: AuthSkillOptions = {}, baseUrl = "https://agents.example/me") {
  const skill = new AuthSkill({ baseUrl, keysDir }, { logger: quiet, ...options });
  after(() => skill.close().catch(() => {}));
  return skill;
}

async function ringIn(folder: string, name = "me.ring.json"): Promise<Ring> {
  return JSON.parse(await readFile(await newest(folder, name), "utf8")) as Ring;
}

async function mode(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

describe("the key ring", () => {
  test("is made with an active and a next key, for its owner alone", async () => {
    const folder = join(await temporaryFolder(), "new", "keys");
    const { keyId } = await (await open(folder)).ready();
    assert.equal(await mode(folder), 0o700);
    assert.equal(await mode(join(folder, "me.ring.json.1")), 0o600);
    const { version, keys } = await ringIn(folder);
    assert.equal(version, 1);
    assert.deepEqual(keys.map(({ state }) => state).sort(), ["active", "next"]);
    assert.equal(keys.find(({ state }) => state === "active")?.kid, keyId);
    assert.deepEqual(await readdir(folder), ["me.ring.json.1"]);
  });

  test("has no old key after a revocation, and its old tokens are refused; a rotation keeps them", async () => {
    for (const revoke of [true, false]) {
      const folder = await temporaryFolder();
      const skill = await open(folder);
      const stolen = await skill.generateToken("https://agents.example/me");
      const before = (await ringIn(folder)).keys.map(({ kid }) => kid);
      await skill.rotateKeys(revoke ? { revoke } : { force: true });
      const kept = (await ringIn(folder)).keys.filter(({ kid }) => before.includes(kid));
      assert.equal(kept.length, revoke ? 0 : 2);
      assert.equal((await skill.validateToken(stolen)) === null, revoke);
      assert.ok(await skill.validateToken(await skill.generateToken("https://agents.example/me")));
    }
  });

  test("is made once by processes that start together", async () => {
    const folder = await temporaryFolder();
    const script = join(folder, "start.mjs");
    const entry = join(here, "dist", "index.js");
    await writeFile(
      script,
      `import { AuthSkill } from ${JSON.stringify(entry)};
       const skill = new AuthSkill({ baseUrl: "https://agents.example/me", keysDir: ${JSON.stringify(join(folder, "keys"))} }, { store: { claim: () => true } });
       console.log((await skill.ready()).keyId);
       await skill.close();`,
    );
    const finished: Finished[] = await Promise.all(Array.from({ length: 6 }, () => runNode([script])));
    const kids = new Set(finished.map(({ stdout, stderr }) => stdout.trim() + stderr));
    assert.equal(kids.size, 1, [...kids].join());
    const { keys } = await ringIn(join(folder, "keys"));
    assert.equal(keys.find(({ state }) => state === "active")?.kid, [...kids][0]);
  });

  test("begins with the key that webagents made, if there is one", async () => {
    const folder = await temporaryFolder({ "me.pem": known.privatePem });
    await chmod(join(folder, "me.pem"), 0o600);
    assert.equal((await (await open(folder)).ready()).keyId, known.kid);
    // Its names: "/" and ":" become "_", "@" goes.
    const other = await temporaryFolder({ "team_bot.pem": known.privatePem });
    await chmod(join(other, "team_bot.pem"), 0o600);
    const skill = new AuthSkill(
      { agentId: "team/bot", baseUrl: "https://a.example/x", keysDir: other },
      { logger: quiet },
    );
    after(() => skill.close());
    assert.equal((await skill.ready()).keyId, known.kid);
  });

  test("does not begin with a key that cannot sign, which is named", async () => {
    const folder = await temporaryFolder({ "me.pem": known.publicPem });
    await chmod(join(folder, "me.pem"), 0o600);
    const error = await rejectsWith("invalid_key", (await open(folder)).ready());
    assert.match(error.message, /me\.pem.*move it away/);
  });

  test("that others may read is refused, with the fix", async () => {
    const folder = await temporaryFolder();
    await (await open(folder)).ready();
    const path = await newest(folder, "me.ring.json");
    await chmod(path, 0o640);
    const error = await rejectsWith("invalid_config", (await open(folder)).ready());
    assert.match(error.message, /me\.ring\.json.*chmod 600/);
    await chmod(path, 0o600);
    await (await open(folder)).ready();
  });

  test("is not made in a folder that others may enter", async () => {
    const folder = join(await temporaryFolder(), "open");
    await mkdir(folder, { mode: 0o755 });
    const error = await rejectsWith("invalid_config", (await open(folder)).ready());
    assert.match(error.message, /chmod 700/);
    await chmod(folder, 0o700);
    await (await open(folder)).ready();
  });

  test("that is broken is refused, is not replaced and is not quoted", async () => {
    const folder = await temporaryFolder();
    await (await open(folder)).ready();
    const path = await newest(folder, "me.ring.json");
    const whole = await readFile(path, "utf8");
    for (const text of [whole.slice(0, -20), "[]", '{"version":1,"keys":[{"kid":5}]}', '"secret text"']) {
      await writeFile(path, text);
      const logger = new Lines();
      const error = await rejectsWith("invalid_config", (await open(folder, { logger })).ready());
      assert.match(error.message, /me\.ring\.json.*restore/);
      assert.doesNotMatch(inspect(error) + logger.errors.join(), /PRIVATE|secret text/);
      assert.equal(await readFile(path, "utf8"), text);
    }
    await writeFile(path, whole);
    await (await open(folder)).ready();
  });

  test("in a key that does not fit its id is refused by the core", async () => {
    const folder = await temporaryFolder();
    await (await open(folder)).ready();
    const path = await newest(folder, "me.ring.json");
    const ring = await ringIn(folder);
    const keys = ring.keys.map((key) => (key.state === "active" ? { ...key, private_pem: known.privatePem } : key));
    await writeFile(path, JSON.stringify({ ...ring, keys }));
    await assert.rejects((await open(folder)).ready());
    await writeFile(path, JSON.stringify(ring));
    await (await open(folder)).ready();
  });
});

describe("rotation", () => {
  test("lets the next key sign, retires the other and makes a new next", async () => {
    const folder = await temporaryFolder();
    const skill = await open(folder);
    const before = await ringIn(folder).catch(async () => {
      await skill.ready();
      return ringIn(folder);
    });
    const next = before.keys.find(({ state }) => state === "next")?.kid;
    const active = before.keys.find(({ state }) => state === "active")?.kid;
    // The first next key is published as long as the ring itself, and may sign at once.
    const rotation = await skill.rotateKeys();
    assert.equal(rotation.active, next);
    assert.deepEqual(rotation.retired, [active]);
    assert.equal((await skill.ready()).keyId, next);
    const after = await ringIn(folder);
    assert.deepEqual(after.keys.map(({ state }) => state).sort(), ["active", "next", "retired"]);
    const early = await rejectsWith("invalid_argument", skill.rotateKeys());
    assert.match(early.message, /seconds.*force/);
    assert.equal((await skill.rotateKeys({ force: true })).active, rotation.next);
  });

  test("in one process is seen by another within a second", async () => {
    const folder = await temporaryFolder();
    const [one, two] = [await open(folder), await open(folder)];
    await Promise.all([one.ready(), two.ready()]);
    const { active } = await one.rotateKeys({ force: true });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await two.generateToken("https://agents.example/bob", ["read"]);
    assert.equal((await two.ready()).keyId, active);
  });

  test("of many at once leaves one ring with all of them", async () => {
    const folder = await temporaryFolder();
    const skills = await Promise.all([1, 2, 3].map(() => open(folder)));
    await Promise.all(skills.map((skill) => skill.ready()));
    await Promise.all(skills.map((skill) => skill.rotateKeys({ force: true })));
    const { keys } = await ringIn(folder);
    assert.equal(keys.filter(({ state }) => state === "retired").length, 3);
    assert.equal(keys.filter(({ state }) => state === "active").length, 1);
  });

  test("is not for an agent whose authority signs", async () => {
    const skill = new AuthSkill({ authority: "https://portal.example", agentId: "me" }, { logger: quiet });
    after(() => skill.close());
    await rejectsWith("invalid_argument", skill.rotateKeys({ force: true }));
  });

  test("goes on with the keys in memory where the file was broken, and says so once", async () => {
    const folder = await temporaryFolder();
    const logger = new Lines();
    const skill = await open(folder, { logger });
    await skill.ready();
    await writeFile(await newest(folder, "me.ring.json"), "{");
    for (let round = 0; round < 2; round++) {
      await new Promise((resolve) => setTimeout(resolve, 1050));
      await skill.generateToken("https://agents.example/bob", ["read"]);
    }
    assert.equal(logger.warnings.length, 1);
    assert.match(logger.warnings[0] ?? "", /me\.ring\.json.*stays in use/);
  });
});

describe("a signer of one's own", () => {
  const key: KeyObject = createPrivateKey(known.privatePem);
  const kms = async (input: Uint8Array) => cryptoSign("sha256", input, key);

  const signers: readonly [string, AuthSkillOptions][] = [
    ["PEM text", { signer: known.privatePem }],
    ["a KeyObject", { signer: key }],
    ["a function", { signer: kms, publicKey: known.publicPem }],
  ];
  for (const [name, options] of signers) {
    test(`${name} signs, and nothing is written`, async () => {
      const folder = await temporaryFolder();
      const skill = await open(folder, options);
      assert.equal((await skill.ready()).keyId, known.kid);
      const token = await skill.generateToken("https://agents.example/me", ["read"]);
      assert.equal((await skill.verifyToken(token)).keyId, known.kid);
      assert.deepEqual(await readdir(folder), []);
      const error = await rejectsWith("invalid_argument", skill.rotateKeys({ force: true }));
      assert.match(error.message, /rotated where it is kept/);
    });
  }

  test("that signs with another key, or without its public key, is refused", async () => {
    const folder = await temporaryFolder();
    const other = await KeyManager.generateRsaKeypair();
    const wrong = await open(folder, { signer: kms, publicKey: other.publicPem });
    await rejectsWith("signer_failed", wrong.generateToken("https://agents.example/bob"));
    await rejectsWith("invalid_argument", (await open(folder, { signer: kms })).ready());
    await rejectsWith("invalid_key", (await open(folder, { signer: createPublicKey(key) })).ready());
  });
});

test("no key is in what inspect shows of a skill", async () => {
  const skill = await open(await temporaryFolder());
  await skill.ready();
  assert.doesNotMatch(inspect(skill, { depth: 10, showHidden: true }), /PRIVATE KEY/);
});

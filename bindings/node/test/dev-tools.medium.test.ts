import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { AgentAuth, DevTools } from "tallystick";
import { known, quiet, rejectsWith, runNode, temporaryFolder } from "./support.js";

const entry = new URL("../../dist/index.js", import.meta.url).href;

/** Runs a script in a folder of its own, as `.env` is looked for in the working folder. */
function inFolder(cwd: string, script: string, env: NodeJS.ProcessEnv = {}) {
  const { DEV_PRIVATE_KEY: _, ...rest } = process.env;
  const text = `import { DevTools } from ${JSON.stringify(entry)};\n${script}`;
  return runNode(["--input-type=module", "-e", text], { cwd, env: { ...rest, ...env } });
}

const PRINT_TOKEN = `
  try { console.log(JSON.stringify(await DevTools.generateBearerToken({ query: "ä?" }))); }
  catch (error) { console.log(error.code, error.message); }`;

describe("setupPersistentKeys", () => {
  test("writes the public key, prints the private one, and the token is accepted in development", async () => {
    const folder = await temporaryFolder();
    const { stdout, stderr } = await inFolder(folder, "await DevTools.setupPersistentKeys();");
    const line = stdout.match(/^DEV_PRIVATE_KEY=\S+$/m)?.[0];
    assert.ok(line, stdout + stderr);
    assert.deepEqual(await readdir(join(folder, "authorized_keys")), ["dev_postman.pem"]);
    await writeFile(join(folder, ".env"), `OTHER=1\n${line}\n`);

    const made = await inFolder(folder, PRINT_TOKEN);
    const { token, body } = JSON.parse(made.stdout) as { token: string; body: string };
    assert.equal(body, '{"query":"ä?"}');
    const of = (devMode: boolean) =>
      new AgentAuth({ keysDir: join(folder, "authorized_keys"), devMode, logger: quiet }).verify({
        authorization: [`Bearer ${token}`],
        method: "POST",
        path: "/agent",
        body: Buffer.from(body),
      });
    const caller = await of(true);
    assert.deepEqual([caller.issuer, caller.development], ["dev_postman", true]);
    assert.equal(caller.expiresAt - (caller.issuedAt ?? 0), 21_600);
    await rejectsWith("invalid_claims", of(false));
  });

  test("replaces the key of a second run and leaves nothing else", async () => {
    const folder = await temporaryFolder();
    const lines: string[] = [];
    const options = { keysDir: folder, issuerId: "me", print: (line: string) => void lines.push(line) };
    await DevTools.setupPersistentKeys(options);
    const first = await readFile(join(folder, "me.pem"), "utf8");
    await DevTools.setupPersistentKeys(options);
    assert.notEqual(await readFile(join(folder, "me.pem"), "utf8"), first);
    assert.deepEqual(await readdir(folder), ["me.pem"]);
    assert.match(lines[0] ?? "", /me\.pem$/);
  });

  test("refuses issuers that are no file name", async () => {
    const keysDir = await temporaryFolder();
    for (const issuerId of ["../up", "a/b", "a\\b", "", ".hidden", "a\0b", "a\nb", "/abs", "x".repeat(600)]) {
      await rejectsWith("invalid_argument", DevTools.setupPersistentKeys({ keysDir, issuerId, print: () => {} }));
    }
    assert.deepEqual(await readdir(keysDir), []);
    await DevTools.setupPersistentKeys({ keysDir, issuerId: "a b@c", print: () => {} });
    assert.deepEqual(await readdir(keysDir), ["a b@c.pem"]);
  });
});

describe("arguments of a wrong type are refused by their names", async () => {
  const keysDir = await temporaryFolder();
  const print = () => {};
  const { setupPersistentKeys, generateBearerToken } = DevTools;
  const cases: [string, (options: never) => Promise<unknown>, unknown, RegExp][] = [
    ["setup, null", setupPersistentKeys, null, /plain object \(there is null\)/],
    ["setup, a text", setupPersistentKeys, keysDir, /plain object \(there is a text\)/],
    ["setup, keysDir", setupPersistentKeys, { keysDir: 5, print }, /keysDir must be a text/],
    ["setup, issuerId", setupPersistentKeys, { keysDir, issuerId: 5, print }, /issuerId must be a text/],
    ["setup, print", setupPersistentKeys, { keysDir, print: "x" }, /print must be a function/],
    ["setup, an unknown one", setupPersistentKeys, { keyDir: keysDir, print }, /"keyDir": write keysDir/],
    ["token, none", generateBearerToken, undefined, /plain object \(there is undefined\)/],
    ["token, a text", generateBearerToken, "what?", /plain object \(there is a text\)/],
    ["token, no query", generateBearerToken, {}, /query must be a text \(it is undefined\)/],
    ["token, query", generateBearerToken, { query: 5 }, /query must be a text \(it is the number 5\)/],
    ["token, envVar", generateBearerToken, { query: "", envVar: 5 }, /envVar must be a text/],
    ["token, issuerId", generateBearerToken, { query: "", issuerId: null }, /issuerId must be a text/],
  ];
  for (const [name, tool, options, text] of cases) {
    test(name, async () => {
      const { message } = await rejectsWith("invalid_argument", tool(options as never));
      assert.match(message, name.startsWith("setup") ? /^setupPersistentKeys: / : /^generateBearerToken: /);
      assert.match(message, text);
    });
  }

  test("their right twins are taken", async (context) => {
    await setupPersistentKeys({ keysDir, issuerId: "me", print });
    assert.deepEqual(await readdir(keysDir), ["me.pem"]);
    const envVar = "TALLYSTICK_TEST_KEY";
    process.env[envVar] = Buffer.from(known.privatePem).toString("base64");
    context.after(() => delete process.env[envVar]);
    assert.equal((await generateBearerToken({ query: "", envVar, issuerId: "me" })).body, '{"query":""}');
  });
});

describe("generateBearerToken", () => {
  const good = Buffer.from(known.privatePem).toString("base64");
  const cases: [string, string | undefined, RegExp][] = [
    ["no .env", undefined, /^invalid_config DEV_PRIVATE_KEY .*\.env: run DevTools\.setupPersistentKeys/],
    [".env without the variable", "OTHER=1", /^invalid_config DEV_PRIVATE_KEY /],
    ["an empty value", "DEV_PRIVATE_KEY=", /^invalid_config DEV_PRIVATE_KEY /],
    ["not base64", "DEV_PRIVATE_KEY=***", /^invalid_key DEV_PRIVATE_KEY: /],
    ["no key", `DEV_PRIVATE_KEY=${Buffer.from("no key").toString("base64")}`, /^invalid_key DEV_PRIVATE_KEY: /],
    [
      "a public key",
      `DEV_PRIVATE_KEY=${Buffer.from(known.publicPem).toString("base64")}`,
      /^invalid_key DEV_PRIVATE_KEY: /,
    ],
    ["a key", `DEV_PRIVATE_KEY=${good}`, /^\{"token":"/],
  ];
  for (const [name, dotenv, output] of cases) {
    test(name, async () => {
      const folder = await temporaryFolder(dotenv === undefined ? {} : { ".env": dotenv });
      assert.match((await inFolder(folder, PRINT_TOKEN)).stdout, output);
    });
  }

  test("the environment comes before .env", async () => {
    const folder = await temporaryFolder({ ".env": "DEV_PRIVATE_KEY=***" });
    assert.match((await inFolder(folder, PRINT_TOKEN, { DEV_PRIVATE_KEY: good })).stdout, /^\{"token":"/);
  });

  test("an unreadable .env is an error that names it", async () => {
    const folder = await temporaryFolder();
    const { mkdir } = await import("node:fs/promises");
    await mkdir(join(folder, ".env"));
    assert.match((await inFolder(folder, PRINT_TOKEN)).stdout, /^invalid_config .*\.env cannot be read/);
  });
});

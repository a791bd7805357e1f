import assert from "node:assert/strict";
import { chmod, link, mkdir, readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Authority } from "tallystick";
import { SECRET } from "./access-support.js";
import { Lines, newest, quiet, rejectsWith, runNode, temporaryFolder } from "./support.js";

const NAME = "clients.json";
const KEEP = 64;
const entry = fileURLToPath(new URL("../../dist/index.js", import.meta.url));

async function open(keysDir: string, logger = new Lines()): Promise<Authority> {
  const authority = new Authority("https://portal.example", { keysDir, logger });
  after(() => authority.close().catch(() => {}));
  await authority.ready();
  return authority;
}

async function register(authority: Authority, ...ids: string[]): Promise<void> {
  for (const clientId of ids) await authority.registerClient({ clientId, secret: SECRET });
}

async function ids(authority: Authority): Promise<string[]> {
  return (await authority.listClients()).map(({ clientId }) => clientId);
}

// What is the same in both languages is tested in bindings/python/tests/test_shared_races.py, in
// both.
describe("a shared file", () => {
  test("keeps nothing of old versions but the names of the newest", async () => {
    const folder = await temporaryFolder();
    const authority = await open(folder);
    for (let round = 0; round < KEEP + 3; round++) await register(authority, "alice");
    const names = (await readdir(folder)).filter((name) => name.startsWith(NAME));
    const kept = Array.from({ length: KEEP }, (_, index) => `${NAME}.${index + 4}`);
    assert.deepEqual(names.sort(), [`${NAME}.1`, ...kept].sort());
    for (const name of names) {
      const { size, mode } = await stat(join(folder, name));
      assert.equal(size > 0, name === `${NAME}.${KEEP + 3}`);
      assert.equal(mode & 0o777, 0o600);
    }
  });

  test("of an earlier release that lies beside versions is told of, once", async () => {
    const folder = await temporaryFolder();
    await register(await open(folder), "alice");
    const text = await readFile(await newest(folder, NAME), "utf8");
    await writeFile(join(folder, NAME), text.replace("alice", "carol"), { mode: 0o600 });
    const logger = new Lines();
    const authority = await open(folder, logger);
    assert.deepEqual(await ids(authority), ["alice"]);
    await ids(authority);
    assert.equal(logger.warnings.length, 1);
    assert.match(
      logger.warnings[0] ?? "",
      /clients\.json: it is not used.*clients\.json\.1 beside it.*clients\.json\.2/,
    );
    await rename(join(folder, NAME), join(folder, `${NAME}.2`));
    assert.deepEqual(await ids(await open(folder)), ["carol"]);
  });

  test("that a person commits by a link counts", async () => {
    const folder = await temporaryFolder();
    const authority = await open(folder);
    await register(authority, "alice");
    const text = await readFile(await newest(folder, NAME), "utf8");
    await writeFile(join(folder, "edited"), text.replace("alice", "bob"), { mode: 0o600 });
    await link(join(folder, "edited"), join(folder, `${NAME}.2`));
    assert.deepEqual(await ids(authority), ["bob"]);
    await register(authority, "carol");
    assert.deepEqual(await ids(authority), ["bob", "carol"]);
  });

  test("without a change is no new version", async () => {
    const folder = await temporaryFolder();
    const authority = await open(folder);
    await register(authority, "alice");
    assert.equal(await authority.removeClient("bob"), false);
    assert.equal(await newest(folder, NAME), join(folder, `${NAME}.1`));
    assert.equal(await authority.removeClient("alice"), true);
    assert.equal(await newest(folder, NAME), join(folder, `${NAME}.2`));
  });

  test("whose newest version is empty, too large, a folder or open to others is refused", async () => {
    const folder = await temporaryFolder();
    const authority = await open(folder);
    await register(authority, "alice");
    const path = await newest(folder, NAME);
    const text = await readFile(path, "utf8");
    for (const [wrong, message] of [
      ["", /clients\.json\.1 is empty.*restore/],
      [`${" ".repeat(8 << 20)}{}`, /clients\.json\.1 is over 8388608 bytes: restore it from a copy/],
      [text.replace('"version": 1', '"version": 2'), /of version 2.*update tallystick/],
    ] as const) {
      await writeFile(path, wrong);
      assert.match((await rejectsWith("invalid_config", authority.listClients())).message, message);
    }
    await writeFile(path, text);
    await chmod(path, 0o640);
    assert.match((await rejectsWith("invalid_config", authority.listClients())).message, /chmod 600/);
    await chmod(path, 0o600);
    assert.deepEqual(await ids(authority), ["alice"]);
    await mkdir(join(folder, `${NAME}.2`));
    assert.match((await rejectsWith("invalid_config", authority.listClients())).message, /not a regular file|EISDIR/);
  });

  test("that could not be written is not counted in memory either", async () => {
    const folder = await temporaryFolder();
    const authority = await open(folder);
    await register(authority, "alice");
    await chmod(folder, 0o755);
    await rejectsWith("invalid_config", authority.registerClient({ clientId: "bob", secret: SECRET }));
    const token = (id: string) =>
      authority
        .fetchEndpoints()(
          new Request("https://portal.example/auth/token", {
            method: "POST",
            headers: { "content-type": "application/x-www-form-urlencoded" },
            body: new URLSearchParams({
              grant_type: "client_credentials",
              client_id: id,
              client_secret: SECRET,
              target: "@x",
            }).toString(),
          }),
        )
        .then((answer) => answer?.status);
    assert.deepEqual([await token("alice"), await token("bob")], [200, 401]);
    await chmod(folder, 0o700);
    await register(authority, "bob");
    assert.equal(await token("bob"), 200);
  });
});

test("modes and owners are not judged on Windows, which has none", async () => {
  const folder = join(await temporaryFolder(), "keys");
  const script = `
    Object.defineProperty(process, "platform", { value: "win32" });
    process.geteuid = undefined;
    const { chmodSync, readdirSync } = await import("node:fs");
    const { Authority } = await import(${JSON.stringify(entry)});
    const keysDir = ${JSON.stringify(folder)};
    for (let round = 0; round < 2; round++) {
      const authority = new Authority("https://portal.example", { keysDir, store: { claim: () => true } });
      await authority.registerClient({ clientId: "c" + round, secret: ${JSON.stringify(SECRET)} });
      for (const name of readdirSync(keysDir)) chmodSync(keysDir + "/" + name, 0o666);
      chmodSync(keysDir, 0o777);
      console.log((await authority.listClients()).length);
      await authority.close();
    }`;
  const { stdout, stderr } = await runNode(["--input-type=module", "-e", script]);
  assert.deepEqual([stdout, stderr], ["1\n2\n", ""]);
  const error = await rejectsWith(
    "invalid_config",
    new Authority("https://portal.example", { keysDir: folder, logger: quiet }).ready(),
  );
  assert.match(error.message, /open to other users/);
});

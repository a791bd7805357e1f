import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { AgentAuth, type ErrorCode, KeyManager, OrchestratorClient } from "tallystick";
import { known, Lines, other, rejectsWith, run, temporaryFolder, token } from "./support.js";

const weak = await smallKey();
const FACTS = { method: "POST", path: "/agent" };

/** A 1024-bit public key, which KeyManager does not make. */
async function smallKey(): Promise<string> {
  const { generateKeyPairSync } = await import("node:crypto");
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
  return publicKey.export({ type: "spki", format: "pem" }).toString();
}

async function certificate(): Promise<string> {
  const folder = await temporaryFolder();
  const [key, file] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const args = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", key, "-out", file];
  const { code, stderr } = await run("openssl", args);
  assert.equal(code, 0, stderr);
  const { readFile } = await import("node:fs/promises");
  return readFile(file, "utf8");
}

function open(keysDir: string, logger = new Lines()): AgentAuth {
  return new AgentAuth({ keysDir, devMode: false, logger });
}

const call = (auth: AgentAuth, request = {}) =>
  auth.verify({ ...FACTS, authorization: [`Bearer ${token({ unbound: true, ...request })}`] });

// The core asks for the folder when its keys are a second old.
const aSecond = () => new Promise((resolve) => setTimeout(resolve, 1100));

/**
 * An agent with three descriptors left for eight files of keys, while it starts; arguments: folder,
 * private key. Prints how a call of each issuer ended during the shortage and after it, and what
 * was logged.
 */
const SHORT_OF_DESCRIPTORS = `
import { closeSync, openSync, readFileSync } from "node:fs";
import { AgentAuth, OrchestratorClient } from "tallystick";
const [folder, file] = process.argv.slice(1);
const signer = readFileSync(file, "utf8");
const said = [];
const logger = { warn: (line) => said.push(line), error: (line) => said.push(line) };
const first = new AgentAuth({ keys: {}, devMode: true, logger: { warn() {}, error() {} } });
await first.ready();
const clients = [..."abcdefgh"].map((issuerId) => new OrchestratorClient({ issuerId, signer }));
for (const client of clients) await client.sign("POST", "http://agent.example/agent");
const call = async (client) => {
  const { authorization } = await client.sign("POST", "http://agent.example/agent");
  const facts = { method: "POST", path: "/agent", authorization: [authorization] };
  return auth.verify(facts).then(() => "accepted", (error) => error.code);
};
const taken = [];
try {
  for (;;) taken.push(openSync("/dev/null"));
} catch {}
for (let free = 0; free < 3; free++) closeSync(taken.pop());
const auth = new AgentAuth({ keysDir: folder, store: "memory:", logger });
const during = await Promise.all(clients.map(call));
for (const descriptor of taken) closeSync(descriptor);
const end = Date.now() + 30_000;
let after;
do {
  await new Promise((resolve) => setTimeout(resolve, 100));
  after = await Promise.all(clients.map(call));
} while (after.some((outcome) => outcome !== "accepted") && Date.now() < end);
console.log(JSON.stringify({ during, after, said: said.filter((line) => line.startsWith("keys:")) }));
`;

test("a folder that Kubernetes mounts is swapped as a whole", async () => {
  // A ConfigMap is mounted as links through ..data, which one rename turns to a new folder.
  const folder = await temporaryFolder();
  for (const [version, { publicPem }] of [
    ["..v1", known],
    ["..v2", other],
  ] as const) {
    await mkdir(join(folder, version));
    await writeFile(join(folder, version, "orchestrator.pem"), publicPem);
  }
  await symlink("..v1", join(folder, "..data"));
  await symlink("..data/orchestrator.pem", join(folder, "orchestrator.pem"));
  const auth = open(folder);
  const rotated = { private_key: other.privatePem };
  assert.equal((await call(auth)).issuer, "orchestrator");
  await rejectsWith("invalid_signature", call(auth, rotated));
  await symlink("..v2", join(folder, "..next"));
  await rename(join(folder, "..next"), join(folder, "..data"));
  await aSecond();
  assert.equal((await call(auth, rotated)).issuer, "orchestrator");
  await rejectsWith("invalid_signature", call(auth));
});

describe("a keys folder", () => {
  test("that is missing or empty warns, names the folder and lets nobody in", async () => {
    const parent = await temporaryFolder();
    for (const folder of [join(parent, "missing"), parent]) {
      const lines = new Lines();
      const auth = open(folder, lines);
      await rejectsWith("unknown_issuer", call(auth));
      assert.equal(lines.warnings.length, 1);
      assert.ok(lines.warnings[0]?.includes(`${folder} is missing or holds no usable key`), lines.warnings[0]);
      assert.match(lines.warnings[0] ?? "", /ISSUER\.pem/);
    }
    const lines = new Lines();
    await call(open(await temporaryFolder({ "orchestrator.pem": known.publicPem }), lines));
    assert.deepEqual(lines.warnings, []);
  });

  test("that cannot be read refuses with 503 until it can", async () => {
    // A file where a folder should be: permissions would not stop a superuser.
    const parent = await temporaryFolder({ keys: "a file" });
    const lines = new Lines();
    const auth = open(join(parent, "keys"), lines);
    const { response } = await rejectsWith("keys_unavailable", call(auth));
    assert.equal(response?.status, 503);
    assert.ok(!response?.body.includes(parent), "the answer names a path");
    assert.ok(lines.errors[0]?.includes(join(parent, "keys")), lines.errors[0]);
    await rm(join(parent, "keys"));
    await mkdir(join(parent, "keys"));
    await writeFile(join(parent, "keys", "orchestrator.pem"), known.publicPem);
    assert.equal((await call(auth)).issuer, "orchestrator");
  });

  test("that becomes unreadable refuses with 503, and the log says why", async () => {
    const parent = await temporaryFolder();
    const folder = join(parent, "keys");
    await mkdir(folder);
    await writeFile(join(folder, "orchestrator.pem"), known.publicPem);
    const auth = open(folder);
    await call(auth);
    await rename(folder, join(parent, "away"));
    await symlink(folder, folder);
    await aSecond();
    const { log } = await rejectsWith("keys_unavailable", call(auth));
    assert.match(log ?? "", /ELOOP/);
  });

  test("that vanishes is logged once, and again when it comes back and vanishes again", async () => {
    const parent = await temporaryFolder();
    const [folder, away] = [join(parent, "keys"), join(parent, "away")];
    await mkdir(folder);
    await writeFile(join(folder, "orchestrator.pem"), known.publicPem);
    const lines = new Lines();
    const auth = open(folder, lines);
    await call(auth);
    for (const times of [1, 2]) {
      await rename(folder, away);
      for (let again = 0; again < 2; again++) {
        await aSecond();
        await rejectsWith("unknown_issuer", call(auth));
        assert.equal(lines.errors.length, times);
      }
      assert.ok(lines.errors.at(-1)?.includes(`the keys folder ${folder} has gone`), lines.errors.at(-1));
      await rename(away, folder);
      await aSecond();
      await call(auth);
      assert.equal(lines.errors.length, times);
    }
    assert.deepEqual(lines.warnings, []);
  });

  test("that is missing at start and comes to be is logged when it vanishes, an empty one is not", async () => {
    const folder = join(await temporaryFolder(), "keys");
    const lines = new Lines();
    const auth = open(folder, lines);
    await rejectsWith("unknown_issuer", call(auth));
    await mkdir(folder);
    await aSecond();
    await rejectsWith("unknown_issuer", call(auth));
    assert.deepEqual(lines.errors, []);
    await rm(folder, { recursive: true });
    await aSecond();
    await rejectsWith("unknown_issuer", call(auth));
    assert.equal(lines.errors.length, 1);
    assert.equal(lines.warnings.length, 1);
  });

  test("whose last key is removed or spoilt is logged once", async () => {
    const folder = await temporaryFolder({ "orchestrator.pem": known.publicPem });
    const file = join(folder, "orchestrator.pem");
    const lines = new Lines();
    const auth = open(folder, lines);
    await call(auth);
    for (const [times, lose] of [() => rm(file), () => writeFile(file, "no key")].entries()) {
      await lose();
      for (let again = 0; again < 2; again++) {
        await aSecond();
        await rejectsWith("unknown_issuer", call(auth));
        assert.equal(lines.errors.length, times + 1);
      }
      assert.ok(lines.errors.at(-1)?.includes(`${folder} holds no usable key any more`), lines.errors.at(-1));
      await writeFile(file, known.publicPem);
      await aSecond();
      await call(auth);
    }
    assert.equal(lines.errors.length, 2);
  });

  test("of which some files cannot be read once: 503 for their callers, and they are read again", async () => {
    const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    const folder = await temporaryFolder(Object.fromEntries(names.map((name) => [`${name}.pem`, known.publicPem])));
    const signer = join(await temporaryFolder({ "private.pem": known.privatePem }), "private.pem");
    const program = [process.execPath, "--input-type=module", "-e", SHORT_OF_DESCRIPTORS, folder, signer];
    const { code, stdout, stderr } = await run("sh", ["-c", 'ulimit -n 96; exec "$@"', "sh", ...program]);
    assert.equal(code, 0, stderr);
    const { during, after, said } = JSON.parse(stdout) as Record<"during" | "after" | "said", string[]>;
    assert.deepEqual(new Set(during), new Set(["accepted", "keys_unavailable"]));
    assert.deepEqual(new Set(after), new Set(["accepted"]));
    assert.equal(new Set(said).size, said?.length); // once, although they are tried again
    for (const line of said ?? []) assert.match(line, /^keys: [a-h]\.pem is not used: .*EMFILE/);
  });

  test("with a file that stays unreadable says so once, and lets the other callers in", async () => {
    const folder = await temporaryFolder({ "orchestrator.pem": known.publicPem });
    // A superuser cannot read it either.
    await symlink(join(folder, "loop.pem"), join(folder, "loop.pem"));
    const lines = new Lines();
    const auth = open(folder, lines);
    for (let again = 0; again < 3; again++) {
      const { response } = await rejectsWith("keys_unavailable", call(auth, { issuer: "loop" }));
      assert.deepEqual([response?.status, response?.headers["retry-after"]], [503, "1"]);
      await call(auth);
      await aSecond();
    }
    assert.equal(lines.warnings.length, 1);
    assert.match(lines.warnings[0] ?? "", /loop\.pem is not used: .*ELOOP/);
    await rm(join(folder, "loop.pem"));
    await aSecond();
    await rejectsWith("unknown_issuer", call(auth, { issuer: "loop" }));
  });

  test("takes a key that is dropped in, changed or removed without a restart", async () => {
    const folder = await temporaryFolder();
    const auth = open(folder);
    await rejectsWith("unknown_issuer", call(auth));
    await writeFile(join(folder, "orchestrator.pem"), other.publicPem);
    await aSecond();
    await rejectsWith("invalid_signature", call(auth));
    await writeFile(join(folder, "orchestrator.pem"), known.publicPem);
    await aSecond();
    await call(auth);
    await rm(join(folder, "orchestrator.pem"));
    await aSecond();
    await rejectsWith("unknown_issuer", call(auth));
  });

  test("sees a change that leaves name, size and modification time as they were", async () => {
    const folder = await temporaryFolder({ "orchestrator.pem": other.publicPem });
    const file = join(folder, "orchestrator.pem");
    const when = new Date(2020, 1, 1);
    await utimes(file, when, when);
    const auth = open(folder);
    await rejectsWith("invalid_signature", call(auth));
    await writeFile(file, known.publicPem);
    await utimes(file, when, when);
    await aSecond();
    await call(auth);
  });

  test("follows links, as mounted secrets are, and names folders, pipes, sockets and dangling links", async () => {
    const target = await temporaryFolder({ key: known.publicPem });
    const folder = await temporaryFolder();
    await symlink(join(target, "key"), join(folder, "orchestrator.pem"));
    await symlink(join(target, "nothing"), join(folder, "dangling.pem"));
    await mkdir(join(folder, "folder.pem"));
    assert.equal((await run("mkfifo", [join(folder, "pipe.pem")])).code, 0);
    await symlink("..nothing", join(folder, "..data"));
    const socket = createServer().listen(join(folder, "socket.pem"));
    await once(socket, "listening");
    const lines = new Lines();
    await call(open(folder, lines));
    await new Promise((closed) => socket.close(closed));
    const names = lines.warnings.map((line) => /(\w+)\.pem is not used: (.*); put/.exec(line)?.slice(1));
    assert.deepEqual(names, [
      ["dangling", "a link to a file that is not there"],
      ["folder", "not a regular file"],
      ["pipe", "not a regular file"],
      ["socket", "not a regular file"],
    ]);
  });

  test("one read serves many requests at once", async () => {
    const folder = await temporaryFolder({ "orchestrator.pem": known.publicPem });
    const auth = open(folder);
    await auth.ready();
    await aSecond();
    const client = new OrchestratorClient({ issuerId: "orchestrator", signer: known.privatePem });
    const url = "http://agent.example/agent";
    const signed = await Promise.all(Array.from({ length: 700 }, () => client.sign("POST", url)));
    await Promise.all(signed.map(({ authorization }) => auth.verify({ ...FACTS, authorization: [authorization] })));
  });
});

describe("a file of keys that cannot be used is named in a warning and costs its own issuer alone", async () => {
  const cases: [string, Record<string, string | Uint8Array>, RegExp][] = [
    ["a private key", { "bad.pem": known.privatePem }, /bad\.pem .*private key/],
    ["a certificate", { "bad.pem": await certificate() }, /bad\.pem .*certificate/],
    ["garbage", { "bad.pem": "garbage" }, /bad\.pem is not used/],
    ["an empty file", { "bad.pem": "" }, /bad\.pem .*empty/],
    ["not UTF-8", { "bad.pem": Buffer.from([0xff, 0xfe]) }, /bad\.pem .*UTF-8/],
    ["too large", { "bad.pem": " ".repeat(262_145) }, /bad\.pem .*262144 bytes/],
    ["1024 bits", { "bad.pem": weak }, /bad\.pem .*1024/],
    ["two files for one issuer", { "bad.pem": other.publicPem, "bad.pub": other.publicPem }, /bad\.pem and bad\.pub/],
  ];
  for (const [name, files, warning] of cases) {
    test(name, async () => {
      const folder = await temporaryFolder({ "orchestrator.pem": known.publicPem, ...files });
      const lines = new Lines();
      const auth = open(folder, lines);
      await call(auth);
      await rejectsWith("unknown_issuer", call(auth, { issuer: "bad", private_key: other.privatePem }));
      assert.equal(lines.warnings.length, 1);
      assert.match(lines.warnings[0] ?? "", warning);
      assert.doesNotMatch(lines.warnings.join(), /PRIVATE KEY-----|MII/);
    });
  }

  test("its good twin is used", async () => {
    const auth = open(await temporaryFolder({ "bad.pem": other.publicPem }));
    await call(auth, { issuer: "bad", private_key: other.privatePem });
  });

  test("a warning comes again when the folder changes to a bad one", async () => {
    const folder = await temporaryFolder({ "orchestrator.pem": known.publicPem });
    const lines = new Lines();
    const auth = open(folder, lines);
    await call(auth);
    assert.deepEqual(lines.warnings, []);
    await writeFile(join(folder, "late.pem"), "garbage");
    await aSecond();
    await call(auth);
    await aSecond();
    await call(auth);
    assert.equal(lines.warnings.length, 1);
    assert.match(lines.warnings[0] ?? "", /late\.pem/);
  });
});

describe("keys given as text", () => {
  const withKeys = (keys: Record<string, string>) => new AgentAuth({ keys, devMode: false, logger: new Lines() });

  test("PEM, JWK and JWKS", async () => {
    const { keyObject, jwk } =
      (await KeyManager.loadPublicKeys(await temporaryFolder({ "a.pem": known.publicPem }))).get("a")?.[0] ??
      assert.fail("no key");
    assert.equal(keyObject.asymmetricKeyType, "rsa");
    for (const text of [known.publicPem, JSON.stringify(jwk), JSON.stringify({ keys: [jwk] })]) {
      await call(withKeys({ orchestrator: text }));
    }
  });

  test("several keys of one issuer, as in a rotation", async () => {
    const auth = withKeys({ orchestrator: known.publicPem + other.publicPem });
    await call(auth);
    await call(auth, { private_key: other.privatePem });
    await rejectsWith("invalid_signature", call(withKeys({ orchestrator: other.publicPem })));
  });

  for (const [name, text, code] of [
    ["a private key", known.privatePem, "invalid_key"],
    ["garbage", "garbage", "invalid_key"],
    ["1024 bits", weak, "invalid_key"],
  ] as [string, string, ErrorCode][]) {
    test(`${name} is an error`, async () => {
      const lines = new Lines();
      const auth = new AgentAuth({ keys: { orchestrator: text }, devMode: false, logger: lines });
      const error = await rejectsWith(code, auth.ready());
      assert.match(error.message, /orchestrator/);
      assert.equal(lines.errors.length, 1);
      assert.doesNotMatch(`${error.stack} ${lines.errors}`, /PRIVATE KEY-----|MII/);
    });
  }

  test("keys and keysDir together are an error", async () => {
    const both = { keys: { orchestrator: known.publicPem }, keysDir: "authorized_keys" };
    await rejectsWith("invalid_argument", () => new AgentAuth(both));
  });
});

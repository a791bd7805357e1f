// One agent, authority or store of the Node package, for tests of the Go package: the same as peer.py, as
// far as these need it. The argument is the package's module.

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { Authority, AuthSkill, PostgreSQLStore, RedisStore, SQLiteStore } = await import(
  pathToFileURL(process.argv[2]).href
);

let endpoint;
let listener = (_, response) => response.writeHead(404).end();
const server = createServer((request, response) => listener(request, response));
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const url = `http://127.0.0.1:${server.address().port}`;

async function begin(made) {
  endpoint = made;
  await endpoint.ready();
  listener = endpoint.endpoints();
  return url;
}

const stores = { sqlite: SQLiteStore, redis: RedisStore, postgresql: PostgreSQLStore };
let kept;

async function claimSome(ids) {
  const free = [];
  for (const id of ids) if (await kept.claim(id, 600)) free.push(id);
  return free;
}

function shuffled(ids) {
  const placed = ids.map((id) => ({ id, at: Math.random() }));
  return placed.sort((one, other) => one.at - other.at).map(({ id }) => id);
}

const hexOf = (value) => value && Buffer.from(value).toString("hex");

const tasks = {
  agent: ({ store = "memory:", store_key: storeKey, ...config }) =>
    begin(new AuthSkill({ base_url: url, dev_mode: true, ...config }, { store, storeKey })),
  authority: ({ keys_dir: keysDir, store = "memory:", store_key: storeKey, url: own = url }) =>
    begin(new Authority(own, { keysDir, store, storeKey })),
  token: async (target, scopes) => {
    const { authorization } = await endpoint.authorize(target, { scopes });
    return authorization.slice("Bearer ".length);
  },
  bound: async (target, method, to, body) => {
    const { authorization } = await endpoint.authorize(target, { method, url: to, body, bind: true });
    return authorization.slice("Bearer ".length);
  },
  verify: async (made) => {
    const { agentId, issuer, scopes, bound } = await endpoint.verifyToken(made);
    return { agent_id: agentId, issuer, scopes, bound };
  },
  verify_request: async (made, method, path, body) => {
    const request = { authorization: `Bearer ${made}`, method, path, body: Buffer.from(body) };
    const { agentId, bound } = await endpoint.verify(request);
    return { agent_id: agentId, bound };
  },
  register: async (clientId, options) => (await endpoint.registerClient({ clientId, ...options })).clientSecret,
  register_many: async (prefix, count, publicKey) => {
    for (let i = 0; i < count; i += 1) {
      await endpoint.registerClient({ clientId: `${prefix}${i}`, publicKey, scopes: ["read"] });
    }
  },
  clients: async () => (await endpoint.listClients()).map((client) => client.clientId),
  revoke_many: async (count) => {
    const active = [];
    for (let i = 0; i < count; i += 1) active.push((await endpoint.rotateKeys({ revoke: true })).active);
    return active;
  },
  rotate: async () => (await endpoint.rotateKeys({ force: true })).active,
  // It is used once: its connection and its tables are there then.
  store: (kind, where) => {
    kept = new stores[kind](where, { timeout: 60 });
    return kept.get("0".repeat(32));
  },
  claim: (id, seconds) => kept.claim(id, seconds),
  // Each id four times, in four orders at once.
  claim_all: async (ids) => (await Promise.all([1, 2, 3, 4].map(() => claimSome(shuffled(ids))))).flat(),
  put: (id, value, seconds) => kept.put(id, Buffer.from(value, "hex"), seconds),
  get: async (id) => hexOf(await kept.get(id)),
  take: async (id) => hexOf(await kept.take(id)),
  read: async (name) => {
    const found = await kept.read(name);
    return found && { version: found.version, value: hexOf(found.value) };
  },
  write: (name, expectedVersion, value) => kept.write(name, expectedVersion, Buffer.from(value, "hex")),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...given] = JSON.parse(line);
  let said;
  try {
    said = { ok: (await tasks[name](...given)) ?? null };
  } catch (error) {
    said = { error: error.code ?? "internal", message: error.message };
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
await endpoint?.close();
await kept?.close();
server.close();

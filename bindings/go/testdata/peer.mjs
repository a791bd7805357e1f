// One agent or authority of the Node package, for tests of the Go package: the same as peer.py, as
// far as these need it. The argument is the package's module.

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { Authority, AuthSkill } = await import(pathToFileURL(process.argv[2]).href);

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

const tasks = {
  agent: (config) => begin(new AuthSkill({ base_url: url, dev_mode: true, ...config }, { store: "memory:" })),
  authority: ({ keys_dir }) => begin(new Authority(url, { keysDir: keys_dir, store: "memory:" })),
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
server.close();

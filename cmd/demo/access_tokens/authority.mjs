// The demo's authority in Node: prints its URL, then its clients' secrets; each line of input
// rotates its keys.
import { once } from "node:events";
import { createServer } from "node:http";
import { Authority } from "../../../bindings/node/dist/index.js";
import { readLine } from "./input.mjs";

const { keysDir, clients } = JSON.parse(await readLine());
const server = createServer();
await once(server.listen(0, "127.0.0.1"), "listening");
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
const url = `http://127.0.0.1:${port}`;
const authority = new Authority(url, { keysDir });
server.on("request", authority.endpoints());

/** @type {Record<string, string | undefined>} */
const secrets = {};
for (const clientId of clients) {
  const permissions = { scopes: ["read", "write"], namespaces: ["demo"], trust: ["verified"] };
  secrets[clientId] = (await authority.registerClient({ clientId, ...permissions })).clientSecret;
}
console.log(url);
console.log(JSON.stringify(secrets));
for (;;) {
  await readLine();
  console.log(JSON.stringify(await authority.rotateKeys({ force: true })));
}

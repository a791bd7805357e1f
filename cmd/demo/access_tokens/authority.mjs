// The demo's authority in Node: prints its URL, then its clients' secrets; each line of input rotates its keys.
import { createServer } from "node:http";
import { Authority } from "../../../bindings/node/dist/index.js";
import { readLine } from "./input.mjs";

const { keysDir, clients } = JSON.parse(await readLine());
const server = createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${server.address().port}`;
const authority = new Authority(url, { keysDir });
server.on("request", authority.endpoints());

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

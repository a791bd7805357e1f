// The demo's Node agents, on node:http: "self" signs its own tokens, for "portal" the authority
// does.
import { once } from "node:events";
import { createServer } from "node:http";
import { AuthSkill, nodeEndpoints } from "../../../bindings/node/dist/index.js";
import { readLine } from "./input.mjs";

const { authority, keysDir, secret } = JSON.parse(await readLine());
const server = createServer();
await once(server.listen(0, "127.0.0.1"), "listening");
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
const url = `http://127.0.0.1:${port}`;

const agents = {
  // devMode: issuers that nobody configured may be on this machine, over plain http.
  self: new AuthSkill({ baseUrl: `${url}/self`, keysDir, devMode: true, deny: ["http://127.0.0.1:*/mallory"] }),
  portal: new AuthSkill({
    authority,
    baseUrl: `${url}/portal`,
    clientId: "portal",
    clientSecret: secret,
    deny: ["@mallory"],
  }),
  // The same, but nobody calls it while the authority runs.
  late: new AuthSkill({ authority, baseUrl: `${url}/late` }),
};

/** @typedef {Parameters<AuthSkill["handler"]>[0]} Handler */

/**
 * @param {import("node:http").ServerResponse} response
 * @param {object} value
 */
const send = (response, value) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(value));
};

/** @type {Handler} */
const answer = ({ auth }, response) =>
  send(response, { caller: `${auth.agentId} (${auth.issuerType})`, key: auth.keyId });

/** @type {Map<string | undefined, import("../../../bindings/node/dist/index.js").NodeHandler>} */
const routes = new Map();
for (const [name, skill] of Object.entries(agents)) {
  routes.set(`/${name}/read`, skill.handler(answer, { scopes: ["read"] }));
  routes.set(`/${name}/write`, skill.handler(answer, { scopes: ["read", "write"] }));
  routes.set(`/${name}/bound`, skill.handler(answer, { scopes: ["read"], bind: true }));
  /** @type {Handler} */
  const token = async ({ auth }, response) =>
    send(response, { token: await skill.generateToken(auth.agentUrl, ["read"]) });
  routes.set(`/${name}/token`, skill.handler(token));
}

const endpoints = nodeEndpoints(agents);
server.on("request", (request, response) => {
  response.setHeader("x-worker", process.pid);
  endpoints(request, response, () => {
    const handler = routes.get(request.url);
    if (handler === undefined) response.writeHead(404).end();
    else handler(request, response);
  });
});
await Promise.all(Object.values(agents).map((skill) => skill.ready()));
console.log(url);
await readLine();
